/**
 * The keeper as the supervisor sees it: orders out, reports in, over the channel that the core inherits as fd 3.
 *
 * Orders of one turn of the event loop leave together, so that the keeper can do together what belongs together (the log
 * pipes of five hundred services that start at once).
 */
import { statSync } from "node:fs";
import { Socket } from "node:net";
import {
  encode,
  type LogPosition,
  messageReader,
  type Order,
  type Report,
  type ServiceLogs,
  type StreamName,
} from "../keeper/messages.ts";
import { runLogPath } from "../places.ts";
import type { Service } from "../plan/plan.ts";
import type { Launch, Processes } from "../ports.ts";
import { jobRunOf } from "../schedule/run-name.ts";
import type { RunNumber } from "../service/life.ts";
import type { Signal } from "../service/policy.ts";

export type Hello = Extract<Report, { is: "hello" }>;

export type KeeperReport = Exclude<Report, { is: "hello" } | { is: "wrote" } | { is: "ping" }>;

export interface KeeperListener {
  /** The first word. Answers with who hears all that follow. */
  hello(hello: Hello): (report: KeeperReport) => void;
  /** The keeper is gone: without it nothing can be supervised. */
  gone(): void;
}

/** Clients that take their last answer slowly do not keep svcd from ending. */
const LONGEST_GOODBYE_MS = 500;

type Grown = (position: LogPosition) => void;

export class KeeperClient implements Processes {
  readonly #channel: Socket;
  readonly #logDir: string;
  readonly #positions = new Map<string, LogPosition>();
  readonly #followers = new Map<string, Set<Grown>>();
  #unsent: Order[] = [];
  #beforeLeaving: () => Promise<void> = async () => {};
  #onReport: (report: KeeperReport) => void = () => {};

  constructor(fd: number, logDir: string, listener: KeeperListener) {
    this.#logDir = logDir;
    this.#channel = new Socket({ fd, readable: true, writable: true });
    this.#channel.setEncoding("utf8");
    this.#channel.on(
      "data",
      messageReader<Report>((reports) => {
        for (const report of reports) this.#take(report, listener);
      }),
    );
    this.#channel.on("error", () => {}); // "close" follows.
    this.#channel.on("close", () => listener.gone());
  }

  spawn(service: Service, run: RunNumber, launch: Launch): void {
    const { name } = service;
    const isMeasured = jobRunOf(name) !== null; // Of services is told what they use now, not all in all.
    this.#order({ do: "spawn", service: name, run, ...launch, isMeasured, logs: logsOf(service, this.#logDir) });
  }

  signal(service: string, run: RunNumber, signal: Signal, to: "main" | "group"): void {
    this.#order({ do: "signal", service, run, signal, to });
  }

  end(service: string, run: RunNumber): void {
    this.#order({ do: "end", service, run });
  }

  noted(service: string, run: RunNumber): void {
    this.#order({ do: "noted", service, run });
  }

  logsChanged(service: Service): void {
    this.#order({ do: "logs", service: service.name, logs: logsOf(service, this.#logDir) });
  }

  forget(service: string): void {
    this.#order({ do: "forget", service });
    for (const stream of ["stdout", "stderr"]) this.#positions.delete(`${service} ${stream}`);
  }

  clear(service: string): void {
    this.#order({ do: "clear", service });
  }

  ready(): void {
    this.#order({ do: "ready" });
  }

  stopping(status: number): void {
    this.#order({ do: "stopping", status });
  }

  /** Something to be done before the keeper is told to end; it is waited for, but not for ever. */
  beforeLeaving(act: () => Promise<void>): void {
    this.#beforeLeaving = act;
  }

  leave(status: number): void {
    const tooLong = new Promise((done) => setTimeout(done, LONGEST_GOODBYE_MS));
    void Promise.race([this.#beforeLeaving(), tooLong]).finally(() => this.#order({ do: "leave", status }));
  }

  /** The core will end at once, on purpose. `onSent`: the keeper has been told. */
  again(onSent: () => void): void {
    this.#unsent.push({ do: "again" });
    this.#send(onSent);
  }

  /** Calls back with where the log stands, now and whenever it has grown. Returns how to end that. */
  follow(service: string, stream: StreamName, onGrown: Grown): () => void {
    const key = `${service} ${stream}`;
    const followers = this.#followers.get(key) ?? new Set();
    this.#followers.set(key, followers);
    followers.add(onGrown);
    this.#order({ do: "watch", service, on: true });
    return () => {
      followers.delete(onGrown);
      if (followers.size > 0) return;
      this.#followers.delete(key);
      const other = stream === "stdout" ? "stderr" : "stdout";
      if (!this.#followers.has(`${service} ${other}`)) this.#order({ do: "watch", service, on: false });
    };
  }

  /**
   * Where the log at `path` stands now. The keeper tells every move of a file's beginning, but growth only of followed
   * logs: the size of the file knows the rest.
   */
  positionOf(service: string, stream: StreamName, path: string): LogPosition {
    const told = this.#positions.get(`${service} ${stream}`);
    const fresh = { service, stream, path, base: 0, position: 0, rotated: [], droppedBytes: 0 };
    const known = told ?? fresh;
    return { ...known, position: known.base + sizeOf(path) };
  }

  /** The logs that cannot take what their services write. */
  losing(): readonly LogPosition[] {
    return [...this.#positions.values()].filter(({ dropping }) => dropping !== undefined);
  }

  #take(report: Report, listener: KeeperListener): void {
    if (report.is === "hello") {
      for (const log of report.logs) this.#positions.set(`${log.service} ${log.stream}`, log);
      this.#onReport = listener.hello(report);
      this.#forgetRunsThatAreOver(report);
      return;
    }
    if (report.is === "ping") return this.#order({ do: "pong" });
    if (report.is !== "wrote") return this.#onReport(report);
    const key = `${report.service} ${report.stream}`;
    this.#positions.set(key, report);
    for (const onGrown of this.#followers.get(key) ?? []) onGrown(report);
  }

  /** A core that died between the end of a run of a job and this order would leave its log open for ever. */
  #forgetRunsThatAreOver({ logs, live, ended, uncleared }: Hello): void {
    const known = new Set([...live, ...ended, ...uncleared].map(({ service }) => service));
    for (const name of new Set(logs.map(({ service }) => service))) {
      if (jobRunOf(name) !== null && !known.has(name)) this.forget(name);
    }
  }

  #order(order: Order): void {
    if (this.#unsent.length === 0) setImmediate(() => this.#send());
    this.#unsent.push(order);
  }

  #send(onSent?: () => void): void {
    const text = this.#unsent.map(encode).join("");
    this.#unsent = [];
    if (text !== "" || onSent !== undefined) this.#channel.write(text, onSent);
  }
}

/** Where and how the output of a service, or of a run of a job, is kept. */
export function logsOf({ name, logs }: Service, logDir: string): ServiceLogs {
  if (logs === null) return { stdout: null, stderr: null };
  const { maxSizeBytes, keep, timestamps, compress, headBytes } = logs;
  const head = headBytes === undefined ? {} : { keepHeadBytes: headBytes };
  const file = (path: string) => ({ path, maxSizeBytes, keep, timestamps, compress, ...head });
  const jobRun = jobRunOf(name);
  const path = (stream: StreamName): string =>
    jobRun === null
      ? `${logDir}/${name}${stream === "stdout" ? ".log" : ".stderr.log"}`
      : runLogPath(logDir, jobRun, stream);
  return { stdout: file(path("stdout")), stderr: logs.stderr === "merged" ? "stdout" : file(path("stderr")) };
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
