/** Bad weather for logs: floods, endless lines, stalled readers, disks and directories that go away. No service ends for it. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { test } from "node:test";
import { Box, kill, modeOf } from "./box.ts";

const ONCE = "restart: no\n";
/** Says what it is told, a word a line. */
const ECHOES = "command: sh -c 'while read -r word; do echo $$word; done <> say'\nstartsecs: 0s\n";
const NODE = process.execPath;

const canMount = spawnSync("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]).status === 0;

test("a flood from 50 services at once loses nothing, and whoever asks is answered meanwhile", async (t) => {
  const box = Box.prepare(t, {
    "many.yaml": `command: sh -c 'read -r _ < go-$$REPLICA_NUMBER; exec seq 1 20000'
environment: { REPLICA_NUMBER: "\${REPLICA}" }
replicas: 50
logs: { max_size: 30K, keep: 9, compress: false }
${ONCE}`,
    "endless.yaml": "command: 'yes all work and no play'\nreplicas: 4\nlogs: { max_size: 200K, keep: 2 }\n",
    "calm.yaml": ECHOES,
  });
  await Promise.all(Array.from({ length: 50 }, (_, n) => box.fifo(`go-${n + 1}`)));
  await box.fifo("say");
  await box.start();
  await box.allBecome(55, ({ state }) => state === "RUNNING");
  const calm = box.follow(t, "logs", "-f", "calm");

  await Promise.all(Array.from({ length: 50 }, (_, n) => box.put(`go-${n + 1}`, "\n")));
  await box.put("say", "hello\n");
  await box.becomes("a follower of another service is served", () => calm.text === "hello\n");
  assert.equal((await box.svctl("status", "calm")).code, 0);
  await box.becomes("all have ended", async () => {
    const all = await box.control.services(["many:*"]);
    return all.every(({ state, why }) => state === "EXITED" && /^exit 0/.test(why));
  });
  const all = Array.from({ length: 20_000 }, (_, index) => `${index + 1}\n`).join("");
  for (let n = 1; n <= 50; n++) assert.ok(keptOf(box, `many@${n}`) === all, `all lines of many@${n}, in order`);

  await t.test("what floods without end takes no more than its limit, and ends when it is asked to", async () => {
    assert.equal((await box.svctl("stop", "endless:*")).code, 0);
    for (let n = 1; n <= 4; n++) {
      const sizes = filesOf(box, `endless@${n}`).map((name) => statSync(box.path("log", name)).size);
      assert.ok(sizes.length <= 3 && sizes.every((size) => size <= 204_800), `${sizes}`);
    }
  });
});

test("one line of 100 MB is kept byte for byte, in little memory, and viewers cut it", async (t) => {
  const box = await Box.open(t, {
    "web.yaml": `command: sh -c 'head -c 100000000 /dev/zero | tr "\\0" x; echo; echo after'
logs: { max_size: 20M, compress: false }
autostart: false
${ONCE}`,
  });
  const { keeper, core } = await box.control.health();
  const before = { keeper: mostMemory(keeper), core: mostMemory(core) };
  const follower = box.follow(t, "logs", "-f", "web");
  await box.control.act("start", ["web"]);
  await box.until("web", "EXITED");
  const files = filesOf(box, "web").map((name) => readFileSync(box.path("log", name)));
  assert.ok(Buffer.concat(files).equals(Buffer.concat([Buffer.alloc(100_000_000, "x"), Buffer.from("\nafter\n")])));
  assert.ok(
    Math.max(...files.map(({ length }) => length)) < 40_000_000,
    "a line without end makes no file without end",
  );

  const why = await box.svctl("why", "web");
  assert.ok(why.stdout.length < 100_000, `${why.stdout.length} characters`);
  assert.match(why.stdout, /after/);
  assert.equal((await box.svctl("logs", "-n", "1", "web")).stdout, "after\n");
  await box.becomes("the follower has heard the end", () => follower.text.endsWith("after\n"));
  assert.equal(follower.text.length, 100_000_000 + "\nafter\n".length);
  const growth = {
    keeper: mostMemory(keeper) - before.keeper,
    core: mostMemory(core) - before.core,
  };
  assert.ok(growth.keeper < 50 && growth.core < 70, `MB more than before: ${JSON.stringify(growth)}`);
});

test("a svcd that is stopped while services write more than a pipe holds costs no line and no service", async (t) => {
  const box = Box.prepare(t, {
    "seq.yaml": `command: sh -c 'read -r _ < go-seq; exec seq 1 30000'\n${ONCE}`,
    "node.yaml": `command: |
  sh -c 'read -r _ < go-node; exec ${NODE} -e "for (let n = 1; n <= 30000; n++) console.log(n)"'
${ONCE}`,
  });
  for (const name of ["seq", "node"]) await box.fifo(`go-${name}`);
  await box.start();
  const pids = { seq: await box.pid("seq"), node: await box.pid("node") };
  const { keeper, core } = await box.control.health();
  for (const pid of [keeper, core]) kill(pid, "SIGSTOP");
  for (const name of ["seq", "node"] as const) {
    await box.put(`go-${name}`, "\n");
    // 16 pages, and a page may end with some bytes that no line fitted into.
    await box.becomes(`the pipe of ${name} is full`, () => written(pids[name]) >= 65_000);
  }
  for (const pid of [keeper, core]) kill(pid, "SIGCONT");
  const all = Array.from({ length: 30_000 }, (_, index) => `${index + 1}\n`).join("");
  for (const name of ["seq", "node"]) {
    assert.match((await box.until(name, "EXITED")).why, /^exit 0/);
    assert.ok(box.log(name) === all, `every line of ${name}`);
  }
});

test("a program that makes its stdout non-blocking changes nobody else's, and not its own next run's", async (t) => {
  // Two programs share one stdout. One of them sets O_NONBLOCK on it, and ends too suddenly to take it back.
  const sets = `process.stdout._handle.setBlocking(false); for (let n = 0; n < 1000; n++) console.log("node", n); process.kill(process.pid, "SIGKILL")`;
  const box = Box.prepare(t, {
    "sets.yaml": `command: |
  sh -c 'cat /proc/self/fdinfo/3 3>&1 > before; ${NODE} -e "$$SETS" & for n in $$(seq 0 999); do echo sh $$n; done; wait; cat /proc/self/fdinfo/3 3>&1 > after; read -r _ < go'
environment: { SETS: ${JSON.stringify(sets)} }
startsecs: 0s
`,
    "other.yaml": `command: sh -c 'read -r _ < look; cat /proc/self/fdinfo/3 3>&1 > other; exec sleep 1000'\nstartsecs: 0s\n`,
  });
  for (const name of ["go", "look"]) await box.fifo(name);
  await box.start();
  await box.becomes("it has written all", () => box.file("after") !== "");
  assert.equal(isNonBlocking(box.file("before")), false);
  assert.equal(isNonBlocking(box.file("after")), true, "it did set it");
  const lines = box.log("sets").trimEnd().split("\n");
  for (const who of ["node", "sh"]) {
    const numbers = lines.filter((line) => line.startsWith(`${who} `)).map((line) => Number(line.slice(who.length)));
    assert.deepEqual(
      numbers,
      Array.from({ length: 1_000 }, (_, n) => n),
    );
  }
  await box.put("look", "\n");
  await box.becomes("another service has looked", () => box.file("other") !== "");
  assert.equal(isNonBlocking(box.file("other")), false);
  rmSync(box.path("before"));
  await box.control.act("restart", ["sets"]);
  await box.becomes("the next run has looked", () => box.file("before") !== "");
  assert.equal(isNonBlocking(box.file("before")), false);
});

test("a log directory that is moved away, deleted or replaced by a link is made again or followed while services run", async (t) => {
  const box = Box.prepare(t, { "web.yaml": ECHOES });
  await box.fifo("say");
  await box.start();
  const pid = await box.pid("web");
  const goesOn = async (word: string): Promise<void> => {
    // Whether the file is still there is looked at now and then only: what comes before that goes with the old one.
    await box.becomes("the service writes into a file that is there", async () => {
      await box.put("say", `before-${word}\n`);
      return box.log("web") !== "";
    });
    await box.put("say", `${word}\n`);
    await box.becomes("what follows is in it", () => box.log("web").endsWith(`\n${word}\n`));
    assert.equal(modeOf(box.path("log/web.log")), "600");
  };
  await box.put("say", "first\n");
  await box.says("web", "first\n");

  renameSync(box.path("log"), box.path("log.old"));
  mkdirSync(box.path("log"), { mode: 0o700 });
  await goesOn("moved");
  assert.match(readFileSync(box.path("log.old/web.log"), "utf8"), /^first\n/, "the old one is as it was");

  rmSync(box.path("log"), { recursive: true });
  await goesOn("deleted");
  assert.equal(modeOf(box.path("log")), "700");

  renameSync(box.path("log"), box.path("log.older"));
  mkdirSync(box.path("elsewhere"), { mode: 0o700 });
  symlinkSync(box.path("elsewhere"), box.path("log"));
  await goesOn("linked");
  assert.match(readFileSync(box.path("elsewhere/web.log"), "utf8"), /linked\n$/);

  await t.test("svcd's own log goes on in the new one too", async () => {
    await box.becomes("it is there", async () => {
      await box.control.act("restart", ["web"]);
      return box.log("svcd") !== "";
    });
  });
  assert.notEqual(await box.pid("web"), pid, "only because it was restarted on purpose");
});

test("a link in the place of a log is not followed; what is missing is told when it is gone", async (t) => {
  const box = Box.prepare(t, { "web.yaml": ECHOES });
  await box.fifo("say");
  writeFileSync(box.path("precious"), "");
  mkdirSync(box.path("log"), { mode: 0o700 });
  symlinkSync(box.path("precious"), box.path("log/web.log"));
  await box.start();
  await box.put("say", "12345\n");
  await box.becomes("it is told", async () =>
    /output of web is lost, 6 bytes so far: ELOOP/.test((await box.control.health()).troubles.join()),
  );
  assert.equal(box.file("precious"), "");
  assert.ok(lstatSync(box.path("log/web.log")).isSymbolicLink());

  rmSync(box.path("log/web.log"));
  await box.put("say", "after\n");
  await box.becomes("the log goes on", () => box.log("web").endsWith("after\n"));
  assert.match(box.log("web"), /^svcd: 6 bytes of output are missing here: ELOOP.*\nafter\n$/);
  assert.equal((await box.status("web")).run, 1);
});

test("a full log disk is told by status, doctor and metrics for as long as it lasts", {
  skip: !canMount && "needs the right to mount",
}, async (t) => {
  const box = new Box();
  t.after(async () => {
    spawnSync("umount", ["--lazy", box.path("log")]);
    await box.destroy();
  });
  mkdirSync(box.path("log"), { mode: 0o700 });
  assert.equal(spawnSync("mount", ["-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", box.path("log")]).status, 0);
  const floods = "command: sh -c 'while read -r from to; do seq $$from $$to; done <> NAME'\nstartsecs: 0s\n";
  for (const name of ["a", "b"]) {
    box.write(`${name}.yaml`, floods.replace("NAME", `go-${name}`));
    await box.fifo(`go-${name}`);
  }
  await box.start();
  const pids = [await box.pid("a"), await box.pid("b")];
  assert.throws(() => writeFileSync(box.path("log/ballast"), Buffer.alloc(4_000_000)), { code: "ENOSPC" });
  for (const name of ["a", "b"]) await box.put(`go-${name}`, "1 100000\n");
  await box.becomes("it is told", async () => /lost/.test((await box.control.health()).troubles.join()));
  await box.becomes("of both", async () =>
    /output of a, b is lost, \d+ bytes so far: ENOSPC/.test((await box.control.health()).troubles.join()),
  );
  const status = await box.svctl("status");
  assert.equal(status.code, 0, "services are as they should");
  assert.match(status.stdout, /^trouble: output of a, b is lost, \d+ bytes so far: ENOSPC/m);
  assert.match((await box.svctl("doctor")).stdout, /^fail {2}trouble: output of a, b is lost/m);
  const metrics = await box.run("curl", ["-s", "--unix-socket", box.path("run/svcd.sock"), "http://x/metrics"]);
  if (metrics.code === 0) {
    assert.match(metrics.stdout, /svcd_service_log_dropped_bytes_total\{service="a",stream="stdout"\} [1-9]/);
  }

  rmSync(box.path("log/ballast"));
  for (const name of ["a", "b"]) await box.put(`go-${name}`, "100001 100001\n");
  await box.becomes("the trouble is over", async () => (await box.control.health()).troubles.length === 0);
  for (const name of ["a", "b"]) {
    await box.becomes("the log goes on", () => box.log(name).endsWith("\n100001\n"));
    assert.match(box.log(name), /(^|\n)svcd: \d+ bytes of output are missing here: ENOSPC.*\n/);
  }
  assert.deepEqual([await box.pid("a"), await box.pid("b")], pids);
});

/** Oldest first. */
function filesOf(box: Box, service: string): string[] {
  const number = (name: string): number => Number(/\.log\.(\d+)/.exec(name)?.[1] ?? 0);
  return readdirSync(box.path("log"))
    .filter((name) => name === `${service}.log` || new RegExp(`^${service}\\.log\\.\\d+(\\.gz)?$`).test(name))
    .sort((a, b) => number(b) - number(a));
}

function keptOf(box: Box, service: string): string {
  return filesOf(box, service)
    .map((name) => readFileSync(box.path("log", name), "latin1"))
    .join("");
}

/** The most memory it ever had, in MB. */
function mostMemory(pid: number): number {
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

/** How many bytes the process has written, to whatever. */
function written(pid: number): number {
  return Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, "utf8"))?.[1]);
}

/** `fdinfo` as the kernel shows it: flags in octal. */
function isNonBlocking(fdinfo: string): boolean {
  return (Number.parseInt(/^flags:\s+(\d+)/m.exec(fdinfo)?.[1] ?? "", 8) & 0o4000) !== 0;
}
