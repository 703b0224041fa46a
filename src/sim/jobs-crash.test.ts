import assert from "node:assert/strict";
import { test } from "node:test";
import type { JobDefinition } from "../plan/job.ts";
import { hours, minutes, seconds } from "../service/simulate.ts";
import { JobWorld, type Kill } from "./job-world.ts";
import { job, plan } from "./services.ts";

/**
 * Each story is told once whole, to count its actions, and then once for each of them with the core, the keeper or the machine
 * killed right before or right after it. However it goes on: each due time has exactly one run or one record that says why
 * not, no due time has two processes, and each process has one record.
 */
interface Story {
  readonly jobs: readonly JobDefinition[];
  readonly setUp?: (world: JobWorld) => void;
  readonly tell: (world: JobWorld) => void;
}

const retries = { most: 2, firstMs: seconds(10), factor: 2, longestMs: minutes(5), jitter: 0 };

const STORIES: Readonly<Record<string, Story>> = {
  "what is due starts": {
    jobs: [job("a"), job("b", { schedule: "1 12 * * *" })],
    tell: (w) => w.passes(minutes(3)),
  },
  "overlap: skip": {
    jobs: [job("a")],
    setUp: (w) => long(w, 90),
    tell: (w) => w.passes(minutes(5)),
  },
  "overlap: queue": {
    jobs: [job("a", { policy: { overlap: "queue" } })],
    setUp: (w) => long(w, 150),
    tell: (w) => w.passes(minutes(5)),
  },
  "overlap: replace": {
    jobs: [job("a", { policy: { overlap: "replace" } })],
    setUp: (w) => long(w, 150),
    tell: (w) => w.passes(minutes(5)),
  },
  "overlap: allow": {
    jobs: [job("a", { policy: { overlap: "allow" } })],
    setUp: (w) => long(w, 90),
    tell: (w) => w.passes(minutes(4)),
  },
  "a failure is tried again": {
    jobs: [job("a", { policy: { retries }, schedule: "*/2 * * * *" })],
    setUp: (w) => {
      w.behaves = (_job, { attempt }) => ({ lastsMs: 2_000, code: attempt === 3 ? 0 : 1 });
    },
    tell: (w) => w.passes(minutes(4)),
  },
  "a run is longer than its timeout": {
    jobs: [job("a", { policy: { timeoutMs: seconds(20), stopGraceMs: seconds(5) } })],
    setUp: (w) => {
      w.behaves = () => ({ lastsMs: hours(1), ignoresTerm: true });
    },
    tell: (w) => w.passes(minutes(3)),
  },
  "what was missed is made up for": {
    jobs: [job("a", { onMissed: "once" }), job("b", { onMissed: "all" }), job("c", { onMissed: "skip" })],
    tell: (w) => {
      w.passes(minutes(1));
      w.isDownFor(minutes(8));
      w.passes(minutes(2));
    },
  },
  "a job is paused and resumed": {
    jobs: [job("a"), job("b", { policy: { overlap: "queue" } })],
    setUp: (w) => long(w, 70),
    tell: (w) => {
      w.passes(seconds(95));
      w.ask((supervisor) => supervisor.pauseJobs(["a", "b"]));
      w.passes(minutes(2));
      w.ask((supervisor) => supervisor.resumeJobs(["a", "b"]));
      w.passes(minutes(2));
    },
  },
  "jobs share a lock": {
    jobs: [
      job("a", { lock: "db" }),
      job("b", { lock: "db" }),
      job("c", { lock: "db", policy: { startDeadlineMs: 8_000 } }),
    ],
    tell: (w) => w.passes(minutes(3)),
  },
  "a program cannot be started": {
    jobs: [job("a"), job("b")],
    setUp: (w) => {
      w.refuses = (name) => (name === "a" ? "no such program" : null);
    },
    tell: (w) => w.passes(minutes(3)),
  },
  "svcd shuts down": {
    jobs: [job("a"), job("b", { policy: { overlap: "queue" } }), job("c", { lock: "l" }), job("d", { lock: "l" })],
    setUp: (w) => long(w, 100),
    tell: (w) => {
      w.passes(seconds(100));
      w.passes(minutes(2), () => w.supervisor !== null);
      w.shutdown();
      w.passes(minutes(1), () => w.hasLeft);
    },
  },
  "a job is removed and comes back": {
    jobs: [job("a"), job("b", { policy: { overlap: "queue" } })],
    setUp: (w) => long(w, 80),
    tell: (w) => {
      const whole = w.plan;
      w.passes(seconds(95));
      w.apply(plan(job("a")));
      w.passes(minutes(3));
      w.apply(whole);
      w.passes(minutes(2));
    },
  },
};

function long(world: JobWorld, lastsS: number): void {
  world.behaves = () => ({ lastsMs: seconds(lastsS) });
}

/** Tells the story and lets it come to its end: no more due times, and what runs ends. */
function live({ jobs, setUp, tell }: Story, kill: Kill | null): JobWorld {
  const world = new JobWorld(plan(...jobs));
  setUp?.(world);
  world.kill = kill;
  try {
    world.start();
    world.passes(0);
    tell(world);
    if (!world.hasLeft) settle(world);
    account(world, jobs);
  } catch (error) {
    const what = kill === null ? "nobody killed anything" : JSON.stringify(kill);
    throw new Error(`${what}: ${(error as Error).message}\n${world.story.join("\n")}`, { cause: error });
  }
  return world;
}

function settle(world: JobWorld): void {
  const isBusy = (): boolean =>
    world.supervisor === null || world.supervisor.jobs().some(({ state }) => state !== "PAUSED" && state !== "IDLE");
  const isPaused = (): boolean => world.supervisor?.jobs().every(({ paused }) => paused) ?? false;
  for (let attempt = 0; attempt < 3 && !isPaused(); attempt++) {
    // What is asked for may kill whom it is asked of.
    world.passes(minutes(2), () => world.supervisor !== null);
    world.ask((supervisor) => supervisor.pauseJobs(supervisor.jobs().map(({ name }) => name)));
  }
  world.passes(hours(2), () => !isBusy());
  assert.equal(isBusy(), false, "it never comes to rest");
}

function account(world: JobWorld, jobs: readonly JobDefinition[]): void {
  for (const one of jobs) world.mustBeSettled(one);
}

for (const [title, story] of Object.entries(STORIES)) {
  test(`${title}: killed at any action, each due time has one run or one reason, and none has two processes`, () => {
    const { actions } = live(story, null);
    assert.ok(actions > 10, `the story has ${actions} actions`);
    for (const what of ["core", "keeper", "machine"] as const) {
      for (let atAction = 1; atAction <= actions; atAction++) {
        for (const moment of ["before", "after"] as const) {
          for (const ordersArrive of [true, false]) live(story, { what, atAction, moment, ordersArrive });
        }
      }
    }
  });
}
