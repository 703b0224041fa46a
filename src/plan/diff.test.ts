import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { diffJob, diffJobs, diffPlans, diffServices } from "./diff.ts";
import type { Service } from "./plan.ts";
import { jobFrom, planOf, serviceFrom } from "./testing.ts";

const BASE = "command: x\nhealthcheck: { tcp: 80 }\n";

function change(before: string, after: string): { restart: boolean; details: string[] } | null {
  const diff = diffServices(serviceFrom(before), serviceFrom(after));
  return (
    diff && { restart: diff.restart, details: diff.details.map((one) => `${one.field}: ${one.before} → ${one.after}`) }
  );
}

test("what a running process cannot see changes without a restart", () => {
  const free: Record<string, string> = {
    "description: new": "description:  → new",
    "when: { env: A }": "when: (none) → env A",
    "enabled: false": "enabled: true → false",
    "autostart: false": "autostart: true → false",
    "restart: no": "restart: always → no",
    "success_exit_codes: [0, 3]": "success_exit_codes: 0 → 0, 3",
    "startsecs: 5": "startsecs: 1s → 5s",
    "backoff: { longest: 2m }": "backoff.longest: 1m → 2m",
    "give_up: never": "give_up: 10 within 10m → never",
    "stop_signal: INT": "stop_signal: SIGTERM → SIGINT",
    "stop_grace_period: 45s": "stop_grace_period: 10s → 45s",
    "stop_to: main": "stop_to: group → main",
    "reload_signal: HUP": "reload_signal: (none) → SIGHUP",
    "logs: { keep: 3, max_size: 1G }": "logs.max_size: 50M → 1G|logs.keep: 10 → 3",
    "on: { failed: notify }": "on.failed: (none) → notify",
  };
  for (const [line, details] of Object.entries(free)) {
    assert.deepEqual(change(BASE, BASE + line), { restart: false, details: details.split("|") }, line);
  }
  assert.deepEqual(
    change("command: x\nhealthcheck: { tcp: 80 }", "command: x\nhealthcheck: { tcp: 81, interval: 5s }")?.restart,
    false,
  );
  assert.deepEqual(change(BASE, `${BASE}logs: none`), { restart: false, details: ["logs: kept → none"] });
});

test("what a process gets at its start needs a restart", () => {
  const costly: Record<string, string> = {
    "working_dir: /w": "working_dir: (none) → /w",
    "user: me": "user: (none) → me",
    "group: g": "group: (none) → g",
    "umask: 027": "umask: (none) → 027",
    "environment: { A: 1, B: }": "environment.A: (none) → 1|environment.B: (none) → (from svcd)",
    "env_file: [a, '?b']": "env_file: (none) → a, ?b",
    "venv: /v": "venv: (none) → /v",
    "limits: { nofile: 5 }": "limits.nofile: (none) → 5",
    "shell: true": "command: x → /bin/sh -c x",
  };
  for (const [line, details] of Object.entries(costly)) {
    assert.deepEqual(change(BASE, BASE + line), { restart: true, details: details.split("|") }, line);
  }
  assert.deepEqual(change("command: a b", "command: a c"), { restart: true, details: ["command: a b → a c"] });
});

test("moving a service about, commenting it and reordering its keys changes nothing", () => {
  assert.equal(
    change(
      "command: x\nuser: me\nenvironment: { A: 1, B: 2 }",
      "# a comment\n\nuser:   me\nenvironment:\n  B: 2\n  A: '1'\ncommand: x",
    ),
    null,
  );
});

test("a key that is added to Service later is compared and restarts until someone says otherwise", () => {
  const before = serviceFrom("command: x");
  for (const later of [1, "x", { deep: [1] }, false, null]) {
    const diff = diffServices(before, { ...before, later } as unknown as Service);
    assert.equal(diff?.restart, true, JSON.stringify(later));
    assert.deepEqual(diff?.fields, ["later"]);
  }
});

test("a plan says what it adds, removes, changes and leaves alone", () => {
  const before = planOf({
    "a.yaml": "command: x",
    "b.yaml": "command: x",
    "c.yaml": "command: x",
    "d.yaml": "command: x",
  }).services;
  const after = planOf({
    "a.yaml": "command: x",
    "b.yaml": "command: y",
    "c.yaml": "command: x\nstartsecs: 2",
    "e.yaml": "command: x",
  });
  const diff = diffPlans(before, after);
  assert.deepEqual([diff.added, diff.removed, diff.unchanged, diff.kept], [["e"], ["d"], ["a"], []]);
  assert.deepEqual(
    diff.changed.map(({ name, restart, fields }) => [name, restart, fields]),
    [
      ["b", true, ["command"]],
      ["c", false, ["startsecs"]],
    ],
  );
});

test("a broken file keeps what it gave before, whatever the mistake; a good change beside it counts", () => {
  const before = planOf({
    "f.yaml": "services: { a: { command: x }, b: { command: x }, r: { command: x, replicas: 3 } }",
    "g.yaml": "command: x",
  }).services;
  const kept = (f: string) => diffPlans(before, planOf({ "f.yaml": f, "g.yaml": "command: x" }));
  assert.deepEqual(kept("services: { a: { command: 'x").kept, ["a", "b", "r@1", "r@2", "r@3"]);
  const half = kept("services: { a: { comand: x }, b: { command: y }, r: { command: x, replicas: 2 } }");
  assert.deepEqual(
    [half.kept, half.removed, half.changed.map((one) => one.name), half.unchanged],
    [["a", "r@3"], [], ["b"], ["r@1", "r@2", "g"]],
  );
  assert.deepEqual(kept("services: { a: { command: x } }").removed, ["b", "r@1", "r@2", "r@3"]);
});

test("a service that moves into a broken file is kept too", () => {
  const before = planOf({ "f.yaml": "services: { a: { command: x }, b: { command: x, replicas: 2 } }" }).services;
  const after = planOf({
    "f.yaml": "services: { c: { command: x } }",
    "g.yaml": "services: { a: { comand: x }, b: { command: x, restart: maybe } }",
  });
  assert.deepEqual(diffPlans(before, after).kept, ["a", "b@1", "b@2"]);
});

test("every service is the same as itself, and a change seen one way is seen the other way", () => {
  const line = fc.constantFrom(
    "user: me",
    "startsecs: 5",
    "environment: { A: 1 }",
    "environment: { A: 2, B: 1 }",
    "logs: none",
    "logs: { keep: 1 }",
    "limits: { nice: 5 }",
    "replicas: 1",
    "healthcheck: { tcp: 80 }",
    "healthcheck: { log: up }",
    "on: { failed: x }",
    "give_up: never",
    "startretries: 3",
    "depends_on: { o: ready }",
  );
  const service = fc
    .uniqueArray(line, {
      selector: (one) => (one.startsWith("give") || one.startsWith("startr") ? "g" : one.split(":")[0]!),
      maxLength: 6,
    })
    .map((lines) => {
      const noCheck = lines.includes("logs: none") ? lines.filter((one) => !one.includes("log: up")) : lines;
      return planOf({ "o.yaml": "command: o", "web.yaml": ["command: x", ...noCheck].join("\n") }).services.get("web")!;
    });
  fc.assert(
    fc.property(service, service, (a, b) => {
      assert.equal(diffServices(a, structuredClone(a)), null);
      const [there, back] = [diffServices(a, b), diffServices(b, a)];
      assert.equal(there?.restart, back?.restart);
      assert.deepEqual(new Set(there?.fields), new Set(back?.fields));
      for (const one of there?.details ?? []) assert.notEqual(one.before === one.after, true, JSON.stringify(one));
    }),
    { numRuns: 2000 },
  );
});

// --- jobs ------------------------------------------------------------------------------------------------------------

const JOB = 'schedule: "@daily"\ncommand: x\ndepends_on: vllm\n';

test("what is different about a job is told in the words of its file", () => {
  const lines: Record<string, string> = {
    "description: new": "description:  → new",
    "working_dir: /w": "working_dir: (none) → /w",
    "user: me": "user: (none) → me",
    "environment: { A: 1 }": "environment.A: (none) → 1",
    "limits: { nice: 5 }": "limits.nice: (none) → 5",
    "when: { env: A }": "when: (none) → env A",
    "success_exit_codes: [0, 3]": "success_exit_codes: 0 → 0, 3",
    "stop_grace_period: 45s": "stop_grace_period: 10s → 45s",
    "enabled: false": "enabled: true → false",
    "timezone: Europe/Berlin": "timezone: UTC → Europe/Berlin",
    "overlap: queue": "overlap: skip → queue",
    "timeout: 1h": "timeout: (none) → 1h",
    "start_deadline: 5m": "start_deadline: (none) → 5m",
    "retries: 3": "retries.most: 0 → 3",
    "retries: { most: 0, longest: 1h }": "retries.longest: 10m → 1h",
    "on_missed: all": "on_missed: once → all",
    "missed_window: 2d": "missed_window: 1d → 2d",
    "splay: 5m": "splay: 0s → 5m",
    "lock: db": "lock: (none) → db",
    "concurrency: { group: gpu, most: 2 }": "concurrency: (none) → gpu, at most 2",
    "when_blocked: skip": "when_blocked: wait → skip",
    "keep: { successes: 5, for: 30d }": "keep.successes: 50 → 5|keep.for: (none) → 30d",
    "output: { tail: 2M }": "output.tail: 1M → 2M",
    "logs: { timestamps: true }": "logs.timestamps: false → true",
    "logs: none": "logs: kept → none",
    "env: clean": "env: (none) → clean",
    "notify: { mail: root, when: output }": "notify: (none) → mail to root on output",
    "notify: [{ on: failure, webhook: 'http://h/' }, { on: missed, command: page ops }]":
      "notify: (none) → http://h/ on failure, page ops on missed",
  };
  for (const [line, details] of Object.entries(lines)) {
    const change = diffJob(jobFrom(JOB), jobFrom(JOB + line));
    const told = change?.details.map(({ field, before, after }) => `${field}: ${before} → ${after}`);
    assert.deepEqual(told, details.split("|"), line);
  }
  const of = (lines: string) => diffJob(jobFrom(JOB), jobFrom(lines))?.details;
  assert.deepEqual(of('schedule: ["@daily", "5 4 * * *"]\ncommand: x\ndepends_on: vllm'), [
    { field: "schedule", before: "@daily", after: "@daily, 5 4 * * *" },
  ]);
  assert.deepEqual(of('schedule: "@daily"\ncommand: x\ndepends_on: { vllm: started }'), [
    { field: "depends_on", before: "vllm@1: ready, vllm@2: ready", after: "vllm@1: started, vllm@2: started" },
  ]);
});

test("a job that is moved, or spelled in another way, is the same job", () => {
  assert.equal(
    diffJob(jobFrom(JOB), jobFrom(`# above\ncommand: x\ndepends_on: vllm\nschedule: '@daily'\nkeep: 50\n`)),
    null,
  );
  const line = (text: string) => [...planOf({ "cron.d/web": text }).jobs.values()][0]!;
  assert.equal(diffJob(line("@daily a\n"), line("\n# moved\n@daily   a\n")), null);
});

test("one schedule in two dialects is a change, though it is written the same", () => {
  const of = (days: string) => jobFrom(`schedule: "0 0 1 * 1"\ncommand: x\n${days}`);
  assert.deepEqual(diffJob(of(""), of("days: and"))?.fields, ["schedule"]);
});

test("a plan says which jobs are new, changed, gone, and which a mistake hides", () => {
  const daily = 'schedule: "@daily"\ncommand: x\n';
  const before = planOf({
    "cron.d/a.yaml": daily,
    "cron.d/b.yaml": daily,
    "cron.d/c.yaml": daily,
    "cron.d/d.yaml": daily,
    "cron.d/web": "@daily one\n@daily two\n@daily three\n",
  });
  const after = planOf({
    "cron.d/a.yaml": daily,
    "cron.d/b.yaml": daily.replace("daily", "hourly"),
    "cron.d/c.yaml": daily.replace("daily", "dialy"),
    "cron.d/new.yaml": daily,
    "cron.d/web": "@hourly two\n@dialy three\n",
  });
  const byCommand = new Map([...before.jobs.values()].map(({ name, service }) => [service.description, name]));
  const { added, changed, removed, kept, unchanged } = diffJobs(before.jobs, after);
  assert.deepEqual(unchanged, ["a"]);
  assert.deepEqual(added, ["new"]);
  assert.deepEqual(
    changed.map(({ name, fields }) => `${name} ${fields}`),
    ["b schedule", `${byCommand.get("two")} schedule`],
  );
  assert.deepEqual(removed, ["d", byCommand.get("one")]);
  assert.deepEqual(kept, ["c", byCommand.get("three")]);
});
