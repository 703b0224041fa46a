/**
 * The history of each job in a file of its own (`state/jobs/NAME.records`): a line for each run that is over and each due time
 * that was not started. A record is appended at once; reading takes the end of the file. So ten thousand jobs cost nothing until
 * somebody asks about one, and none of them is kept in memory.
 *
 * A file that has grown beyond what `keep` asks for is written anew, a few files at a time and never while a turn waits for
 * it. What is no longer kept loses its output first, so that no output stays that no record tells of.
 */
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { checkedLine, isDamaged, readCheckedLines } from "../checked-journal.ts";
import type { JobDefinition } from "../plan/job.ts";
import type { RunRecord } from "../schedule/run-record.ts";
import type { RunNumber } from "../service/life.ts";
import { setAside } from "./job-marks.ts";

export type Keep = JobDefinition["keep"];

export interface RunRecordsOptions {
  readonly directory: string;
  readonly say: (line: string) => void;
  /** What these runs wrote is no longer kept. */
  readonly forgetOutput: (job: string, runs: readonly RunNumber[]) => void;
  /** What is kept of a job now; null: there is no such job. */
  readonly keepOf: (job: string) => Keep | null;
  readonly now: () => Date;
}

const ENDING = ".records";
/** So far a file grows beyond what is kept: each rewriting costs a millisecond, and so comes rarely. */
const SLACK = 25;
/** In one turn of the event loop: 5 ms on a slow disk. */
const FILES_PER_TURN = 5;
const NEXT_TURN_MS = 50;
/** Records that could not be written: enough for what is looked up while a disk is full. */
const MOST_UNWRITTEN = 1_000;
/** What ages without a run is looked for this often. */
const SWEEP_EVERY_MS = 3_600_000;
/** The history of a job that is gone, should it come back. */
const KEEP_GONE_MS = 90 * 86_400_000;
const NOTHING: Keep = { successes: 0, failures: 0, forMs: null };
/** Nearly all are shorter; of longer ones more is read. */
const BYTES_A_RECORD = 512;
const APPEND = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
/** From here on a look at the directory is quicker than one at each file. */
const MANY = 10;
const READ = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export class RunRecords {
  readonly #options: RunRecordsOptions;
  /** So many records more, and a file is looked at again. */
  readonly #looksAfter = new Map<string, number>();
  /** Files that end with a newline for sure: an earlier process, or a full disk, may have left half a line. */
  readonly #endsWell = new Set<string>();
  /** What could not be written, oldest first, and of which jobs: what comes after it waits too, so that the order stays. */
  #unwritten: RunRecord[] = [];
  readonly #waiting = new Set<string>();
  /** Why; null: all is written. */
  #failing: string | null = null;
  /** `atLeast`: with fewer records to drop it is not worth it. */
  readonly #toTidy = new Map<string, { readonly keep: Keep; readonly atLeast: number }>();
  #tidying: NodeJS.Timeout | null = null;
  #sweeping: NodeJS.Timeout;
  /** Of how many jobs, in this turn. */
  #asked = 0;
  /** Of files in the directory, for this turn; null: not looked up. */
  #names: Set<string> | null = null;

  constructor(options: RunRecordsOptions) {
    this.#options = options;
    this.#sweeping = setInterval(() => this.#sweep(), SWEEP_EVERY_MS).unref();
  }

  /** Why records are kept in memory only; null: they are not. */
  get failing(): string | null {
    return this.#failing;
  }

  tryAgain(): void {
    if (this.#failing === null) return;
    const unwritten = this.#unwritten;
    this.#unwritten = [];
    this.#waiting.clear();
    for (const record of unwritten) this.#append(record);
    if (this.#waiting.size === 0) this.#failing = null;
  }

  record(record: RunRecord, keep: Keep): void {
    this.#append(record);
    const { job } = record;
    const left = (this.#looksAfter.get(job) ?? 1) - 1;
    this.#looksAfter.set(job, left);
    if (left <= 0) this.#tidySoon(job, keep, SLACK);
  }

  /** Newest first. */
  of(job: string, most: number): RunRecord[] {
    if (most <= 0) return [];
    const inMemory = this.#unwritten.filter((record) => record.job === job).reverse();
    if (inMemory.length >= most || !this.#mayHaveFile(job)) return inMemory.slice(0, most);
    return [...inMemory, ...lastRecords(this.#pathOf(job), most - inMemory.length)];
  }

  /** A start asks of ten thousand jobs that never ran: whoever asks of many in one turn looks at the directory once. */
  #mayHaveFile(job: string): boolean {
    if (this.#asked++ === 0) {
      setImmediate(() => {
        this.#asked = 0;
        this.#names = null;
      });
    }
    if (this.#asked < MANY) return true;
    this.#names ??= new Set(namesIn(this.#options.directory));
    return this.#names.has(fileNameOf(job));
  }

  close(): void {
    clearInterval(this.#sweeping);
    if (this.#tidying !== null) clearTimeout(this.#tidying);
    this.#tidying = null;
  }

  #append(record: RunRecord): void {
    const { job } = record;
    const path = this.#pathOf(job);
    if (this.#waiting.has(job)) return this.#wait(record);
    let fd: number | null = null;
    try {
      fd = openAppending(path);
      this.#names?.add(fileNameOf(job));
      const start = this.#endsWell.delete(job) ? "" : "\n";
      writeFileSync(fd, `${start}${checkedLine(record)}`);
      this.#endsWell.add(job);
    } catch (error) {
      const why = (error as Error).message;
      if (this.#failing === null) {
        this.#options.say(`cannot write ${path}: ${why}: what became of runs is in memory only`);
      }
      this.#failing = why;
      this.#wait(record);
    } finally {
      if (fd !== null) closeQuietly(fd);
    }
  }

  #wait(record: RunRecord): void {
    this.#waiting.add(record.job);
    this.#unwritten.push(record);
    if (this.#unwritten.length > MOST_UNWRITTEN) this.#unwritten.shift();
  }

  #tidySoon(job: string, keep: Keep, atLeast: number): void {
    this.#toTidy.set(job, { keep, atLeast });
    this.#tidying ??= setTimeout(() => this.#tidySome(), NEXT_TURN_MS).unref();
  }

  #tidySome(): void {
    this.#tidying = null;
    let left = FILES_PER_TURN;
    for (const [job, { keep, atLeast }] of this.#toTidy) {
      if (left-- === 0) break;
      this.#toTidy.delete(job);
      this.#tidy(job, keep, atLeast);
    }
    if (this.#toTidy.size > 0) this.#tidying = setTimeout(() => this.#tidySome(), NEXT_TURN_MS).unref();
  }

  #tidy(job: string, keep: Keep, atLeast: number): void {
    const path = this.#pathOf(job);
    try {
      const text = readFileSync(path, "utf8");
      const lines = readCheckedLines<unknown>(text);
      const all = lines.filter(isRecord);
      const kept = keptOf(all, keep, this.#options.now());
      const isDoubtful = all.length < lines.length || isDamaged(text);
      const tooMany = all.length - kept.length;
      this.#looksAfter.set(job, tooMany < atLeast ? SLACK - tooMany : SLACK);
      if (tooMany < atLeast && !isDoubtful) return;
      if (isDoubtful) {
        this.#options.say(`${path} is damaged, or not all from svcd: what is whole counts; kept as ${path}.bad`);
        setAside(path);
      }
      const stays = new Set(kept.map(({ run }) => run));
      const gone = all.flatMap(({ run }) => (run === null || stays.has(run) ? [] : [run]));
      if (gone.length > 0) this.#options.forgetOutput(job, gone);
      replace(path, kept.map(checkedLine).join(""));
      this.#endsWell.add(job);
    } catch (error) {
      // It stays as it was, only longer than it should be; this is tried again at one of the next records.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#looksAfter.set(job, SLACK);
    }
  }

  /** What ages although nothing runs: records with an age, and all that is left of jobs that are gone. */
  #sweep(): void {
    const { directory, keepOf, now } = this.#options;
    for (const name of namesIn(directory)) {
      if (!name.endsWith(ENDING)) continue;
      const job = decodeURIComponent(name.slice(0, -ENDING.length));
      const keep = keepOf(job);
      if (keep !== null && keep.forMs !== null) this.#tidySoon(job, keep, 1);
      const isStale = keep === null && now().getTime() - changedAt(join(directory, name)) > KEEP_GONE_MS;
      if (isStale) this.#tidySoon(job, NOTHING, 1);
    }
  }

  #pathOf(job: string): string {
    return join(this.#options.directory, fileNameOf(job));
  }
}

function fileNameOf(job: string): string {
  return `${encodeURIComponent(job)}${ENDING}`;
}

/** In their order. Successes and failures are counted apart, so that a job that fails every minute does not push out when it was well. */
export function keptOf(records: readonly RunRecord[], keep: Keep, now: Date): RunRecord[] {
  const left = { success: keep.successes, failure: keep.failures, "no run": keep.failures };
  const since = keep.forMs === null ? Number.NEGATIVE_INFINITY : now.getTime() - keep.forMs;
  return records
    .toReversed()
    .filter((record) => Date.parse(record.endedAt) >= since && left[kindOf(record)]-- > 0)
    .reverse();
}

function kindOf({ run, result }: RunRecord): "success" | "failure" | "no run" {
  return run === null ? "no run" : result === "success" ? "success" : "failure";
}

function lastRecords(path: string, most: number): RunRecord[] {
  let fd: number | null = null;
  try {
    fd = openSync(path, READ);
    const { size } = fstatSync(fd);
    for (let bytes = most * BYTES_A_RECORD; ; bytes *= 4) {
      const from = Math.max(0, size - bytes);
      const piece = Buffer.alloc(size - from);
      const text = piece.toString("utf8", 0, readSync(fd, piece, 0, piece.length, from));
      const records = readCheckedLines<unknown>(text).filter(isRecord);
      if (records.length >= most || from === 0) return records.slice(-most).reverse();
    }
  } catch {
    return []; // There is none, or it cannot be read now.
  } finally {
    if (fd !== null) closeQuietly(fd);
  }
}

function isRecord(value: unknown): value is RunRecord {
  if (typeof value !== "object" || value === null) return false;
  const { job, result, endedAt } = value as Partial<RunRecord>;
  return typeof job === "string" && typeof result === "string" && typeof endedAt === "string";
}

/** The directory may be gone, with its disk or by hand. */
function openAppending(path: string): number {
  try {
    return openSync(path, APPEND, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return openSync(path, APPEND, 0o600);
  }
}

/** Either all of it is there, or the old file as it was. */
function replace(path: string, text: string): void {
  if (text === "") return rmSync(path, { force: true });
  const next = `${path}.next`;
  try {
    writeFileSync(next, text, { mode: 0o600 });
    renameSync(next, path);
  } catch (error) {
    removeQuietly(next);
    throw error;
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

function changedAt(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function removeQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The next attempt writes over it.
  }
}

function closeQuietly(fd: number): void {
  try {
    closeSync(fd);
  } catch {
    // Closed or not, it is not used any more.
  }
}
