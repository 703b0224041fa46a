/** Promises about all services together, told in the simulated world in fair weather, or with one fault in the right place. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Plan, Service } from "../plan/plan.ts";
import { policyOf } from "../service/simulate.ts";
import type { ServiceStatus } from "../supervisor/answers.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { Fate, fairFate, type Strike } from "./fate.ts";
import { plan, service } from "./services.ts";
import { World } from "./world.ts";

class Machine {
  readonly world: World;

  constructor(...parts: (Service | Strike)[]) {
    const strikes = parts.filter((part): part is Strike => "fault" in part);
    const services = parts.filter((part): part is Service => !("fault" in part));
    this.world = new World(strikes.length === 0 ? fairFate() : Fate.given(1, strikes), plan(...services));
    this.world.startCore();
  }

  dies(): void {
    this.world.killCore("by the test");
    this.passes(1_000);
  }

  /** What its process was started with. */
  runsWith(name: string): unknown {
    return this.world.keeper.run(name)?.definition.command;
  }

  get supervisor(): Supervisor {
    return this.world.core!.supervisor;
  }

  passes(ms: number): void {
    const until = this.world.agenda.now + ms;
    for (let next = this.world.agenda.next(until); next !== null; next = this.world.agenda.next(until)) next.act();
  }

  status(name: string): ServiceStatus {
    return this.supervisor.status(name)!;
  }

  states(): Record<string, string> {
    return Object.fromEntries(this.supervisor.statuses().map(({ name, state }) => [name, state]));
  }

  edit(...services: Service[]): void {
    this.world.files.delete(this.world.files.names);
    this.world.files.write(services);
    this.world.rescan();
  }

  /** In what order services got their stop signal. */
  stopOrder(): string[] {
    return this.world.story.flatMap((line) => /(\S+): \S+ → stopping/.exec(line)?.[1] ?? []);
  }
}

test("services start in the order of their dependencies, each when its condition is met", () => {
  const machine = new Machine(
    service("web", { dependsOn: { db: "ready" } }),
    service("db", { policy: { startsecsMs: 5_000 } }),
  );
  machine.passes(2_000);
  assert.deepEqual(machine.states(), { db: "STARTING", web: "WAITING" });
  assert.equal(machine.status("web").why, "waits for db to be ready (it is STARTING)");
  machine.passes(4_500);
  assert.deepEqual(machine.states(), { db: "RUNNING", web: "RUNNING" });
});

test("completed waits for the good end of a one-shot", () => {
  const setUp = service("set-up", { policy: { restart: "on-failure" } });
  const machine = new Machine(service("web", { dependsOn: { "set-up": "completed" } }), setUp);
  assert.equal(machine.status("web").state, "WAITING");
  machine.passes(10_000);
  assert.deepEqual(machine.states(), { "set-up": "EXITED", web: "RUNNING" });
});

test("a dependency that failed for good is named with its reason by whom it blocks", () => {
  const machine = new Machine(
    service("web", { dependsOn: { db: "ready" } }),
    service("db", { policy: { restart: "no" } }),
  );
  machine.world.processEnds("db", { kind: "code", code: 7 });
  machine.passes(100);
  machine.world.processEnds("db", { kind: "code", code: 7 });
  machine.passes(3_100);
  assert.equal(machine.status("db").state, "EXITED");
  assert.match(machine.status("web").why, /^waits for db to be ready \(it is EXITED: exit \d after .+\)$/);
});

test("nobody waits for a service that this machine does not want", () => {
  const machine = new Machine(service("ray"), service("vllm", { dependsOn: { ray: "ready" } }));
  machine.supervisor.act("stop", ["ray", "vllm"]);
  machine.passes(5_000);
  machine.world.unmet = new Set(["ray"]);
  machine.supervisor.act("start", ["vllm"]);
  machine.passes(5_000);
  assert.deepEqual(machine.states(), { ray: "SKIPPED", vllm: "RUNNING" });
  machine.world.unmet = new Set();
  machine.supervisor.recheckConditions();
  machine.passes(5_000);
  assert.equal(machine.status("ray").state, "RUNNING");
});

test("stop goes the other way round: nothing ends before what depends on it", () => {
  const machine = new Machine(
    service("app", { dependsOn: { cache: "started", db: "started" } }),
    service("cache", { dependsOn: { db: "started" } }),
    service("db"),
  );
  machine.passes(2_000);
  machine.supervisor.act("stop", ["all", "db", "cache", "app"]);
  assert.match(machine.status("db").next, /stops once (app, cache|cache, app) ended/);
  machine.passes(10_000);
  assert.deepEqual(machine.stopOrder(), ["app", "cache", "db"]);
  assert.deepEqual(Object.values(machine.states()), ["STOPPED", "STOPPED", "STOPPED"]);
});

test("stopping a service leaves what depends on it running", () => {
  const machine = new Machine(service("web", { dependsOn: { db: "started" } }), service("db"));
  machine.passes(2_000);
  machine.supervisor.act("stop", ["db"]);
  machine.passes(5_000);
  assert.deepEqual(machine.states(), { db: "STOPPED", web: "RUNNING" });
});

test("a restart of several goes down in reverse and comes up in order", () => {
  const machine = new Machine(service("web", { dependsOn: { db: "ready" } }), service("db"));
  machine.passes(3_000);
  machine.supervisor.act("restart", ["db", "web"]);
  machine.passes(10_000);
  assert.deepEqual(machine.stopOrder(), ["web", "db"]);
  assert.deepEqual(machine.states(), { db: "RUNNING", web: "RUNNING" });
  assert.equal(machine.status("web").run, 2);
});

test("starting a service starts what it depends on", () => {
  const machine = new Machine(
    service("web", { autostart: false, dependsOn: { db: "started" } }),
    service("db", { autostart: false }),
  );
  assert.deepEqual(machine.states(), { db: "STOPPED", web: "STOPPED" });
  const results = machine.supervisor.act("start", ["web"]);
  assert.deepEqual(
    results.map(({ name, outcome }) => [name, outcome]),
    [
      ["db", "done"],
      ["web", "done"],
    ],
  );
  machine.passes(5_000);
  assert.deepEqual(machine.states(), { db: "RUNNING", web: "RUNNING" });
});

test("a disabled service stops, refuses to be started, and stays so for the next core", () => {
  const machine = new Machine(service("web"));
  machine.passes(2_000);
  machine.supervisor.setEnabled(["web"], false);
  machine.passes(5_000);
  assert.equal(machine.supervisor.act("start", ["web"])[0]?.what, "disabled: svctl enable web");
  machine.world.killCore("by the test");
  machine.passes(5_000);
  assert.equal(machine.status("web").state, "STOPPED");
  machine.supervisor.setEnabled(["web"], true);
  machine.passes(5_000);
  assert.equal(machine.status("web").state, "RUNNING");
});

test("a service that a person stopped is not started by an edit of its file, nor by the next core", () => {
  const machine = new Machine(service("web"));
  machine.passes(2_000);
  machine.supervisor.act("stop", ["web"]);
  machine.passes(5_000);
  machine.edit(service("web", { command: { kind: "text", text: "other" } }));
  machine.passes(5_000);
  machine.world.killCore("by the test");
  machine.passes(5_000);
  assert.equal(machine.status("web").state, "STOPPED");
});

test("a changed command restarts, a changed backoff does not, what is unchanged is untouched", () => {
  const machine = new Machine(service("web"), service("db"), service("cache"));
  machine.passes(2_000);
  const backoff = { ...policyOf().backoff, longestMs: 5_000 };
  machine.edit(
    service("web", { command: { kind: "text", text: "other" } }),
    service("db", { policy: { backoff } }),
    service("cache"),
  );
  machine.passes(5_000);
  assert.deepEqual(
    machine.supervisor.statuses().map(({ name, run }) => [name, run]),
    [
      ["cache", 1],
      ["db", 1],
      ["web", 2],
    ],
  );
});

test("a service in FATAL gets a new chance when its definition changes", () => {
  const machine = new Machine(service("web", { policy: { giveUp: { kind: "window", failures: 1, withinMs: 1_000 } } }));
  machine.passes(100);
  machine.world.processEnds("web", { kind: "code", code: 1 });
  machine.passes(100);
  assert.equal(machine.status("web").state, "FATAL");
  machine.edit(service("web", { command: { kind: "text", text: "mended" } }));
  machine.passes(3_000);
  assert.equal(machine.status("web").state, "RUNNING");
});

test("a removed service ends and is forgotten; one that comes back meanwhile runs again", () => {
  const machine = new Machine(service("web"), service("db"));
  machine.passes(2_000);
  machine.edit(service("db"));
  assert.equal(machine.status("web").state, "STOPPING");
  machine.edit(service("db"), service("web"));
  machine.passes(5_000);
  assert.deepEqual(machine.states(), { db: "RUNNING", web: "RUNNING" });
  machine.edit(service("db"));
  machine.passes(5_000);
  assert.deepEqual(machine.states(), { db: "RUNNING" });
});

test("with a broken file its services go on as they were, and say why", () => {
  const machine = new Machine(service("web"), service("db"));
  machine.passes(2_000);
  const mistake = { file: "web.yaml", line: 3, column: 1, what: "unknown key `comand`", fix: "…", text: "comand: x" };
  const broken: Plan = { ...plan(service("db")), mistakes: [mistake], brokenFiles: new Set(["web.yaml"]) };
  machine.supervisor.apply(broken, null, "files");
  machine.passes(5_000);
  assert.equal(machine.status("web").state, "RUNNING");
  assert.equal(machine.status("web").file.note, "runs as before: web.yaml:3: unknown key `comand`");
});

test("what was set aside by hand stays out until somebody applies it again", () => {
  const machine = new Machine(service("web"), service("db"));
  machine.passes(2_000);
  assert.equal(machine.supervisor.setAside(["web"])[0]?.outcome, "refused");
  machine.supervisor.act("stop", ["web"]);
  machine.passes(5_000);
  assert.equal(machine.supervisor.setAside(["web"])[0]?.outcome, "done");
  machine.edit(service("web"), service("db"));
  assert.deepEqual(Object.keys(machine.states()), ["db"]);
  machine.supervisor.apply(machine.world.files.plan, ["web"], "person");
  assert.deepEqual(Object.keys(machine.states()), ["db", "web"]);
});

test("files that vanish at once with most others stop nothing until a person says so; a next core remembers that", () => {
  const [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map((name) => service(name)) as [
    Service,
    Service,
    Service,
    Service,
    Service,
  ];
  const machine = new Machine(a, b, c, d, e);
  machine.passes(2_000);
  machine.edit(e);
  machine.passes(5_000);
  assert.deepEqual(machine.states(), { a: "RUNNING", b: "RUNNING", c: "RUNNING", d: "RUNNING", e: "RUNNING" });
  assert.equal(machine.status("a").file.note, "held: 4 of 5 files vanished at once; if it shall be gone: svctl apply");
  assert.deepEqual(machine.supervisor.preview(machine.world.files.plan).kept, ["a", "b", "c", "d"]);

  const many = Array.from({ length: 9 }, (_, n) => service(`s${n}`));
  machine.world.files.write(many);
  machine.world.killCore("a test");
  machine.passes(5_000);
  machine.edit(e, ...many);
  machine.passes(5_000);
  assert.equal(machine.status("a").state, "RUNNING", "among many new ones they are still what vanished at once");

  machine.edit(a, e, ...many);
  assert.equal(machine.status("a").file.note, null, "its file is back");
  machine.supervisor.apply(machine.world.files.plan, ["b"], "person");
  machine.passes(15_000);
  assert.deepEqual(machine.states()["b"], undefined);
  assert.equal(machine.status("c").file.note, "held: 2 of 5 files vanished at once; if it shall be gone: svctl apply");
  machine.supervisor.apply(machine.world.files.plan, null, "person");
  machine.passes(15_000);
  assert.deepEqual(Object.keys(machine.states()), ["a", "e", ...many.map(({ name }) => name)]);
  machine.edit(e, ...many);
  machine.passes(15_000);
  assert.deepEqual(Object.keys(machine.states()), ["e", ...many.map(({ name }) => name)], "one file is an order again");
});

test("a shutdown stops everything in reverse and leaves only when nothing runs", () => {
  const machine = new Machine(service("web", { dependsOn: { db: "started" } }), service("db"));
  machine.passes(2_000);
  machine.world.shutdown();
  assert.equal(machine.supervisor.act("start", ["web"])[0]?.what, "svcd is shutting down");
  machine.passes(30_000);
  assert.deepEqual(machine.stopOrder(), ["web", "db"]);
  assert.ok(machine.world.hasLeft);
});

test("three hundred services in a chain start and stop in order", () => {
  const chain = Array.from({ length: 300 }, (_, n) =>
    service(`s${n}`, n === 0 ? {} : { dependsOn: { [`s${n - 1}`]: "started" } }),
  );
  const machine = new Machine(...chain);
  machine.passes(60_000);
  assert.ok(machine.supervisor.statuses().every(({ state }) => state === "RUNNING"));
  machine.world.shutdown();
  machine.passes(24 * 3_600_000);
  assert.ok(machine.world.hasLeft);
  assert.deepEqual(machine.stopOrder(), chain.map(({ name }) => name).reverse());
});

const other = { kind: "text", text: "other" } as const;

test("a restart of several goes down in reverse in whatever order they are named", () => {
  const machine = new Machine(service("web", { dependsOn: { db: "ready" } }), service("db"));
  machine.passes(3_000);
  machine.supervisor.act("restart", ["web", "db"]);
  machine.passes(10_000);
  assert.deepEqual(machine.stopOrder(), ["web", "db"]);
  assert.equal(machine.status("db").run, 2);
});

test("a stop that could not be remembered says so each time, until it is", () => {
  const machine = new Machine({ fault: "wish not kept", nth: 1 }, { fault: "wish not kept", nth: 2 }, service("web"));
  const said = () => machine.supervisor.act("stop", ["web"])[0]!.what;
  assert.equal(said(), "stopped (not remembered if svcd ends: disk full)");
  machine.passes(5_000);
  assert.equal(said(), "not running");
  machine.dies();
  assert.equal(machine.status("web").why, "stopped on request, last run killed by SIGTERM");
});

test("an edit that enables a service which runs already brings its new command, too", () => {
  const machine = new Machine(service("web", { enabled: false }));
  machine.supervisor.setEnabled(["web"], true);
  machine.passes(2_000);
  machine.edit(service("web", { command: other }));
  machine.passes(5_000);
  assert.deepEqual(machine.runsWith("web"), other);
});

test("a service that was edited while it waited to be stopped, and goes on after all, goes on with the edit", () => {
  for (const coreDies of [false, true]) {
    const app = service("app", { dependsOn: { db: "started" } });
    const machine = new Machine({ fault: "ignores the stop signal", nth: 1 }, service("db"), app);
    machine.passes(3_000);
    machine.supervisor.act("stop", ["db", "app"]);
    machine.edit(service("db", { command: other }), app);
    if (coreDies) machine.dies();
    machine.supervisor.act("start", ["db"]);
    machine.passes(20_000);
    assert.equal(machine.status("db").state, "RUNNING");
    assert.deepEqual(machine.runsWith("db"), other);
  }
});

test("a new file is not forgotten, and a new command not lost, whenever the core dies over it", () => {
  for (let nth = 1; ; nth++) {
    const machine = new Machine({ fault: "core dies", nth }, service("web"));
    machine.passes(3_000);
    machine.world.files.write([service("web", { command: other }), service("mail")]);
    machine.world.rescan();
    machine.passes(20_000);
    assert.deepEqual(machine.states(), { mail: "RUNNING", web: "RUNNING" }, `${nth}`);
    assert.deepEqual(machine.runsWith("web"), other, `${nth}`);
    if (machine.world.fate.struck.length === 0) return;
  }
});

test("a service whose file comes back while it ends runs again, also if the core dies meanwhile", () => {
  const machine = new Machine(service("web"), service("db"));
  machine.passes(2_000);
  machine.edit(service("db"));
  machine.world.killCore("by the test");
  machine.world.files.write([service("web")]);
  machine.passes(15_000);
  assert.equal(machine.status("web").state, "RUNNING");
});

test("a start does not call back what it needed once, and what is going because its file is gone", () => {
  const machine = new Machine(service("web", { dependsOn: { db: "started" } }), service("db"));
  machine.passes(2_000);
  machine.world.files.delete(["db"]);
  machine.world.rescan(); // Its own file is a mistake now, so it is kept as it was.
  machine.supervisor.act("restart", ["web"]);
  machine.supervisor.act("start", ["web"]);
  machine.passes(15_000);
  assert.deepEqual(machine.states(), { web: "WAITING" });
});

test("a restart that was answered while the service was ending is not lost with the core", () => {
  const app = service("app", { dependsOn: { db: "started" } });
  const ignores = [1, 2].map((nth): Strike => ({ fault: "ignores the stop signal", nth }));
  const machine = new Machine(...ignores, service("db"), app);
  machine.passes(3_000);
  machine.supervisor.act("stop", ["db"]);
  machine.passes(100);
  machine.supervisor.act("stop", ["app"]);
  machine.passes(100);
  assert.equal(machine.supervisor.act("restart", ["db"])[0]?.what, "restarted");
  machine.dies();
  machine.passes(20_000);
  assert.deepEqual(machine.states(), { app: "STOPPED", db: "RUNNING" });
});

test("nothing starts beside what is left of a run, also if the journal knows nothing of it", () => {
  const machine = new Machine(
    { fault: "ignores the stop signal", nth: 1 },
    { fault: "freezes", nth: 3 }, // Something of it, when KILL comes.
    service("web", { policy: { stopGraceMs: 500 } }),
  );
  machine.passes(2_000);
  const lines = machine.world.journal.length;
  machine.supervisor.act("restart", ["web"]);
  machine.passes(1_000);
  machine.world.losesLinesAfter(lines);
  machine.dies();
  assert.equal(machine.status("web").state, "STOPPING");
  assert.match(machine.status("web").why, /exit status unknown; KILL does not end pid 100 /);
  machine.world.keeper.thawAll();
  machine.passes(5_000);
  assert.deepEqual([machine.status("web").state, machine.status("web").run], ["RUNNING", 2]);
});

test("a check that comes with a file which was taken away and came back is heeded while the service still runs", () => {
  const app = service("app", { dependsOn: { web: "started" } });
  const machine = new Machine({ fault: "ignores the stop signal", nth: 1 }, service("web"), app);
  machine.passes(3_000);
  machine.edit(); // Both go, web last.
  const health = { intervalMs: 2_000, timeoutMs: 1_000, retries: 1, startPeriodMs: 0, onUnhealthy: "restart" } as const;
  machine.edit(service("web", { policy: { health } }));
  machine.passes(5_000);
  assert.deepEqual([machine.status("web").run, machine.status("web").health], [1, "healthy"]);
});

test("nor what that needed: the way to it went with the file", () => {
  const cache = service("cache", { dependsOn: { db: "started" } });
  const web = service("web", { dependsOn: { cache: "started" } });
  const machine = new Machine({ fault: "ignores the stop signal", nth: 1 }, service("db"), cache, web);
  machine.passes(3_000);
  machine.world.files.delete(["cache"]);
  machine.world.rescan();
  machine.supervisor.act("stop", ["db"]);
  machine.supervisor.act("start", ["web"]);
  machine.passes(30_000);
  assert.equal(machine.status("db").state, "STOPPED");
});
