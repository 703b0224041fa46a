/** Secrets on the disk: 0600, whole or not there, and the same for everybody who asks at once. */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";

/** Of two that make it at once both get what the first wrote. */
export function readOrMake(path: string, make: () => string): string {
  const found = existsSync(path) ? readFileSync(path, "utf8").trim() : "";
  if (found !== "") return found;
  const beside = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`;
  writeDurably(beside, make());
  try {
    if (existsSync(path)) rmSync(path); // Empty: a disk was full.
    linkSync(beside, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(beside, { force: true });
  }
  return readFileSync(path, "utf8").trim();
}

export function writeSecret(path: string, secret: string): void {
  if (existsSync(path) && readFileSync(path, "utf8").trim() === secret) return;
  const beside = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`; // One of a writer that died is in nobody's way.
  writeDurably(beside, secret);
  renameSync(beside, path);
}

function writeDurably(path: string, text: string): void {
  const file = openSync(path, "wx", 0o600);
  try {
    writeSync(file, `${text}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
