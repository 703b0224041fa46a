/**
 * Due times that nobody looked for: svcd was not there, the machine slept, somebody set the clock. The clock on the wall is the
 * story's; that of the machine goes on.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Box, kill } from "./box.ts";
import { cronBox, linesOf, recorded, records, writeJobs } from "./cron-box.ts";
import { FAKETIME, fakeClock } from "./fake-clock.ts";

const needsFaketime = { skip: FAKETIME === undefined && "faketime is not installed" };
const MINUTE = 60;
const HOUR = 60 * MINUTE;
/** svcd looks at the clock every 30 seconds at the latest: a job that is due each second makes it look sooner. */
const pulse = 'schedule: "@every 1s"\nshell: true\ncommand: echo >> pulse\n';

/** How far ahead a clock must be that now shows this minute and second of some hour. */
function aheadTo(minute: number, second: number): number {
  const now = Math.floor(Date.now() / 1000) % HOUR;
  return (minute * MINUTE + second - now + 2 * HOUR) % HOUR;
}

async function pulses(box: Box, count: number): Promise<void> {
  const until = linesOf(box, "pulse").length + count;
  await box.becomes(`${count} pulses passed`, () => linesOf(box, "pulse").length >= until);
}

const job = (schedule: string, rest: string): string =>
  `schedule: "${schedule}"\ntimezone: UTC\nshell: true\ncommand: echo "$$CRON_TRIGGER" >> $$CRON_JOB\n${rest}`;
/** One by the minute and one with a time of the day, as cron tells them apart. */
function crontab(box: Box, fixed: string): void {
  const line = (name: string, when: string) => `# svcd: name=${name}\n${when} echo >> ${box.path(name)}\n`;
  writeJobs(box, "table", line("minutely", "* * * * *") + line("fixed", fixed));
}

const runsOf = (box: Box, name: string): string[] => linesOf(box, name);

test(
  "svcd was not there for three due times: `skip` makes up for none, `once` with one run, `all` with three; each is in the history, and nothing older than missed_window",
  needsFaketime,
  async (t) => {
    const box = cronBox(t, {
      "skip.yaml": job("0 * * * *", "on_missed: skip\n"),
      "default.yaml": job("0 * * * *", ""),
      "all.yaml": job("0 * * * *", "on_missed: all\n"),
      "window.yaml": job("0 * * * *", "on_missed: all\nmissed_window: 2h\n"),
      "nightly.yaml": job("*/30 * * * *", "on_missed: once\nmissed_window: 10m\n"),
    });
    const ahead = fakeClock(box);
    const start = aheadTo(20, 0);
    ahead(start);
    await box.start();
    await box.daemon!.kill("SIGTERM");
    await box.ended();
    ahead(start + 3 * HOUR);
    await box.start();
    await recorded(box, "all", 3);
    await recorded(box, "window", 3);
    await recorded(box, "default", 1);
    await recorded(box, "skip", 1);
    await recorded(box, "nightly", 1);
    assert.deepEqual(runsOf(box, "skip"), []);
    assert.deepEqual(runsOf(box, "default"), ["catch-up"]);
    assert.deepEqual(runsOf(box, "all"), ["catch-up", "catch-up", "catch-up"]);
    assert.deepEqual(runsOf(box, "window"), ["catch-up", "catch-up"]);
    assert.deepEqual(runsOf(box, "nightly"), []);
    assert.equal(records(box, "default")[0]?.coalesced, 3);
    const slots = records(box, "all").map(({ scheduledFor, result }) => [
      Date.parse(scheduledFor) / 1000 / HOUR,
      result,
    ]);
    const first = slots[0]![0] as number;
    assert.deepEqual(
      slots,
      [first, first + 1, first + 2].map((hour) => [hour, "success"]),
    );
    const missed = records(box, "skip").map(({ run, result, coalesced, why }) => [
      run,
      result,
      coalesced,
      why.split(",")[0],
    ]);
    assert.deepEqual(missed, [[null, "missed", 3, "on_missed: skip"]]);
    const old = records(box, "window").filter(({ result }) => result === "missed");
    assert.deepEqual(
      old.map(({ coalesced, why }) => [coalesced, why.split(",")[0]]),
      [[1, "older than missed_window"]],
    );
  },
);

test(
  "a clock that is set back by ten minutes: what runs by the minute goes on at once, what has its time of the day is not run again, not even when the clock is right again",
  needsFaketime,
  async (t) => {
    const box = cronBox(t, { "pulse.yaml": pulse });
    crontab(box, "30 0-23 * * *");
    box.env["TZ"] = "UTC";
    const ahead = fakeClock(box);
    const start = aheadTo(29, 57);
    ahead(start);
    await box.start();
    await box.becomes("both ran", () => runsOf(box, "fixed").length === 1 && runsOf(box, "minutely").length >= 1);
    const before = runsOf(box, "minutely").length;
    await pulses(box, 2);
    // Half past and some seconds becomes 21 minutes past, less some.
    ahead(start - 9 * MINUTE - 6);
    await box.becomes("the one by the minute goes on", () => runsOf(box, "minutely").length > before);
    await pulses(box, 2);
    ahead(start - MINUTE);
    await pulses(box, 2);
    const beforeTheLast = runsOf(box, "minutely").length;
    ahead(start + MINUTE);
    await box.becomes("the one by the minute goes on", () => runsOf(box, "minutely").length > beforeTheLast);
    await pulses(box, 2);
    assert.equal(runsOf(box, "fixed").length, 1);
  },
);

test(
  "nobody looked at the clock for a while: crontab jobs follow the table of Debian's cron, due times in between are told as missed",
  needsFaketime,
  async (t) => {
    // [for so long, runs of the job by the minute, runs of the one with a time of the day]
    const table = [
      ["stopped", 3 * MINUTE, 3, 1],
      ["stopped", 10 * MINUTE, 1, 1],
      ["clock set", 10 * MINUTE, 1, 1],
      ["stopped", 2 * HOUR + 59 * MINUTE, 1, 1],
      ["stopped", 3 * HOUR + MINUTE, 1, 0],
    ] as const;
    const rows = table.map(async ([how, gap, ofMinutely, ofFixed]) => {
      const box = cronBox(t, { "pulse.yaml": pulse });
      crontab(box, "32 0-23 * * *");
      box.env["TZ"] = "UTC";
      const ahead = fakeClock(box);
      const start = aheadTo(30, 15);
      ahead(start);
      await box.start();
      await pulses(box, 1);
      const { core, keeper } = await box.control.health();
      if (how === "stopped") for (const pid of [core, keeper]) kill(pid, "SIGSTOP");
      ahead(start + gap);
      for (const pid of [keeper, core]) kill(pid, "SIGCONT");
      await box.becomes("it looked", () => runsOf(box, "minutely").length >= ofMinutely);
      await pulses(box, 2);
      const ran = ["minutely", "fixed"].map((name) => runsOf(box, name).length);
      assert.deepEqual(ran, [ofMinutely, ofFixed], `${how} for ${gap} s`);
      if (gap > 5 * MINUTE) {
        const [missed] = records(box, "minutely").filter(({ result }) => result === "missed");
        assert.match(missed?.why ?? "", /the clock was not looked at for \d+ minutes/);
        assert.equal(missed?.coalesced, gap / MINUTE - 1);
      }
    });
    await Promise.all(rows);
  },
);

test("a @reboot job runs once for each start of the machine, not for each start of svcd", async (t) => {
  const box = cronBox(t, {
    "boot.yaml": 'schedule: "@reboot"\nshell: true\ncommand: echo >> boots\n',
    "pulse.yaml": pulse,
  });
  await box.start();
  await recorded(box, "boot", 1);
  for (const _ of [1, 2]) {
    box.daemon!.kill("SIGTERM");
    await box.ended();
    await box.start();
    await pulses(box, 2);
  }
  assert.equal(runsOf(box, "boots").length, 1);
  assert.equal(records(box, "boot")[0]?.trigger, "boot");
});
