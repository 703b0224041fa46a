import assert from "node:assert/strict";
import { closeSync, lstatSync, mkdtempSync, readdirSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { LogPipe, makePipes, removeSpares } from "./log-pipe.ts";

/** A pipe, what came out of it, and its end that a service holds. */
function pipe(context: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), "svcd-pipe-"));
  const path = join(directory, "web.stdout");
  makePipes([path]);
  let came = "";
  let reads = 0;
  let onBytes: () => void = () => {};
  const opened = new LogPipe(path, (bytes) => {
    came += bytes.toString();
    reads++;
    onBytes();
  });
  const fd = opened.openForChild(null);
  context.after(() => {
    opened.close();
    closeSync(fd);
    rmSync(directory, { recursive: true });
  });
  return {
    opened,
    say: (text: string) => writeSync(fd, text),
    came: () => came,
    reads: () => reads,
    async until(text: string): Promise<void> {
      while (!came.endsWith(text)) {
        await new Promise<void>((resolve) => {
          onBytes = resolve;
        });
      }
    },
  };
}

test("a service that writes line after line is read in fewer pieces, and no line is lost", async (context) => {
  const { say, came, reads, until } = pipe(context);
  const lines = Array.from({ length: 400 }, (_, number) => `line ${number}\n`);
  say(lines[0]!);
  await until(lines[0]!);
  for (const line of lines.slice(1)) {
    say(line);
    await new Promise((next) => setImmediate(next)); // Whoever reads at each chance has one now.
  }
  await until(lines.at(-1)!);
  assert.equal(came(), lines.join(""));
  assert.ok(reads() < lines.length / 2, `${reads()} reads`);
});

test("last words are taken at once, though their pipe is left alone for a moment", async (context) => {
  const { opened, say, came, until } = pipe(context);
  for (const line of ["one\n", "two\n", "three\n"]) {
    say(line);
    await until(line);
  }
  say("last words\n");
  opened.drain();
  assert.equal(came(), "one\ntwo\nthree\nlast words\n");
});

test("what is more than a pipe holds comes through whole", async (context) => {
  const { say, came, until } = pipe(context);
  const block = `${"x".repeat(9_999)}\n`;
  for (let count = 0; count < 100; count++) {
    const before = came().length;
    say(block);
    await until("\n");
    while (came().length < before + block.length) await new Promise((next) => setImmediate(next));
  }
  assert.equal(came().length, 100 * block.length);
});

test("where many pipes are wanted again and again some are made beforehand; each is given once, and none is left", (context) => {
  const directory = mkdtempSync(join(tmpdir(), "svcd-pipes-"));
  context.after(() => rmSync(directory, { recursive: true }));
  const spares = () => readdirSync(directory).filter((name) => name.startsWith(".spare-")).length;
  const inodes = new Set<number>();
  const most: number[] = [];
  for (let turn = 0; turn < 20; turn++) {
    const paths = Array.from({ length: 16 }, (_, n) => join(directory, `job!${turn * 16 + n}.stdout`));
    makePipes(paths);
    for (const path of paths) {
      const stat = lstatSync(path);
      assert.ok(stat.isFIFO() && (stat.mode & 0o777) === 0o600, path);
      inodes.add(stat.ino);
    }
    most.push(spares());
  }
  assert.equal(inodes.size, 320);
  assert.ok(most[0] === 0 && Math.max(...most) > 16, `${most}`);
  for (const name of readdirSync(directory)) if (name.startsWith(".spare-")) rmSync(join(directory, name));
  makePipes([join(directory, "after-a-cleaner.stdout")]);
  assert.ok(lstatSync(join(directory, "after-a-cleaner.stdout")).isFIFO());
  makePipes(Array.from({ length: 16 }, (_, n) => join(directory, `last!${n}.stdout`)));
  removeSpares(directory);
  assert.equal(spares(), 0);
});
