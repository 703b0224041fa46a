/**
 * Whatever keeps svcd or svctl from doing what was asked is said in three lines: what, where, and how to put it right. Nobody
 * ever reads a stack trace for a mistake of their own.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, lchownSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { Box, processesOf, type Ran } from "./box.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";
const BIN = resolve(import.meta.dirname, "../../bin");
const isRoot = process.getuid?.() === 0;
const NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] as const;

interface Said {
  readonly code: number;
  /** As it stands in the message; a text or a pattern. */
  readonly what: string | RegExp;
  readonly where?: string;
  readonly fix: string | RegExp;
}

/** The whole of the message, and nothing else. */
function says(ran: Ran, program: "svcd" | "svctl", said: Said): void {
  const shape = /^(\w+): (.+)\n(?: {2}where: (.+)\n)? {2}fix: {3}(.+)\n$/.exec(ran.stderr);
  assert.ok(shape !== null, `not a message in three lines: ${ran.stderr}`);
  const [, who, what = "", where, fix = ""] = shape;
  assert.equal(who, program);
  assert.equal(ran.stdout, "");
  assert.equal(ran.code, said.code);
  for (const [is, wanted] of [
    [what, said.what],
    [fix, said.fix],
  ] as const) {
    if (typeof wanted === "string") assert.equal(is, wanted);
    else assert.match(is, wanted);
  }
  assert.equal(where, said.where);
  assert.doesNotMatch(ran.stderr, /^\s+at .*:\d+/m, "no stack trace");
}

function emptyBox(t: TestContext): Box {
  const box = new Box();
  t.after(() => box.destroy());
  return box;
}

const svcd = (box: Box, ...args: string[]): Promise<Ran> => box.run(join(BIN, "svcd"), args);
const svctl = (box: Box, ...args: string[]): Promise<Ran> => box.run(join(BIN, "svctl"), args);

// --- svcd --------------------------------------------------------------------------------------------------------------

test("svcd names the argument that it does not know, and exits with 2", async (t) => {
  const box = emptyBox(t);
  const fix = "svcd --help lists all of them";
  says(await svcd(box, "--rot", "x"), "svcd", { code: 2, what: "unknown argument `--rot`", fix });
  says(await svcd(box, "start"), "svcd", { code: 2, what: "unknown argument `start`", fix });
  const needs = { code: 2, what: "`--root` needs a directory", fix: "write `--root DIR`" };
  says(await svcd(box, "--root"), "svcd", needs);
  says(await svcd(box, "--root="), "svcd", needs);
});

test("`svcd --help` and `--version` answer wherever they are asked", async (t) => {
  const box = emptyBox(t);
  const help = await svcd(box, "--help", "--root", "/nowhere");
  assert.equal(help.code, 0);
  assert.match(help.stdout, /--check[\s\S]*--root DIR/);
  const version = await svcd(box, "--version");
  assert.match(version.stdout, /^\d+\.\d+\.\d+\n$/);
  assert.equal(version.code, 0);
});

test("svcd says that its root is missing or no directory, and how to make it", async (t) => {
  const box = emptyBox(t);
  const missing = box.path("nowhere");
  const fix = /^make it: mkdir -p .*; or name another with --root DIR$/;
  for (const args of [
    ["--root", missing],
    ["--check", "--root", missing],
  ]) {
    says(await svcd(box, ...args), "svcd", { code: 2, what: "the root does not exist", where: missing, fix });
  }
  const file = box.path("file");
  writeFileSync(file, "");
  says(await svcd(box, "--root", file), "svcd", { code: 2, what: "the root is not a directory", where: file, fix });
});

test("svcd says at once when the path of its socket would be too long, and starts nothing", async (t) => {
  const box = emptyBox(t);
  const root = box.path("x".repeat(100));
  mkdirSync(root);
  const where = join(root, "run/svcd.sock");
  const what = `the path of the control socket has ${where.length} bytes, and Linux allows 107`;
  const fix = "use a shorter --root (or SVCD_ROOT, XDG_RUNTIME_DIR)";
  says(await svcd(box, "--root", root), "svcd", { code: 1, what, where, fix });
  assert.deepEqual(readdirSync(root), []);
  const asked = await svctl(box, "--root", root, "status");
  says(asked, "svctl", { code: 4, what: /the path of its socket has \d+ bytes, and Linux allows 107/, where, fix });
});

test("svcd says that it may not write in its root", {
  skip: !isRoot && "only root can be somebody else",
}, async (t) => {
  const box = emptyBox(t);
  chmodSync(box.root, 0o755);
  const ran = await box.run(NOBODY[0], [...NOBODY.slice(1), join(BIN, "svcd"), "--root", box.root]);
  says(ran, "svcd", {
    code: 1,
    what: "cannot make the directory: permission denied (EACCES)",
    where: box.path("run"),
    fix: "run svcd as a user who may write there, or choose another --root",
  });
});

test("svcd starts in no directory where others can write", async (t) => {
  for (const name of ["run", "state"]) {
    for (const mode of [0o770, 0o707, 0o1777]) {
      const box = emptyBox(t);
      const where = box.path(name);
      mkdirSync(where);
      chmodSync(where, mode);
      says(await svcd(box, "--root", box.root), "svcd", {
        code: 1,
        what: `others can write in this directory (mode ${mode.toString(8).padStart(4, "0")}), and so give orders to svcd`,
        where,
        fix: `if you trust what is in it: chmod go-w ${where}; or choose another --root`,
      });
      assert.deepEqual(readdirSync(where), []);
    }
  }
});

test("svcd starts in no directory that somebody else has made for it", {
  skip: !isRoot && "only root can be somebody else",
}, async (t) => {
  const box = emptyBox(t);
  const where = box.path("run");
  const theirs = box.path("theirs");
  const refuses = async (what: RegExp): Promise<void> =>
    says(await svcd(box, "--root", box.root), "svcd", { code: 1, what, where, fix: /or choose another --root$/ });
  for (const directory of [where, theirs]) {
    mkdirSync(directory, { mode: 0o700 });
    chownSync(directory, 65534, 65534);
  }
  await refuses(/^a directory of somebody else \(uid 65534\) stands where svcd needs its own \(uid 0\)$/);
  rmSync(where, { recursive: true });
  symlinkSync(theirs, where);
  await refuses(/^this link leads to a directory of somebody else \(uid 65534, svcd is 0\)$/);
  chownSync(theirs, 0, 0);
  lchownSync(where, 65534, 65534);
  await refuses(/^a link of somebody else \(uid 65534\) stands where svcd needs its own \(uid 0\)$/);
  assert.deepEqual(readdirSync(theirs), []);
});

test("a link of one's own to the run directory is as good as the directory", async (t) => {
  const box = Box.prepare(t, { "web.yaml": SLEEPS });
  mkdirSync(box.path("elsewhere"), { mode: 0o700 });
  symlinkSync(box.path("elsewhere"), box.path("run"));
  await box.start();
  await box.until("web", "RUNNING");
});

test("svcd says that its root is on a read-only place", {
  skip: !canMount() && "mounting is not allowed here",
}, async (t) => {
  const box = emptyBox(t);
  const mounted = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && exec "$0" --root "$1"';
  const ran = await box.run("unshare", ["--mount", "sh", "-c", mounted, join(BIN, "svcd"), box.root]);
  says(ran, "svcd", {
    code: 1,
    what: "cannot make the directory: read-only file system (EROFS)",
    where: box.path("run"),
    fix: "run svcd as a user who may write there, or choose another --root",
  });
});

test("a place where no directory can ever be made is told, and not waited for", async (t) => {
  const box = emptyBox(t);
  const ran = await svcd(box, "--root", "/proc/self");
  says(ran, "svcd", {
    code: 1,
    what: /^cannot make the directory: /,
    where: "/proc/self/run",
    fix: /choose another --root$/,
  });
});

test("a second svcd in the same root says who is there, and leaves everything alone", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  const { pid } = await box.until("web", "RUNNING");
  const { keeper } = await box.control.health();
  says(await svcd(box, "--root", box.root), "svcd", {
    code: 1,
    what: `svcd is already running here (pid ${keeper})`,
    where: box.path("run"),
    fix: `talk to it: svctl --root ${box.root} status`,
  });
  assert.equal((await box.status("web")).pid, pid);
});

test("something else at the place of the socket is told; the services run all the same", async (t) => {
  const box = emptyBox(t);
  box.write("web.yaml", SLEEPS);
  mkdirSync(box.path("run"), { mode: 0o700 });
  writeFileSync(box.path("run/svcd.sock"), "precious");
  box.launch();
  await box.becomes("svcd says it", () =>
    /something that is not a socket is where the control socket belongs/.test(box.terminal),
  );
  assert.match(box.terminal, /where: .*\/run\/svcd\.sock\n\s+fix: {3}move it away/);
  await box.becomes("web runs", () => /web: .* → RUNNING/.test(box.terminal));
});

test("the root may be given by SVCD_ROOT, as an option in both spellings, and relative to where one stands", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  const program = join(BIN, "svctl");
  for (const [file, ...args] of [
    ["env", `SVCD_ROOT=${box.root}`, program, "pid"],
    [program, `--root=${box.root}`, "pid"],
    [program, "pid", "--root", box.root],
    ["env", "-C", box.root, program, "--root", ".", "pid"],
    ["env", "SVCD_ROOT=/elsewhere", program, "--root", box.root, "pid"],
  ] as const) {
    const { code, stdout, stderr } = await box.run(file, args);
    assert.deepEqual([code, stderr], [0, ""], `${file} ${args}`);
    assert.equal(Number(stdout), (await box.control.health()).keeper);
  }
});

// --- svctl -------------------------------------------------------------------------------------------------------------

test("svctl without a daemon is exit code 4: where it looked, and how to start it", async (t) => {
  const box = emptyBox(t);
  for (const words of [["status"], ["start", "web"], ["logs"], ["why", "web"], ["version"], ["shutdown"], ["pid"]]) {
    const ran = await box.svctl(...words);
    const stdout = words[0] === "version" ? "" : ran.stdout; // Its own version it knows.
    says({ ...ran, stdout }, "svctl", {
      code: 4,
      what: "svcd is not running: nobody listens at its socket",
      where: box.path("run/svcd.sock"),
      fix: `start it (svcd --root ${box.root}); or name the right one with --root DIR or SVCD_ROOT`,
    });
  }
  assert.deepEqual(processesOf(box.root), [], "asking starts no svcd");
  assert.deepEqual(readdirSync(box.root), ["services.d"]);
});

test("svctl says when the root it was given does not exist", async (t) => {
  const box = emptyBox(t);
  says(await svctl(box, "--root", "/nowhere/at/all", "status"), "svctl", {
    code: 4,
    what: "svcd is not running: there is no such directory",
    where: "/nowhere/at/all",
    fix: "name the right one with --root DIR or SVCD_ROOT",
  });
});

test("svctl says when the socket belongs to somebody else", {
  skip: !isRoot && "only root can be somebody else",
}, async (t) => {
  const box = await Box.open(t);
  for (const path of [box.root, box.path("run")]) chmodSync(path, 0o755);
  const ran = await box.run(NOBODY[0], [...NOBODY.slice(1), join(BIN, "svctl"), "--root", box.root, "status"]);
  says(ran, "svctl", {
    code: 4,
    what: "you may not ask this svcd: no permission for its socket",
    where: box.path("run/svcd.sock"),
    fix: /^run svctl as the user that svcd runs as/,
  });
});

test("svctl says when what answers is no svcd", async (t) => {
  const box = emptyBox(t);
  mkdirSync(box.path("run"));
  const server = createServer((client) => client.on("error", () => {}).end("220 mail.example.org ESMTP\r\n"));
  await new Promise<void>((done) => server.listen(box.path("run/svcd.sock"), done));
  t.after(() => server.close());
  const { code, stdout, stderr } = await box.svctl("status");
  assert.deepEqual([code, stdout], [4, ""]);
  assert.match(stderr, /^svctl: .*\n {2}where: .*\/run\/svcd\.sock\n {2}fix: {3}/);
  assert.doesNotMatch(stderr, /^\s+at /m);
});

test("svctl's own words, when they are wrong, are exit code 2 and what was probably meant", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  const cases: readonly (readonly [words: string[], what: RegExp, fix: RegExp])[] = [
    [["stats"], /^unknown command `stats`: did you mean `status`\?$/, /svctl help/],
    [["frobnicate"], /^unknown command `frobnicate`$/, /svctl help/],
    [["status", "--jason"], /^unknown option `--jason`: did you mean `--json`\?$/, /svctl help/],
    [["status", "--lines", "3"], /^`status` has no option `--lines`$/, /svctl help status/],
    [["start"], /^`start` needs more words$/, /svctl start NAME/],
    [["plan", "web"], /^`plan` takes no words: `web` is too much$/, /svctl help plan/],
    [["logs", "-n", "many", "web"], /^`-n many`: not a number$/, /-n 100/],
    [["start", "--timeout", "soon", "web"], /^`--timeout`: `soon` is not a duration$/, /60s|45s/],
    [["start", "--wait", "--no-wait", "web"], /exclude each other/, /leave one/],
    [["signal", "NOPE", "web"], /^`NOPE` is not a signal$/, /TERM/],
    [["reload"], /^`reload` needs the names of services/, /svctl update/],
    [["tail", "web", "stdin"], /^`stdin` is not a stream$/, /stdout or stderr/],
    [["completion", "tcsh"], /^no completion for `tcsh`$/, /bash, zsh and fish/],
  ];
  for (const [words, what, fix] of cases) {
    const ran = await box.svctl(...words);
    const stderr = ran.stderr.includes("\n  fix:") ? ran.stderr : ran.stderr.replace(/\n$/, "\n  fix:   -\n");
    says({ ...ran, stderr }, "svctl", { code: 2, what, fix });
  }
  await box.svctl("frobnicate\x1b[2J").then(({ stderr }) => assert.doesNotMatch(stderr, /\x1b/));
});

test("svctl works without a home directory and with one that cannot be written", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  for (const home of ["HOME=", "HOME=/nonexistent", "HOME=/proc"]) {
    const { code, stderr } = await box.run("env", [home, join(BIN, "svctl"), "--root", box.root, "status"]);
    assert.deepEqual([code, stderr], [0, ""], home);
  }
});

test("svcd ends with an error, not with a stack trace, when its files are taken from under it", async (t) => {
  const box = emptyBox(t);
  mkdirSync(box.path("run"), { mode: 0o700 });
  mkdirSync(box.path("run/svcd.lock"));
  const ran = await svcd(box, "--root", box.root);
  says(ran, "svcd", {
    code: 1,
    what: /^cannot open the lock file: /,
    where: box.path("run/svcd.lock"),
    fix: /look at/,
  });
  rmSync(box.path("run/svcd.lock"), { recursive: true });
});

function canMount(): boolean {
  return spawnSync("unshare", ["--mount", "sh", "-c", "mount --bind /tmp /tmp"], { stdio: "ignore" }).status === 0;
}
