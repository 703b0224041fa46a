import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { jobFrom, mistakesOf, planOf, wrongIn, wrongInJob } from "./testing.ts";

const seconds = (n: number): number => n * 1000;

test("two lines are a job: it runs once at a time, makes up for one day once, and keeps fifty runs of each kind", () => {
  const job = jobFrom('schedule: "30 4 * * *"\ncommand: /usr/local/bin/tidy --all\n');
  const { service, schedules, source, ...rest } = job;
  assert.deepEqual(source, { file: "cron.d/tidy.yaml", line: 1, column: 1 });
  assert.deepEqual(
    schedules.map(({ expression }) => expression),
    ["30 4 * * *"],
  );
  assert.deepEqual(rest, {
    name: "tidy",
    description: "",
    timezone: "UTC",
    policy: {
      overlap: "skip",
      startDeadlineMs: null,
      retries: { most: 0, firstMs: 10_000, factor: 2, longestMs: 600_000, jitter: 0.1 },
      successExitCodes: [0],
      timeoutMs: null,
      stopSignal: "SIGTERM",
      stopGraceMs: 10_000,
      stopTo: "group",
    },
    onMissed: "once",
    missedWindowMs: 86_400_000,
    splayMs: 0,
    lock: null,
    concurrency: null,
    whenBlocked: "wait",
    keep: { successes: 50, failures: 50, forMs: null },
    notify: [],
    output: { headBytes: 65_536, tailBytes: 1_048_576 },
    cleanEnvironment: false,
    crontab: null,
  });
  assert.deepEqual(service.command, { kind: "text", text: "/usr/local/bin/tidy --all" });
  assert.deepEqual([service.name, service.enabled, service.autostart, service.check], ["tidy", true, false, null]);
  assert.deepEqual(service.logs, {
    maxSizeBytes: 1_048_576,
    keep: 1,
    timestamps: false,
    compress: false,
    headBytes: 65_536,
    stderr: "merged",
  });
});

test("every key of a job says what it says", () => {
  const job = jobFrom(`
schedule: ["30 4 * * 1-5", "@every 90m", "@reboot", "0 0 12 L * ?"]
command: [tidy, "--all"]
description: keeps the disk free
working_dir: /srv
user: www-data
group: adm
umask: 027
environment: { A: "1" }
env_file: ?.env
when: { file: /srv }
success_exit_codes: [0, 3]
stop_signal: INT
stop_grace_period: 1m
stop_to: main
limits: { nice: 10 }
enabled: no
timezone: Europe/Berlin
overlap: queue
timeout: 2h
start_deadline: 10m
retries: { most: 5, first: 1m, factor: 3, longest: 1h, jitter: 0 }
on_missed: all
missed_window: 7d
splay: 5m
lock: db
concurrency: { group: gpu, most: 2 }
depends_on: { vllm: ready, set-up: completed }
when_blocked: skip
keep: { successes: 5, failures: 100, for: 30d }
output: { head: 1k, tail: 2k }
logs: { timestamps: true, stderr: separate }
env: clean
notify:
  - { webhook: "https://hooks.example/x" }
  - { on: failure, command: [page, ops] }
  - { ping: "https://hc.example/uuid" }
  - { on: [success, skipped], mail: ops@example.org }
  - { mail: root, when: output }
x-mine: whatever
`);
  const { service } = job;
  assert.deepEqual(
    job.schedules.map(({ expression, schedule }) => `${expression} (${schedule.kind})`),
    ["30 4 * * 1-5 (calendar)", "@every 90m (every)", "@reboot (boot)", "0 0 12 L * ? (calendar)"],
  );
  assert.deepEqual(
    [service.workingDir, service.user, service.group, service.umask, service.environment, service.enabled],
    ["/srv", "www-data", "adm", 0o27, { A: "1" }, false],
  );
  assert.deepEqual(service.envFiles, [{ path: ".env", optional: true }]);
  assert.deepEqual(service.when, { kind: "file", path: "/srv" });
  assert.deepEqual(
    service.dependsOn.map(({ name, condition }) => `${name} ${condition}`),
    ["vllm@1 ready", "vllm@2 ready", "set-up completed"],
  );
  assert.deepEqual([service.limits.nice, service.logs?.timestamps, service.logs?.stderr], [10, true, "separate"]);
  assert.deepEqual(job.policy, {
    overlap: "queue",
    startDeadlineMs: seconds(600),
    retries: { most: 5, firstMs: seconds(60), factor: 3, longestMs: seconds(3600), jitter: 0 },
    successExitCodes: [0, 3],
    timeoutMs: seconds(7200),
    stopSignal: "SIGINT",
    stopGraceMs: seconds(60),
    stopTo: "main",
  });
  assert.deepEqual(
    [job.description, job.timezone, job.onMissed, job.missedWindowMs, job.splayMs, job.lock, job.whenBlocked],
    ["keeps the disk free", "Europe/Berlin", "all", seconds(7 * 86_400), seconds(300), "db", "skip"],
  );
  assert.deepEqual(job.concurrency, { group: "gpu", most: 2 });
  assert.deepEqual(job.keep, { successes: 5, failures: 100, forMs: seconds(30 * 86_400) });
  assert.deepEqual(job.output, { headBytes: 1024, tailBytes: 2048 });
  assert.equal(job.cleanEnvironment, true);
  assert.deepEqual(job.notify, [
    {
      on: ["failure", "timeout", "missed", "recovery"],
      by: { kind: "webhook", url: "https://hooks.example/x" },
    },
    { on: ["failure"], by: { kind: "command", command: { kind: "words", words: ["page", "ops"] } } },
    { on: ["start", "success", "failure", "timeout"], by: { kind: "ping", url: "https://hc.example/uuid" } },
    { on: ["success", "skipped"], by: { kind: "mail", to: "ops@example.org", when: "event" } },
    { on: ["success", "failure", "timeout"], by: { kind: "mail", to: "root", when: "output" } },
  ]);
});

test("short forms: a number of retries, of runs that are kept, one schedule, one notification, services to wait for", () => {
  const job = jobFrom(
    '{ schedule: "@daily", command: x, retries: 3, keep: 7, depends_on: set-up, notify: { webhook: "http://h/" } }',
  );
  assert.equal(job.policy.retries.most, 3);
  assert.deepEqual(job.keep, { successes: 7, failures: 7, forMs: null });
  assert.deepEqual(job.service.dependsOn, [{ name: "set-up", condition: "ready" }]);
  assert.equal(job.notify.length, 1);
});

test("a schedule is read by the dialect that is named, else by the one that understands it", () => {
  const dayRule = (lines: string): string => {
    const { schedule } = jobFrom(`command: x\n${lines}`).schedules[0]!;
    return schedule.kind === "calendar" ? schedule.dayRule : schedule.kind;
  };
  assert.equal(dayRule('schedule: "0 0 1 * 1"'), "either");
  assert.equal(dayRule('schedule: "0 0 1 * 1"\ndays: and'), "both");
  assert.equal(dayRule('schedule: "0 0 1 * 1"\ndays: or'), "either");
  assert.match(
    wrongInJob('command: x\ndialect: crontab\nschedule: "0 0 L * *"')[0]!,
    /^3:16 `schedule`: .*`L`/, // The column of the L itself.
  );
  assert.match(wrongInJob('command: x\ndialect: crontab\nschedule: "0 3 4 * * *"')[0]!, /^3:\d+ `schedule`: 6 fields/);
});

test("a variable in a schedule is filled in while the file is read", () => {
  const lines = "command: x\nschedule: ${WHEN:-@daily}";
  assert.equal(jobFrom(lines).schedules[0]!.expression, "@daily");
  assert.equal(jobFrom(lines, { WHEN: "5 4 * * *" }).schedules[0]!.expression, "5 4 * * *");
  assert.match(wrongInJob(lines, { WHEN: "5 61 * * *" })[0]!, /^2:11 `schedule`: .*61/);
});

test("jobs stand alone in a file named after them, or several below `jobs:`", () => {
  const plan = planOf({
    "web.yaml": "command: x",
    "cron.d/b.yaml":
      'jobs:\n  b2: { schedule: "@daily", command: x }\n  b1: { schedule: "@daily", command: x }\nx-y: 1',
    "cron.d/a.yml": 'schedule: "@daily"\ncommand: x',
    "cron.d/empty.yaml": "# nothing yet",
  });
  assert.deepEqual(plan.mistakes, []);
  assert.deepEqual([...plan.jobs.keys()], ["b2", "b1", "a"]);
  assert.deepEqual([...plan.services.keys()], ["web"]);
  assert.deepEqual(plan.jobs.get("b1")!.source, { file: "cron.d/b.yaml", line: 3, column: 3 });
  assert.deepEqual(plan.jobs.get("b1")!.service.groups, ["b"]);
});

const WRONG: Readonly<Record<string, string>> = {
  'schedule: "@daily"': "1:1 `command` is missing (add a line like `command: /usr/local/bin/backup`)",
  "command: x": '1:1 `schedule` is missing (add a line like `schedule: "30 4 * * *"` or `schedule: "@every 5m"`)',
  'command: x\nschedule: "61 4 * * *"': "2:12 `schedule`: ",
  "command: x\nschedule: []": "2:11 `schedule`: the list is empty",
  'command: x\nschedule: ["@daily", "@dialy"]':
    "2:23 `schedule` (item 2): unknown nickname `@dialy` (did you mean `@daily`?)",
  'command: x\nschedule: "@every"': "2:18 `schedule`: `@every` needs a duration",
  'command: x\nschedule: "@every 5 minutes"': "2:19 `schedule`: `5 minutes` is not a duration",
  "command: x\nschedule: */5 * * * *":
    "2:11 a value that begins with * or & is an alias or an anchor to YAML (put the value in quotes)",
  "command: x\nschedule: [*/5 * * * *, '@daily']":
    "2:12 a value that begins with * or & is an alias or an anchor to YAML",
  "command: x\nschedule:\n  - * * * * *": "3:5 a value that begins with * or & is an alias or an anchor to YAML",
  "command: x\nschedule: @daily": "2:11 a value cannot begin with @ (put the value in quotes)",
  "D\ntimezone: Berlin": "3:11 `timezone`: `Berlin` is no time zone (write it like Europe/Berlin or UTC)",
  "D\noverlap: forbid": "3:10 `overlap`: unknown word `forbid` (write `skip`, `queue`, `replace` or `allow`)",
  "D\noverlaps: skip": "3:1 unknown key `overlaps` (did you mean `overlap`?)",
  "D\ntimeout: soon": "3:10 `timeout`: `soon` is not a duration",
  "D\nretries: 101": "3:10 `retries`: 101 is more than 100",
  "D\nretries: { first: 1h, longest: 1m }": "3:32 `retries.longest`: 1m is less than `first` (1h)",
  "D\nretries: { max: 3 }": "3:12 unknown key `max` in `retries` (write `most:`)",
  "D\non_missed: never": "3:12 `on_missed`: unknown word `never`",
  "D\non_missed: skip\nmissed_window: 1d":
    "4:1 `missed_window` changes nothing: `on_missed: skip` makes up for nothing",
  "D\nlock: a b": "3:7 `lock`: `a b` is no name",
  "D\nconcurrency: 3": "3:14 `concurrency`: `3` where a map belongs",
  "D\nconcurrency: { group: gpu }": "3:1 `most` is missing in `concurrency`",
  "D\nwhen_blocked: skip": "3:1 `when_blocked` says nothing without `depends_on`",
  "D\ndepends_on: vlm": "3:1 there is no service `vlm` (did you mean `vllm`?)",
  "D\ndepends_on: tidy": "3:1 `tidy` depends on itself",
  "D\ndepends_on: { vllm: completed }": "3:15 `vllm` never completes: it has `restart: always`",
  "D\nkeep: -1": "3:7 `keep`: -1 is less than 0",
  "D\noutput: { max_size: 1M }": "3:11 unknown key `max_size` in `output` (write `tail:`)",
  "D\nlogs: { max_size: 1M }": "3:9 unknown key `max_size` in `logs` (write `output: { tail: 1M }`",
  "D\nenv: { A: b }": "3:1 `env` is `clean` or not there (for variables write `environment:`)",
  "D\nenv: dirty": "3:6 `env`: unknown word `dirty` (write `clean`)",
  "D\nenabled: maybe": "3:10 `enabled`: `maybe` is neither true nor false",
  "D\ndialect: quartz": "3:10 `dialect`: unknown word `quartz`",
  "D\ndialect: crontab\ndays: and": "4:1 `days` is for the extended dialect",
  "D\nnotify: { on: failure }": "3:1 `notify` does not say how (add one of `command`, `webhook`, `ping` or `mail`)",
  "D\nnotify: [{ webhook: 'http://h/', mail: root }]":
    "3:34 `notify.mail`: `webhook` and `mail` are given, and an item has one",
  "D\nnotify: { on: crash, mail: root }": "3:15 `notify.on`: unknown word `crash`",
  "D\nnotify: { mail: root, when: printed }": "3:29 `notify.when`: unknown word `printed`",
  "D\nnotify: { webhook: 'http://h/', when: output }": "3:33 `notify.when` is for a `mail`",
  "D\nnotify: { mail: 'a, b' }": "3:17 `notify.mail`: `a, b` is no address",
  "D\nnotify: { ping: hc.example }": "3:17 `notify.ping`: `hc.example` is not an http URL",
  "D\nrestart: always":
    "3:1 unknown key `restart` (a job runs when it is due; for another try after a failure write `retries:`)",
  "D\nhealthcheck: { tcp: 80 }": "3:1 unknown key `healthcheck` (remove it: a job is judged by its exit code",
  "D\nreplicas: 2": "3:1 unknown key `replicas` (write several jobs)",
  "D\nautostart: no": "3:1 unknown key `autostart` (write `enabled: false`",
  "D\nstartsecs: 1": "3:1 unknown key `startsecs` (remove it",
  "D\nbackoff: { first: 1s }": "3:1 unknown key `backoff` (write `retries: {",
  "D\ngive_up: never": "3:1 unknown key `give_up` (write `retries:`",
  "D\nessential: true": "3:1 unknown key `essential` (remove it; `notify:` tells",
  "D\nidle: { stop_after: 1m }": "3:1 unknown key `idle` (remove it: a job ends by itself)",
  "D\non: { failed: x }": "3:1 unknown key `on` (write `notify:`)",
  "D\nconcurrencyPolicy: Forbid": "3:1 unknown key `concurrencyPolicy` (write `overlap:`)",
  "D\nmailto: root": "3:1 unknown key `mailto` (write `notify: { mail: … }`)",
  "services: { a: { command: x } }": "1:1 ",
  "jobs:": "1:1 `jobs` has no value (write the jobs below it, each with its name as key)",
  "jobs: { a: { command: x, schedule: '@daily' } }\nservices: {}":
    "2:1 unknown key `services` beside `jobs` (services belong into services.d)",
  "- a":
    "1:1 the file does not hold `key: value` lines (begin with `schedule:` and `command:`, or with `jobs:` for several)",
};

test("every mistake in a job is told with its place and what to write instead", () => {
  for (const [lines, expected] of Object.entries(WRONG)) {
    const text = lines.replace(/^D\n/, 'schedule: "@daily"\ncommand: x\n');
    const [first = "(no mistake)", ...more] = wrongInJob(text);
    assert.ok(first.startsWith(expected), `${text}\n  got      ${[first, ...more].join("\n")}\n  expected ${expected}`);
  }
});

test("a splay of what has no time of the clock changes nothing, and that is said", () => {
  assert.match(
    wrongInJob('schedule: "@every 5m"\ncommand: x\nsplay: 1m')[0]!,
    /^3:1 `splay` changes nothing: only starts at times of the clock are spread/,
  );
  assert.deepEqual(wrongInJob('schedule: ["@every 5m", "@daily"]\ncommand: x\nsplay: 1m'), []);
});

test("a name is a service's or a job's: the second that takes it is a mistake", () => {
  const plan = planOf({
    "web.yaml": "command: x",
    "cron.d/web.yaml": 'schedule: "@daily"\ncommand: x',
    "cron.d/a.yaml": 'jobs: { one: { schedule: "@daily", command: x } }',
    "cron.d/b.yaml": 'jobs: { one: { schedule: "@daily", command: x }, two: { schedule: "@daily", command: x } }',
  });
  assert.deepEqual(mistakesOf(plan), [
    "cron.d/web.yaml:1:1 there is a service `web` already, in web.yaml:1 (give one of the two another name)",
    "cron.d/b.yaml:1:9 there is a job `one` already, in cron.d/a.yaml:1 (give one of the two another name)",
  ]);
  assert.deepEqual([...plan.jobs.keys()], ["one", "two"]);
  assert.equal(plan.jobs.get("one")!.source.file, "cron.d/a.yaml");
});

test("jobs of one group agree on how many of them may run at a time", () => {
  const one = (most: number) => `schedule: "@daily"\ncommand: x\nconcurrency: { group: gpu, most: ${most} }`;
  const plan = planOf({ "cron.d/a.yaml": one(2), "cron.d/b.yaml": one(2), "cron.d/c.yaml": one(3) });
  assert.deepEqual(mistakesOf(plan), [
    "cron.d/c.yaml:3:34 `concurrency.most`: 3, but the group `gpu` has 2 in `a` (cron.d/a.yaml:1) (write the same number in all jobs of the group)",
  ]);
  assert.deepEqual([[...plan.jobs.keys()], [...plan.brokenNames]], [["a", "b"], ["c"]]);
});

test("nothing can wait for a job", () => {
  const plan = planOf({
    "web.yaml": "command: x\ndepends_on: tidy",
    "cron.d/tidy.yaml": 'schedule: "@daily"\ncommand: x',
    "cron.d/b.yaml": 'schedule: "@daily"\ncommand: x\ndepends_on: [tidy]',
  });
  assert.deepEqual(mistakesOf(plan), [
    "web.yaml:2:1 `tidy` is a job, and only services can be waited for (remove it from `depends_on`)",
    "cron.d/b.yaml:3:14 `tidy` is a job, and only services can be waited for (remove it from `depends_on`)",
  ]);
});

test("a mistake costs its own job; the others of the file are there, and what it hides is named", () => {
  const plan = planOf({
    "cron.d/a.yaml": 'jobs:\n  good: { schedule: "@daily", command: x }\n  bad: { schedule: "@dialy", command: x }',
    "cron.d/b.yaml": "schedule: [",
    "cron.d/c.yaml": "jobs:\n  c1: { command: x }\n  c2: {",
  });
  assert.deepEqual([...plan.jobs.keys()], ["good"]);
  assert.deepEqual([...plan.brokenFiles], ["cron.d/a.yaml", "cron.d/b.yaml", "cron.d/c.yaml"]);
  assert.deepEqual([...plan.brokenNames].sort(), ["b", "bad", "c1", "c2"]);
});

test("a job among services, or services among jobs, are shown the way", () => {
  assert.match(wrongIn('schedule: "@daily"\ncommand: x')[0]!, /unknown key `schedule` \(jobs belong into cron\.d\)/);
  assert.match(wrongIn("jobs: {}\ncommand: x")[0]!, /unknown key `jobs` \(jobs belong into cron\.d\)/);
  assert.match(
    wrongInJob('schedule: "@daily"\ncommand: x\nservices: {}')[0]!,
    /unknown key `services` \(services belong into services\.d\)/,
  );
});

test("no text makes the reading of jobs fail, and what is not in the plan has a mistake", () => {
  const key = fc.constantFrom(
    ...[
      "schedule",
      "command",
      "timezone",
      "overlap",
      "retries",
      "notify",
      "keep",
      "output",
      "env",
      "jobs",
      "on_missed",
    ],
    ...["depends_on", "concurrency", "splay", "dialect", "days", "logs", "<<", "x-y", "when_blocked"],
  );
  const leaf = fc.oneof(
    fc.constantFrom('"@daily"', '"* * * * *"', "@every 5m", "0 0 L * *", "1h", "-1", "${A}", "$", "&a", "*a", "~", '"'),
    fc.string({ maxLength: 12 }),
  );
  const value = fc.oneof(
    leaf,
    fc.array(leaf, { maxLength: 3 }).map((all) => `[${all.join(", ")}]`),
    fc.array(fc.tuple(key, leaf), { maxLength: 3 }).map((all) => `{ ${all.map(([k, v]) => `${k}: ${v}`).join(", ")} }`),
  );
  const file = fc
    .array(fc.tuple(key, value), { maxLength: 6 })
    .map((all) => all.map(([k, v]) => `${k}: ${v}`).join("\n"));
  fc.assert(
    fc.property(fc.oneof(file, fc.string({ unit: "binary" })), (text) => {
      const plan = planOf({ "cron.d/tidy.yaml": text, "cron.d/good.yaml": 'schedule: "@daily"\ncommand: x' });
      assert.ok(plan.jobs.has("good"));
      for (const { line, column, what, fix } of plan.mistakes) {
        assert.ok(line >= 1 && column >= 1 && what !== "" && fix !== "", JSON.stringify(text));
      }
      for (const job of plan.jobs.values()) {
        assert.ok(job.schedules.length > 0);
        // Kept in the core's journal.
        assert.deepEqual(JSON.parse(JSON.stringify(job)), job);
      }
    }),
    { numRuns: 500 },
  );
});
