import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import { planOf } from "../plan/testing.ts";
import type { Launch } from "../ports.ts";
import { type LauncherOptions, LinuxLauncher } from "./launcher.ts";
import { type OwnRights, ownRights } from "./own-rights.ts";

const root = mkdtempSync(`${tmpdir()}/launcher-`);
chmodSync(root, 0o755);
after(() => rmSync(root, { recursive: true }));

const asRoot = process.getuid?.() === 0;
const needsRoot = { skip: !asRoot && "needs root" };
const ORDINARY: OwnRights = {
  ...ownRights(),
  uid: 1234,
  gid: 1234,
  changesUser: false,
  changesGroup: false,
  raisesLimits: false,
  raisesPriority: false,
};

function serviceFrom(yaml: string) {
  const plan = planOf({ "services.d/web.yaml": yaml });
  assert.deepEqual(plan.mistakes, []);
  const service = plan.services.get("web");
  assert.ok(service !== undefined);
  return service;
}

function launcher(options: Partial<LauncherOptions> = {}) {
  return new LinuxLauncher({
    env: { PATH: "/usr/bin:/bin", HOME: "/root", SVCD_ROOT: "/elsewhere" },
    rootDir: root,
    runDir: "/run/svcd",
    daemonEnvironment: () => ({}),
    ...options,
  });
}

function launched(yaml: string, options?: Partial<LauncherOptions>): Launch {
  const prepared = launcher(options).prepare(serviceFrom(yaml), 3);
  assert.ok(prepared.kind === "launch", prepared.kind === "refusal" ? prepared.cause : "");
  return prepared.launch;
}

function refused(yaml: string, options?: Partial<LauncherOptions>): string {
  const prepared = launcher(options).prepare(serviceFrom(yaml), 3);
  assert.ok(prepared.kind === "refusal", "it was not refused");
  assert.ok(prepared.permanent);
  return prepared.cause;
}

/** What the launch prints when it is executed as the keeper does it. */
async function output(launch: Launch): Promise<string> {
  const { file, argv, cwd, env } = launch;
  const child = spawn(file, argv.slice(1), {
    argv0: argv[0] as string,
    cwd,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  return (await text(child.stdout)).trim();
}

function script(name: string, content: string | Buffer, mode = 0o755): string {
  const path = `${root}/${name}`;
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

// --- what is started -------------------------------------------------------------------------------------------------

test("without anything special the program itself is started, and its name is as written", () => {
  const launch = launched("command: sh -c 'echo hi'");
  assert.equal(launch.file, "/usr/bin/sh");
  assert.deepEqual(launch.argv, ["sh", "-c", "echo hi"]);
  assert.deepEqual([launch.cwd, launch.umask, launch.uid], [root, null, null]);
});

test("a service knows which one it is, and nothing of how svcd was started", () => {
  const { env } = launched("command: env", { marks: { SVCD_ROOT: "/srv" } });
  assert.equal(env["SVCD_SERVICE"], "web");
  assert.equal(env["SVCD_RUN"], "/run/svcd/web#3");
  assert.equal(env["SVCD_ROOT"], "/srv");
  assert.equal(launched("command: env").env["SVCD_ROOT"], undefined);
});

test("a program with a slash is relative to the working directory, which is relative to the root", () => {
  mkdirSync(`${root}/app/bin`, { recursive: true });
  script("app/bin/run", "#!/bin/sh\n");
  assert.equal(launched("{ command: bin/run, working_dir: app }").file, `${root}/app/bin/run`);
  assert.equal(launched(`{ command: ./run, working_dir: ${root}/app/bin }`).file, `${root}/app/bin/run`);
});

test("a program is looked up on the service's own PATH, not svcd's", () => {
  mkdirSync(`${root}/own`, { recursive: true });
  script("own/tool", "#!/bin/sh\n");
  assert.equal(launched(`{ command: tool, environment: { PATH: "${root}/own:/bin" } }`).file, `${root}/own/tool`);
  mkdirSync(`${root}/venv/bin`, { recursive: true });
  script("venv/bin/tool", "#!/bin/sh\n");
  assert.equal(launched(`{ command: tool, venv: ${root}/venv }`).file, `${root}/venv/bin/tool`);
});

test("env files are read anew at each start", () => {
  const service = serviceFrom("{ command: 'echo ${WORD}', env_file: word.env }");
  const one = launcher();
  for (const word of ["one", "two"]) {
    writeFileSync(`${root}/word.env`, `WORD=${word}\n`);
    const prepared = one.prepare(service, 1);
    assert.ok(prepared.kind === "launch");
    assert.deepEqual(prepared.launch.argv, ["echo", word]);
  }
});

test("an env file with a ? may be missing", () => {
  assert.equal(launched("{ command: env, env_file: ['?nowhere.env'] }").env["WORD"], undefined);
});

test("a start sees the GPUs that it was given, above all that is written; its check and its hooks see the same", () => {
  writeFileSync(`${root}/gpus.env`, "CUDA_VISIBLE_DEVICES=0,1,2,3\nGPU_COUNT=4\n");
  const yaml =
    "{ command: 'echo ${GPU_COUNT:?}', env_file: gpus.env, gpus: 2, healthcheck: { exec: 'x ${GPU_COUNT}' } }";
  const gpus = {
    devices: [2, 3].map((index) => ({ uuid: `GPU-${index}`, index })),
    memoryBytes: null,
    isShared: false,
  };
  const service = serviceFrom(yaml);
  const prepared = launcher().prepare(service, 1, gpus);
  assert.ok(prepared.kind === "launch");
  const { argv, env } = prepared.launch;
  assert.deepEqual(argv, ["echo", "2"]);
  assert.equal(env["CUDA_VISIBLE_DEVICES"], "2,3");
  assert.equal(env["CUDA_DEVICE_ORDER"], "PCI_BUS_ID");
  assert.equal(env["SVCD_GPUS"], "2=GPU-2,3=GPU-3;;");
  const setting = launcher({ gpusOf: () => gpus }).setting(service);
  assert.deepEqual(setting.ok && setting.setting.resolved.check, { kind: "exec", argv: ["x", "2"] });
  assert.equal(launched("{ command: env, env_file: gpus.env }").env["CUDA_VISIBLE_DEVICES"], "0,1,2,3");
});

// --- as whom, and with which limits ------------------------------------------------------------------------------------

test("limits are set before the program's first instruction, and the pid stays", async () => {
  const yaml = "{ command: sh, limits: { nofile: 256, core: 0, nice: 5, oom_score_adj: 500, cpu: 100 } }";
  const launch = launched(yaml);
  assert.deepEqual(
    launch.argv.map((word) => word.replace(/^.*\//, "")),
    ["choom", "-n", "500", "--", "prlimit", "--nofile=256:256", "--core=0:0", "--cpu=100:105", "nice", "-n", "5", "sh"],
  );
  const asks = {
    ...launch,
    argv: [...launch.argv, "-c", "echo $$; ulimit -n; ulimit -c; nice; cat /proc/self/oom_score_adj"],
  };
  const child = spawn(asks.file, asks.argv.slice(1), {
    env: asks.env,
    cwd: asks.cwd,
    stdio: ["ignore", "pipe", "inherit"],
  });
  assert.deepEqual((await text(child.stdout)).trim().split("\n"), [String(child.pid), "256", "0", "5", "500"]);
});

test("`user` becomes that user with its groups, HOME and name", needsRoot, async () => {
  const launch = launched(
    `{ command: "sh -c 'id -u; id -g; echo $$HOME $$USER $$LOGNAME; ulimit -n'", user: nobody, limits: { nofile: 100 } }`,
  );
  assert.equal(launch.uid, 65534);
  assert.deepEqual((await output(launch)).split("\n"), ["65534", "65534", "/nonexistent nobody nobody", "100"]);
});

test("what is written about HOME wins over the account's, and can build on it", needsRoot, () => {
  assert.equal(launched("{ command: env, user: nobody, environment: { HOME: /data } }").env["HOME"], "/data");
  assert.equal(
    launched("{ command: env, user: nobody, environment: { CACHE: '${HOME}/c' } }").env["CACHE"],
    "/nonexistent/c",
  );
});

test(
  "`group` alone changes the group and nothing else; both may be numbers; Compose's form works",
  needsRoot,
  async () => {
    const ids = "command: sh -c 'id -u; id -g'";
    assert.equal(await output(launched(`${ids}\ngroup: nogroup`)), "0\n65534");
    assert.equal(await output(launched(`${ids}\nuser: 4242\ngroup: 4343`)), "4242\n4343");
    assert.equal(await output(launched(`${ids}\nuser: '4242:4343'`)), "4242\n4343");
  },
);

test("a number without an account never keeps root's group", needsRoot, async () => {
  assert.equal(await output(launched("command: sh -c 'id -u; id -g; id -G'\nuser: 4242")), "4242\n4242\n4242");
});

test(
  "variables that make a loader run foreign code are not there while the chain has root's rights",
  needsRoot,
  async () => {
    const launch = launched(
      `{ command: "sh -c 'echo $$LD_LIBRARY_PATH'", user: nobody, environment: { LD_LIBRARY_PATH: "/opt/my lib" } }`,
    );
    assert.equal(launch.env["LD_LIBRARY_PATH"], undefined);
    assert.equal(await output(launch), "/opt/my lib");
    assert.equal(launched("{ command: env, environment: { LD_PRELOAD: x.so } }").env["LD_PRELOAD"], "x.so");
  },
);

test("svcd's own user by name needs no rights and no chain", () => {
  const me = ownRights();
  assert.equal(launched(`{ command: sh, user: '${me.uid}' }`).file, "/usr/bin/sh");
});

// --- what is refused ---------------------------------------------------------------------------------------------------

test("a program that is not there is named with the PATH that was searched", () => {
  assert.equal(refused("command: vllm serve"), "vllm: not found on PATH of this service: /usr/bin:/bin");
  assert.equal(refused("command: ./vllm serve"), `${root}/vllm: does not exist`);
});

test("a working directory that is not there is named as such", () => {
  assert.equal(refused("{ command: sh, working_dir: /nowhere/x }"), "working_dir /nowhere/x does not exist");
  assert.equal(refused("{ command: sh, working_dir: /etc/passwd }"), "working_dir /etc/passwd is not a directory");
});

test("a required env file that is missing, no file or too large is named", () => {
  assert.match(refused("{ command: sh, env_file: nowhere.env }"), /cannot read .*\/nowhere\.env: no such file/);
  assert.match(refused(`{ command: sh, env_file: ${root} }`), /cannot read .*: it is not a regular file/);
  writeFileSync(`${root}/large.env`, `A=${"x".repeat(1024 * 1024)}`);
  assert.match(refused("{ command: sh, env_file: large.env }"), /cannot read .*: it is larger than 1 MiB/);
});

test("a variable that must be set is asked for", () => {
  assert.match(
    refused("command: vllm serve ${MODEL:?name a model}"),
    /`command`.*MODEL.*name a model.*services\.d\/web\.yaml:1/,
  );
});

test("a file that cannot be executed says why", () => {
  script("plain", "#!/bin/sh\n", 0o644);
  mkdirSync(`${root}/folder`, { recursive: true });
  symlinkSync("circle", `${root}/circle`);
  assert.equal(refused("command: ./plain"), `${root}/plain: is not executable: chmod +x ${root}/plain`);
  assert.equal(refused("command: ./folder"), `${root}/folder: is a directory, not a program`);
  assert.equal(refused("command: ./circle"), `${root}/circle: is a symbolic link that leads in a circle`);
  assert.equal(refused("command: ./plain/x"), `${root}/plain/x: does not exist: a part of the path is a file`);
});

test("a file on PATH that cannot be executed is named instead of `not found`", () => {
  script("noexec", "#!/bin/sh\n", 0o644);
  assert.equal(
    refused(`{ command: noexec, environment: { PATH: "/bin:${root}" } }`),
    `${root}/noexec: is not executable: chmod +x ${root}/noexec`,
  );
});

test("a folder on PATH that cannot be looked into is passed over", () => {
  symlinkSync("round", `${root}/round`);
  assert.equal(launched(`{ command: true, environment: { PATH: "${root}/round:/usr/bin" } }`).file, "/usr/bin/true");
  const PATH = `${root}/round`;
  assert.equal(
    refused(`{ command: true, environment: { PATH: "${PATH}" } }`),
    `true: not found on PATH of this service: ${PATH}`,
  );
});

test("a script whose interpreter is missing names the interpreter", () => {
  script("old", "#!/usr/bin/python9 -u\n");
  assert.equal(refused("command: ./old"), `${root}/old: its #! line asks for /usr/bin/python9, which does not exist`);
  script("by-env", "#!/usr/bin/env python9\n");
  assert.equal(
    refused("command: ./by-env"),
    `${root}/by-env: its #! line asks for python9, which is not on PATH of this service: /usr/bin:/bin`,
  );
  script("by-env-s", "#!/usr/bin/env -S A=b sh -e\n");
  assert.equal(launched("command: ./by-env-s").file, `${root}/by-env-s`);
});

test("a script with Windows line ends is told how to lose them", () => {
  script("dos", "#!/bin/sh\r\necho hi\r\n");
  assert.equal(
    refused("command: ./dos"),
    `${root}/dos: has Windows line ends, so it asks for an interpreter called "/bin/sh\\r": sed -i 's/\\r$//' ${root}/dos`,
  );
});

test("a text without a #! line is told to add one", () => {
  script("bare", "echo hi\n");
  assert.match(refused("command: ./bare"), /bare: is a text file without a #! line: add one .*#!\/bin\/sh/);
  script("empty", "");
  assert.match(refused("command: ./empty"), /empty: is empty/);
});

test("a program for another machine, or with a loader that is not here, says so", () => {
  const elf = Buffer.alloc(256);
  elf.write("\x7fELF\x02\x01\x01", "latin1");
  elf.writeUInt16LE(process.arch === "x64" ? 183 : 62, 18);
  script("foreign", elf);
  const [other, own] = process.arch === "x64" ? ["arm64", "x64"] : ["x64", "arm64"];
  assert.equal(refused("command: ./foreign"), `${root}/foreign: is built for ${other}, and this machine is ${own}`);

  elf.writeUInt16LE(process.arch === "x64" ? 62 : 183, 18);
  elf.writeBigUInt64LE(64n, 32); // One program header …
  elf.writeUInt16LE(56, 54);
  elf.writeUInt16LE(1, 56);
  elf.writeUInt32LE(3, 64); // … PT_INTERP …
  elf.writeBigUInt64LE(128n, 64 + 8);
  elf.write("/lib/ld-musl-somewhere.so.1", 128, "latin1");
  elf.writeBigUInt64LE(28n, 64 + 32); // … and the NUL behind its name.
  script("alpine", elf);
  assert.equal(
    refused("command: ./alpine"),
    `${root}/alpine: needs the loader /lib/ld-musl-somewhere.so.1, which is not on this machine: it was built for Alpine or another system with musl`,
  );
});

test("users and groups that do not exist are named", () => {
  assert.match(refused("{ command: sh, user: nobody-here }"), /`user: nobody-here` of web does not exist/);
  assert.match(refused("{ command: sh, group: nothing-here }"), /`group: nothing-here` of web does not exist/);
});

test("another user or group needs root, and says who svcd is", () => {
  const rights = { ...ORDINARY, uid: 65534, gid: 65534 };
  assert.equal(
    refused("{ command: sh, user: root }", { rights }),
    "`user: root` of web needs svcd to run as root; it runs as nobody",
  );
  assert.match(refused("{ command: sh, group: root }", { rights }), /^`group: root` of web needs svcd to run as root/);
  assert.equal(launched("{ command: sh, user: nobody }", { rights }).env["HOME"], "/nonexistent");
});

test("limits above svcd's own are refused with the number when it may not raise them", () => {
  const rights = { ...ORDINARY, hardLimits: { ...ORDINARY.hardLimits, nofile: 4096, core: 0 } };
  assert.equal(
    refused("{ command: sh, limits: { nofile: 10000 } }", { rights }),
    "`limits.nofile: 10000` of web is above svcd's own hard limit (4096), which only root with CAP_SYS_RESOURCE may raise",
  );
  assert.match(
    refused("{ command: sh, limits: { core: unlimited } }", { rights }),
    /`limits.core: unlimited` of web .*\(0\)/,
  );
  assert.match(
    refused("{ command: sh, limits: { nice: -5 } }", { rights }),
    /`limits.nice: -5` of web is below svcd's own \(\d+\)/,
  );
  assert.match(
    refused("{ command: sh, limits: { oom_score_adj: -900 } }", { rights }),
    /`limits.oom_score_adj: -900` of web/,
  );
  const asRootIs = { ...rights, raisesLimits: true, raisesPriority: true };
  assert.ok(
    launched("{ command: sh, limits: { nofile: 10000, nice: -5, oom_score_adj: -900 } }", { rights: asRootIs }),
  );
  assert.match(
    refused("{ command: sh, limits: { nofile: 999999999 } }", { rights: asRootIs }),
    /more than the kernel gives to anybody \(fs\.nr_open is \d+\)/,
  );
});

test("a missing tool is named with its package and what needs it", () => {
  assert.equal(
    refused("{ command: sh, limits: { nofile: 100 } }", { toolPath: () => null }),
    "prlimit (util-linux) is needed for `limits:` of web but is not installed",
  );
});

// --- what the kernel refused --------------------------------------------------------------------------------------------

test("what passes by itself is not permanent, what needs a person is", () => {
  const launch = launched("command: sh");
  for (const code of ["EAGAIN", "ENOMEM", "EMFILE", "ENFILE", "ETXTBSY", "EWHATEVER"]) {
    const { cause, permanent } = launcher().explainRefusal(launch, code, `spawn ${code}`);
    assert.equal(permanent, false, code);
    assert.match(cause, new RegExp(`^/usr/bin/sh: .*${code}`));
  }
  assert.equal(launcher().explainRefusal(launch, "EACCES", "").permanent, true);
});

test("a folder or program that vanished in between is named, not the errno", () => {
  const launch = launched("command: sh");
  const explained = (change: Partial<Launch>) =>
    launcher().explainRefusal({ ...launch, ...change }, "ENOENT", "").cause;
  assert.equal(explained({ cwd: "/nowhere" }), "working_dir /nowhere does not exist");
  assert.equal(explained({ file: "/usr/bin/nothing" }), "/usr/bin/nothing: does not exist");
});

test("what is too long is named with its size", () => {
  const launch = launched(`{ command: sh, environment: { HUGE: "${"x".repeat(200_000)}" } }`);
  const { cause, permanent } = launcher().explainRefusal(launch, "E2BIG", "spawn E2BIG");
  assert.match(cause, /too long for the kernel: \d+ bytes in all; the largest is the variable HUGE with 200006 bytes/);
  assert.equal(permanent, true);
});

// --- whether it is wanted -------------------------------------------------------------------------------------------------

test("conditions are asked of the service's own environment and of this machine", () => {
  const unmet = (yaml: string) => launcher().unmet(serviceFrom(`command: sh\n${yaml}`));
  assert.equal(unmet(""), null);
  assert.equal(unmet("when: { env: MODEL }"), "MODEL is not set");
  assert.equal(unmet("when: { env: MODEL }\nenvironment: { MODEL: x }"), null);
  assert.equal(unmet("when: { command: sh }"), null);
  assert.equal(unmet("when: { command: nvidia-nothing }"), "no program `nvidia-nothing` on PATH");
  writeFileSync(`${root}/there`, "");
  assert.equal(unmet("when: { file: there }"), null);
  assert.equal(unmet("when: { file: there/below }"), "there/below does not exist");
  assert.equal(unmet("when: { file: { path: there, contains: x } }"), "there does not mention x");
  assert.equal(unmet("when: { env: { MODEL: M* } }\nenvironment: { MODEL: mine }"), null);
  assert.equal(unmet("when: { process: nothing-at-all }"), "no process `nothing-at-all` is running");
  assert.equal(unmet(`when: { user: ${userInfo().username} }`), null);
  assert.match(unmet("when: { user: nobody-here }") ?? "", /^svcd runs as \S+, not as nobody-here$/);
  assert.match(unmet("when: { not: { port: 1 } }") ?? "free", /free/);
});

test("a service whose env file belongs to another user is started with what root can read", needsRoot, () => {
  writeFileSync(`${root}/theirs.env`, "WORD=secret\n", { mode: 0o600 });
  chownSync(`${root}/theirs.env`, 65534, 65534);
  assert.equal(launched("{ command: env, user: nobody, env_file: theirs.env }").env["WORD"], "secret");
});
