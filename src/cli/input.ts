/**
 * stdin, read when it is needed and no byte sooner. Node's own stream reads ahead: what a person types for the editor that
 * svctl starts next would be gone.
 */
import { fstatSync, readSync } from "node:fs";
import type { Input } from "./call.ts";

/** Somebody else has made it non-blocking, and nothing is there yet. */
const LOOK_AGAIN_MS = 20;

export class StandardInput implements Input {
  get isTTY(): boolean {
    return process.getBuiltinModule("node:tty").isatty(0); // Nearly no call of svctl asks, and it takes its time to load.
  }

  all(mostBytes: number): Buffer | null {
    return allOf(0, mostBytes);
  }

  line(): string | null {
    const bytes: Buffer[] = [];
    const byte = Buffer.alloc(1);
    while (read(0, byte) === 1) {
      if (byte[0] === 0x0a) return Buffer.concat(bytes).toString();
      bytes.push(Buffer.from(byte));
    }
    return bytes.length === 0 ? null : Buffer.concat(bytes).toString();
  }
}

/** What is left to read of a file, a pipe or a terminal; null: more than `mostBytes`. */
export function allOf(fd: number, mostBytes: number): Buffer | null {
  const pieces: Buffer[] = [];
  let length = 0;
  const piece = Buffer.alloc(Math.max(4096, Math.min(fstatSync(fd).size, mostBytes) + 1));
  for (let got = read(fd, piece); got > 0; got = read(fd, piece)) {
    length += got;
    if (length > mostBytes) return null;
    pieces.push(Buffer.from(piece.subarray(0, got)));
  }
  return Buffer.concat(pieces);
}

function read(fd: number, into: Buffer): number {
  for (;;) {
    try {
      return readSync(fd, into);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EOF") return 0;
      if (code !== "EAGAIN") throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOOK_AGAIN_MS);
    }
  }
}
