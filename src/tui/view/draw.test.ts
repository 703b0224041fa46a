/**
 * Screens as they were looked at and found good, in `screens/`: a change of one is a change that somebody shall look at.
 * `SVCD_WRITE_SCREENS=1 npm test -- src/tui/view` writes them anew.
 */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { ago, detail, job, NOW, record, route, Staged, service } from "../model/staged.ts";
import { attr, bgOf, fgOf } from "../text/attr.ts";
import { Canvas } from "./canvas.ts";
import { draw } from "./draw.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A box on an ordinary bad day. */
function box(columns: number, rows: number, around: ConstructorParameters<typeof Staged>[1] = {}): Staged {
  const services = [
    service("gateway", { description: "public door", since: ago(74 * HOUR), health: "healthy", pid: 412 }),
    service("jupyter", { description: "notebooks", since: ago(26 * HOUR), pid: 980 }),
    service("migrate", { state: "EXITED", pid: null, since: ago(74 * HOUR), why: "exit 0" }),
    service("portal", { description: "web portal", since: ago(74 * HOUR), health: "healthy", pid: 433 }),
    service("provision", { state: "EXITED", pid: null, since: ago(70 * HOUR), why: "exit 3" }),
    service("ray", { description: "Ray head node", since: ago(5 * HOUR), restarts: 2, pid: 5120 }),
    service("reranker", {
      state: "BACKOFF",
      pid: null,
      since: ago(6_000),
      restarts: 4,
      why: "5th failure in a row: exit 1",
      next: "retrying in 54s",
    }),
    service("score-cpu", { state: "STOPPED", pid: null, since: ago(3 * HOUR), why: "stopped on request" }),
    service("ssh", { state: "SKIPPED", pid: null, since: ago(74 * HOUR), why: "no authorized_keys" }),
    service("tensorboard", { since: ago(50 * MINUTE), health: "unhealthy", phase: "HTTP 503 three times", pid: 7001 }),
    service("vllm", {
      state: "STARTING",
      description: "vLLM scoring API",
      since: ago(3 * MINUTE + 12_000),
      phase: "loading shards 5/8",
      health: "starting",
      pid: 6120,
    }),
    service("watchdog", {
      state: "WAITING",
      pid: null,
      since: ago(3 * MINUTE),
      why: "waits for vllm to be ready",
      next: "starts as soon as that is so",
    }),
  ];
  const jobs = [
    job("backup", { last: record("backup", 12, { endedAt: ago(2 * HOUR) }) }),
    job("cleanup", {
      next: new Date(NOW + 4 * MINUTE).toISOString(),
      schedules: [{ expression: "*/5 * * * *", words: "every 5 minutes" }],
      last: record("cleanup", 904, { result: "failure", exit: { code: 2 }, why: "exit 2", endedAt: ago(MINUTE) }),
    }),
    job("report", { paused: true, state: "PAUSED", next: null }),
    job("sync", {
      state: "RUNNING",
      schedules: [{ expression: "@hourly", words: "every hour" }],
      runs: [
        {
          run: 31,
          trigger: "schedule",
          scheduledFor: ago(MINUTE),
          startedAt: ago(50_000),
          attempt: 1,
          pid: 9001,
          why: "runs",
        },
      ],
    }),
  ];
  const screen = new Staged(services, { columns, rows, ...around }, jobs);
  screen.hears({
    type: "sample",
    machine: {
      host: "gpu-box-7",
      load: [1.42, 1.31, 1.2],
      processors: 16,
      cpu: { busyMs: 0, allMs: 0 },
      memory: { totalBytes: 128 * 2 ** 30, usedBytes: 52 * 2 ** 30, limit: "cgroup" },
      swap: { totalBytes: 0, usedBytes: 0 },
      disks: [
        { path: "/", totalBytes: 100 * 2 ** 30, freeBytes: 38 * 2 ** 30 },
        { path: "/workspace", totalBytes: 2 * 2 ** 40, freeBytes: 0.2 * 2 ** 40 },
      ],
      upMs: 75 * HOUR,
    },
    usage: usage(0, 0),
  });
  screen.hears({
    type: "sample",
    machine: { ...screen.model.machine!, cpu: { busyMs: 3_400, allMs: 32_000 } },
    usage: usage(2_000, 1),
  });
  screen.hears({
    type: "gpus",
    gpus: [
      {
        name: "NVIDIA H100 80GB HBM3",
        flaw: null,
        memoryTotalBytes: 80 * 2 ** 30,
        memoryUsedBytes: 41 * 2 ** 30,
        usePercent: 37,
        watts: 310,
        wattsLimit: 700,
        celsius: 54,
        leases: ["vllm"],
        holders: [
          { name: "vllm", what: "vllm", memoryBytes: 40 * 2 ** 30 },
          { name: null, what: "python3", memoryBytes: 1 * 2 ** 30 },
        ],
      },
    ],
  });
  const definition = {
    environment: { HF_HOME: "/workspace/.hf_home", HF_TOKEN: "(hidden)" },
  };
  screen.hears({ type: "routes", routes: [route("vllm", 8000, "vLLM API"), route("ray", 8265, null)] });
  screen.hears({
    type: "detail",
    detail: detail("vllm", {
      definition,
      dependsOn: [{ name: "ray", condition: "ready", met: true }],
      neededBy: ["watchdog"],
    }),
  });
  screen.hears({
    type: "detail",
    detail: detail("gateway", { definition: { check: { kind: "tcp", address: "127.0.0.1:8443" } } }),
  });
  screen.hears({
    type: "history",
    name: "backup",
    records: Array.from({ length: 12 }, (_, index) => record("backup", 12 - index)),
  });
  screen.hears({
    type: "history",
    name: "cleanup",
    records: [2, 0, 0, 2, 0, 0, 0].map((code, index) =>
      record("cleanup", 904 - index, code === 0 ? {} : { result: "failure", exit: { code }, why: `exit ${code}` }),
    ),
  });
  screen.event({ type: "state", at: ago(3 * MINUTE), before: "STOPPED", service: services[10]! }, "e-1");
  screen.event(
    { type: "run", at: ago(MINUTE), what: "over", job: "cleanup", run: 904, pid: null, record: jobs[1]!.last },
    "e-3",
  );
  screen.event({ type: "daemon", at: ago(10_000), text: "the disk of /workspace is full; logs wait in memory" }, "e-4");
  screen.event({ type: "state", at: ago(6_000), before: "STARTING", service: services[6]! }, "e-2");
  screen.press("G", "k");
  const [log] = screen.model.logs.values();
  const lines = [
    "INFO 11-02 09:57:01 api_server.py:712] vLLM API server version 0.11.0",
    "INFO 11-02 09:57:03 model_runner.py:1110] Loading model weights took 12.4 s",
    "\x1b[33mWARNING\x1b[0m 11-02 09:57:04 config.py:120] Casting torch.bfloat16 to torch.float16.",
    "Loading safetensors checkpoint shards:  50% 4/8 [01:10<01:10, 17.6s/it]\rLoading safetensors checkpoint shards:  62% 5/8 [01:28<00:53, 17.8s/it]",
  ];
  for (const one of screen.model.logs.values()) {
    if (one.key.startsWith("service vllm"))
      screen.hears({ type: "output", key: one.key, text: lines.join("\n"), position: 500, isNew: false });
  }
  assert.ok(log !== undefined);
  return screen;
}

function usage(atMs: number, round: number) {
  const one = (name: string, percent: number, gigabytes: number, processes: number) => ({
    name,
    run: 3,
    cpuMs: 20 * percent * round,
    memoryBytes: Math.round(gigabytes * 2 ** 30),
    processes,
  });
  return {
    atMs,
    services: [
      one("gateway", 1.2, 0.09, 1),
      one("jupyter", 0, 0.31, 3),
      one("portal", 0.4, 0.07, 1),
      one("ray", 4.1, 2.4, 14),
      one("tensorboard", 0.2, 0.8, 1),
      one("vllm", 142, 31.6, 9),
    ],
  };
}

function isAsReviewed(name: string, screen: string): void {
  const file = new URL(`screens/${name}.txt`, import.meta.url);
  if (process.env["SVCD_WRITE_SCREENS"]) writeFileSync(file, `${screen}\n`);
  assert.equal(
    `${screen}\n`,
    readFileSync(file, "utf8"),
    `${name} looks different: look at it, then SVCD_WRITE_SCREENS=1`,
  );
}

const SIZES = [
  [80, 24],
  [120, 40],
  [200, 50],
] as const;

for (const [columns, rows] of SIZES) {
  const size = `${columns}x${rows}`;
  test(`at ${size} every view is as it was found good`, () => {
    const screen = box(columns, rows);
    isAsReviewed(`services-${size}`, screen.screen());
    screen.press("d");
    isAsReviewed(`why-${size}`, screen.screen());
    screen.press("l");
    isAsReviewed(`log-${size}`, screen.screen());
    screen.press("esc", "2");
    isAsReviewed(`jobs-${size}`, screen.screen());
    screen.press("4");
    isAsReviewed(`machine-${size}`, screen.screen());
    screen.press("5");
    isAsReviewed(`events-${size}`, screen.screen());
    screen.press("6");
    isAsReviewed(`tunnels-${size}`, screen.screen());
  });
}

test("overlays are as they were found good", () => {
  const screen = box(80, 24);
  screen.press("x");
  isAsReviewed("confirm-80x24", screen.screen());
  screen.press("esc", ":");
  screen.type("re");
  isAsReviewed("palette-80x24", screen.screen());
  screen.press("esc", "K");
  isAsReviewed("signals-80x24", screen.screen());
  screen.press("esc", "?");
  isAsReviewed("help-80x24", screen.screen());
});

test("without Unicode a screen is ASCII, and says the same", () => {
  const screen = box(80, 24, { hasUnicode: false, depth: 0 });
  const text = screen.screen();
  assert.match(text, /^[\x20-\x7e\n]*$/);
  isAsReviewed("services-80x24-ascii", text);
});

test("without colours there are none, also of what programs print", () => {
  const { model, keymap } = box(80, 24, { depth: 0 });
  for (const row of draw(model, keymap).attrs)
    for (const cell of row) assert.deepEqual([fgOf(cell), bgOf(cell)], [0x1ff, 0x1ff]);
});

test("only problems are loud: on a good day nothing is red", () => {
  const screen = new Staged([service("a"), service("b", { state: "STOPPED", pid: null })]);
  const canvas = draw(screen.model, screen.keymap);
  const loud = new Set([attr({ fg: 203, bold: true }), attr({ fg: 231, bg: 160, bold: true }), attr({ fg: 179 })]);
  assert.ok(canvas.attrs.flat().every((cell) => !loud.has(cell)));
});

test("nothing is drawn outside its box, and half a wide character is none", () => {
  const canvas = new Canvas(10, 2);
  canvas.put(0, 6, "漢字漢字");
  canvas.put(1, 2, "漢字", undefined, 3);
  canvas.put(5, 0, "nowhere");
  canvas.put(0, -2, "ab漢c");
  assert.equal(canvas.text(), "漢c   漢字\n  漢");
});
