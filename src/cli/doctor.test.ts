import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  type Check,
  freeDisk,
  inotifyLimits,
  node,
  openFilesLimit,
  processTable,
  versions,
  writers,
} from "./checkup.ts";
import { mailArrives, runTwice } from "./checkup-cron.ts";
import { FakeDaemon, svctl } from "./fake-daemon.ts";

async function healthy() {
  const daemon = await new FakeDaemon().open();
  for (const name of ["services.d", "cron.d", "run", "state", "log"]) {
    mkdirSync(join(daemon.root, name), { recursive: true });
    chmodSync(join(daemon.root, name), 0o700);
  }
  chmodSync(daemon.socket, 0o600);
  return daemon;
}

test("a sound installation has nothing that fails", async () => {
  await using daemon = await healthy();
  const { stdout, exitCode } = await svctl(daemon, "doctor");
  assert.equal(exitCode, 0, stdout);
  assert.match(stdout, /^ok {4}svcd: version 1\.2\.3 answers at /);
  assert.match(stdout, /^ok {4}services\.d is yours alone: nobody else can write there$/m);
});

test("what svcd itself cannot do fails, one line for each", async () => {
  await using daemon = await healthy();
  daemon.health = { ...daemon.health, troubles: ["nothing is kept", "output is lost"] };
  const { stdout, exitCode } = await svctl(daemon, "doctor");
  assert.equal(exitCode, 1);
  assert.match(stdout, /^fail {2}trouble: nothing is kept\n {6}fix: .*\nfail {2}trouble: output is lost$/m);
});

test("without an svcd the machine is checked all the same, and it fails", async () => {
  const { stdout, exitCode } = await svctl({ root: "/tmp/svctl-test-nowhere" }, "doctor");
  assert.equal(exitCode, 1);
  assert.match(stdout, /^fail {2}svcd: svcd is not running/);
  assert.match(stdout, /mkfifo/);
});

test("--json is the list of checks", async () => {
  await using daemon = await healthy();
  const checks: Check[] = JSON.parse((await svctl(daemon, "doctor --json")).stdout);
  assert.ok(checks.every(({ level, fix }) => level === "ok" || fix !== null));
});

test("files that others can write are found, because they are commands", async () => {
  await using daemon = await healthy();
  const directory = join(daemon.root, "services.d");
  const file = join(directory, "web.yaml");
  writeFileSync(file, "command: x\n");
  const uid = process.getuid!();
  assert.equal(writers(directory, uid).level, "ok");
  chmodSync(file, 0o666);
  const found = writers(directory, uid);
  assert.equal(found.level, "fail");
  assert.equal(found.fix, `chmod o-w ${file}`);
  assert.equal((await svctl(daemon, "doctor")).exitCode, 1);
});

test("each limit is judged by what svcd needs", () => {
  assert.equal(versions("1.0.0", "1.0.0").level, "ok");
  assert.equal(versions("1.1.0", "1.0.0").fix, "let the installed one take over: svctl upgrade");
  assert.equal(openFilesLimit("unlimited").level, "ok");
  assert.equal(openFilesLimit("1024").level, "warn");
  assert.equal(processTable(true, true).level, "ok");
  assert.match(processTable(true, false).found, /hides the processes of other users/);
  assert.equal(processTable(false, false).level, "fail");
  assert.equal(inotifyLimits(65536, 512).level, "ok");
  assert.equal(inotifyLimits(65536, 64).level, "warn");
  assert.equal(inotifyLimits(Number.NaN, Number.NaN).level, "warn");
  assert.equal(node("/usr/bin/node", "24.21.0").level, "ok");
  assert.equal(node("/usr/bin/node", "22.22.0").level, "ok");
  assert.equal(node("/usr/bin/node", "20.19.0").level, "fail");
  const MIB = 1024 * 1024;
  assert.equal(freeDisk("/log", 5000 * MIB, 0.5).level, "ok");
  assert.equal(freeDisk("/log", 500 * MIB, 0.5).level, "warn");
  assert.equal(freeDisk("/log", 5 * MIB, 0.5).level, "fail");
  assert.equal(freeDisk("/log", 5000 * MIB, 0.001).level, "warn");
});

test("a cron that runs the same crontabs is told, with how to switch it off; other crontabs are its own", () => {
  const found = [
    { source: "/etc/cron.d/backup", fate: "same", jobs: 2 },
    { source: "/etc/cron.d/other", fate: "new", jobs: 5 },
    { source: "/etc/cron.d/empty", fate: "same", jobs: 0 },
  ] as const;
  const cron = { pid: 41, name: "cron" };
  const check = (crontabs: readonly (typeof found)[number][]) =>
    runTwice(crontabs, [cron], ({ name }) => `stop ${name}`);
  assert.deepEqual(check(found), {
    about: "jobs run once",
    level: "warn",
    found: "cron (pid 41) runs too, and has the same 2 jobs (/etc/cron.d/backup): each runs twice",
    fix: "stop cron",
  });
  assert.equal(check(found.slice(1))?.level, "ok");
});

test("mail that somebody asked for and nothing sends is told; who has no crontabs hears of neither", async () => {
  assert.equal(mailArrives([], false), null);
  assert.equal(mailArrives(["ops@example.org"], true)?.level, "ok");
  assert.match(
    mailArrives(["ops@example.org", "ops@example.org"], false)?.found ?? "",
    /MAILTO is ops@example.org, and/,
  );
  await using daemon = await healthy();
  assert.doesNotMatch((await svctl(daemon, "doctor")).stdout, /jobs run once|mail of jobs/);
  writeFileSync(join(daemon.root, "cron.d", "tab"), "MAILTO=ops@example.org\n0 4 * * * /bin/true\n", { mode: 0o600 });
  assert.match(
    (await svctl(daemon, "doctor")).stdout,
    /^ok {4}jobs run once: .*\n(ok {4}|warn {2})mail of jobs: .*ops/m,
  );
});
