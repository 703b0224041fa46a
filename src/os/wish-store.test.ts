import assert from "node:assert/strict";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { withFileLimit } from "../../test/file-limit.ts";
import { noWish, OperatorError } from "../ports.ts";
import { WishStore } from "./wish-store.ts";

function fresh(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "svcd-wishes-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "wishes.json");
}

const silent = (): void => {};

test("enabled and disabled are kept across boots, a stop only within its boot", (t) => {
  const path = fresh(t);
  const store = new WishStore(path, "monday", silent);
  store.save(
    new Map([
      ["web", { enabled: false, stopped: false }],
      ["db", { enabled: null, stopped: true }],
    ]),
  );
  assert.deepEqual(new WishStore(path, "monday", silent).of("db"), { enabled: null, stopped: true });
  const later = new WishStore(path, "tuesday", silent);
  assert.deepEqual(later.of("web"), { enabled: false, stopped: false });
  assert.deepEqual(later.of("db"), noWish);
});

test("a wish that is taken back leaves nothing behind", (t) => {
  const path = fresh(t);
  const store = new WishStore(path, "boot", silent);
  store.save(new Map([["web", { enabled: null, stopped: true }]]));
  store.save(new Map([["web", noWish]]));
  assert.equal(readFileSync(path, "utf8").trim(), "{}");
});

test("a file that cannot be understood is set aside and told, and new wishes are kept", (t) => {
  const path = fresh(t);
  writeFileSync(path, '{"web": {"enab');
  const said: string[] = [];
  const store = new WishStore(path, "boot", (line) => said.push(line));
  assert.match(said.join(), /is forgotten; kept as .*\.bad/);
  assert.ok(existsSync(`${path}.bad`));
  store.save(new Map([["web", { enabled: false, stopped: false }]]));
  assert.equal(new WishStore(path, "boot", silent).of("web").enabled, false);
});

test("half a file costs one change, not all: the file before it counts", (t) => {
  const path = fresh(t);
  const store = new WishStore(path, "boot", silent);
  for (const name of ["web", "db"]) store.save(new Map([[name, { enabled: false, stopped: false }]]));
  const whole = readFileSync(path, "utf8");
  for (let length = 0; length < whole.length - 2; length++) {
    const said: string[] = [];
    writeFileSync(path, whole.slice(0, length));
    const next = new WishStore(path, "boot", (line) => said.push(line));
    assert.equal(next.of("web").enabled, false);
    assert.deepEqual(next.of("db"), noWish);
    assert.match(said.join(), /what was asked before its last change counts; kept as .*\.bad/);
  }
});

test("what a disk has refused is written once it takes something again", (t) => {
  const path = fresh(t);
  const store = new WishStore(path, "boot", silent);
  assert.equal(store.failing, null);
  withFileLimit(0, () => assert.throws(() => store.save(new Map([["web", { enabled: false, stopped: false }]]))));
  assert.match(store.failing ?? "", /EFBIG/);
  store.tryAgain();
  assert.equal(store.failing, null);
  assert.equal(new WishStore(path, "boot", silent).of("web").enabled, false);
});

test("wishes that cannot be read for a while are not lost: they are known once they can be, and never written over", (t) => {
  const path = fresh(t);
  new WishStore(path, "boot", silent).save(new Map([["web", { enabled: false, stopped: false }]]));
  renameSync(path, `${path}.elsewhere`);
  mkdirSync(path); // Reading it fails, and not because nothing is there.
  const said: string[] = [];
  const store = new WishStore(path, "boot", (line) => said.push(line));
  assert.deepEqual(store.of("web"), noWish);
  assert.throws(
    () => store.save(new Map([["db", { enabled: false, stopped: false }]])),
    (error) => error instanceof OperatorError && /what was asked before cannot be read: EISDIR/.test(error.what),
  );
  assert.equal(store.of("db").enabled, false, "while svcd runs it holds");
  assert.match(said.join("\n"), /^[^\n]*EISDIR[^\n]*is not known until it can be read$/, "told once");

  rmSync(path, { recursive: true });
  renameSync(`${path}.elsewhere`, path);
  assert.equal(store.of("web").enabled, false);
  store.save(new Map([["cache", { enabled: true, stopped: false }]]));
  const next = new WishStore(path, "boot", silent);
  assert.deepEqual(
    ["web", "db", "cache"].map((name) => next.of(name).enabled),
    [false, false, true],
  );
});

test("values that make no sense count for nothing", (t) => {
  const path = fresh(t);
  writeFileSync(path, '{"web": 3, "db": {"enabled": "yes"}, "ok": {"enabled": false, "stoppedInBoot": null}}');
  const store = new WishStore(path, "boot", silent);
  assert.deepEqual(store.of("web"), noWish);
  assert.deepEqual(store.of("db"), noWish);
  assert.equal(store.of("ok").enabled, false);
});

test("a wish that cannot be made durable is refused with what to do, and holds while svcd runs", (t) => {
  const path = fresh(t);
  const store = new WishStore(path, "boot", silent);
  rmSync(join(path, ".."), { recursive: true });
  assert.throws(() => store.save(new Map([["web", { enabled: false, stopped: false }]])), OperatorError);
  assert.equal(store.of("web").enabled, false);
});

test("a disk that takes only a part of the wishes refuses the new one and keeps the old ones", (t) => {
  const path = fresh(t);
  const store = new WishStore(path, "boot", silent);
  store.save(new Map([["web", { enabled: false, stopped: false }]]));
  const before = readFileSync(path, "utf8");
  const files = readdirSync("/proc/self/fd").length;
  const more = new Map([["db".repeat(100), { enabled: false, stopped: false }]]);
  withFileLimit(before.length + 10, () => assert.throws(() => store.save(more), OperatorError));
  assert.equal(readFileSync(path, "utf8"), before);
  assert.deepEqual(readdirSync(join(path, "..")), ["wishes.json"]);
  assert.equal(readdirSync("/proc/self/fd").length, files);
});
