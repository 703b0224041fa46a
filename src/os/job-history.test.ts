import assert from "node:assert/strict";
import fs, {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock, type TestContext, test } from "node:test";
import { withFileLimit } from "../../test/file-limit.ts";
import type { JobMark } from "../ports.ts";
import type { RunRecord } from "../schedule/run-record.ts";
import { LinuxJobHistory } from "./job-history.ts";
import { type Keep, keptOf } from "./run-records.ts";

const KEEP: Keep = { successes: 50, failures: 50, forMs: null };

function historyIn(t: TestContext, keeps: ReadonlyMap<string, Keep> = new Map()) {
  const root = mkdtempSync(join(tmpdir(), "svcd-history-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const stateDir = join(root, "state");
  const logDir = join(root, "log");
  mkdirSync(stateDir);
  mkdirSync(logDir);
  const said: string[] = [];
  const all: LinuxJobHistory[] = [];
  t.after(() => {
    for (const history of all) history.close();
  });
  return {
    stateDir,
    logDir,
    said,
    marksFile: join(stateDir, "jobs.journal"),
    recordsFile: (job: string) => join(stateDir, "jobs", `${job}.records`),
    /** As after a start of svcd or of the machine. */
    open(): LinuxJobHistory {
      const history = new LinuxJobHistory({
        stateDir,
        logDir,
        say: (line) => void said.push(line),
        keepOf: (job) => keeps.get(job) ?? null,
      });
      all.push(history);
      return history;
    },
  };
}

function record(job: string, run: number | null, changes: Partial<RunRecord> = {}): RunRecord {
  return {
    job,
    run,
    trigger: "schedule",
    scheduledFor: "2026-11-24T10:00:00.000Z",
    coalesced: 1,
    attempt: 1,
    startedAt: "2026-11-24T10:00:00.010Z",
    endedAt: "2026-11-24T10:00:01.000Z",
    result: "success",
    exit: { code: 0 },
    why: "exit 0",
    cpuMs: null,
    peakMemoryBytes: null,
    retryAt: null,
    ...changes,
  };
}

function mark(lastRun: number, changes: Partial<JobMark> = {}): JobMark {
  return { settled: 1_764_000_000_000 + lastRun, lastRun, paused: false, boot: null, open: [], told: [], ...changes };
}

const runs = (records: readonly RunRecord[]) => records.map(({ run }) => run);

test("marks and records are there again after svcd was killed or the machine started anew", (t) => {
  const { open } = historyIn(t);
  const history = open();
  assert.deepEqual(history.of("backup", 5), []);
  const open7 = { run: 7, cause: { trigger: "schedule", scheduledFor: 5, coalesced: 1, attempt: 1 } } as const;
  history.note(
    new Map([
      ["backup", mark(7, { open: [open7] })],
      ["dump", mark(2, { paused: true, boot: "b1" })],
    ]),
  );
  for (let run = 1; run <= 3; run++) history.record(record("backup", run), KEEP);
  history.record(record("backup", null, { result: "skipped", why: "run 3 is not over" }), KEEP);
  assert.deepEqual(runs(history.of("backup", 2)), [null, 3]);
  const again = open();
  assert.deepEqual(again.marks(), history.marks());
  assert.deepEqual(again.of("backup", 10), history.of("backup", 10));
  assert.deepEqual(runs(again.of("backup", 10)), [null, 3, 2, 1]);
  assert.deepEqual(again.of("dump", 10), []);
});

test("a job that is gone has no mark any more, and its records stay", (t) => {
  const { open } = historyIn(t);
  const history = open();
  history.note(
    new Map([
      ["backup", mark(1)],
      ["dump", mark(1)],
    ]),
  );
  history.record(record("backup", 1), KEEP);
  history.forget("backup");
  const again = open();
  assert.deepEqual([...again.marks().keys()], ["dump"]);
  assert.deepEqual(runs(again.of("backup", 1)), [1]);
});

test("marks are on the disk before the call returns, with one flush for all of a turn", (t) => {
  const flushed: string[] = [];
  const before = mock.method(
    fs,
    "fdatasyncSync",
    (fd: number) => void flushed.push(fs.readlinkSync(`/proc/self/fd/${fd}`)),
  );
  syncBuiltinESMExports();
  t.after(() => {
    before.mock.restore();
    syncBuiltinESMExports();
  });
  const { open, marksFile } = historyIn(t);
  const history = open();
  history.note(new Map(Array.from({ length: 500 }, (_, n) => [`job-${n}`, mark(n)])));
  assert.deepEqual(flushed, [marksFile]);
  history.record(record("job-1", 1), KEEP);
  assert.equal(flushed.length, 1);
});

test("a journal of marks that was cut at any byte gives the marks before the cut, and takes new ones", (t) => {
  const { open, marksFile, said } = historyIn(t);
  open().note(new Map([["a", mark(1)]]));
  const first = statSync(marksFile).size;
  const second = open();
  second.note(new Map([["b", mark(2)]]));
  const whole = readFileSync(marksFile);
  for (let cut = 0; cut <= whole.length; cut++) {
    writeFileSync(marksFile, whole.subarray(0, cut));
    const names = [...open().marks().keys()];
    const expected = cut >= whole.length - 1 ? ["a", "b"] : cut >= first - 1 ? ["a"] : [];
    assert.deepEqual(names, expected, `cut at ${cut} of ${whole.length}`);
    const next = open();
    next.note(new Map([["c", mark(3)]]));
    assert.deepEqual([...open().marks().keys()], [...expected, "c"]);
  }
  assert.deepEqual(said, []); // A machine that stopped is no news.
});

test("a history that was cut at any byte gives the records before the cut, and takes new ones", (t) => {
  const { open, recordsFile, said } = historyIn(t);
  for (let run = 1; run <= 3; run++) open().record(record("backup", run), KEEP);
  const whole = readFileSync(recordsFile("backup"));
  const line = whole.length / 3;
  for (let cut = 0; cut <= whole.length; cut++) {
    writeFileSync(recordsFile("backup"), whole.subarray(0, cut));
    const kept = Math.floor((cut + 1) / line); // The newline itself may be missing.
    const expected = [3, 2, 1].slice(3 - kept);
    assert.deepEqual(runs(open().of("backup", 9)), expected, `cut at ${cut} of ${whole.length}`);
    open().record(record("backup", 9), KEEP);
    assert.deepEqual(runs(open().of("backup", 9)), [9, ...expected]);
  }
  assert.deepEqual(said, []);
});

test("a full disk costs no run: all is in memory, it is told once, and written when there is room", (t) => {
  const { open, recordsFile, said } = historyIn(t);
  const history = open();
  history.note(new Map([["backup", mark(1)]]));
  history.record(record("backup", 1), KEEP);
  withFileLimit(statSync(recordsFile("backup")).size + 10, () => {
    history.record(record("backup", 2), KEEP);
    history.record(record("backup", 3), KEEP);
    history.record(record("dump", 1), KEEP);
    history.note(
      new Map([
        ["backup", mark(3)],
        ["dump", mark(9, { boot: "x".repeat(1_000) })],
      ]),
    );
    assert.match(history.failing ?? "", /EFBIG/);
    history.tryAgain();
    assert.match(history.failing ?? "", /EFBIG/);
    assert.deepEqual(runs(history.of("backup", 9)), [3, 2, 1]);
    assert.equal(history.marks().get("backup")?.lastRun, 3);
  });
  assert.deepEqual(runs(open().of("backup", 9)), [1]);
  history.tryAgain();
  assert.equal(history.failing, null);
  const again = open();
  assert.deepEqual(runs(again.of("backup", 9)), [3, 2, 1]);
  assert.deepEqual(runs(again.of("dump", 9)), [1]);
  assert.deepEqual(again.marks(), history.marks());
  assert.equal(said.filter((line) => line.includes("jobs.journal")).length, 1);
  assert.equal(said.filter((line) => line.includes(".records")).length, 1);
});

test("a history that cannot be written costs no other job its own", (t) => {
  const { open, stateDir } = historyIn(t);
  mkdirSync(join(stateDir, "jobs", "broken.records"), { recursive: true });
  const history = open();
  history.record(record("broken", 1), KEEP);
  history.record(record("backup", 1), KEEP);
  assert.match(history.failing ?? "", /EISDIR/);
  assert.deepEqual(runs(open().of("backup", 9)), [1]);
  assert.deepEqual(runs(history.of("broken", 9)), [1]);
});

test("where not even the directory can be made, runs are still known to this svcd", (t) => {
  const { open, stateDir, said } = historyIn(t);
  writeFileSync(join(stateDir, "jobs"), "a file where a directory should be");
  mkdirSync(join(stateDir, "jobs.journal"));
  const history = open();
  history.note(new Map([["backup", mark(1)]]));
  history.record(record("backup", 1), KEEP);
  assert.equal(history.marks().get("backup")?.lastRun, 1);
  assert.deepEqual(runs(history.of("backup", 9)), [1]);
  assert.match(said.join("\n"), /jobs\.journal: EISDIR/);
  rmSync(join(stateDir, "jobs"));
  rmSync(join(stateDir, "jobs.journal"), { recursive: true });
  history.tryAgain();
  assert.equal(history.failing, null);
  assert.deepEqual(open().marks(), history.marks());
  assert.deepEqual(runs(open().of("backup", 9)), [1]);
});

test("marks that cannot be read for a moment are not written over", (t) => {
  const { open, marksFile, said } = historyIn(t);
  open().note(
    new Map([
      ["old", mark(1)],
      ["both", mark(1)],
    ]),
  );
  const read = mock.method(fs, "readFileSync", () => {
    throw Object.assign(new Error("EIO: i/o error, read"), { code: "EIO" });
  });
  syncBuiltinESMExports();
  let history: LinuxJobHistory;
  try {
    history = open();
  } finally {
    read.mock.restore();
    syncBuiltinESMExports();
  }
  const bytes = readFileSync(marksFile, "utf8");
  assert.match(history.failing ?? "", /EIO/);
  history.note(
    new Map([
      ["new", mark(5)],
      ["both", mark(5)],
    ]),
  );
  assert.equal(readFileSync(marksFile, "utf8"), bytes);
  history.tryAgain();
  assert.equal(history.failing, null);
  assert.deepEqual([...open().marks()].map(([name, { lastRun }]) => `${name} ${lastRun}`).sort(), [
    "both 5",
    "new 5",
    "old 1",
  ]);
  assert.match(said[0] ?? "", /jobs\.journal: EIO/);
});

test("a file that is not from svcd is set aside and told; what is whole in it counts", async (t) => {
  const { open, marksFile, recordsFile, said } = historyIn(t);
  const history = open();
  history.note(new Map([["backup", mark(1)]]));
  history.record(record("backup", 1), KEEP);
  appendFileSync(marksFile, '{"backup":{"lastRun":99}}\n');
  appendFileSync(recordsFile("backup"), "dear diary\n");
  assert.equal(open().marks().get("backup")?.lastRun, 1);
  assert.match(readFileSync(`${marksFile}.bad`, "utf8"), /99/);
  assert.doesNotMatch(readFileSync(marksFile, "utf8"), /99/);
  const again = open();
  again.record(record("backup", 2), KEEP);
  await until(
    () => existsSync(`${recordsFile("backup")}.bad`) && !readFileSync(recordsFile("backup"), "utf8").includes("diary"),
  );
  assert.deepEqual(runs(again.of("backup", 9)), [2, 1]);
  assert.equal(said.length, 2);
});

test("successes and failures are kept apart, so many of each and so long", () => {
  const day = 86_400_000;
  const records = [1, 2, 3, 4, 5, 6].map((run) =>
    record("backup", run, {
      result: run % 3 === 0 ? "timeout" : "success",
      endedAt: new Date(run * day).toISOString(),
    }),
  );
  const now = new Date(7 * day);
  assert.deepEqual(runs(keptOf(records, { successes: 2, failures: 1, forMs: null }, now)), [4, 5, 6]);
  assert.deepEqual(runs(keptOf(records, { successes: 9, failures: 9, forMs: 3 * day }, now)), [4, 5, 6]);
  assert.deepEqual(runs(keptOf(records, { successes: 0, failures: 9, forMs: null }, now)), [3, 6]);
});

test("what is no longer kept goes after a while, with its output; what still runs keeps its own", async (t) => {
  const { open, recordsFile, logDir } = historyIn(t);
  const history = open();
  const keep: Keep = { successes: 3, failures: 3, forMs: null };
  const outputs = join(logDir, "jobs", "backup");
  mkdirSync(outputs, { recursive: true });
  for (const run of [1, 2, 3, 99]) {
    for (const ending of [".log", ".log.head", ".log.1", ".stderr.log"])
      writeFileSync(join(outputs, `${run}${ending}`), "x");
  }
  for (let run = 1; run <= 200; run++) {
    if (run !== 99) history.record(record("backup", run), keep);
  }
  await until(() => statSync(recordsFile("backup")).size < 3_000);
  assert.deepEqual(runs(history.of("backup", 500)), [200, 199, 198]);
  assert.deepEqual(readdirSync(outputs).sort(), ["99.log", "99.log.1", "99.log.head", "99.stderr.log"]);
  history.record(record("backup", 201), keep);
  assert.deepEqual(runs(open().of("backup", 2)), [201, 200]);
});

test("ten thousand jobs: their marks are one small file, and nothing of their records is read before somebody asks", (t) => {
  const { open, stateDir, marksFile } = historyIn(t);
  const history = open();
  const names = Array.from({ length: 10_000 }, (_, n) => `job-${n}`);
  for (let minute = 1; minute <= 12; minute++) history.note(new Map(names.map((name) => [name, mark(minute)])));
  assert.ok(statSync(marksFile).size < 8 * 1_048_576, `${statSync(marksFile).size} bytes`); // Compacted on the way.
  history.record(record("job-77", 1), KEEP);
  mkdirSync(join(stateDir, "jobs", "job-78.records")); // Nobody could read this.
  const again = open();
  assert.equal(again.marks().size, 10_000);
  assert.equal(again.marks().get("job-9999")?.lastRun, 12);
  assert.deepEqual(runs(again.of("job-77", 5)), [1]);
  truncateSync(marksFile, 0);
  assert.equal(open().marks().size, 0);
});

/** What happens some turns later; nothing tells when. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((next) => setTimeout(next, 5));
}

test("whoever asks of many jobs in one turn is told the same as who asks of one, and what is recorded meanwhile counts", (t) => {
  const history = historyIn(t).open();
  const names = Array.from({ length: 30 }, (_, n) => `job-${n}`);
  for (const name of names.slice(0, 15)) history.record(record(name, 1), KEEP);
  const runs = (name: string) => history.of(name, 5).map(({ run }) => run);
  assert.deepEqual(
    names.map(runs),
    names.map((_, n) => (n < 15 ? [1] : [])),
  );
  history.record(record("job-20", 7), KEEP);
  assert.deepEqual(runs("job-20"), [7]);
});
