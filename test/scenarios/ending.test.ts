/**
 * How runs end: by themselves, because somebody asks, or because they must; and what happens next.
 */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { Box, isAlive, kill } from "./box.ts";

/** Waits for signals, and for nothing else. A trap runs when `wait` returns. */
const WAIT = "while :; do sleep 1000 & wait; done";
/** Quick to be RUNNING, and restarted at once as far as a story can tell. */
const QUICK = "startsecs: 0s\nbackoff: { first: 1ms, longest: 1ms }\ngive_up: never\n";

test("death is learned from the process, not from the end of its output", async (t) => {
  // The leader ends while its grandchild holds the log pipe open.
  const box = Box.prepare(t, {
    "web.yaml": `command: sh -c 'sleep 1001 & echo $$! > grandchild; read -r code < fate; exit $$code'\n${QUICK}`,
  });
  await box.fifo("fate");
  await box.start();
  const first = await box.until("web", "RUNNING");
  const grandchild = await box.numberIn("grandchild");
  assert.ok(isAlive(grandchild));

  await box.put("fate", "3\n");
  const second = await box.until("web", ({ run, state }) => run === 2 && state === "RUNNING");
  assert.equal(second.restarts, 1);
  assert.notEqual(second.pid, first.pid);
  assert.match(second.why, /exit 3/);

  await box.becomes("the grandchild of the first run is gone", () => !isAlive(grandchild));
});

test("`status` and `svctl why` tell how a run ended", async (t) => {
  const box = await Box.open(t, {
    "code.yaml": "command: sh -c 'exit 7'\nrestart: no",
    "signal.yaml": "command: sh -c 'kill -SEGV $$$$'\nrestart: no",
    "killed.yaml": `command: sleep 1001\n${QUICK}`,
  });
  assert.match((await box.until("code", "EXITED")).why, /^exit 7 after /);
  assert.match((await box.until("signal", "EXITED")).why, /^killed by SIGSEGV after /);

  kill(await box.pid("killed"), "SIGKILL");
  assert.match((await box.until("killed", ({ run, state }) => run === 2 && state === "RUNNING")).why, /SIGKILL/);
  assert.match((await box.svctl("why", "killed")).stdout, /SIGKILL/);
});

test("a service is asked to end with its own stop signal, and gets KILL after the grace period", async (t) => {
  const box = await Box.open(t, {
    "polite.yaml": `command: sh -c 'trap "echo got INT; exit 0" INT; trap "" TERM; echo up; ${WAIT}'\nstop_signal: INT\n${QUICK}`,
    "stubborn.yaml": `command: sh -c 'trap "" TERM; echo up; ${WAIT}'\nstop_grace_period: 300ms\n${QUICK}`,
    "family.yaml": `command: sh -c 'trap "" TERM; sh -c "trap true TERM; ${WAIT}" & echo $$! > child; echo up; ${WAIT}'\nstop_grace_period: 300ms\n${QUICK}`,
  });
  for (const name of ["polite", "stubborn", "family"]) await box.says(name, "up\n");
  const stubborn = await box.pid("stubborn");
  const child = await box.numberIn("child");

  await box.control.act("stop", ["polite", "stubborn", "family"]);
  const seen = await box.status("stubborn");
  assert.equal(seen.state, "STOPPING");
  assert.match(seen.next, /^KILL in /);

  await box.until("polite", "STOPPED");
  await box.says("polite", "up\ngot INT\n");
  assert.match((await box.until("stubborn", "STOPPED")).why, /killed by SIGKILL/);
  assert.equal(isAlive(stubborn), false);
  await box.until("family", "STOPPED");
  await box.becomes("the child that ignored TERM is gone, too", () => !isAlive(child));
});

test("a service that is frozen with SIGSTOP ends when asked to", async (t) => {
  const box = await Box.open(t, {
    "web.yaml": `command: sh -c 'trap "echo ends; exit 0" TERM; echo up; ${WAIT}'\nstop_grace_period: 20s\n${QUICK}`,
    "deaf.yaml": `command: sh -c 'trap "" TERM; echo up; ${WAIT}'\nstop_grace_period: 200ms\n${QUICK}`,
  });
  for (const name of ["web", "deaf"]) {
    await box.says(name, "up\n");
    const pid = await box.pid(name);
    kill(pid, "SIGSTOP");
    await box.becomes(`${name} is frozen`, () => / T /.test(readFileSync(`/proc/${pid}/stat`, "latin1")));
  }
  await box.control.act("stop", ["web", "deaf"]);
  await box.until("web", "STOPPED");
  await box.says("web", "up\nends\n");
  await box.until("deaf", "STOPPED");
});

test("`stop_to` says who gets the signal: the whole group, or the main process alone", async (t) => {
  const command = (name: string) =>
    `command: sh -c 'sh -c "trap \\"echo child heard; exit 0\\" TERM; echo child up > ${name}.up; ${WAIT}" & trap "sleep 0.1; echo main heard; exit 0" TERM; ${WAIT}'`;
  const box = await Box.open(t, {
    "group.yaml": `${command("group")}\n${QUICK}`,
    "main.yaml": `${command("main")}\nstop_to: main\n${QUICK}`,
  });
  for (const name of ["group", "main"]) await box.becomes(`${name} is up`, () => existsSync(box.path(`${name}.up`)));
  await box.control.act("stop", ["group", "main"]);
  for (const name of ["group", "main"]) await box.until(name, "STOPPED");
  assert.deepEqual(box.log("group").trim().split("\n").sort(), ["child heard", "main heard"]);
  assert.equal(box.log("main"), "main heard\n");
});

test("what is left of a run's process group when its leader has ended is killed", async (t) => {
  const box = await Box.open(t, {
    "web.yaml": `command: sh -c 'sh -c "trap true TERM HUP INT; ${WAIT}" & echo $$! > child; trap "exit 0" TERM; echo up; ${WAIT}'\n${QUICK}`,
  });
  await box.says("web", "up\n");
  const child = await box.numberIn("child");
  await box.control.act("stop", ["web"]);
  await box.until("web", "STOPPED");
  await box.becomes("the child is gone", () => !isAlive(child));
});

test("`restart` decides whether an end is a reason to start again", async (t) => {
  const box = await Box.open(t, {
    "always.yaml": `command: sh -c 'echo run; [ -e enough ] && exec sleep 1001; touch enough; exit 0'\n${QUICK}`,
    "on-failure-0.yaml": "command: sh -c 'exit 0'\nrestart: on-failure",
    "on-failure-2.yaml": "command: sh -c 'exit 2'\nrestart: on-failure\nsuccess_exit_codes: [0, 2]",
    "on-failure-1.yaml": `command: sh -c 'echo run; [ -e other ] && exit 0; touch other; exit 1'\nrestart: on-failure\n${QUICK}`,
    "no-1.yaml": "command: sh -c 'exit 1'\nrestart: no",
    "one-shot.yaml": "command: sh -c 'echo done once'\nrestart: no",
  });
  await box.until("always", ({ state, run }) => state === "RUNNING" && run === 2);

  for (const name of ["on-failure-0", "on-failure-2", "no-1", "one-shot"]) {
    const { run, restarts, pid, next } = await box.until(name, "EXITED");
    assert.deepEqual({ run, restarts, pid }, { run: 1, restarts: 0, pid: null }, name);
    assert.match(next, /stays down/);
  }
  const failed = await box.until("on-failure-1", "EXITED");
  assert.equal(failed.run, 2);
  assert.equal(box.log("one-shot"), "done once\n");
});

test("a crash loop slows down, then svcd gives up and says why", async (t) => {
  const box = await Box.open(t, {
    "loop.yaml":
      "command: sh -c 'date +%s%3N >> starts; exit 9'\nbackoff: { first: 40ms, jitter: 0 }\ngive_up: { failures: 5, within: 1m }",
  });
  const waiting = await box.until("loop", "BACKOFF");
  assert.match(waiting.why, /exit 9/);
  assert.match(waiting.next, /^retrying in /);

  const { why, run, restarts, next } = await box.until("loop", "FATAL");
  assert.match(why, /^gave up after 5 failures within 60 s; last: exit 9$/);
  assert.deepEqual({ run, restarts }, { run: 5, restarts: 4 });
  assert.match(next, /stays down/);

  const starts = readFileSync(box.path("starts"), "utf8").trim().split("\n").map(Number);
  const gaps = starts.slice(1).map((at, index) => at - (starts[index] as number));
  // The very first start takes a shell longer than the others, so its gap tells nothing.
  for (const [index, least] of [80, 160, 320].entries()) {
    assert.ok((gaps[index + 1] as number) >= least - 20, `gaps: ${gaps}`);
  }

  await t.test("`svctl start` forgives what was", async () => {
    await box.control.act("start", ["loop"]);
    const again = await box.until("loop", "FATAL");
    assert.equal(again.run, 10);
    assert.equal(again.restarts, 4);
  });
});

test("`give_up: never` never gives up, and `startretries` is supervisord's rule", async (t) => {
  const box = await Box.open(t, {
    "never.yaml": `command: sh -c 'exit 1'\n${QUICK}`,
    "retries.yaml": "command: sh -c 'exit 1'\nstartretries: 1",
  });
  await box.until("never", ({ run }) => run > 20);
  const { why, run } = await box.until("retries", "FATAL");
  assert.equal(run, 2);
  assert.match(why, /startretries: 1/);
  assert.notEqual((await box.status("never")).state, "FATAL");
});

test("a restart makes exactly one new run, however many ask for it at once", async (t) => {
  const box = await Box.open(t, {
    "web.yaml": `command: sh -c 'echo up; trap "exit 0" TERM; ${WAIT}'\n${QUICK}`,
  });
  await box.says("web", "up\n");
  const before = await box.until("web", "RUNNING");

  const { code } = await box.svctl("restart", "web");
  assert.equal(code, 0);
  const after = await box.status("web");
  assert.equal(after.run, 2);
  assert.equal(after.restarts, 0);
  assert.notEqual(after.pid, before.pid);

  await t.test("ten that race make no twins", async () => {
    const answers = await Promise.all(Array.from({ length: 10 }, () => box.svctl("restart", "web")));
    assert.deepEqual(
      answers.filter((answer) => answer.code !== 0),
      [],
    );
    const { pid, run } = await box.until("web", "RUNNING");
    assert.ok(run <= 12, `run ${run}`);
    assert.deepEqual(box.processesOf("web"), [pid]);
  });
});

test("fifty services killed at once all come back", async (t) => {
  const box = await Box.open(t, {
    "many.yaml": `command: sleep 1001\nreplicas: 50\n${QUICK}`,
  });
  const all = await box.allBecome(50, ({ state }) => state === "RUNNING");
  const pids = all.map(({ pid }) => pid as number);
  for (const pid of pids) kill(pid, "SIGKILL");
  const back = await box.allBecome(50, ({ state, run }) => state === "RUNNING" && run === 2);
  assert.deepEqual(
    back.filter(({ pid, restarts }) => pids.includes(pid as number) || restarts !== 1),
    [],
  );
});

test("`svctl stop` and `start` wait, and tell what came of it", async (t) => {
  const box = await Box.open(t, {
    "web.yaml": `command: sh -c 'trap "exit 0" TERM; ${WAIT}'\n${QUICK}`,
    "bad.yaml": "command: sh -c 'echo no model found; exit 4'\nautostart: false\nrestart: no",
  });
  const pid = await box.pid("web");
  assert.equal((await box.svctl("stop", "web")).code, 0);
  assert.equal(isAlive(pid), false);
  assert.equal((await box.status("web")).state, "STOPPED");

  assert.equal((await box.svctl("start", "web")).code, 0);
  assert.equal((await box.status("web")).state, "RUNNING");

  const failed = await box.svctl("start", "bad");
  assert.equal(failed.code, 1);
  assert.match(failed.stdout + failed.stderr, /exit 4/);
  assert.match(failed.stdout + failed.stderr, /no model found/);
});

test("a service that ends while it is asked to stop, or is asked to start while it stops, is not lost", async (t) => {
  const box = Box.prepare(t, {
    "web.yaml": `command: sh -c 'trap "read -r _ < door; exit 0" TERM; echo up; ${WAIT}'\nstop_grace_period: 20s\n${QUICK}`,
  });
  await box.fifo("door");
  await box.start();
  await box.says("web", "up\n");
  await box.control.act("stop", ["web"]);
  await box.until("web", "STOPPING");
  await box.control.act("start", ["web"]);
  assert.match((await box.status("web")).next, /then it starts again/);
  await box.put("door", "\n");
  const { run } = await box.until("web", "RUNNING");
  assert.equal(run, 2);
  await box.says("web", "up\nup\n");
});
