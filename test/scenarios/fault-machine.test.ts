/**
 * Machines that are not like others: /proc is hidden or missing, svcd is process 1 or is not, systemd looks after it. It does
 * what can be done there and says what cannot.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, lstatSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { Box, isAlive, kill } from "./box.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\nbackoff: { first: 1ms, longest: 1ms }\n";
const NOBODY = 65_534;
/** A folder of mounts of its own. Mounted anew, not again: another `remount` would change the machine's own /proc. */
const unshare = (mount: string): string[] => [
  "unshare",
  "--mount",
  "--propagation",
  "private",
  "sh",
  "-c",
  `${mount} && exec "$@"`,
  "sh",
];
const cannotMount =
  spawnSync("unshare", ["--mount", "--propagation", "private", "mount", "-t", "proc", "proc", "/proc"]).status !== 0 &&
  "mounting is not allowed here";

test("where /proc hides other users' processes an ordinary user's svcd does all its work, and doctor says what it cannot see", {
  skip: cannotMount,
}, async (t) => {
  const asNobody = ["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"];
  const hidden = [...unshare("mount -t proc -o hidepid=2 proc /proc"), ...asNobody];
  const box = Box.prepare(t, {
    "web.yaml": SLEEPS,
    "family.yaml": `command: sh -c 'trap "exit 0" TERM; sh -c "trap true TERM; while :; do sleep 1000 & wait; done" & echo $$! > child; while :; do sleep 1000 & wait; done'\nstartsecs: 0s\n`,
  });
  box.inside = hidden;
  for (const path of [box.root, box.path("services.d")]) chownSync(path, NOBODY, NOBODY);
  chmodSync(box.root, 0o755);
  await box.start();
  const web = await box.pid("web");
  kill(web, "SIGKILL");
  const again = await box.until("web", ({ run, state }) => run === 2 && state === "RUNNING");
  const child = await box.numberIn("child");

  const { keeper, core } = await box.control.health();
  kill(keeper, "SIGKILL");
  await box.becomes("svcd is gone", () => !isAlive(keeper) && !isAlive(core));
  await box.start();
  assert.deepEqual([(await box.status("web")).pid, (await box.status("web")).run], [again.pid, 2], "it is adopted");
  assert.equal((await box.svctl("stop", "family")).code, 0);
  await box.becomes("what family left is gone", () => !isAlive(child));

  const [file = "", ...args] = [...hidden, join(box.bin, "svctl"), "--root", box.root, "doctor"];
  const doctor = await box.run(file, args);
  assert.match(doctor.stdout, /warn {2}\/proc: hides the processes of other users \(hidepid\)/);
  assert.match((await box.svctl("doctor")).stdout, /ok {4}\/proc: shows all processes/);
});

test("without /proc svcd does not start, and says what to do", { skip: cannotMount }, async (t) => {
  const box = Box.prepare(t, { "web.yaml": SLEEPS }, { inside: unshare("mount -t tmpfs none /proc") });
  box.launch();
  assert.equal(await box.ended(), 1);
  assert.equal(
    box.terminal,
    "svcd: there is no /proc, by which svcd tells its processes from others\n  where: /proc\n  fix:   mount it, also in a chroot or a mount namespace: mount -t proc proc /proc\n",
  );
  assert.deepEqual(box.processesOf("web"), []);
});

test("svcd need not be process 1, and may be", { skip: cannotMount }, async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS }, { inside: ["unshare", "--pid", "--fork", "--mount-proc"] });
  await box.until("web", "RUNNING");
  assert.ok((await box.control.health()).keeper <= 2, "itself, or the shell in its place that reaps orphans");
  assert.equal((await box.svctl("shutdown", "--timeout", "20s")).code, 0);
  assert.equal(await box.ended(), 0);
  box.inside = [];
  await box.start();
  assert.ok((await box.control.health()).keeper > 2);
  await box.until("web", "RUNNING");
});

const UNIT = resolve(import.meta.dirname, "../../contrib/svcd.service");

test("the unit file for systemd leaves services alone when svcd ends, and systemd understands it", (t) => {
  const unit = readFileSync(UNIT, "utf8");
  for (const line of [
    "KillMode=process", // Else every service dies with svcd.
    "Restart=always", // The next svcd adopts what runs.
    "Delegate=yes", // The cgroup below is svcd's own.
    "OOMPolicy=continue", // One service that is killed for memory is not the end of all.
    "TasksMax=infinity",
  ]) {
    assert.ok(unit.split("\n").includes(line), line);
  }
  if (spawnSync("systemd-analyze", ["--version"]).status !== 0) return t.diagnostic("systemd-analyze is not installed");
  const { stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", UNIT], { encoding: "utf8" });
  // That the program is not installed where the unit says is no mistake of the unit.
  const complaints = stderr
    .split("\n")
    .filter((line) => line.includes("svcd.service") && !line.includes("not executable"));
  assert.deepEqual(complaints, []);
});

test("what svcd keeps is its owner's alone, and nothing of it holds svcd's environment", async (t) => {
  const secret = `token-${process.pid}-nobody-may-read`;
  const box = await Box.open(
    t,
    { "web.yaml": `${SLEEPS}environment: { MINE: written-in-the-file }\n` },
    { env: { DEPLOY_TOKEN: secret } },
  );
  await box.until("web", "RUNNING");
  assert.equal((await box.svctl("disable", "web")).code, 0);
  await box.until("web", "STOPPED");
  for (const folder of ["run", "state", "log"]) {
    for (const name of readdirSync(box.path(folder), { recursive: true }) as string[]) {
      const path = box.path(folder, name);
      const stat = lstatSync(path);
      assert.equal(stat.mode & 0o077, 0, `${path} has mode ${(stat.mode & 0o777).toString(8)}`);
      if (stat.isFile()) assert.ok(!readFileSync(path, "utf8").includes(secret), `${path} holds the secret`);
    }
  }
  assert.ok(readdirSync(box.path("state")).length > 0);
});
