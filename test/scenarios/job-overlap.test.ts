/**
 * What becomes of a due time when something stands in its way: the run before it, a lock, a group, a service. Real processes
 * hold a gate until the story opens it.
 */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { isAlive } from "./box.ts";
import { cronBox, linesOf, recorded, records, runLog, writeJobs } from "./cron-box.ts";

const everySecond = (rest: string): string => `schedule: "@every 1s"\nshell: true\n${rest}`;
/** Says who it is, tells when it is not alone, and runs until the gate is opened. */
const holds = (gate: string, file: string): string =>
  `command: mkdir ${file}.busy || echo "$$CRON_RUN_ID" >> ${file}.together; echo "$$CRON_RUN_ID" >> ${file}; read x < ${gate}; rmdir ${file}.busy\n`;

test("a job that is due while it runs: `skip` leaves the due time out, `queue` makes one start of all that waited, never two at once", async (t) => {
  const box = cronBox(t, {
    "skip.yaml": everySecond(`overlap: skip\n${holds("skip.gate", "skip")}`),
    "queue.yaml": everySecond(`overlap: queue\n${holds("queue.gate", "queue")}`),
  });
  for (const gate of ["skip.gate", "queue.gate"]) await box.fifo(gate);
  await box.start();
  const left = await recorded(box, "skip", 2);
  for (const { run, result, why } of left.slice(0, 2)) {
    assert.deepEqual([run, result, why], [null, "skipped", "run 1 is not over"]);
  }
  await box.becomes("the other waits too", () => linesOf(box, "queue").length === 1);
  for (const name of ["skip", "queue"]) await box.put(`${name}.gate`, "go\n");
  await box.becomes("both ran again", () => ["skip", "queue"].every((name) => linesOf(box, name).length === 2));
  for (const name of ["skip", "queue"]) await box.put(`${name}.gate`, "go\n");
  const queued = await recorded(box, "queue", 2);
  assert.deepEqual(
    queued.slice(0, 2).map(({ run, result }) => [run, result]),
    [
      [1, "success"],
      [2, "success"],
    ],
  );
  assert.ok(queued[1]!.coalesced >= 2, JSON.stringify(queued[1]));
  assert.equal(box.file("skip.together") + box.file("queue.together"), "");
});

test("a job that is due while it runs: `replace` ends what runs first, `allow` runs beside it", async (t) => {
  const pids = (file: string): string => `command: echo $$$$ >> ${file}; read x < never\n`;
  const box = cronBox(t, {
    "replace.yaml": everySecond(`overlap: replace\n${pids("replace")}`),
    "allow.yaml": everySecond(`overlap: allow\n${pids("allow")}`),
  });
  await box.fifo("never");
  await box.start();
  const replaced = await recorded(box, "replace", 2);
  assert.deepEqual(
    replaced.slice(0, 2).map(({ run, result, exit }) => [run, result, exit]),
    [
      [1, "replaced", { signal: "SIGTERM" }],
      [2, "replaced", { signal: "SIGTERM" }],
    ],
  );
  assert.equal(isAlive(Number(linesOf(box, "replace")[0])), false);
  await box.becomes("three run", () => linesOf(box, "allow").length >= 3);
  for (const pid of linesOf(box, "allow").slice(0, 3)) assert.ok(isAlive(Number(pid)));
  assert.deepEqual(records(box, "allow"), []);
});

test("a run that takes longer than its timeout is ended with all that it started, and its record says so", async (t) => {
  const deaf = "trap '' TERM; echo $$$$ >> pids; while :; do sleep 1000; done";
  const box = cronBox(t, {
    "long.yaml": `schedule: "@reboot"\nshell: true\ntimeout: 1s\nstop_grace_period: 300ms\ncommand: "sh -c \\"${deaf}\\" & setsid sh -c \\"${deaf}\\" & ${deaf}"\n`,
  });
  await box.start();
  const [record] = await recorded(box, "long", 1);
  assert.deepEqual([record?.result, record?.exit], ["timeout", { signal: "SIGKILL" }]);
  assert.match(record?.why ?? "", /longer than its timeout/);
  const pids = linesOf(box, "pids").map(Number);
  assert.equal(pids.length, 3);
  for (const pid of pids) assert.equal(isAlive(pid), false, `process ${pid} is left`);
});

test("a failure is tried again as often as `retries` says, each attempt knows its number, and success ends it", async (t) => {
  const box = cronBox(t, {
    "hopeless.yaml": `schedule: "@reboot"\nshell: true\nretries: { most: 2, first: 50ms }\ncommand: echo $$CRON_ATTEMPT $$CRON_TRIGGER; exit 3\n`,
    "third.yaml": `schedule: "@reboot"\nshell: true\nretries: { most: 5, first: 50ms }\ncommand: test $$CRON_ATTEMPT -eq 3\n`,
    "late.yaml": `schedule: "@reboot"\ncommand: "false"\nretries: { most: 1, first: 1h }\n`,
  });
  await box.start();
  const hopeless = await recorded(box, "hopeless", 3);
  assert.deepEqual(
    hopeless.map(({ trigger, attempt, result, retryAt }) => [trigger, attempt, result, retryAt === null]),
    [
      ["boot", 1, "failure", false],
      ["retry", 2, "failure", false],
      ["retry", 3, "failure", true],
    ],
  );
  assert.equal(new Set(hopeless.map(({ scheduledFor }) => scheduledFor)).size, 1);
  assert.deepEqual(
    [1, 2, 3].map((run) => runLog(box, "hopeless", run)),
    ["1 boot\n", "2 retry\n", "3 retry\n"],
  );
  assert.deepEqual(
    (await recorded(box, "third", 3)).map(({ result }) => result),
    ["failure", "failure", "success"],
  );
  const [late] = await recorded(box, "late", 1);
  assert.ok(Date.parse(late!.retryAt!) > Date.parse(late!.endedAt) + 50 * 60_000);
});

test("a lock lets one run of all its jobs go at a time, a group as many as it says; who waits gets its turn", async (t) => {
  const names = (word: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${word}-${at}`);
  const [locked, grouped] = [names("locked", 3), names("grouped", 4)];
  const count = (dir: string, most: number): string =>
    `command: mkdir ${dir}/$$CRON_JOB; test $$(ls ${dir} | wc -l) -le ${most} || echo $$CRON_JOB >> too-many; read x < $$CRON_JOB.gate; rmdir ${dir}/$$CRON_JOB\n`;
  const job = (rest: string): string => `schedule: "@reboot"\nshell: true\n${rest}`;
  const box = cronBox(t, {
    ...Object.fromEntries(locked.map((name) => [`${name}.yaml`, job(`lock: db\n${count("lock", 1)}`)])),
    ...Object.fromEntries(
      grouped.map((name) => [`${name}.yaml`, job(`concurrency: { group: io, most: 2 }\n${count("group", 2)}`)]),
    ),
  });
  for (const name of [...locked, ...grouped]) await box.fifo(`${name}.gate`);
  for (const dir of ["lock", "group"]) mkdirSync(box.path(dir));
  await box.start();
  const running = (dir: string): string[] => readdirSync(box.path(dir));
  for (const [dir, all, most] of [
    ["lock", locked, 1],
    ["group", grouped, 2],
  ] as const) {
    for (let left = all.length; left > 0; left--) {
      await box.becomes("as many run as may", () => running(dir).length === Math.min(most, left));
      const name = running(dir)[0]!;
      await box.put(`${name}.gate`, "go\n");
      await recorded(box, name, 1);
    }
  }
  for (const name of [...locked, ...grouped]) {
    assert.deepEqual(
      records(box, name).map(({ run, result }) => [run, result]),
      [[1, "success"]],
    );
  }
  assert.equal(box.file("too-many"), "");
});

test("a job that depends on a service waits until it is ready, or leaves the due time out with `when_blocked: skip`", async (t) => {
  const ready = `command: sleep 1000\nstartsecs: 0s\nhealthcheck: { exec: "test -e ready", interval: 100ms, timeout: 5s, retries: 1, start_period: 1h }\n`;
  const box = cronBox(t, {}, { "vllm.yaml": ready });
  await box.start();
  await box.until("vllm", "STARTING");
  writeJobs(box, "wait.yaml", everySecond(`depends_on: vllm\ncommand: echo "$$CRON_RUN_ID" >> wait; test -e ready\n`));
  writeJobs(
    box,
    "skip.yaml",
    everySecond(`depends_on: vllm\nwhen_blocked: skip\ncommand: echo >> skip; test -e ready\n`),
  );
  const skipped = await recorded(box, "skip", 2);
  for (const { result, why } of skipped)
    assert.deepEqual([result, why.startsWith("it needs vllm")], ["skipped", true], why);
  assert.equal(box.file("wait") + box.file("skip"), "");
  await box.run("touch", [box.path("ready")]);
  const [ran] = await recorded(box, "wait", 1, ({ run }) => run !== null);
  assert.deepEqual([ran?.run, ran?.result], [1, "success"]);
  const [after] = await recorded(box, "skip", 1, ({ run }) => run !== null);
  assert.equal(after?.result, "success");
});
