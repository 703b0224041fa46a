/** What happens to services.d that nobody meant: deleted by a slip, replaced, written faster than anybody can watch. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Box, kill } from "./box.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";

/** Which process each service has. */
async function runs(box: Box): Promise<Record<string, string>> {
  const all = await box.control.services();
  return Object.fromEntries(all.map(({ name, pid, run }) => [name, `run ${run}, pid ${pid}`]));
}

function files(names: string): Record<string, string> {
  return Object.fromEntries([...names].map((name) => [`${name}.yaml`, SLEEPS]));
}

function removeAll(box: Box): void {
  for (const name of readdirSync(box.path("services.d"))) unlinkSync(box.path("services.d", name));
}

test("an `rm services.d/*` by mistake stops nothing until a person says `svctl apply`", async (t) => {
  const box = await Box.open(t, files("abcdef"));
  await box.allBecome(6, ({ state }) => state === "RUNNING");
  const before = await runs(box);
  removeAll(box);
  const { file } = await box.until("a", (status) => status.file.note !== null);
  assert.equal(file.note, "held: 6 of 6 files vanished at once; if it shall be gone: svctl apply");
  assert.deepEqual(await runs(box), before);

  await t.test("status, plan and svcd's log tell it, with what to do", async () => {
    const status = await box.svctl("status");
    assert.equal(status.code, 0, "everything runs");
    assert.match(status.stdout, /note: a: .*a\.yaml: held: 6 of 6 files vanished at once/);
    const plan = await box.svctl("plan");
    assert.equal(plan.code, 1);
    assert.match(plan.stdout, /services\.d:1:1: 6 of 6 files vanished at once: what they described goes on as it was/);
    assert.match(plan.stdout, /fix: put the files back; .*: svctl apply/);
    assert.match(plan.stdout, /^= a: its file has mistakes or vanished, so it goes on as it is$/m);
    await box.becomes("it is in svcd's log", () => /6 of 6 files vanished at once/.test(box.log("svcd")));
  });

  await t.test("a service that dies is started again meanwhile, and new files are taken up", async () => {
    kill(await box.pid("b"), "SIGKILL");
    await box.until("b", ({ run, state }) => run === 2 && state === "RUNNING");
    box.write("new.yaml", SLEEPS);
    await box.until("new", "RUNNING");
    assert.equal((await runs(box))["a"], before["a"]);
  });

  await t.test("the next core and the next svcd hold them too", async () => {
    const { core } = await box.control.health();
    kill(core, "SIGKILL");
    await box.becomes("another core answers", async () => (await box.control.health()).core !== core);
    await box.until("a", (status) => /^held: 6 of 6/.test(status.file.note ?? ""));
    box.daemon?.kill("SIGKILL");
    await box.ended();
    await box.start();
    await box.until("a", (status) => /^held: 6 of 6/.test(status.file.note ?? ""));
    assert.equal((await runs(box))["a"], before["a"]);
  });

  await t.test("a file that is put back is as before", async () => {
    box.write("a.yaml", SLEEPS);
    await box.until("a", ({ file: { note } }) => note === null);
    assert.equal((await runs(box))["a"], before["a"]);
  });

  await t.test("`svctl apply` confirms the rest", async () => {
    const { code, stdout } = await box.svctl("apply");
    assert.equal(code, 0, stdout);
    for (const name of "bcdef") assert.match(stdout, new RegExp(`^${name}: removed$`, "m"));
    assert.deepEqual(Object.keys(await runs(box)), ["a", "new"]);
    assert.equal((await runs(box))["a"], before["a"]);
  });
});

test("a services.d that is moved away with `mv` and made anew is the one that counts", async (t) => {
  const box = await Box.open(t, files("abcde"));
  await box.allBecome(5, ({ state }) => state === "RUNNING");
  const before = await runs(box);
  renameSync(box.path("services.d"), box.path("services.d.old"));
  mkdirSync(box.path("services.d"));
  // The old directory may go on changing: it is nobody's any more.
  writeFileSync(box.path("services.d.old/old.yaml"), SLEEPS);
  await box.until("a", ({ file }) => /^held: 5 of 5/.test(file.note ?? ""));
  for (const name of "abc") box.write(`${name}.yaml`, SLEEPS);
  box.write("new.yaml", SLEEPS);
  await box.until("new", "RUNNING");
  await box.until("a", ({ file }) => file.note === null);
  const after = await runs(box);
  assert.deepEqual(Object.keys(after), ["a", "b", "c", "d", "e", "new"]);
  assert.deepEqual({ ...after, new: undefined }, { ...before, new: undefined });
  box.write("more.yaml", SLEEPS);
  await box.until("more", "RUNNING");
});

const canUnshare = spawnSync("unshare", ["-Ur", "true"]).status === 0;

for (const [limit, title] of [
  ["instances", "with no inotify instances left, files are found by looking, and that is said once"],
  ["watches", "with no inotify watches left, files are found by looking, and that is said once"],
] as const) {
  test(title, { skip: !canUnshare && "needs user namespaces" }, async (t) => {
    const none = `echo 0 > /proc/sys/user/max_inotify_${limit} && exec "$0" "$@"`;
    const box = await Box.open(t, { "a.yaml": SLEEPS }, { inside: ["unshare", "-Ur", "sh", "-c", none] });
    await box.until("a", "RUNNING");
    await box.becomes("it is said", () => box.terminal.includes("cannot be watched"));
    for (const name of ["b", "c"]) {
      box.write(`${name}.yaml`, SLEEPS);
      await box.until(name, "RUNNING");
    }
    assert.equal(box.terminal.match(/cannot be watched/g)?.length, 1, box.terminal);
    const how = new RegExp(`so svcd looks at them every 2 s: sysctl fs\\.inotify\\.max_user_${limit}=\\d+`);
    assert.match(box.terminal, how);
  });
}

test("when the kernel drops events because there are too many, the last file is found all the same", async (t) => {
  const box = await Box.open(t, { "a.yaml": SLEEPS });
  await box.until("a", "RUNNING");
  box.write("b.yaml", SLEEPS);
  await box.until("b", "RUNNING"); // The watcher works.
  const { core } = await box.control.health();
  const most = Number(readFileSync("/proc/sys/fs/inotify/max_queued_events", "utf8"));
  kill(core, "SIGSTOP"); // Nobody takes events from the queue while it overflows.
  for (let n = 0; n < most / 2; n++) {
    // Created, opened, closed, deleted: at least three events.
    writeFileSync(box.path("services.d", `litter-${n}`), "");
    unlinkSync(box.path("services.d", `litter-${n}`));
  }
  box.write("last.yaml", SLEEPS);
  box.remove("b.yaml");
  kill(core, "SIGCONT");
  await box.until("last", "RUNNING");
  await box.becomes("b is gone", async () => !("b" in (await runs(box))));
  assert.equal((await box.control.health()).core, core);
});

test("of two files with one name the error names both, and the first goes on", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  const pid = await box.pid("web");
  box.write("a-second.yaml", "services: { web: { command: sleep 7 } }\n");
  await box.becomes("it is said", async () => (await box.control.health()).mistakes === 1);
  const { stdout } = await box.svctl("plan");
  assert.match(stdout, /a-second\.yaml:1:\d+: there is a service `web` already, in .*web\.yaml:1/);
  assert.equal((await box.status("web")).pid, pid);
  rmSync(box.path("services.d/web.yaml"));
  await box.until("web", ({ run, state }) => run === 2 && state === "RUNNING");
});

test("a service whose file is removed gets its stop signal and its grace, and svcd's log tells it", async (t) => {
  const box = await Box.open(t, {
    "web.yaml": `command: sh -c 'trap "echo bye; exit 0" TERM; echo up; while :; do sleep 0.1; done'\nstartsecs: 0s\n`,
    "other.yaml": SLEEPS,
  });
  await box.says("web", "up\n");
  box.remove("web.yaml");
  await box.becomes("it is gone", async () => (await box.control.services()).length === 1);
  assert.match(box.log("web"), /^up\n(.*\n)?bye\n$/, "it ended by itself, and its log stays");
  await box.becomes("it is told", () => /web: removed/.test(box.log("svcd")));
});
