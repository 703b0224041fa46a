/**
 * Where in a log to begin: so many lines or bytes before the end, or at a position; through rotated files, and only as far
 * back as it must.
 *
 * The keeper may rotate at any moment, so a file is never known by its name alone (see `log-names.ts`), and what was found
 * stays open.
 */
import { CHUNK_BYTES, type LogPart, openPart } from "./log-files.ts";
import { LOOK_AGAIN_MS, LOOK_FOR_MS, type Names, type Whereabouts } from "./log-names.ts";

const NEWLINE = 10;

export type Beginning =
  | { readonly lines: number }
  | { readonly bytes: number }
  /** All that is kept. */
  | { readonly oldest: true }
  /** A position that an earlier answer gave. */
  | { readonly from: number };

/** A file of the log that is open. */
export interface OpenPart {
  readonly part: LogPart;
  /** Its first position as the keeper lists it: its name in the list. */
  base: number;
  /** The position of its first byte: the same, unless somebody emptied the file behind the keeper's back. */
  origin: number;
}

export interface Start {
  /** Position of the first byte to send. */
  readonly at: number;
  /** Position after the last byte there was when we looked. */
  readonly end: number;
  /** The file that holds it; to be closed by whoever gets it. null: there is no file yet. */
  readonly open: OpenPart | null;
  /** First positions of files that an earlier keeper rotated, so that ours does not list them: newest first. */
  readonly older: readonly number[];
}

export async function findStart(where: Whereabouts, names: Names, beginning: Beginning): Promise<Start | null> {
  const look = new LookingBack(where, names);
  const current = await look.openCurrent();
  if (current === null) return null;
  const end = current.origin + current.size;
  const { at, file } =
    "lines" in beginning
      ? await look.lineStart(current, beginning.lines, end)
      : await look.notBefore(current, wantedOf(beginning, end));
  const { part, base, origin } = file;
  return { at, end, open: part === null ? null : { part, base, origin }, older: look.older };
}

function wantedOf(beginning: Exclude<Beginning, { lines: number }>, end: number): number {
  if ("oldest" in beginning) return Number.NEGATIVE_INFINITY;
  return "bytes" in beginning ? end - beginning.bytes : beginning.from;
}

interface Held {
  readonly part: LogPart | null;
  readonly base: number;
  readonly origin: number;
  readonly size: number;
}

interface Place {
  readonly at: number;
  readonly file: Held;
}

class LookingBack {
  readonly older: number[] = [];
  readonly #where: Whereabouts;
  readonly #names: Names;

  constructor(where: Whereabouts, names: Names) {
    this.#where = where;
    this.#names = names;
  }

  async openCurrent(): Promise<Held | null> {
    const until = performance.now() + LOOK_FOR_MS;
    for (;;) {
      const log = this.#where.latest();
      if (log === null) return null;
      const { path, base, position } = log;
      const asked = await this.#names.ask(log);
      const part = await openPart(path, 0);
      const size = part === null ? 0 : await part.size();
      // The file knows its end better than a report that is some milliseconds old.
      const isAsTold = size >= position - base && this.#where.latest()?.base === base;
      if (isAsTold) return { part, base, origin: base, size };
      // Shorter than the keeper counted: somebody emptied it, and its end is where the keeper goes on.
      if ((await asked.isAtRest()) || performance.now() >= until) return { part, base, origin: position - size, size };
      await part?.close();
    }
  }

  /** The position itself, or where the oldest file there is begins. */
  async notBefore(current: Held, wanted: number): Promise<Place> {
    let file = current;
    while (file.origin > wanted) {
      const older = await this.#oneBefore(file);
      if (older === null) return { at: file.origin, file };
      file = older;
    }
    return { at: wanted, file };
  }

  async lineStart(current: Held, lines: number, end: number): Promise<Place> {
    let file = current;
    if (lines === 0) return { at: end, file };
    let wanted = lines;
    let next = end;
    let isLast = true; // The newline at the very end ends a line; it does not begin one.
    for (;;) {
      const { part, origin, size } = file;
      const found = part === null ? NOTHING : await lineStartIn(part, size, wanted, isLast).catch(() => null);
      if (found === null) return { at: next, file }; // A broken .gz: what comes after it is the oldest there is.
      if (found.offset !== null) return { at: origin + found.offset, file };
      wanted -= found.newlines;
      if (size > 0) isLast = false;
      const older = await this.#oneBefore(file);
      if (older === null) return { at: origin, file };
      next = origin;
      file = older;
    }
  }

  /** The file before this one, which is closed then; null: there is none, and this one stays open. */
  async #oneBefore(file: Held): Promise<Held | null> {
    for (const until = performance.now() + LOOK_FOR_MS; performance.now() < until; ) {
      const log = this.#where.latest();
      if (log === null) return null;
      const bases = [log.base, ...log.rotated, ...this.older];
      const index = bases.indexOf(file.base) + 1;
      if (index === 0) return null; // It was rotated away, or the log was cleared, while we looked.
      const asked = await this.#names.ask(log);
      const part = await openPart(log.path, index);
      const size = part === null ? 0 : await part.size();
      const listed = bases[index];
      const fits = listed === undefined || (part !== null && size === file.base - listed);
      const isRight = (await asked.isStill(index - 1, file.part?.inode ?? null)) && (fits || (await asked.isAtRest()));
      if (isRight && part === null) return null;
      if (isRight && part !== null) {
        if (listed === undefined) this.older.push(file.base - size);
        await file.part?.close();
        const base = listed ?? file.base - size;
        return { part, base, origin: base, size };
      }
      await part?.close();
      await this.#where.news(LOOK_AGAIN_MS);
    }
    return null;
  }
}

const NOTHING = { newlines: 0, offset: null } as const;

interface Found {
  readonly newlines: number;
  /** Where the line begins; null: further back than this file. */
  readonly offset: number | null;
}

/** The start of the `wanted`-th line from the end; `isLast`: nothing comes after this file. */
async function lineStartIn(part: LogPart, size: number, wanted: number, isLast: boolean): Promise<Found> {
  const endsLine = isLast && size > 0 && (await part.read(size - 1, 1))[0] === NEWLINE;
  const upTo = endsLine ? size - 1 : size;
  return part.isCompressed ? forwards(part, upTo, wanted) : backwards(part, upTo, wanted);
}

async function backwards(part: LogPart, upTo: number, wanted: number): Promise<Found> {
  let newlines = 0;
  for (let to = upTo; to > 0; ) {
    const from = Math.max(0, to - CHUNK_BYTES);
    const bytes = await part.read(from, to - from);
    for (let at = bytes.length - 1; at >= 0; at--) {
      if (bytes[at] === NEWLINE && ++newlines === wanted) return { newlines, offset: from + at + 1 };
    }
    to = from;
  }
  return { newlines, offset: null };
}

/** gzip cannot be read backwards: count all newlines first, then go to the right one. */
async function forwards(part: LogPart, upTo: number, wanted: number): Promise<Found> {
  let newlines = 0;
  await eachNewline(part, upTo, () => {
    newlines++;
    return true;
  });
  if (newlines < wanted) return { newlines, offset: null };
  let toSkip = newlines - wanted;
  let offset = 0;
  await eachNewline(part, upTo, (at) => {
    offset = at + 1;
    return toSkip-- > 0;
  });
  return { newlines, offset };
}

async function eachNewline(part: LogPart, upTo: number, onNewline: (offset: number) => boolean): Promise<void> {
  for (let from = 0; from < upTo; ) {
    const bytes = await part.read(from, upTo - from);
    if (bytes.length === 0) return;
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, at + 1)) {
      if (!onNewline(from + at)) return;
    }
    from += bytes.length;
  }
}
