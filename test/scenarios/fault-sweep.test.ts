/**
 * Every system call of a start fails once: the first in the first round, the second in the second, until a round passes
 * without a failure. Whatever it was, the service comes up in the end, and no other notices.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Box } from "./box.ts";
import { FORKS, interfere, noInterference } from "./interference.ts";

const SLEEPS = "command: sleep 1001\nstartsecs: 0s\nbackoff: { first: 1ms, longest: 20ms }\n";

/** What a start asks of the kernel. */
const CALLS = `openat,pipe2,socketpair,fchown,mkdir,readlink,unlink,rename,fcntl,statx,${FORKS}`;
/** Far more than a start needs. */
const MOST_CALLS = 150;

test("whichever single system call of the keeper fails during a start, the service comes up, once, and svcd goes on", {
  skip: noInterference,
}, async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  const { keeper, core } = await box.control.health();
  let failed = 1;
  let nth = 0;
  while (failed > 0 && nth < MOST_CALLS) {
    nth++;
    const mend = await interfere(t, box, keeper, CALLS, "EIO", nth);
    box.write("fresh.yaml", `${SLEEPS}environment: { ROUND: "${nth}" }\n`);
    await box.control.act("restart", ["web"]);
    for (const name of ["web", "fresh"]) {
      await box.until(name, ({ state, pid, run }) => state === "RUNNING" && pid !== null && run >= nth);
    }
    failed = await mend();
    box.remove("fresh.yaml"); // The next one makes its log pipe anew.
    await box.allBecome(1, ({ name }) => name === "web");
  }
  assert.ok(nth > 5 && nth < MOST_CALLS, `${nth} rounds`);
  t.diagnostic(`each of ${nth - 1} calls has failed once`);
  const web = await box.status("web");
  assert.deepEqual(box.processesOf("web"), [web.pid]);
  const now = await box.control.health();
  assert.deepEqual({ keeper: now.keeper, core: now.core }, { keeper, core });
});

test("whichever single system call of the core fails while a file is taken up, its service comes up and others stay", {
  skip: noInterference,
}, async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  const { pid } = await box.until("web", "RUNNING");
  const cores = new Set<number>();
  let failed = 1;
  let nth = 0;
  while (failed > 0 && nth < MOST_CALLS) {
    nth++;
    const { core } = await box.control.health();
    cores.add(core);
    const mend = await interfere(t, box, core, CALLS, "EIO", nth);
    box.write("fresh.yaml", `${SLEEPS}environment: { ROUND: "${nth}" }\n`);
    await box.until("fresh", ({ state, pid, run }) => state === "RUNNING" && pid !== null && run >= nth);
    failed = await mend();
  }
  t.diagnostic(`each of ${nth - 1} calls has failed once, and ${cores.size - 1} cores ended by it`);
  assert.ok(nth > 5 && nth < MOST_CALLS, `${nth} rounds`);
  assert.equal((await box.status("web")).pid, pid);
});
