import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type JobEvent, type JobPolicy, jobDeadline, MOST_AT_ONCE, newJob, stepJob } from "./job.ts";
import type { Cause } from "./run.ts";
import { hours, jobPolicyOf, minutes, SimulatedJob, seconds } from "./simulate-job.ts";

const retries = (most: number) => ({ ...jobPolicyOf().retries, most });

test("a due job starts, and its end is recorded", () => {
  const job = new SimulatedJob();
  job.due();
  assert.deepEqual(job.did, ["spawn 1"]);
  job.exits(0);
  assert.deepEqual(job.did, ["spawn 1", "end 1", "1 success"]);
  assert.deepEqual(job.job.streak, { result: "success", count: 1 });
});

test("overlap: skip leaves a due time out while a run is not over, and says so", () => {
  const job = new SimulatedJob({ overlap: "skip" });
  job.due();
  job.due();
  job.exits(0, { isClear: false }); // A worker of it is left: it is not over.
  job.due();
  job.isGone();
  job.due();
  assert.deepEqual(job.did, [
    "spawn 1",
    "skipped: run 1 is not over",
    "end 1",
    "skipped: run 1 is not over",
    "1 success",
    "spawn 2",
  ]);
});

test("overlap: queue starts one run for everything that became due meanwhile", () => {
  const job = new SimulatedJob({ overlap: "queue" });
  job.due();
  for (let minute = 0; minute < 3; minute++) job.due();
  job.exits(0);
  assert.deepEqual(job.did, ["spawn 1", "end 1", "1 success", "spawn 2"]);
  assert.equal(job.job.runs[0]?.cause.coalesced, 3);
});

test("overlap: replace ends what runs, and starts when nothing of it is left", () => {
  const job = new SimulatedJob({ overlap: "replace", retries: retries(3) });
  job.due();
  job.due();
  assert.deepEqual(job.did, ["spawn 1", "SIGTERM 1", "SIGCONT 1"]);
  job.due();
  job.passes(seconds(10));
  job.exits(143);
  assert.deepEqual(job.did.slice(3), ["skipped: replaced by the next run", "end 1", "end 1", "1 replaced", "spawn 2"]);
});

test("overlap: allow starts beside what runs, but not without end", () => {
  const job = new SimulatedJob({ overlap: "allow" });
  for (let i = 0; i <= MOST_AT_ONCE; i++) job.due();
  assert.equal(job.job.runs.length, MOST_AT_ONCE);
  assert.equal(job.did.at(-1), "skipped: 100 runs are not over");
});

test("a run by hand obeys overlap, unless it is forced", () => {
  const job = new SimulatedJob({ overlap: "skip" });
  job.due();
  job.runByHand();
  job.runByHand({ force: true });
  assert.deepEqual(job.did, ["spawn 1", "skipped: run 1 is not over", "spawn 2"]);
  assert.equal(job.job.runs[1]?.cause.trigger, "manual");
});

test("a paused job starts by hand only; what becomes due is recorded as skipped", () => {
  const job = new SimulatedJob();
  job.pause();
  job.due();
  job.runByHand();
  job.exits(0);
  job.resume();
  job.due();
  assert.deepEqual(job.did, ["skipped: paused", "spawn 1", "end 1", "1 success", "spawn 2"]);
});

test("pausing leaves what runs alone and gives up what waits", () => {
  const job = new SimulatedJob({ overlap: "queue", retries: retries(1) });
  job.due();
  job.due();
  job.pause();
  job.exits(1);
  job.passes(hours(1));
  assert.deepEqual(job.did, ["spawn 1", "skipped: paused", "end 1", "1 failure"]);
});

test("a run that is longer than its timeout is asked to end, then killed", () => {
  const job = new SimulatedJob({ timeoutMs: minutes(1) });
  job.due();
  job.passes(minutes(1));
  assert.deepEqual(job.did, ["spawn 1", "SIGTERM 1", "SIGCONT 1"]);
  job.passes(seconds(20));
  assert.deepEqual(job.did.slice(3), ["end 1", "end 1", "end 1"]); // After the grace, and again every 5 s.
  job.exits(137);
  assert.equal(job.did.at(-1), "1 timeout");
  assert.deepEqual(job.job.streak, { result: "failure", count: 1 });
});

test("a failure is tried again with growing delays, as often as asked", () => {
  const job = new SimulatedJob({ retries: retries(2) });
  job.due();
  job.exits(1);
  job.passes(seconds(10));
  job.exits(1);
  job.passes(seconds(20));
  job.exits(1);
  job.passes(hours(1));
  assert.deepEqual(
    job.did.filter((deed) => !deed.startsWith("end")),
    ["spawn 1", "1 failure, again in 10 s", "spawn 2", "2 failure, again in 20 s", "spawn 3", "3 failure"],
  );
  assert.deepEqual(job.job.streak, { result: "failure", count: 3 });
});

test("a retry never delays the next due time", () => {
  const job = new SimulatedJob({ retries: retries(5) });
  job.due();
  job.exits(1);
  job.due();
  assert.deepEqual(job.did.slice(2), ["1 failure, again in 10 s", "skipped: the next start came before it", "spawn 2"]);
});

test("with queue the due time waits behind the retry", () => {
  const job = new SimulatedJob({ overlap: "queue", retries: retries(1) });
  job.due();
  job.exits(1);
  job.due();
  job.passes(seconds(10));
  assert.equal(job.job.runs[0]?.cause.trigger, "retry");
  job.exits(0);
  assert.deepEqual(job.did.slice(3), ["spawn 2", "end 2", "2 success", "spawn 3"]);
});

test("with queue what waits while a run fails comes after its retry too", () => {
  const job = new SimulatedJob({ overlap: "queue", retries: retries(1) });
  job.due();
  job.due();
  job.exits(1);
  assert.deepEqual(job.did.slice(1), ["end 1", "1 failure, again in 10 s"]);
  job.passes(seconds(10));
  job.exits(1);
  assert.deepEqual(job.did.slice(3), ["spawn 2", "end 2", "2 failure", "spawn 3"]);
});

test("what is left of a run is ended again and again, each 5 seconds", () => {
  const job = new SimulatedJob();
  job.due();
  job.exits(0, { isClear: false });
  job.passes(seconds(14));
  assert.deepEqual(job.did, ["spawn 1", "end 1", "end 1", "end 1"]);
  job.isGone();
  assert.equal(job.did.at(-1), "1 success");
});

test("what cannot be started for good is not tried again", () => {
  const job = new SimulatedJob({ retries: retries(3) });
  job.due();
  job.isRefused("user `www` does not exist", { permanent: true });
  job.due();
  job.isRefused("out of memory");
  assert.deepEqual(job.did, ["spawn 1", "1 failure", "spawn 2", "2 failure, again in 10 s"]);
});

test("what cannot start within start_deadline is skipped, with what it waited for", () => {
  const job = new SimulatedJob({ startDeadlineMs: minutes(5) });
  job.blockedBy = ["vllm is not healthy"];
  job.due({ lateMs: minutes(1) });
  job.passes(minutes(3));
  assert.deepEqual(job.did, []);
  job.passes(minutes(1));
  assert.deepEqual(job.did, ["skipped: not started within start_deadline: it waited for vllm is not healthy"]);
  job.due({ lateMs: minutes(5) });
  assert.equal(job.did.at(-1), "skipped: not started within start_deadline");
});

test("what waits in the queue keeps its start_deadline", () => {
  const job = new SimulatedJob({ overlap: "queue", startDeadlineMs: minutes(5) });
  job.due();
  job.due();
  job.passes(minutes(5));
  assert.deepEqual(job.did, ["spawn 1", "skipped: not started within start_deadline: it waited for the run before"]);
});

test("killing one run leaves the others, killing all gives up what waits too", () => {
  const job = new SimulatedJob({ overlap: "allow", retries: retries(1) });
  job.due();
  job.due();
  job.kill(1);
  assert.deepEqual(job.did.slice(2), ["SIGTERM 1", "SIGCONT 1"]);
  job.exits(143, { run: 1 });
  assert.equal(job.did.at(-1), "1 killed");
  job.exits(1, { run: 2 });
  job.kill();
  assert.equal(job.did.at(-1), "skipped: ended by hand");
  assert.equal(job.job.streak?.count, 1); // What a person ended says nothing about the job.
});

test("a start that never happened is started under a new number", () => {
  const job = new SimulatedJob();
  job.due();
  job.send({ type: "lost", run: 1 });
  assert.deepEqual(job.did, ["spawn 1", "spawn 2"]);
});

test("a word about a run that is over changes nothing", () => {
  const job = new SimulatedJob();
  job.due();
  job.exits(0);
  const before = job.job;
  job.exits(1, { run: 1 });
  job.isGone(1);
  assert.equal(job.job, before);
});

// Promises about all sequences of events.

const cause = (trigger: Cause["trigger"]): Cause => ({ trigger, scheduledFor: 0, coalesced: 1, attempt: 1 });
const ofRun = fc.oneof(
  fc.constant({ type: "cleared" } as const),
  fc.constant({ type: "blocked", blockers: ["gpu"] } as const),
  fc.constant({ type: "skip", reason: "not healthy" } as const),
  fc.constant({ type: "spawned", at: 0 } as const),
  fc.record({ type: fc.constant("refused" as const), cause: fc.constant("no"), permanent: fc.boolean() }),
  fc.record({
    type: fc.constant("exited" as const),
    exit: fc.record({ kind: fc.constant("code" as const), code: fc.nat(1) }),
    isClear: fc.boolean(),
  }),
  fc.constant({ type: "gone" } as const),
  fc.constant({ type: "survived", survivors: ["pid 7"] } as const),
);
const event: fc.Arbitrary<JobEvent> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("due" as const),
      cause: fc.constantFrom(cause("schedule"), cause("catch-up")),
      lateMs: fc.constantFrom(0, 1000, 60_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("run" as const), at: fc.constant(0), force: fc.boolean() }) },
  {
    weight: 8,
    arbitrary: fc.record({ type: fc.constant("of run" as const), run: fc.integer({ min: 1, max: 12 }), event: ofRun }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("kill" as const),
      run: fc.option(fc.integer({ min: 1, max: 12 }), { nil: null }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("lost" as const), run: fc.integer({ min: 1, max: 12 }) }) },
  { weight: 1, arbitrary: fc.constantFrom<JobEvent>({ type: "pause" }, { type: "resume" }) },
  { weight: 4, arbitrary: fc.constant<JobEvent>({ type: "tick" }) },
);
const policy: fc.Arbitrary<JobPolicy> = fc
  .record({
    overlap: fc.constantFrom("skip", "queue", "replace", "allow"),
    startDeadlineMs: fc.constantFrom(null, 30_000),
    most: fc.nat(2),
    timeoutMs: fc.constantFrom(null, 45_000),
  })
  .map(({ overlap, startDeadlineMs, most, timeoutMs }) =>
    jobPolicyOf({ overlap, startDeadlineMs, timeoutMs, retries: retries(most) }),
  );
const life = fc.array(fc.record({ event, passes: fc.constantFrom(0, 0, 1000, 20_000) }), { maxLength: 60 });

test("whatever happens: every due time is part of one start or skipped with a reason, and none is lost", () => {
  fc.assert(
    fc.property(policy, life, (policy, events) => {
      let job = newJob();
      let now = 0;
      let wanted = 0;
      let settled = 0;
      for (const { event, passes } of events) {
        now += passes;
        if (event.type === "due" || event.type === "run") wanted++;
        const [next, effects] = stepJob(job, event, now, policy, 0.5);
        for (const effect of effects) {
          if (effect.do === "record" && effect.end.cause.attempt === 1) settled += effect.end.cause.coalesced;
          if (effect.do === "record skipped" && effect.cause.attempt === 1) settled += effect.cause.coalesced;
          if (effect.do === "record skipped") assert.notEqual(effect.reason, "");
        }
        job = next;
        const open = [...job.runs, ...job.catchUps, ...(job.queued === null ? [] : [job.queued])];
        const waiting = open
          .filter((one) => one.cause.attempt === 1)
          .reduce((sum, one) => sum + one.cause.coalesced, 0);
        assert.equal(settled + waiting, wanted);
      }
    }),
    { seed: 4, numRuns: 2_000 },
  );
});

test("whatever happens: no two runs at once unless overlap or a person allows it, and none starts while it is paused", () => {
  fc.assert(
    fc.property(policy, life, (policy, events) => {
      let job = newJob();
      let now = 0;
      for (const { event, passes } of events) {
        now += passes;
        const before = job;
        const [next, effects] = stepJob(job, event, now, policy, 0.5);
        job = next;
        const isForced = events.some(({ event }) => event.type === "run" && event.force);
        if (policy.overlap !== "allow" && !isForced) assert.ok(job.runs.length <= 1);
        assert.ok(job.runs.length <= MOST_AT_ONCE);
        assert.ok(job.lastRun >= before.lastRun);
        const isNew = job.runs.filter(({ run }) => run > before.lastRun);
        if (job.paused && event.type !== "lost") {
          for (const { cause } of isNew) assert.equal(cause.trigger, "manual");
        }
        const spawned = effects.filter((effect) => effect.do === "spawn");
        assert.ok(spawned.length <= 1);
      }
    }),
    { seed: 4, numRuns: 2_000 },
  );
});

test("whatever happens: a tick at the deadline moves the deadline, so nothing turns in circles", () => {
  fc.assert(
    fc.property(policy, life, (policy, events) => {
      let job = newJob();
      let now = 0;
      for (const { event, passes } of events) {
        now += passes;
        [job] = stepJob(job, event, now, policy, 0.5);
        const due = jobDeadline(job, policy);
        if (due === null) continue;
        const [after] = stepJob(job, { type: "tick" }, Math.max(now, due), policy, 0.5);
        const next = jobDeadline(after, policy);
        assert.ok(next === null || next > Math.max(now, due), JSON.stringify([job, after]));
      }
    }),
    { seed: 4, numRuns: 2_000 },
  );
});

test("when svcd shuts down, what runs is asked to end, and all that waits is recorded as skipped", () => {
  const job = new SimulatedJob({ overlap: "queue", retries: retries(3) });
  job.due();
  job.due();
  job.send({ type: "shutdown" });
  job.exits(143);
  job.passes(hours(1));
  assert.deepEqual(job.did, [
    "spawn 1",
    "skipped: svcd is shutting down",
    "SIGTERM 1",
    "SIGCONT 1",
    "end 1",
    "1 shutdown", // No failure: it is not tried again.
  ]);
});

test("a job that is given up lets its runs end and starts nothing more", () => {
  const job = new SimulatedJob({ overlap: "queue" });
  job.due();
  job.due();
  job.send({ type: "give up", reason: "the job was removed" });
  job.exits(0);
  assert.deepEqual(job.did, ["spawn 1", "skipped: the job was removed", "end 1", "1 success"]);
});

test("an end that nobody saw is neither a failure nor tried again: it may have done its work", () => {
  const job = new SimulatedJob({ retries: retries(3) });
  job.due();
  job.send({ type: "of run", run: 1, event: { type: "exited", exit: { kind: "unknown" }, isClear: true } });
  job.passes(hours(1));
  assert.deepEqual(job.did, ["spawn 1", "end 1", "1 unknown"]);
  assert.equal(job.job.streak, null);
});

test("what was missed and is to be made up for runs one after the other, in order, and what is due meanwhile obeys overlap", () => {
  const job = new SimulatedJob({ overlap: "skip" });
  for (const lateMs of [minutes(3), minutes(2), minutes(1)]) job.due({ lateMs, trigger: "catch-up" });
  job.due();
  job.exits(0);
  job.exits(0);
  job.exits(0);
  job.due();
  assert.deepEqual(
    job.did.filter((deed) => !deed.startsWith("end")),
    ["spawn 1", "skipped: run 1 is not over", "1 success", "spawn 2", "2 success", "spawn 3", "3 success", "spawn 4"],
  );
});
