/**
 * What provisioning keeps below `state/provisioning/`:
 *
 *   steps.json      what is known of each step: durable before the next one begins
 *   progress.json   how far the present one is: lost without loss
 *   again-ID.json   somebody wants it done again; goes away once steps.json has taken it in
 *   lock            held by the one run there may be
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "./disk.ts";
import { type Memory, NOTHING_KNOWN, parseMemory, type Wish } from "./memory.ts";

export interface Progress {
  readonly step: string;
  readonly bytes: number;
  readonly total: number | null;
  readonly bytesPerSecond: number | null;
}

export class Store {
  readonly folder: string;
  readonly #say: (line: string) => void;
  #isBehind = false;

  constructor(stateDir: string, say: (line: string) => void) {
    this.folder = join(stateDir, "provisioning");
    this.#say = say;
  }

  get lockPath(): string {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    return join(this.folder, "lock");
  }

  /** A file that is torn or another program's is set aside: steps that are done once more do no harm. */
  read(): Memory {
    const path = join(this.folder, "steps.json");
    const text = textOf(path);
    if (text === null) return NOTHING_KNOWN;
    const { memory, isWhole } = parseMemory(text);
    if (isWhole) return memory;
    this.#say(`${path} is not as it was written: what cannot be understood of it is done again; kept as ${path}.bad`);
    try {
      replaceFile(`${path}.bad`, text, { durable: false });
    } catch {
      // It is written over by the next record.
    }
    return memory;
  }

  /** Only to look. */
  peek(): Memory {
    const text = textOf(join(this.folder, "steps.json"));
    return text === null ? NOTHING_KNOWN : parseMemory(text).memory;
  }

  /** false: the disk takes nothing. The work goes on, and may be done again after an interruption. */
  write(memory: Memory): boolean {
    try {
      replaceFile(join(this.folder, "steps.json"), `${JSON.stringify(memory, null, 1)}\n`);
      this.#isBehind = false;
      return true;
    } catch (error) {
      if (!this.#isBehind) this.#say(`cannot keep how far it is: ${(error as Error).message}`);
      this.#isBehind = true;
      return false;
    }
  }

  progress(progress: Progress | null): void {
    try {
      if (progress === null) rmSync(join(this.folder, "progress.json"), { force: true });
      else replaceFile(join(this.folder, "progress.json"), JSON.stringify(progress), { durable: false });
    } catch {
      // Nobody sees how far it is.
    }
  }

  peekProgress(): Progress | null {
    try {
      return JSON.parse(textOf(join(this.folder, "progress.json")) ?? "null") as Progress | null;
    } catch {
      return null;
    }
  }

  /** Durable when this returns: a wish that was heard is not lost with the machine. Throws what the disk says. */
  ask(wish: Wish): void {
    replaceFile(join(this.folder, `again-${wish.id}.json`), JSON.stringify(wish));
  }

  wishes(): Wish[] {
    return this.#wishFiles().flatMap((name) => {
      try {
        const read = JSON.parse(textOf(join(this.folder, name)) ?? "") as Partial<Wish>;
        const id = name.slice("again-".length, -".json".length);
        return read.from === null || typeof read.from === "string" ? [{ id, from: read.from }] : [];
      } catch {
        return [];
      }
    });
  }

  /** Once they are in steps.json. A crash before this costs nothing: their ids are known. */
  forget(wishes: readonly Wish[]): void {
    for (const { id } of wishes) rmSync(join(this.folder, `again-${id}.json`), { force: true });
  }

  #wishFiles(): string[] {
    try {
      return readdirSync(this.folder)
        .filter((name) => /^again-[\w.-]+\.json$/.test(name))
        .sort();
    } catch {
      return [];
    }
  }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
