/** More jobs than the machine can start at once, due in one second. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { cronBox, records, writeJobs } from "./cron-box.ts";
import { FAKETIME, fakeClock } from "./fake-clock.ts";

const JOBS = 2_000;

test("two thousand jobs are due in one second: each is started once, and a service is restarted meanwhile", {
  skip: FAKETIME === undefined && "faketime is not installed",
}, async (t) => {
  const box = cronBox(t, {}, { "web.yaml": "command: sleep 1000\nstartsecs: 0s\n" });
  const names = Array.from({ length: JOBS }, (_, index) => `job-${index}`);
  const job = (name: string): string => `  ${name}: { schedule: "0 4 * * *", timezone: UTC, command: "true" }\n`;
  writeJobs(box, "all.yaml", `jobs:\n${names.map(job).join("")}`);
  // By itself svcd looks at the clock every 30 seconds; this one makes it see at once that it was set.
  writeJobs(box, "pulse.yaml", 'schedule: "@every 1s"\ncommand: "true"\nkeep: { successes: 0, failures: 0 }\n');
  const ahead = fakeClock(box);
  // Two seconds before four, whatever the time is.
  const day = 24 * 3600;
  const start = (4 * 3600 - 2 - (Math.floor(Date.now() / 1000) % day) + day) % day;
  ahead(start - 3600);
  await box.start();
  const web = await box.until("web", "RUNNING");
  ahead(start);
  const over = (): number => {
    try {
      return readdirSync(box.path("state/jobs")).filter((name) => name.startsWith("job-")).length;
    } catch {
      return 0;
    }
  };
  await box.becomes("the storm has begun", () => over() > 0);
  assert.equal((await box.svctl("restart", "web")).code, 0);
  const seen = over();
  assert.ok(seen < JOBS, `the storm was over (${seen}) before the service was restarted`);
  assert.equal((await box.until("web", "RUNNING")).run, web.run + 1);
  await box.becomes(
    "all are over",
    () => over() === JOBS,
    () => `${over()}`,
  );
  await box.becomes("each has its record", () => names.every((name) => records(box, name).length > 0));
  for (const name of names) {
    assert.deepEqual(
      records(box, name).map(({ run, result, trigger }) => [run, result, trigger]),
      [[1, "success", "schedule"]],
    );
  }
});
