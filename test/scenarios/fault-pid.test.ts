/**
 * A process number says little about who a process is: it is given away again, it outlives the machine in files, and it stays
 * when only a zombie bears it. What svcd signals and adopts is the process that it means, or none.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { checkedLine, readCheckedLines } from "../../src/checked-journal.ts";
import { isAlive as isTheSame, readStat } from "../../src/keeper/process-identity.ts";
import { Box, isAlive, kill } from "./box.ts";
import { noNamespaces, PidNamespace } from "./pid-namespace.ts";

const SLEEPS = "command: sleep 1001\nstartsecs: 0s\nbackoff: { first: 1ms, longest: 1ms }\n";

/** What `sh` as process 1 does while it waits: it reaps, so that numbers become free. */
const REAPS = ["sh", "-c", "sleep 1000000 & wait"];
const REAPS_NOT = ["sleep", "1000000"];

/** SIGKILL for a svcd in a namespace; its core leaves by itself. */
async function killSvcd(box: Box, namespace: PidNamespace): Promise<void> {
  const { keeper, core } = await box.control.health();
  const outside = [keeper, core].map((pid) => namespace.outside(pid) as number);
  kill(outside[0] as number, "SIGKILL");
  await box.becomes("svcd is gone", () => outside.every((pid) => !isAlive(pid)));
}

/** Somebody else's session and process group, whose leader has just this number. */
async function strangerAt(box: Box, namespace: PidNamespace, pid: number): Promise<number> {
  await box.becomes(`the number ${pid} is free`, () => namespace.outside(pid) === null);
  const got = namespace.run(`${namespace.nextPid(pid)}; setsid sleep 2002 > /dev/null 2>&1 & echo $!`);
  assert.equal(Number(got), pid);
  return namespace.outside(pid) as number;
}

test("a pid that was given to a stranger while svcd was away is neither adopted nor signalled", {
  skip: noNamespaces,
}, async (t) => {
  const box = Box.prepare(t, { "web.yaml": SLEEPS });
  const namespace = await PidNamespace.around(t, box, REAPS);
  await box.start();
  const { pid } = await box.until("web", "RUNNING");
  await killSvcd(box, namespace);
  kill(namespace.outside(pid as number) as number, "SIGKILL");
  const stranger = await strangerAt(box, namespace, pid as number);

  await box.start();
  const web = await box.until("web", ({ run, state }) => run === 2 && state === "RUNNING");
  assert.notEqual(web.pid, pid);
  assert.equal((await box.svctl("stop", "web")).code, 0);
  assert.equal((await box.svctl("shutdown")).code, 0);
  assert.ok(isAlive(stranger));
});

test("a stop that comes when the pid has just passed to a stranger reaches nobody", {
  skip: noNamespaces,
}, async (t) => {
  const box = Box.prepare(t, { "web.yaml": `${SLEEPS}stop_grace_period: 100ms\n` });
  const namespace = await PidNamespace.around(t, box, REAPS);
  await box.start();
  const { pid } = await box.until("web", "RUNNING");
  await killSvcd(box, namespace);
  await box.start(); // Now it is adopted: no child of svcd, so nothing but looking tells that its number is free.
  assert.equal((await box.until("web", "RUNNING")).pid, pid);

  const keeper = namespace.outside((await box.control.health()).keeper) as number;
  kill(keeper, "SIGSTOP");
  kill(namespace.outside(pid as number) as number, "SIGKILL");
  const stranger = await strangerAt(box, namespace, pid as number);
  assert.equal((await box.svctl("stop", "--no-wait", "web")).code, 0);
  await box.until("web", ({ next }) => !/KILL in/.test(next) || /KILL in 5/.test(next)); // TERM and KILL wait in the keeper.
  kill(keeper, "SIGCONT");
  await box.until("web", "STOPPED");
  assert.ok(isAlive(stranger));
});

test("after a boot nothing of what ran before counts, even where a stranger has the pid and start time of then", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS, "db.yaml": SLEEPS, "cache.yaml": SLEEPS });
  const pid = await box.pid("web");
  assert.equal((await box.svctl("stop", "db")).code, 0);
  assert.equal((await box.svctl("disable", "cache")).code, 0);
  box.daemon?.kill("SIGKILL");
  await box.ended();
  kill(pid, "SIGKILL");
  await box.becomes("it is dead", () => !isAlive(pid));
  const stranger = spawn("sleep", ["2003"], { stdio: "ignore", detached: true });
  t.after(() => stranger.kill("SIGKILL"));
  const itsPid = stranger.pid as number;
  const startTicks = readStat(itsPid)?.startTicks as number;

  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
  const files = ["run/runs.journal", "run/core.journal", "state/wishes.json"];
  const kept = files.map((file) => readFileSync(box.path(file), "utf8").replaceAll(boot, "BOOT"));
  /** The files of then as if they had been written in that boot, and the stranger where web was. */
  const asOf = (bootThen: string): void => {
    for (const [index, file] of files.entries()) {
      const text = (kept[index] as string).replaceAll("BOOT", bootThen);
      if (!file.endsWith(".journal")) {
        writeFileSync(box.path(file), text);
        continue;
      }
      const lines = text
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line.slice(9)));
      for (const line of lines)
        if (line.fact === "is" && line.service === "web") Object.assign(line, { pid: itsPid, startTicks });
      assert.equal(readCheckedLines(lines.map(checkedLine).join("")).length, lines.length);
      writeFileSync(box.path(file), lines.map(checkedLine).join(""));
    }
  };

  asOf("11111111-2222-3333-4444-555555555555");
  await box.start();
  const web = await box.until("web", "RUNNING");
  assert.notEqual(web.pid, itsPid);
  assert.doesNotMatch(box.terminal, /adopted/);

  await t.test("a stop was for that boot, a disable is for ever", async () => {
    await box.until("db", "RUNNING");
    assert.equal((await box.until("cache", "STOPPED")).why.startsWith("disabled"), true);
  });

  assert.equal((await box.svctl("shutdown")).code, 0);
  assert.equal(await box.ended(), 0);
  assert.ok(isTheSame(itsPid, startTicks));

  await t.test("the boot alone made the difference", async () => {
    asOf(boot);
    await box.start();
    assert.equal((await box.until("web", "RUNNING")).pid, itsPid);
  });
});

test("a zombie counts as dead, and still tells how it ended", { skip: noNamespaces }, async (t) => {
  const box = Box.prepare(t, {
    "web.yaml": SLEEPS,
    "job.yaml": "command: sh -c 'read -r code < fate; exit $$code'\nrestart: no\nstartsecs: 0s\n",
    "gone.yaml": "command: sh -c 'read -r code < last; exit $$code'\nrestart: no\nstartsecs: 0s\n",
  });
  for (const name of ["fate", "last"]) await box.fifo(name);
  const namespace = await PidNamespace.around(t, box, REAPS_NOT);
  await box.start();
  for (const name of ["web", "job", "gone"]) await box.until(name, "RUNNING");
  const web = (await box.status("web")).pid as number;
  const job = (await box.status("job")).pid as number;
  const gone = (await box.status("gone")).pid as number;
  await killSvcd(box, namespace);
  await box.put("last", "43\n");
  await box.becomes("one ended while no svcd was there", () => namespace.zombies().includes(gone));
  await box.start();
  assert.match((await box.until("gone", "EXITED")).why, /^exit 43/);

  kill(namespace.outside(web) as number, "SIGSEGV");
  await box.put("fate", "42\n");
  assert.match((await box.until("job", "EXITED")).why, /^exit 42/);
  assert.match((await box.until("web", ({ run, state }) => run === 2 && state === "RUNNING")).why, /killed by SIGSEGV/);
  assert.deepEqual(
    [web, job, gone].filter((pid) => !namespace.zombies().includes(pid)),
    [],
  );
});

const noPython = spawnSync("python3", ["--version"]).status === 0 ? false : "python3 is not installed";

test("a process whose first thread has ended looks like a zombie and is not started a second time", {
  skip: noPython,
}, async (t) => {
  const box = Box.prepare(t, {
    "web.yaml": `command: |
  exec python3 -c '
  import ctypes, os, threading, time
  def goes_on():
      while open(f"/proc/{os.getpid()}/stat").read().split(")")[-1].split()[0] != "Z": time.sleep(0.01)
      print("goes on", flush=True)
      time.sleep(1001)
  threading.Thread(target=goes_on).start()
  ctypes.CDLL(None).pthread_exit(None)'
shell: true
startsecs: 0s
`,
  });
  await box.start();
  await box.says("web", "goes on\n");
  const { pid } = await box.status("web");
  box.daemon?.kill("SIGKILL");
  await box.ended();
  await box.start();
  assert.equal((await box.until("web", "RUNNING")).pid, pid);
  assert.equal((await box.svctl("stop", "web")).code, 0);
  await box.becomes("it is gone", () => readStat(pid as number) === null);
});
