/** What svcd keeps for itself, torn, half written, or on a disk that takes nothing: services never notice. */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { Box, kill } from "./box.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";
/** More than any file system here keeps for root. */
const BALLAST = Buffer.alloc(4_000_000);

const noMounts = canMount() ? false : "needs the right to mount";

test("a torn last line in both journals costs no service its process, wherever it was torn", async (t) => {
  const box = await Box.open(t, { "a.yaml": SLEEPS, "b.yaml": SLEEPS, "c.yaml": SLEEPS });
  await box.allBecome(3, ({ state }) => state === "RUNNING");
  const pids = async () => (await box.control.services()).map(({ name, pid, run }) => ({ name, pid, run }));
  const before = await pids();
  for (const keep of [0, 1, 0.1, 0.5, 0.9, -2, -1]) {
    box.daemon?.kill("SIGKILL");
    await box.ended();
    for (const journal of ["runs.journal", "core.journal"]) tear(box.path("run", journal), keep);
    await box.start();
    await box.allBecome(3, ({ state }) => state === "RUNNING");
    assert.deepEqual(await pids(), before, `torn at ${keep}`);
    for (const name of "abc") assert.equal(box.processesOf(name).length, 1, `one ${name}`);
  }
});

test("whenever svcd is killed, what it said is done is on the disk, and its file is whole", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  let answered: boolean | null = null;
  for (let round = 0; round < 8; round++) {
    for (let n = 0; n < round; n++) {
      await box.control.setEnabled(["web"], n % 2 === 0);
      answered = n % 2 === 0;
    }
    const underWay = round % 2 === 0;
    const asked = box.control.setEnabled(["web"], underWay).then(
      () => (answered = underWay),
      () => {},
    );
    const { core } = await box.control.health().catch(() => ({ core: 0 }));
    if (round % 3 === 2) {
      box.daemon?.kill("SIGKILL");
      await box.ended();
      await asked;
      assert.doesNotThrow(() => JSON.parse(box.file("state/wishes.json")));
      await box.start();
    } else {
      if (core !== 0) kill(core, "SIGKILL");
      await asked;
      await box.becomes("another core answers", async () => (await box.control.health()).core !== core);
    }
    const { enabled } = await box.status("web");
    assert.ok(answered === null || enabled === answered || enabled === underWay, `round ${round}`);
    answered = enabled;
  }
});

test("half a state file costs one change: svcd starts, says so, and goes by the file before it", async (t) => {
  const box = await Box.open(t, { "a.yaml": SLEEPS, "b.yaml": SLEEPS });
  await box.control.setEnabled(["a"], false);
  await box.control.setEnabled(["b"], false);
  await box.svctl("shutdown");
  await box.ended();
  const path = box.path("state/wishes.json");
  truncateSync(path, Math.floor(statSync(path).size / 2));
  await box.start();
  await box.until("b", "RUNNING");
  assert.equal((await box.status("a")).enabled, false);
  assert.match(
    box.terminal,
    /wishes\.json: .*what was asked before its last change counts; kept as .*wishes\.json\.bad/,
  );
  assert.ok(existsSync(`${path}.bad`));
});

test("with a read-only state directory svcd runs from memory, and status and doctor say so", {
  skip: noMounts,
}, async (t) => {
  const box = prepareWithMount(t, "state", "ro,mode=700", { "web.yaml": SLEEPS, "db.yaml": SLEEPS });
  await box.start();
  const db = await box.pid("db");
  await box.until("web", "RUNNING");
  const told = /trouble: what is asked for .* is kept in memory only, and forgotten when svcd ends: EROFS/;
  assert.match((await box.svctl("status")).stdout, told);
  const doctor = await box.svctl("doctor");
  assert.equal(doctor.code, 1);
  assert.match(doctor.stdout, /^fail {2}trouble: what is asked for .*EROFS/m);
  assert.match(box.terminal, /in memory only.*EROFS/);

  const stopped = await box.svctl("stop", "web");
  assert.equal(stopped.code, 0);
  assert.match(stopped.stdout, /not remembered if svcd ends: .*EROFS/);
  const { core } = await box.control.health();
  kill(core, "SIGKILL");
  await box.becomes("another core answers", async () => (await box.control.health()).core !== core);
  assert.equal((await box.status("web")).state, "STOPPED");

  const disabled = await box.svctl("disable", "web");
  assert.equal(disabled.code, 1, "whoever wants it for ever must hear that it is not");
  assert.match(disabled.stderr, /disabled now, but forgotten when svcd ends: .*EROFS/);
  assert.equal((await box.status("web")).enabled, false);
  assert.equal((await box.status("db")).pid, db);
});

test("a state disk that is full takes what was asked once there is room again, and the trouble is over", {
  skip: noMounts,
}, async (t) => {
  const box = prepareWithMount(t, "state", "size=64k,mode=700", { "web.yaml": SLEEPS });
  await box.start();
  await box.until("web", "RUNNING");
  fill(box.path("state"));
  const { code, stderr } = await box.svctl("disable", "web");
  assert.equal(code, 1);
  assert.match(stderr, /disabled now, but forgotten when svcd ends: .*ENOSPC/);
  await box.until("web", "STOPPED");
  assert.match((await box.control.health()).troubles.join(), /in memory only, .*ENOSPC/);
  assert.ok(!box.file("state/wishes.json").includes("web"));

  await box.becomes("svcd's log tells it", () => /in memory only, .*ENOSPC/.test(box.log("svcd")));
  rmSync(box.path("state/ballast"));
  await box.becomes("the trouble is over", async () => (await box.control.health()).troubles.length === 0);
  assert.match(box.file("state/wishes.json"), /"web"/);
  await box.becomes("it was told", () => /what was troubling svcd is over/.test(box.log("svcd")));
});

test("a full run directory stops no service, starts no second copy, and is told", { skip: noMounts }, async (t) => {
  const box = prepareWithMount(t, "run", "size=256k,mode=700", { "web.yaml": SLEEPS, "db.yaml": SLEEPS });
  await box.start();
  const db = await box.pid("db");
  await box.until("web", "RUNNING");
  fill(box.path("run"));
  // The last page of each journal has room for some lines yet.
  const isTold = async () => /in memory only, .*ENOSPC/.test((await box.control.health()).troubles.join());
  let pid: number | null = null;
  for (let last = 1, after = 0; after < 8; last++, after += (await isTold()) ? 1 : 0) {
    assert.ok(last < 100, "the journals are still written");
    await box.control.act("restart", ["web"]);
    ({ pid } = await box.until("web", ({ run, state }) => run > last && state === "RUNNING"));
  }

  await t.test("also when svcd is killed before there is room", async () => {
    box.daemon?.kill("SIGKILL");
    await box.ended();
    await box.start();
    await box.allBecome(2, ({ state }) => state === "RUNNING");
    assert.deepEqual(box.processesOf("web"), [pid]);
    assert.deepEqual(box.processesOf("db"), [db]);
    assert.equal((await box.status("web")).pid, pid);
    assert.equal((await box.status("db")).pid, db);
  });

  await t.test("with room again everything is remembered again", async () => {
    rmSync(box.path("run/ballast"));
    await box.becomes("the trouble is over", async () => (await box.control.health()).troubles.length === 0);
    kill(pid as number, "SIGKILL");
    const { pid: third } = await box.until("web", (now) => now.pid !== pid && now.state === "RUNNING");
    box.daemon?.kill("SIGKILL");
    await box.ended();
    await box.start();
    await box.allBecome(2, ({ state }) => state === "RUNNING");
    assert.equal((await box.status("web")).pid, third);
    assert.equal((await box.status("db")).pid, db);
  });
});

/** Leaves only so much of the last line: a share of it, a number of bytes, or all but some bytes. */
function tear(path: string, keep: number): void {
  const bytes = readFileSync(path);
  const start = bytes.lastIndexOf("\n", bytes.length - 2) + 1;
  const length = bytes.length - start;
  const left = keep < 0 ? length + keep : Number.isInteger(keep) ? keep : Math.floor(length * keep);
  truncateSync(path, start + left);
}

/** A svcd whose folder of this name is a small disk of its own. */
function prepareWithMount(t: TestContext, name: string, options: string, files: Record<string, string>): Box {
  const box = new Box();
  t.after(async () => {
    spawnSync("umount", ["--lazy", box.path(name)]);
    await box.destroy();
  });
  for (const [file, text] of Object.entries(files)) box.write(file, text);
  mkdirSync(box.path(name), { mode: 0o700 });
  execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", box.path(name)]);
  return box;
}

/** Until not a single byte fits. */
function fill(directory: string): void {
  assert.throws(() => writeFileSync(`${directory}/ballast`, BALLAST), { code: "ENOSPC" });
}

function canMount(): boolean {
  return spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;
}
