/**
 * By what a client knows this machine again. Made once and kept: a machine that suddenly shows another key looks like somebody
 * in between, so what is there and cannot be used is a mistake to be put right, and never simply replaced.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import ssh2 from "ssh2";
import { fingerprintOf } from "./authorized-keys.ts";
import { readSafely } from "./safe-file.ts";
import type { Mistake } from "./settings.ts";

export interface HostKey {
  /** In OpenSSH's form. */
  readonly privateKey: string;
  readonly fingerprint: string;
  readonly isNew: boolean;
}

export function hostKey(path: string, uid: number): HostKey | Mistake {
  const before = read(path, uid);
  if (before !== null) return before;
  try {
    make(path);
  } catch (error) {
    return {
      what: `the host key cannot be written: ${(error as Error).message}`,
      where: path,
      fix: "make room, or let this service's user write there (SSH_SERVER_HOST_KEY names another place)",
    };
  }
  const made = read(path, uid);
  if (made === null) return { what: "the host key has just been removed", where: path, fix: "leave it there" };
  return "privateKey" in made ? { ...made, isNew: true } : made;
}

/** null: there is none yet. */
function read(path: string, uid: number): HostKey | Mistake | null {
  const file = readSafely(path, { uid, isSecret: true, mostBytes: 16_384 });
  if (file.is === "missing") return null;
  if (file.is === "refused")
    return { what: `the host key is not safe: ${file.what}`, where: file.where, fix: file.fix };
  const key = parsed(file.text);
  if (key === null)
    return {
      what: "the host key cannot be read, and another one would look like another machine to everybody",
      where: path,
      fix: "put it back from a copy, or remove it: then a new one is made, and clients ask (ssh-keygen -R HOST)",
    };
  return { privateKey: file.text, fingerprint: fingerprintOf(key), isNew: false };
}

function parsed(text: string): Buffer | null {
  const read = ssh2.utils.parseKey(text);
  if (read instanceof Error) return null;
  const key = Array.isArray(read) ? read[0] : read;
  return key?.isPrivateKey() ? key.getPublicSSH() : null;
}

/** Whole or not at all, for nobody else to read; of two that make it at once the first one's counts. */
function make(path: string): void {
  const pair = ssh2.utils.generateKeyPairSync("ed25519", { comment: "svcd" });
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const beside = `${path}.${process.pid}.${randomBytes(4).toString("hex")}`;
  const fd = openSync(beside, "wx", 0o600);
  try {
    writeSync(fd, pair.private);
    fsyncSync(fd);
    linkSync(beside, path);
    const folder = openSync(dirname(path), "r");
    fsyncSync(folder);
    closeSync(folder);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    closeSync(fd);
    rmSync(beside, { force: true });
  }
}
