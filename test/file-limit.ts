import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";

/** On a disk that takes no more than so many bytes in one file: the last write is cut short, the next one fails. */
export function withFileLimit(bytes: number, act: () => void): void {
  const ignore = (): void => {};
  process.on("SIGXFSZ", ignore);
  const limit = (value: string): void =>
    assert.equal(spawnSync("prlimit", ["--pid", `${process.pid}`, `--fsize=${value}:`]).status, 0);
  limit(`${bytes}`);
  try {
    act();
  } finally {
    limit("unlimited");
    process.off("SIGXFSZ", ignore);
  }
}

/** The same for what takes its time. */
export async function withFileLimitAsync<T>(bytes: number, act: () => Promise<T>): Promise<T> {
  const ignore = (): void => {};
  process.on("SIGXFSZ", ignore);
  const limit = (value: string): void =>
    assert.equal(spawnSync("prlimit", ["--pid", `${process.pid}`, `--fsize=${value}:`]).status, 0);
  limit(`${bytes}`);
  try {
    return await act();
  } finally {
    limit("unlimited");
    process.off("SIGXFSZ", ignore);
  }
}
