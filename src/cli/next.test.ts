import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Truth } from "../schedule/truth.ts";
import { svctl } from "./fake-daemon.ts";

const table = `${import.meta.dirname}/../schedule/debian-cron-truth.json`;
const truth: Truth = JSON.parse(readFileSync(table, "utf8"));

/** A root where no svcd runs: none is asked. */
const nowhere = { root: mkdtempSync(join(tmpdir(), "svctl-test-jobs-")) };
after(() => rmSync(nowhere.root, { recursive: true }));

interface Answer {
  readonly expr: string;
  readonly timezone: string;
  readonly next: readonly string[];
  readonly warnings: readonly { rule: string; column: number; what: string; fix: string }[];
}

async function next(...argv: string[]): Promise<Answer> {
  const { exitCode, stdout, stderr } = await svctl(nowhere, ["next", ...argv, "--json"]);
  assert.equal(exitCode, 0, stderr);
  return JSON.parse(stdout);
}

test("svctl next answers every case as Debian's cron does", async () => {
  for (const { id, expr, tz, from, next: expected } of truth.cases) {
    const count = String(Math.max(1, expected.length));
    const answer = await next(expr, "--tz", tz, "--from", from, "-n", count);
    assert.deepEqual({ ...answer, warnings: [] }, { expr, timezone: tz, next: expected, warnings: [] }, id);
  }
});

test("svctl next refuses what Debian's cron refuses with exit 2, and shows where", async () => {
  for (const { expr, why } of truth.reject) {
    const { exitCode, stdout, stderr } = await svctl(nowhere, ["next", expr, "--tz", "UTC"]);
    assert.deepEqual([exitCode, stdout], [2, ""], `${expr} (${why})`);
    assert.match(stderr, /\n {2}where: column \d+\n {2}fix: {3}./, expr);
  }
});

test("svctl next warns of everything that Debian's cron silently misreads", async () => {
  for (const { expr, debianReads } of truth.silentlyWrong) {
    const answer = await next(expr, "--tz", "UTC", "--from", "2026-01-15");
    assert.notEqual(answer.warnings.length, 0, expr);
    if (debianReads === null) assert.deepEqual(answer.next, [], expr);
    else assert.deepEqual(answer.next, (await next(debianReads, "--tz", "UTC", "--from", "2026-01-15")).next, expr);
  }
});

test("a slip is shown under the schedule", async () => {
  const { stderr } = await svctl(nowhere, ["next", "0 24 * * *"]);
  assert.equal(
    stderr,
    "svctl: `24` is no hour\n  0 24 * * *\n    ^\n  where: column 3\n  fix:   write a number from 0 to 23\n",
  );
});

test("the fields need no quotes if the shell leaves them alone, and an extended schedule is asked for", async () => {
  assert.deepEqual(
    (await next("30", "4", "1", "1", "1-5", "--tz", "UTC", "--from", "2026-01-15")).expr,
    "30 4 1 1 1-5",
  );
  const lastDay = ["0 9 L * *", "--dialect", "extended", "--tz=Asia/Tokyo", "--from=2026-02-01", "-n1"];
  assert.deepEqual((await next(...lastDay)).next, ["2026-02-28T00:00:00Z"]);
});

test("a date without an offset is what a clock there shows", async () => {
  const first = async (from: string) =>
    (await next("* * * * *", "--tz", "America/New_York", "--from", from, "-n", "1")).next[0];
  assert.equal(await first("2026-03-08"), "2026-03-08T05:01:00Z");
  assert.equal(await first("2026-03-08T01:59"), "2026-03-08T07:00:00Z");
  assert.equal(await first("2026-03-08T02:30"), "2026-03-08T07:31:00Z"); // It never shows that.
  assert.equal(await first("2026-11-01T01:30"), "2026-11-01T05:31:00Z"); // Of the two, the first.
  assert.equal(await first("2026-11-01T01:30-05:00"), "2026-11-01T06:31:00Z");
  assert.equal(await first("2026-11-01T06:30:59.999999+00:00"), "2026-11-01T06:31:00Z");
});

test("wrong words are told", async () => {
  const complaint = async (...argv: string[]) => {
    const { exitCode, stderr } = await svctl(nowhere, ["next", ...argv]);
    assert.equal(exitCode, 2);
    return stderr;
  };
  assert.match(
    await complaint("@daily", "--tz", "Europe/Berln"),
    /`--tz Europe\/Berln`: no such time zone\n {2}fix: {3}did you mean `Europe\/Berlin`\?/,
  );
  assert.match(await complaint("@daily", "--from", "2026-02-30"), /`--from 2026-02-30` is no date/);
  assert.match(await complaint("@daily", "-n", "0"), /`-n 0` is out of bounds/);
  assert.match(await complaint("@daily", "--dialect", "quartz"), /unknown dialect `quartz`/);
  assert.match((await svctl(nowhere, "logs x --count 3")).stderr, /`logs` has no option `--count`/);
});

test("people see the clock there, how long it is, and why a start is for several", async () => {
  const spring = ["0,30 2 * * *", "--tz", "Europe/Berlin", "--from", "2026-03-28T12:00"];
  const { stdout } = await svctl(nowhere, ["next", ...spring, "-n", "2"]);
  assert.match(
    stdout,
    /^Sun 2026-03-29 03:00:00 \+02:00 {2}238d 11h ago {2}\(one start for 2\)\nMon 2026-03-30 02:00:00/,
  );
  assert.equal((await svctl(nowhere, ["next", "0 0 31 2 *"])).stdout, "never\n");
  assert.equal((await svctl(nowhere, ["next", "@reboot"])).stdout, "once when the machine has started\n");
});

test("svctl explain says it in words, with what changes of the clocks do", async () => {
  const { stdout, stderr } = await svctl(nowhere, [
    "explain",
    "30 2 * * *",
    ...["--tz", "America/New_York", "--from", "2026-03-07", "-n", "2"],
  ]);
  assert.equal(
    stdout,
    [
      "every day at 02:30, America/New_York",
      "  Sat 2026-03-07 02:30:00 -05:00",
      "  Sun 2026-03-08 03:00:00 -04:00",
      "2026-03-08: 02:30 does not exist there; the job starts at 03:00 instead",
      "",
    ].join("\n"),
  );
  assert.equal(stderr, "");
  const json = await svctl(nowhere, ["explain", "0 0 13 * 5", "--tz", "UTC", "--from", "2026-02-01", "--json"]);
  const { words, warnings } = JSON.parse(json.stdout);
  assert.equal(words, "on the 13th of every month and every Friday at 00:00");
  assert.equal(warnings[0].rule, "either-day");
});
