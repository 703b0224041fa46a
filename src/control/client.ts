/**
 * The control client: what svctl, the terminal UI and the front services know of the daemon. Light on purpose: types of
 * the protocol, `node:net`, and nothing that validates.
 *
 *   const svcd = control(socketPath);
 *   for (const { name, state } of await svcd.services()) …
 *
 * Two kinds of errors are thrown: Unreachable (nobody answered, and why) and Refused (svcd answered, and said no).
 */

import type { StreamName } from "../keeper/messages.ts";
import { type EventOptions, events, type HeardEvent, type Listening } from "./client-events.ts";
import { ask, type Exchange, type Head, Unreachable, uptimeMs } from "./client-http.ts";
import { type JobLogOptions, jobsControl, runLogQuestion } from "./client-jobs.ts";
import { queryOf, selection } from "./client-paths.ts";
import { Refused, refusedBy } from "./client-refused.ts";
import type {
  Action,
  ActionResult,
  ExposedRoute,
  GpuReport,
  HealthReport,
  IdleOverview,
  LaunchReport,
  MachineReport,
  PlanReport,
  RunStart,
  ServiceDetail,
  ServiceStatus,
  UsageReport,
  WhyReport,
} from "./daemon.ts";

export { type EventOptions, type Exchange, events, type Head, type HeardEvent, type Listening, Refused, Unreachable };

export interface Answer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Head["headers"];
  /** Parsed JSON; the text itself if it is none. */
  readonly body: unknown;
}

export interface RequestOptions {
  /** Longest silence before it counts as no answer. */
  readonly timeoutMs?: number;
  /**
   * How long to knock again when a socket is there and nobody behind it: a core that is just being started anew is back
   * within a fraction of a second. Nothing that acts is ever sent twice.
   */
  readonly patienceMs?: number;
}

const TIMEOUT_MS = 60_000;
const KNOCK_EVERY_MS = 50;
/** Statuses of many thousand services are below it. */
const LONGEST_ANSWER = 64 * 1024 * 1024;

/** Throws Unreachable. An error that svcd answers is an answer. */
export async function request(
  socketPath: string,
  method: "GET" | "POST",
  path: string,
  body?: unknown,
  options: RequestOptions = {},
): Promise<Answer> {
  const until = uptimeMs() + (options.patienceMs ?? 0);
  for (;;) {
    try {
      return await requestOnce(socketPath, method, path, body, options.timeoutMs ?? TIMEOUT_MS);
    } catch (error) {
      if (!(error instanceof Unreachable) || uptimeMs() >= until) throw error;
      // A core that died in the middle of its answer: what only asks may be asked again.
      const mayBeAskedAgain =
        error.reason === "nobody listens" || (method === "GET" && error.reason === "broken answer");
      if (!mayBeAskedAgain) throw error;
      await new Promise((resolve) => setTimeout(resolve, KNOCK_EVERY_MS));
    }
  }
}

function requestOnce(
  socketPath: string,
  method: "GET" | "POST",
  path: string,
  body: unknown,
  timeoutMs: number,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let head: Head = { status: 0, headers: new Map() };
    let bytes = 0;
    const chunks: Buffer[] = [];
    const exchange = ask(socketPath, { method, path, body }, timeoutMs, {
      onHead: (theHead) => {
        head = theHead;
      },
      onBytes: (chunk) => {
        bytes += chunk.length;
        chunks.push(chunk);
        if (bytes <= LONGEST_ANSWER) return;
        exchange.stop();
        reject(new Unreachable("broken answer", socketPath, "it has no end"));
      },
      onEnd: (error) => {
        if (error === null) resolve({ ...head, body: parsed(Buffer.concat(chunks).toString()) });
        else reject(error);
      },
    });
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export interface StreamHandlers {
  /** Before the first byte; `x-log-position` is among the headers of a log. */
  readonly onHead?: (head: Head) => void;
  readonly onData: (bytes: Buffer) => void;
  /** Exactly once, unless stopped: null when svcd ended the stream, else Unreachable or Refused. */
  readonly onEnd: (error: Unreachable | Refused | null) => void;
}

/** Raw bytes, at the pace of the listener: `pause` and `resume` of what is returned. */
export function stream(socketPath: string, path: string, handlers: StreamHandlers): Exchange {
  let refusal: { readonly status: number; text: string } | null = null;
  return ask(socketPath, { method: "GET", path }, 0, {
    onHead: (head) => {
      if (head.status === 200) handlers.onHead?.(head);
      else refusal = { status: head.status, text: "" };
    },
    onBytes: (bytes) => {
      if (refusal === null) handlers.onData(bytes);
      else refusal.text += bytes.toString();
    },
    onEnd: (error) => handlers.onEnd(refusal === null ? error : refusedBy(refusal.status, refusal.text)),
  });
}

export interface LogOptions {
  /** At most one of these three; none: the last 100 lines. */
  readonly lines?: number;
  readonly bytes?: number;
  readonly from?: number;
  readonly follow?: boolean;
  readonly stream?: StreamName;
}

export function logPath(name: string, options: LogOptions = {}): string {
  const { lines, bytes, from, follow, stream: streamName } = options;
  const query = queryOf({ lines, bytes, from, follow: follow === true ? 1 : undefined, stream: streamName });
  return `/v1/services/${encodeURIComponent(name)}/logs${query}`;
}

export type Control = ReturnType<typeof control>;

/** All that svcd can be asked; `words` are names, globs, `GROUP:*` or `all`. Throws Unreachable and Refused. */
export function control(socketPath: string, options: RequestOptions = {}) {
  const get = async <T>(path: string): Promise<T> =>
    accepted(await request(socketPath, "GET", path, undefined, options));
  const post = async <T>(path: string, body?: unknown): Promise<T> =>
    accepted(await request(socketPath, "POST", path, body, options));
  const onServices = (words: readonly string[], verb: string, body?: unknown): Promise<readonly ActionResult[]> =>
    post(`/v1/services/${selection(words)}/${verb}`, body);

  return {
    socketPath,
    health: () => get<HealthReport>("/v1/health"),
    gpus: () => get<GpuReport>("/v1/gpus"),
    services: (words?: readonly string[]) => get<readonly ServiceStatus[]>(servicesPath(words)),
    /** And how many mistakes are in the files, and troubles of svcd itself. */
    overview: async (words?: readonly string[]) => {
      const answer = await request(socketPath, "GET", servicesPath(words), undefined, options);
      const services = accepted<readonly ServiceStatus[]>(answer);
      const count = (header: string): number => Number(answer.headers.get(header) ?? 0);
      const counts = {
        mistakes: count("x-mistakes"),
        troubles: count("x-troubles"),
        countdowns: count("x-countdowns"),
      };
      return { services, ...counts };
    },
    service: (name: string) => get<ServiceDetail>(`/v1/services/${encodeURIComponent(name)}`),
    routes: () => get<readonly ExposedRoute[]>("/v1/routes"),
    why: (name: string) => get<WhyReport>(`/v1/services/${encodeURIComponent(name)}/why`),
    launch: (name: string) => get<LaunchReport>(`/v1/services/${encodeURIComponent(name)}/launch`),
    /** Newest first, as far as the running core has started them. */
    runStarts: (name: string) => get<readonly RunStart[]>(`/v1/services/${encodeURIComponent(name)}/runs`),
    usage: () => get<UsageReport>("/v1/usage"),
    machine: () => get<MachineReport>("/v1/machine"),
    act: (action: Action, words: readonly string[]) => onServices(words, action),
    /** By name, with or without SIG, or number; svcd checks it. */
    signal: (words: readonly string[], signal: string | number) => onServices(words, "signal", { signal }),
    setEnabled: (words: readonly string[], enabled: boolean) => onServices(words, enabled ? "enable" : "disable"),
    clearLogs: (words: readonly string[]) => onServices(words, "clear"),
    remove: (words: readonly string[]) => onServices(words, "remove"),
    ...jobsControl(get, post),
    runLog: (job: string, run: number, logOptions: JobLogOptions, handlers: StreamHandlers) =>
      stream(socketPath, runLogQuestion(job, run, logOptions), handlers),
    plan: () => get<PlanReport>("/v1/plan"),
    /** As if this file held this text. */
    planWith: (file: string, text: string) => post<PlanReport>("/v1/plan/check", { file, text }),
    /** null: everything. */
    apply: (names: readonly string[] | null) =>
      post<PlanReport>("/v1/plan/apply", names === null ? undefined : { names }),
    idle: () => get<IdleOverview>("/v1/idle"),
    keepAwake: (ms: number) => post<IdleOverview>("/v1/keep-awake", { ms }),
    shutdown: () => post<{ readonly accepted: string }>("/v1/shutdown"),
    restartCore: () => post<{ readonly accepted: string }>("/v1/upgrade"),
    metrics: () => get<string>("/metrics"),
    log: (name: string, logOptions: LogOptions, handlers: StreamHandlers) =>
      stream(socketPath, logPath(name, logOptions), handlers),
    events: (eventOptions: EventOptions, onEvent: (heard: HeardEvent) => void) =>
      events(socketPath, eventOptions, onEvent),
  };
}

function accepted<T>({ status, body }: Pick<Answer, "status" | "body">): T {
  if (status >= 200 && status < 300) return body as T;
  throw refusedBy(status, JSON.stringify(body));
}

function servicesPath(words: readonly string[] | undefined): string {
  return words === undefined ? "/v1/services" : `/v1/services?names=${selection(words)}`;
}
