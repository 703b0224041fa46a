/**
 * What is true of a service before its first instruction, and what is said of one that cannot be started.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import type { ServiceStatus } from "../../src/control/daemon.ts";
import { readStat } from "../../src/keeper/process-identity.ts";
import { Box } from "./box.ts";

const isRoot = process.getuid?.() === 0;
const needsRoot = isRoot ? false : "only root can become another user";

test("a service runs in its own session, with nothing of svcd about it", async (t) => {
  const box = await Box.open(
    t,
    {
      "web.yaml": "command: sleep 1001",
      "shell.yaml": "command: echo one two | { read -r x y; echo $$y $$x; exec sleep 1002; }\nshell: true",
      "deaf.yaml": "command: sh -c 'if read -r line; then echo got $$line; else echo end of file; fi; exec sleep 1003'",
      "loud.yaml": "command: sh -c 'echo to stdout > /dev/stdout; echo to stderr > /dev/stderr; exec sleep 1004'",
    },
    {
      env: {
        npm_config_cache: "/tmp/x",
        npm_lifecycle_event: "start",
        INIT_CWD: "/tmp",
        NODE_TEST_CONTEXT: "child",
        COLOUR_OF_THE_DAY: "blue",
      },
      // As a deploy script leaves it that holds a lock.
      inside: existsSync("/bin/bash") ? ["/bin/bash", "-c", 'exec 200< /etc/passwd && exec "$@"', "bash"] : [],
    },
  );
  const pid = await programOf(box, "web", "sleep");

  await t.test("its session and process group are its own, and it is the leader", () => {
    const stat = readStat(pid);
    assert.equal(stat?.session, pid);
    assert.equal(stat?.pgrp, pid);
  });

  await t.test("it gets svcd's environment without npm's and svcd's own variables", () => {
    const env = environmentOf(pid);
    assert.equal(env["COLOUR_OF_THE_DAY"], "blue");
    const foreign = Object.keys(env).filter((name) => /^(npm_.*|NODE_TEST_CONTEXT|INIT_CWD)$/i.test(name));
    assert.deepEqual(foreign, []);
    assert.equal(env["SVCD_SERVICE"], "web");
    assert.equal(env["SVCD_ROOT"], box.root);
  });

  await t.test("no file is open but the three, and standard input is empty", async () => {
    assert.deepEqual(readdirSync(`/proc/${pid}/fd`).sort(), ["0", "1", "2"]);
    assert.equal(readlinkSync(`/proc/${pid}/fd/0`), "/dev/null");
    await box.says("deaf", "end of file\n");
  });

  await t.test("no signal is ignored or blocked", () => {
    assert.equal(BigInt(`0x${statusOf(pid, "SigIgn")}`), 0n);
    assert.equal(BigInt(`0x${statusOf(pid, "SigBlk")}`), 0n);
  });

  await t.test("it runs where services.d is, unless told otherwise", () => {
    assert.equal(readlinkSync(`/proc/${pid}/cwd`), box.root);
  });

  await t.test("`shell: true` gives the command to a shell", () => box.says("shell", "two one\n"));

  await t.test("it can open /dev/stdout and /dev/stderr again", () => box.says("loud", "to stdout\nto stderr\n"));
});

test("limits, priorities, umask and folder hold before the first instruction, and the pid is the program's", async (t) => {
  const box = Box.prepare(t);
  mkdirSync(box.path("data"));
  box.write(
    "web.yaml",
    `command: sh -c 'echo pid $$$$; exec sleep 1001'
working_dir: data
umask: 027
limits: { nofile: 1234, core: 0, memory: 1G, cpu: 1h, stack: 4M, fsize: 20M, nice: 7, oom_score_adj: 321 }
`,
  );
  await box.start();
  const pid = await programOf(box, "web", "sleep");

  assert.equal(limitOf(pid, "Max open files"), "1234 1234");
  assert.equal(limitOf(pid, "Max core file size"), "0 0");
  assert.equal(limitOf(pid, "Max address space"), `${2 ** 30} ${2 ** 30}`);
  assert.match(limitOf(pid, "Max cpu time"), /^3600 /);
  assert.equal(limitOf(pid, "Max stack size"), `${4 * 2 ** 20} ${4 * 2 ** 20}`);
  assert.equal(limitOf(pid, "Max file size"), `${20 * 2 ** 20} ${20 * 2 ** 20}`);
  assert.equal(execFileSync("ps", ["-o", "ni=", "-p", String(pid)], { encoding: "utf8" }).trim(), "7");
  assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8").trim(), "321");
  assert.equal(statusOf(pid, "Umask"), "0027");
  assert.equal(readlinkSync(`/proc/${pid}/cwd`), box.path("data"));
  assert.equal(readStat(pid)?.session, pid);
  await box.says("web", `pid ${pid}\n`);
});

test("a service runs as its user, with the user's groups", { skip: needsRoot }, async (t) => {
  const box = Box.prepare(t);
  const supplementary = groupsWithNobody(box);
  chmodSync(box.root, 0o755);
  box.write("user.yaml", "command: sh -c 'echo > /dev/stdout as $USER in $HOME; exec sleep 1001'\nuser: nobody");
  box.write("all.yaml", "command: sleep 1002\nuser: nobody\nlimits: { nice: 5, nofile: 99, oom_score_adj: 10 }");
  box.write("group.yaml", "command: sleep 1003\nuser: nobody\ngroup: daemon");
  box.write("number.yaml", "command: sleep 1004\nuser: 54321");
  await box.start();

  await t.test("user, group, supplementary groups, HOME and USER are the account's", async () => {
    const pid = await programOf(box, "user", "sleep");
    assert.equal(statusOf(pid, "Uid"), "65534 65534 65534 65534");
    assert.equal(statusOf(pid, "Gid"), "65534 65534 65534 65534");
    if (supplementary !== null) assert.deepEqual(groupsOf(pid), [...supplementary, "65534"].sort());
    const { HOME, USER, LOGNAME } = environmentOf(pid);
    assert.deepEqual({ HOME, USER, LOGNAME }, { HOME: "/nonexistent", USER: "nobody", LOGNAME: "nobody" });
    assert.equal(readStat(pid)?.session, pid);
  });

  await t.test("another user can open its own /dev/stdout, too", () => box.says("user", "as nobody in /nonexistent\n"));

  await t.test("limits and priorities come together with the user", async () => {
    const pid = await programOf(box, "all", "sleep");
    assert.equal(statusOf(pid, "Uid"), "65534 65534 65534 65534");
    assert.equal(limitOf(pid, "Max open files"), "99 99");
    assert.equal(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8").trim(), "10");
    assert.equal(readStat(pid)?.session, pid);
  });

  await t.test("`group:` takes the place of the user's own group", async () => {
    const pid = await programOf(box, "group", "sleep");
    assert.equal(statusOf(pid, "Gid"), "1 1 1 1");
    assert.equal(statusOf(pid, "Uid"), "65534 65534 65534 65534");
  });

  await t.test("a number without an account gets no group of svcd's", async () => {
    const pid = await programOf(box, "number", "sleep");
    assert.equal(statusOf(pid, "Uid"), "54321 54321 54321 54321");
    assert.equal(statusOf(pid, "Gid"), "54321 54321 54321 54321");
    assert.deepEqual(groupsOf(pid), []);
  });

  if (supplementary === null) t.diagnostic("not shown: supplementary groups (no mount namespace here)");
});

test("env files are read anew at each start, and `${…}` is filled in from them", async (t) => {
  const box = Box.prepare(t);
  writeFileSync(box.path("app.env"), "MODEL=small\n");
  box.write(
    "web.yaml",
    `command: sh -c 'echo $$0 $$MODEL $$WHERE \${NOWHERE:-default}; exec sleep 1001' "\${MODEL}"
env_file: [ app.env, "?absent.env" ]
environment: { WHERE: "at \${MODEL}" }
`,
  );
  await box.start();
  await box.says("web", "small small at small default\n");

  writeFileSync(box.path("app.env"), "MODEL=large\n");
  await box.svctl("restart", "web");
  await box.says("web", "small small at small default\nlarge large at large default\n");

  await t.test("an env file that disappeared is named, and does no harm to what runs", async () => {
    writeFileSync(box.path("app.env.bak"), "");
    execFileSync("rm", [box.path("app.env")]);
    assert.equal((await box.status("web")).state, "RUNNING");
    await box.control.act("restart", ["web"]);
    const { why } = await box.until("web", "FATAL");
    assert.match(why, /app\.env/);
    assert.match(why, /no such file/);
  });
});

test("a venv comes first on PATH", async (t) => {
  const box = Box.prepare(t);
  program(box, "venv/bin/serve", '#!/bin/sh\necho "$VIRTUAL_ENV"\nexec sleep 1001\n');
  box.write("web.yaml", "command: serve\nvenv: venv");
  await box.start();
  await box.says("web", `${box.path("venv")}\n`);
});

test("what cannot be started says why in one line, once", async (t) => {
  const box = Box.prepare(t);
  writeFileSync(box.path("not-executable"), "#!/bin/sh\n", { mode: 0o644 });
  program(box, "windows", "#!/bin/sh\r\necho hello\r\n");
  program(box, "no-interpreter", "#!/opt/no/such/python\nprint(1)\n");
  program(box, "no-line", "echo hello\n");
  program(box, "empty", "");
  mkdirSync(box.path("folder"));
  const stories: Record<string, [yaml: string, why: RegExp]> = {
    missing: ["command: vllm-of-another-box serve", /^vllm-of-another-box: not found on PATH of this service: \S/],
    "missing-path": ["command: ./bin/absent", /\/bin\/absent: does not exist/],
    "not-executable": ["command: ./not-executable", /not-executable: is not executable: chmod \+x /],
    directory: ["command: ./folder", /folder: is a directory/],
    windows: ["command: ./windows", /windows: has Windows line ends.*sed -i/],
    "no-interpreter": ["command: ./no-interpreter", /asks for \/opt\/no\/such\/python, which does not exist/],
    "no-line": ["command: ./no-line", /without a #! line/],
    empty: ["command: ./empty", /empty: is empty/],
    "working-dir": ["command: sleep 1\nworking_dir: /no/such/folder", /^working_dir \/no\/such\/folder does not exist/],
    "working-file": ["command: sleep 1\nworking_dir: /etc/passwd", /^working_dir \/etc\/passwd is not a directory/],
    "unknown-user": ["command: sleep 1\nuser: nobody-at-all", /user: nobody-at-all.*does not exist/],
    "unknown-group": ["command: sleep 1\ngroup: no-such-group", /group: no-such-group.*does not exist/],
    "unclosed-quote": ['command: echo ${WORDS}\nenvironment: { WORDS: "it\'s" }', /quote/],
    "empty-command": ["command: ${NOTHING:-}", /command/],
    required: ["command: serve ${MODEL_NAME:?set it to a model}", /MODEL_NAME.*set it to a model/],
    "required-plain": ["command: serve ${MODEL_NAME?}", /MODEL_NAME/],
    nul: ['command: [ echo, "${ZERO}" ]\nenvironment: { ZERO: "a\\0b" }', /NUL/],
  };
  for (const [name, [yaml]] of Object.entries(stories)) box.write(`${name}.yaml`, yaml);
  box.write("good.yaml", "command: sleep 1001\nstartsecs: 0.5s");
  await box.start();
  await box.until("good", "RUNNING");

  for (const [name, [, reason]] of Object.entries(stories)) {
    await t.test(`${name}: FATAL, with the reason`, async () => {
      const status = await box.until(name, "FATAL");
      assert.match(status.why, reason);
      assert.doesNotMatch(status.why, /\n/);
    });
  }

  await t.test("none of them was tried again", async () => {
    const tried = (await box.control.services()).filter(({ state }) => state === "FATAL");
    assert.deepEqual(
      tried.filter(({ run, restarts }) => run !== 1 || restarts !== 0),
      [],
    );
    assert.equal(tried.length, Object.keys(stories).length);
  });

  await t.test("once mended, `svctl start` starts it", async () => {
    chmodSync(box.path("not-executable"), 0o755);
    writeFileSync(box.path("not-executable"), "#!/bin/sh\nexec sleep 1002\n");
    const { code } = await box.svctl("start", "not-executable");
    assert.equal(code, 0);
    assert.equal((await box.status("not-executable")).state, "RUNNING");
  });
});

/** The pid that `status` shows, once the exec chain has become the program. */
async function programOf(box: Box, name: string, program: string): Promise<number> {
  let status: ServiceStatus | undefined;
  await box.becomes(`${name} is ${program}`, async () => {
    status = await box.status(name);
    return status.pid !== null && readFileSync(`/proc/${status.pid}/comm`, "latin1").trim() === program;
  });
  return status?.pid as number;
}

function statusOf(pid: number, field: string): string {
  const value = new RegExp(`^${field}:[ \\t]*(.*)$`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1];
  return (value ?? "").trim().replaceAll("\t", " ");
}

function groupsOf(pid: number): string[] {
  return statusOf(pid, "Groups").split(" ").filter(Boolean).sort();
}

/** Soft and hard. */
function limitOf(pid: number, row: string): string {
  const limits = readFileSync(`/proc/${pid}/limits`, "latin1");
  const found = new RegExp(`^${row} +(\\S+) +(\\S+)`, "m").exec(limits);
  return `${found?.[1]} ${found?.[2]}`;
}

function environmentOf(pid: number): Record<string, string> {
  const entries = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0").filter(Boolean);
  return Object.fromEntries(entries.map((entry) => [entry.split("=", 1)[0], entry.slice(entry.indexOf("=") + 1)]));
}

function program(box: Box, path: string, text: string): void {
  mkdirSync(box.path(path, ".."), { recursive: true });
  writeFileSync(box.path(path), text, { mode: 0o755 });
}

/**
 * svcd of this box sees another /etc/group, in which nobody is a member of two more groups. null: this machine lets us
 * have no mounts of our own.
 */
function groupsWithNobody(box: Box): string[] | null {
  writeFileSync(
    box.path("group"),
    readFileSync("/etc/group", "utf8").replace(/^(daemon|bin):(.*):.*$/gm, "$1:$2:nobody"),
  );
  const mount = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/group && exec "$@"', box.path("group")];
  try {
    execFileSync(mount[0] as string, [...mount.slice(1), "true"], { stdio: "ignore" });
  } catch {
    return null;
  }
  box.inside = mount;
  return ["1", "2"];
}
