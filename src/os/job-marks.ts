/**
 * The marks of all jobs: what must not happen twice, whatever dies. One durable journal, so that a thousand jobs that are due
 * in one turn cost one flush (fdatasync(2)) before the first of them starts; the last line about a job counts.
 *
 * A disk that takes nothing costs no run: marks hold in memory, `failing` says so, and all are written once it does. A file that
 * cannot be read for the moment is read once it can be, and never written over until then.
 */
import { linkSync, readFileSync, rmSync } from "node:fs";
import { CheckedJournal, isDamaged, readCheckedLines } from "../checked-journal.ts";
import type { JobMark } from "../ports.ts";

/** `mark: null`: the job is gone. */
interface Line {
  readonly job: string;
  readonly mark: JobMark | null;
}

/** A mark is some 150 bytes: in this room most machines never compact at all. */
const COMPACT_ABOVE_BYTES = 1_048_576;
/** What is read once is written over afterwards: a call that fails by chance must not cost it all. */
const TRIES_AT_ONCE = 3;

export class JobMarks {
  readonly #path: string;
  readonly #say: (line: string) => void;
  readonly #journal: CheckedJournal<Line>;
  readonly #marks = new Map<string, JobMark>();
  /** Since the file could not be read: these count, whatever it says. */
  readonly #newer = new Set<string>();
  /** Why the file could not be read yet; null: it has been. */
  #unread: string | null = "never tried";

  constructor(path: string, say: (line: string) => void) {
    this.#path = path;
    this.#say = say;
    this.#journal = new CheckedJournal<Line>({
      path,
      compactAboveBytes: COMPACT_ABOVE_BYTES,
      essence: () => [...this.#marks].map(([job, mark]) => ({ job, mark })),
      onFailure: (file, why) => say(`cannot write ${file}: ${why}: which due times are dealt with is in memory only`),
      isDurable: true,
    });
    this.#read();
  }

  /** Why due times could be started twice, or not at all, if the machine stopped now; null: they could not. */
  get failing(): string | null {
    return this.#unread ?? this.#journal.failing;
  }

  tryAgain(): void {
    this.#read();
    if (this.#unread === null) this.#journal.tryAgain();
  }

  marks(): ReadonlyMap<string, JobMark> {
    return this.#marks;
  }

  note(marks: ReadonlyMap<string, JobMark>): void {
    this.#append([...marks].map(([job, mark]) => ({ job, mark })));
  }

  forget(job: string): void {
    if (this.#marks.has(job)) this.#append([{ job, mark: null }]);
  }

  #append(lines: readonly Line[]): void {
    if (lines.length === 0) return;
    for (const line of lines) this.#apply(line);
    if (this.#unread === null) this.#journal.appendAll(lines);
    else for (const { job } of lines) this.#newer.add(job);
  }

  #apply({ job, mark }: Line): void {
    if (mark === null) this.#marks.delete(job);
    else this.#marks.set(job, mark);
  }

  #read(): void {
    if (this.#unread === null) return;
    const before = this.#unread;
    for (let tries = 0; this.#unread !== null && tries < TRIES_AT_ONCE; tries++) {
      try {
        this.#understand(readFileSync(this.#path, "utf8"));
        this.#unread = null;
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        this.#unread = code === "ENOENT" ? null : message;
      }
    }
    if (this.#unread === null) {
      if (this.#newer.size > 0) this.#journal.compact();
      this.#newer.clear();
    } else if (this.#unread !== before) {
      this.#say(`${this.#path}: ${this.#unread}: which due times are dealt with is not known until it can be read`);
    }
  }

  #understand(text: string): void {
    const lines = readCheckedLines<unknown>(text);
    const ours = lines.filter(isLine);
    for (const line of ours) if (!this.#newer.has(line.job)) this.#apply(line);
    if (ours.length === lines.length && !isDamaged(text)) return;
    this.#say(`${this.#path} is damaged, or not all from svcd: what is whole counts; kept as ${this.#path}.bad`);
    setAside(this.#path);
    this.#journal.compact();
  }
}

/** A second name for what is about to be written anew. */
export function setAside(path: string): void {
  try {
    rmSync(`${path}.bad`, { force: true });
    linkSync(path, `${path}.bad`);
  } catch {
    // No links here, or no room: what is whole in it counts all the same.
  }
}

function isLine(value: unknown): value is Line {
  if (typeof value !== "object" || value === null) return false;
  const { job, mark } = value as Partial<Line>;
  if (typeof job !== "string") return false;
  return mark === null || (typeof mark?.settled === "number" && Array.isArray(mark.open) && Array.isArray(mark.told));
}
