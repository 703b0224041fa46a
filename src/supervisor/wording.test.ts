import assert from "node:assert/strict";
import { test } from "node:test";
import { newLife, type State } from "../service/life.ts";
import { hours, policyOf, simulate } from "../service/simulate.ts";
import { type Circumstances, failureOf, next, stateWord, why } from "./wording.ts";

const around: Circumstances = {
  enabled: true,
  autostart: true,
  stopped: null,
  shuttingDown: false,
  endsAfter: [],
};
const policy = policyOf();

test("every state has a word, says why and says what comes next", () => {
  const health = {
    verdict: "starting",
    since: 0,
    failuresInRow: 0,
    probes: 1,
    dueAt: 1,
    underWay: false,
    detail: "",
  } as const;
  const states: State[] = [
    { at: "stopped" },
    { at: "skipped", reason: "MODEL_NAME is not set" },
    { at: "waiting", blockers: [] },
    { at: "waiting", blockers: ["db to be ready (it is FATAL)"] },
    { at: "starting", run: 1, since: 0, spawned: false, health: null },
    { at: "starting", run: 1, since: 0, spawned: true, health },
    { at: "running", run: 1, since: 0, health: null },
    { at: "running", run: 1, since: 0, health: { ...health, verdict: "unhealthy", detail: "HTTP 503" } },
    { at: "backoff", until: 9_000, cause: "exit 1" },
    { at: "stopping", run: 1, startedAt: 0, killAt: 9_000, killed: false, blame: null, survivors: [] },
    { at: "stopping", run: 1, startedAt: 0, killAt: 9_000, killed: true, blame: null, survivors: [] },
    {
      at: "clearing",
      run: 1,
      startedAt: 0,
      exit: { kind: "code", code: 1 },
      ended: { by: "request" },
      killAgainAt: 9_000,
      survivors: ["pid 7 (sleep), state D"],
    },
    { at: "exited", exit: { kind: "code", code: 0 } },
    { at: "fatal", cause: "vllm: not found" },
  ];
  for (const state of states) {
    for (const wanted of ["up", "down"] as const) {
      const life = { ...newLife(0), state, wanted };
      assert.match(stateWord(state), /^[A-Z]+$/);
      assert.notEqual(why(life, policy, around, 5_000), "");
      assert.notEqual(next(life, policy, around, 5_000), "");
    }
  }
});

test("a crash loop tells the number of the failure, its cause and when it tries again", () => {
  const loop = simulate();
  loop.start();
  for (let crash = 0; crash < 3; crash++) {
    loop.exits({ signal: "SIGSEGV" });
    if (loop.life.state.at === "backoff" && crash < 2) loop.passes(loop.life.state.until - loop.now);
  }
  assert.equal(why(loop.life, loop.policy, around, loop.now), "3rd failure in a row: killed by SIGSEGV");
  assert.equal(next(loop.life, loop.policy, around, loop.now), "retrying in 800ms");
});

test("a stopped service tells who wanted it so", () => {
  const life = newLife(0);
  const says = (changes: Partial<Circumstances>): string => why(life, policy, { ...around, ...changes }, 0);
  assert.equal(says({ stopped: "on request" }), "stopped on request, never ran");
  assert.equal(says({ stopped: "nobody has used it for 20m" }), "stopped: nobody has used it for 20m, never ran");
  assert.equal(says({ enabled: false }), "disabled, never ran");
  assert.equal(says({ shuttingDown: true }), "svcd is shutting down, never ran");
  assert.equal(says({ autostart: false }), "autostart is off, never ran");
});

test("an end tells how long the run was", () => {
  const job = simulate({ restart: "no" });
  job.start();
  job.passes(hours(2));
  job.exits({ code: 3 });
  assert.equal(why(job.life, job.policy, around, job.now), "exit 3 after 2h");
});

test("a one-shot that failed tells its last words, a server does not", () => {
  const job = simulate({ restart: "no" });
  job.start();
  job.exits({ code: 1 });
  assert.equal(failureOf(job.life, job.policy)?.run, 1);
  const said = { ...around, lastWords: "no such model" };
  assert.match(why(job.life, job.policy, said, job.now), /^exit 1 after .*: no such model$/);

  const good = simulate({ restart: "no" });
  good.start();
  good.exits({ code: 0 });
  assert.equal(failureOf(good.life, good.policy), null);
  const server = simulate({ restart: "always" });
  server.start();
  server.exits({ code: 1 });
  assert.equal(failureOf(server.life, server.policy), null);
});

test("what KILL does not end is named", () => {
  const service = simulate({ startsecsMs: 0 });
  service.start();
  service.exitsAndLeaves({ code: 1 });
  assert.equal(stateWord(service.life.state), "STOPPING");
  assert.equal(why(service.life, policy, around, service.now), "exit 1; ending what its main process left behind");
  service.send({ type: "survived", run: 1, survivors: ["pid 7 (python3), state D"] });
  assert.equal(why(service.life, policy, around, service.now), "exit 1; KILL does not end pid 7 (python3), state D");
});
