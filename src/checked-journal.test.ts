import assert from "node:assert/strict";
import fs, {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { mock, type TestContext, test } from "node:test";
import fc from "fast-check";
import { withFileLimit } from "../test/file-limit.ts";
import {
  CheckedJournal,
  type CheckedJournalOptions,
  checkedLine,
  isDamaged,
  readCheckedLines,
} from "./checked-journal.ts";

interface Line {
  readonly n: number;
}

/** A journal in a directory of its own, in which every line matters. */
function journal(t: TestContext, options: Partial<CheckedJournalOptions<Line>> = {}) {
  const directory = mkdtempSync(join(tmpdir(), "svcd-journal-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, "journal");
  const failures: string[] = [];
  const onFailure = (file: string, why: string): void => void failures.push(`${file}: ${why}`);
  const again = () =>
    new CheckedJournal<Line>({ path, compactAboveBytes: 1e6, essence: () => [], onFailure, ...options });
  return {
    path,
    failures,
    again,
    numbers: () =>
      again()
        .read()
        .map(({ n }) => n),
  };
}

test("what was written is read again, in order", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), (values) => {
      const text = values.map(checkedLine).join("");
      assert.deepEqual(readCheckedLines(text), JSON.parse(JSON.stringify(values)));
    }),
  );
});

test("a journal torn at any byte gives the whole lines before the tear and nothing else", () => {
  const values = [{ a: 1 }, { b: "two\nlines" }, { c: [3] }];
  const text = values.map(checkedLine).join("");
  for (let cut = 0; cut < text.length; cut++) {
    const read = readCheckedLines(text.slice(0, cut));
    assert.deepEqual(read, values.slice(0, read.length));
  }
});

test("a line with any changed byte, and lines from elsewhere, count for nothing", () => {
  const line = checkedLine({ service: "web", run: 3 });
  for (let at = 0; at < line.length - 1; at++) {
    const changed = `${line.slice(0, at)}${line[at] === "0" ? "1" : "0"}${line.slice(at + 1)}`;
    assert.deepEqual(readCheckedLines(changed), []);
  }
  assert.deepEqual(readCheckedLines("hello\n{}\n\n00000000 \n"), []);
});

test("what a crash cut short is no damage; a line that was changed or comes from elsewhere is", () => {
  const line = checkedLine({ a: { b: [1] } });
  for (let cut = 0; cut <= line.length; cut++) {
    assert.equal(isDamaged(line.slice(0, cut)), false, `cut at ${cut}`);
    assert.equal(isDamaged(`${line.slice(0, cut)}\0\0\0\n${line}`), false);
  }
  assert.equal(isDamaged(line.replace("1", "2")), true);
  assert.equal(isDamaged(`${line}dear diary\n${line}`), true);
  assert.equal(isDamaged('{"a":{"b":[1]}}'), true);
});

test("a durable journal is flushed before an append returns, and once for all lines that come together", (t) => {
  const flushed: number[] = [];
  const counting = mock.method(fs, "fdatasyncSync", (fd: number) => void flushed.push(fd));
  syncBuiltinESMExports();
  t.after(() => {
    counting.mock.restore();
    syncBuiltinESMExports();
  });
  const { again, numbers } = journal(t, { isDurable: true, essence: () => [{ n: 7 }] });
  const durable = again();
  durable.appendAll([{ n: 1 }, { n: 2 }, { n: 3 }]);
  assert.equal(flushed.length, 1);
  assert.deepEqual(numbers(), [1, 2, 3]);
  durable.compact();
  assert.equal(flushed.length, 2);
  assert.deepEqual(numbers(), [7]);
  journal(t).again().append({ n: 1 });
  assert.equal(flushed.length, 2);
});

test("a line that a full disk took in part costs that line only, and is told once", (t) => {
  const { path, failures, again, numbers } = journal(t);
  const journalNow = again();
  journalNow.append({ n: 1 });
  withFileLimit(statSync(path).size + 10, () => {
    journalNow.append({ n: 2 });
    journalNow.append({ n: 3 });
  });
  journalNow.append({ n: 4 });
  journalNow.append({ n: 5 });
  assert.deepEqual(numbers(), [1, 4, 5]);
  assert.equal(failures.length, 1);
  assert.match(failures[0] ?? "", /^\/.*\/journal: EFBIG/);
});

test("what a full disk has refused is made up for once it takes something again", (t) => {
  const { path, failures, again, numbers } = journal(t, { essence: () => [{ n: 1 }, { n: 2 }] });
  const journalNow = again();
  journalNow.append({ n: 1 });
  withFileLimit(statSync(path).size + 10, () => {
    journalNow.append({ n: 2 });
    assert.match(journalNow.failing ?? "", /EFBIG/);
    journalNow.tryAgain();
  });
  assert.deepEqual(numbers(), [1]);
  journalNow.tryAgain();
  assert.equal(journalNow.failing, null);
  assert.deepEqual(numbers(), [1, 2]);
  assert.equal(failures.length, 1);
});

test("what an earlier process tore costs no line of the next", (t) => {
  const { path, again, numbers } = journal(t);
  again().append({ n: 1 });
  appendFileSync(path, checkedLine({ n: 2 }).slice(0, -3));
  again().append({ n: 3 });
  assert.deepEqual(numbers(), [1, 3]);
});

test("compacting leaves what matters and goes on after it", (t) => {
  const { path, again, numbers } = journal(t, { compactAboveBytes: 200, essence: () => [{ n: -1 }] });
  const journalNow = again();
  for (let n = 0; n < 1_000; n++) journalNow.append({ n });
  assert.ok(statSync(path).size <= 250);
  assert.equal(numbers()[0], -1);
  assert.equal(numbers().at(-1) === 999 || numbers().length === 1, true);
  assert.deepEqual(readdirSync(dirname(path)), ["journal"]);
});

test("where it cannot be compacted, the old file goes on, and no file descriptor is lost", (t) => {
  const essence = (): Line[] => Array.from({ length: 100 }, (_, n) => ({ n }));
  const { path, again, numbers } = journal(t, { compactAboveBytes: 50, essence });
  const journalNow = again();
  journalNow.append({ n: 1 });
  const files = readdirSync("/proc/self/fd").length;
  withFileLimit(500, () => {
    for (let n = 2; n <= 12; n++) journalNow.append({ n });
  });
  assert.deepEqual(numbers(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  assert.deepEqual(readdirSync(dirname(path)), ["journal"]);
  mkdirSync(`${path}.next`);
  journalNow.compact();
  assert.equal(readdirSync("/proc/self/fd").length, files);
});

test("a journal that nobody can open says so when asked", (t) => {
  const { path, again } = journal(t);
  mkdirSync(path);
  assert.throws(() => again().open(), /EISDIR/);
  rmSync(path, { recursive: true });
  writeFileSync(path, "");
  again().open();
  assert.equal(readFileSync(path, "utf8"), "");
});

test("where what still matters is more than the limit, it is not written anew with every line", (t) => {
  let compactions = 0;
  const essence = () => {
    compactions++;
    return Array.from({ length: 50 }, (_, n) => ({ n }));
  };
  const { again } = journal(t, { compactAboveBytes: 200, essence });
  const one = again();
  for (let n = 0; n < 100; n++) one.append({ n });
  assert.ok(compactions <= 4, `written anew ${compactions} times in 100 lines`);
});
