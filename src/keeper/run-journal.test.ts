import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type RunFact, RunJournal } from "./run-journal.ts";

function fresh(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "svcd-runs-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "runs.journal");
}

const logs = { stdout: null, stderr: null };
const aboutTo = (service: string, run: number, boot = "boot"): RunFact => {
  return { fact: "about to", service, run, boot, at: 1, logs, enclosure: null };
};
const is = (service: string, run: number): RunFact => {
  return { fact: "is", service, run, pid: 100 + run, startTicks: 7, startedAt: 2, enclosure: null };
};
const over = (service: string, run: number): RunFact => ({ fact: "over", service, run });

test("the next keeper learns what runs, and what was only about to", (t) => {
  const path = fresh(t);
  const journal = new RunJournal(path, "boot");
  for (const fact of [aboutTo("web", 1), is("web", 1), over("web", 1), aboutTo("web", 2), is("web", 2)]) {
    journal.record(fact);
  }
  journal.record(aboutTo("db", 1));
  for (let keeper = 0; keeper < 3; keeper++) {
    const begun = new RunJournal(path, "boot").begun();
    assert.deepEqual(
      begun.map(({ service, run, live }) => [service, run, live?.pid]),
      [
        ["web", 2, 102],
        ["db", 1, undefined],
      ],
    );
  }
  assert.deepEqual(new RunJournal(path, "another boot").begun(), []);
});

test("it is written anew before it grows without end", (t) => {
  const path = fresh(t);
  const journal = new RunJournal(path, "boot");
  for (let run = 1; run <= 8_000; run++) for (const fact of [aboutTo, is, over]) journal.record(fact("web", run));
  assert.ok(statSync(path).size < 1_100_000);
  assert.deepEqual(new RunJournal(path, "boot").begun(), []);
});

test("a torn last line costs that fact only", (t) => {
  const path = fresh(t);
  new RunJournal(path, "boot").record(aboutTo("web", 1));
  truncateSync(path, statSync(path).size - 3);
  new RunJournal(path, "boot").record(aboutTo("db", 1));
  assert.deepEqual(
    new RunJournal(path, "boot").begun().map(({ service }) => service),
    ["db"],
  );
});
