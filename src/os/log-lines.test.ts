import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { after, test } from "node:test";
import { LogLines, type LogMark, markEnd } from "./log-lines.ts";

const dir = mkdtempSync(`${tmpdir()}/log-lines-`);
after(() => rmSync(dir, { recursive: true }));

let logs = 0;
function log(content?: string) {
  const path = `${dir}/${++logs}.log`;
  if (content !== undefined) writeFileSync(path, content);
  return {
    path,
    says: (text: string | Buffer) => appendFileSync(path, text),
    /** As the keeper does it, keeping three. */
    rotates() {
      rmSync(`${path}.3`, { force: true });
      for (const number of [2, 1]) {
        if (existsSync(`${path}.${number}`)) renameSync(`${path}.${number}`, `${path}.${number + 1}`);
      }
      renameSync(path, `${path}.1`);
      writeFileSync(path, "");
    },
    reader: (from: LogMark = markEnd(path)) => new LogLines(path, from),
  };
}

function all(reader: LogLines): string[] {
  const lines: string[] = [];
  for (;;) {
    const piece = reader.next();
    lines.push(...piece.lines);
    if (!piece.more) return lines;
  }
}

test("only what is written from the mark on is read, each line once", () => {
  const web = log("of an earlier run\n");
  const reader = web.reader();
  assert.deepEqual(all(reader), []);
  web.says("one\ntwo\n");
  assert.deepEqual(all(reader), ["one", "two"]);
  assert.deepEqual(all(reader), []);
  web.says("\nthree\n");
  assert.deepEqual(all(reader), ["", "three"]);
});

test("a line and a character that come in pieces are put together", () => {
  const web = log("");
  const reader = web.reader();
  const [first, second] = [Buffer.from("rea\u00e4dy\n").subarray(0, 4), Buffer.from("rea\u00e4dy\n").subarray(4)];
  web.says(first);
  assert.deepEqual(all(reader), []);
  web.says(second);
  assert.deepEqual(all(reader), ["reaädy"]);
});

test("a log that is not there yet is read from its start", () => {
  const web = log();
  const reader = web.reader();
  assert.deepEqual(all(reader), []);
  web.says("first\n");
  assert.deepEqual(all(reader), ["first"]);
});

test("no line is missed when the log is rotated, once or several times between two looks", () => {
  const web = log("old\n");
  const reader = web.reader();
  web.says("one\n");
  assert.deepEqual(all(reader), ["one"]);
  web.says("two\n");
  web.rotates();
  web.says("three\n");
  web.rotates();
  web.says("four\n");
  assert.deepEqual(all(reader), ["two", "three", "four"]);
});

test("a mark from before several rotations leads to the same lines", () => {
  const web = log("old\n");
  const mark = markEnd(web.path);
  web.says("one\n");
  web.rotates();
  web.says("two\n");
  web.rotates();
  assert.deepEqual(all(web.reader(mark)), ["one", "two"]);
});

test("when files were compressed meanwhile, reading goes on with the oldest plain one", () => {
  const web = log("old\n");
  const reader = web.reader();
  assert.deepEqual(all(reader), []);
  utimesSync(web.path, 1, 1); // Long ago, however coarse the clock of the file system is.
  web.rotates();
  web.says("one\n");
  web.rotates();
  renameSync(`${web.path}.2`, `${web.path}.2.gz`);
  web.says("two\n");
  assert.deepEqual(all(reader), ["one", "two"]);
});

test("a log that somebody deleted goes on with the new file, not with an older one", () => {
  const web = log("oldest\n");
  web.rotates();
  web.says("old\n");
  const reader = web.reader();
  web.says("one\n");
  assert.deepEqual(all(reader), ["one"]);
  rmSync(web.path);
  web.says("two\n");
  assert.deepEqual(all(reader), ["two"]);
});

test("a log that was emptied is read from its start", () => {
  const web = log("a long line of an earlier run\n");
  const reader = web.reader();
  web.says("half a li");
  all(reader);
  truncateSync(web.path);
  web.says("new\n");
  assert.deepEqual(all(reader), ["new"]);
});

test("an endless line is told once, cut, and what follows it is whole", () => {
  const web = log("");
  const reader = web.reader();
  web.says(`${"x".repeat(1_000_000)}`);
  web.says("y".repeat(1_000_000));
  assert.deepEqual(
    all(reader).map((line) => line.length),
    [64 * 1024],
  );
  web.says("z\nnext\n");
  assert.deepEqual(all(reader), ["next"]);
});

test("much output comes in pieces", () => {
  const web = log("");
  const reader = web.reader();
  web.says("0123456789\n".repeat(100_000));
  const first = reader.next();
  assert.ok(first.more && first.lines.length < 50_000);
  assert.equal(first.lines.length + all(reader).length, 100_000);
  reader.close();
});

test("the states of a bar are lines of their own where that is wanted, and the one under way can be seen", () => {
  const bar = log("");
  const reader = new LogLines(bar.path, markEnd(bar.path), { states: true });
  bar.says("one\n\rbar 1/9\rbar 2/9\rbar 3/");
  assert.deepEqual(all(reader), ["one", "", "bar 1/9", "bar 2/9"]);
  assert.equal(reader.unfinished, "bar 3/");
  bar.says("9\r\ndone\n");
  assert.deepEqual(all(reader), ["bar 3/9", "", "done"]);
  assert.equal(reader.unfinished, "");
  reader.close();
});
