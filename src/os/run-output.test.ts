import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { runLogPath } from "../places.ts";
import { hasOutput, runOutput } from "./run-output.ts";

const run = { job: "backup", run: 7 };

function outputs(t: TestContext) {
  const logDir = mkdtempSync(join(tmpdir(), "svcd-output-"));
  t.after(() => rmSync(logDir, { recursive: true, force: true }));
  const path = runLogPath(logDir, run, "stdout");
  mkdirSync(dirname(path), { recursive: true });
  return {
    logDir,
    path,
    text: (headBytes: number, tailBytes: number) => runOutput(logDir, run, { headBytes, tailBytes }).toString("latin1"),
  };
}

test("a short output comes whole, stderr behind stdout; of a run that wrote nothing comes nothing", (t) => {
  const { logDir, path, text } = outputs(t);
  assert.equal(text(100, 100), "");
  assert.equal(hasOutput(logDir, run), false);
  writeFileSync(path, "out\n");
  writeFileSync(runLogPath(logDir, run, "stderr"), "err\n");
  assert.equal(text(100, 100), "out\nerr\n");
  assert.equal(hasOutput(logDir, run), true);
});

test("of a long output come beginning and end, and the number of bytes between them", (t) => {
  const { path, text } = outputs(t);
  const bytes = fc.string({ unit: "grapheme-ascii", maxLength: 60 });
  fc.assert(
    fc.property(bytes, bytes, bytes, fc.nat(90), fc.nat(90), fc.nat(1_000), (head, before, last, first, end, gone) => {
      const line = gone === 0 ? "" : `svcd: ${gone} bytes of output are left out here\n`;
      const start = gone === 0 || head === "" || head.endsWith("\n") ? "" : "\n";
      for (const [ending, content] of [
        [".head", `${head}${start}${line}`],
        [".1", before],
        ["", last],
      ] as const) {
        if (content === "") rmSync(`${path}${ending}`, { force: true });
        else writeFileSync(`${path}${ending}`, content);
      }
      const all = `${head}${start}${line}${before}${last}`;
      const shown = text(first, end);
      if (all.length <= first + end) return assert.equal(shown, all);
      const isCutInLine = first > head.length || end > before.length + last.length;
      if (isCutInLine) return; // The line itself is cut: nothing to compute here.
      const told = /svcd: (\d+) bytes of output are left out here\n/.exec(shown);
      assert.ok(shown.startsWith(head.slice(0, first)) && shown.endsWith(all.slice(all.length - end)));
      assert.equal(Number(told?.[1]) - start.length, head.length + before.length + last.length - first - end + gone);
    }),
  );
});

test("a link in the place of an output shows no stranger's file", (t) => {
  const { path, text } = outputs(t);
  symlinkSync("/etc/passwd", path);
  assert.equal(text(1_000_000, 1_000_000), "");
});
