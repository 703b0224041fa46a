import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCrontabExpression } from "../schedule/crontab-expression.ts";
import { truth } from "../schedule/truth.ts";
import { type Crontab, type CrontabForm, type CrontabJob, readCrontab } from "./crontab.ts";

function crontabOf(lines: readonly string[], form: CrontabForm = "user"): Crontab {
  return readCrontab(lines.map((line) => `${line}\n`).join(""), "cron.d/web", form);
}

function jobOf(...lines: string[]): CrontabJob {
  const { jobs, mistakes } = crontabOf(lines);
  assert.deepEqual(mistakes, []);
  assert.equal(jobs.length, 1);
  return jobs[0]!;
}

const told = (list: Crontab["mistakes"]) =>
  list.map(({ file, line, column, what, fix }) => `${file}:${line}:${column}: ${what} (${fix})`);
const mistakesOf = (...lines: string[]) => told(crontabOf(lines).mistakes);
const warningsOf = (...lines: string[]) => crontabOf(lines).warnings.map(({ line, rule }) => `${line} ${rule}`);

for (const { kind, line, expr, user, command, stdin, ignored, error, env, note } of truth.lines) {
  test(`as Debian's cron reads a line: ${line}${note === undefined ? "" : ` (${note})`}`, () => {
    const crontab = crontabOf([line, "0 0 * * * root probe"], kind);
    const [job, ...others] = crontab.jobs;
    if (expr !== undefined) {
      const reading = parseCrontabExpression(expr);
      assert.ok(reading.ok);
      assert.deepEqual(job?.schedule, reading.schedule);
      assert.equal(job?.user ?? undefined, user);
      assert.deepEqual([job?.command, job?.stdin], [command, stdin]);
      assert.deepEqual(crontab.mistakes, []);
      return;
    }
    assert.equal(others.length, 0);
    assert.equal(crontab.mistakes.length, error === true ? 1 : 0);
    assert.deepEqual(job?.environment, env ?? {});
    assert.ok(error === true || ignored === true || env !== undefined);
  });
}

test("settings are for the jobs below them, in this file", () => {
  const { jobs } = crontabOf(["A=1", "0 0 * * * one", "A=2", "B = '  x y '", "0 0 * * * two"]);
  assert.deepEqual(
    jobs.map(({ environment }) => environment),
    [{ A: "1" }, { A: "2", B: "  x y" }],
  );
});

test("a line with a mistake is not taken, the good ones around it are", () => {
  const crontab = crontabOf(["0 4 * * * good", "0 25 * * * late", "@dialy wrong", "0 5 * * * good too"]);
  assert.deepEqual(
    crontab.jobs.map(({ command }) => command),
    ["good", "good too"],
  );
  assert.deepEqual(told(crontab.mistakes), [
    "cron.d/web:2:3: `25` is no hour (write a number from 0 to 23)",
    "cron.d/web:3:1: unknown nickname `@dialy` (did you mean `@daily`?)",
  ]);
});

test("lines that Debian reads in a way nobody expects run as they did, with a warning that says where", () => {
  const { jobs, warnings } = crontabOf(["# nightly", "  5.5 3 * * * backup"]);
  assert.equal(jobs.length, 1);
  assert.deepEqual(told(warnings), [
    "cron.d/web:2:4: cron reads the minute `5.5` as `5` and ignores the rest (separate values by commas)",
  ]);
});

test("the system form has a user in front of the command, and a file can ask for it", () => {
  const [job] = readCrontab("# svcd: user-column\n17 *\t* * *\troot   cd / && x\n", "web").jobs;
  assert.deepEqual([job?.user, job?.command], ["root", "cd / && x"]);
  assert.match(
    told(crontabOf(["0 0 * * * root"], "system").mistakes)[0]!,
    /behind the user `root` there is no command/,
  );
  assert.match(
    mistakesOf("0 0 * * * x", "# svcd: user-column")[0]!,
    /about the whole file \(put it above the first job\)/,
  );
});

test("an annotation is about the next job alone", () => {
  const { jobs } = crontabOf([
    "# svcd: overlap=skip timeout=1h",
    "#svcd: name=backup retries=3 on_missed=once missed_window=2d splay=5m start_deadline=10m lock=db",
    "0 4 * * * backup",
    "0 5 * * * other",
  ]);
  assert.deepEqual(jobs[0]?.annotation, {
    name: "backup",
    overlap: "skip",
    timeoutMs: 3_600_000,
    startDeadlineMs: 600_000,
    retries: 3,
    onMissed: "once",
    missedWindowMs: 172_800_000,
    splayMs: 300_000,
    lock: "db",
  });
  assert.equal(jobs[1]?.annotation.overlap, null);
});

test("a job whose annotation has a mistake does not run without it", () => {
  const crontab = crontabOf(["# svcd: overlap=skp timout=1h", "0 4 * * * backup", "0 5 * * * other"]);
  assert.deepEqual(
    crontab.jobs.map(({ command }) => command),
    ["other"],
  );
  assert.deepEqual(told(crontab.mistakes), [
    "cron.d/web:1:9: overlap: `skp` is none of `skip`, `queue`, `replace` or `allow` (did you mean `skip`?)",
    "cron.d/web:1:21: unknown word `timout` behind `svcd:` (did you mean `timeout`?)",
  ]);
  assert.match(
    mistakesOf("0 4 * * * x", "# svcd: timeout=1h")[0]!,
    /^cron.d\/web:2:1: below this comment there is no job/,
  );
});

test("CRON_TZ is the zone of the schedules below it, TZ only a variable of their commands", () => {
  const { jobs, warnings } = crontabOf([
    "0 1 * * * a",
    "CRON_TZ=Asia/Tokyo",
    "0 2 * * * b",
    'CRON_TZ=""',
    "TZ=Asia/Tokyo",
    "0 3 * * * c",
  ]);
  assert.deepEqual(
    jobs.map(({ timezone }) => timezone),
    [null, "Asia/Tokyo", null],
  );
  assert.deepEqual(jobs[2]?.environment, { TZ: "Asia/Tokyo" });
  assert.deepEqual(
    warnings.map(({ rule }) => rule),
    ["cron-tz", "cron-tz", "tz"],
  );
});

test("below a zone that nobody knows nothing is taken, for nobody can say when it is due", () => {
  const crontab = crontabOf(["0 1 * * * a", "CRON_TZ=Europe/Berln", "0 2 * * * b", "CRON_TZ=UTC", "0 3 * * * c"]);
  assert.deepEqual(
    crontab.jobs.map(({ command }) => command),
    ["a", "c"],
  );
  assert.match(told(crontab.mistakes)[0]!, /^cron.d\/web:2:9: `Europe\/Berln` is no time zone/);
});

test("a last line without its newline may be cut off and is not taken; a comment may end as it likes", () => {
  const cut = readCrontab("0 1 * * * good\n0 2 * * * rm -rf /", "web");
  assert.equal(cut.jobs.length, 1);
  assert.match(cut.mistakes[0]!.what, /the last line has no newline/);
  assert.deepEqual(readCrontab("0 1 * * * good\n# the end", "web").mistakes, []);
  assert.deepEqual(readCrontab("0 1 * * * good\n   ", "web").mistakes, []);
  assert.deepEqual(readCrontab("", "web"), { jobs: [], mistakes: [], dropped: [], warnings: [] });
});

test("line ends of Windows are taken for line ends, and told once", () => {
  const { jobs, warnings } = readCrontab("A=1\r\n0 1 * * * x\r\n0 2 * * * y\r\n", "web");
  assert.deepEqual(
    jobs.map(({ command }) => command),
    ["x", "y"],
  );
  assert.deepEqual(
    warnings.map(({ rule }) => rule),
    ["carriage-return"],
  );
});

test("a NUL byte, a byte order mark, a command or a file that is too long are told for what they are", () => {
  assert.match(mistakesOf("0 1 * * * a\0b")[0]!, /NUL byte/);
  assert.match(mistakesOf("\uFEFF0 1 * * * a")[0]!, /byte order mark/);
  assert.deepEqual(mistakesOf(`0 1 * * * ${"x".repeat(998)}`), []);
  assert.match(mistakesOf(`0 1 * * * ${"ä".repeat(499)}x`)[0]!, /the command has 999 bytes; cron takes 998/);
  const long = crontabOf(Array.from({ length: 10_002 }, () => "0 1 * * * x"));
  assert.equal(long.jobs.length, 10_000);
  assert.match(told(long.mistakes)[0]!, /^cron.d\/web:10001:1: 10002 lines; from line 10001 on nothing is read/);
});

test("a setting that cron refuses says what a setting needs", () => {
  assert.deepEqual(mistakesOf("MAILTO="), ['cron.d/web:1:8: MAILTO has no value (for an empty one write MAILTO="")']);
  assert.match(mistakesOf("export A=b")[0]!, /`export` is a word of the shell \(write A=b\)/);
  assert.match(mistakesOf('A="b" c')[0]!, /the quotes of A do not enclose its value/);
  assert.deepEqual(warningsOf('MAILTO=""', "LOGNAME=root"), ["1 mailto", "2 logname"]);
});

test("what the real Debian cron takes for a setting is one", () => {
  // Each was given to `crontab -n` of cron 3.0pl1-162, which took them.
  for (const line of ["=x", "= x", '""=x', "@daily=3", 'FOO = "a" ', '"FOO"=bar', "* = x", 'A"b"=c', 'A=b"c']) {
    assert.deepEqual([crontabOf([line]).mistakes.length, crontabOf([line]).jobs.length], [0, 0], line);
  }
  for (const line of ["A B=x", "FOO='a\"b", "FOO= ", '"A=b"=c', '"A" b=c', 'A="b"c', "\vA=b"])
    assert.equal(crontabOf([line]).mistakes.length, 1, line);
});

test("a command may be missing, as in cron, but not begin with a star", () => {
  assert.equal(jobOf("* * * * *").command, "");
  assert.equal(jobOf("@daily").command, "");
  assert.match(mistakesOf("*/10 * * * * * echo")[0]!, /^cron.d\/web:1:14: .*which is no command \(leave a field out/);
  assert.equal(mistakesOf("@daily *x").length, 1);
});

test("percent signs and backslashes are cron's, letter by letter", () => {
  const split = (text: string) => {
    const { command, stdin } = jobOf(`0 0 * * * ${text}`);
    return [command, stdin];
  };
  assert.deepEqual(split("a\\\\b\\c"), ["a\\b\\c", ""]);
  assert.deepEqual(split("x%\\\\%"), ["x", "\\%\n"]);
  assert.deepEqual(split("x%a\\"), ["x", "a\\\n"]);
  assert.deepEqual(split("x%%"), ["x", "\n"]);
});
