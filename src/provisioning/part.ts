/**
 * What is here of a file that is being downloaded, and what is known about it:
 *
 *   dir/.svcd-3f9a….part        bytes, from the beginning
 *   dir/.svcd-3f9a….part.json   what they are a part of: the server's word for the version (ETag), how long it shall be, and how
 *                               much of it has been flushed, which is all that counts after the machine has stopped
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream, readFileSync, rmSync, statSync } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Around } from "./around.ts";
import { flushFolder, replaceFile } from "./disk.ts";
import { Interrupted } from "./result.ts";

interface Meta {
  readonly etag: string | null;
  readonly lastModified: string | null;
  readonly total: number | null;
  /** How the server calls the file. */
  readonly name: string | null;
  /** So much has been flushed, in this boot; after the next one no more than that is certain. */
  readonly settled?: number;
  readonly boot?: string;
}

/** What a machine that stops may cost: a few seconds of a fast line. */
const SETTLE_EACH_BYTES = 256 * 1024 * 1024;

const BOOT = bootId();

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

/** What is here of a file. */
export class Part {
  readonly path: string;
  readonly #metaPath: string;
  /** Of the first `#hashed` bytes, so that what comes in one go is read only once. */
  #hash: Hash | null;
  #hashed = 0;
  #settled = 0;
  readonly #isHashed: boolean;

  constructor(
    folder: string,
    { url, to, sha256 }: { readonly url: string; readonly to: string; readonly sha256: string | null },
  ) {
    const key = createHash("sha256").update(`${url}\n${to}`).digest("hex").slice(0, 16);
    this.path = join(folder, `.svcd-${key}.part`);
    this.#metaPath = `${this.path}.json`;
    this.#isHashed = sha256 !== null;
    this.#hash = null;
  }

  get size(): number {
    return fileSize(this.path) ?? 0;
  }

  /** null: nobody knows what is here, so it is nothing. */
  meta(): Meta | null {
    try {
      const read = JSON.parse(readFileSync(this.#metaPath, "utf8")) as Partial<Meta>;
      const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null);
      const total = typeof read.total === "number" ? read.total : null;
      if (total !== null && this.size > total) return null;
      const settled = typeof read.settled === "number" ? read.settled : 0;
      const { etag, lastModified, name, boot } = read;
      return {
        etag: textOf(etag),
        lastModified: textOf(lastModified),
        total,
        name: textOf(name),
        settled,
        boot: textOf(boot) ?? "",
      };
    } catch {
      return null;
    }
  }

  /** Bytes from the beginning that are certainly what the server sent. */
  usable({ settled = 0, boot }: Meta): number {
    return boot === BOOT ? this.size : Math.min(settled, this.size);
  }

  async settle(file: FileHandle, at: number): Promise<void> {
    if (at - this.#settled < SETTLE_EACH_BYTES) return;
    await file.datasync();
    this.#settled = at;
    const meta = this.meta();
    if (meta !== null) replaceFile(this.#metaPath, JSON.stringify({ ...meta, settled: at }), { durable: false });
  }

  /** What was here is over before the word about the new is there: never do the two belong to different files. */
  begin(meta: Meta): void {
    this.forget();
    replaceFile(this.#metaPath, JSON.stringify({ ...meta, settled: 0, boot: BOOT }), { durable: false });
  }

  forget(): void {
    this.#hash = null;
    this.#hashed = 0;
    this.#settled = 0;
    for (const path of [this.#metaPath, this.path]) rmQuietly(path);
  }

  async openAt(from: number): Promise<FileHandle> {
    const file = await open(this.path, from === 0 ? "w" : "r+", 0o600);
    await file.truncate(from);
    if (from === 0) {
      this.#hash = this.#isHashed ? createHash("sha256") : null;
      this.#hashed = 0;
    }
    return file;
  }

  async write(file: FileHandle, chunk: Uint8Array, at: number): Promise<number> {
    let done = 0;
    while (done < chunk.length) {
      const { bytesWritten } = await file.write(chunk, done, chunk.length - done, at + done);
      done += bytesWritten;
    }
    if (this.#hash !== null && this.#hashed === at) {
      this.#hash.update(chunk);
      this.#hashed += chunk.length;
    }
    return at + done;
  }

  async sha256(around: Around): Promise<string> {
    if (this.#hash !== null && this.#hashed === this.size) return this.#hash.copy().digest("hex");
    return await sha256Of(this.path, around);
  }

  async moveTo(path: string, executable: boolean): Promise<void> {
    const file = await open(this.path, "r+");
    try {
      await file.chmod((executable ? 0o777 : 0o666) & ~process.umask());
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(this.path, path);
    flushFolder(dirname(path));
    await rm(this.#metaPath, { force: true });
  }
}

export async function sha256Of(path: string, { stop }: Pick<Around, "stop">): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    if (stop.aborted) throw new Interrupted();
    hash.update(chunk as Buffer);
  }
  return hash.digest("hex");
}

export function fileSize(path: string): number | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat?.isFile() ? stat.size : null;
}

function rmQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // What cannot be removed cannot be written either, and that is told.
  }
}
