/**
 * Test support: a log written and rotated as the keeper does it (names moved, old files compressed, growth told a moment
 * late), which also remembers every byte so that a reader can be compared with it.
 */
import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import type { LogPosition } from "../keeper/messages.ts";

export interface FakeLogOptions {
  readonly maxSize?: number;
  readonly keep?: number;
  /** Files from `.2` on. */
  readonly compress?: boolean;
  /** How long after the fact growth is told; 0: at once. */
  readonly tellAfterMs?: number;
}

export class FakeLog {
  readonly path: string;
  /** Everything ever written, cleared or not. */
  readonly written: Buffer[] = [];
  readonly #options: Required<FakeLogOptions>;
  #base = 0;
  #size = 0;
  #rotated: readonly number[] = [];
  #listeners = new Set<(position: LogPosition) => void>();
  #telling: NodeJS.Timeout | null = null;

  constructor(path: string, options: FakeLogOptions = {}) {
    this.path = path;
    this.#options = { maxSize: 1e9, keep: 3, compress: false, tellAfterMs: 0, ...options };
    writeFileSync(path, "");
  }

  get followers(): number {
    return this.#listeners.size;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#size > 0 && this.#size + bytes.length > this.#options.maxSize) this.rotate();
    appendFileSync(this.path, bytes);
    this.written.push(bytes);
    this.#size += bytes.length;
    this.#tellSoon();
  }

  rotate(): void {
    const { keep, compress } = this.#options;
    for (const end of ["", ".gz"]) rmSync(`${this.path}.${keep}${end}`, { force: true });
    for (let number = keep - 1; number >= 1; number--) {
      for (const end of ["", ".gz"]) {
        const from = `${this.path}.${number}${end}`;
        if (existsSync(from)) renameSync(from, `${this.path}.${number + 1}${end}`);
      }
    }
    if (keep === 0) rmSync(this.path);
    else renameSync(this.path, `${this.path}.1`);
    writeFileSync(this.path, "");
    if (compress && existsSync(`${this.path}.2`)) {
      writeFileSync(`${this.path}.2.gz`, gzipSync(readFileSync(`${this.path}.2`)));
      rmSync(`${this.path}.2`);
    }
    this.#rotated = [this.#base, ...this.#rotated].slice(0, keep);
    this.#base += this.#size;
    this.#size = 0;
    this.#tellSoon();
  }

  clear(): void {
    for (let number = 1; number <= this.#options.keep; number++) {
      for (const end of ["", ".gz"]) rmSync(`${this.path}.${number}${end}`, { force: true });
    }
    truncateSync(this.path, 0);
    this.#rotated = [];
    this.#base += this.#size;
    this.#size = 0;
    this.#tellSoon();
  }

  /** As after a restart of the keeper: the files are there, their positions are not known, and counting begins anew. */
  forgetPositions(): void {
    this.#rotated = [];
    this.#base = 0;
  }

  /** The file that was current has another name now, and the next begins where it ended. */
  becomeHead(): void {
    renameSync(this.path, `${this.path}.head`);
    writeFileSync(this.path, "");
    this.#base += this.#size;
    this.#size = 0;
  }

  position(): LogPosition {
    const place = { base: this.#base, position: this.#base + this.#size, rotated: this.#rotated };
    return { service: "web", stream: "stdout", path: this.path, droppedBytes: 7, ...place };
  }

  follow(onGrown: (position: LogPosition) => void): () => void {
    this.#listeners.add(onGrown);
    onGrown(this.position());
    return () => this.#listeners.delete(onGrown);
  }

  all(): string {
    return Buffer.concat(this.written).toString();
  }

  #tellSoon(): void {
    const tell = (): void => {
      this.#telling = null;
      for (const listener of this.#listeners) listener(this.position());
    };
    if (this.#options.tellAfterMs === 0) tell();
    else this.#telling ??= setTimeout(tell, this.#options.tellAfterMs);
  }
}
