import assert from "node:assert/strict";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { readSafely } from "./safe-file.ts";

const uid = process.getuid!();
const rules = { uid, isSecret: false, mostBytes: 1_000 };

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "svcd-safe-"));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test("a file of ours that only we can write is read, a link to one too", (t) => {
  const at = folder(t);
  writeFileSync(join(at, "keys"), "text", { mode: 0o644 });
  symlinkSync("keys", join(at, "link"));
  for (const name of ["keys", "link"])
    assert.deepEqual(readSafely(join(at, name), rules), { is: "text", text: "text" });
  assert.deepEqual(readSafely(join(at, "nothing"), rules), { is: "missing" });
});

test("what others can write or replace is refused, with the command that puts it right", (t) => {
  const at = folder(t);
  const keys = join(at, "keys");
  const refusal = () => {
    const read = readSafely(keys, rules);
    return read.is === "refused" ? `${read.what}; ${read.fix}` : read.is;
  };
  writeFileSync(keys, "text");
  chmodSync(keys, 0o664);
  assert.equal(refusal(), `others may write it (mode 664); chmod go-w ${keys}`);
  chmodSync(keys, 0o644);
  chmodSync(at, 0o777);
  assert.equal(refusal(), `others may put files into this folder; chmod go-w ${at}`);
  chmodSync(at, 0o1777);
  assert.equal(refusal(), "text", "in a sticky folder nobody can replace it");
});

test("a secret is for its owner alone; no file, and a file that is too large, are refused", (t) => {
  const at = folder(t);
  const key = join(at, "key");
  writeFileSync(key, "secret", { mode: 0o644 });
  const read = (path: string) => readSafely(path, { ...rules, isSecret: true });
  assert.equal(read(key).is, "refused");
  chmodSync(key, 0o600);
  assert.equal(read(key).is, "text");
  writeFileSync(key, "x".repeat(1_001));
  assert.equal(read(key).is, "refused");
  mkdirSync(join(at, "dir"), { mode: 0o700 });
  assert.equal(read(join(at, "dir")).is, "refused");
  assert.equal(read("/dev/null").is, "refused");
});

test("a file of somebody else is refused", { skip: uid !== 0 && "only root can give files away" }, (t) => {
  const keys = join(folder(t), "keys");
  writeFileSync(keys, "text", { mode: 0o600 });
  chownSync(keys, 65_534, 65_534);
  assert.equal(readSafely(keys, rules).is, "refused");
});
