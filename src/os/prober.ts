/**
 * Asks services whether they are well, in the four ways that a file can name. What the answers mean is decided elsewhere
 * (`probe/health.ts`); here each question gets exactly one answer within its time, and a run is never asked twice at once.
 */
import type { StreamName } from "../keeper/messages.ts";
import type { ResolvedCheck } from "../plan/environment.ts";
import type { Service } from "../plan/plan.ts";
import { formatDuration } from "../plan/units.ts";
import type { Prober } from "../ports.ts";
import type { ProbeResult } from "../probe/health.ts";
import type { RunNumber } from "../service/life.ts";
import { type CommandEnd, runBounded } from "./bounded-command.ts";
import { plainText } from "./last-lines.ts";
import type { LinuxLauncher, Setting } from "./launcher.ts";
import { LogCheck } from "./log-check.ts";
import { type LogMark, markEnd } from "./log-lines.ts";
import { LogMarks } from "./log-marks.ts";
import { probeHttp, probeTcp } from "./network-probe.ts";
import { askSmoke } from "./smoke.ts";

export interface ProberOptions {
  readonly launcher: Pick<LinuxLauncher, "setting" | "beside" | "explainRefusal">;
  /** Where the keeper writes a stream of a service. */
  readonly logPath: (service: string, stream: StreamName) => string;
  /** As `Daemon.followLog`. */
  readonly followLog: (service: string, stream: StreamName, onGrown: () => void) => () => void;
  /** Never called while `probe` runs. A log check passes by itself, at once when its line comes. */
  readonly onResult: (service: string, run: RunNumber, result: ProbeResult) => void;
  /** A file that lives as long as the runs do, for what log checks must remember. */
  readonly marksFile: string;
  /** Just before a run is spawned. */
  readonly onBegan?: (service: Service, run: RunNumber) => void;
}

/** One run that is being probed. */
interface Probed {
  readonly run: RunNumber;
  /** The definition that `setting` and `log` were made from. */
  service: Service;
  /** Made at the first probe of a definition and then kept: a check is asked with what the run was started with. */
  setting: Setting | null;
  log: { readonly check: LogCheck; readonly pattern: string; readonly unfollow: () => void } | null;
  /** Ends what is under way; null: nothing is. */
  cancel: (() => void) | null;
}

const DEFAULT_SMOKE_MS = 30_000;
const KEPT_OUTPUT = 4096;
const LONGEST_DETAIL = 200;

export class LinuxProber implements Prober {
  readonly #options: ProberOptions;
  readonly #marks: LogMarks;
  readonly #probed = new Map<string, Probed>();

  constructor(options: ProberOptions) {
    this.#options = options;
    this.#marks = new LogMarks(options.marksFile);
  }

  /** To be called just before a run is spawned: what its logs hold until now is not its output. */
  began(service: Service, run: RunNumber): void {
    this.#options.onBegan?.(service, run);
    if (service.check?.kind !== "log") return;
    const from: Partial<Record<StreamName, LogMark>> = {};
    for (const stream of streamsOf(service)) from[stream] = markEnd(this.#options.logPath(service.name, stream));
    this.#marks.set(service.name, { run, from, found: null });
    // Its files are held from now on, and the first lines are heard before the first probe.
    if (service.logs !== null) this.#logCheck(this.#entry(service, run), service.check.pattern);
  }

  probe(service: Service, run: RunNumber, starting: boolean): void {
    const probed = this.#entry(service, run);
    if (probed.cancel !== null) return; // The answer that is under way is the answer.
    const check = this.#checkOf(probed);
    const timeoutMs = service.policy.health?.timeoutMs ?? 5_000;
    const tell = (result: ProbeResult): void => {
      probed.cancel = null;
      this.#options.onResult(service.name, run, result);
    };
    const answer = starting ? (result: ProbeResult) => this.#askMore(probed, result, tell) : tell;
    if ("cause" in check) return this.#soon(probed, () => answer({ passed: false, detail: check.cause }));
    switch (check.kind) {
      case "http":
        probed.cancel = probeHttp(check.url, timeoutMs, answer);
        return;
      case "tcp":
        probed.cancel = probeTcp(check.host, check.port, timeoutMs, answer);
        return;
      case "exec":
        return this.#execute(probed, check.argv, timeoutMs, answer);
      case "log":
        return this.#soon(probed, () => answer(this.#logAnswer(probed, check.pattern)));
    }
  }

  /** What a start is asked once its check passes. */
  #askMore(probed: Probed, result: ProbeResult, tell: (result: ProbeResult) => void): void {
    if (!result.passed || probed.service.smoke === undefined) return tell(result);
    const answer = this.#settingOf(probed);
    if ("cause" in answer) return tell({ passed: false, detail: answer.cause, smoke: true });
    const { smoke } = answer.resolved;
    if (smoke === null) return tell(result);
    probed.cancel = askSmoke(smoke, probed.service.policy.health?.smokeMs ?? DEFAULT_SMOKE_MS, (smoked) => {
      tell({ ...smoked, detail: `${result.detail}, ${smoked.passed ? "" : "but "}${smoked.detail}` });
    });
  }

  forget(service: string, run: RunNumber): void {
    const probed = this.#probed.get(service);
    if (probed?.run === run) {
      this.#end(probed);
      this.#probed.delete(service);
    }
    this.#marks.forget(service, run);
  }

  /** svcd's core ends: nothing is under way afterwards. Runs go on, and so does what is known about them. */
  close(): void {
    for (const probed of this.#probed.values()) this.#end(probed);
    this.#probed.clear();
  }

  #entry(service: Service, run: RunNumber): Probed {
    const known = this.#probed.get(service.name);
    if (known?.run === run) {
      if (known.service !== service) Object.assign(known, { service, setting: null }); // Changed without a restart.
      return known;
    }
    if (known !== undefined) this.#end(known);
    const probed: Probed = { run, service, setting: null, log: null, cancel: null };
    this.#probed.set(service.name, probed);
    return probed;
  }

  #end(probed: Probed): void {
    probed.cancel?.();
    probed.cancel = null;
    probed.log?.unfollow();
    probed.log?.check.close();
    probed.log = null;
  }

  #checkOf(probed: Probed): ResolvedCheck | { readonly cause: string } {
    if (probed.service.check?.kind === "log") return probed.service.check;
    const setting = this.#settingOf(probed);
    if ("cause" in setting) return setting;
    return setting.resolved.check ?? { cause: "the service has no healthcheck any more" };
  }

  #settingOf(probed: Probed): Setting | { readonly cause: string } {
    if (probed.setting === null) {
      const answer = this.#options.launcher.setting(probed.service);
      if (!answer.ok) return { cause: answer.cause };
      probed.setting = answer.setting;
    }
    return probed.setting;
  }

  /** An answer that is known already, given in the next turn of the event loop. */
  #soon(probed: Probed, give: () => void): void {
    const immediate = setImmediate(give);
    probed.cancel = () => clearImmediate(immediate);
  }

  #execute(probed: Probed, argv: readonly string[], timeoutMs: number, answer: (result: ProbeResult) => void): void {
    const { launcher } = this.#options;
    const prepared = launcher.beside(probed.service, probed.setting as Setting, argv);
    if (prepared.kind === "refusal") {
      return this.#soon(probed, () => answer({ passed: false, detail: prepared.cause }));
    }
    const { launch } = prepared;
    probed.cancel = runBounded(launch, { timeoutMs, keepBytes: KEPT_OUTPUT }, (end) => {
      const refused =
        end.how.kind === "refused" ? launcher.explainRefusal(launch, end.how.code, end.how.message) : null;
      const passed = end.how.kind === "code" && end.how.code === 0;
      answer({ passed, detail: refused?.cause ?? describeEnd(end, timeoutMs) });
    });
  }

  // --- log checks ----------------------------------------------------------------------------------------------------

  #logAnswer(probed: Probed, pattern: string): ProbeResult {
    const { service, run } = probed;
    if (service.logs === null) {
      return { passed: false, detail: `no line can match /${pattern}/: the output is discarded (\`logs: none\`)` };
    }
    const found = this.#marks.of(service.name, run)?.found;
    if (found?.pattern === pattern) return foundResult(found.line);
    const check = this.#logCheck(probed, pattern);
    check.lookAgain(); // In case we were not told that it has grown.
    return check.verdict.kind === "too slow"
      ? { passed: false, detail: `/${pattern}/ takes too long on this output: write a simpler pattern` }
      : { passed: false, detail: `no line matches /${pattern}/ yet` };
  }

  #logCheck(probed: Probed, pattern: string): LogCheck {
    if (probed.log?.pattern === pattern) return probed.log.check;
    probed.log?.unfollow();
    probed.log?.check.close();
    const { service, run } = probed;
    const { name } = service;
    const streams = streamsOf(service);
    const marks = this.#marks.of(name, run) ?? { run, from: {}, found: null };
    const check = new LogCheck({
      pattern,
      streams: streams.map((stream) => ({
        path: this.#options.logPath(name, stream),
        // Not noted, because the check is newer than the run: all of the current file may be its output.
        from: marks.from[stream] ?? { inode: 0, offset: 0, at: 0 },
      })),
      timestamps: service.logs?.timestamps ?? false,
      onFound: (line) => {
        probed.log?.unfollow();
        this.#marks.set(name, { ...marks, found: { pattern, line: line.slice(0, LONGEST_DETAIL) } });
        if (service.smoke !== undefined) return; // The next probe finds it, and asks on.
        probed.cancel?.(); // What would have been answered is no longer so.
        probed.cancel = null;
        this.#options.onResult(name, run, foundResult(line));
      },
    });
    const unfollow = streams.map((stream) => this.#options.followLog(name, stream, () => check.lookAgain()));
    const unfollowAll = (): void => {
      for (const stop of unfollow.splice(0)) stop();
    };
    probed.log = { check, pattern, unfollow: unfollowAll };
    check.lookAgain();
    return check;
  }
}

function streamsOf({ logs }: Service): StreamName[] {
  if (logs === null) return [];
  return logs.stderr === "separate" ? ["stdout", "stderr"] : ["stdout"];
}

function foundResult(line: string): ProbeResult {
  return { passed: true, detail: `said "${short(plainText(line))}"` };
}

/** "exit 1: connection refused", "not done within 5s": the last line that it wrote says most. */
function describeEnd({ how, output }: CommandEnd, timeoutMs: number): string {
  const said = output
    .toString("utf8")
    .split("\n")
    .map(plainText)
    .findLast((line) => line.trim() !== "");
  const ending = said === undefined ? "" : `: ${short(said.trim())}`;
  switch (how.kind) {
    case "code":
      return `exit ${how.code}${ending}`;
    case "signal":
      return `killed by ${how.signal}${ending}`;
    case "timeout":
      return `not done within ${formatDuration(timeoutMs)}${ending}`;
    case "refused":
      return how.message;
  }
}

function short(text: string): string {
  return text.length > LONGEST_DETAIL ? `${text.slice(0, LONGEST_DETAIL - 1)}…` : text;
}
