import assert from "node:assert/strict";
import { mkdtempSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { bareProgram } from "../plan/service-of.ts";
import { LogLastWords } from "./last-words.ts";

const now = (): number => Number(process.hrtime.bigint() / 1_000_000n);

function setUp() {
  const dir = mkdtempSync(join(tmpdir(), "svcd-words-"));
  const header = { name: "set-up", group: "set-up", lines: {}, source: { file: "x", line: 1, column: 1 } };
  const logs = { maxSizeBytes: 1e6, keep: 1, timestamps: false, compress: false, stderr: "merged" } as const;
  const service = { ...bareProgram(header, { kind: "text", text: "x" }), logs };
  return { service, log: join(dir, "set-up.log"), words: new LogLastWords(dir) };
}

test("the last words of a run are its last line with something in it, without colours", () => {
  const { service, log, words } = setUp();
  writeFileSync(log, "begun\n\x1b[31mfailed: no such model\x1b[0m\n\n");
  assert.equal(words.of(service, { run: 1, at: now(), upMs: 1_000 }), "failed: no such model");
});

test("a run that said nothing is not explained by what an earlier one has said", () => {
  const { service, log, words } = setUp();
  writeFileSync(log, "from yesterday\n");
  utimesSync(log, new Date(Date.now() - 60_000), new Date(Date.now() - 60_000));
  assert.equal(words.of(service, { run: 2, at: now(), upMs: 1_000 }), null);
  assert.equal(words.of({ ...service, logs: null }, { run: 3, at: now(), upMs: 1_000 }), null);
});

test("a later run is asked about anew, and a line that fills a screen is cut", () => {
  const { service, log, words } = setUp();
  writeFileSync(log, `${"x".repeat(1000)}\n`);
  assert.equal(words.of(service, { run: 1, at: now(), upMs: 0 })?.length, 300);
  writeFileSync(log, "short\n");
  assert.equal(words.of(service, { run: 1, at: now(), upMs: 0 })?.length, 300);
  assert.equal(words.of(service, { run: 2, at: now(), upMs: 0 }), "short");
});
