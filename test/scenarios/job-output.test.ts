/**
 * What a run of a job reads and writes, and what stays of that when svcd is killed.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { readCheckedLines } from "../../src/checked-journal.ts";
import type { RunRecord } from "../../src/schedule/run-record.ts";
import { Box, isAlive, kill } from "./box.ts";

function writeJob(box: Box, name: string, text: string): void {
  mkdirSync(box.path("cron.d"), { recursive: true, mode: 0o700 });
  writeFileSync(box.path("cron.d", name), text, { mode: 0o600 });
}

function records(box: Box, job: string): RunRecord[] {
  const path = box.path("state/jobs", `${job}.records`);
  return existsSync(path) ? readCheckedLines<RunRecord>(readFileSync(path, "utf8")) : [];
}

/** Run 1 is over. */
async function ended(box: Box, job: string): Promise<RunRecord> {
  await box.becomes(`${job} is recorded`, () => records(box, job).length > 0);
  return records(box, job)[0] as RunRecord;
}

test("a job that prints megabytes leaves its beginning, its end, and how much lies between", async (t) => {
  const box = Box.prepare(t);
  writeJob(box, "big.yaml", 'schedule: "@reboot"\ncommand: seq 1 500000\noutput: { head: 2k, tail: 20k }\n');
  await box.start();
  assert.equal((await ended(box, "big")).result, "success");
  const all = Array.from({ length: 500_000 }, (_, n) => `${n + 1}\n`).join("");
  const [head, before, last] = ["1.log.head", "1.log.1", "1.log"].map((name) =>
    readFileSync(box.path("log/jobs/big", name), "utf8"),
  ) as [string, string, string];
  const [line = "", leftOut] = /svcd: (\d+) bytes of output are left out here\n$/.exec(head) ?? [];
  const beginning = head.slice(0, -line.length);
  assert.ok(beginning.length > 1_000 && all.startsWith(beginning));
  assert.ok(last.length + before.length > 19_000 && all.endsWith(before + last));
  assert.equal(beginning.length + Number(leftOut) + before.length + last.length, all.length);
  assert.deepEqual(readdirSync(box.path("log/jobs/big")).sort(), ["1.log", "1.log.1", "1.log.head"]);
});

test("what stands behind a % is read by the command, and what became of it outlives svcd", async (t) => {
  const box = Box.prepare(t);
  writeJob(box, "mail", '# svcd: name=mail\nMAILTO=""\n@reboot cat; echo done%one%two\n');
  await box.start();
  const record = await ended(box, "mail");
  assert.deepEqual([record.run, record.result, record.trigger], [1, "success", "boot"]);
  assert.equal(readFileSync(box.path("log/jobs/mail/1.log"), "utf8"), "one\ntwo\ndone\n");
  assert.equal(existsSync(box.path("run/pipes/stdin")), false);
  const { keeper, core } = await box.control.health();
  kill(keeper, "SIGKILL");
  await box.becomes("svcd is gone", () => !isAlive(keeper) && !isAlive(core));
  writeJob(box, "later.yaml", 'schedule: "@every 1s"\ncommand: "true"\n');
  await box.start();
  await ended(box, "later");
  assert.deepEqual(records(box, "mail"), [record]);
});
