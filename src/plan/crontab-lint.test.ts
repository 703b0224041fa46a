import assert from "node:assert/strict";
import { test } from "node:test";
import { zoneNamed } from "../schedule/zone.ts";
import { type CrontabForm, readCrontab } from "./crontab.ts";
import { lintCrontab, type Surroundings } from "./crontab-lint.ts";

const around: Surroundings = {
  now: Date.parse("2026-01-15T12:00:00Z"),
  zone: zoneNamed("UTC")!,
  isUser: (name) => ["root", "www-data"].includes(name),
  isInCronsPath: (program) => ["find", "date"].includes(program),
};

function found(text: string, form: CrontabForm = "user"): string[] {
  const warnings = lintCrontab(readCrontab(text, "cron.d/web", form), text, around);
  return warnings.map(({ line, column, rule }) => `${line}:${column} ${rule}`);
}

test("a crontab without faults is not found fault with", () => {
  assert.deepEqual(
    found("PATH=/opt/bin:/usr/bin\nMAILTO=ops\n# nightly\n30 4 * * * backup --all\n@daily date +\\%F\n"),
    [],
  );
  assert.deepEqual(found("17 * * * * root cd / && run-parts --report /etc/cron.hourly\n", "system"), []);
});

test("commands that cannot work under cron are found, where they stand", () => {
  assert.deepEqual(found("5 4 * * * backup --all\n  5 5 * * * find /tmp -delete\n"), ["1:11 relative-program"]);
  assert.deepEqual(found("5 4 * * * date +%F > /tmp/x\n"), ["1:17 percent"]);
  assert.deepEqual(found("5 4 * * * wwwdata /bin/true\n5 5 * * * root /bin/true\n", "system"), ["1:11 unknown-user"]);
  assert.deepEqual(found("# svcd: user=wwwdata\n5 4 * * * /a\n"), ["2:1 unknown-user"]);
  assert.deepEqual(found("5 4 * * *\n"), ["1:10 empty-command"]);
});

test("the same job twice, and many jobs at one minute, are found", () => {
  assert.deepEqual(found("5 4 * * * /a\n5 5 * * * /a\n05 4 * * * /a\n"), ["3:1 duplicate"]);
  const hourly = Array.from({ length: 5 }, (_, hour) => `0 ${hour + 5} * * * /job${hour}\n`).join("");
  assert.deepEqual(found(hourly), ["1:1 crowded-minute"]);
});

test("what reading remarked and what the schedules mean stand in the order of the lines", () => {
  const text =
    "5.5 3 * * * /a\nCRON_TZ=Europe/Berlin\n30 2 * * * /b\n0 0 31 2 * /c\n0 5 13 * 5 /d\nCRON_TZ=UTC\n30 2 * * * /e\n";
  assert.deepEqual(found(text), [
    "1:2 ignored-text",
    "2:1 cron-tz",
    "3:1 clock-change",
    "4:1 never",
    "5:1 either-day",
    "6:1 cron-tz",
  ]);
});
