import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { deadline, type Event, newLife, runOf, type State, step } from "./life.ts";
import type { Policy } from "./policy.ts";
import { hours, minutes, policyOf, type Simulated, seconds, simulate } from "./simulate.ts";

const web = {
  health: { intervalMs: 5_000, timeoutMs: 5_000, retries: 3, startPeriodMs: 30_000, onUnhealthy: "restart" },
} as const;

function running(changes: Partial<Policy> = {}): Simulated {
  const service = simulate(changes);
  service.start();
  service.passes(seconds(2));
  service.did = [];
  return service;
}

function verdictOf({ life: { state } }: Simulated): string | undefined {
  return state.at === "running" ? state.health?.verdict : undefined;
}

test("a started service is STARTING until startsecs are over, then RUNNING", () => {
  const service = simulate();
  service.start();
  assert.equal(service.at, "starting");
  service.passes(999);
  assert.equal(service.at, "starting");
  service.passes(1);
  assert.equal(service.at, "running");
  assert.deepEqual(service.did, ["spawn 1", "tell healthy"]);
});

test("a service is not RUNNING before its process is known to be there, and startsecs count from then", () => {
  const service = simulate();
  service.spawnsAtOnce = false;
  service.start();
  service.passes(minutes(1));
  assert.equal(service.at, "starting");
  service.send({ type: "spawned", run: 1, at: service.now });
  service.passes(999);
  assert.equal(service.at, "starting");
  service.passes(1);
  assert.equal(service.at, "running");
});

test("the end of a run that svcd itself ended keeps the reason", () => {
  const service = running(web);
  for (let probe = 0; probe < 3; probe++) service.probeFails();
  service.passes(seconds(40));
  for (let probe = 0; probe < 3; probe++) service.probeFails();
  service.exits({ signal: "SIGTERM" });
  assert.equal(service.life.lastEnd?.blame, "unhealthy: HTTP 503");
  service.exits({ code: 1 });
  assert.equal(service.life.lastEnd?.blame, null);
});

test("a service that ran longer than the backoff is started again at once", () => {
  const service = running();
  service.exits({ code: 1 });
  assert.equal(service.at, "starting");
  assert.deepEqual(service.did, ["end 1", "tell failed", "spawn 2"]);
});

test("what is left of a run is ended before the next one starts", () => {
  const service = running();
  service.exits({ signal: "SIGSEGV" });
  assert.ok(service.did.indexOf("end 1") < service.did.indexOf("spawn 2"));
});

test("while something of a run outlives its main process no next run starts, however often it is asked for", () => {
  const service = running();
  service.exitsAndLeaves({ code: 1 });
  assert.equal(service.at, "clearing");
  service.start();
  service.restart();
  service.passes(hours(1));
  assert.equal(service.at, "clearing");
  assert.ok(!service.did.some((done) => done.startsWith("spawn")));
  service.isGone();
  assert.equal(service.at, "starting");
});

test("KILL for what is left of a run is repeated every five seconds", () => {
  const service = running();
  service.exitsAndLeaves({ code: 1 });
  service.passes(seconds(11));
  assert.equal(service.did.filter((done) => done === "end 1").length, 3);
});

test("once a run is gone what was decided about its end goes on", () => {
  const cases = [
    [{}, { code: 1 }, "backoff"],
    [{ restart: "no" as const }, { code: 3 }, "exited"],
    [{ restart: "on-failure" as const }, { code: 0 }, "exited"],
    [{ restart: "always" as const, backoff: { ...policyOf().backoff, firstMs: 0 } }, { code: 0 }, "running"],
  ] as const;
  for (const [changes, how, at] of cases) {
    const service = simulate({ ...changes, startsecsMs: 0 });
    service.start();
    service.exitsAndLeaves(how);
    service.isGone();
    assert.equal(service.at, at);
  }
});

test("a stop ends when the last process of the run has, and a stop while that lasts is a stop", () => {
  const asked = running();
  asked.stop();
  asked.exitsAndLeaves({ signal: "SIGTERM" });
  assert.equal(asked.at, "clearing");
  asked.isGone();
  assert.equal(asked.at, "stopped");

  const crashed = running();
  crashed.exitsAndLeaves({ code: 1 });
  crashed.stop();
  crashed.isGone();
  assert.equal(crashed.at, "stopped");
});

test("an unhealthy run that leaves something behind is a failure once it is gone", () => {
  const health = { intervalMs: 1_000, timeoutMs: 500, retries: 1, startPeriodMs: 0, onUnhealthy: "restart" } as const;
  const service = simulate({ health });
  service.start();
  service.passes(0);
  service.probeFails();
  assert.equal(service.at, "stopping");
  service.exitsAndLeaves({ signal: "SIGTERM" });
  service.isGone();
  assert.equal(service.at, "backoff");
  assert.match(service.life.lastEnd?.blame ?? "", /unhealthy/);
});

test("servers that exit with 0 are started again too", () => {
  const service = running();
  service.exits({ code: 0 });
  assert.equal(service.at, "starting");
  assert.ok(!service.did.includes("tell failed"));
});

test("restart: on-failure leaves a success as EXITED and restarts a failure", () => {
  const job = simulate({ restart: "on-failure", successExitCodes: [0, 7] });
  job.start();
  job.exits({ code: 7 });
  assert.equal(job.at, "exited");
  job.start();
  job.exits({ code: 1 });
  assert.equal(job.at, "backoff");
});

test("restart: no leaves every end as EXITED", () => {
  for (const how of [{ code: 0 }, { code: 3 }, { signal: "SIGKILL" as const }]) {
    const job = simulate({ restart: "no" });
    job.start();
    job.exits(how);
    job.passes(hours(1));
    assert.equal(job.at, "exited");
    assert.equal(job.life.lastRun, 1);
  }
});

test("a crash loop slows down: from start to start 0.2, 0.4, 0.8 … seconds, at most a minute", () => {
  const service = simulate({ giveUp: { kind: "never" } });
  service.start();
  for (let crash = 0; crash < 10; crash++) {
    service.exits({ code: 1 });
    const { state } = service.life;
    assert.equal(state.at, "backoff");
    service.now = state.at === "backoff" ? state.until : 0;
    service.send({ type: "tick" });
  }
  const pauses = service.spawnedAt.slice(1).map((at, index) => at - service.spawnedAt[index]!);
  assert.deepEqual(pauses, [200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000]);
});

test("a run of a minute forgives the failures before it", () => {
  const service = simulate();
  service.start();
  for (let crash = 0; crash < 5; crash++) {
    service.exits({ code: 1 });
    service.passes(service.life.state.at === "backoff" ? service.life.state.until - service.now : 0);
  }
  assert.equal(service.life.streak.inRow, 5);
  service.passes(seconds(61));
  service.exits({ code: 1 });
  assert.equal(service.life.streak.inRow, 1);
  assert.equal(service.life.streak.recent.length, 1);
});

test("ten failures within ten minutes are FATAL, and it stays down", () => {
  const service = simulate();
  service.start();
  for (let crash = 0; crash < 10; crash++) {
    service.exits({ code: 1 });
    if (service.at === "backoff") service.passes(minutes(1));
    if (service.at === "running") service.passes(0);
  }
  assert.equal(service.at, "fatal");
  const runs = service.life.lastRun;
  service.passes(hours(24));
  assert.equal(service.life.lastRun, runs);
});

test("a slow flap, dying just after it became RUNNING, spends the budget too", () => {
  const service = simulate({ giveUp: { kind: "window", failures: 5, withinMs: minutes(10) } });
  service.start();
  for (let crash = 0; crash < 5; crash++) {
    service.passes(seconds(20));
    service.exits({ code: 1 });
  }
  assert.equal(service.at, "fatal");
});

test("failures that lie outside the window count no more", () => {
  const service = simulate({ giveUp: { kind: "window", failures: 3, withinMs: seconds(30) } });
  service.start();
  for (let crash = 0; crash < 20; crash++) {
    service.passes(seconds(20));
    assert.notEqual(service.at, "fatal");
    service.exits({ code: 1 });
  }
});

test("give_up: never never gives up", () => {
  const service = simulate({ giveUp: { kind: "never" } });
  service.start();
  for (let crash = 0; crash < 500; crash++) {
    service.exits({ code: 1 });
    service.passes(minutes(1));
    service.exits({ code: 1 });
  }
  assert.notEqual(service.at, "fatal");
});

test("supervisord's rule: startretries 3 waits 1, 2, 3 seconds and gives up after the fourth start", () => {
  const service = simulate({ giveUp: { kind: "startretries", retries: 3 } });
  service.start();
  const waits: number[] = [];
  for (let crash = 0; crash < 4; crash++) {
    const now = service.now;
    service.exits({ code: 1 });
    if (service.life.state.at !== "backoff") break;
    waits.push(service.life.state.until - now);
    service.passes(service.life.state.until - now);
  }
  assert.deepEqual(waits, [1000, 2000, 3000]);
  assert.equal(service.at, "fatal");
  assert.equal(service.life.lastRun, 4);
});

test("supervisord's rule: an exit from RUNNING restarts at once, for ever", () => {
  const service = simulate({ giveUp: { kind: "startretries", retries: 1 } });
  service.start();
  for (let crash = 0; crash < 50; crash++) {
    service.passes(seconds(2));
    service.exits({ code: 1 });
    assert.equal(service.at, "starting");
  }
});

test("jitter moves the delay by its share and no further", () => {
  for (const [chance, delay] of [
    [0, 180],
    [0.5, 200],
    [0.999999, 220],
  ] as const) {
    const service = simulate({ backoff: { ...policyOf().backoff, jitter: 0.1 } });
    service.chance = chance;
    service.start();
    service.exits({ code: 1 });
    assert.ok(service.life.state.at === "backoff");
    assert.equal(Math.round(service.life.state.until - service.now), delay);
  }
});

test("a stop request sends the stop signal and CONT, and KILL when the grace is over, again and again", () => {
  const service = running({ stopSignal: "SIGINT", stopGraceMs: seconds(10), stopTo: "main" });
  service.stop();
  assert.deepEqual(service.did, ["SIGINT main 1", "SIGCONT main 1"]);
  service.passes(seconds(9));
  assert.equal(service.did.length, 2);
  service.passes(seconds(1));
  assert.deepEqual(service.did.slice(2), ["end 1"]);
  service.passes(seconds(10));
  assert.deepEqual(service.did.slice(2), ["end 1", "end 1", "end 1"]);
  service.exits({ signal: "SIGKILL" });
  assert.equal(service.at, "stopped");
});

test("a grace that passed while the machine slept is given once more, and only once", () => {
  const service = running({ stopGraceMs: seconds(10) });
  service.stop();
  const asked = service.did.length;
  service.sleeps(minutes(10));
  assert.deepEqual(service.did.slice(asked), []);
  service.passes(seconds(9));
  assert.deepEqual(service.did.slice(asked), []);
  service.sleeps(minutes(10));
  assert.deepEqual(service.did.slice(asked), ["end 1"]);
});

test("since when KILL is asked for is known, however often it is repeated: svcd waits from then for what withstands it", () => {
  const service = running({ stopGraceMs: seconds(10) });
  service.stop();
  service.passes(seconds(10));
  const { state } = service.life;
  assert.ok(state.at === "stopping" && state.killed);
  const first = state.killedAt;
  assert.equal(first, service.now);
  service.passes(seconds(12));
  assert.equal(service.did.filter((what) => what === "end 1").length, 3);
  assert.ok(service.life.state.at === "stopping");
  assert.equal(service.life.state.killedAt, first);
});

test("a probe whose answer is overdue because the machine slept is waited for as long again", () => {
  const service = simulate(web);
  service.start();
  service.passes(seconds(2));
  service.probePasses();
  while (!service.did.at(-1)?.startsWith("probe"))
    service.passes(deadline(service.life, service.policy)! - service.now);
  for (let round = 0; round < 5; round++) {
    service.sleeps(minutes(10));
    service.passes(seconds(5));
  }
  assert.equal(service.at, "running");
  assert.ok(!service.did.includes("SIGTERM group 1"));
  service.probePasses();
  assert.equal(service.at, "running");
});

test("a stop request during backoff wins: the service stays down", () => {
  const service = simulate();
  service.start();
  service.exits({ code: 1 });
  service.stop();
  service.passes(hours(1));
  assert.deepEqual(service.did, ["spawn 1", "end 1", "tell failed", "tell stopped"]);
});

test("a service asked to stop and to start again while it ends comes back when it has ended", () => {
  const service = running();
  service.stop();
  service.start();
  assert.equal(service.at, "stopping");
  service.exits({ code: 0 });
  assert.equal(service.at, "starting");
});

test("a restart forgives earlier failures and counts as asked", () => {
  const service = simulate();
  service.start();
  for (let crash = 0; crash < 3; crash++) {
    service.exits({ code: 1 });
    service.passes(seconds(3));
  }
  service.restart();
  service.exits({ code: 0 });
  assert.equal(service.life.restarts, 0);
  assert.equal(service.life.streak.inRow, 0);
});

test("a service that is to stop later, when its dependents ended, is not restarted if it ends before", () => {
  const service = running();
  service.send({ type: "stop later" });
  assert.equal(service.at, "running");
  service.exits({ code: 1 });
  assert.equal(service.at, "stopped");
});

test("a program that cannot be executed is FATAL at once, with the reason", () => {
  const service = simulate();
  service.start();
  service.send({ type: "refused", run: 1, cause: "vllm: not found", permanent: true });
  assert.deepEqual(service.life.state, { at: "fatal", cause: "vllm: not found" });
});

test("a refusal that can pass (no process free) is tried again with backoff", () => {
  const service = simulate();
  service.start();
  service.send({ type: "refused", run: 1, cause: "fork: EAGAIN", permanent: false });
  assert.equal(service.at, "backoff");
  service.passes(seconds(2));
  assert.equal(service.at, "running");
});

test("a machine that can start nothing for long costs a service its time, not its chances", () => {
  const service = simulate();
  service.spawnsAtOnce = false;
  service.start();
  for (let run = 1; run <= 50; run++) {
    service.send({ type: "refused", run, cause: "fork: EAGAIN", permanent: false });
    service.passes(seconds(60));
    assert.equal(service.at, "starting");
  }
  assert.equal(service.did.filter((effect) => effect === "tell failed").length, 50);
});

test("a start that never reached the keeper is asked again and is no failure", () => {
  const service = simulate();
  service.start();
  service.send({ type: "lost", run: 1 });
  assert.equal(service.at, "starting");
  assert.equal(service.life.lastRun, 2);
  assert.equal(service.life.streak.inRow, 0);
});

test("a blocked service waits and names what for", () => {
  const service = simulate();
  service.blockedBy = ["db to be ready (it is STARTING)"];
  service.start();
  service.passes(hours(1));
  assert.deepEqual(service.life.state, { at: "waiting", blockers: ["db to be ready (it is STARTING)"] });
  service.isCleared();
  assert.equal(service.at, "starting");
});

test("a service this machine does not want is SKIPPED with the reason", () => {
  const service = simulate();
  service.blockedBy = ["…"];
  service.start();
  service.send({ type: "skip", reason: "MODEL_NAME is not set" });
  assert.deepEqual(service.life.state, { at: "skipped", reason: "MODEL_NAME is not set" });
});

test("with a health check it is RUNNING only when the check has passed and startsecs are over", () => {
  const service = simulate(web);
  service.start();
  service.passes(seconds(3));
  assert.equal(service.at, "starting");
  service.probePasses();
  assert.equal(service.at, "running");

  const quick = simulate(web);
  quick.start();
  quick.passes(100);
  quick.probePasses();
  assert.equal(quick.at, "starting");
  quick.passes(900);
  assert.equal(quick.at, "running");
});

test("failures within the start period only mean: not ready yet", () => {
  const service = simulate(web);
  service.start();
  for (let second = 0; second < 29; second++) {
    service.passes(seconds(1));
    service.probeFails();
  }
  assert.equal(service.at, "starting");
});

test("three failures in a row after the start period end the run and start another", () => {
  const service = simulate(web);
  service.start();
  service.passes(seconds(2));
  service.probePasses();
  service.did = [];
  for (let failure = 0; failure < 2; failure++) {
    service.passes(seconds(5));
    service.probeFails();
  }
  assert.equal(service.at, "running");
  service.passes(seconds(5));
  service.probeFails();
  assert.equal(service.at, "stopping");
  service.exits({ signal: "SIGTERM" });
  assert.equal(service.at, "starting");
  assert.equal(service.did.filter((done) => done === "tell failed").length, 1);
});

test("one success between failures is forgiven", () => {
  const service = simulate(web);
  service.start();
  service.passes(seconds(2));
  service.probePasses();
  for (let round = 0; round < 20; round++) {
    service.passes(seconds(5));
    if (round % 3 === 2) service.probePasses();
    else service.probeFails();
  }
  assert.equal(service.at, "running");
});

test("on_unhealthy: nothing leaves it running, unhealthy, and it can heal", () => {
  const service = simulate({ health: { ...web.health, onUnhealthy: "nothing" } });
  service.start();
  service.passes(seconds(2));
  service.probePasses();
  for (let failure = 0; failure < 3; failure++) {
    service.passes(seconds(5));
    service.probeFails();
  }
  assert.equal(verdictOf(service), "unhealthy");
  service.passes(seconds(5));
  service.probePasses();
  assert.equal(verdictOf(service), "healthy");
});

test("a probe that never answers counts as a failure", () => {
  const service = simulate(web);
  service.start();
  service.passes(seconds(2));
  service.probePasses();
  service.passes(minutes(3));
  assert.ok(service.did.includes("SIGTERM group 1"));
});

test("while starting, probes follow each other quickly and slow down to the interval", () => {
  const service = simulate({ health: { ...web.health, startPeriodMs: minutes(10) } });
  service.start();
  const at: number[] = [];
  for (let probe = 0; probe < 15; probe++) {
    const due = deadline(service.life, service.policy)!;
    service.passes(due - service.now);
    at.push(due - service.spawnedAt[0]!);
    service.probeFails();
  }
  assert.equal(at[0], 100);
  assert.ok(at[3]! < 1_000);
  assert.equal(Math.round(at[14]! - at[13]!), 5_000);
});

test("a health check that is added to a running service begins to probe, and one that is removed stops", () => {
  const service = running();
  service.policy = policyOf(web);
  service.send({ type: "tick" });
  service.passes(seconds(1));
  assert.ok(service.did.includes("probe 1"));
  service.policy = policyOf();
  service.send({ type: "tick" });
  assert.ok(service.life.state.at === "running" && service.life.state.health === null);
});

// Promises about all states.

const arbitraryEvent: fc.Arbitrary<Event | { type: "pass"; ms: number }> = fc.oneof(
  fc.constantFrom<Event>(
    { type: "start" },
    { type: "stop" },
    { type: "stop later" },
    { type: "restart" },
    { type: "cleared" },
  ),
  fc.constantFrom<Event>({ type: "blocked", blockers: ["x"] }, { type: "skip", reason: "no" }, { type: "tick" }),
  fc.record({
    type: fc.constant("exited" as const),
    run: fc.integer({ min: 1, max: 6 }),
    exit: fc.constantFrom(
      { kind: "code" as const, code: 0 },
      { kind: "code" as const, code: 1 },
      { kind: "unknown" as const },
    ),
    isClear: fc.boolean(),
  }),
  fc.record({ type: fc.constant("gone" as const), run: fc.integer({ min: 1, max: 6 }) }),
  fc.record({
    type: fc.constant("survived" as const),
    run: fc.integer({ min: 1, max: 6 }),
    survivors: fc.constant(["pid 7 (x), state D"]),
  }),
  fc.record({
    type: fc.constant("probed" as const),
    run: fc.integer({ min: 1, max: 6 }),
    result: fc.record({ passed: fc.boolean(), detail: fc.constant("") }),
  }),
  fc.record({
    type: fc.constant("refused" as const),
    run: fc.integer({ min: 1, max: 6 }),
    cause: fc.constant("c"),
    permanent: fc.boolean(),
  }),
  fc.record({ type: fc.constant("lost" as const), run: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ type: fc.constant("spawned" as const), run: fc.integer({ min: 1, max: 6 }), at: fc.constant(1_000_000) }),
  fc.record({ type: fc.constant("pass" as const), ms: fc.integer({ min: 0, max: 100_000 }) }),
);
const arbitraryPolicy = fc.record({
  restart: fc.constantFrom("always" as const, "on-failure" as const, "no" as const),
  health: fc.constantFrom(null, web.health, { ...web.health, onUnhealthy: "nothing" as const }),
  giveUp: fc.constantFrom({ kind: "never" as const }, { kind: "startretries" as const, retries: 2 }, policyOf().giveUp),
});

function live(
  events: readonly (Event | { type: "pass"; ms: number })[],
  changes: Partial<Policy>,
  look: (event: Event | { type: "pass" }, before: State, after: State, did: string[]) => void,
): void {
  const service = simulate(changes);
  service.blockedBy = [];
  for (const event of events) {
    const before = service.life.state;
    service.did = [];
    if (event.type === "pass") service.passes(event.ms);
    else service.send(event);
    look(event, before, service.life.state, service.did);
  }
}

test("in every life: never two processes at once, and run numbers only grow", () => {
  fc.assert(
    fc.property(fc.array(arbitraryEvent, { maxLength: 60 }), arbitraryPolicy, (events, changes) => {
      let last = 0;
      const alive = new Set<number>();
      live(events, changes, (event, before, _after, did) => {
        const isItsEnd =
          event.type === "gone" ||
          (event.type === "exited" && event.isClear) ||
          event.type === "refused" ||
          event.type === "lost";
        // `gone` is the end of a run only whose main process has ended.
        const counts = event.type !== "gone" || before.at === "clearing";
        if ("run" in event && isItsEnd && counts && event.run === runOf(before)) alive.delete(event.run);
        for (const spawn of did.filter((done) => done.startsWith("spawn"))) {
          const run = Number(spawn.split(" ")[1]);
          assert.ok(run > last, "a run number was used again");
          last = run;
          alive.add(run);
        }
        assert.ok(alive.size <= 1, "two at once");
      });
    }),
    { numRuns: 3000 },
  );
});

test("in every life: a word from another run changes nothing", () => {
  fc.assert(
    fc.property(fc.array(arbitraryEvent, { maxLength: 40 }), arbitraryPolicy, (events, changes) => {
      live(events, changes, (event, before, after, did) => {
        if (!("run" in event) || event.run === runOf(before)) return;
        assert.equal(after, before);
        assert.deepEqual(did, []);
      });
    }),
    { numRuns: 2000 },
  );
});

test("in every life: after a stop nothing is spawned until somebody asks again", () => {
  fc.assert(
    fc.property(fc.array(arbitraryEvent, { maxLength: 60 }), arbitraryPolicy, (events, changes) => {
      let stopped = false;
      live(events, changes, (event, _before, _after, did) => {
        if (event.type === "stop" || event.type === "stop later") stopped = true;
        if (event.type === "start" || event.type === "restart") stopped = false;
        if (stopped) assert.ok(!did.some((done) => done.startsWith("spawn")));
      });
    }),
    { numRuns: 3000 },
  );
});

test("in every life: KILL comes only after the stop signal and its grace", () => {
  fc.assert(
    fc.property(fc.array(arbitraryEvent, { maxLength: 60 }), arbitraryPolicy, (events, changes) => {
      const service = simulate(changes);
      let signalledAt = Number.NEGATIVE_INFINITY;
      for (const event of events) {
        service.did = [];
        const before = service.life.state;
        if (event.type === "pass") service.passes(0);
        else service.send(event);
        if (service.did.some((done) => done.startsWith("SIGTERM"))) signalledAt = service.now;
        const killed =
          service.did.some((done) => done.startsWith("end")) && event.type === "tick" && before.at === "stopping";
        if (killed) assert.ok(service.now - signalledAt >= service.policy.stopGraceMs);
        if (event.type === "pass") service.now += event.ms;
      }
    }),
    { numRuns: 2000 },
  );
});

test("every state answers every event, and a deadline in the past is answered by moving on", () => {
  fc.assert(
    fc.property(fc.array(arbitraryEvent, { maxLength: 40 }), arbitraryPolicy, (events, changes) => {
      const service = simulate(changes);
      for (const event of events) {
        if (event.type === "pass") service.passes(event.ms);
        else service.send(event);
        const due = deadline(service.life, service.policy);
        if (due === null || due > service.now) continue;
        service.send({ type: "tick" });
        const after = deadline(service.life, service.policy);
        assert.ok(after === null || after > service.now, `stuck in ${service.at}`);
      }
    }),
    { numRuns: 2000 },
  );
});

test("the delay never shrinks within a streak and never passes the longest", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (crashes, chance) => {
      const policy = policyOf({ giveUp: { kind: "never" } });
      let life = newLife(0);
      let now = 0;
      let last = 0;
      const send = (event: Event): void => {
        [life] = step(life, event, now, policy, chance);
      };
      send({ type: "start" });
      for (let crash = 0; crash < crashes; crash++) {
        send({ type: "cleared" });
        send({ type: "exited", run: life.lastRun, exit: { kind: "code", code: 1 }, isClear: true });
        assert.ok(life.state.at === "backoff");
        const delay = life.state.until - now;
        assert.ok(delay >= last && delay <= policy.backoff.longestMs);
        last = delay;
        now = life.state.until;
        send({ type: "tick" });
      }
    }),
    { numRuns: 500 },
  );
});

test("what lingers after its main process makes no run a steady one", () => {
  const service = simulate({ startsecsMs: 0 });
  service.start();
  for (let failure = 1; failure <= 3; failure++) {
    service.passes(seconds(1));
    service.exitsAndLeaves({ code: 1 });
    service.passes(minutes(2));
    service.isGone();
    assert.equal(service.life.streak.inRow, failure);
  }
});

test("a service is RUNNING at its deadline, whatever fractions of milliseconds add up to", () => {
  for (let thousandth = 1; thousandth < 1_000; thousandth++) {
    const service = simulate({ startsecsMs: seconds(5) });
    service.now = 1_048_000 + thousandth * 1.001;
    service.start();
    service.passes(seconds(5) + 1);
    assert.equal(service.at, "running", `${thousandth}`);
  }
});
