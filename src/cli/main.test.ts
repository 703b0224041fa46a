import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { COMMANDS } from "./commands.ts";
import { FakeDaemon, running, service, svctl, why } from "./fake-daemon.ts";

/** A root where no svcd runs. */
const nowhere = { root: mkdtempSync(join(tmpdir(), "svctl-test-nowhere-")) };
after(() => rmSync(nowhere.root, { recursive: true }));

test("a slip in a command or option is exit 2 and names what was meant", async () => {
  assert.deepEqual(await svctl(nowhere, "statsu"), {
    exitCode: 2,
    stdout: "",
    stderr: "svctl: unknown command `statsu`: did you mean `status`?\n  fix:   svctl help lists all commands\n",
  });
  assert.match((await svctl(nowhere, "status --jsno")).stderr, /did you mean `--json`\?/);
  assert.match((await svctl(nowhere, "start")).stderr, /`start` needs more words\n {2}fix: {3}write `svctl start NAME/);
  assert.match((await svctl(nowhere, "plan web")).stderr, /`plan` takes no words: `web` is too much/);
  for (const words of [
    "statsu",
    "status --jsno",
    "start",
    "plan web",
    "logs --json",
    "tail a b c",
    "start a --wait --no-wait",
  ]) {
    assert.equal((await svctl(nowhere, words)).exitCode, 2, words);
  }
});

test("without an svcd every question is 4, with the socket and how to start it", async () => {
  for (const words of [
    "status",
    "start web",
    "why web",
    "logs web",
    "pid",
    "shutdown",
    "update",
    "reread",
    "version",
  ]) {
    const { exitCode, stderr } = await svctl(nowhere, words);
    assert.equal(exitCode, 4, words);
    assert.equal(
      stderr,
      [
        "svctl: svcd is not running: nobody listens at its socket",
        `  where: ${nowhere.root}/run/svcd.sock`,
        `  fix:   start it (svcd --root ${nowhere.root}); or name the right one with --root DIR or SVCD_ROOT`,
        "",
      ].join("\n"),
    );
  }
});

test("a core that is just being replaced is no reason to fail", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service()];
  await daemon.dies();
  mkdirSync(join(daemon.root, "run"), { recursive: true });
  writeFileSync(daemon.socket, "");
  setTimeout(() => daemon.returns(), 200);
  assert.equal((await svctl(daemon, "status")).exitCode, 0);
});

test("every command has a help of its own, and help lists every command", async () => {
  const { stdout } = await svctl(nowhere, "help");
  for (const { name, summary } of COMMANDS) {
    assert.ok(stdout.includes(summary), name);
    const own = await svctl(nowhere, `help ${name}`);
    assert.equal(own.exitCode, 0);
    assert.ok(own.stdout.startsWith(`usage: svctl ${name}`), name);
    assert.equal((await svctl(nowhere, `${name} --help`)).stdout, own.stdout);
    for (const line of own.stdout.split("\n")) assert.ok(line.length <= 110, `${name}: ${line}`);
  }
});

test("why is a page: what is so, how it ended, the last lines, what to do", async () => {
  await using daemon = await new FakeDaemon().open();
  const status = service({
    state: "BACKOFF",
    pid: null,
    why: "exit 1: CUDA out of memory",
    next: "again in 4 s",
    restarts: 3,
  });
  daemon.on("GET", "/v1/services/web/why", () =>
    why(status, {
      lastEnd: {
        run: 7,
        how: "killed by SIGKILL: the kernel's OOM killer",
        at: "then",
        upMs: 65_000,
        evidence: ["it held 12 GiB"],
      },
      lastLines: ["loading…", "boom\x07"],
      waitsFor: ["2 GiB of GPU memory"],
      changedSinceGood: ["command: a → b"],
      advice: ["svctl restart web"],
    }),
  );
  const { stdout } = await svctl(daemon, "why web");
  for (const words of [
    "web: BACKOFF for 1m 5s",
    "why:   exit 1: CUDA out of memory",
    "next:  again in 4 s",
    "restarted 3 times by svcd",
    "The last run that ended (number 7): killed by SIGKILL: the kernel's OOM killer",
    "at then, up for 1m 5s",
    "  it held 12 GiB",
    "Waits for\n  2 GiB of GPU memory",
    "well\n  command: a → b",
    "Last lines of output\n  | loading…\n  | boom\\x07",
    "What you can do\n  svctl restart web",
  ]) {
    assert.ok(stdout.includes(words), words);
  }
});

test("pid prints pids for scripts, 0 for what does not run", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ name: "db", pid: null, state: "STOPPED" }), service()];
  assert.deepEqual(await svctl(daemon, "pid"), { exitCode: 0, stdout: `${process.pid}\n`, stderr: "" });
  assert.deepEqual(await svctl(daemon, "pid web"), { exitCode: 0, stdout: "4121\n", stderr: "" });
  assert.deepEqual(await svctl(daemon, "pid web db"), { exitCode: 1, stdout: "4121\n0\n", stderr: "" });
});

test("version says both, and what to do when they differ", async () => {
  await using daemon = await new FakeDaemon().open();
  assert.deepEqual(await svctl(daemon, "version"), { exitCode: 0, stdout: "svctl 1.2.3\nsvcd  1.2.3\n", stderr: "" });
  daemon.health = { ...daemon.health, version: "1.0.0" };
  assert.match((await svctl(daemon, "version")).stderr, /svctl upgrade/);
  assert.equal((await svctl(nowhere, "--version")).stdout, "svctl 1.2.3\n");
});

test("upgrade waits for the new core and says what changed", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.on("POST", "/v1/upgrade", () => {
    setTimeout(() => {
      daemon.health = { ...daemon.health, core: 999, version: "2.0.0" };
    }, 50);
    return { accepted: "yes" };
  });
  const { stdout, exitCode } = await svctl(daemon, "upgrade");
  assert.deepEqual([exitCode, stdout], [0, "svcd: upgraded from 1.2.3 to 2.0.0\n"]);
});

test("shutdown waits until svcd is gone", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.health = { ...daemon.health, keeper: 2 ** 22 + 1 };
  daemon.on("POST", "/v1/shutdown", () => {
    setTimeout(() => daemon.dies(), 100);
    return { accepted: "yes" };
  });
  assert.deepEqual(await svctl(daemon, "shutdown"), { exitCode: 0, stdout: "Shut down\n", stderr: "" });
});

test("schema prints the file that lies beside the program", async () => {
  const directory = mkdtempSync(join(tmpdir(), "svctl-test-"));
  writeFileSync(join(directory, "services.schema.json"), "{}\n");
  assert.equal((await svctl(nowhere, "schema", { program: join(directory, "svctl.js") })).stdout, "{}\n");
  assert.equal((await svctl(nowhere, "schema")).exitCode, 1);
  writeFileSync(join(directory, "jobs.schema.json"), "[]\n");
  assert.equal((await svctl(nowhere, "schema jobs", { program: join(directory, "svctl.js") })).stdout, "[]\n");
  const { exitCode, stderr } = await svctl(nowhere, "schema job");
  assert.equal(exitCode, 2);
  assert.match(stderr, /did you mean `jobs`/);
});

test("completion offers commands, options, names, groups and signals, and is silent without an svcd", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [
    service({ name: "web", groups: ["front"] }),
    service({ name: "web\nevil" }),
    service({ name: "db" }),
  ];
  const offered = async (words: string, at: { readonly root: string } = daemon) => {
    const { stdout, exitCode } = await svctl(at, `__complete -- ${words}`);
    assert.equal(exitCode, 0);
    return stdout.split("\n").filter((line) => line !== "");
  };
  assert.deepEqual(await offered("sta"), ["status", "start"]);
  assert.deepEqual(await offered("start w"), ["web"]);
  assert.deepEqual(await offered("start f"), ["front:*"]);
  assert.deepEqual(await offered("start --w"), ["--wait"]);
  assert.deepEqual(await offered("signal US"), ["USR1", "USR2"]);
  assert.deepEqual(await offered("signal HUP d"), ["db"]);
  assert.deepEqual(await offered("tail web std"), ["stdout", "stderr"]);
  assert.deepEqual(await offered(`--root ${daemon.root} start d`, nowhere), ["db"]);
  assert.deepEqual(await offered("start w", nowhere), []);
});

test("the completion scripts are such that their shells can read them", async (t) => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { stdout, exitCode } = await svctl(nowhere, `completion ${shell}`);
    assert.equal(exitCode, 0);
    await t.test(shell, async (own) => {
      const complaint = await new Promise<string | null>((done) => {
        const child = execFile(shell, ["-n"], (error, _out, err) => done(error?.code === "ENOENT" ? null : err));
        child.stdin?.on("error", () => {}); // It is not installed.
        child.stdin?.end(stdout);
      });
      if (complaint === null) own.skip(`${shell} is not installed`);
      else assert.equal(complaint, "");
    });
  }
  assert.equal((await svctl(nowhere, "completion csh")).exitCode, 2);
});

test("bash completes names with colons and at-signs in them", async () => {
  const { stdout } = await svctl(nowhere, "completion bash");
  const script = `${stdout}
    svctl() { shift 2; printf '%s\\n' front:web front:db; }
    COMP_LINE='svctl start front:w' COMP_POINT=19; _svctl; echo "\${COMPREPLY[*]}"`;
  const offered = await new Promise<string>((done) => {
    execFile("bash", ["-c", script], (_error, out) => done(out));
  });
  assert.equal(offered, "web db\n"); // What stands before the colon is there already.
});

test("what is written to nobody is no error, and a real process gives the same exit codes", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ state: "FATAL" })];
  const program = join(import.meta.dirname, "../svctl.ts");
  const exitCodeOf = (script: string) =>
    new Promise<number>((done) => {
      const child = execFile("sh", ["-c", script, "sh", process.execPath, program, daemon.root], { env: {} });
      child.on("exit", (code) => done(code ?? -1));
    });
  assert.equal(await exitCodeOf('"$1" "$2" --root "$3" status'), 3);
  assert.equal(await exitCodeOf('"$1" "$2" --root "$3" statsu'), 2);
  assert.equal(await exitCodeOf('{ "$1" "$2" help; echo $? >"$3/code"; } | true; exit "$(cat "$3/code")"'), 0);
});

test("Ctrl-C during a shutdown ends the waiting only", async () => {
  await using daemon = await new FakeDaemon().open();
  daemon.on("POST", "/v1/shutdown", () => ({ accepted: "yes" }));
  const call = running(daemon, "shutdown");
  const pressing = setInterval(() => call.interrupt(), 20);
  assert.equal((await call.done).exitCode, 130);
  clearInterval(pressing);
});
