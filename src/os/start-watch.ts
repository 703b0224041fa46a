/**
 * Watches starts: reads what a service writes until it is ready, looks whether its folders grow, and tells the supervisor
 * how far it is. What that means is decided elsewhere (`phase/`); here is the reading, and its price.
 *
 * Only a start costs: once it is ready, or has failed, nothing is read any more. A log of ten thousand lines a second is
 * read in pieces, some times a second, and told at most once a second unless another phase begins.
 */
import type { StreamName } from "../keeper/messages.ts";
import type { PastStart } from "../phase/eta.ts";
import type { Word } from "../phase/progress.ts";
import { type Step, stepInWords } from "../phase/rule.ts";
import { type Heard, type Tracked, type Tracker, trackedFrom, trackerOf } from "../phase/tracker.ts";
import type { Service } from "../plan/plan.ts";
import type { Starts } from "../ports.ts";
import type { RunNumber } from "../service/life.ts";
import { TIMESTAMP, withinTime } from "./bounded-match.ts";
import { bytesBelow } from "./folder-growth.ts";
import { plainText } from "./last-lines.ts";
import type { LinuxLauncher } from "./launcher.ts";
import { LogLines, type LogMark, markEnd } from "./log-lines.ts";
import { LogMarks } from "./log-marks.ts";
import { StartHistory } from "./start-history.ts";

export interface StartWatchOptions {
  readonly launcher: Pick<LinuxLauncher, "setting">;
  /** Where the keeper writes a stream of a service. */
  readonly logPath: (service: string, stream: StreamName) => string;
  /** As `Daemon.followLog`. */
  readonly followLog: (service: string, stream: StreamName, onGrown: () => void) => () => void;
  /** Never called while `watch` runs. */
  readonly onWord: (service: string, run: RunNumber, word: Word) => void;
  /** A file that lives as long as the runs do: where the output of each begins. */
  readonly marksFile: string;
  /** Outlives the machine: how earlier starts went. */
  readonly stateDir: string;
  readonly say: (line: string) => void;
}

/** So often a growing log is read: a bar that moves is seen at once, and a flood in pieces. */
const READ_EVERY_MS = 100;
const PIECES_IN_A_TURN = 4;
/** They take a few milliseconds; see `withinTime` for what is too long. */
const LINES_AT_ONCE = 256;
/** What is shown changes at most so often while the phase is the same. */
const TELL_EVERY_MS = 1_000;
const LOOK_AT_FOLDERS_EVERY_MS = 2_000;
/** Whoever takes over knows the phase from the journal and reads the tail only. */
const TAIL_BYTES = 256 * 1024;
/** Files of metadata and locks come and go all the time. */
const GROWN_BY_BYTES = 64 * 1024;

export class LinuxStarts implements Starts {
  readonly #options: StartWatchOptions;
  readonly #marks: LogMarks;
  readonly #history: StartHistory;
  readonly #watched = new Map<string, StartWatch>();
  /** Where the output of the last run that was begun starts; of all services, as long as this core lives. */
  readonly #begun = new Map<string, { readonly run: RunNumber; readonly from: Partial<Record<StreamName, LogMark>> }>();

  constructor(options: StartWatchOptions) {
    this.#options = options;
    this.#marks = new LogMarks(options.marksFile);
    this.#history = new StartHistory(options.stateDir);
  }

  began(service: Service, run: RunNumber): void {
    const from: Partial<Record<StreamName, LogMark>> = {};
    for (const stream of streamsOf(service)) from[stream] = markEnd(this.#options.logPath(service.name, stream));
    this.#begun.set(service.name, { run, from });
    if (service.phases !== undefined) this.#marks.set(service.name, { run, from, found: null });
  }

  watch(service: Service, run: RunNumber, step: Step | null): void {
    const known = this.#watched.get(service.name);
    const isAnew = known?.run === run;
    if (isAnew && JSON.stringify(known.service.phases) === JSON.stringify(service.phases)) return;
    known?.close();
    this.#watched.delete(service.name);
    if (service.phases === undefined) return;
    const begun = this.#begun.get(service.name);
    const from = begun?.run === run ? begun.from : (this.#marks.of(service.name, run)?.from ?? {});
    // Another definition of what to look for has not seen anything yet.
    this.#watched.set(service.name, new StartWatch(this.#options, service, run, from, isAnew ? null : step));
  }

  over(service: string, run: RunNumber, well: PastStart | null): void {
    const watched = this.#watched.get(service);
    if (watched?.run === run) {
      watched.close();
      this.#watched.delete(service);
    }
    this.#marks.forget(service, run);
    if (well !== null) this.#history.add(service, well);
  }

  past(service: string): readonly PastStart[] {
    return this.#history.of(service);
  }

  /** Where the output of this run begins; null: not known any more. */
  beginningOf(service: string, run: RunNumber, stream: StreamName): LogMark | null {
    const begun = this.#begun.get(service);
    return begun?.run === run ? (begun.from[stream] ?? null) : null;
  }

  /** svcd's core ends: nothing is under way afterwards. */
  close(): void {
    for (const watched of this.#watched.values()) watched.close();
    this.#watched.clear();
  }
}

/** One start. */
class StartWatch {
  readonly run: RunNumber;
  readonly service: Service;
  readonly #options: StartWatchOptions;
  readonly #tracker: Tracker;
  readonly #readers: LogLines[] = [];
  readonly #unfollow: (() => void)[] = [];
  readonly #folders: { readonly index: number; readonly path: string; last: number | null; grown: number }[] = [];
  /** What an earlier core, or this one, has seen come in. */
  readonly #before: number;
  #tracked: Tracked;
  #told: string | null;
  #toldPhase: string | null;
  #toldAt = Number.NEGATIVE_INFINITY;
  #hasMoved = false;
  #reading: NodeJS.Timeout | null = null;
  #telling: NodeJS.Timeout | null = null;
  #looking: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor(
    options: StartWatchOptions,
    service: Service,
    run: RunNumber,
    from: Partial<Record<StreamName, LogMark>>,
    step: Step | null,
  ) {
    const rules = service.phases ?? [];
    this.run = run;
    this.service = service;
    this.#options = options;
    this.#tracker = trackerOf(rules);
    this.#tracked = trackedFrom(step);
    this.#told = step === null ? null : stepInWords(step);
    this.#toldPhase = step?.phase ?? null;
    this.#before = step?.bytes ?? 0;
    if (rules.some(({ match }) => match !== null)) {
      for (const stream of streamsOf(service)) this.#follow(stream, from[stream] ?? NOTHING_BEFORE, step !== null);
      this.#readSoon();
    }
    if (rules.some(({ growth }) => growth !== null)) this.#findFolders();
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of [this.#reading, this.#telling, this.#looking]) if (timer !== null) clearTimeout(timer);
    this.#stopReading();
  }

  // What it writes.

  #follow(stream: StreamName, mark: LogMark, isTail: boolean): void {
    const { name } = this.service;
    const path = this.#options.logPath(name, stream);
    this.#readers.push(new LogLines(path, isTail ? tailOf(path, mark) : mark, { states: true }));
    this.#unfollow.push(this.#options.followLog(name, stream, () => this.#readSoon()));
  }

  #readSoon(): void {
    if (this.#isClosed) return;
    this.#reading ??= setTimeout(() => {
      this.#reading = null;
      this.#read();
    }, READ_EVERY_MS);
  }

  /** A few pieces of each stream in a turn, so that a flood holds up nobody; it is read on at once, in the next turn. */
  #read(): void {
    let more = true;
    for (let turn = 0; more && turn < PIECES_IN_A_TURN; turn++) {
      more = false;
      for (const reader of this.#readers) {
        const piece = reader.next();
        more ||= piece.more;
        // What stands in an unfinished line is looked at when all that was written is read.
        const lines = piece.more ? piece.lines : [...piece.lines, reader.unfinished];
        if (!this.#hear(lines)) return this.#giveUp();
      }
    }
    this.#tellSoon();
    if (!more || this.#isClosed) return;
    this.#reading ??= setTimeout(() => {
      this.#reading = null;
      this.#read();
    }, 0);
  }

  /** false: the patterns take too long on this output. */
  #hear(lines: readonly string[]): boolean {
    for (let from = 0; from < lines.length; from += LINES_AT_ONCE) {
      const some = lines.slice(from, from + LINES_AT_ONCE);
      // A machine that stood still for a moment looks like a slow pattern, but not twice.
      const heard = this.#hearSome(some) ?? this.#hearSome(some);
      if (heard === undefined) return false;
      this.#take(heard);
    }
    return true;
  }

  #hearSome(lines: readonly string[]): Heard | undefined {
    const stamped = this.service.logs?.timestamps === true;
    return withinTime(() => {
      let tracked = this.#tracked;
      let moved = false;
      for (const line of lines) {
        const text = plainText(stamped ? line.replace(TIMESTAMP, "") : line);
        if (text === "") continue;
        const next = this.#tracker.hear(tracked, text);
        tracked = next.tracked;
        moved ||= next.moved;
      }
      return { tracked, moved };
    });
  }

  #giveUp(): void {
    this.#stopReading();
    this.#options.say(
      `${this.service.name}: a pattern of \`phases\` takes too long on its output; it is not looked at any more in run ${this.run}`,
    );
  }

  #stopReading(): void {
    for (const stop of this.#unfollow.splice(0)) stop();
    for (const reader of this.#readers.splice(0)) reader.close();
  }

  // What comes into its folders.

  #findFolders(): void {
    const answer = this.#options.launcher.setting(this.service);
    if (!answer.ok) return;
    for (const [index, path] of answer.setting.resolved.growths.entries()) {
      if (path !== null) this.#folders.push({ index, path, last: null, grown: this.#before });
    }
    if (this.#folders.length > 0) void this.#look();
  }

  /** One look at a time, and the next one after its answer: a disk that hangs is asked once. */
  async #look(): Promise<void> {
    for (const folder of this.#folders) {
      const bytes = await bytesBelow(folder.path);
      if (this.#isClosed) return;
      const { last } = folder;
      if (last === null || bytes < last)
        folder.last = bytes; // A file that is done gets a name that may not be meant.
      else if (bytes > last + GROWN_BY_BYTES) {
        folder.grown += bytes - last;
        folder.last = bytes;
        this.#take(this.#tracker.grow(this.#tracked, folder.index, folder.grown));
        this.#tellSoon();
      }
    }
    this.#looking = setTimeout(() => void this.#look(), LOOK_AT_FOLDERS_EVERY_MS);
  }

  // What is told.

  #take({ tracked, moved }: Heard): void {
    this.#tracked = tracked;
    this.#hasMoved ||= moved;
  }

  #tellSoon(): void {
    const { step } = this.#tracked;
    if (step === null || this.#isClosed) return;
    if (!this.#hasMoved && stepInWords(step) === this.#told) return;
    const waitMs = step.phase !== this.#toldPhase ? 0 : this.#toldAt + TELL_EVERY_MS - performance.now();
    if (waitMs <= 0) return this.#tell(step);
    this.#telling ??= setTimeout(() => {
      this.#telling = null;
      this.#tellSoon();
    }, waitMs);
  }

  #tell(step: Step): void {
    const word: Word = { step, moved: this.#hasMoved, stallMs: this.#tracker.stallMsOf(step.phase) };
    this.#told = stepInWords(step);
    this.#toldPhase = step.phase;
    this.#toldAt = performance.now();
    this.#hasMoved = false;
    this.#options.onWord(this.service.name, this.run, word);
  }
}

/** All of the current file may be its output. */
const NOTHING_BEFORE: LogMark = { inode: 0, offset: 0, at: 0 };

/** The last part of what a run has written, if its log was not rotated meanwhile. */
function tailOf(path: string, from: LogMark): LogMark {
  const end = markEnd(path);
  const offset = Math.max(end.offset - TAIL_BYTES, end.inode === from.inode ? from.offset : 0);
  return { ...end, offset };
}

function streamsOf({ logs }: Service): StreamName[] {
  if (logs === null) return [];
  return logs.stderr === "separate" ? ["stdout", "stderr"] : ["stdout"];
}
