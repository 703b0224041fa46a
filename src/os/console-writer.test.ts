import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { closeSync, constants, createReadStream, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, test } from "node:test";
import { ConsoleWriter } from "./console-writer.ts";

const dir = mkdtempSync(`${tmpdir()}/console-`);
after(() => rmSync(dir, { recursive: true }));

/** Both ends of a pipe. */
function pipe(name: string): { readonly from: number; readonly to: number } {
  execFileSync("mkfifo", [`${dir}/${name}`]);
  const from = openSync(`${dir}/${name}`, constants.O_RDONLY | constants.O_NONBLOCK);
  const to = openSync(`${dir}/${name}`, constants.O_WRONLY);
  return { from, to };
}

test("a console that is not read holds nobody up; what had no room is counted and told", async () => {
  const { from, to } = pipe("slow");
  const console = new ConsoleWriter(to);
  for (let number = 0; number < 3_000; number++) {
    console.write(`${number} ${"x".repeat(100)}\n`);
    if (number % 500 === 0) await new Promise(setImmediate);
  }
  let text = "";
  let seen = 0;
  const reader = createReadStream(`${dir}/slow`);
  for await (const bytes of reader) {
    text += bytes;
    if (!text.endsWith("\n")) continue;
    const lines = text.split("\n").slice(0, -1);
    const missing = lines.map((line) =>
      Number(/^svcd: (\d+) messages are missing here: they were not read in time$/.exec(line)?.[1] ?? Number.NaN),
    );
    seen = missing.reduce((sum, count) => sum + (Number.isNaN(count) ? 1 : count), 0);
    if (seen === 3_000) break;
  }
  closeSync(from);
  closeSync(to);
  assert.ok(text.includes("missing here"));
  const numbers = text.split("\n").flatMap((line) => (/^\d+ x{100}$/.test(line) ? [Number.parseInt(line, 10)] : []));
  assert.deepEqual(
    numbers,
    [...numbers].sort((a, b) => a - b),
  );
});

test("when the other end is gone, writing goes nowhere and fails nothing", async () => {
  const { from, to } = pipe("gone");
  closeSync(from);
  const console = new ConsoleWriter(to);
  for (let time = 0; time < 3; time++) {
    console.write("nobody hears\n");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  console.flush();
  closeSync(to);
});
