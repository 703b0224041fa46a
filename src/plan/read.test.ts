import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatMistake } from "./mistake.ts";
import type { Plan } from "./plan.ts";
import { type KnownFiles, readPlan } from "./read.ts";
import { serviceShape } from "./schema.ts";
import { fileOf, MACHINE, mistakesOf, planOf, serviceFrom, wrongIn } from "./testing.ts";

// --- what a file means ---------------------------------------------------------------------------------------------

test("a command is enough: everything else has its default", () => {
  const service = serviceFrom("command: sleep 5");
  assert.deepEqual(service, {
    name: "web",
    replica: null,
    groups: ["web"],
    source: { file: "web.yaml", line: 1, column: 1 },
    lines: { command: 1 },
    description: "",
    command: { kind: "text", text: "sleep 5" },
    workingDir: null,
    user: null,
    group: null,
    umask: null,
    environment: {},
    envFiles: [],
    venv: null,
    when: null,
    enabled: true,
    autostart: true,
    essential: false,
    policy: {
      restart: "always",
      successExitCodes: [0],
      startsecsMs: 1000,
      backoff: { firstMs: 200, factor: 2, longestMs: 60_000, jitter: 0.1, steadyMs: 60_000 },
      giveUp: { kind: "window", failures: 10, withinMs: 600_000 },
      stopSignal: "SIGTERM",
      stopGraceMs: 10_000,
      stopTo: "group",
      health: null,
    },
    check: null,
    dependsOn: [],
    reloadSignal: null,
    limits: { rlimits: {}, nice: null, oomScoreAdj: null },
    logs: { maxSizeBytes: 52_428_800, keep: 10, timestamps: false, compress: true, stderr: "merged" },
    on: {},
  });
});

test("every key of a service is read", () => {
  const service = serviceFrom(`
description: all of it
command: [server, --port, 8000, ""]
working_dir: /srv/\${NAME}
user: 1000
group: video
umask: 022
environment: [A=1, "B=x=\${Y:-z}", C]
env_file: [/etc/environment, "?\${W:-/w}/.env", { path: /x, required: false }]
venv: /opt/venv
recipe: vllm
when: { env: [A, B], command: nvidia-smi, not: { file: /x }, any: [{ env: C }, { all: [{ env: D }] }] }
enabled: no
autostart: false
essential: yes
restart: on-failure
success_exit_codes: [0, 3]
startsecs: 2
backoff: { first: 1s, factor: 1.5, longest: 2m, jitter: 0, steady: 5m }
give_up: { failures: 3, within: 1h }
healthcheck: { tcp: "127.0.0.1:8000", interval: 5s, timeout: 1s, retries: 6, start_period: 1h, on_unhealthy: nothing }
stop_signal: int
stop_grace_period: 1m30s
stop_to: main
reload_signal: SIGHUP
limits: { nofile: 65536, core: unlimited, memory: 4G, cpu: 1h, nice: -5, oom_score_adj: 500 }
logs: { max_size: 1G, keep: 3, format: raw, timestamps: true, compress: false, stderr: separate }
on: { failed: "https://hooks.example/x", healthy: [notify, up], stopped: echo "it stopped" }
idle: { after: 20m, then: { run: [sync, home] }, metrics: "http://127.0.0.1:\${PORT}/metrics", gpu: false, dry_run: true }
`);
  assert.deepEqual(service, {
    name: "web",
    replica: null,
    groups: ["web"],
    source: { file: "web.yaml", line: 2, column: 1 },
    lines: service.lines,
    description: "all of it",
    command: { kind: "words", words: ["server", "--port", "8000", ""] },
    workingDir: "/srv/${NAME}",
    user: "1000",
    group: "video",
    umask: 0o022,
    environment: { A: "1", B: "x=${Y:-z}", C: null },
    envFiles: [
      { path: "/etc/environment", optional: false },
      { path: "${W:-/w}/.env", optional: true },
      { path: "/x", optional: true },
    ],
    venv: "/opt/venv",
    recipe: "vllm",
    when: {
      kind: "all",
      conditions: [
        { kind: "env", name: "A" },
        { kind: "env", name: "B" },
        { kind: "command", program: "nvidia-smi" },
        { kind: "not", condition: { kind: "file", path: "/x" } },
        {
          kind: "any",
          conditions: [
            { kind: "env", name: "C" },
            { kind: "all", conditions: [{ kind: "env", name: "D" }] },
          ],
        },
      ],
    },
    enabled: false,
    autostart: false,
    essential: true,
    policy: {
      restart: "on-failure",
      successExitCodes: [0, 3],
      startsecsMs: 2000,
      backoff: { firstMs: 1000, factor: 1.5, longestMs: 120_000, jitter: 0, steadyMs: 300_000 },
      giveUp: { kind: "window", failures: 3, withinMs: 3_600_000 },
      stopSignal: "SIGINT",
      stopGraceMs: 90_000,
      stopTo: "main",
      health: { intervalMs: 5000, timeoutMs: 1000, retries: 6, startPeriodMs: 3_600_000, onUnhealthy: "nothing" },
    },
    check: { kind: "tcp", address: "127.0.0.1:8000" },
    dependsOn: [],
    reloadSignal: "SIGHUP",
    limits: { rlimits: { nofile: 65_536, core: null, memory: 4 * 1024 ** 3, cpu: 3600 }, nice: -5, oomScoreAdj: 500 },
    logs: { maxSizeBytes: 1024 ** 3, keep: 3, timestamps: true, compress: false, stderr: "separate" },
    on: {
      failed: { kind: "webhook", url: "https://hooks.example/x" },
      healthy: { kind: "command", command: { kind: "words", words: ["notify", "up"] } },
      stopped: { kind: "command", command: { kind: "text", text: 'echo "it stopped"' } },
    },
    idle: {
      afterMs: 1_200_000,
      action: { do: "run", hook: { kind: "command", command: { kind: "words", words: ["sync", "home"] } } },
      dryRun: true,
      metrics: "http://127.0.0.1:${PORT}/metrics",
      jupyter: null,
      gpu: false,
    },
  });
});

test("every key that the schema names is read by the test before this one or named here", () => {
  const known = Object.keys((serviceShape as unknown as { entries: object }).entries);
  const elsewhere = ["shell", "startretries", "depends_on", "replicas", "gpus", "phases", "stall", "smoke", "expose"];
  const above = [
    "command",
    "description",
    "working_dir",
    "user",
    "group",
    "umask",
    "environment",
    "env_file",
    "venv",
    "recipe",
    "when",
    "enabled",
    "autostart",
    "essential",
    "restart",
    "success_exit_codes",
    "startsecs",
    "backoff",
    "give_up",
    "healthcheck",
    "stop_signal",
    "stop_grace_period",
    "stop_to",
    "reload_signal",
    "limits",
    "logs",
    "on",
    "idle",
  ];
  assert.deepEqual(known.sort(), [...above, ...elsewhere].sort());
});

test("values are taken as they are written: YAML makes nothing else of them", () => {
  const service = serviceFrom(
    "command: x\numask: 022\nenvironment: { A: 080, B: no, C: 1e3, D: 0x10, E: true, F: ~, G: '', H: 1.50, I: null, J: 'null' }",
  );
  assert.equal(service.umask, 0o022);
  assert.deepEqual(service.environment, {
    A: "080",
    B: "no",
    C: "1e3",
    D: "0x10",
    E: "true",
    F: null,
    G: "",
    H: "1.50",
    I: null,
    J: "null",
  });
  for (const [written, mask] of [
    ["077", 0o077],
    ['"022"', 0o022],
    ["0o22", 0o022],
    ["0", 0],
    ["0777", 0o777],
  ] as const) {
    assert.equal(serviceFrom(`command: x\numask: ${written}`).umask, mask, written);
  }
});

test("restart takes Compose's words and both ways to write no", () => {
  for (const [written, rule] of [
    ["always", "always"],
    ["unless-stopped", "always"],
    ["on-failure", "on-failure"],
    ["no", "no"],
    ['"no"', "no"],
    ["false", "no"],
  ] as const) {
    assert.equal(serviceFrom(`command: x\nrestart: ${written}`).policy.restart, rule, written);
  }
});

test("give_up can be never, and startretries takes its place", () => {
  assert.deepEqual(serviceFrom("command: x\ngive_up: never").policy.giveUp, { kind: "never" });
  assert.deepEqual(serviceFrom("command: x\ngive_up: { failures: 2 }").policy.giveUp, {
    kind: "window",
    failures: 2,
    withinMs: 600_000,
  });
  assert.deepEqual(serviceFrom("command: x\nstartretries: 3").policy.giveUp, { kind: "startretries", retries: 3 });
  assert.deepEqual(wrongIn("command: x\nstartretries: 3\ngive_up: never"), [
    "2:1 `startretries`: `give_up` is there too, and one of them decides (remove one of the two)",
  ]);
});

test("a backoff that begins longer than the usual longest goes as far as it begins", () => {
  assert.equal(serviceFrom("command: x\nbackoff: { first: 5m }").policy.backoff.longestMs, 300_000);
  assert.deepEqual(wrongIn("command: x\nbackoff: { first: 5m, longest: 1m }"), [
    "2:32 `backoff.longest`: 1m is less than `first` (5m) (make `longest` at least as long as `first`)",
  ]);
});

test("a condition is the facts that it names, each as it is written", () => {
  const { when } = serviceFrom(`command: x
when:
  env: { SERVERLESS: true, NAMES: "*jupyter*" }
  file: [/a, { path: "\${D}/b", contains: c }]
  port: \${P:-22}
  process: [cron, crond]
  user: root
`);
  assert.deepEqual(when, {
    kind: "all",
    conditions: [
      { kind: "value", name: "SERVERLESS", value: "true" },
      { kind: "value", name: "NAMES", value: "*jupyter*" },
      { kind: "file", path: "/a" },
      { kind: "mention", path: "${D}/b", text: "c" },
      { kind: "port", port: "${P:-22}" },
      { kind: "process", program: "cron" },
      { kind: "process", program: "crond" },
      { kind: "user", name: "root" },
    ],
  });
});

test("a shell runs only when it is asked for", () => {
  assert.deepEqual(serviceFrom("command: a | b\nshell: true").command, { kind: "shell", text: "a | b" });
  assert.deepEqual(serviceFrom("command: a | b").command, { kind: "text", text: "a | b" });
  assert.match(wrongIn("command: [a, b]\nshell: true")[0]!, /a list needs no shell/);
});

test("logs: none discards the output", () => {
  assert.equal(serviceFrom("command: x\nlogs: none").logs, null);
});

test("replicas are numbered, share a group, and whoever depends on the name depends on all of them", () => {
  const plan = planOf({
    "farm.yaml":
      "services:\n  web: { command: x, replicas: 3 }\n  lb: { command: y, depends_on: { web: ready } }\n  one: { command: z, depends_on: [web@2] }",
  });
  assert.deepEqual(mistakesOf(plan), []);
  assert.deepEqual([...plan.services.keys()], ["web@1", "web@2", "web@3", "lb", "one"]);
  const second = plan.services.get("web@2")!;
  assert.deepEqual([second.name, second.replica, second.groups], ["web@2", 2, ["farm", "web"]]);
  assert.deepEqual(
    plan.services.get("lb")!.dependsOn,
    [1, 2, 3].map((n) => ({ name: `web@${n}`, condition: "ready" })),
  );
  assert.deepEqual(plan.services.get("one")!.dependsOn, [{ name: "web@2", condition: "started" }]);
  assert.deepEqual(serviceFrom("command: x\nreplicas: 2").groups, ["web"]);
});

test("depends_on says whether a failure is waited out or gone on without", () => {
  const plan = planOf({
    "f.yaml": `services:
  up: { command: x, restart: no }
  a: { command: x, depends_on: { up: { condition: completed, on_failure: continue } } }
  b: { command: x, depends_on: { up: { condition: completed, on_failure: wait } } }
  c: { command: x, depends_on: { up: { condition: completed, required: false } } }`,
  });
  assert.deepEqual(plan.services.get("a")!.dependsOn, [{ name: "up", condition: "completed", onFailure: "continue" }]);
  assert.deepEqual(plan.services.get("b")!.dependsOn, [{ name: "up", condition: "completed" }]);
  assert.match(mistakesOf(plan).join(), /unknown key `required`.*write `on_failure: continue`/);
});

test("depends_on takes a list, a map, and Compose's long form", () => {
  const others = "  a: { command: x, restart: no }\n  b: { command: x }\n";
  const plan = planOf({
    "f.yaml": `services:\n${others}  l: { command: x, depends_on: [a, b, a] }\n  m: { command: x, depends_on: { a: completed, b: ready } }\n  c: { command: x, depends_on: { a: { condition: service_completed_successfully }, b: { condition: service_healthy } } }`,
  });
  assert.deepEqual(mistakesOf(plan), []);
  assert.deepEqual(plan.services.get("l")!.dependsOn, [
    { name: "a", condition: "started" },
    { name: "b", condition: "started" },
  ]);
  assert.deepEqual(plan.services.get("m")!.dependsOn, [
    { name: "a", condition: "completed" },
    { name: "b", condition: "ready" },
  ]);
  assert.deepEqual(plan.services.get("c")!.dependsOn, plan.services.get("m")!.dependsOn);
});

test("services keep the order of files and of their lines", () => {
  const plan = planOf({
    "z.yaml": "services: { b: { command: x }, a: { command: x } }",
    "a.yaml": "command: x\n",
    "m.yaml": "services: {2: {command: x}, 1: {command: x}}",
  });
  assert.deepEqual([...plan.services.keys()].slice(0, 2), ["b", "a"]);
  assert.match(mistakesOf(plan).join(), /already, in z\.yaml:1/);
});

test("anchors, merges and keys of one's own work as in Compose", () => {
  const plan = planOf({
    "f.yaml":
      "x-base: &base\n  restart: no\n  environment: { A: 1 }\nservices:\n  a:\n    <<: *base\n    command: x\n    x-note: mine\n  b:\n    <<: [*base, { user: me, restart: always }]\n    command: y\n    restart: on-failure\n    environment: &env { B: 2 }\n  c: { command: z, environment: *env }\n",
  });
  assert.deepEqual(mistakesOf(plan), []);
  const [a, b, c] = [...plan.services.values()];
  assert.deepEqual([a!.policy.restart, a!.environment], ["no", { A: "1" }]);
  assert.deepEqual([b!.policy.restart, b!.user, b!.environment], ["on-failure", "me", { B: "2" }]);
  assert.deepEqual(c!.environment, { B: "2" });
});

test("what is decided at a start stays a template; everything else is filled in while reading", () => {
  const service = serviceFrom(
    "command: run ${A}\nuser: ${A}\ndescription: for ${A}\nreplicas: ${N:-1}\nstop_grace_period: ${G}\nhealthcheck: { log: '^${A} up$', interval: '${I:-7s}' }\nenabled: '${E:-no}'",
    { A: "x", G: "3s" },
  );
  assert.deepEqual(service.command, { kind: "text", text: "run ${A}" });
  assert.equal(service.user, "${A}");
  assert.equal(service.description, "for x");
  assert.equal(service.policy.stopGraceMs, 3000);
  assert.deepEqual(service.check, { kind: "log", pattern: "^x up$" });
  assert.equal(service.policy.health!.intervalMs, 7000);
  assert.equal(service.enabled, false);
});

test("a variable that is not there while reading is what the mistake names", () => {
  assert.deepEqual(wrongIn("command: x\nreplicas: ${COUNT}"), [
    "2:11 `replicas`: COUNT is not set where svcd runs (set it before svcd starts, or give a default: ${COUNT:-…})",
  ]);
  assert.deepEqual(wrongIn("command: x\nreplicas: ${COUNT}", { COUNT: "many" }), [
    "2:11 `replicas`: `${COUNT}` gives `many` is not a whole number (write a number from 1 to 1000)",
  ]);
  assert.deepEqual(wrongIn("command: x\nreplicas: ${COUNT:?how many}"), [
    "2:11 `replicas`: COUNT is not set: how many (set COUNT)",
  ]);
});

test("a file with nothing but comments describes nothing and is no mistake", () => {
  for (const text of ["", "\n\n", "# only\n  # comments\n", "---\n", "\uFEFF# x", "~\n", "---\n# x\n...\n"]) {
    const plan = planOf({ "web.yaml": text });
    assert.deepEqual([plan.services.size, mistakesOf(plan), plan.brokenFiles.size], [0, [], 0], JSON.stringify(text));
  }
});

test("Windows line ends and a byte order mark change nothing", () => {
  assert.deepEqual(serviceFrom("\uFEFFcommand: x\r\nuser: me\r\n").user, "me");
  assert.deepEqual(wrongIn("\uFEFFcommand: x\r\nusr: me\r\n"), ["2:1 unknown key `usr` (did you mean `user`?)"]);
  assert.equal(planOf({ "w.yaml": "command: x\r\nusr: me\r\n" }).mistakes[0]!.text, "usr: me");
});

// --- what is wrong ---------------------------------------------------------------------------------------------------

test("all mistakes of all files are told together, each with file, line, column, the line itself and what to do", () => {
  const plan = planOf({
    "a.yaml": "comand: x\nrestart: allways\n",
    "b.yaml": "services:\n  web:\n    command: x\n    startsecs: soon\n    replicas: 0\n  ok: { command: y }\n",
    "c.yaml": "command: z\n",
  });
  assert.deepEqual(mistakesOf(plan), [
    "a.yaml:1:1 unknown key `comand` (did you mean `command`?)",
    "a.yaml:2:10 `restart`: unknown word `allways` (did you mean `always`?)",
    "b.yaml:4:16 `startsecs`: `soon` is not a duration (write it like 200ms, 45s, 1m30s, 1h or 2d (a bare number is seconds))",
    "b.yaml:5:15 `replicas`: 0 is less than 1 (write 1 to 1000)",
  ]);
  assert.deepEqual([...plan.services.keys()], ["ok", "c"]);
  assert.deepEqual([...plan.brokenFiles], ["a.yaml", "b.yaml"]);
  assert.deepEqual([...plan.brokenNames], ["a", "web"]);
  assert.equal(
    formatMistake(plan.mistakes[2]!),
    "b.yaml:4:16: `startsecs`: `soon` is not a duration\n  4 |     startsecs: soon\n    |                ^\n  fix: write it like 200ms, 45s, 1m30s, 1h or 2d (a bare number is seconds)",
  );
});

const WRONG: Record<string, string[]> = {
  // keys
  "{}": ["1:1 `command` is missing (add a line like `command: python3 server.py`)"],
  "command: x\nenviroment: {}": ["2:1 unknown key `enviroment` (did you mean `environment`?)"],
  "command: x\ntunnel: 1": ["2:1 unknown key `tunnel` (write `tunnel: quick` inside of `expose:`)"],
  "command: x\nautorestart: true\ndirectory: /": [
    "2:1 unknown key `autorestart` (write `restart: always`, `on-failure` or `no`)",
    "3:1 unknown key `directory` (write `working_dir:`)",
  ],
  "command: x\nlogs: { max_sice: 1M, keep: x }": [
    "2:9 unknown key `max_sice` in `logs` (did you mean `max_size`?)",
    "2:29 `logs.keep`: `x` is not a whole number (write a number from 0 to 10000)",
  ],
  "{command:x}": ["1:2 unknown key `command:x` (put a space behind the colon)"],
  "command: x\n__proto__: 1": ["2:1 `__proto__` cannot be a key (choose another name)"],
  "command: x\nenvironment: { __proto__: 1 }": ["2:16 `__proto__` cannot be a key (choose another name)"],
  "command: x\nuser: a\nuser: b": ["3:1 `user` is written twice: it already stands in line 2 (keep one of the two)"],
  "command: x\n? [a]\n: b": ["2:3 a list, map or alias cannot be a key here (write a word)"],
  // types
  "command:": ["1:1 `command` has no value (give it a value, or remove the line)"],
  "command: { a: b }": ["1:10 `command`: a map where text or a list belongs (write text or a list)"],
  "command: []": ["1:10 `command`: the list is empty (add an item, or remove the line)"],
  "command: [a, [b]]": ["1:14 `command` (item 2): a list where text belongs (write text)"],
  "command: ''": ["1:10 `command`: it is empty (give it a value, or remove the line)"],
  "command: ['', x]": ["1:11 `command` (item 1): the program's name is empty (begin the list with the program)"],
  "command: x\nhealthcheck: 5": [
    "2:14 `healthcheck`: `5` where a map belongs (write `{ key: value }`, or its keys on lines of their own below it)",
  ],
  "command: x\nstartsecs: [1]": [
    "2:12 `startsecs`: a list where a duration belongs (write it like 200ms, 45s, 1m30s, 1h or 2d (a bare number is seconds))",
  ],
  "command: x\nenabled: maybe": ["2:10 `enabled`: `maybe` is neither true nor false (write true or false)"],
  "command: x\nenvironment: [1A=x]": [
    "2:15 `environment` (item 1): `1A` cannot be the name of a variable (use letters, digits and _; the first is not a digit)",
  ],
  // ranges and forms
  "command: x\nreplicas: 1001": ["2:11 `replicas`: 1001 is more than 1000 (write 1 to 1000)"],
  "command: x\nreplicas: 1.5": ["2:11 `replicas`: `1.5` is not a whole number (write a number from 1 to 1000)"],
  "command: x\nbackoff: { factor: 0.5, jitter: 2 }": [
    "2:20 `backoff.factor`: 0.5 is less than 1 (write 1 to 100)",
    "2:33 `backoff.jitter`: 2 is more than 1 (write 0 to 1)",
  ],
  "command: x\numask: 999": ["2:8 `umask`: `999` is not a umask (write it in octal, such as 022 or 077)"],
  "command: x\nstop_signal: TREM": ["2:14 `stop_signal`: `TREM` is not a signal (did you mean `TERM`?)"],
  "command: x\nsuccess_exit_codes: [0, 256]": [
    "2:25 `success_exit_codes` (item 2): 256 is more than 255 (write 0 to 255)",
  ],
  "command: x\nlogs: { max_size: 10, format: json }": [
    "2:19 `logs.max_size`: 10 is less than 1k (write 1k or more)",
    "2:31 `logs.format`: unknown word `json` (write `raw`)",
  ],
  "command: x\nlimits: { nofile: lots, memory: big, nice: 20 }": [
    "2:19 `limits.nofile`: `lots` is not a whole number (write a number, or unlimited)",
    "2:33 `limits.memory`: `big` is not a size (write it like 512k, 50M or 1G (a bare number is bytes))",
    "2:44 `limits.nice`: 20 is more than 19 (write -20 to 19)",
  ],
  "command: x\nstop_to: everyone": ["2:10 `stop_to`: unknown word `everyone` (write `group` or `main`)"],
  // commands and templates
  'command: a "b': [
    '1:12 `command`: the quote " at character 3 is not closed (add the closing ", or write \\" for the character itself)',
  ],
  "command: echo $(date)": [
    "1:15 `command`: `$(` begins no variable (no shell reads this; with `shell: true` write `$$(` so that the shell gets its `$`)",
  ],
  "command: x\nenvironment: { A: 'b ${C' }": ["2:22 `environment.A`: `${C` is not closed (add the closing `}`)"],
  "command: x\ndescription: costs $5": ["2:20 `description`: `$5` begins no variable (write `$$` for a dollar sign)"],
  // health
  "command: x\nhealthcheck: { interval: 1s }": [
    "2:1 `healthcheck` does not say what to probe (add one of `http`, `tcp`, `exec` or `log`)",
  ],
  "command: x\nhealthcheck: { tcp: 80, log: up }": [
    "2:25 `healthcheck.log`: `tcp` and `log` are given, and one decides (keep one of them)",
  ],
  "command: x\nhealthcheck: { log: '(' }": [
    "2:21 `healthcheck.log`: `(` is not a regular expression: Unterminated group (correct it; a backslash before a character takes its meaning away)",
  ],
  "command: x\nhealthcheck: { http: localhost:80 }": [
    "2:22 `healthcheck.http`: `localhost:80` is not an http URL (write it like http://127.0.0.1:8000/health)",
  ],
  "command: x\nhealthcheck: { tcp: localhost }": [
    "2:21 `healthcheck.tcp`: `localhost` is not an address (write a port (8000), or host:port (127.0.0.1:8000, [::1]:8000))",
  ],
  "command: x\nlogs: none\nhealthcheck: { log: up }": [
    "3:16 `healthcheck.log` reads the output, which `logs: none` discards (remove `logs: none`, or probe with http, tcp or exec)",
  ],
  "command: x\nhealthcheck: { test: [CMD, a] }": [
    "2:16 unknown key `test` in `healthcheck` (write `exec: [...]` with the words behind CMD, or `http:`, `tcp:` or `log:`)",
  ],
  // conditions
  "command: x\nwhen: {}": [
    "2:7 `when`: the condition says nothing (write at least one of env, command, file, port, process, user, not, all, any)",
  ],
  "command: x\nwhen: { any: [{ evn: A }] }": ["2:17 unknown key `evn` in `when.any` (item 1) (did you mean `env`?)"],
  "command: x\nwhen: { port: 70000 }": ["2:15 `when.port`: `70000` is no port (write a number from 1 to 65535)"],
  "command: x\nwhen: { port: ssh }": ["2:15 `when.port`: `ssh` is no port (write a number from 1 to 65535)"],
  "command: x\nwhen: { env: { A B: c } }": [
    "2:16 `when.env.A B`: `A B` cannot be the name of a variable (use letters, digits and _; the first is not a digit)",
  ],
  "command: x\nwhen: { file: { path: /x } }": [
    "2:9 `contains` is missing in `when.file` (write the path alone where it is enough that the file exists)",
  ],
  "command: x\nwhen: { env: A B }": [
    "2:14 `when.env`: `A B` cannot be the name of a variable (use letters, digits and _; the first is not a digit)",
  ],
  // references
  "command: x\ndepends_on: [web]": ["2:14 `web` depends on itself (remove it from `depends_on`)"],
  "command: x\ndepends_on: [db]": ["2:14 there is no service `db` (there is no other service)"],
  "command: x\ndepends_on: { db: redy }": ["2:19 `depends_on.db`: unknown word `redy` (did you mean `ready`?)"],
  // YAML itself
  "command: a: b": ["1:10 a value with `: ` in it looks like a second key (put the value in quotes)"],
  'command: "a" b': [
    "1:14 there is something behind the closing quote or bracket (put the whole value in quotes: '…' around it keeps every \" in it)",
  ],
  "command: 'x\nuser: y": ["1:10 the quote ' is not closed (add the closing ')"],
  "command: [a,\nuser: y": ["1:10 a bracket is not closed with ] (add ], and indent what is inside)"],
  "\tcommand: x": ["1:1 the line is indented with a tab (indent with spaces)"],
  "command: x\nuser:y\n": ["2:1 `user:y` is not `key: value` (write a colon and a space behind the key)"],
  "a:\n  b: 1\n c: 2": [
    "3:1 the line is not indented like the lines it belongs to (give the keys of one map the same number of spaces before them)",
  ],
  "command: x\n---\ncommand: y": [
    "2:1 the file holds more than one YAML document (remove the line `---`; several services go under `services:`)",
  ],
  "command: @x": ["1:10 a value cannot begin with @ (put the value in quotes)"],
  'command: "\\q"': [
    "1:11 \\q means nothing inside of double quotes (write \\\\ for a backslash, or use single quotes)",
  ],
  "command: !!int 5": ["1:10 tags such as `!name` have no meaning here (remove the tag, or put the value in quotes)"],
  "command: - x": [
    "1:10 a list begins on the line of its key (put the first `- ` on a line of its own, or write [a, b])",
  ],
  "command: *x": [
    "1:10 there is no anchor `&x` before `*x` (write the anchor first, or put the text in quotes if it begins with a *)",
  ],
  "command: &x [*x]": ["1:14 `*x` stands inside of what it means (an alias cannot hold itself)"],
  "<<<<<<< HEAD\ncommand: x\n=======\ncommand: y\n>>>>>>> z": [
    "1:1 the file holds the marks of an unfinished merge (resolve the conflict between <<<<<<< and >>>>>>>)",
  ],
  "command: x\nenvironment: { A: ${B}, C: d }": [
    '2:19 inside of { } and [ ] a value with `${…}` needs quotes (write it like "${NAME}")',
  ],
  "command: [echo, ${A:-b}]": ['1:17 inside of { } and [ ] a value with `${…}` needs quotes (write it like "${NAME}")'],
  "; mine\n[program:x]\ncommand=x": [
    "1:1 this is a supervisord file, not YAML (write `command: …` and the other keys as YAML)",
  ],
  hello: ["1:1 the file does not hold `key: value` lines (begin with `command:`, or with `services:` for several)"],
  "- command: x": [
    "1:1 the file does not hold `key: value` lines (begin with `command:`, or with `services:` for several)",
  ],
  "a\0b: c": ["1:2 the file holds a NUL byte: it is not text (write it anew as UTF-8 text)"],
};

for (const [text, expected] of Object.entries(WRONG)) {
  test(`a person is told what is wrong with ${JSON.stringify(text)}`, () => {
    assert.deepEqual(wrongIn(text), expected);
  });
}

test("two services of one name are told with both places, and the first stays", () => {
  const plan = planOf({
    "a.yaml": "services:\n  web: { command: first }",
    "web.yaml": "command: second",
    "c.yaml": "services:\n  x: { command: y }\n  x: { command: z }",
  });
  assert.deepEqual(mistakesOf(plan), [
    "web.yaml:1:1 there is a service `web` already, in a.yaml:2 (give one of the two another name)",
    "c.yaml:3:3 `x` is written twice: it already stands in line 2 (keep one of the two)",
  ]);
  assert.deepEqual(plan.services.get("web")!.command, { kind: "text", text: "first" });
  assert.deepEqual(plan.services.get("x")!.command, { kind: "text", text: "y" });
});

test("a second service of a name is told even when one of the two is wrong in itself, and spoils only its own", () => {
  const plan = planOf({ "web.yaml": "command: first", "b.yaml": "services: { web: { comand: x } }" });
  assert.deepEqual(plan.services.get("web")!.command, { kind: "text", text: "first" });
  const other = planOf({ "a.yaml": "services: { web: { comand: x } }", "web.yaml": "command: second" });
  assert.equal(other.services.has("web"), false);
  assert.match(mistakesOf(other).join("\n"), /web\.yaml:1:1 there is a service `web` already/);
});

test("names that cannot be names are told", () => {
  const plan = planOf({
    "f.yaml": `services:\n  -a: { command: x }\n  a b: { command: x }\n  web.stderr: { command: x }\n  ${"n".repeat(101)}: { command: x }\n  ok-1.2_3: { command: x }\n  a@1: { command: x }\n  constructor: { command: x }\n  prototype: { command: x, depends_on: { constructor: ready } }`,
  });
  assert.deepEqual(
    plan.mistakes.map((mistake) => mistake.line),
    [2, 3, 4, 5, 7],
  );
  assert.deepEqual([...plan.services.keys()], ["ok-1.2_3", "constructor", "prototype"]);
  assert.match(plan.mistakes[2]!.what, /its log would be the stderr log of another/);
});

test("a cycle names its way round and takes only its own services along", () => {
  const plan = planOf({
    "f.yaml":
      "services:\n  a: { command: x, depends_on: [b] }\n  b: { command: x, depends_on: [c] }\n  c: { command: x, depends_on: [a] }\n  before: { command: x, depends_on: [a] }\n  after: { command: x }\n",
    "d.yaml": "command: x\ndepends_on: [e]",
    "e.yaml": "command: x\ndepends_on: { d: ready }",
  });
  assert.deepEqual(mistakesOf(plan), [
    "f.yaml:2:33 these wait for each other: a → b → c → a (remove one of these dependencies)",
    "d.yaml:2:14 these wait for each other: d → e → d (remove one of these dependencies)",
    "e.yaml:2:15 these wait for each other: e → d → e (remove one of these dependencies)",
  ]);
  assert.deepEqual([...plan.services.keys()], ["before", "after"]);
  assert.deepEqual([...plan.brokenNames].sort(), ["a", "b", "c", "d", "e"]);
});

test("a reference to no service is a mistake of the one that makes it, with the name that was meant", () => {
  const plan = planOf({
    "f.yaml":
      "services:\n  database: { command: x }\n  web: { command: x, depends_on: [datbase] }\n  two: { command: x, replicas: 2 }\n  three: { command: x, depends_on: [two@3] }\n  four: { command: x, depends_on: [web] }",
  });
  assert.deepEqual(mistakesOf(plan), [
    "f.yaml:3:35 there is no service `datbase` (did you mean `database`?)",
    "f.yaml:5:37 there is no instance `two@3`: `two` has the instances two@1 to two@2 (write `two` for all of it)",
  ]);
  assert.deepEqual([...plan.services.keys()], ["database", "two@1", "two@2", "four"]);
  assert.deepEqual(
    plan.services.get("four")!.dependsOn,
    [{ name: "web", condition: "started" }],
    "web exists, though it is spoilt: four waits for it",
  );
});

test("waiting for the end of a service that always restarts is a mistake", () => {
  const plan = planOf({
    "f.yaml":
      "services:\n  a: { command: x }\n  b: { command: x, depends_on: { a: completed } }\n  c: { command: x, restart: on-failure }\n  d: { command: x, depends_on: { c: completed } }",
  });
  assert.deepEqual(mistakesOf(plan), [
    "f.yaml:3:34 `a` never completes: it has `restart: always` (give `a` `restart: no` or `on-failure`, or wait for `ready`)",
  ]);
});

test("a supervisord file is not read yet and says so", () => {
  const plan = planOf({ "web.conf": "; mine\n[program:web]\ncommand=x" });
  assert.deepEqual(mistakesOf(plan), [
    "web.conf:1:1 supervisord files are not read by this version yet (write web.yaml)",
  ]);
  assert.deepEqual([...plan.brokenFiles], ["web.conf"]);
});

test("a file that cannot be parsed names what it still shows, so that nothing of it is stopped", () => {
  const plan = planOf({ "f.yaml": "services:\n  a: { command: x }\n  b: { command: 'x }\n", "g.yaml": "command: [\n" });
  assert.equal(plan.services.size, 0);
  assert.deepEqual([...plan.brokenFiles], ["f.yaml", "g.yaml"]);
  assert.deepEqual([...plan.brokenNames], ["a", "b", "g"]);
});

test("beside services: only keys of one's own may stand", () => {
  const plan = planOf({
    "f.yaml": "version: '3'\ncommand: x\nx-y: 1\nservices: { a: { command: x } }",
    "g.yaml": "services:\n",
    "h.yaml": "services: [a]",
  });
  assert.deepEqual(mistakesOf(plan), [
    "f.yaml:1:1 unknown key `version` (remove it: the format needs none)",
    "f.yaml:2:1 unknown key `command` beside `services` (put it into a service; a file describes one service, or several under `services:`)",
    "g.yaml:1:1 `services` has no value (write the services below it, each with its name as key)",
    "h.yaml:1:11 `services` is not a map of names (write the services below it, each with its name as key)",
  ]);
  assert.deepEqual([...plan.services.keys()], ["a"]);
});

test("files that are too long, too deep or unfold without end cost little and say why", () => {
  const bomb = `command: x\nx-a: &a [x,x,x,x,x,x,x,x,x,x]\n${[..."bcdefghij"].map((name, i) => `x-${name}: &${name} [${Array(10).fill(`*${"abcdefghij"[i]}`).join(",")}]`).join("\n")}`;
  const said: [string, RegExp][] = [
    [`command: ${"x".repeat(300_000)}`, /the file has 293 KiB; a file has at most 256/],
    [`command: ${"[".repeat(200_000)}`, /hundreds of brackets are open at once/],
    [`command: ${"[".repeat(100)}${"]".repeat(100)}`, /nested more than 32 levels deep/],
    [`command: x\nwhen: ${"{ not: ".repeat(40)}{ env: A }${" }".repeat(40)}`, /nested more than 32 levels deep/],
    [bomb, /unfolds to more than 50000 values/],
    [`- `.repeat(100_000), /./],
  ];
  for (const [text, what] of said) {
    const plan = planOf({ "web.yaml": text });
    assert.equal(plan.services.size, 0);
    assert.match(mistakesOf(plan).join("\n"), what);
  }
});

test("a data file that strayed in is told with its first hundred mistakes", () => {
  const plan = planOf({
    "data.yaml": Array.from({ length: 5000 }, (_, i) => `k${i}: x`).join("\n"),
    "web.yaml": "comand: x",
  });
  assert.equal(plan.mistakes.length, 102);
  assert.equal(plan.mistakes[100]!.what, "and 4901 more mistakes from here on");
});

test("one wrong line that many services share through an alias is one mistake", () => {
  const plan = planOf({
    "f.yaml":
      "x-base: &base { restart: allways }\nservices:\n  a: { <<: *base, command: x }\n  b: { <<: *base, command: x }",
  });
  assert.deepEqual(mistakesOf(plan), ["f.yaml:1:26 `restart`: unknown word `allways` (did you mean `always`?)"]);
  assert.deepEqual([...plan.brokenNames], ["a", "b"]);
});

// --- svcd.yaml -------------------------------------------------------------------------------------------------------

test("svcd.yaml has its own few keys", () => {
  assert.deepEqual(planOf({}).daemon, { autoApply: true, group: null, environment: {} });
  const plan = planOf({}, { G: "ops" }, "auto_apply: no\ngroup: ${G}\nenvironment: { A: '${B}', C: }");
  assert.deepEqual(plan.daemon, { autoApply: false, group: "ops", environment: { A: "${B}", C: null } });
  assert.deepEqual(mistakesOf(planOf({}, {}, "auto_aply: no\ngroup: [x]")), [
    "svcd.yaml:1:1 unknown key `auto_aply` (did you mean `auto_apply`?)",
    "svcd.yaml:2:8 `group`: a list where text belongs (write text)",
  ]);
  assert.deepEqual([...planOf({}, {}, "a: b: c").brokenFiles], ["svcd.yaml"]);
  assert.deepEqual(mistakesOf(planOf({}, {}, "# nothing\n")), []);
});

// --- in the thousands ------------------------------------------------------------------------------------------------

test("whatever is in a file, reading it gives a plan or mistakes with a place in that file, and other services stand", () => {
  const piece = fc.constantFrom(
    "command: x",
    "services:",
    "  web:",
    "  a: {",
    "}",
    "    command: y",
    "- ",
    "restart: no",
    "depends_on: [web, ok]",
    "when: ",
    "{ env: A }",
    "'",
    '"',
    "\t",
    "&a",
    "*a",
    "<<: ",
    "|",
    ": ",
    "\n",
    "\n",
    "\n  ",
    "#",
    "$",
    "${A}",
    "[",
    "]",
    "é",
    "---",
    "? ",
    "!!str ",
    "null",
    "__proto__: 1",
    "replicas: 3",
    "healthcheck: {log: up}",
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 25 }), (pieces) => {
      const text = pieces.join("");
      const plan = planOf({ "f.yaml": text, "ok.yaml": "command: sleep 1" });
      assert.ok(plan.services.has("ok"));
      const lines = text.split("\n");
      for (const mistake of plan.mistakes) {
        if (mistake.file !== "f.yaml") continue;
        assert.ok(mistake.what.length > 0 && mistake.fix.length > 0);
        assert.equal(mistake.text, (lines[mistake.line - 1] ?? "").replace(/\r$/, ""), JSON.stringify(text));
        assert.ok(mistake.column >= 1 && mistake.column <= mistake.text.length + 1, JSON.stringify([text, mistake]));
      }
      for (const service of plan.services.values())
        assert.ok(!plan.brokenNames.has(service.name) || service.source.file === "ok.yaml", JSON.stringify(text));
    }),
    { numRuns: 5000 },
  );
});

test("a mistake in any one service leaves every other service as it is", () => {
  const bad = fc.constantFrom(
    "comand: x",
    "command:",
    "command: 'a \"b'",
    "command: x, restart: maybe",
    "command: x, depends_on: [nobody]",
    "command: x, depends_on: [bad]",
    "command: x, replicas: 0",
    "command: '${X'",
    "command: [[]]",
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 6 }), fc.nat(6), bad, (count, where, wrong) => {
      const good = Array.from({ length: count }, (_, i) =>
        `  s${i}: { command: run ${i}, depends_on: [${i > 0 ? `s${i - 1}` : ""}] }`.replace(", depends_on: []", ""),
      );
      const without = planOf({ "f.yaml": `services:\n${good.join("\n")}` });
      const lines = [...good];
      lines.splice(Math.min(where, count), 0, `  bad: { ${wrong} }`);
      const plan = planOf({ "f.yaml": `services:\n${lines.join("\n")}` });
      assert.ok(plan.mistakes.length > 0);
      assert.deepEqual([...plan.services.keys()], [...without.services.keys()]);
      assert.deepEqual([...plan.brokenNames], ["bad"]);
    }),
    { numRuns: 2000 },
  );
});

test("in any tangle of dependencies exactly those that wait for themselves in the end are taken out", () => {
  fc.assert(
    fc.property(fc.array(fc.uniqueArray(fc.nat(7), { maxLength: 3 }), { minLength: 8, maxLength: 8 }), (arrows) => {
      const lines = arrows.map(
        (to, i) =>
          `  s${i}: { command: x${to.length > 0 ? `, depends_on: [${to.map((n) => `s${n}`).join(", ")}]` : ""} }`,
      );
      const plan = planOf({ "f.yaml": `services:\n${lines.join("\n")}` });
      const reaches = (from: number, seen = new Set<number>()): Set<number> => {
        for (const next of arrows[from]!) if (!seen.has(next)) reaches(next, seen.add(next));
        return seen;
      };
      const expected = arrows.flatMap((_, i) => (reaches(i).has(i) ? [] : [`s${i}`]));
      assert.deepEqual([...plan.services.keys()], expected);
    }),
    { numRuns: 2000 },
  );
});

test("a thousand files are read in well under a second", () => {
  const files = Object.fromEntries(
    Array.from({ length: 1000 }, (_, i) => [
      `web${i}.yaml`,
      `description: number ${i}\ncommand: python3 -m http.server \${PORT:-${i}}\nenvironment: { A: ${i}, B: x }\nrestart: on-failure\nhealthcheck: { tcp: ${8000 + i} }\n${i > 0 ? `depends_on: [web${i - 1}]\n` : ""}`,
    ]),
  );
  planOf(files); // Once to warm up: the time of the compiler is not ours.
  const before = performance.now();
  assert.equal(planOf(files).services.size, 1000);
  const took = performance.now() - before;
  assert.ok(took < 3000, `${Math.round(took)} ms; usually about 250 (the limit leaves room for a busy machine)`);
});

// --- reading again -------------------------------------------------------------------------------------------------

test("whoever reads again and again gets the plan that a first reading would give", () => {
  const known: KnownFiles = new Map();
  const again = (files: Record<string, string>): Plan => {
    const all = Object.entries(files).map(([path, text]) => fileOf(path, text));
    const sources = { files: all, settings: null, env: {}, machine: MACHINE };
    const plan = readPlan({ ...sources, known });
    assert.deepEqual(plan, readPlan(sources));
    return plan;
  };
  const web = "command: sleep 1\ndepends_on: [db]";
  const first = again({ "web.yaml": web, "db.yaml": "command: sleep 2" });
  const second = again({ "web.yaml": web, "db.yaml": "command: sleep 3" });
  const jobs = { "cron.d/web": "@daily a\n@daily b\n", "cron.d/tidy.yaml": 'schedule: "@daily"\ncommand: x' };
  const third = again({ "db.yaml": "command: x", ...jobs });
  assert.equal(again({ ...jobs, "db.yaml": "command: y" }).jobs.get("tidy"), third.jobs.get("tidy"), "as it was");
  assert.equal(again({ ...jobs, "cron.d/web": "@daily a\n61 * * * * b\n" }).jobs.size, 2);
  assert.equal(again({ ...jobs, "cron.d/web": "@daily a\n61 * * * * b\n" }).mistakes.length, 1, "told each time");
  assert.notDeepEqual(second.services.get("db"), first.services.get("db"));
  assert.equal(second.services.get("web")?.command, first.services.get("web")?.command, "it was not read again");
  assert.deepEqual([...again({ "web.yaml": web, "db.yaml": "comand: x" }).brokenNames], ["db"]);
  assert.equal(again({ "web.yaml": web, "db.yaml": "comand: x" }).mistakes.length, 1, "told each time");
  assert.equal(again({ "web.yaml": web }).mistakes.length, 1, "the dependency is gone with its file");
  assert.deepEqual([...known.keys()], ["web.yaml"]);
  again({ "a.yaml": "services: { web: { command: sleep 9 } }", "web.yaml": web, "db.yaml": "command: sleep 2" });
});
