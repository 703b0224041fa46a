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
