/**
 * The core may be killed at any moment: the keeper starts a new one, which takes over what runs without touching it.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { readCheckedLines } from "../../src/checked-journal.ts";
import { allPids, monotonicMs, readStat } from "../../src/keeper/process-identity.ts";
import { parseDuration } from "../../src/plan/units.ts";
import type { JournalEntry } from "../../src/ports.ts";
import { Box, isAlive, kill } from "./box.ts";

const QUICK = "startsecs: 0s\nbackoff: { first: 1ms, longest: 1ms }\n";
/** Prints 1, 2, 3 … until the file `enough` is there, and notes the last number in NAME.last. */
const flood = (name: string): string =>
  `command: |
  n=0
  until [ -e enough ]; do
    m=$$((n + 200))
    while [ $$n -lt $$m ]; do n=$$((n + 1)); echo $$n; done
  done
  echo $$n > ${name}.last
  exec sleep 1001
shell: true
logs: { max_size: 1M, keep: 100, compress: false }
${QUICK}`;

async function newCore(box: Box, old: number): Promise<number> {
  let core = old;
  await box.becomes("another core is in charge", async () => {
    core = (await box.control.health()).core;
    return core !== old;
  });
  return core;
}

test("a core that is killed again and again under load costs no process, no line and no count", async (t) => {
  const names = ["flood-1", "flood-2"];
  const box = await Box.open(t, {
    ...Object.fromEntries(names.map((name) => [`${name}.yaml`, flood(name)])),
    "twice.yaml": `command: sleep 1001\n${QUICK}`,
    "stopped.yaml": "command: sleep 1002\nautostart: false",
    "done.yaml": "command: sh -c 'exit 5'\nrestart: no",
    "bad.yaml": "command: ./no-such-program",
  });
  for (const run of [1, 2]) {
    kill((await box.until("twice", (status) => status.run === run && status.pid !== null)).pid as number, "SIGKILL");
  }
  await box.until("twice", ({ run, state }) => run === 3 && state === "RUNNING");
  await box.until("done", "EXITED");
  await box.until("bad", "FATAL");
  for (const name of names) await box.until(name, "RUNNING");
  const before = await box.control.services();
  const facts = (all: typeof before) =>
    all.map(({ name, state, pid, run, restarts }) => ({ name, state, pid, run, restarts }));

  let { core, keeper } = await box.control.health();
  for (let round = 0; round < 10; round++) {
    kill(core, "SIGKILL");
    core = await newCore(box, core);
  }
  const after = await box.control.services();
  assert.deepEqual(facts(after), facts(before));
  assert.equal((await box.control.health()).keeper, keeper);
  assert.deepEqual(
    after.map(({ why }) => why),
    before.map(({ why }) => why),
  );

  writeFileSync(box.path("enough"), "");
  for (const name of names) {
    const last = await box.numberIn(`${name}.last`);
    await box.becomes("all is in the file", () => box.log(name).endsWith(`\n${last}\n`));
    assertCounts(textOf(box, name), last);
  }
});

test("svcd stops in order also right after its core was killed again and again", async (t) => {
  const tells = (name: string): string =>
    `command: sh -c 'trap "echo ${name} >> order; exit 0" TERM; echo up; while :; do sleep 1000 & wait; done'\n${QUICK}`;
  const box = await Box.open(t, { "db.yaml": tells("db"), "web.yaml": `${tells("web")}depends_on: [ db ]` });
  for (const name of ["db", "web"]) await box.says(name, "up\n");
  let { core } = await box.control.health();
  for (let round = 0; round < 4; round++) {
    kill(core, "SIGKILL");
    core = await newCore(box, core);
  }
  kill(core, "SIGKILL");
  box.daemon?.kill("SIGTERM");
  assert.equal(await box.ended(), 0);
  assert.equal(box.file("order"), "web\ndb\n");
  assert.doesNotMatch(box.terminal, /stopping all services without it/);
});

test("a core that is killed before it was in charge is replaced as soon as any other", async (t) => {
  const box = await Box.open(t);
  const { keeper, core: first } = await box.control.health();
  let core = first;
  for (let round = 0; round < 10; round++) {
    kill(core, "SIGKILL");
    core = await newCore(box, core);
  }
  kill(core, "SIGKILL");
  await box.becomes("the next core is killed while it starts", () => {
    const born = childrenOf(keeper).find((pid) => pid !== core);
    if (born !== undefined) kill(born, "SIGKILL");
    return born !== undefined;
  });
  await newCore(box, core);
  const pauses = pausesToldIn(box.terminal);
  assert.ok(Math.max(...pauses) <= 250, `pauses: ${pauses}`);
});

test("a core that lived for a second is replaced without a pause, however many were killed before", async (t) => {
  const box = await Box.open(t);
  let { core } = await box.control.health();
  for (let round = 0; round < 3; round++) {
    const lastsUntil = monotonicMs() + 1_000;
    await box.becomes("it has lived for a second", () => monotonicMs() >= lastsUntil);
    kill(core, "SIGKILL");
    core = await newCore(box, core);
  }
  assert.deepEqual(pausesToldIn(box.terminal), [0, 0, 0]);
});

test("what the first core was to start is started when it dies before it could, also with auto_apply: false", async (t) => {
  const box = Box.prepare(t, { "web.yaml": `command: sleep 1001\n${QUICK}` }, { settings: "auto_apply: false\n" });
  const keeper = box.launch().pid as number;
  await box.becomes("the first core is killed while it starts", () => {
    const born = childrenOf(keeper).find((pid) => readStat(pid)?.session === pid);
    if (born !== undefined) kill(born, "SIGKILL");
    return born !== undefined;
  });
  await box.until("web", "RUNNING");
});

test("what ends while no core is there is known to the next one, with its exit status", async (t) => {
  const box = Box.prepare(t, {
    "job.yaml": "command: sh -c 'read -r code < fate; echo last words; exit $$code'\nrestart: no",
    "web.yaml": `command: sleep 1001\n${QUICK}`,
  });
  await box.fifo("fate");
  await box.start();
  const web = await box.pid("web");
  await box.pid("job");
  const { core } = await box.control.health();
  kill(core, "SIGKILL");
  kill(web, "SIGSEGV");
  await box.put("fate", "7\n");
  await newCore(box, core);
  assert.match((await box.until("job", "EXITED")).why, /^exit 7 /);
  assert.equal(box.log("job"), "last words\n");
  const again = await box.until("web", ({ run, state }) => run === 2 && state === "RUNNING");
  assert.match(again.why, /killed by SIGSEGV/);
  assert.equal(again.restarts, 1);
});

test("a core that dies in the middle of many starts leaves no twins and no orphans", async (t) => {
  const box = await Box.open(t);
  let { core } = await box.control.health();
  for (const round of [1, 2, 3]) {
    box.write(`round-${round}.yaml`, `command: sleep 1001\nreplicas: 20\n${QUICK}`);
    await box.becomes(
      "the first ones are being started",
      async () => (await box.control.services()).length >= round * 20,
    );
    kill(core, "SIGKILL");
    core = await newCore(box, core);
  }
  const all = await box.allBecome(60, ({ state, pid }) => state === "RUNNING" && pid !== null);
  for (const { name, pid } of all) assert.deepEqual(box.processesOf(name), [pid]);
});

test("a stop goes on through the death of the core", async (t) => {
  const box = Box.prepare(t, {
    "web.yaml": `command: sh -c 'trap "read -r _ < door; exit 0" TERM; echo up; while :; do sleep 1000 & wait; done'\nstop_grace_period: 20s\n${QUICK}`,
    "deaf.yaml": `command: sh -c 'trap "" TERM; echo up; while :; do sleep 1000 & wait; done'\nstop_grace_period: 700ms\n${QUICK}`,
  });
  await box.fifo("door");
  await box.start();
  for (const name of ["web", "deaf"]) await box.says(name, "up\n");
  await box.control.act("stop", ["web", "deaf"]);
  const { core } = await box.control.health();
  kill(core, "SIGKILL");
  await newCore(box, core);
  assert.equal((await box.status("web")).state, "STOPPING");
  await box.put("door", "\n");
  await box.until("web", "STOPPED");
  await box.until("deaf", "STOPPED");
});

test("`svctl logs -f` goes on through the death of the core, without losing or repeating a line", async (t) => {
  const box = Box.prepare(t, {
    "web.yaml": "command: sh -c 'while read -r from to; do seq $$from $$to; done <> go'",
  });
  await box.fifo("go");
  await box.start();
  const follower = box.follow(t, "logs", "-f", "web");
  await box.put("go", "1 100\n");
  await box.becomes("the follower follows", () => follower.text.endsWith("\n100\n"));
  const { core } = await box.control.health();
  kill(core, "SIGKILL");
  await box.put("go", "101 5000\n");
  await newCore(box, core);
  await box.put("go", "5001 6000\n");
  await box.becomes("it has heard the last line", () => follower.text.endsWith("\n6000\n"));
  assertCounts(follower.text, 6000);
});

test("a core that is killed among 50 services knows their counts and the very instant of the next start", async (t) => {
  const floods = ["flood-1", "flood-2", "flood-3"];
  const box = await Box.open(t, {
    ...Object.fromEntries(floods.map((name) => [`${name}.yaml`, flood(name)])),
    "many.yaml": `command: sleep 1001\nreplicas: 46\n${QUICK}`,
    "waits.yaml": "command: sh -c 'exit 3'\nstartsecs: 0s\nbackoff: { first: 1h, longest: 1h }\ngive_up: never",
  });
  await box.until("waits", "BACKOFF");
  const facts = async () => {
    const all = await box.allBecome(50, ({ name, state }) => state === (name === "waits" ? "BACKOFF" : "RUNNING"));
    return all.map(({ name, pid, run, restarts }) => ({ name, pid, run, restarts }));
  };
  const before = await facts();
  const nextStart = nextStartOf(box, "waits");
  assert.ok(nextStart > 0);
  let { core } = await box.control.health();
  for (let round = 0; round < 3; round++) {
    kill(core, "SIGKILL");
    core = await newCore(box, core);
    assert.deepEqual(await facts(), before);
    assert.equal(nextStartOf(box, "waits"), nextStart);
  }
  // A deadline that began anew with a core would differ by now.
  await box.becomes("some time has passed", () => monotonicMs() > nextStart - 3_600_000 + 3_000);
  const askedAt = monotonicMs();
  const [, rest = ""] = /^retrying in (\S+)$/.exec((await box.status("waits")).next) ?? [];
  const restMs = parseDuration(rest);
  assert.ok(restMs.ok, rest);
  const toTheSecondMs = 500;
  assert.ok(nextStart >= askedAt + restMs.value - toTheSecondMs, rest);
  assert.ok(nextStart <= monotonicMs() + restMs.value + toTheSecondMs, rest);
  writeFileSync(box.path("enough"), "");
  for (const name of floods) {
    const last = await box.numberIn(`${name}.last`);
    await box.becomes("all is in the file", () => box.log(name).endsWith(`\n${last}\n`));
    assertCounts(textOf(box, name), last);
  }
});

test("a start that was due while no core was there is made by the next one, once", async (t) => {
  const box = Box.prepare(t, {
    "web.yaml":
      "command: sh -c 'echo up; read -r _ < fate; exit 3'\nstartsecs: 0s\nbackoff: { first: 300ms, longest: 300ms }\ngive_up: never",
  });
  await box.fifo("fate");
  await box.start();
  await box.says("web", "up\n");
  await box.put("fate", "\n");
  await box.until("web", "BACKOFF");
  const due = nextStartOf(box, "web");
  const { core } = await box.control.health();
  kill(core, "SIGSTOP");
  await box.becomes("the start is due", () => monotonicMs() > due);
  kill(core, "SIGKILL");
  await newCore(box, core);
  const { restarts } = await box.until("web", ({ run, state }) => run === 2 && state === "RUNNING");
  assert.equal(restarts, 1);
  await box.says("web", "up\nup\n");
});

test("`svctl upgrade` puts a new core in charge, announced; services notice nothing", async (t) => {
  const box = await Box.open(t, { "web.yaml": `command: sleep 1001\n${QUICK}` });
  const pid = await box.pid("web");
  const said: string[] = [];
  let isConnected = false;
  const listening = box.control.events({ since: null, onConnection: (isThere) => (isConnected = isThere) }, (heard) => {
    if (heard.event.type === "daemon") said.push(heard.event.text);
  });
  t.after(() => listening.stop());
  await box.becomes("we listen", () => isConnected);
  const { core } = await box.control.health();
  assert.equal((await box.svctl("upgrade")).code, 0);
  assert.notEqual((await box.control.health()).core, core);
  assert.equal((await box.status("web")).pid, pid);
  assert.doesNotMatch(box.terminal, /the core ended/);
  assert.match(said.join("\n"), /^upgrade: the installed core takes over/m);
  await box.becomes("svcd's log tells it", () => /upgrade: the installed core takes over/.test(box.log("svcd")));
});

test("while no core comes up at all services and logs go on; one that works again takes over; a stop is a stop", async (t) => {
  const box = Box.prepare(t, {
    "web.yaml": `command: sh -c 'while read -r word; do echo $$word; done <> say'\n${QUICK}`,
  });
  await box.fifo("say");
  const core = box.installed("dist/core.js");
  await box.start();
  const pid = await box.pid("web");
  const before = await box.control.health();

  renameSync(core, `${core}.good`);
  writeFileSync(core, "throw new Error('a broken upgrade')\n");
  kill(before.core, "SIGKILL");
  await box.becomes("several cores have failed", () => pausesToldIn(box.terminal).length >= 5);
  const [, ...pauses] = pausesToldIn(box.terminal); // The first one had been well.
  assert.deepEqual(
    pauses.slice(0, 4),
    pauses.slice(0, 4).toSorted((a, b) => a - b),
  );
  assert.ok(pauses[3]! >= 4 * pauses[0]!, `growing pauses: ${pauses}`);
  await box.put("say", "meanwhile\n");
  await box.says("web", "meanwhile\n");
  assert.ok(isAlive(pid));

  renameSync(`${core}.good`, core);
  await newCore(box, before.core);
  assert.equal((await box.status("web")).pid, pid);

  writeFileSync(`${core}.broken`, "throw new Error('another one')\n");
  renameSync(`${core}.broken`, core);
  kill((await box.control.health()).core, "SIGKILL");
  box.daemon?.kill("SIGTERM");
  assert.equal(await box.ended(), 0);
  await box.becomes("the service is gone", () => !isAlive(pid));
});

function childrenOf(parent: number): number[] {
  return allPids().filter((pid) => readStat(pid)?.ppid === parent && isAlive(pid));
}

/** In milliseconds, of the cores that ended. */
function pausesToldIn(terminal: string): number[] {
  return [...terminal.matchAll(/next core in (\d+) ms/g)].map(([, ms]) => Number(ms));
}

/** As the next core will read it: milliseconds of CLOCK_MONOTONIC. */
function nextStartOf(box: Box, name: string): number {
  const journal = readCheckedLines<JournalEntry>(box.file("run/core.journal"));
  const life = journal.findLast((entry) => entry.kind === "life" && entry.service === name);
  return life?.kind === "life" && life.life.state.at === "backoff" ? life.life.state.until : 0;
}

/** All files of a log, oldest first. */
function textOf(box: Box, name: string): string {
  const files = readdirSync(box.path("log")).filter((file) => file.startsWith(`${name}.log.`));
  const numbers = files.map((file) => Number(file.slice(`${name}.log.`.length))).sort((a, b) => b - a);
  const rotated = numbers.map((number) => readFileSync(box.path("log", `${name}.log.${number}`), "latin1"));
  return [...rotated, box.log(name)].join("");
}

/** 1, 2, 3 … each on its line, nothing else. */
function assertCounts(text: string, last: number): void {
  const lines = text.split("\n");
  const wrong = lines.findIndex((line, index) => line !== String(index + 1));
  assert.equal(wrong, last, `after line ${wrong}: ${JSON.stringify(lines.slice(wrong - 2, wrong + 3))}`);
  assert.equal(lines[last], "");
}
