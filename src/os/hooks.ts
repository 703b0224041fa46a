/**
 * Carries out what `on:` asks for: runs a command, or posts a JSON object to a URL. A hook is told about an event; it
 * changes nothing here, so all that its failure does is a line in svcd's log.
 */
import type { Hook } from "../plan/plan.ts";
import type { HookFacts, Hooks } from "../ports.ts";
import { type BesideOptions, fillIn } from "./beside.ts";
import { Errands, type OnDone, soon, twice } from "./errands.ts";
import { post } from "./http-post.ts";

export interface HookOptions {
  readonly launcher: BesideOptions["launcher"];
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
  retryAfterMs: 1_000,
};

export class LinuxHooks implements Hooks {
  readonly #options: HookOptions;
  readonly #limits: typeof LIMITS;
  readonly #errands: Errands;

  constructor(options: HookOptions) {
    this.#options = options;
    this.#limits = { ...LIMITS, ...options.limits };
    this.#errands = new Errands(this.#limits, options.say);
  }

  run(hook: Hook, facts: HookFacts): void {
    const key = facts.what === "idle" ? "idle.then.run" : `on.${facts.what}`;
    const name = `${facts.service.name}: the hook \`${key}\``;
    this.#errands.add({ name, start: (onDone) => this.#start(hook, facts, onDone) });
  }

  /** Ends what is under way; what waits is given up. */
  close(): void {
    this.#errands.close();
  }

  #start(asked: Hook, facts: HookFacts, onDone: OnDone): () => void {
    const { commandMs, webhookMs, retryAfterMs } = this.#limits;
    const answer = fillIn(facts.service, { [facts.what]: asked }, { ...this.#options, commandMs });
    if (!answer.ok) return soon(() => onDone(answer.cause));
    const { hook, run } = answer.filled;
    if (hook === null) return soon(() => onDone(null)); // Empty after its variables were filled in: none here.
    if (hook.kind === "command") return run({ argv: hook.argv, variables: variablesOf(facts) }, onDone);
    const { url } = hook;
    const request = { url, contentType: "application/json", body: JSON.stringify(this.#factsFor(facts)) };
    return twice((onEnd) => post(request, webhookMs, onEnd), retryAfterMs)(onDone);
  }

  #factsFor({ what, service, why, run }: HookFacts): object {
    const { hostname: host } = this.#options;
    return { event: what, service: service.name, why, run, host, at: new Date().toISOString() };
  }
}

function variablesOf({ what, service, why, run }: HookFacts): Record<string, string> {
  return {
    SVCD_EVENT: what,
    SVCD_SERVICE: service.name,
    SVCD_WHY: why.replaceAll("\0", ""),
    SVCD_RUN_NUMBER: String(run),
  };
}
