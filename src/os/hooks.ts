/**
 * Carries out what `on:` asks for: runs a command, or posts a JSON object to a URL. A hook is told about an event; it
 * changes nothing here, so all that its failure does is a line in svcd's log.
 *
 * A burst of events (a hundred services that fail together) is worked off a few at a time, and the queue has an end:
 * when it is full the oldest goes, since the newest says what is so.
 */
import type { ClientRequest } from "node:http";
import type { ResolvedHook } from "../plan/environment.ts";
import type { Hook, Service } from "../plan/plan.ts";
import { formatDuration } from "../plan/units.ts";
import type { HookFacts, Hooks } from "../ports.ts";
import { type CommandEnd, runBounded } from "./bounded-command.ts";
import { plainText } from "./last-lines.ts";
import type { LinuxLauncher } from "./launcher.ts";

export interface HookOptions {
  readonly launcher: Pick<LinuxLauncher, "setting" | "beside" | "explainRefusal">;
  /** Of the machine, in what webhooks get. */
  readonly hostname: string;
  /** Where hooks run whose service has no usable folder. */
  readonly rootDir: string;
  /** A line for svcd's log. */
  readonly say: (line: string) => void;
  /** Others in tests. */
  readonly limits?: Partial<typeof LIMITS>;
}

const LIMITS = {
  atOnce: 8,
  waiting: 100,
  commandMs: 60_000,
  webhookMs: 10_000,
  /** Before the second try of a webhook: time enough for a restart of what receives it. */
  retryAfterMs: 1_000,
};
const KEPT_OUTPUT = 4096;

interface Job {
  readonly hook: Hook;
  readonly facts: HookFacts;
}

/** null: it is done; else why not, in words. */
type OnDone = (failure: string | null) => void;

export class LinuxHooks implements Hooks {
  readonly #options: HookOptions;
  readonly #limits: typeof LIMITS;
  readonly #waiting: Job[] = [];
  readonly #underWay = new Set<{ end: () => void }>();

  constructor(options: HookOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
  }

  run(hook: Hook, facts: HookFacts): void {
    this.#waiting.push({ hook, facts });
    if (this.#waiting.length > this.#limits.waiting) {
      const dropped = this.#waiting.shift() as Job;
      this.#options.say(`${nameOf(dropped)} was not carried out: more than ${this.#limits.waiting} are waiting`);
    }
    this.#work();
  }

  /** Ends what is under way; what waits is given up. */
  close(): void {
    this.#waiting.length = 0;
    for (const job of this.#underWay) job.end();
    this.#underWay.clear();
  }

  #work(): void {
    while (this.#underWay.size < this.#limits.atOnce) {
      const job = this.#waiting.shift();
      if (job === undefined) return;
      const handle = { end: () => {} };
      this.#underWay.add(handle);
      handle.end = this.#start(job, (failure) => {
        if (!this.#underWay.delete(handle)) return; // We were closed.
        if (failure !== null) this.#options.say(`${nameOf(job)} failed: ${failure}`);
        this.#work();
      });
    }
  }

  /** Always answers later, never while this runs. */
  #start({ facts }: Job, onDone: OnDone): () => void {
    const plain = withoutItsCommand(facts.service);
    const answer = this.#options.launcher.setting(plain);
    if (!answer.ok) return soon(() => onDone(answer.cause));
    const { setting } = answer;
    const hook = setting.resolved.hooks[facts.what];
    if (hook === undefined) return soon(() => onDone(null)); // Empty after its variables were filled in: none here.
    if (hook.kind === "webhook") return this.#post(hook, facts, onDone);
    const prepared = this.#options.launcher.beside(plain, setting, hook.argv, variablesOf(facts));
    // A folder that is gone may be the very thing to tell somebody about.
    const launchable =
      prepared.kind === "refusal" && prepared.cause.startsWith("working_dir ")
        ? this.#options.launcher.beside(
            plain,
            { ...setting, cwd: this.#options.rootDir },
            hook.argv,
            variablesOf(facts),
          )
        : prepared;
    if (launchable.kind === "refusal") return soon(() => onDone(launchable.cause));
    const { launch } = launchable;
    return runBounded(launch, { timeoutMs: this.#limits.commandMs, keepBytes: KEPT_OUTPUT }, (end) => {
      const refused =
        end.how.kind === "refused"
          ? this.#options.launcher.explainRefusal(launch, end.how.code, end.how.message).cause
          : null;
      onDone(refused ?? failureOf(end, this.#limits.commandMs));
    });
  }

  #post({ url }: Extract<ResolvedHook, { kind: "webhook" }>, facts: HookFacts, onDone: OnDone): () => void {
    const body = JSON.stringify({
      event: facts.what,
      service: facts.service.name,
      why: facts.why,
      run: facts.run,
      host: this.#options.hostname,
      at: new Date().toISOString(),
    });
    let end = (): void => {};
    const again = (): void => {
      end = post(url, body, this.#limits.webhookMs, onDone);
    };
    end = post(url, body, this.#limits.webhookMs, (failure) => {
      if (failure === null) return onDone(null);
      const timer = setTimeout(again, this.#limits.retryAfterMs);
      end = () => clearTimeout(timer);
    });
    return () => end();
  }
}

/**
 * What a hook is carried out for may be that the service's own command or check cannot be filled in. And as its folder
 * may be what is wrong, that is looked at when the command is started, not before.
 */
function withoutItsCommand(service: Service): Service {
  return { ...service, command: { kind: "words", words: ["true"] }, check: null };
}

function variablesOf({ what, service, why, run }: HookFacts): Record<string, string> {
  return {
    SVCD_EVENT: what,
    SVCD_SERVICE: service.name,
    SVCD_WHY: why.replaceAll("\0", ""),
    SVCD_RUN_NUMBER: String(run),
  };
}

/** "web: the hook `on.failed`" */
function nameOf({ facts }: Job): string {
  return `${facts.service.name}: the hook \`on.${facts.what}\``;
}

function failureOf({ how, output }: CommandEnd, limitMs: number): string | null {
  const said = output
    .toString("utf8")
    .split("\n")
    .map(plainText)
    .findLast((line) => line.trim() !== "");
  const ending = said === undefined ? "" : `: ${said.trim()}`;
  switch (how.kind) {
    case "code":
      return how.code === 0 ? null : `exit ${how.code}${ending}`;
    case "signal":
      return `killed by ${how.signal}${ending}`;
    case "timeout":
      return `not done within ${formatDuration(limitMs)}, so it was killed${ending}`;
    case "refused":
      return how.message;
  }
}

function soon(give: () => void): () => void {
  const immediate = setImmediate(give);
  return () => clearImmediate(immediate);
}

function post(url: string, body: string, timeoutMs: number, onDone: OnDone): () => void {
  const target = new URL(url);
  const { host } = target; // The path of a webhook is often its secret: it is never shown.
  let done = false;
  const answer: OnDone = (failure) => {
    if (done) return;
    done = true;
    clearTimeout(timer);
    onDone(failure);
  };
  const request: ClientRequest = clientFor(target).request(target, {
    method: "POST",
    agent: false,
    headers: {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(body),
      "user-agent": "svcd",
      connection: "close",
    },
  });
  const timer = setTimeout(() => {
    request.destroy();
    answer(`${host} did not answer within ${formatDuration(timeoutMs)}`);
  }, timeoutMs);
  request.on("response", (response) => {
    response.on("error", () => {}).resume();
    response.once("data", () => response.destroy()); // What it has to say beyond the status is not read.
    const status = response.statusCode ?? 0;
    answer(status >= 200 && status < 300 ? null : `${host} answered with HTTP ${status}`);
  });
  request.on("error", (error: NodeJS.ErrnoException) => answer(`${host}: ${error.message || error.code}`));
  request.on("close", () => answer(`${host} closed the connection without an answer`));
  request.end(body);
  return () => {
    done = true;
    clearTimeout(timer);
    request.destroy();
  };
}

/** Loaded by the first webhook that there is. */
function clientFor({ protocol }: URL): typeof import("node:http") | typeof import("node:https") {
  return protocol === "https:" ? process.getBuiltinModule("node:https") : process.getBuiltinModule("node:http");
}
