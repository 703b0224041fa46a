/**
 * A run ends whole, in each of the three ways to know what belongs to it. The tree that must go has every way to get lost that
 * programs know: a child in another session, a daemon that forked twice, one that cleared its environment, too.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Box, isAlive, kill } from "./box.ts";

const QUICK = "startsecs: 0s\nbackoff: { first: 1ms, longest: 1ms }\ngive_up: never\n";

type Way = "cgroup" | "subreaper" | "scan";
const WAYS: readonly Way[] = ["cgroup", "subreaper", "scan"];

/** How long the sleeps of a tree sleep, by which they are found whatever became of them. */
class Tree {
  readonly seconds = 100_000_000 + Math.floor(Math.random() * 800_000_000);

  get command(): string {
    return `sh -c '
  sleep ${this.seconds} &
  setsid sleep ${this.seconds} &
  ( setsid env -i /bin/sh -c "sleep ${this.seconds} & exec sleep ${this.seconds}" & ) &
  ( setsid sh -c "sleep ${this.seconds} & sleep ${this.seconds}" & ) &
  exec sleep ${this.seconds}'`;
  }

  /** Six sleeps beside the main process. */
  get living(): number[] {
    return readdirSync("/proc")
      .map(Number)
      .filter((pid) => pid > 0 && isAlive(pid) && isSleepOf(pid, this.seconds));
  }
}

function isSleepOf(pid: number, seconds: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1") === `sleep\0${seconds}\0`;
  } catch {
    return false;
  }
}

const ALL = 7;

function service(tree: Tree): string {
  return `command: ${JSON.stringify(tree.command)}\n${QUICK}`;
}

/** A box whose svcd knows runs in this way; null: this machine does not allow it, and the test is skipped, loudly. */
async function open(t: import("node:test").TestContext, way: Way, trees: Record<string, Tree>): Promise<Box | null> {
  const files = Object.entries(trees).map(([name, tree]) => [`${name}.yaml`, service(tree)]);
  const box = await Box.open(t, Object.fromEntries(files), { env: { SVCD_CONTAINMENT: way } });
  t.after(() => {
    for (const tree of Object.values(trees)) for (const pid of tree.living) kill(pid, "SIGKILL");
  });
  const { containment } = await box.control.health();
  if (containment.way === way) return box;
  t.skip(`this machine does not allow the way "${way}" (cgroup v2 that can be written; tini and setpriv)`);
  return null;
}

async function complete(box: Box, tree: Tree): Promise<number[]> {
  await box.becomes("the whole tree is there", () => tree.living.length === ALL);
  return tree.living;
}

for (const way of WAYS) {
  test(`${way}: after a crash nothing of the run is left when the next one starts`, async (t) => {
    const [web, db] = [new Tree(), new Tree()];
    const box = await open(t, way, { web, db });
    if (box === null) return;
    const first = await complete(box, web);
    const others = await complete(box, db);
    kill(await box.pid("web"), "SIGKILL");
    await box.until("web", ({ run, pid }) => run === 2 && pid !== null);
    assert.deepEqual(first.filter(isAlive), [], "something of the first run still lives");
    await complete(box, web);
    assert.deepEqual(
      others.filter((pid) => !isAlive(pid)),
      [],
      "another service was touched",
    );
  });

  test(`${way}: after a stop nothing of the run is left`, async (t) => {
    const tree = new Tree();
    const box = await open(t, way, { web: tree });
    if (box === null) return;
    await complete(box, tree);
    assert.equal((await box.svctl("stop", "web")).code, 0);
    assert.deepEqual(tree.living, []);
  });

  test(`${way}: the end of svcd leaves nothing of its services, and no cgroup`, async (t) => {
    const tree = new Tree();
    const box = await open(t, way, { web: tree });
    if (box === null) return;
    const { containment } = await box.control.health();
    await complete(box, tree);
    box.daemon?.kill("SIGTERM");
    assert.equal(await box.ended(), 0);
    assert.deepEqual(tree.living, []);
    if (way === "cgroup") assert.ok(!existsSync(containment.detail), `${containment.detail} is still there`);
  });

  test(`${way}: a run that an earlier svcd started is ended whole by the next one`, async (t) => {
    const tree = new Tree();
    const box = await open(t, way, { web: tree });
    if (box === null) return;
    const before = await complete(box, tree);
    box.daemon?.kill("SIGKILL");
    await box.ended();
    await box.start();
    assert.deepEqual(tree.living.sort(), before.sort());
    assert.equal((await box.svctl("stop", "web")).code, 0);
    assert.deepEqual(tree.living, []);
  });

  test(`${way}: what a run left that ended while no svcd was there is gone before the next one starts`, async (t) => {
    const tree = new Tree();
    const box = await open(t, way, { web: tree });
    if (box === null) return;
    const before = await complete(box, tree);
    const main = await box.pid("web");
    box.daemon?.kill("SIGKILL");
    await box.ended();
    kill(main, "SIGKILL");
    await box.becomes("the main process is gone", () => !isAlive(main));
    await box.start();
    const { why } = await box.until("web", ({ run, pid }) => run === 2 && pid !== null);
    assert.match(why, /exit status unknown|killed by SIGKILL/);
    assert.deepEqual(before.filter(isAlive), []);
    await complete(box, tree);
  });

  test(`${way}: a core that dies while a run is being cleared leaves that to the next one`, async (t) => {
    const tree = new Tree();
    const box = await open(t, way, { web: tree });
    if (box === null) return;
    await complete(box, tree);
    const { core } = await box.control.health();
    // It hears of the end only after its own.
    kill(core, "SIGSTOP");
    const first = tree.living;
    kill(first.find((pid) => box.processesOf("web").includes(pid)) ?? 0, "SIGKILL");
    kill(core, "SIGKILL");
    await box.until("web", ({ run, pid }) => run === 2 && pid !== null);
    assert.deepEqual(first.filter(isAlive), []);
    assert.equal((await complete(box, tree)).length, ALL);
  });
}

test("processes of others in the same session or with a lookalike environment are not touched", async (t) => {
  const tree = new Tree();
  const box = await open(t, "scan", { web: tree });
  if (box === null) return;
  await complete(box, tree);
  const mark = readFileSync(`/proc/${await box.pid("web")}/environ`, "latin1")
    .split("\0")
    .find((entry) => entry.startsWith("SVCD_RUN="));
  assert.ok(mark !== undefined);
  // Another run's mark, another svcd's mark, and the mark of this run in another variable's value.
  const strangers = [`${mark}9`, mark.replace(/=.*\//, "=/elsewhere/"), `NOTE=${mark}`].map((entry) => {
    const at = entry.indexOf("=");
    const child = spawn("sleep", ["1000"], { env: { [entry.slice(0, at)]: entry.slice(at + 1) }, stdio: "ignore" });
    t.after(() => child.kill("SIGKILL"));
    return child.pid as number;
  });
  assert.equal((await box.svctl("stop", "web")).code, 0);
  assert.deepEqual(tree.living, []);
  assert.deepEqual(
    strangers.filter((pid) => !isAlive(pid)),
    [],
  );
});

/** The freezer of cgroup v1 holds a process in state D, which no signal ends. */
function freezer(t: import("node:test").TestContext): string | null {
  const path = `/sys/fs/cgroup/freezer/svcd-test-${process.pid}`;
  try {
    mkdirSync(path);
  } catch {
    t.skip("this machine has no freezer of cgroup v1 to hold a process in state D");
    return null;
  }
  t.after(() => {
    writeFileSync(`${path}/freezer.state`, "THAWED");
    for (let tries = 0; tries < 1_000; tries++) {
      try {
        return rmdirSync(path);
      } catch {
        for (const pid of readFileSync(`${path}/tasks`, "latin1").split("\n").filter(Boolean)) kill(+pid, "SIGKILL");
      }
    }
  });
  return path;
}

for (const way of ["cgroup", "scan"] as const) {
  test(`${way}: a process that KILL does not end is named, the service waits, the others go on`, async (t) => {
    const frozen = freezer(t);
    if (frozen === null) return;
    const box = await Box.open(
      t,
      {
        "web.yaml": `command: sh -c 'setsid sleep 1001 & echo $$! > worker; exec sleep 1001'\n${QUICK}`,
        "db.yaml": `command: sleep 1001\n${QUICK}`,
      },
      { env: { SVCD_CONTAINMENT: way } },
    );
    const worker = await box.numberIn("worker");
    const isSleep = (): boolean => readFileSync(`/proc/${worker}/comm`, "latin1") === "sleep\n";
    await box.becomes("the worker is the program it shall be", isSleep);
    writeFileSync(`${frozen}/tasks`, String(worker));
    writeFileSync(`${frozen}/freezer.state`, "FROZEN");
    const main = await box.pid("web");
    kill(main, "SIGKILL");

    const { state, why, pid } = await box.until("web", (status) => status.why.includes("KILL does not end"));
    assert.equal(state, "STOPPING");
    assert.equal(pid, null);
    assert.match(why, new RegExp(`killed by SIGKILL; KILL does not end pid ${worker} \\(sleep\\), state D`));
    assert.equal((await box.svctl("restart", "db")).code, 0);
    assert.equal((await box.svctl("start", "web", "--no-wait")).code, 0);
    assert.deepEqual(
      box.processesOf("web").filter((other) => other !== worker),
      [],
      "a second copy",
    );
    // Neither a new core nor a new svcd starts a second copy.
    kill((await box.control.health()).core, "SIGKILL");
    await box.until("web", (status) => status.why.includes(`pid ${worker}`));
    box.daemon?.kill("SIGKILL");
    await box.ended();
    await box.start();
    await box.until("web", (status) => status.why.includes(`pid ${worker}`));

    writeFileSync(`${frozen}/freezer.state`, "THAWED");
    await box.until("web", ({ state: now }) => now === "RUNNING");
    assert.ok(!isAlive(worker));
  });
}

test("a shutdown does not wait for ever for what KILL does not end, and says what it leaves", async (t) => {
  const frozen = freezer(t);
  if (frozen === null) return;
  const box = await Box.open(t, {
    "web.yaml": `command: sleep 1001\nstop_grace_period: 100ms\n${QUICK}`,
    "db.yaml": `command: sleep 1001\n${QUICK}`,
  });
  const main = await box.pid("web");
  writeFileSync(`${frozen}/tasks`, String(main));
  writeFileSync(`${frozen}/freezer.state`, "FROZEN");
  box.daemon?.kill("SIGTERM");
  assert.equal(await box.ended(), 0);
  assert.match(box.terminal, /KILL does not end .*web/);
  assert.ok(isAlive(main));
});

test("where no further cgroup can be made services start all the same, and are ended by looking", async (t) => {
  const tree = new Tree();
  const box = await open(t, "cgroup", {});
  if (box === null) return;
  const { containment } = await box.control.health();
  writeFileSync(`${containment.detail}/cgroup.max.descendants`, "0");
  box.write("web.yaml", `${service(tree)}stop_grace_period: 5s\n`);
  t.after(() => {
    for (const pid of tree.living) kill(pid, "SIGKILL");
  });
  await complete(box, tree);
  box.write("db.yaml", `command: sleep 1001\n${QUICK}`);
  const db = await box.pid("db");
  // Born in one cgroup, they end apart all the same, also under the next svcd, which may make cgroups again.
  box.daemon?.kill("SIGKILL");
  await box.ended();
  writeFileSync(`${containment.detail}/cgroup.max.descendants`, "max");
  await box.start();
  assert.equal((await box.svctl("stop", "web")).code, 0);
  assert.equal((await box.until("db", "RUNNING")).pid, db);
  // Two have cleared their environment and left the session: without a cgroup or a tag nothing tells whose they are.
  await box.becomes("all that can be known is gone", () => tree.living.length <= 2);
});
