/**
 * Everything the keeper holds for the output of one service: a pipe and a file for each stream that is kept. It outlives
 * the runs, so that the log goes on through restarts.
 */
import { mkdirSync } from "node:fs";
import { openInput } from "./child-input.ts";
import type { Descriptors } from "./descriptors.ts";
import { LogFile } from "./log-file.ts";
import { closeQuietly, LogPipe, makePipes } from "./log-pipe.ts";
import type { LogPosition, LogSettings, ServiceLogs, StreamName } from "./messages.ts";

interface Stream {
  readonly name: StreamName;
  readonly pipe: LogPipe;
  readonly file: LogFile;
}

/** Of a stream, for as long as it is kept: its pipe and its file. */
const DESCRIPTORS = 2;

/** File descriptors for a child. */
export interface ChildFiles {
  readonly stdin: number | "ignore";
  readonly stdout: number | "ignore";
  readonly stderr: number | "ignore";
  close(): void;
}

export interface OutputListener {
  /** There is more in the log of this service. */
  readonly onWrote: (service: string) => void;
  /** Its current file begins elsewhere than before. */
  readonly onMoved: (service: string) => void;
}

export class ServiceOutput {
  readonly service: string;
  #streams: Stream[] = [];
  #logs: ServiceLogs = { stdout: null, stderr: null };
  #mode: number;
  #pipeDir: string;
  #descriptors: Descriptors;
  #onWrote: (service: string) => void;
  #onMoved: (service: string) => void;

  constructor(service: string, pipeDir: string, mode: number, descriptors: Descriptors, hear: OutputListener) {
    this.service = service;
    this.#pipeDir = pipeDir;
    this.#descriptors = descriptors;
    this.#mode = mode;
    this.#onWrote = hear.onWrote;
    this.#onMoved = hear.onMoved;
  }

  /** Are the pipes that these settings need open already? The usual case: it ran before. */
  isReadyFor(logs: ServiceLogs): boolean {
    return wantedStreams(logs).every(([name]) => this.#stream(name) !== undefined);
  }

  /** Before a run: opens what is missing, takes over new settings, closes what is no longer kept. The pipes must exist. */
  configure(logs: ServiceLogs): void {
    this.#logs = logs;
    const wanted = wantedStreams(logs);
    for (const stream of this.#streams) {
      if (wanted.every(([name]) => name !== stream.name)) this.#closeStream(stream);
    }
    for (const [name, settings] of wanted) {
      const stream = this.#streams.find((candidate) => candidate.name === name);
      if (stream === undefined) this.#open(name, settings);
      else stream.file.settings = settings;
    }
  }

  /** While a run goes on only the form of its files may change: it holds the pipes that it was started with. */
  adjust(logs: ServiceLogs): void {
    if (this.#streams.length === 0) return this.configure(logs); // A run that was adopted without knowing of its logs.
    for (const [name, settings] of wantedStreams(logs)) {
      const stream = this.#stream(name);
      if (stream !== undefined) stream.file.settings = settings;
    }
  }

  openForChild({ uid, stdin: text }: { readonly uid: number | null; readonly stdin?: string }): ChildFiles {
    const opened: number[] = [];
    const close = (): void => opened.forEach(closeQuietly);
    const open = (name: StreamName): number | "ignore" => {
      const stream = this.#stream(name);
      if (stream === undefined) return "ignore";
      const fd = stream.pipe.openForChild(uid);
      opened.push(fd);
      return fd;
    };
    try {
      const stdin = text === undefined ? "ignore" : openInput(this.#pipeDir, text, uid);
      if (stdin !== "ignore") opened.push(stdin);
      const stdout = open("stdout");
      const stderr = this.#logs.stderr === "stdout" ? stdout : open("stderr");
      return { stdin, stdout, stderr, close };
    } catch (error) {
      close(); // Too many open files: nothing of a start that fails may stay open.
      throw error;
    }
  }

  drain(): void {
    for (const { pipe } of this.#streams) pipe.drain();
  }

  clear(): void {
    for (const { file } of this.#streams) file.clear();
  }

  positions(): LogPosition[] {
    return this.#streams.map(({ name, file }) => ({
      service: this.service,
      stream: name,
      path: file.settings.path,
      base: file.base,
      position: file.position,
      rotated: file.rotated,
      droppedBytes: file.droppedBytes,
      ...(file.dropping === null ? {} : { dropping: file.dropping }),
    }));
  }

  /** The service is gone: nothing of it is kept but its log files. */
  remove(): void {
    for (const stream of this.#streams) this.#closeStream(stream);
  }

  #open(name: StreamName, settings: LogSettings): void {
    const onBytes = (bytes: Buffer): void => {
      file.write(bytes);
      this.#onWrote(this.service);
    };
    // The pipe first: it is what can fail. A file that cannot be opened counts what it misses and tries again by itself.
    this.#descriptors.take(DESCRIPTORS);
    const pipe = this.#openPipe(name, onBytes);
    const file = new LogFile(settings, this.#mode, () => this.#onMoved(this.service));
    this.#streams.push({ name, file, pipe });
    this.#onMoved(this.service);
  }

  #openPipe(name: StreamName, onBytes: (bytes: Buffer) => void): LogPipe {
    try {
      return new LogPipe(pipePath(this.#pipeDir, this.service, name), onBytes);
    } catch (error) {
      this.#descriptors.giveBack(DESCRIPTORS);
      throw error;
    }
  }

  #closeStream(stream: Stream): void {
    stream.pipe.drain();
    stream.pipe.remove();
    stream.file.close();
    this.#descriptors.giveBack(DESCRIPTORS);
    this.#streams = this.#streams.filter((other) => other !== stream);
  }

  #stream(name: StreamName): Stream | undefined {
    return this.#streams.find((stream) => stream.name === name);
  }
}

function wantedStreams(logs: ServiceLogs): [StreamName, LogSettings][] {
  const streams: [StreamName, LogSettings][] = [];
  if (logs.stdout !== null) streams.push(["stdout", logs.stdout]);
  if (logs.stderr !== null && logs.stderr !== "stdout") streams.push(["stderr", logs.stderr]);
  return streams;
}

export function pipePath(pipeDir: string, service: string, stream: StreamName): string {
  return `${pipeDir}/${service}.${stream}`;
}

/** The pipes of many services at once; see `makePipes`. */
export function preparePipes(pipeDir: string, services: readonly { service: string; logs: ServiceLogs }[]): void {
  mkdirSync(pipeDir, { recursive: true, mode: 0o700 }); // A cleaner of temporary files may have been there.
  makePipes(
    services.flatMap(({ service, logs }) => wantedStreams(logs).map(([stream]) => pipePath(pipeDir, service, stream))),
  );
}
