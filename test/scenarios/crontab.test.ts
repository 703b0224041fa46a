/**
 * The habit of crontab(1): a program called `crontab` on PATH that lists, edits, removes and replaces, and the svcd that
 * takes up what it has installed.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { userInfo } from "node:os";
import { dirname, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { Box, type Ran } from "./box.ts";

const MINE = userInfo().username;
const BIN = resolve(import.meta.dirname, "../../bin");
const notRoot = process.getuid!() !== 0 && "only root can act for others";
const noNamespace = spawnSync("unshare", ["-m", "true"]).status !== 0 && "no mount namespace can be made here";

/** `crontab` is what a link makes of ours, as people install it. */
class Desk {
  readonly box: Box;

  constructor(box: Box) {
    this.box = box;
    mkdirSync(box.path("bin"));
    mkdirSync(box.path("tmp"), { mode: 0o777 });
    symlinkSync(resolve(BIN, "crontab"), box.path("bin/crontab"));
  }

  get crontab(): string {
    return this.box.path("cron.d", MINE);
  }

  get env(): Record<string, string> {
    return {
      SVCD_ROOT: this.box.root,
      TMPDIR: this.box.path("tmp"),
      PATH: `${this.box.path("bin")}:/usr/bin:/bin:/sbin`,
    };
  }

  /** A script in a shell that knows no other editor than EDITOR. */
  shell(script: string, env: Record<string, string> = {}): Promise<Ran> {
    const words = Object.entries({ ...this.env, ...env }).map(([name, value]) => `${name}=${value}`);
    return this.box.run("env", ["-C", this.box.root, "-u", "VISUAL", "-u", "EDITOR", ...words, "sh", "-c", script]);
  }

  /** A pretend editor: a script that gets the file as $1. */
  editor(script: string, name = "edit"): string {
    const path = this.box.path("bin", name);
    writeFileSync(path, `#!/bin/sh\nset -e\n${script}\n`);
    chmodSync(path, 0o755);
    return path;
  }

  leftOver(): string[] {
    return readdirSync(this.box.path("tmp"));
  }
}

function deskOf(t: TestContext): Desk {
  return new Desk(Box.prepare(t));
}

const said = ({ code, stdout, stderr }: Ran): string => `${stdout}${stderr}= ${code}`;
const installed = (desk: Desk): string => readFileSync(desk.crontab, "utf8");

test("`crontab FILE`, `crontab -`, -l and -r keep the habit; a crontab is for its owner alone", async (t) => {
  const desk = deskOf(t);
  assert.match(said(await desk.shell("crontab -l")), new RegExp(`no crontab for ${MINE}\n[^=]*= 1$`));
  writeFileSync(desk.box.path("new"), "# mine\n30 4 * * 1-5 /bin/true\n");
  assert.equal((await desk.shell("crontab new")).code, 0);
  assert.equal(said(await desk.shell("crontab -l")), "# mine\n30 4 * * 1-5 /bin/true\n= 0");
  assert.equal(statSync(desk.crontab).mode & 0o777, 0o600);
  assert.equal(statSync(dirname(desk.crontab)).mode & 0o777, 0o700);
  assert.equal((await desk.shell("(crontab -l; echo '@daily /bin/true') | crontab")).code, 0);
  assert.equal(installed(desk), "# mine\n30 4 * * 1-5 /bin/true\n@daily /bin/true\n");
  const asked = await desk.shell("echo n | crontab -r -i");
  assert.deepEqual([asked.code, /\(2 jobs\)\? \(y\/n\)/.test(asked.stderr)], [0, true]);
  assert.ok((await desk.shell("crontab -l")).stdout.includes("@daily"));
  assert.equal((await desk.shell("crontab -r")).code, 0);
  assert.equal((await desk.shell("crontab -r")).code, 1);
});

test("`crontab -l | crontab -` changes nothing, whatever bytes are in it", async (t) => {
  const desk = deskOf(t);
  const bytes = Buffer.from("#\xff\xfe latin\r\n\t@daily \\\\ /bin/echo 50\\% %in\n\n# no newline", "latin1");
  mkdirSync(dirname(desk.crontab), { mode: 0o700 });
  writeFileSync(desk.crontab, bytes, { mode: 0o600 });
  const { ino } = statSync(desk.crontab);
  assert.equal((await desk.shell("crontab -l | crontab -")).code, 0);
  assert.deepEqual(readFileSync(desk.crontab), bytes);
  assert.equal(statSync(desk.crontab).ino, ino);
});

test("a crontab with a mistake is not installed, and not a line of it; what is only odd is told and installed", async (t) => {
  const desk = deskOf(t);
  assert.equal((await desk.shell("echo '@daily /bin/true' | crontab -")).code, 0);
  const bad = await desk.shell("printf '@hourly /bin/true\\n61 4 * * * /bin/true\\n' | crontab -");
  assert.match(
    said(bad),
    /^mistake: stdin:2:1: `61` is no minute\n.*\n.*\n {2}fix: [^=]*1 mistake; nothing was installed\n/,
  );
  const cutOff = await desk.shell("printf '@hourly /bin/true' > new && crontab -n new", {});
  assert.match(said(cutOff), /new:1:18: the last line has no newline[^=]*= 1$/);
  assert.equal(installed(desk), "@daily /bin/true\n");
  const odd = await desk.shell("echo '0 22-2 * * * /bin/true' | crontab -");
  assert.match(said(odd), /warning: stdin:1:3: .*\[empty-range\][^=]*= 0$/);
  assert.equal(installed(desk), "0 22-2 * * * /bin/true\n");
  const missing = await desk.shell("crontab /nowhere/at/all");
  assert.match(said(missing), /cannot read the new crontab: ENOENT[^=]*= 1$/);
});

test("`crontab -e` opens a copy in VISUAL, else EDITOR; what was changed is installed", async (t) => {
  const desk = deskOf(t);
  const add = desk.editor('[ "$(stat -c %a "$1") $(basename "$1")" = "600 crontab" ]\necho "@daily /bin/true" >> "$1"');
  const first = await desk.shell("crontab -e", { EDITOR: add, VISUAL: "" });
  assert.match(
    said(first),
    new RegExp(`^no crontab for ${MINE} - using an empty one\ncrontab: installing new crontab\n`),
  );
  assert.match(installed(desk), /^# Each line is a job[\s\S]*\n@daily \/bin\/true\n$/);
  const visual = desk.editor('echo "@hourly $2" > "$3"', "visual");
  await desk.shell("crontab -e", { EDITOR: "false", VISUAL: `${visual} -x /bin/true` });
  assert.equal(installed(desk), "@hourly /bin/true\n");
  assert.deepEqual(desk.leftOver(), []);
});

test("`crontab -e` without a change, or with an editor that fails, changes nothing; a failure is told", async (t) => {
  const desk = deskOf(t);
  assert.equal(said(await desk.shell("crontab -e 2>&1", { EDITOR: "true" })).includes("no changes made\n= 0"), true);
  assert.equal((await desk.shell("crontab -l")).code, 1, "the empty one with its comments is not installed");
  await desk.shell("echo '@daily /bin/true' | crontab -");
  assert.equal(
    said(await desk.shell("crontab -e", { EDITOR: desk.editor('cp "$1" x; mv x "$1"') })),
    "crontab: no changes made\n= 0",
  );
  assert.match(
    said(await desk.shell("crontab -e", { EDITOR: "exit 3;" })),
    /the editor failed \(exit 3;: exit status 3\); nothing was installed[^=]*= 1$/,
  );
  assert.match(
    said(await desk.shell("crontab -e", { EDITOR: "/no/such" })),
    /fix: +set EDITOR to an editor that is installed/,
  );
  assert.deepEqual(desk.leftOver(), []);
  const half = await desk.shell("crontab -e", { EDITOR: desk.editor('echo "@daily half" >> "$1"; kill -TERM $$') });
  const kept = /your text is kept in (\S+);/.exec(half.stderr)?.[1] ?? "";
  assert.match(half.stderr, /killed by SIGTERM|exit status 143/);
  assert.equal(readFileSync(kept, "utf8"), "@daily /bin/true\n@daily half\n");
  assert.equal(installed(desk), "@daily /bin/true\n");
});

test("a mistake in `crontab -e` is shown with its place, and the same text can be edited again", async (t) => {
  const desk = deskOf(t);
  await desk.shell("echo '@daily /bin/true' | crontab -");
  const slips = desk.editor(
    'if grep -q 61 "$1"; then sed -i s/61/6/ "$1"; else echo "61 4 * * * /bin/false" >> "$1"; fi',
  );
  const mended = await desk.shell("echo y | crontab -e", { EDITOR: slips });
  assert.match(
    said(mended),
    /tmp\/crontab\.\w+\/crontab:2:1: `61` is no minute\n[\s\S]*\(y\/n\) crontab: installing new crontab\n/,
  );
  assert.equal(installed(desk), "@daily /bin/true\n6 4 * * * /bin/false\n");
  assert.deepEqual(desk.leftOver(), []);

  const spoils = desk.editor('echo "61 4 * * * /bin/false" >> "$1"');
  for (const answer of ["echo n |", ": |"]) {
    const left = await desk.shell(`${answer} crontab -e`, { EDITOR: spoils });
    assert.equal(left.code, 1);
    const kept = /your text is kept in (\S+);/.exec(left.stderr)?.[1] ?? "";
    assert.match(readFileSync(kept, "utf8"), /61 4 \* \* \* \/bin\/false\n$/);
  }
  assert.equal(installed(desk), "@daily /bin/true\n6 4 * * * /bin/false\n");
});

test("of two edits at a time one is installed, and the other is told and keeps its text", async (t) => {
  const desk = deskOf(t);
  await desk.shell("echo '@daily /bin/true' | crontab -");
  // Each waits until both are open.
  const both = desk.editor(
    'touch "$SVCD_ROOT/open-$WHO"\nuntil [ -e "$SVCD_ROOT/open-a" ] && [ -e "$SVCD_ROOT/open-b" ]; do :; done\necho "@daily $WHO" >> "$1"',
  );
  const runs = await Promise.all(["a", "b"].map((WHO) => desk.shell("crontab -e", { EDITOR: both, WHO })));
  assert.deepEqual(runs.map(({ code }) => code).sort(), [0, 1]);
  const winner = runs[0]?.code === 0 ? "a" : "b";
  assert.equal(installed(desk), `@daily /bin/true\n@daily ${winner}\n`);
  const loser = runs.find(({ code }) => code === 1)!;
  assert.match(loser.stderr, /somebody else has changed this crontab meanwhile; nothing was installed/);
  const kept = /your text is kept in (\S+);/.exec(loser.stderr)?.[1] ?? "";
  assert.match(readFileSync(kept, "utf8"), /@daily [ab]\n$/);
});

test("whoever installs waits for the one who does it just now", async (t) => {
  const desk = deskOf(t);
  await desk.shell("echo '@daily /bin/true' | crontab -");
  // The kernel lists who waits for a lock.
  const script = `
    exec 3< "$SVCD_ROOT/cron.d" && flock 3
    inode=$(stat -c %i "$SVCD_ROOT/cron.d")
    echo '@daily second' | crontab - 3<&- & second=$!
    until grep -q -- "-> FLOCK .*:$inode " /proc/locks || ! kill -0 $second; do :; done
    cat "$SVCD_ROOT/cron.d/${MINE}"
    flock -u 3
    wait $second`;
  assert.equal((await desk.shell(script)).stdout, "@daily /bin/true\n");
  assert.equal(installed(desk), "@daily second\n");
});

test("as root, `crontab -u USER` is the crontab of USER: its jobs run as USER, and nobody else's", {
  skip: notRoot,
}, async (t) => {
  const desk = deskOf(t);
  const path = desk.box.path("cron.d/daemon");
  assert.equal((await desk.shell("echo '@daily /bin/true' | crontab -u daemon -")).code, 0);
  assert.equal(readFileSync(path, "utf8"), "# svcd: user=daemon\n@daily /bin/true\n");
  assert.equal((await desk.shell("crontab -u daemon -l")).stdout, "@daily /bin/true\n");
  const sly = await desk.shell("printf '# svcd: user=root\\n@daily /bin/true\\n' | crontab -u daemon -");
  assert.match(said(sly), /this is the crontab of daemon, and the line would run as root[^=]*= 1$/);
  assert.match(said(await desk.shell("crontab -u nosuchuser -l")), /there is no user `nosuchuser`[^=]*= 1$/);
  writeFileSync(desk.box.path("cron.d/games"), "@daily /bin/true\n", { mode: 0o600 });
  const roots = await desk.shell("echo '@daily x' | crontab -u games -");
  assert.match(said(roots), /what is called like the crontab of games is none: it runs as root[\s\S]*= 1$/);
  assert.equal(readFileSync(desk.box.path("cron.d/games"), "utf8"), "@daily /bin/true\n");

  const asNobody = 'setpriv --reuid=nobody --regid=65534 --clear-groups "$(command -v crontab)"';
  chmodSync(desk.box.root, 0o755);
  assert.match(
    said(await desk.shell(`${asNobody} -u root -l`)),
    /only root may touch the crontab of somebody else[^=]*= 1$/,
  );
  assert.match(said(await desk.shell(`${asNobody} -l`)), /you may not read it[^=]*= 1$/);
});

test("in the root of another user root's `crontab -u` writes what that user's svcd trusts", {
  skip: notRoot,
}, async (t) => {
  const desk = deskOf(t);
  await desk.shell('chown daemon "$SVCD_ROOT"');
  assert.match(said(await desk.shell("crontab -l")), /the svcd of daemon cannot run anything as root[^=]*= 1$/);
  assert.equal((await desk.shell("echo '@daily /bin/true' | crontab -u daemon -")).code, 0);
  const path = desk.box.path("cron.d/daemon");
  assert.equal(readFileSync(path, "utf8"), "@daily /bin/true\n");
  const { stdout } = await desk.shell('stat -c "%U %a" "$SVCD_ROOT/cron.d" "$SVCD_ROOT/cron.d/daemon"');
  assert.equal(stdout, "daemon 700\ndaemon 600\n");
});

test("what crontab installs is what svcd takes up; without an svcd that is told", async (t) => {
  const desk = new Desk(await Box.open(t, {}, { settings: "auto_apply: false\n" }));
  const { box } = desk;
  assert.equal(said(await desk.shell("printf '# svcd: name=dump\\n@yearly /bin/true\\n' | crontab -")), "= 0");
  await box.becomes("svcd has seen it", async () => (await box.svctl("reread")).stdout === "dump: available\n");
  assert.deepEqual((await box.control.plan()).mistakes, []);
  await desk.shell("crontab -r");
  await box.becomes("it is gone", async () => (await box.control.plan()).jobs.added.length === 0);
  assert.deepEqual((await box.control.plan()).mistakes, [], "what -r leaves is no job");
  await box.svctl("shutdown");
  const alone = await desk.shell("echo '@yearly /bin/true' | crontab -");
  assert.match(
    said(alone),
    /^crontab: installed, and no svcd runs \(\S+svcd\.sock\): the jobs begin once it does\n= 0$/,
  );
});

test("a real editor has the terminal, and svctl asks on it when the editor has ended", {
  skip: isMissing("vim", "script"),
}, async (t) => {
  const desk = deskOf(t);
  await desk.shell("echo '@daily /bin/true' | crontab -");
  const seen = desk.box.path("seen");
  const script = spawn("script", ["-qefc", "crontab -e", seen], {
    stdio: ["pipe", "ignore", "ignore"],
    env: { ...desk.env, EDITOR: "vim -u NONE -N -n -i NONE", TERM: "dumb" },
  });
  t.after(() => script.kill("SIGKILL"));
  const ended = once(script, "exit");
  const shows = (text: string, times: number) =>
    desk.box.becomes(`${text} is seen ${times} times`, () => readFileSync(seen, "utf8").split(text).length > times);
  writeFileSync(seen, "");
  await shows("@daily", 1);
  script.stdin.write("Go61 4 * * * /bin/false\x1b:wq\r");
  await shows("(y/n)", 1);
  const before = readFileSync(seen, "utf8").split("@daily").length - 1;
  script.stdin.write("y\r");
  await shows("@daily", before + 1);
  script.stdin.write(":%s/61/6/\r:wq\r");
  assert.deepEqual(await ended, [0, null], readFileSync(seen, "utf8"));
  assert.equal(installed(desk), "@daily /bin/true\n6 4 * * * /bin/false\n");
});

test("who is in /etc/cron.deny may not use crontab; root may", { skip: notRoot || noNamespace }, async (t) => {
  const desk = deskOf(t);
  for (const folder of ["etc", "home"]) mkdirSync(desk.box.path(folder));
  writeFileSync(desk.box.path("etc/passwd"), "root:x:0:0::/root:/bin/sh\nalice:x:4242:4242::/:/bin/sh\n");
  writeFileSync(desk.box.path("etc/cron.deny"), "alice\nroot\n");
  await desk.shell('chown 4242 "$SVCD_ROOT/home" && chmod 755 "$SVCD_ROOT"');
  const tries = async (who: string): Promise<string> => {
    const mine = `mount --bind "$SVCD_ROOT/etc" /etc; export HOME="$SVCD_ROOT/home" XDG_CONFIG_HOME="$SVCD_ROOT/home"; unset SVCD_ROOT`;
    return said(await desk.shell(`unshare -m sh -c '${mine}; echo "@daily /bin/true" | ${who} crontab -n -'`));
  };
  const alice = "setpriv --reuid=4242 --regid=4242 --clear-groups";
  assert.match(await tries(alice), /alice may not use crontab: in \/etc\/cron\.deny[^=]*= 1$/);
  assert.match(await tries(""), /1 job, no mistakes[^=]*= 0$/);
  writeFileSync(desk.box.path("etc/cron.allow"), "alice\n");
  assert.match(await tries(alice), /1 job, no mistakes[^=]*= 0$/);
});

function isMissing(...programs: string[]): string | false {
  const found = (name: string) => ["/usr/bin", "/bin"].some((path) => existsSync(`${path}/${name}`));
  const missing = programs.filter((name) => !found(name));
  return missing.length > 0 && `not installed: ${missing.join(", ")}`;
}
