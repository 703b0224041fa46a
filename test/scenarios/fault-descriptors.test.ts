/**
 * A small limit of open files (ulimit -n): some always stay free for what must go on, and what finds no room is told why.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import type { ServiceStatus } from "../../src/control/daemon.ts";
import { Box, kill } from "./box.ts";

const SLEEPS = "command: sleep 1001\nstartsecs: 0s\nbackoff: { first: 1ms, longest: 200ms }\n";
const UNDER_64 = { inside: ["prlimit", "--nofile=64"] };
const FULL = /svcd has too many open files: raise its limit \(ulimit -n\) \(EMFILE\)/;

test("with more services than descriptors some wait for room; all else works, and they start when there is some", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS }, UNDER_64);
  await box.until("web", "RUNNING");
  const before = await box.control.health();
  box.write("many.yaml", `${SLEEPS}replicas: 40\n`);
  // How many fit is not promised, that all that fit run is.
  const isTriedAgain = ({ state, restarts }: ServiceStatus) => state !== "RUNNING" && restarts > 3;
  const all = await box.allBecome(41, (status) => status.state === "RUNNING" || isTriedAgain(status));
  const waiting = all.filter(isTriedAgain);
  assert.ok(waiting.length > 20 && waiting.length < 40, `${waiting.length} wait`);
  t.diagnostic(`${41 - waiting.length} services fit below 64 descriptors`);
  for (const { name } of waiting) await box.until(name, ({ state, why }) => state === "BACKOFF" && FULL.test(why));

  await t.test("what runs can be restarted, again and again", async () => {
    for (let round = 0; round < 5; round++) assert.equal((await box.svctl("restart", "web")).code, 0);
    kill(await box.pid("web"), "SIGKILL");
    await box.until("web", ({ run, state }) => run === 7 && state === "RUNNING");
  });

  await t.test("the next core takes over", async () => {
    kill(before.core, "SIGKILL");
    await box.becomes("another core answers", async () => (await box.control.health()).core !== before.core);
    assert.equal((await box.status("web")).state, "RUNNING");
    assert.equal((await box.control.health()).keeper, before.keeper);
  });

  await t.test("where services go, others start", async () => {
    box.write("many.yaml", `${SLEEPS}replicas: 3\n`);
    box.write("new.yaml", "command: sh -c 'echo started; exec sleep 1002'\nstartsecs: 0s\n");
    await box.allBecome(5, ({ state }) => state === "RUNNING");
    await box.says("new", "started\n");
  });
});

test("clients that use up all connections keep svcd from nothing but answering others, and cost it no work", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS }, UNDER_64);
  const web = await box.pid("web");
  const before = await box.control.health();
  const clients: Socket[] = [];
  t.after(() => {
    for (const client of clients) client.destroy();
  });
  let refused = 0;
  for (let n = 0; n < 200; n++) {
    const client = connect(box.path("run/svcd.sock"));
    clients.push(client);
    client.on("error", () => {});
    // Each says half a request, and waits.
    client.on("connect", () => client.write("GET /v1/services HTTP/1.1\r\nHost: svcd\r\n"));
    client.on("close", () => refused++);
  }
  await box.becomes("most are sent away", () => refused > 170);
  const cpuBefore = cpuOf(before.core);

  kill(web, "SIGKILL");
  await box.becomes("it is started again", () => box.processesOf("web").some((pid) => pid !== web));
  box.write("new.yaml", "command: sh -c 'echo started; exec sleep 1002'\nstartsecs: 0s\n");
  await box.says("new", "started\n");
  t.diagnostic(
    `${200 - refused} clients had a place; the core used ${cpuOf(before.core) - cpuBefore} ms of a processor`,
  );

  for (const client of clients) client.destroy();
  await box.until("web", ({ run, state }) => run === 2 && state === "RUNNING");
  const { core, keeper } = await box.control.health();
  assert.deepEqual({ core, keeper }, { core: before.core, keeper: before.keeper });
});

/** Milliseconds of processor time so far, see proc(5). */
function cpuOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
