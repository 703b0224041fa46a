/**
 * From cron to svcd: a pretend machine with crontabs as distributions and people leave them, and what `svctl import crontab`
 * says and does about it.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { dirname } from "node:path";
import { type TestContext, test } from "node:test";
import { Box } from "./box.ts";

const MINE = userInfo().username;
const notRoot = process.getuid!() !== 0 && "only root's svcd runs jobs as others";

const DEBIANS = `SHELL=/bin/sh
PATH=/usr/local/sbin:/usr/local/bin:/sbin:/bin:/usr/sbin:/usr/bin
17 *	* * *	root	cd / && run-parts --report /etc/cron.hourly
25 6	* * *	root	test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }
`;

/** Its root is a directory; `proc` is the real one. */
class Machine {
  readonly box: Box;

  constructor(t: TestContext) {
    this.box = Box.prepare(t);
    this.write("etc/passwd", "root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/:/bin/sh\n");
    symlinkSync("/proc", this.box.path("machine/proc"));
  }

  write(path: string, text: string, mode = 0o644): void {
    const place = this.box.path("machine", path);
    mkdirSync(dirname(place), { recursive: true });
    writeFileSync(place, text);
    chmodSync(place, mode);
  }

  async import(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    return this.box.svctl("import", "crontab", "--machine", this.box.path("machine"), ...words);
  }

  copies(): Record<string, string> {
    const directory = this.box.path("cron.d");
    return Object.fromEntries(
      readdirSync(directory).map((name) => [name, readFileSync(`${directory}/${name}`, "utf8")]),
    );
  }
}

test("import says what would become of each crontab, and writes nothing until --apply", {
  skip: notRoot,
}, async (t) => {
  const machine = new Machine(t);
  machine.write("etc/crontab", DEBIANS);
  machine.write("etc/cron.daily/logrotate", "#!/bin/sh\n", 0o755);
  machine.write("etc/cron.daily/.placeholder", "", 0o644);
  machine.write("etc/cron.d/backup", "MAILTO=ops@example.org\n0 3 * * * daemon /bin/true\n");
  machine.write("var/spool/cron/crontabs/daemon", "@daily /bin/true\n", 0o600);
  const dry = await machine.import();
  assert.equal(dry.code, 0, dry.stderr);
  for (const told of [
    /^\/etc\/crontab → \S+cron\.d\/crontab\.system: 2 jobs$/m,
    /^ {2}line 3: one job that runs every program in \/etc\/cron\.hourly \(nothing is there now\)/m,
    /^ {2}line 4: one job that runs every program in \/etc\/cron\.daily \(logrotate\)/m,
    /^\/etc\/cron\.d\/backup → \S+cron\.d\/backup\.system: 1 job$/m,
    /^\/var\/spool\/cron\/crontabs\/daemon → \S+cron\.d\/daemon: 1 job$/m,
    /^mail: there is no sendmail, so nothing reaches root, ops@example\.org, daemon, from cron neither/m,
    /^3 crontabs with 4 jobs can be taken over\. Nothing was written; do it with --apply\n$/m,
  ])
    assert.match(dry.stdout, told);
  assert.throws(() => machine.copies(), /ENOENT/);

  const done = await machine.import("--apply");
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, /^3 crontabs with 4 jobs taken over\./m);
  assert.deepEqual(machine.copies(), {
    "backup.system": "MAILTO=ops@example.org\n0 3 * * * daemon /bin/true\n",
    "crontab.system": DEBIANS,
    daemon: "# svcd: user=daemon\n@daily /bin/true\n",
  });
  assert.equal(readFileSync(machine.box.path("machine/etc/crontab"), "utf8"), DEBIANS);
  assert.match((await machine.import()).stdout, /2 jobs, taken over already[\s\S]*nothing new to take over\n$/);
  await machine.box.start();
  await machine.box.becomes(
    "the jobs are svcd's",
    async () => (await machine.box.control.plan()).jobs.added.length === 0,
  );
  assert.deepEqual((await machine.box.control.plan()).mistakes, []);
  assert.equal((await machine.box.svctl("apply")).stdout, "nothing to do: everything is as the files say\n");
});

test("what is in cron.d already stays as it is, and that is a failure of --apply", { skip: notRoot }, async (t) => {
  const machine = new Machine(t);
  machine.write("etc/cron.d/backup", "0 3 * * * root /bin/true\n");
  machine.write("etc/cron.d/other", "0 4 * * * root /bin/true\n");
  mkdirSync(machine.box.path("cron.d"), { mode: 0o700 });
  writeFileSync(machine.box.path("cron.d/backup.system"), "# mine\n", { mode: 0o600 });
  assert.equal((await machine.import()).code, 0);
  const { code, stdout } = await machine.import("--apply");
  assert.equal(code, 1);
  assert.match(stdout, /backup\.system: there is another file of that name, which stays/);
  assert.deepEqual(machine.copies(), { "backup.system": "# mine\n", "other.system": "0 4 * * * root /bin/true\n" });
});

test("what cron does not run is left out, with the reason; a mistake costs its line, and that is new", {
  skip: notRoot,
}, async (t) => {
  const machine = new Machine(t);
  machine.write("etc/cron.d/back.up", "@daily root /bin/true\n");
  machine.write("etc/cron.d/job.dpkg-old", "@daily root /bin/true\n");
  machine.write("etc/cron.d/open", "@daily root /bin/true\n", 0o666);
  machine.write("etc/cron.d/slip", "61 4 * * * root /bin/true\n@daily root /bin/true\n0 22-2 * * * root /bin/true\n");
  symlinkSync("/nowhere", machine.box.path("machine/etc/cron.d/gone"));
  machine.write("var/spool/cron/crontabs/nosuchuser", "@daily /bin/true\n", 0o600);
  machine.write("var/spool/cron/crontabs/daemon", "@daily /bin/true\n", 0o622);
  const { stdout } = await machine.import("--apply");
  for (const told of [
    /^\/etc\/cron\.d\/back\.up: left out; cron does not run it either: its name/m,
    /^\/etc\/cron\.d\/gone: left out; it is a link to a file that is not there/m,
    /^\/etc\/cron\.d\/open: left out; cron does not run it either: others may write it/m,
    /nosuchuser: left out; there is no user nosuchuser, so cron does not run it either/,
    /crontabs\/daemon: left out; cron does not run it either: it is a link, belongs/,
    /slip\.system: 2 jobs, taken over\n {2}cron takes no job of a file with a mistake; svcd leaves out these lines only:\n {2}line 1: `61` is no minute \(/,
    /^ {2}line 3: .*\[empty-range\] \(write 22-23,0-2\)/m,
  ])
    assert.match(stdout, told);
  assert.doesNotMatch(stdout, /dpkg-old/);
  assert.deepEqual(Object.keys(machine.copies()), ["slip.system"]);
});

test("lines that do nothing where systemd or anacron do the work are told", { skip: notRoot }, async (t) => {
  const machine = new Machine(t);
  machine.write("etc/crontab", DEBIANS);
  machine.write("etc/anacrontab", "1 5 cron.daily run-parts /etc/cron.daily\n");
  machine.write("usr/sbin/anacron", "", 0o755);
  machine.write("etc/cron.d/e2scrub", "30 3 * * 0 root test -e /run/systemd/system || /sbin/e2scrub\n");
  assert.doesNotMatch((await machine.import()).stdout, /systemd runs here/);
  mkdirSync(machine.box.path("machine/run/systemd/system"), { recursive: true });
  const { stdout } = await machine.import();
  assert.match(stdout, /^ {2}line 4: does nothing, under cron too, because \/usr\/sbin\/anacron is there/m);
  assert.match(stdout, /^ {2}line 1: does nothing, under cron too, because systemd runs here/m);
  assert.match(stdout, /^anacron: \/etc\/anacrontab is not read\./m);
});

test("a cron daemon that runs is named, with how to switch it off: each job would run twice", async (t) => {
  const machine = new Machine(t);
  copyFileSync("/bin/sleep", machine.box.path("crond"));
  const crond = spawn(machine.box.path("crond"), ["1000"], { stdio: "ignore" });
  t.after(() => crond.kill("SIGKILL"));
  await once(crond, "spawn");
  const warning = new RegExp(
    `^warning: crond runs \\(pid ${crond.pid}\\), so jobs would run twice\\.\n {2}fix: (.*)$`,
    "m",
  );
  const fix = async (): Promise<string | undefined> => warning.exec((await machine.import()).stdout)?.[1];
  assert.equal(await fix(), `right before --apply: kill ${crond.pid}, and take it out of whatever starts it`);
  machine.write("etc/init.d/crond", "", 0o755);
  assert.equal(await fix(), "right before --apply: service crond stop && update-rc.d crond disable");
  mkdirSync(machine.box.path("machine/run/systemd/system"), { recursive: true });
  assert.equal(await fix(), "right before --apply: systemctl disable --now crond");
  const { daemons } = JSON.parse((await machine.import("--json")).stdout);
  assert.ok(daemons.some(({ pid, name }: { pid: number; name: string }) => pid === crond.pid && name === "crond"));
  crond.kill("SIGKILL");
  await once(crond, "exit");
  assert.equal(await fix(), undefined);

  const ours = spawn(crond.spawnfile, crond.spawnargs.slice(1), { env: { SVCD_SERVICE: "cron" } });
  t.after(() => ours.kill("SIGKILL"));
  await once(ours, "spawn");
  assert.match(
    (await machine.import()).stdout,
    new RegExp(`\\(pid ${ours.pid}\\),.*\n  fix: right before --apply: svctl disable cron`),
  );
});

test("an svcd that does not run as root takes over what its user may run, and says why not the rest", async (t) => {
  const machine = new Machine(t);
  const user = process.getuid!() === 0 ? "daemon" : MINE;
  const { stdout: uid } = await machine.box.run("id", ["-u", user]);
  const own = process.getuid!() === 0 ? await machine.box.run("chown", [user, machine.box.root]) : null;
  assert.equal(own?.code ?? 0, 0);
  machine.write("etc/crontab", DEBIANS);
  machine.write("etc/cron.d/mixed", `@daily root /bin/true\n@daily ${user} /bin/true\n`);
  machine.write(`var/spool/cron/crontabs/${user}`, "@daily /bin/true\n", 0o600);
  const { stdout, stderr } = await machine.import("--apply");
  assert.match(
    stdout,
    /^\/etc\/crontab: left out; none of its jobs can run: svcd does not run as root but as /m,
    stderr,
  );
  assert.match(stdout, /mixed\.system: 1 job, taken over\n {2}line 1: svcd does not run as root but as /);
  assert.equal(machine.copies()[user], "@daily /bin/true\n");
  const owners = await machine.box.run("stat", ["-c", "%u", machine.box.path("cron.d", user)]);
  assert.equal(owners.stdout, uid);
});
