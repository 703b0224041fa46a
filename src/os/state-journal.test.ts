import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { JobDefinition } from "../plan/job.ts";
import { planOf } from "../plan/testing.ts";
import { newJob } from "../schedule/job.ts";
import { newLife } from "../service/life.ts";
import { StateJournal } from "./state-journal.ts";

function fresh(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "svcd-journal-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return join(directory, "core.journal");
}

const silent = (): void => {};
const lifeOf = (lastRun: number) => newLife(0, lastRun);

test("the next core reads the last word about each service", (t) => {
  const path = fresh(t);
  const journal = new StateJournal(path, "boot", silent);
  for (let run = 1; run <= 5; run++) journal.record({ kind: "life", service: "web", life: lifeOf(run) });
  journal.record({ kind: "life", service: "db", life: lifeOf(9) });
  const { lives } = new StateJournal(path, "boot", silent).memory();
  assert.equal(lives.get("web")?.lastRun, 5);
  assert.equal(lives.get("db")?.lastRun, 9);
});

test("the next core knows which files are in doubt, and no longer when they are not", (t) => {
  const path = fresh(t);
  const held = { files: ["d/a.yaml", "d/b.yaml"], of: 3 };
  new StateJournal(path, "boot", silent).record({ kind: "held", held });
  new StateJournal(path, "boot", silent); // Writes it anew.
  const next = new StateJournal(path, "boot", silent);
  assert.deepEqual(next.memory().held, held);
  next.record({ kind: "held", held: { files: [], of: 0 } });
  assert.deepEqual(new StateJournal(path, "boot", silent).memory().held.files, []);
});

test("the next core knows what was on its way out, unless its file had come back", (t) => {
  const path = fresh(t);
  const journal = new StateJournal(path, "boot", silent);
  for (const name of ["web", "db", "cache"]) journal.record({ kind: "removed", name });
  const service = planOf({ "db.yaml": "command: db" }).services.get("db")!;
  journal.record({ kind: "service", service });
  journal.record({ kind: "gone", name: "cache", lastRun: 1 });
  for (let core = 0; core < 3; core++)
    assert.deepEqual(new StateJournal(path, "boot", silent).memory().removed, ["web"]);
});

test("what was before a boot counts for nothing", (t) => {
  const path = fresh(t);
  new StateJournal(path, "boot", silent).record({ kind: "life", service: "web", life: lifeOf(1) });
  assert.equal(new StateJournal(path, "another boot", silent).memory().lives.size, 0);
});

test("a torn last line and lines of others are passed over", (t) => {
  const path = fresh(t);
  new StateJournal(path, "boot", silent).record({ kind: "life", service: "web", life: lifeOf(1) });
  const whole = readFileSync(path, "utf8");
  appendFileSync(path, `not ours\n${whole.trim().split("\n").at(-1)?.slice(0, -3)}`);
  assert.equal(new StateJournal(path, "boot", silent).memory().lives.get("web")?.lastRun, 1);
});

test("after an orderly end nothing is left but the run numbers, which are never used twice", (t) => {
  const path = fresh(t);
  const journal = new StateJournal(path, "boot", silent);
  journal.record({ kind: "life", service: "web", life: lifeOf(4) });
  journal.record({ kind: "gone", name: "old", lastRun: 7 });
  journal.record({ kind: "left" });
  for (let core = 0; core < 3; core++) {
    const { lives, lastRuns } = new StateJournal(path, "boot", silent).memory();
    assert.equal(lives.size, 0);
    assert.deepEqual([...lastRuns].sort(), [
      ["old", 7],
      ["web", 4],
    ]);
  }
});

test("it is written anew before it grows without end, and loses nothing", (t) => {
  const path = fresh(t);
  const journal = new StateJournal(path, "boot", silent);
  for (let run = 1; run <= 60_000; run++) journal.record({ kind: "life", service: `s${run % 7}`, life: lifeOf(run) });
  assert.ok(statSync(path).size < 6_000_000);
  const { lives } = new StateJournal(path, "boot", silent).memory();
  assert.equal(lives.get("s3")?.lastRun, 60_000);
});

test("a disk that takes nothing costs the memory of the next core, not this one, and is told once", (t) => {
  const said: string[] = [];
  const path = fresh(t);
  const journal = new StateJournal(path, "boot", (line) => said.push(line));
  rmSync(join(path, ".."), { recursive: true });
  const gone = new StateJournal(join(path, "nowhere", "x"), "boot", (line) => said.push(line));
  for (let run = 1; run <= 100; run++) gone.record({ kind: "life", service: "web", life: lifeOf(run) });
  journal.record({ kind: "life", service: "web", life: lifeOf(1) });
  assert.equal(gone.memory().lives.get("web")?.lastRun, 100);
  assert.ok(said.length >= 1 && said.length <= 3);
});

test("jobs, what they were last, and when somebody last looked outlive the core and being written anew", (t) => {
  const path = fresh(t);
  const definition = { name: "backup" } as JobDefinition;
  const mark = { settled: 5, lastRun: 3, paused: true, boot: "boot", open: [], told: [] };
  const memory = { job: { ...newJob(3), paused: true }, settled: 5, mark };
  const journal = new StateJournal(path, "boot", silent);
  journal.record({ kind: "job definition", definition });
  journal.record({ kind: "job", name: "backup", memory });
  journal.record({ kind: "job", name: "old", memory });
  journal.record({ kind: "looked", at: 7 });
  journal.record({ kind: "gone", name: "old", lastRun: 9 });
  new StateJournal(path, "boot", silent); // Writes it anew.
  const known = new StateJournal(path, "boot", silent).memory();
  assert.deepEqual(known.jobDefinitions.get("backup"), definition);
  assert.deepEqual([...known.jobs], [["backup", memory]]);
  assert.equal(known.lookedAt, 7);
  assert.equal(known.lastRuns.get("old"), 9);
});

test("what is recorded together is one piece of the file, known at once, and torn in the middle costs only what is behind", (t) => {
  const path = fresh(t);
  const open = () => new StateJournal(path, "boot", silent);
  const journal = open();
  journal.together(() => {
    for (let at = 1; at <= 600; at++) journal.record({ kind: "gone", name: `job-${at}`, lastRun: at });
    assert.equal(journal.memory().lastRuns.size, 600);
    assert.ok(!readFileSync(path, "utf8").includes("job-1"), "nothing is written before the end");
  });
  assert.equal(open().memory().lastRuns.size, 600);
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.slice(0, text.indexOf("job-400")));
  const left = open().memory().lastRuns;
  assert.deepEqual([left.size, left.get("job-399")], [399, 399]);
});
