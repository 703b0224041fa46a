/**
 * What an operator decided about the life of one service, as numbers and words the pure step can use.
 * The plan makes it; `step` reads it; nothing else interprets it.
 */

/** Signals by their POSIX name with the SIG prefix, as `kill -l` lists them. */
export type Signal = NodeJS.Signals;

/** On Linux, x86-64 and arm64: signal(7). */
export const SIGNAL_NUMBERS: Readonly<Partial<Record<Signal, number>>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
};

export type RestartRule = "always" | "on-failure" | "no";

export interface Backoff {
  /** Least time from one start to the next after the first failure in a row. */
  readonly firstMs: number;
  readonly factor: number;
  readonly longestMs: number;
  /** Share of the delay that chance adds or takes away: 0.1 = ±10 %. */
  readonly jitter: number;
  /** A run that was up this long forgives all failures before it. */
  readonly steadyMs: number;
}

export type GiveUp =
  | { readonly kind: "never" }
  /** FATAL after this many failures inside a sliding window. */
  | { readonly kind: "window"; readonly failures: number; readonly withinMs: number }
  /**
   * supervisord's rule (docs/subprocess.rst): after the k-th death before `startsecs` wait k seconds; FATAL when the
   * retries are used up; reaching RUNNING resets the count.
   */
  | { readonly kind: "startretries"; readonly retries: number };

/** When probes run and what their results mean; what is probed is the plan's and the edge's business. */
export interface HealthPolicy {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** Failures in a row, after the start period, that make the service unhealthy. */
  readonly retries: number;
  /** From the start of the run: failures only mean "not ready yet". Ends early with the first success. */
  readonly startPeriodMs: number;
  readonly onUnhealthy: "restart" | "nothing";
  /** While a start is not ready its probe asks a second question, with this time limit of its own. Absent: it does not. */
  readonly smokeMs?: number;
}

export interface Policy {
  readonly restart: RestartRule;
  readonly successExitCodes: readonly number[];
  /** Up this long before it counts as RUNNING. */
  readonly startsecsMs: number;
  readonly backoff: Backoff;
  readonly giveUp: GiveUp;
  readonly stopSignal: Signal;
  readonly stopGraceMs: number;
  /** Who gets the first signal of a stop; KILL always goes to everything that is left of the run. */
  readonly stopTo: "group" | "main";
  readonly health: HealthPolicy | null;
  /** A start of which something is known stalls when it has not moved on for so long. Absent: nothing is known of starts. */
  readonly stallMs?: number;
}
