/**
 * Starts that the kernel refuses: for a while (no process, no memory, no descriptor is free) or as long as nobody mends
 * something. The reason is told, and nobody else notices.
 */
import assert from "node:assert/strict";
import { chmodSync, chownSync, closeSync, mkdirSync, openSync, renameSync, writeFileSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { Box, kill } from "./box.ts";
import { FORKS, interfere, noInterference } from "./interference.ts";

const QUICK = "startsecs: 0s\nbackoff: { first: 1ms, longest: 20ms }\n";
const SLEEPS = `command: sleep 1001\n${QUICK}`;
const ECHOES = `command: sh -c 'while read -r word; do echo $$word; done <> say'\n${QUICK}`;

const NO_PROCESS = /no more processes may be started now.*\(EAGAIN\)/;
const NO_MEMORY = /no memory left to start a process.*\(ENOMEM\)/;
const NO_DESCRIPTOR = /the machine has too many open files \(fs\.file-max\) \(ENFILE\)/;

/** What must be so while the keeper cannot start anything for this reason, and afterwards. */
async function bears(box: Box, reason: RegExp, mend: () => Promise<unknown>): Promise<void> {
  const before = await box.control.health();
  const echo = await box.pid("echo");
  kill(await box.pid("web"), "SIGKILL");
  box.write("fresh.yaml", SLEEPS); // Needs a log pipe first.
  // Far beyond the ten failures that a service has when it is its own fault.
  for (const name of ["web", "fresh"]) {
    await box.until(name, ({ state, run, why }) => run > 20 && state === "BACKOFF" && reason.test(why));
  }
  await box.put("say", "still here\n");
  await box.says("echo", "still here\n");

  await mend();
  for (const name of ["web", "fresh"]) await box.until(name, "RUNNING");
  assert.deepEqual(box.processesOf("web"), [(await box.status("web")).pid]);
  assert.equal((await box.status("echo")).pid, echo);
  const { keeper, core } = await box.control.health();
  assert.deepEqual({ keeper, core }, { keeper: before.keeper, core: before.core });
}

async function boxToBear(t: TestContext): Promise<Box> {
  const box = Box.prepare(t, { "web.yaml": SLEEPS, "echo.yaml": ECHOES });
  await box.fifo("say");
  return box;
}

for (const [title, calls, code, reason] of [
  [
    "when no process is free, starts are tried again until one is, and no other service notices",
    FORKS,
    "EAGAIN",
    NO_PROCESS,
  ],
  [
    "when no memory is left, starts are tried again until there is some, and no other service notices",
    FORKS,
    "ENOMEM",
    NO_MEMORY,
  ],
  [
    "when the machine's table of open files is full, starts are tried again until it is not, and no other service notices",
    "openat,pipe2,socketpair",
    "ENFILE",
    NO_DESCRIPTOR,
  ],
] as const) {
  test(title, { skip: noInterference }, async (t) => {
    const box = await boxToBear(t);
    await box.start();
    for (const name of ["web", "echo"]) await box.until(name, "RUNNING");
    const mend = await interfere(t, box, (await box.control.health()).keeper, calls, code);
    await bears(box, reason, mend);
  });
}

test("under a limit of processes (RLIMIT_NPROC) starts are tried again until there is room", {
  skip: process.getuid?.() !== 0 && "only root can run svcd as another user",
}, async (t) => {
  const box = await boxToBear(t);
  const UID = 54_321; // Nobody else's, so that all its processes are this box's.
  for (const path of ["", "services.d", "services.d/web.yaml", "services.d/echo.yaml", "say"]) {
    chownSync(box.path(path), UID, UID);
  }
  box.inside = ["setpriv", `--reuid=${UID}`, `--regid=${UID}`, "--clear-groups"];
  await box.start();
  for (const name of ["web", "echo"]) await box.until(name, "RUNNING");
  const { keeper } = await box.control.health();
  const [setpriv = "", ...as] = box.inside;
  const limit = (most: string) => box.run(setpriv, [...as, "prlimit", "--pid", String(keeper), `--nproc=${most}`]);
  assert.equal((await limit("1:")).code, 0);
  await bears(box, NO_PROCESS, async () => assert.equal((await limit("1000:")).code, 0));
});

test("a core that cannot be started for want of a process is tried again until it can be; services go on", {
  skip: noInterference,
}, async (t) => {
  const box = await boxToBear(t);
  await box.start();
  const echo = await box.pid("echo");
  const { keeper, core } = await box.control.health();
  const mend = await interfere(t, box, keeper, FORKS, "EAGAIN");
  kill(core, "SIGKILL");
  await box.becomes("it was tried again", () => box.terminal.split("could not be started").length > 3);
  await box.put("say", "still here\n");
  await box.says("echo", "still here\n");
  await mend();
  await box.becomes("a core answers", async () => (await box.control.health()).core !== core);
  assert.equal((await box.status("echo")).pid, echo);
});

test("an adopted service is not taken for dead while svcd cannot look at it", { skip: noInterference }, async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  const pid = await box.pid("web");
  box.daemon?.kill("SIGKILL");
  await box.ended();
  await box.start();
  assert.equal((await box.until("web", "RUNNING")).pid, pid);
  const { keeper } = await box.control.health();
  const mend = await interfere(t, box, keeper, "openat", "EMFILE");
  // It looks five times a second; a start that is refused is the proof that time went by with nothing to look with.
  box.write("probe.yaml", `command: sleep 1002\nstartsecs: 0s\nbackoff: { first: 500ms, factor: 1 }\n`);
  await box.until("probe", ({ run }) => run > 2);
  await mend();
  await box.until("probe", "RUNNING");
  const web = await box.status("web");
  assert.deepEqual({ pid: web.pid, run: web.run, state: web.state }, { pid, run: 1, state: "RUNNING" });
  kill(pid, "SIGKILL");
  await box.until("web", ({ run, state }) => run === 2 && state === "RUNNING");
});

test("what the kernel or Node.js refuses at once is told with what to mend, and svcd goes on", async (t) => {
  const box = Box.prepare(t, {
    "long-word.yaml": `command: [ sleep, "1", "${"x".repeat(140_000)}" ]\n`,
    "long-variable.yaml": `command: sleep 1\nenvironment: { MODEL_CARD: "${"y".repeat(140_000)}" }\n`,
    "busy.yaml": "command: ./busy\nstartsecs: 0s\nbackoff: { first: 1ms, longest: 20ms }\n",
    "nul.yaml": 'command: [ echo, "${ZERO}" ]\nenvironment: { ZERO: "a\\0b" }\n',
    "folder.yaml": "command: sleep 1\nworking_dir: a-file\n",
    "other.yaml": SLEEPS,
  });
  writeFileSync(box.path("a-file"), "");
  // A program that somebody is writing at this moment.
  writeFileSync(box.path("busy"), "");
  const { code } = await box.run("cp", ["/bin/sleep", box.path("busy")]);
  assert.equal(code, 0);
  chmodSync(box.path("busy"), 0o755);
  const writer = openSync(box.path("busy"), "r+");
  await box.start();
  const other = await box.pid("other");
  const { core } = await box.control.health();

  for (const [name, reason] of [
    ["long-word", /too long for the kernel: \d+ bytes in all; the largest is argument 2 with 140001 bytes/],
    ["long-variable", /too long for the kernel: .*the largest is the variable MODEL_CARD with 14\d+ bytes/],
    ["nul", /NUL/],
    ["folder", /working_dir .*a-file is not a directory/],
  ] as const) {
    const { why, run } = await box.until(name, "FATAL");
    assert.match(why, reason);
    assert.equal(run, 1, `${name} was tried again`);
  }
  // Whoever writes a program is done at some time: this passes.
  await box.until(
    "busy",
    ({ run, why }) => run > 12 && /the program is being written at this moment \(ETXTBSY\)/.test(why),
  );
  box.write("busy.yaml", `command: ./busy 1003\n${QUICK}`);
  closeSync(writer);
  await box.until("busy", "RUNNING");
  assert.equal((await box.status("other")).pid, other);
  assert.equal((await box.control.health()).core, core);
});

test("a folder that is gone at the next start is named, not the program; once it is back the service can start", async (t) => {
  const box = Box.prepare(t, { "web.yaml": `command: sleep 1001\nworking_dir: data\n${QUICK}` });
  mkdirSync(box.path("data"));
  await box.start();
  const pid = await box.pid("web");
  renameSync(box.path("data"), box.path("elsewhere"));
  kill(pid, "SIGKILL");
  const { why } = await box.until("web", "FATAL");
  assert.equal(why, `working_dir ${box.path("data")} does not exist`);
  assert.doesNotMatch((await box.svctl("why", "web")).stdout, /sleep: |ENOENT/);
  renameSync(box.path("elsewhere"), box.path("data"));
  assert.equal((await box.svctl("start", "web")).code, 0);
});
