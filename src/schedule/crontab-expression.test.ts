import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCrontabExpression, readCrontabExpression } from "./crontab-expression.ts";
import type { Calendar, Schedule } from "./schedule.ts";
import { truth } from "./truth.ts";

function scheduleOf(text: string): Schedule {
  const reading = parseCrontabExpression(text);
  assert.ok(reading.ok, `${text}: ${reading.ok ? "" : reading.flaw.what}`);
  return reading.schedule;
}

function calendarOf(text: string): Calendar {
  const schedule = scheduleOf(text);
  assert.ok(schedule.kind === "calendar");
  return schedule;
}

function flawOf(text: string): string {
  const reading = parseCrontabExpression(text);
  assert.ok(!reading.ok, `${text} was taken`);
  return `${reading.flaw.at + 1}: ${reading.flaw.what}: ${reading.flaw.fix}`;
}

test("what Debian's cron refuses is refused, with the column and what to do", () => {
  for (const { expr, why } of truth.reject) {
    const reading = parseCrontabExpression(expr);
    assert.ok(!reading.ok, `${expr} was taken (${why})`);
    assert.ok(reading.flaw.at >= 0 && reading.flaw.at <= expr.length, expr);
    assert.ok(reading.flaw.fix !== "", expr);
  }
});

test("what Debian's cron silently misreads is read the same way, and said", () => {
  for (const { expr, debianReads, why } of truth.silentlyWrong) {
    const reading = parseCrontabExpression(expr);
    assert.ok(reading.ok, expr);
    assert.equal(reading.remarks.length, 1, `${expr} (${why})`);
    if (debianReads === null) continue;
    const said = calendarOf(debianReads);
    const read = reading.schedule as Calendar;
    // An empty weekday field next to a day of the month is what the table writes as `*`: days alone decide either way.
    assert.deepEqual(expr.includes("5-1") ? { ...read, weekdays: said.weekdays, dayRule: "both" } : read, said, expr);
  }
});

test("lines that the real Debian cron takes or refuses beyond the table are taken or refused", () => {
  // Each was given to `crontab -n` of cron 3.0pl1-162.
  for (const taken of [
    "*/100 * * * *",
    "10-5 * * * *",
    "*/5/2 * * * *",
    "1.5/3 * * * *",
    "00000000000000005 * * * *",
    "5-5 * * * *",
    "* * * * sun,MON,7",
    "* * * * */8",
  ]) {
    assert.ok(parseCrontabExpression(taken).ok, taken);
  }
  for (const refused of [
    "* * 5-0 * *",
    "* * 0-5 * *",
    "1-5/2x * * * *",
    "1-5x * * * *",
    "* * * * 0-8",
    "* * * 1-jan0 *",
  ]) {
    assert.ok(!parseCrontabExpression(refused).ok, refused);
  }
});

test("fields are sets of values: steps begin at the start of their range, 7 is Sunday", () => {
  assert.deepEqual(calendarOf("*/20 0-23/8 1-7/3 feb-APR,12 fri-7").minutes, [0, 20, 40]);
  assert.deepEqual(calendarOf("*/20 0-23/8 1-7/3 feb-APR,12 fri-7").hours, [0, 8, 16]);
  assert.deepEqual(calendarOf("*/20 0-23/8 1-7/3 feb-APR,12 fri-7").days, [1, 4, 7]);
  assert.deepEqual(calendarOf("*/20 0-23/8 1-7/3 feb-APR,12 fri-7").months, [2, 3, 4, 12]);
  assert.deepEqual(calendarOf("*/20 0-23/8 1-7/3 feb-APR,12 fri-7").weekdays, [0, 5, 6]);
});

test("only the first character makes a field unrestricted: of days both must fit, of times it is a rhythm", () => {
  const ofDays = (text: string) => calendarOf(`0 0 ${text}`).dayRule;
  assert.deepEqual(["1 * 1", "*/2 * 1", "1 * *", "*,5 * 1", "1-31 * 1", "5,*/7 * 1"].map(ofDays), [
    "either",
    "both",
    "both",
    "both",
    "either",
    "either",
  ]);
  const pace = (text: string) => calendarOf(`${text} * * *`).pace;
  assert.deepEqual(["0 0", "*/30 2", "0 *", "0-59 0-23", "0 0-23/2", "5,* 2"].map(pace), [
    "fixed",
    "wildcard",
    "wildcard",
    "fixed",
    "fixed",
    "fixed",
  ]);
});

test("a nickname is what it stands for, and @reboot is no matter of the clock", () => {
  assert.deepEqual(scheduleOf("@weekly"), scheduleOf("0 0 * * 0"));
  assert.deepEqual(scheduleOf("  @hourly  "), scheduleOf("0 * * * *"));
  assert.deepEqual(scheduleOf("@reboot"), { kind: "boot" });
});

test("the end of the expression is where the command begins", () => {
  for (const line of ["0 5 * * * echo", "\t0  5\t* * *  \t echo", "@daily  echo"]) {
    const reading = readCrontabExpression(line);
    assert.ok(reading.ok);
    assert.equal(line.slice(reading.end), "echo");
  }
});

test("a refusal says where and what to write instead", () => {
  assert.equal(flawOf("0 24 * * *"), "3: `24` is no hour: write a number from 0 to 23");
  assert.equal(flawOf("5/10 * * * *"), "2: a step behind a single value: `5/10`: write 5-59/10");
  assert.equal(flawOf("* * * * monday"), "9: `monday` is no day of the week: names have three letters: `mon`");
  assert.equal(flawOf("* * * * tus"), "9: `tus` is no day of the week: did you mean `tue`?");
  assert.equal(
    flawOf("1,,2 * * * *"),
    "3: a value is missing (minute): write a number from 0 to 59, without a sign, or `*`",
  );
  assert.match(flawOf("* * L * *"), /^5: .*YAML jobs, with `dialect: extended`/);
  assert.match(flawOf("*/10 * * * * *"), /^14: 6 fields; .*seconds are for YAML jobs/);
  assert.match(flawOf("@every 5m"), /^1: unknown nickname `@every`.*schedule: "@every 5m"/);
  assert.match(flawOf("@Daily"), /did you mean `@daily`\?/);
  assert.match(flawOf(""), /there is no schedule/);
  assert.match(flawOf("0 5 * *"), /only 4 of five fields: the day of the week is missing/);
  assert.match(flawOf("30 4 * * * /bin/true"), /^12: 6 fields; .*would be its command/);
});

test("a range that ends before it begins is shown as it must be written", () => {
  const fixOf = (text: string) => {
    const reading = parseCrontabExpression(text);
    return reading.ok ? reading.remarks[0]?.fix : undefined;
  };
  assert.equal(fixOf("0 22-2 * * *"), "write 22-23,0-2");
  assert.equal(fixOf("0 23-1 * * *"), "write 23,0-1");
  assert.equal(fixOf("0 0 * nov-feb *"), "write 11-12,1-2");
  assert.equal(fixOf("0 0 * * fri-sun"), "write 5-7");
  assert.equal(fixOf("0 0 * * sat-mon"), "write 6-7,1");
});
