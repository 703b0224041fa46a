/**
 * svctl, word by word: what it does, what it prints, and its exit code.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { Box, isAlive, kill, type Ran } from "./box.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";
const BY_HAND = `${SLEEPS}autostart: false\n`;
/** Never RUNNING, for as long as a test lasts. */
const SLOW = "command: sleep 1000\nstartsecs: 1h\n";
/** Prints why, and fails. */
const FAILS = `command: echo starting; echo cannot find the model >&2; exit 3
shell: true
autostart: false
restart: on-failure
give_up: { failures: 1 }
`;
const BIN = resolve(import.meta.dirname, "../../bin");
const noScript = spawnSync("script", ["--version"]).status !== 0 && "script (util-linux) is not installed";

const lines = (text: string): string[] => text.replace(/\n$/, "").split("\n");
const rows = (text: string): string[][] => lines(text).map((line) => line.split(/ {2,}/));

/** What was printed by a command that went well. */
function good({ code, stdout, stderr }: Ran): string {
  assert.deepEqual([code, stderr], [0, ""]);
  return stdout;
}

/** Exit code and both outputs, in one comparison. */
function isExactly(ran: Ran, code: number, stdout: string, stderr = ""): void {
  assert.deepEqual(ran, { code, stdout, stderr });
}

// --- status ------------------------------------------------------------------------------------------------------------

test("`svctl status` shows every service: what it does, its pid, for how long, and why", async (t) => {
  const box = await Box.open(t, {
    "web.yaml": `${SLEEPS}description: the shop\n`,
    "hand.yaml": BY_HAND,
    "once.yaml": "command: 'true'\nrestart: no\n",
    "gpu.yaml": `${SLEEPS}when: { env: NOBODY_SETS_THIS }\n`,
    "many.yaml":
      "services: { many-a: { command: sleep 9, startsecs: 0s }, many-b: { command: sleep 9, startsecs: 0s } }\n",
  });
  const web = await box.until("web", "RUNNING");
  for (const name of ["many-a", "many-b"]) await box.until(name, "RUNNING");
  await box.until("once", "EXITED");
  await box.until("gpu", "SKIPPED");

  await t.test("as a table, sorted by name; exit code 0 because everything is as it should be", async () => {
    const table = rows(good(await box.svctl("status")));
    assert.deepEqual(table[0], ["NAME", "STATE", "PID", "FOR", "RESTARTS", "WHY"]);
    assert.deepEqual(
      table.slice(1).map(([name, state]) => `${name} ${state}`),
      ["gpu SKIPPED", "hand STOPPED", "many-a RUNNING", "many-b RUNNING", "once EXITED", "web RUNNING"],
    );
    const [, , pid, age, restarts, why] = table.at(-1) ?? [];
    assert.deepEqual([pid, restarts, why], [String(web.pid), "0", "up"]);
    assert.match(age ?? "", /^\d+s$/);
    assert.match(table[1]?.at(-1) ?? "", /NOBODY_SETS_THIS/);
    assert.match(table[2]?.at(-1) ?? "", /autostart is off/);
    assert.match(table[5]?.at(-1) ?? "", /^exit 0/);
  });

  await t.test("`svctl` alone is `svctl status`", async () => {
    assert.equal(rows(good(await box.svctl())).length, 7);
  });

  await t.test("as JSON, with the keys that are promised", async () => {
    const all = JSON.parse(good(await box.svctl("status", "--json")));
    assert.equal(all.length, 6);
    const { name, state, pid, run, since, restarts, health, phase, why, next } = all[5];
    assert.deepEqual(
      { name, state, pid, run, restarts, health, phase, why, next },
      {
        name: "web",
        state: "RUNNING",
        pid: web.pid,
        run: 1,
        restarts: 0,
        health: null,
        phase: null,
        why: "up",
        next: "is restarted when it ends",
      },
    );
    assert.equal(new Date(since).toISOString(), since);
    for (const status of all) {
      assert.equal(typeof status.why, "string");
      assert.ok(status.why !== "" && status.next !== "", status.name);
      if (status.state !== "RUNNING") assert.equal(status.pid, null);
    }
  });

  await t.test(
    "by name, pattern, group and all; 3 when something named is not running, 4 for an unknown name",
    async () => {
      const named = async (code: number, ...words: string[]): Promise<string[]> => {
        const ran = await box.svctl("status", ...words, "--json");
        assert.equal(ran.code, code, ran.stderr);
        return JSON.parse(ran.stdout).map((status: { name: string }) => status.name);
      };
      assert.deepEqual(await named(0, "web"), ["web"]);
      assert.deepEqual(await named(0, "many-*"), ["many-a", "many-b"]);
      assert.deepEqual(await named(0, "many:*"), ["many-a", "many-b"]);
      assert.deepEqual(await named(0, "many:many-b", "web"), ["many-b", "web"]);
      assert.deepEqual(await named(0, "[mw]*"), ["many-a", "many-b", "web"]);
      assert.equal((await named(0, "all")).length, 6);
      assert.deepEqual(await named(3, "web", "hand"), ["hand", "web"]);
      assert.deepEqual(await named(3, "once"), ["once"]);
      isExactly(
        await box.svctl("status", "wbe", "web"),
        4,
        "",
        "svctl: no service is called “wbe”\n  fix:   did you mean “web”?; `svctl status` lists all services, `svctl jobs` all jobs\n",
      );
    },
  );

  await t.test("`avail` lists them in supervisord's words", async () => {
    const all = rows(good(await box.svctl("avail")));
    assert.deepEqual(
      all.find(([name]) => name === "hand"),
      ["hand", "in use", "manual"],
    );
    assert.deepEqual(
      all.find(([name]) => name === "web"),
      ["web", "in use", "auto"],
    );
    assert.deepEqual(JSON.parse(good(await box.svctl("avail", "--json"))).at(-1), {
      name: "web",
      inUse: true,
      auto: true,
    });
  });

  await t.test("`pid` prints what scripts need", async () => {
    const { keeper, core } = await box.control.health();
    assert.equal(good(await box.svctl("pid")), `${keeper}\n`);
    assert.deepEqual(JSON.parse(good(await box.svctl("pid", "--json"))), { keeper, core });
    assert.equal(good(await box.svctl("pid", "web")), `${web.pid}\n`);
    isExactly(await box.svctl("pid", "web", "hand"), 1, `${web.pid}\n0\n`);
    assert.equal((await box.svctl("pid", "nobody")).code, 1);
  });

  await t.test("a crash shows as 3 and says when it is tried again", async () => {
    box.write("crash.yaml", "command: 'false'\nbackoff: { first: 1h, longest: 1h }\n");
    await box.until("crash", "BACKOFF");
    const { code, stdout } = await box.svctl("status");
    assert.equal(code, 3);
    assert.match(stdout, /^crash +BACKOFF +- .*exit 1.*; retrying in \d+[smh]/m);
  });
});

test("`svctl status` of a svcd without services says where to put a file", async (t) => {
  const box = await Box.open(t);
  isExactly(await box.svctl("status"), 0, `no services yet: put a file into ${box.path("services.d")}\n`);
  isExactly(await box.svctl("status", "--json"), 0, "[]\n");
});

// --- start, stop, restart ----------------------------------------------------------------------------------------------

test("start, stop and restart wait until it is so, and say so in one line for each service", async (t) => {
  const box = await Box.open(t, { "a.yaml": BY_HAND, "b.yaml": BY_HAND, "c.yaml": BY_HAND });
  isExactly(await box.svctl("start", "a"), 0, "a: started\n");
  const first = await box.status("a");
  assert.equal(first.state, "RUNNING");
  isExactly(await box.svctl("start", "a"), 0, "a: already started\n");
  assert.equal((await box.status("a")).pid, first.pid);

  isExactly(await box.svctl("restart", "a"), 0, "a: restarted\n");
  const second = await box.status("a");
  assert.deepEqual([second.state, second.run], ["RUNNING", 2]);
  assert.notEqual(second.pid, first.pid);

  isExactly(await box.svctl("stop", "a"), 0, "a: stopped\n");
  assert.ok(!isAlive(second.pid as number));
  isExactly(await box.svctl("stop", "a"), 0, "a: not running\n");
  isExactly(await box.svctl("restart", "a"), 0, "a: restarted\n");

  await t.test("several at once, and all", async () => {
    const started = good(await box.svctl("start", "all"));
    assert.deepEqual(lines(started).sort(), ["a: already started", "b: started", "c: started"]);
    assert.deepEqual(lines(good(await box.svctl("stop", "a", "[bc]"))).sort(), [
      "a: stopped",
      "b: stopped",
      "c: stopped",
    ]);
    assert.ok((await box.control.services()).every(({ pid }) => pid === null));
  });

  await t.test("as JSON: a list of name, outcome and what", async () => {
    assert.deepEqual(JSON.parse(good(await box.svctl("start", "a", "--json"))), [
      { name: "a", outcome: "done", what: "started" },
    ]);
    assert.deepEqual(JSON.parse(good(await box.svctl("start", "a", "--json"))), [
      { name: "a", outcome: "already", what: "already started" },
    ]);
  });

  await t.test("a name that nobody has is 1, and nothing is done by halves", async () => {
    const { code, stdout, stderr } = await box.svctl("start", "b", "bb");
    assert.deepEqual([code, stdout], [1, ""]);
    assert.match(stderr, /no service is called “bb”/);
    assert.equal((await box.status("b")).state, "STOPPED");
  });
});

test("a start that fails prints the cause and the last lines of output, and is exit code 1", async (t) => {
  const box = await Box.open(t, {
    "model.yaml": FAILS,
    "nowhere.yaml": "command: no-such-program --port 1\nautostart: false\n",
  });
  const failed = await box.svctl("start", "model");
  assert.equal(failed.code, 1);
  assert.match(failed.stdout, /^model: ERROR \(.*exit 3.*\)$/m);
  assert.match(failed.stderr, /exit 3/);
  assert.match(failed.stderr, /last lines of output:\n +\| starting\n +\| cannot find the model\n/);
  assert.match(failed.stderr, /svctl why model/);

  const missing = await box.svctl("start", "nowhere");
  assert.equal(missing.code, 1);
  assert.match(missing.stdout, /nowhere: ERROR \(no-such-program: not found on PATH of this service: /);

  const json = await box.svctl("start", "model", "--json");
  assert.equal(json.code, 1);
  const [told] = JSON.parse(json.stdout);
  assert.equal(told.outcome, "failed");
  assert.match(told.what, /exit 3/);
});

test("what waits for a service that will never come is told so instead of waiting for ever", async (t) => {
  const box = await Box.open(t, { "model.yaml": FAILS, "web.yaml": `${BY_HAND}depends_on: { model: ready }\n` });
  const { code, stdout } = await box.svctl("start", "web");
  assert.equal(code, 1);
  assert.match(stdout, /^web: ERROR \(it waits for model, which is FATAL: .*exit 3/m);
});

test("--no-wait asks and returns; --timeout waits no longer than that, and svcd goes on", async (t) => {
  const box = await Box.open(t, { "slow.yaml": `${SLOW}autostart: false\n`, "web.yaml": BY_HAND });
  isExactly(await box.svctl("start", "--no-wait", "slow"), 0, "slow: started (not waited for)\n");
  assert.equal((await box.status("slow")).wanted, "up");
  const late = await box.svctl("restart", "slow", "--timeout", "200ms");
  assert.equal(late.code, 1);
  assert.match(late.stdout, /^slow: ERROR \(not there after .*; svcd goes on with it\)$/m);
  assert.equal((await box.status("slow")).state, "STARTING");
  isExactly(await box.svctl("start", "web", "--timeout", "20s"), 0, "web: started\n");
});

test("Ctrl-C while svctl waits ends svctl with 130; svcd goes on", { skip: noScript }, async (t) => {
  const box = await Box.open(t, { "slow.yaml": `${SLOW}autostart: false\n` });
  const terminal = onTerminal(t, box, "start slow");
  await box.becomes("it waits", () => /slow: STARTING /.test(terminal.seen));
  terminal.type("\x03");
  assert.equal(await terminal.ended(), 130);
  assert.match(terminal.seen, /svctl: no longer waiting; svcd goes on with slow\r\n$/);
  assert.equal((await box.status("slow")).wanted, "up");
});

// --- what is remembered --------------------------------------------------------------------------------------------------

test("what was stopped, disabled or enabled by hand is so after svcd was started anew", async (t) => {
  const box = await Box.open(t, {
    "stopped.yaml": SLEEPS,
    "disabled.yaml": SLEEPS,
    "enabled.yaml": `${SLEEPS}enabled: false\n`,
    "runs.yaml": SLEEPS,
  });
  for (const name of ["stopped", "disabled", "runs"]) await box.until(name, "RUNNING");
  assert.equal((await box.status("enabled")).state, "STOPPED");
  const refused = await box.svctl("start", "enabled");
  assert.equal(refused.code, 1);
  assert.match(refused.stdout, /^enabled: ERROR \(disabled: svctl enable enabled\)$/m);

  isExactly(await box.svctl("stop", "stopped"), 0, "stopped: stopped\n");
  isExactly(await box.svctl("disable", "disabled"), 0, "disabled: disabled\n");
  isExactly(await box.svctl("enable", "enabled"), 0, "enabled: enabled\n");
  await box.until("disabled", ({ state, enabled }) => state === "STOPPED" && !enabled);
  await box.until("enabled", "RUNNING");

  await box.svctl("shutdown");
  await box.ended();
  await box.start();
  await box.until("runs", "RUNNING");
  await box.until("enabled", "RUNNING");
  const stopped = await box.status("stopped");
  assert.equal(stopped.state, "STOPPED");
  assert.match(stopped.why, /^stopped on request/);
  const disabled = await box.status("disabled");
  assert.deepEqual([disabled.state, disabled.enabled], ["STOPPED", false]);
  assert.match(disabled.why, /^disabled/);

  isExactly(await box.svctl("start", "stopped"), 0, "stopped: started\n");
  isExactly(await box.svctl("enable", "disabled"), 0, "disabled: enabled\n");
  await box.until("disabled", "RUNNING");
});

// --- signals -----------------------------------------------------------------------------------------------------------

const LISTENS = `command: trap 'echo got USR1' USR1; trap 'echo got HUP' HUP; echo ready; while :; do sleep 0.01; done
shell: true
startsecs: 0s
healthcheck: { log: ready, interval: 100ms }
`;

test("`svctl signal` sends a signal, `svctl reload` the reload_signal or a restart", async (t) => {
  const box = await Box.open(t, {
    "web.yaml": `${LISTENS}reload_signal: HUP\n`,
    "plain.yaml": SLEEPS,
    "off.yaml": BY_HAND,
  });
  const before = await box.until("web", "RUNNING");
  const plain = await box.until("plain", "RUNNING");
  for (const signal of ["USR1", "sigusr1", "10"]) {
    isExactly(await box.svctl("signal", signal, "web"), 0, "web: signalled\n");
  }
  await box.becomes("it got one", () => box.log("web").includes("got USR1\n"));
  isExactly(await box.svctl("signal", "HUP", "off"), 1, "off: ERROR (not running)\n");

  isExactly(await box.svctl("reload", "web"), 0, "web: reloaded (SIGHUP sent)\n");
  await box.becomes("it got it", () => box.log("web").includes("got HUP\n"));
  assert.equal((await box.status("web")).pid, before.pid);
  isExactly(await box.svctl("reload", "plain"), 0, "plain: restarted\n");
  const after = await box.status("plain");
  assert.deepEqual([after.run, after.state], [2, "RUNNING"]);
  assert.notEqual(after.pid, plain.pid);
});

// --- logs --------------------------------------------------------------------------------------------------------------

test("`svctl logs` and `tail` print the captured output; `clear` empties it", async (t) => {
  const box = await Box.open(t, {
    "one.yaml": "command: seq 1 200\nrestart: no\n",
    "two.yaml": "command: printf 'a\\nb'\nrestart: no\n",
    "raw.yaml": "command: printf '\\377\\000\\033[2Jx'\nrestart: no\n",
    "both.yaml": "command: echo out; echo err >&2\nshell: true\nrestart: no\nlogs: { stderr: separate }\n",
    "none.yaml": `${SLEEPS}logs: none\n`,
  });
  for (const name of ["one", "two", "raw", "both"]) await box.until(name, "EXITED");
  const upTo = (from: number, to: number): string =>
    Array.from({ length: to - from + 1 }, (_, index) => `${from + index}\n`).join("");

  assert.equal(good(await box.svctl("logs", "one")), upTo(101, 200), "the last 100 lines");
  assert.equal(good(await box.svctl("logs", "-n", "3", "one")), upTo(198, 200));
  assert.equal(good(await box.svctl("logs", "one", "--lines=1000")), upTo(1, 200));
  assert.equal(good(await box.svctl("logs", "two")), "a\nb", "byte for byte into a pipe");
  const { stdout: raw } = spawnSync(join(BIN, "svctl"), ["--root", box.root, "logs", "raw"]);
  assert.deepEqual(raw, Buffer.from("\xff\0\x1b[2Jx", "latin1"));
  assert.equal(good(await box.svctl("logs", "both")), "out\n");
  assert.equal(good(await box.svctl("logs", "--stream", "stderr", "both")), "err\n");

  assert.equal(
    good(await box.svctl("logs", "-n", "2", "two", "both", "one")),
    "both | out\none  | 199\none  | 200\ntwo  | a\ntwo  | b\n",
  );

  assert.equal(good(await box.svctl("tail", "-8", "one")), "199\n200\n");
  assert.equal(good(await box.svctl("tail", "one")), upTo(1, 200), "supervisord's 1600 bytes");
  assert.equal(good(await box.svctl("tail", "both", "stderr")), "err\n");

  const discarded = await box.svctl("logs", "none");
  assert.equal(discarded.code, 1);
  assert.match(discarded.stderr, /none has no stdout log\n {2}fix: {3}its file says `logs: none`/);
  assert.equal((await box.svctl("logs", "nobody")).code, 1);

  isExactly(await box.svctl("clear", "one", "two"), 0, "one: cleared\ntwo: cleared\n");
  await box.becomes("it is empty", () => box.log("one") === "");
  assert.equal(good(await box.svctl("logs", "one")), "");
  isExactly(await box.svctl("clear", "none"), 1, "none: ERROR (has no log (logs: none))\n");
});

test("`svctl logs -f` follows several services, by whole lines, across a restart and a new core", async (t) => {
  const says = (word: string): string =>
    `command: while read -r line; do echo ${word} $$line; done < ${word}.in\nshell: true\nrestart: no\nautostart: false\n`;
  const box = await Box.open(t, { "one.yaml": says("one"), "two.yaml": says("two") });
  for (const name of ["one", "two"]) execFileSync("mkfifo", [box.path(`${name}.in`)]);
  const follower = follow(t, box, "logs", "-f", "one", "two");
  const tell = (name: string, line: string) => execFileSync("sh", ["-c", `echo ${line} > ${box.path(`${name}.in`)}`]);

  await box.control.act("start", ["one", "two"]);
  for (const name of ["one", "two"]) {
    tell(name, "first");
    await box.until(name, "EXITED");
  }
  await box.becomes("both were heard", () =>
    ["one | one first\n", "two | two first\n"].every((line) => follower.out.includes(line)),
  );

  const { core } = await box.control.health();
  kill(core, "SIGKILL");
  await box.becomes("another core answers", async () => (await box.control.health()).core !== core);
  await box.control.act("start", ["one", "two"]);
  for (const name of ["one", "two"]) {
    tell(name, "second");
    await box.until(name, "EXITED");
  }
  await box.becomes("both were heard again", () =>
    ["one | one second\n", "two | two second\n"].every((line) => follower.out.includes(line)),
  );
  assert.equal(lines(follower.out).length, 4, `nothing twice: ${follower.out}`);
  assert.equal(await follower.interrupt(), 0);
});

test("`svctl tail -f` prints what is added to one log", async (t) => {
  const box = await Box.open(t, { "web.yaml": LISTENS });
  await box.until("web", "RUNNING");
  const follower = follow(t, box, "tail", "-f", "-1600", "web");
  await box.becomes("it shows what there is", () => follower.out === "ready\n");
  await box.control.signal(["web"], "USR1");
  await box.becomes("it shows what is added", () => follower.out === "ready\ngot USR1\n");
  assert.equal(await follower.interrupt(), 0);
});

/** A svctl that goes on until it is interrupted. */
function follow(t: TestContext, box: Box, ...args: string[]) {
  const child = spawn(join(BIN, "svctl"), ["--root", box.root, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const closed = once(child, "close");
  const follower = {
    out: "",
    async interrupt(): Promise<number> {
      child.kill("SIGINT");
      const [code] = await closed;
      return code;
    },
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (follower.out += text));
  return follower;
}

// --- the files, by hand --------------------------------------------------------------------------------------------------

test("reread, add, remove, update and apply are supervisord's habit of taking files up", async (t) => {
  const box = await Box.open(t, { "a.yaml": SLEEPS, "b.yaml": SLEEPS }, { settings: "auto_apply: false\n" });
  for (const name of ["a", "b"]) await box.until(name, "RUNNING");
  box.write("c.yaml", SLEEPS);
  box.write("d.yaml", SLEEPS);
  box.write("a.yaml", `${SLEEPS}environment: { A: b }\n`);
  isExactly(await box.svctl("reread"), 0, "a: changed\nc: available\nd: available\n");

  await t.test("`add` takes up one that is new, and only that", async () => {
    isExactly(await box.svctl("add", "c"), 0, "c: added\nc: started\n");
    isExactly(await box.svctl("add", "c"), 0, "", "c: already active\n");
    const unknown = await box.svctl("add", "cc");
    assert.equal(unknown.code, 1);
    assert.match(
      unknown.stderr,
      /^svctl: no service `cc` in the files\n {2}where: .*services\.d\n {2}fix: {3}did you mean/,
    );
    assert.deepEqual(
      (await box.control.services()).map(({ name, run }) => `${name} ${run}`),
      ["a 1", "b 1", "c 1"],
    );
  });

  await t.test("`remove` forgets a stopped one until it is taken up again", async () => {
    isExactly(await box.svctl("remove", "b"), 1, "b: ERROR (still running: stop it first)\n");
    await box.svctl("stop", "b");
    isExactly(await box.svctl("remove", "b"), 0, "b: removed\n");
    assert.equal((await box.svctl("status", "b")).code, 4);
    assert.match(good(await box.svctl("avail")), /^b +avail/m);
  });

  await t.test("`update NAME` takes up that one only, `apply` the rest", async () => {
    isExactly(await box.svctl("update", "a"), 0, "a: changed, restarted\na: started\n");
    assert.equal((await box.status("a")).run, 2);
    const applied = lines(good(await box.svctl("apply"))).sort();
    assert.deepEqual(applied, ["b: added", "b: started", "d: added", "d: started"]);
    isExactly(await box.svctl("apply"), 0, "nothing to do: everything is as the files say\n");
    assert.deepEqual(JSON.parse(good(await box.svctl("update", "--json"))), {
      added: [],
      changed: [],
      removed: [],
      kept: [],
      jobs: { added: [], changed: [], removed: [], kept: [] },
      mistakes: [],
    });
  });

  await t.test("`update` that starts something which fails is exit code 1 and says why", async () => {
    box.write("bad.yaml", FAILS.replace("autostart: false\n", ""));
    const { code, stdout, stderr } = await box.svctl("update");
    assert.equal(code, 1);
    assert.match(stdout, /^bad: added\nbad: ERROR \(.*exit 3.*\)$/m);
    assert.match(stderr, /cannot find the model/);
  });

  await t.test("a mistake is shown, changes nothing, and is exit code 1", async () => {
    box.write("a.yaml", "comand: sleep 1\n");
    for (const verb of ["reread", "update", "apply"]) {
      const { code, stderr } = await box.svctl(verb);
      assert.equal(code, 1, verb);
      assert.match(stderr, /a\.yaml:1:1: unknown key `comand`[\s\S]*did you mean `command`\?/);
    }
    assert.equal((await box.status("a")).state, "RUNNING");
  });
});

test("what `remove` took out stays out when other files change, until somebody adds it", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  await box.svctl("stop", "web");
  isExactly(await box.svctl("remove", "web"), 0, "web: removed\n");
  box.write("other.yaml", SLEEPS);
  await box.until("other", "RUNNING");
  assert.equal((await box.svctl("status", "web")).code, 4);
  const { code, stdout } = await box.svctl("add", "web");
  assert.equal(code, 0);
  assert.match(stdout, /^web: added$/m);
  assert.equal((await box.svctl("start", "web")).code, 0);
});

// --- svcd itself -------------------------------------------------------------------------------------------------------

test("`svctl version` tells both versions", async (t) => {
  const box = await Box.open(t);
  const { version } = JSON.parse(readFileSync(resolve(BIN, "../package.json"), "utf8"));
  isExactly(await box.svctl("version"), 0, `svctl ${version}\nsvcd  ${version}\n`);
  isExactly(await box.svctl("version", "--json"), 0, `{"svctl":"${version}","svcd":"${version}"}\n`);
  isExactly(await box.svctl("--version"), 0, `svctl ${version}\n`);
});

test("`svctl upgrade` starts the installed core; services go on with their pids", async (t) => {
  const box = await Box.open(t, { "a.yaml": SLEEPS, "b.yaml": SLEEPS });
  for (const name of ["a", "b"]) await box.until(name, "RUNNING");
  const before = await box.control.health();
  const pids = (await box.control.services()).map(({ pid }) => pid);
  const { code, stdout } = await box.svctl("upgrade");
  assert.equal(code, 0);
  assert.match(stdout, /^svcd: the core was started anew, still version \d/);
  const after = await box.control.health();
  assert.equal(after.keeper, before.keeper);
  assert.notEqual(after.core, before.core);
  assert.equal(after.since, before.since);
  assert.deepEqual(
    (await box.control.services()).map(({ pid }) => pid),
    pids,
  );
});

test("`svctl shutdown` ends everything and then svcd", async (t) => {
  const box = await Box.open(t, { "a.yaml": SLEEPS, "b.yaml": `${SLEEPS}depends_on: [a]\n` });
  for (const name of ["a", "b"]) await box.until(name, "RUNNING");
  const pids = (await box.control.services()).map(({ pid }) => pid as number);
  isExactly(await box.svctl("shutdown"), 0, "Shut down\n");
  assert.equal(await box.ended(), 0);
  assert.ok(pids.every((pid) => !isAlive(pid)));
  assert.equal((await box.svctl("status")).code, 4);
});

test("commands that come while the core is being killed are answered all the same", async (t) => {
  const box = await Box.open(t, { "a.yaml": SLEEPS, "b.yaml": BY_HAND });
  const { pid } = await box.until("a", "RUNNING");
  let isOver = false;
  let killed = 0;
  const killer = (async () => {
    while (!isOver) {
      const { core } = await box.control.health();
      kill(core, "SIGKILL");
      killed++;
      await box.becomes("another core answers", async () => (await box.control.health()).core !== core);
      await new Promise((later) => setTimeout(later, 100)); // Some live long enough to answer.
    }
  })();
  try {
    for (let round = 0; round < 6; round++) {
      const asked = await Promise.all([box.svctl("status", "a"), box.svctl("pid", "a"), box.svctl("avail")]);
      for (const ran of asked) assert.equal(ran.code, 0, ran.stderr);
      assert.equal(asked[1]?.stdout, `${pid}\n`);
    }
  } finally {
    isOver = true;
    await killer;
  }
  assert.ok(killed >= 3, `only ${killed} cores were killed`);
  assert.equal((await box.status("a")).pid, pid);
});

test("a wait goes on when the core is killed meanwhile", async (t) => {
  const box = await Box.open(t, {
    "web.yaml":
      "command: sleep 1000\nautostart: false\nstartsecs: 0s\nhealthcheck: { exec: test -e go, interval: 100ms }\n",
  });
  const started = box.svctl("start", "web");
  await box.until("web", "STARTING");
  const { core } = await box.control.health();
  kill(core, "SIGKILL");
  await box.becomes("another core answers", async () => (await box.control.health()).core !== core);
  execFileSync("touch", [box.path("go")]);
  isExactly(await started, 0, "web: started\n");
});

// --- what it looks like --------------------------------------------------------------------------------------------------

/** svctl on a terminal of its own (util-linux's script): what a person sees, and may type. */
function onTerminal(t: TestContext, box: Box, words: string, settings: readonly string[] = []) {
  const command = `env -u NO_COLOR TERM=xterm ${settings.join(" ")} ${join(BIN, "svctl")} --root ${box.root} ${words}`;
  const child = spawn("script", ["-qec", command, "/dev/null"], { stdio: ["pipe", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const closed = once(child, "close");
  const terminal = {
    seen: "",
    type: (keys: string) => void child.stdin.write(keys),
    async ended(): Promise<number> {
      const [code] = await closed;
      return code;
    },
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (terminal.seen += text));
  return terminal;
}

test("colours are for terminals only, and never with NO_COLOR", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  for (const words of [["status"], ["why", "web"], ["doctor"], ["plan"], ["help"], ["restart", "web"]]) {
    const { stdout, stderr } = await box.svctl(...words);
    assert.doesNotMatch(stdout + stderr, /\x1b/, words.join(" "));
  }
  if (noScript !== false) return t.skip(noScript);
  const shown = async (...settings: string[]): Promise<string> => {
    const terminal = onTerminal(t, box, "status", settings);
    assert.equal(await terminal.ended(), 0);
    return terminal.seen;
  };
  assert.match(await shown(), /\x1b\[32m● RUNNING/);
  assert.doesNotMatch(await shown("NO_COLOR=1"), /\x1b/);
  assert.doesNotMatch(await shown("TERM=dumb"), /\x1b/);
});

test("what takes longer than half a second shows on a terminal what it waits for, and leaves only the answer", {
  skip: noScript,
}, async (t) => {
  const box = await Box.open(t, { "web.yaml": `${BY_HAND}healthcheck: { exec: test -e go, interval: 100ms }\n` });
  const terminal = onTerminal(t, box, "start web");
  await box.becomes("it tells what it waits for", () => /web: STARTING health check: /.test(terminal.seen));
  execFileSync("touch", [box.path("go")]);
  assert.equal(await terminal.ended(), 0);
  assert.match(terminal.seen, /\r\x1b\[Kweb: \x1b\[32mstarted\x1b\[0m\r\n$/);
});

test("what a service prints or is called cannot take over the terminal of whoever looks", async (t) => {
  const box = await Box.open(t, {
    "evil.yaml": `command: printf 'before \\033]0;owned\\007\\033[2J\\r\\033[31mred\\n' ; exit 3
shell: true
description: "\\e[2Jnice \\u202e service"
restart: no
autostart: false
`,
  });
  const outputs = [
    await box.svctl("start", "evil"),
    await box.svctl("status"),
    await box.svctl("why", "evil"),
    await box.svctl("plan"),
    await box.svctl("avail"),
  ];
  assert.match(outputs[2]?.stdout ?? "", /red/);
  assert.match(outputs[2]?.stdout ?? "", /nice/);
  for (const { stdout, stderr } of outputs) {
    assert.doesNotMatch(stdout + stderr, /[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/);
  }
});

test("the completion script is one that bash can read, and completes commands, names and signals", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS, "worker.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  const offered = async (...words: string[]): Promise<string[]> =>
    lines(good(await box.svctl("__complete", "--", ...words)));
  assert.deepEqual(await offered("res"), ["restart", "resume"]);
  assert.deepEqual(await offered("restart", "w"), ["web", "worker", "web:*", "worker:*"]);
  assert.deepEqual(await offered("stop", "web", "web"), ["web:*"]);
  assert.deepEqual(await offered("signal", "US"), ["USR1", "USR2"]);
  assert.deepEqual(await offered("status", "--j"), ["--json"]);
  assert.deepEqual(await offered("completion", ""), ["bash", "zsh", "fish"]);

  const script = good(await box.svctl("completion", "bash"));
  const asTyped = `${script}
    COMP_LINE='svctl restart wor'; COMP_POINT=\${#COMP_LINE}
    _svctl svctl wor restart
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { status, stdout, stderr } = spawnSync("bash", ["-c", asTyped], {
    env: { ...process.env, SVCD_ROOT: box.root, PATH: `${BIN}:${process.env["PATH"]}` },
    encoding: "utf8",
  });
  assert.deepEqual([status, stderr], [0, ""]);
  assert.deepEqual(lines(stdout), ["worker", "worker:*"]);
  for (const shell of ["bash", "zsh", "fish"]) {
    const text = good(await box.svctl("completion", shell));
    const checked = spawnSync(shell, ["-n"], { input: text, encoding: "utf8" });
    if (checked.error === undefined) assert.deepEqual([checked.status, checked.stderr], [0, ""], shell);
  }
});

test("`svctl help` lists every command, and tells each in full", async (t) => {
  const box = new Box();
  t.after(() => box.destroy());
  const overview = good(await box.svctl("help"));
  const commands =
    "status start stop restart reload signal reread update add remove shutdown pid tail logs clear avail version plan apply why enable disable schema doctor completion upgrade";
  for (const command of commands.split(" ")) {
    assert.match(overview, new RegExp(`^  ${command} +\\S`, "m"));
    assert.match(good(await box.svctl("help", command)), new RegExp(`^usage: svctl ${command}`));
  }
  assert.equal(good(await box.svctl("start", "--help")), good(await box.svctl("help", "start")));
});
