/**
 * The files of one log, newest first: the current one, `.1`, `.2` or `.2.gz` …, seen as one sequence of bytes with
 * positions (see LogPosition).
 *
 * Opened without following links and only if they are plain files: the log directory is writable by others on some
 * machines, and a link there must not show a stranger's file. A file that is open stays readable whatever becomes of its
 * name; that is what makes reading safe beside a keeper that rotates.
 */
import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { Readable } from "node:stream";

/** Read at a time: enough to keep up with any disk, small enough for hundreds of readers. */
export const CHUNK_BYTES = 64 * 1024;

/** O_NONBLOCK: opening a FIFO that was planted here must not wait for a writer. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export interface LogPart {
  /** 0 is the current file, 1 is `PATH.1` … at the moment of opening. */
  readonly index: number;
  readonly inode: number;
  readonly isCompressed: boolean;
  /** Bytes of log in it, now. */
  size(): Promise<number>;
  /** The bytes from `offset` on, at most a chunk; none at the end. A compressed part is quick only when read forwards. */
  read(offset: number, atMost: number): Promise<Buffer>;
  close(): Promise<void>;
}

/** null: there is no such file (any more), or none that may be shown. */
export async function openPart(path: string, index: number): Promise<LogPart | null> {
  if (index === 0) return openPlain(path, 0);
  return (await openPlain(`${path}.${index}`, index)) ?? (await openCompressed(`${path}.${index}.gz`, index));
}

/** 0: nothing is there. */
export async function inodeAt(path: string, index: number): Promise<number> {
  try {
    return (await stat(index === 0 ? path : `${path}.${index}`)).ino;
  } catch {
    return 0;
  }
}

async function openPlain(path: string, index: number): Promise<LogPart | null> {
  const file = await openRegular(path);
  if (file === null) return null;
  const { ino } = await file.stat();
  return {
    index,
    inode: ino,
    isCompressed: false,
    size: async () => (await file.stat()).size,
    read: (offset, atMost) => readOnce(file, offset, atMost),
    close: () => file.close(),
  };
}

async function openRegular(path: string): Promise<FileHandle | null> {
  let file: FileHandle;
  try {
    file = await open(path, OPEN_FLAGS);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ELOOP: it is a link. ENXIO: a socket. Neither is a log.
    if (code === "ENOENT" || code === "ELOOP" || code === "ENXIO") return null;
    throw error;
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  return null;
}

async function readOnce(file: FileHandle, offset: number, atMost: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(Math.min(Math.max(atMost, 1), CHUNK_BYTES));
  const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
  return buffer.subarray(0, bytesRead);
}

async function openCompressed(path: string, index: number): Promise<LogPart | null> {
  const file = await openRegular(path);
  if (file === null) return null;
  const { ino, size: compressedSize } = await file.stat();
  let reader: ForwardReader | null = null;
  return {
    index,
    inode: ino,
    isCompressed: true,
    size: () => sizeInGzip(file, compressedSize),
    read: async (offset, atMost) => {
      if (reader === null || offset < reader.offset) {
        reader?.stop();
        reader = await ForwardReader.of(file);
      }
      return reader.read(offset, Math.min(Math.max(atMost, 1), CHUNK_BYTES));
    },
    close: async () => {
      reader?.stop();
      await file.close();
    },
  };
}

/** gzip's last four bytes: the size of what is inside. No log file that rotates by size comes near their 4 GiB. */
async function sizeInGzip(file: FileHandle, compressedSize: number): Promise<number> {
  const end = Buffer.alloc(4);
  await file.read(end, 0, 4, Math.max(0, compressedSize - 4));
  return end.readUInt32LE(0);
}

/** The inside of a gzip file, as it comes; never more of it in memory than a few chunks. */
class ForwardReader {
  offset = 0;
  readonly #chunks: AsyncIterator<Buffer>;
  readonly #stop: () => void;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(chunks: AsyncIterator<Buffer>, stop: () => void) {
    this.#chunks = chunks;
    this.#stop = stop;
  }

  static async of(file: FileHandle): Promise<ForwardReader> {
    // Loaded when somebody looks that far back, which is seldom.
    const { createGunzip } = await import("node:zlib");
    const gunzip = createGunzip();
    // Not the file's own stream: that one closes the file when it is stopped.
    const input = Readable.from(chunksOf(file));
    input.on("error", (error) => gunzip.destroy(error));
    input.pipe(gunzip);
    return new ForwardReader(gunzip[Symbol.asyncIterator](), () => {
      input.destroy();
      gunzip.destroy();
    });
  }

  /** The chunks of the gunzipped stream are joined to nothing: what is asked for is cut from the one at hand. */
  async read(offset: number, atMost: number): Promise<Buffer> {
    for (;;) {
      const skip = Math.min(offset - this.offset, this.#rest.length);
      this.offset += skip;
      this.#rest = this.#rest.subarray(skip);
      if (this.#rest.length > 0) break;
      const next = await this.#chunks.next();
      if (next.done === true) return Buffer.alloc(0);
      this.#rest = next.value;
    }
    const bytes = this.#rest.subarray(0, atMost);
    this.offset += bytes.length;
    this.#rest = this.#rest.subarray(bytes.length);
    return bytes;
  }

  stop(): void {
    this.#stop();
  }
}

async function* chunksOf(file: FileHandle): AsyncGenerator<Buffer> {
  for (let offset = 0; ; ) {
    const bytes = await readOnce(file, offset, CHUNK_BYTES);
    if (bytes.length === 0) return;
    offset += bytes.length;
    yield bytes;
  }
}
