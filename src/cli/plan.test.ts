import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FakeDaemon, plan, service, svctl, why } from "./fake-daemon.ts";

const MISTAKE = {
  file: "/x/web.yaml",
  line: 3,
  column: 1,
  what: "unknown key `enviroment`",
  fix: "did you mean `environment`?",
  text: "enviroment: {}",
};
const CHANGES = plan({
  added: ["new"],
  changed: [
    { name: "db", restart: true, details: [{ field: "command", before: "db --old", after: "db --new" }] },
    { name: "web", restart: false, details: [{ field: "backoff.first", before: "", after: "1s" }] },
  ],
  removed: ["old"],
});

test("plan shows every change field by field, and what restarts", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.on("GET", "/v1/plan", () => CHANGES);
  assert.deepEqual(await svctl(daemon, "plan"), {
    exitCode: 0,
    stderr: "",
    stdout: [
      "+ new: new",
      "~ db: changed, restarts",
      "    command: db --old → db --new",
      "~ web: changed, goes on running",
      "    backoff.first: (nothing) → 1s",
      "- old: gone, will be stopped",
      "",
    ].join("\n"),
  });
});

test("jobs are told beside services: in plan, in reread's words, and when they are taken up", async () => {
  await using daemon = await new FakeDaemon().open();
  const jobs = {
    added: ["new"],
    changed: [{ name: "tidy", details: [{ field: "schedule", before: "@daily", after: "@hourly" }] }],
    removed: ["old"],
    kept: ["dump"],
  };
  daemon.on("GET", "/v1/plan", () => plan({ jobs }));
  assert.deepEqual((await svctl(daemon, "plan")).stdout.split("\n"), [
    "+ new: new job",
    "~ tidy: job changed, from its next run on",
    "    schedule: @daily → @hourly",
    "- old: job gone; what runs of it goes on",
    "= dump: its file has mistakes or vanished, so it goes on as it is",
    "",
  ]);
  assert.equal((await svctl(daemon, "reread")).stdout, "new: available\nold: disappeared\ntidy: changed\n");
  daemon.on("POST", "/v1/plan/apply", () => plan({ jobs }));
  const { stdout, exitCode } = await svctl(daemon, "apply tidy new");
  assert.deepEqual([exitCode, stdout], [0, "old: job removed\ntidy: job changed\nnew: job added\n"]);
});

test("plan shows all mistakes with their lines, and is 1 then", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.on("GET", "/v1/plan", () => plan({ kept: ["web"], mistakes: [MISTAKE] }));
  const { stdout, exitCode } = await svctl(daemon, "plan");
  assert.equal(exitCode, 1);
  assert.match(stdout, /= web: its file has mistakes or vanished, so it goes on as it is/);
  assert.match(
    stdout,
    /\/x\/web.yaml:3:1: unknown key `enviroment`\n {2}3 \| enviroment: \{\}\n {4}\| \^\n {2}fix: did you mean/,
  );
  assert.match(stdout, /\n1 mistake\n$/);
});

test("without an svcd, plan checks the files with the program beside it", async () => {
  const root = mkdtempSync(join(tmpdir(), "svctl-test-"));
  writeFileSync(join(root, "svcd.js"), "console.log('checked', process.argv.slice(2).join(' ')); process.exit(1)");
  const { stdout, stderr, exitCode } = await svctl({ root }, "plan", { program: join(root, "svctl.js") });
  assert.deepEqual([exitCode, stdout], [1, `checked --check --root ${root}\n`]);
  assert.match(stderr, /no svcd runs/);
});

test("reread uses supervisorctl's words and changes nothing", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.on("GET", "/v1/plan", () => CHANGES);
  assert.equal((await svctl(daemon, "reread")).stdout, "db: changed\nnew: available\nold: disappeared\nweb: changed\n");
  daemon.on("GET", "/v1/plan", () => plan());
  assert.equal((await svctl(daemon, "reread")).stdout, "No config updates to processes\n");
  daemon.on("GET", "/v1/plan", () => plan({ mistakes: [MISTAKE] }));
  assert.equal((await svctl(daemon, "reread")).exitCode, 1);
  assert.deepEqual(
    daemon.heard.filter((line) => line.startsWith("POST")),
    [],
  );
});

test("update takes the files up and waits until it is so", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ name: "db" }), service({ name: "old" }), service({ name: "web" })];
  daemon.on("POST", "/v1/plan/apply", () => {
    daemon.becomes({ name: "new", state: "STOPPED", run: 0, pid: null, wanted: "down" });
    daemon.becomes({ name: "db", state: "STOPPING" });
    daemon.becomes({ name: "old", state: "STOPPING", wanted: "down" });
    setTimeout(() => {
      daemon.becomes({ name: "db", state: "RUNNING", run: 2 });
      daemon.services = daemon.services.filter(({ name }) => name !== "old");
      daemon.tell({ type: "removed", at: "", name: "old" });
    }, 50);
    return CHANGES;
  });
  const { stdout, exitCode } = await svctl(daemon, "update");
  assert.equal(exitCode, 0);
  assert.deepEqual(stdout.split("\n").slice(0, 4), [
    "old: removed",
    "db: changed, restarted",
    "web: changed, without a restart",
    "new: added",
  ]);
  assert.deepEqual(stdout.split("\n").slice(4).sort(), ["", "db: started", "new: stays stopped", "old: stopped"]);
});

test("apply with names concerns only those; a failure is 1 and is explained", async () => {
  await using daemon = await new FakeDaemon().open();
  const failed = service({ name: "new", state: "FATAL", run: 1, pid: null, why: "new: not found on PATH" });
  daemon.on("POST", "/v1/plan/apply", () => {
    daemon.becomes(failed);
    return plan({ added: ["new"] });
  });
  daemon.on("GET", "/v1/plan", () => plan({ added: ["new"] }));
  daemon.on("GET", "/v1/services/new/why", () => why(failed));
  const { stdout, stderr, exitCode } = await svctl(daemon, "apply new");
  assert.deepEqual([exitCode, stdout], [1, "new: added\nnew: ERROR (new: not found on PATH)\n"]);
  assert.match(stderr, /svctl why new/);
  assert.ok(daemon.heard.includes('POST /v1/plan/apply {"names":["new"]}'));
});

test("apply with nothing to do says so", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.on("POST", "/v1/plan/apply", () => plan());
  assert.deepEqual(await svctl(daemon, "apply"), {
    exitCode: 0,
    stdout: "nothing to do: everything is as the files say\n",
    stderr: "",
  });
});

test("add takes up what is new, leaves what is active, and names what is in no file", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service()];
  daemon.on("GET", "/v1/plan", () => plan({ added: ["worker"] }));
  assert.equal((await svctl(daemon, "update wbe")).exitCode, 1);
  assert.deepEqual(await svctl(daemon, "add web"), { exitCode: 0, stdout: "", stderr: "web: already active\n" });
  const { stderr, exitCode } = await svctl(daemon, "add wroker");
  assert.equal(exitCode, 1);
  assert.match(stderr, /no service `wroker` in the files\n.*\n {2}fix: {3}did you mean `worker`\?/);
});

test("avail lists what is in use and what is only in the files", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service(), service({ name: "idle", wanted: "down" })];
  daemon.on("GET", "/v1/plan", () => plan({ added: ["worker"] }));
  assert.equal(
    (await svctl(daemon, "avail")).stdout,
    "idle    in use  manual\nweb     in use  auto\nworker  avail   -\n",
  );
});
