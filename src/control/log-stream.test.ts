import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import { temporaryDirectory } from "./fake-daemon.ts";
import { FakeLog, type FakeLogOptions } from "./fake-log.ts";
import type { Beginning } from "./log-start.ts";
import { LOG_PATIENCE, type LogSource, streamLog } from "./log-stream.ts";

const PATIENCE = { ...LOG_PATIENCE, standsWithinMs: 20, lookEveryMs: 100 };

function logIn(context: TestContext, options: FakeLogOptions = {}): FakeLog {
  return new FakeLog(join(temporaryDirectory(context), "web.log"), options);
}

function sourceOf(log: FakeLog): LogSource {
  return { log: () => log.position(), followLog: (_name, _stream, onGrown) => log.follow(onGrown) };
}

async function readAll(log: FakeLog, beginning: Beginning): Promise<{ text: string; position: number | null }> {
  const out = new PassThrough();
  let position: number | null = null;
  const request = { name: "web", stream: "stdout", beginning, follow: false } as const;
  const { done } = streamLog(sourceOf(log), request, out, (at) => (position = at), PATIENCE);
  done.catch((error) => out.destroy(error));
  const chunks: Buffer[] = [];
  for await (const chunk of out) chunks.push(chunk as Buffer);
  assert.equal(await done, true);
  return { text: Buffer.concat(chunks).toString(), position };
}

interface Follower {
  text(): string;
  until(condition: (text: string) => boolean): Promise<string>;
  readonly done: Promise<boolean>;
  readonly whenBegun: Promise<unknown>;
  stop(): void;
}

function follow(context: TestContext, log: FakeLog, beginning: Beginning, readDelayMs = 0): Follower {
  const chunks: Buffer[] = [];
  const out = new Writable({
    highWaterMark: 16 * 1024,
    write: (chunk: Buffer, _encoding, callback) => {
      chunks.push(chunk);
      if (readDelayMs === 0) callback();
      else setTimeout(callback, readDelayMs);
    },
  });
  const request = { name: "web", stream: "stdout", beginning, follow: true } as const;
  let begun = (_: unknown): void => {};
  const whenBegun = new Promise((resolve) => (begun = resolve));
  const { done, stop } = streamLog(sourceOf(log), request, out, begun, PATIENCE);
  context.after(stop);
  const text = (): string => Buffer.concat(chunks).toString();
  const until = async (condition: (text: string) => boolean): Promise<string> => {
    const end = Date.now() + 10_000;
    while (!condition(text())) {
      assert.ok(Date.now() < end, `waited in vain; so far ${text().length} bytes, the last: ${text().slice(-300)}`);
      await pause(2);
    }
    return text();
  };
  return { text, until, done, stop, whenBegun };
}

/** Readable where a whole log would not be. */
function firstDifference(actual: string, expected: string): string | null {
  if (actual === expected) return null;
  let at = 0;
  while (actual[at] === expected[at]) at++;
  return `at ${at}: ${JSON.stringify(actual.slice(Math.max(0, at - 40), at + 100))}, not ${JSON.stringify(expected.slice(Math.max(0, at - 40), at + 60))}`;
}

function lines(from: number, to: number, pad = ""): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}${pad}\n`);
}

test("the last lines are what `tail -n` gives, with and without a newline at the end", async (context) => {
  const log = logIn(context);
  for (const line of lines(1, 300)) log.write(line);
  assert.equal((await readAll(log, { lines: 2 })).text, "line 299\nline 300\n");
  log.write("unfinished");
  assert.equal((await readAll(log, { lines: 2 })).text, "line 300\nunfinished");
  assert.equal((await readAll(log, { lines: 0 })).text, "");
  assert.equal((await readAll(log, { lines: 1_000_000 })).text, log.all());
});

test("the answer says at which position it begins", async (context) => {
  const log = logIn(context);
  log.write("0123456789\nabc\n");
  assert.deepEqual(await readAll(log, { lines: 1 }), { text: "abc\n", position: 11 });
  assert.deepEqual(await readAll(log, { bytes: 6 }), { text: "9\nabc\n", position: 9 });
  assert.deepEqual(await readAll(log, { from: 3 }), { text: "3456789\nabc\n", position: 3 });
});

test("lines that are longer than a chunk are found whole", async (context) => {
  const log = logIn(context);
  const long = `${"x".repeat(200_000)}\n`;
  log.write("first\n");
  log.write(long);
  log.write("last\n");
  assert.equal((await readAll(log, { lines: 2 })).text, `${long}last\n`);
});

test("bytes that are no text come through as they are", async (context) => {
  const log = logIn(context);
  const out = new PassThrough();
  const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, index) => (index * 7) % 256));
  writeFileSync(log.path, bytes);
  const request = { name: "web", stream: "stdout", beginning: { lines: 1e6 }, follow: false } as const;
  streamLog(sourceOf(log), request, out, () => {}, PATIENCE);
  const chunks: Buffer[] = [];
  for await (const chunk of out) chunks.push(chunk as Buffer);
  assert.ok(Buffer.concat(chunks).equals(bytes));
});

for (const compress of [false, true]) {
  test(`lines, bytes and positions reach into rotated files${compress ? ", compressed ones too" : ""}`, async (context) => {
    const log = logIn(context, { maxSize: 100, keep: 50, compress });
    for (const line of lines(1, 200)) log.write(line);
    const all = log.all();
    for (const wanted of [1, 11, 12, 13, 50, 99, 150, 199, 200, 1000]) {
      const expected = all
        .split(/(?<=\n)/)
        .slice(-wanted)
        .join("");
      assert.deepEqual(await readAll(log, { lines: wanted }), {
        text: expected,
        position: all.length - expected.length,
      });
    }
    for (const wanted of [1, 99, 100, 101, 777, all.length, all.length + 5]) {
      assert.equal((await readAll(log, { bytes: wanted })).text, all.slice(-wanted));
    }
    for (const from of [0, 1, 98, 99, 500]) assert.equal((await readAll(log, { from })).text, all.slice(from));
  });
}

test("files that an earlier svcd rotated are read, too, though their positions are not listed", async (context) => {
  const log = logIn(context, { maxSize: 100, keep: 50, compress: true });
  for (const line of lines(1, 100)) log.write(line);
  log.forgetPositions();
  for (const line of lines(101, 120)) log.write(line);
  const { text, position } = await readAll(log, { lines: 110 });
  assert.equal(text, lines(11, 120).join(""));
  assert.ok(position !== null && position < 0, "it lies before the place where counting began");
  assert.equal((await readAll(log, { from: position })).text, text);
});

test("a broken .gz ends the history, and what is younger is still read", async (context) => {
  const log = logIn(context, { maxSize: 100, keep: 50, compress: true });
  for (const line of lines(1, 100)) log.write(line);
  const { rotated } = log.position();
  writeFileSync(
    `${log.path}.4.gz`,
    Buffer.concat([readFileSync(`${log.path}.4.gz`).subarray(0, 30), Buffer.alloc(4, 90)]),
  );
  assert.equal((await readAll(log, { lines: 1_000 })).text, log.all().slice(rotated[2]));
});

test("a position that is rotated away is said so, and the oldest that is there follows", async (context) => {
  const log = logIn(context, { maxSize: 100, keep: 2 });
  for (const line of lines(1, 100)) log.write(line);
  const oldest = log.position().rotated.at(-1)!;
  const { text, position } = await readAll(log, { from: 5 });
  assert.equal(position, oldest);
  assert.equal(
    text,
    `svcd: ${oldest - 5} bytes of web were rotated away before they were read\n${log.all().slice(oldest)}`,
  );
});

test("a position of an earlier count gives the last lines and says why", async (context) => {
  const log = logIn(context);
  log.write("after the restart\n");
  const { text } = await readAll(log, { from: 999 });
  assert.equal(text, "svcd: the log of web is counted anew since then; its last lines follow\nafter the restart\n");
});

test("a follower gets what is written, as it is written, and nothing twice", async (context) => {
  const log = logIn(context);
  log.write("before\n");
  const follower = follow(context, log, { lines: 0 });
  await follower.whenBegun;
  for (const line of lines(1, 50)) {
    log.write(line);
    if (line.endsWith("0\n")) await follower.until((text) => text.endsWith(line));
  }
  assert.equal(await follower.until((text) => text.length >= lines(1, 50).join("").length), lines(1, 50).join(""));
  follower.stop();
  assert.equal(await follower.done, true);
  assert.equal(log.followers, 0);
});

for (const [how, options] of [
  ["told at once", {}],
  ["told late", { tellAfterMs: 25 }],
] as const) {
  test(`a follower gets every byte across hundreds of rotations a second (${how})`, async (context) => {
    const log = logIn(context, { maxSize: 5_000, keep: 200, ...options });
    for (const line of lines(1, 500)) log.write(line);
    const follower = follow(context, log, { lines: 1e6 });
    for (let number = 501; number <= 12_000; number++) {
      // Lines of one length: files of one size, so that only names and inodes tell them apart.
      log.write(`line ${String(number).padStart(20, "0")}\n`);
      if (number % 37 === 0) await nextTurn();
      if (number % 1000 === 0) await pause(10);
    }
    const expected = log.all();
    const text = await follower.until((sofar) => sofar.length >= expected.length);
    assert.equal(firstDifference(text, expected), null);
  });
}

test("a follower that is some compressed files behind gets every byte while rotation goes on", async (context) => {
  const log = logIn(context, { maxSize: 5_000, keep: 200, compress: true, tellAfterMs: 25 });
  const writeLines = async (from: number, to: number, restEvery: number): Promise<void> => {
    for (let number = from; number <= to; number++) {
      log.write(`line ${String(number).padStart(20, "0")}\n`);
      if (number % restEvery === 0) await pause(5);
    }
  };
  await writeLines(1, 4_000, 1_000_000);
  const follower = follow(context, log, { lines: 3_950 }, 10);
  await follower.whenBegun;
  await writeLines(4_001, 8_000, 15);
  const expected = log.all().slice(50 * 26);
  const text = await follower.until((sofar) => sofar.length >= expected.length);
  assert.equal(firstDifference(text, expected), null);
});

test("a slow follower finishes the file it has open, however often it was rotated meanwhile", async (context) => {
  const log = logIn(context, { maxSize: 200_000, keep: 5, compress: true });
  for (const line of lines(1, 15_000)) log.write(line);
  const follower = follow(context, log, { lines: 1e6 }, 3);
  await follower.until((text) => text.length > 0);
  for (const line of lines(15_001, 45_000)) log.write(line);
  const expected = log.all();
  const text = await follower.until((sofar) => sofar.length >= expected.length);
  assert.ok(text === expected);
});

test("a follower that falls behind the rotation is told how much it missed, and goes on with the oldest", async (context) => {
  const log = logIn(context, { maxSize: 100_000, keep: 1 });
  for (const line of lines(1, 8_000)) log.write(line);
  const follower = follow(context, log, { lines: 1e6 }, 20);
  await follower.until((text) => text.length > 0);
  for (const line of lines(8_001, 80_000)) log.write(line);
  const last = log.all().slice(-30);
  const text = await follower.until((sofar) => sofar.endsWith(last));
  const notice = /svcd: (\d+) bytes of web were rotated away before they were read\n/.exec(text);
  assert.ok(notice !== null);
  const before = text.slice(0, notice.index);
  const after = text.slice(notice.index + notice[0].length);
  assert.ok(log.all().startsWith(before) && log.all().endsWith(after));
  assert.equal(before.length + Number(notice[1]) + after.length, log.all().length);
});

test("with nothing kept of a rotated log, a follower that keeps up still gets every byte", async (context) => {
  const log = logIn(context, { maxSize: 300, keep: 0 });
  const follower = follow(context, log, { lines: 0 });
  await follower.whenBegun;
  for (const line of lines(1, 200)) {
    log.write(line);
    await follower.until((text) => text.endsWith(line));
  }
  assert.equal(follower.text(), log.all());
});

test("a cleared log says so in one line, and what comes afterwards follows", async (context) => {
  const log = logIn(context);
  log.write("old\nunfinished");
  const follower = follow(context, log, { lines: 10 });
  await follower.until((text) => text.endsWith("unfinished"));
  log.clear();
  await follower.until((text) => text.includes("cleared"));
  log.write("new\n");
  assert.equal(
    await follower.until((text) => text.endsWith("new\n")),
    "old\nunfinished\nsvcd: the log of web was cleared\nnew\n",
  );
});

test("a log that somebody else emptied says so, too", async (context) => {
  const log = logIn(context);
  log.write("a rather long line\n");
  const follower = follow(context, log, { lines: 10 });
  await follower.until((text) => text !== "");
  truncateSync(log.path, 0);
  log.write("new\n");
  await follower.until((text) => text.endsWith("new\n"));
  assert.equal(follower.text(), "a rather long line\nsvcd: the log of web was cleared\nnew\n");
});

test("a log file that does not exist yet is followed once it is there", async (context) => {
  const log = logIn(context);
  rmSync(log.path);
  const follower = follow(context, log, { lines: 10 });
  await pause(30);
  log.write("first\n");
  assert.equal(await follower.until((text) => text !== ""), "first\n");
});

test("a follower of a service that is taken away hears so, and its stream ends", async (context) => {
  const log = logIn(context);
  log.write("last words\n");
  let isThere = true;
  const out = new PassThrough();
  const source: LogSource = {
    log: () => (isThere ? log.position() : null),
    followLog: (_name, _stream, onGrown) => log.follow(onGrown),
  };
  const request = { name: "web", stream: "stdout", beginning: { lines: 5 }, follow: true } as const;
  streamLog(source, request, out, () => {}, PATIENCE);
  const chunks: Buffer[] = [];
  for await (const chunk of out) {
    chunks.push(chunk as Buffer);
    isThere = false; // It has begun.
  }
  assert.equal(Buffer.concat(chunks).toString(), "last words\nsvcd: web is gone\n");
});

test("a reader that takes nothing is disconnected, and costs no more than a chunk meanwhile", async (context) => {
  const log = logIn(context);
  for (let count = 0; count < 40; count++) log.write(`${"x".repeat(99_999)}\n`);
  let taken = 0;
  const out = new Writable({
    highWaterMark: 1024,
    write: (chunk: Buffer) => {
      taken += chunk.length;
    },
  });
  const request = { name: "web", stream: "stdout", beginning: { lines: 1e6 }, follow: true } as const;
  const patience = { ...PATIENCE, unreadMs: 60, noticeMs: 20 };
  const { done } = streamLog(sourceOf(log), request, out, () => {}, patience);
  assert.equal(await done, true);
  assert.ok(taken + out.writableLength <= 2 * 65536 + 200, `${taken} bytes`);
  await pause(40);
  assert.equal(out.destroyed, true);
  assert.equal(log.followers, 0);
});

test("links, pipes and directories in the place of a log are not read", async (context) => {
  const directory = temporaryDirectory(context);
  const secret = join(directory, "secret");
  writeFileSync(secret, "secret\n");
  for (const [name, make] of [
    ["link", (path: string) => symlinkSync(secret, path)],
    ["fifo", (path: string) => execFileSync("mkfifo", [path])],
    ["zero", (path: string) => symlinkSync("/dev/zero", path)],
  ] as const) {
    const log = new FakeLog(join(directory, `${name}.log`));
    rmSync(log.path);
    make(log.path);
    assert.equal((await readAll(log, { bytes: 10 })).text, "");
  }
});
