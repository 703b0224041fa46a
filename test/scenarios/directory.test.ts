/**
 * services.d: what people drop, change, rename and remove there becomes so by itself, and nothing else is touched.
 *
 * "Nothing happened" is never waited for: something else is done afterwards, and when that has come true everything before
 * it has been seen.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  chmodSync,
  chownSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { type TestContext, test } from "node:test";
import type { ServiceStatus } from "../../src/control/daemon.ts";
import { Box, kill } from "./box.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";
/** The same program by another command: a change that needs a restart. */
const SLEEPS_LONGER = "command: sleep 2000\nstartsecs: 0s\n";
const BROKEN = "command: sleep 3000\nenviroment: {}\n";

const isThere = (program: string): boolean => {
  try {
    execFileSync("which", [program], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
};

/** A service of this name runs after all that was done to the directory before. */
async function marked(box: Box, name = "zz-marker"): Promise<void> {
  box.write(`${name}.yaml`, SLEEPS);
  await box.until(name, "RUNNING");
}

/** Which process each service has. */
async function runs(box: Box): Promise<Record<string, string>> {
  const all = await box.control.services();
  return Object.fromEntries(all.map(({ name, pid, run }) => [name, `run ${run}, pid ${pid}`]));
}

const argvOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();

/** Until the service runs this command, in a process that was started for it. */
async function runsCommand(box: Box, name: string, command: string): Promise<ServiceStatus> {
  return box.until(name, ({ state, pid }) => state === "RUNNING" && pid !== null && argvOf(pid) === command);
}

// --- dropped, changed, removed -----------------------------------------------------------------------------------------

test("a file that is dropped into services.d starts its service by itself", async (t) => {
  const box = await Box.open(t);
  assert.deepEqual(await box.control.services(), []);
  box.write("web.yaml", SLEEPS);
  const { name, run, wanted } = await box.until("web", "RUNNING");
  assert.deepEqual({ name, run, wanted }, { name: "web", run: 1, wanted: "up" });
});

test("a changed command restarts its service and no other", async (t) => {
  const box = await Box.open(t, { "a.yaml": SLEEPS, "b.yaml": SLEEPS });
  await box.until("a", "RUNNING");
  await box.until("b", "RUNNING");
  const before = await runs(box);
  box.write("a.yaml", SLEEPS_LONGER);
  const { run, restarts } = await runsCommand(box, "a", "sleep 2000");
  assert.equal(run, 2);
  assert.equal(restarts, 0, "somebody asked for it: it is no crash");
  assert.equal((await runs(box))["b"], before["b"]);
});

test("a change that a running process cannot see does not restart it: backoff, logs, health check, description …", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  const before = await runs(box);
  box.write(
    "web.yaml",
    `${SLEEPS}description: as before, said otherwise
backoff: { first: 3s }
give_up: never
restart: on-failure
stop_grace_period: 3s
stop_signal: INT
reload_signal: HUP
logs: { max_size: 1M, keep: 3 }
healthcheck: { exec: "true", interval: 100ms }
`,
  );
  const { description, health } = await box.until("web", (status) => status.health === "healthy");
  assert.equal(description, "as before, said otherwise");
  assert.equal(health, "healthy");
  const { definition } = await box.control.service("web");
  assert.match(JSON.stringify(definition), /"maxSizeBytes":1048576,"keep":3/);
  assert.deepEqual(await runs(box), before);
});

test("the same file with other comments, another order of keys and another date changes nothing", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  const before = await runs(box);
  box.write("web.yaml", "# Said differently.\n\nstartsecs: 0\ncommand: 'sleep 1000' # the same\n");
  await marked(box);
  assert.equal((await runs(box))["web"], before["web"]);
});

test("a removed file stops its service, and only that one", async (t) => {
  const box = await Box.open(t, { "a.yaml": SLEEPS, "b.yaml": SLEEPS });
  const gone = await box.pid("a");
  await box.until("b", "RUNNING");
  const before = await runs(box);
  box.remove("a.yaml");
  await box.becomes("a is forgotten", async () => (await box.control.services()).every(({ name }) => name !== "a"));
  assert.throws(() => process.kill(gone, 0), { code: "ESRCH" });
  assert.equal((await runs(box))["b"], before["b"]);
});

test("a file that gets another name is another service: the old one stops, the new one starts", async (t) => {
  const box = await Box.open(t, { "old.yaml": SLEEPS });
  await box.until("old", "RUNNING");
  renameSync(box.path("services.d/old.yaml"), box.path("services.d/new.yml"));
  await box.until("new", "RUNNING");
  await box.becomes("old is gone", async () => (await box.control.services()).length === 1);
});

test("a file that is written in place, not renamed over, is taken up too", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  writeFileSync(box.path("services.d/web.yaml"), SLEEPS_LONGER);
  await runsCommand(box, "web", "sleep 2000");
  appendFileSync(box.path("services.d/web.yaml"), "environment: { A: b }\n");
  await box.until("web", ({ run, state }) => run === 3 && state === "RUNNING");
});

test("several services in a file: each starts, changes and stops by itself", async (t) => {
  const file = (...services: string[]): string => `services:\n${services.map((line) => `  ${line}\n`).join("")}`;
  const one = "one: { command: sleep 1000, startsecs: 0s }";
  const two = "two: { command: sleep 1000, startsecs: 0s }";
  const three = "three: { command: sleep 1000, startsecs: 0s }";
  const box = await Box.open(t, { "many.yaml": file(one, two) });
  for (const name of ["one", "two"]) await box.until(name, "RUNNING");
  const before = await runs(box);

  box.write("many.yaml", file(one.replace("1000", "2000"), two, three));
  await box.until("three", "RUNNING");
  await runsCommand(box, "one", "sleep 2000");
  assert.equal((await runs(box))["two"], before["two"]);

  box.write("many.yaml", file(two));
  await box.becomes("two is alone", async () => (await box.control.services()).length === 1);
  assert.deepEqual(await runs(box), { two: before["two"] });
});

test("three hundred files that are dropped at once all start", async (t) => {
  const box = await Box.open(t);
  for (let n = 0; n < 300; n++) box.write(`s${n}.yaml`, SLEEPS);
  await box.becomes("all run", async () => {
    const all = await box.control.services();
    return all.length === 300 && all.every(({ state }) => state === "RUNNING");
  });
  assert.ok((await box.control.services()).every(({ run }) => run === 1));
});

test("files that need each other may come in any order", async (t) => {
  const box = await Box.open(t);
  box.write("web.yaml", `${SLEEPS}depends_on: { db: ready }\n`);
  await box.becomes("what is missing is said", async () => (await box.control.health()).mistakes === 1);
  const plan = await box.svctl("plan");
  assert.match(plan.stdout, /web\.yaml:3:15: .*`db`/);
  box.write("db.yaml", SLEEPS);
  await box.until("db", "RUNNING");
  await box.until("web", "RUNNING");
  assert.equal((await box.control.health()).mistakes, 0);
});

// --- what is no word from anybody --------------------------------------------------------------------------------------

test("what editors and package managers leave behind is nobody's service", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  const before = await runs(box);
  for (const litter of [
    ".web.yaml.swp",
    ".web.yaml.swx",
    "4913",
    "web.yaml~",
    "#web.yaml#",
    "web.yaml.bak",
    "web.yaml.orig",
    "web.yaml.dpkg-new",
    "web.yaml.dpkg-dist",
    "web.yaml.rpmsave",
    "sedXa3b9",
    ".web.yaml",
    "web.yaml.save",
    ".goutputstream-ABC123",
    "README",
    "web.txt",
  ]) {
    writeFileSync(box.path("services.d", litter), SLEEPS_LONGER);
  }
  symlinkSync("somebody@host.4711:1700000000", box.path("services.d/.#web.yaml"));
  mkdirSync(box.path("services.d/old"));
  writeFileSync(box.path("services.d/old/old.yaml"), SLEEPS);
  await marked(box);
  const after = await runs(box);
  assert.deepEqual(Object.keys(after), ["web", "zz-marker"]);
  assert.equal(after["web"], before["web"]);
  assert.equal((await box.control.health()).mistakes, 0);
});

test("a file that vim writes is taken up once, its swap file and backups never", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  const at = (name: string): string => box.path("services.d", name);
  writeFileSync(at(".web.yaml.swp"), "b0VIM 9.0");
  // What vim does at `:w` with its usual `backupcopy=auto`, call by call.
  closeSync(openSync(at("4913"), "wx"));
  unlinkSync(at("4913"));
  renameSync(at("web.yaml"), at("web.yaml~"));
  const file = openSync(at("web.yaml"), "wx");
  writeSync(file, SLEEPS_LONGER);
  closeSync(file);
  unlinkSync(at("web.yaml~"));
  unlinkSync(at(".web.yaml.swp"));
  const { run } = await runsCommand(box, "web", "sleep 2000");
  assert.equal(run, 2);
  assert.deepEqual(Object.keys(await runs(box)), ["web"]);
});

test("the real vim may write a file", { skip: !isThere("vim") && "vim is not installed" }, async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  const edited = await box.run("vim", [
    "-Nes",
    "-u",
    "NONE",
    "-c",
    "set backup writebackup swapfile | %s/1000/2000/ | wq",
    box.path("services.d/web.yaml"),
  ]);
  assert.equal(edited.code, 0, edited.stderr);
  const { run } = await runsCommand(box, "web", "sleep 2000");
  assert.equal(run, 2);
});

test("`sed -i` over all files changes those it changes", async (t) => {
  const box = await Box.open(t, { "a.yaml": SLEEPS, "b.yaml": SLEEPS.replace("1000", "1234") });
  for (const name of ["a", "b"]) await box.until(name, "RUNNING");
  const before = await runs(box);
  await box.run("sed", ["-i", "s/1000/2000/", box.path("services.d/a.yaml"), box.path("services.d/b.yaml")]);
  await runsCommand(box, "a", "sleep 2000");
  assert.equal((await runs(box))["b"], before["b"]);
});

test("a file that is written slowly never takes effect by halves", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  const plans = await plansFrom(t, box);
  // Each piece leaves a file that is wrong, or that says something else than is meant.
  const file = openSync(box.path("services.d/web.yaml"), "w");
  for (const piece of ["com", "mand: sl", "eep 2", "00", "0\nstart", "secs: 0", "s\nenvironment: {", " A: b ", "}\n"]) {
    writeSync(file, piece);
    await new Promise((later) => setTimeout(later, 20)); // The writer's own pace.
  }
  closeSync(file);
  const { run } = await runsCommand(box, "web", "sleep 2000");
  assert.equal(run, 2);
  assert.equal(plans.filter(({ mistakes }) => mistakes.length > 0).length, 0);
  assert.deepEqual(
    plans.flatMap(({ changed }) => changed.map(({ name }) => name)),
    ["web"],
  );
});

test("a change that is taken back at once has never been", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  const before = await runs(box);
  box.remove("web.yaml");
  box.write("web.yaml", BROKEN);
  box.write("web.yaml", SLEEPS_LONGER);
  box.write("web.yaml", SLEEPS);
  await marked(box);
  assert.equal((await runs(box))["web"], before["web"]);
});

/** Every plan that is taken up from now on. */
async function plansFrom(t: TestContext, box: Box) {
  type Plan = Awaited<ReturnType<typeof box.control.plan>>;
  const plans: Plan[] = [];
  await new Promise<void>((flows) => {
    const listening = box.control.events(
      { since: null, patienceMs: 5_000, onConnection: (isThere) => isThere && flows(), onEnd: () => {} },
      ({ event }) => {
        if (event.type === "plan") plans.push(event.plan);
      },
    );
    t.after(() => listening.stop());
  });
  return plans;
}

// --- links -------------------------------------------------------------------------------------------------------------

test("a ConfigMap that Kubernetes swaps by its ..data link is taken up as one change", async (t) => {
  const box = new Box();
  t.after(() => box.destroy());
  const at = (name: string): string => box.path("services.d", name);
  const version = (name: string, files: Record<string, string>): void => {
    mkdirSync(at(name));
    for (const [file, text] of Object.entries(files)) writeFileSync(at(`${name}/${file}`), text);
  };
  version("..2026_01", { "a.yaml": SLEEPS, "b.yaml": SLEEPS });
  symlinkSync("..2026_01", at("..data"));
  for (const file of ["a.yaml", "b.yaml", "c.yaml"]) symlinkSync(`..data/${file}`, at(file));
  unlinkSync(at("c.yaml"));
  await box.start();
  for (const name of ["a", "b"]) await box.until(name, "RUNNING");
  const before = await runs(box);
  const plans = await plansFrom(t, box);

  version("..2026_02", { "a.yaml": SLEEPS_LONGER, "b.yaml": SLEEPS, "c.yaml": SLEEPS });
  symlinkSync("..data/c.yaml", at("c.yaml"));
  symlinkSync("..2026_02", at("..data_tmp"));
  renameSync(at("..data_tmp"), at("..data"));
  rmSync(at("..2026_01"), { recursive: true });

  await runsCommand(box, "a", "sleep 2000");
  await box.until("c", "RUNNING");
  const after = await runs(box);
  assert.equal(after["b"], before["b"], "what is the same in both versions goes on");
  assert.deepEqual(Object.keys(after), ["a", "b", "c"]);
  assert.equal(plans.length, 1);
  assert.deepEqual(plans[0]?.mistakes, []);
});

test("services.d itself may be a link that is switched over", async (t) => {
  const box = new Box();
  t.after(() => box.destroy());
  rmSync(box.path("services.d"), { recursive: true });
  for (const release of ["v1", "v2"]) mkdirSync(box.path(release));
  writeFileSync(box.path("v1/same.yaml"), SLEEPS);
  writeFileSync(box.path("v1/web.yaml"), SLEEPS);
  writeFileSync(box.path("v2/same.yaml"), SLEEPS);
  writeFileSync(box.path("v2/web.yaml"), SLEEPS_LONGER);
  symlinkSync("v1", box.path("services.d"));
  await box.start();
  for (const name of ["same", "web"]) await box.until(name, "RUNNING");
  const before = await runs(box);
  symlinkSync("v2", box.path("services.d.new"));
  renameSync(box.path("services.d.new"), box.path("services.d"));
  await runsCommand(box, "web", "sleep 2000");
  assert.equal((await runs(box))["same"], before["same"]);
  // From now on it is the new directory that counts.
  writeFileSync(box.path("v2/more.yaml"), SLEEPS);
  await box.until("more", "RUNNING");
});

// --- mistakes ----------------------------------------------------------------------------------------------------------

test("a broken file leaves its service running as it was; status says so with the line, until the file is mended", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS, "other.yaml": SLEEPS });
  for (const name of ["web", "other"]) await box.until(name, "RUNNING");
  const before = await runs(box);

  box.write("web.yaml", BROKEN);
  const { file, state } = await box.until("web", (status) => status.file.note !== null);
  const where = `${box.path("services.d/web.yaml")}:2`;
  assert.equal(state, "RUNNING");
  assert.ok(file.note?.includes(where), file.note ?? "");
  assert.match(file.note ?? "", /runs as before: .*unknown key `enviroment`/);

  const table = await box.svctl("status");
  assert.equal(table.code, 0, "everything runs");
  assert.ok(table.stdout.includes(where), table.stdout);
  assert.match(table.stdout, /note: 1 mistake in the files; see: svctl plan/);
  const json = await box.svctl("status", "web", "--json");
  assert.ok(JSON.parse(json.stdout)[0].file.note.includes(where));
  const why = await box.svctl("why", "web");
  assert.ok(why.stdout.includes(where), why.stdout);

  // Other files go on taking effect meanwhile.
  await marked(box);
  assert.equal((await runs(box))["web"], before["web"]);

  box.write("web.yaml", SLEEPS);
  await box.until("web", (status) => status.file.note === null);
  const after = await runs(box);
  assert.equal(after["web"], before["web"]);
  assert.equal(after["other"], before["other"]);
  assert.doesNotMatch((await box.svctl("status")).stdout, /note:/);
});

test("a broken file that is mended with a change restarts its service then", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  box.write("web.yaml", BROKEN);
  await box.until("web", (status) => status.file.note !== null);
  box.write("web.yaml", SLEEPS_LONGER);
  const { run } = await runsCommand(box, "web", "sleep 2000");
  assert.equal(run, 2);
});

test("a file that is broken when svcd starts keeps nobody else from running", async (t) => {
  const box = await Box.open(t, { "bad.yaml": "command: [unclosed\n", "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  const { stdout } = await box.svctl("status");
  assert.match(stdout, /1 mistake in the files/);
  assert.match(box.terminal, /bad\.yaml:\d+:\d+: /);
  await box.becomes("it is in svcd's log", () => /bad\.yaml:\d+:\d+: /.test(box.log("svcd")));
  box.write("bad.yaml", SLEEPS);
  await box.until("bad", "RUNNING");
});

test("a broken file costs its service nothing when svcd's core is replaced", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  const before = await runs(box);
  box.write("web.yaml", BROKEN);
  await box.until("web", (status) => status.file.note !== null);
  const { core } = await box.control.health();
  kill(core, "SIGKILL");
  await box.becomes("another core answers", async () => (await box.control.health()).core !== core);
  const { state, file } = await box.status("web");
  assert.equal(state, "RUNNING");
  assert.match(file.note ?? "", /web\.yaml:2/);
  assert.deepEqual(await runs(box), before);
});

test("a name that is already taken is a mistake of the second file; the service goes on", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  const before = await runs(box);
  box.write("zz.yaml", "services: { web: { command: sleep 2000 } }\n");
  await box.becomes("it is said", async () => (await box.control.health()).mistakes > 0);
  const { stdout } = await box.svctl("plan");
  assert.match(stdout, /`web`/);
  assert.match(stdout, /zz\.yaml:1:/);
  assert.deepEqual(await runs(box), before);
});

test("a broken svcd.yaml is said, and changes nothing", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS }, { settings: "auto_apply: false\n" });
  await box.until("web", "RUNNING");
  writeFileSync(box.path("svcd.yaml"), "auto_aply: true\n");
  await box.becomes("it is said", async () => (await box.control.health()).mistakes === 1);
  assert.match((await box.svctl("plan")).stdout, /svcd\.yaml:1:1: .*`auto_aply`[\s\S]*did you mean `auto_apply`\?/);
  box.write("web.yaml", SLEEPS_LONGER);
  const { run } = await box.until("web", ({ file }) => /not applied/.test(file.note ?? ""));
  assert.equal(run, 1, "as the settings said when they were last right");
});

// --- the directory itself ----------------------------------------------------------------------------------------------

test("a directory that vanishes stops nobody; when it is back, files take effect again", async (t) => {
  const box = await Box.open(t, { "a.yaml": SLEEPS, "b.yaml": SLEEPS });
  for (const name of ["a", "b"]) await box.until(name, "RUNNING");
  const before = await runs(box);
  rmSync(box.path("services.d"), { recursive: true });
  await box.becomes("svcd says so", async () => (await box.control.health()).mistakes > 0);
  assert.deepEqual(await runs(box), before);
  const { stdout } = await box.svctl("plan");
  assert.match(stdout, /the directory does not exist; what runs goes on as it was/);
  assert.ok(stdout.includes(`fix: mkdir -p ${box.path("services.d")}`), stdout);

  mkdirSync(box.path("services.d.new"));
  writeFileSync(box.path("services.d.new/a.yaml"), SLEEPS);
  writeFileSync(box.path("services.d.new/c.yaml"), SLEEPS);
  renameSync(box.path("services.d.new"), box.path("services.d"));
  await box.until("c", "RUNNING");
  await box.becomes("b is gone", async () => !("b" in (await runs(box))));
  assert.equal((await runs(box))["a"], before["a"]);
  await marked(box);
});

test("svcd starts without a services.d, and takes it up when somebody makes it", async (t) => {
  const box = new Box();
  t.after(() => box.destroy());
  rmSync(box.path("services.d"), { recursive: true });
  await box.start();
  const { code, stdout } = await box.svctl("status");
  assert.equal(code, 0);
  assert.match(stdout, /no services yet/);
  mkdirSync(box.path("services.d"));
  box.write("web.yaml", SLEEPS);
  await box.until("web", "RUNNING");
});

const AS_NOBODY = { skip: process.getuid?.() !== 0 && "only root can run svcd as another user" };

test("a directory or a file that svcd may not read stops nobody", AS_NOBODY, async (t) => {
  const box = new NobodysBox();
  t.after(() => box.destroy());
  box.write("a.yaml", SLEEPS);
  box.write("b.yaml", SLEEPS);
  await box.start();
  for (const name of ["a", "b"]) await box.until(name, "RUNNING");
  const before = await runs(box);

  chmodSync(box.path("services.d/a.yaml"), 0o000);
  const { file } = await box.until("a", (status) => status.file.note !== null);
  assert.match(file.note ?? "", /a\.yaml:1: svcd may not read it/);
  chmodSync(box.path("services.d"), 0o000);
  await box.until("b", (status) => status.file.note !== null);
  assert.deepEqual(await runs(box), before);
  assert.match((await box.svctl("plan")).stdout, /svcd may not read the directory; what runs goes on as it was/);

  chmodSync(box.path("services.d"), 0o755);
  chmodSync(box.path("services.d/a.yaml"), 0o644);
  for (const name of ["a", "b"]) await box.until(name, (status) => status.file.note === null);
  assert.deepEqual(await runs(box), before);
  await marked(box);
});

const AS_ROOT = { skip: process.getuid?.() !== 0 && "only root has files that others must not write" };

test(
  "what others may write is not run as root: svcd says so, and the service goes on as it was",
  AS_ROOT,
  async (t) => {
    const box = await Box.open(t, { "web.yaml": SLEEPS });
    await box.until("web", "RUNNING");
    const before = await runs(box);
    const file = box.path("services.d/web.yaml");
    writeFileSync(`${file}.tmp`, SLEEPS_LONGER);
    chmodSync(`${file}.tmp`, 0o666);
    renameSync(`${file}.tmp`, file);
    const { file: about } = await box.until("web", (status) => status.file.note !== null);
    assert.match(about.note ?? "", /everybody may write to it/);
    assert.deepEqual(await runs(box), before);
    chmodSync(file, 0o644);
    await runsCommand(box, "web", "sleep 2000");
  },
);

/** svcd runs as a user who has no special rights. */
class NobodysBox extends Box {
  static readonly UID = 65534;

  constructor() {
    super();
    for (const path of [this.root, this.path("services.d")]) chownSync(path, NobodysBox.UID, NobodysBox.UID);
  }

  override write(name: string, text: string): void {
    super.write(name, text);
    chownSync(this.path("services.d", name), NobodysBox.UID, NobodysBox.UID);
  }

  override readonly inside = ["setpriv", `--reuid=${NobodysBox.UID}`, `--regid=${NobodysBox.UID}`, "--clear-groups"];
}

// --- supervisord's habit -----------------------------------------------------------------------------------------------

test("with `auto_apply: false` nothing happens until somebody says `svctl update`; reread tells what would", async (t) => {
  const box = await Box.open(
    t,
    { "change.yaml": SLEEPS, "go.yaml": SLEEPS, "stay.yaml": SLEEPS },
    { settings: "auto_apply: false\n" },
  );
  for (const name of ["change", "go", "stay"]) await box.until(name, "RUNNING");
  const before = await runs(box);

  assert.equal((await box.svctl("reread")).stdout, "No config updates to processes\n");
  box.write("change.yaml", SLEEPS_LONGER);
  box.write("fresh.yaml", SLEEPS);
  box.remove("go.yaml");
  await box.until("change", ({ file }) => file.note === "changed, not applied: svctl update");
  await box.until("go", ({ file }) => file.note !== null);
  assert.match((await box.svctl("status")).stdout, /note: change: .*change\.yaml: changed, not applied: svctl update/);

  const reread = await box.svctl("reread");
  assert.deepEqual(reread, {
    code: 0,
    stdout: "change: changed\nfresh: available\ngo: disappeared\n",
    stderr: "",
  });
  assert.equal(
    (await box.svctl("avail")).stdout
      .split("\n")
      .find((line) => line.startsWith("fresh"))
      ?.trim(),
    "fresh   avail   -",
  );
  assert.deepEqual(await runs(box), before, "nothing has happened yet");

  const updated = await box.svctl("update");
  assert.equal(updated.code, 0, updated.stderr);
  assert.match(updated.stdout, /^go: removed$/m);
  assert.match(updated.stdout, /^change: changed, restarted$/m);
  assert.match(updated.stdout, /^fresh: added$/m);
  await runsCommand(box, "change", "sleep 2000");
  const after = await runs(box);
  assert.deepEqual(Object.keys(after), ["change", "fresh", "stay"]);
  assert.equal(after["stay"], before["stay"]);
  assert.equal((await box.status("change")).file.note, null);
});

test("with `auto_apply: false` what was not applied is not applied by a new core or a new svcd's HUP either", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS }, { settings: "auto_apply: false\n" });
  await box.until("web", "RUNNING");
  const before = await runs(box);
  box.write("web.yaml", SLEEPS_LONGER);
  box.write("more.yaml", SLEEPS);
  await box.until("web", ({ file }) => file.note !== null);
  const { core, keeper } = await box.control.health();
  kill(core, "SIGKILL");
  await box.becomes("another core answers", async () => (await box.control.health()).core !== core);
  await box.until("web", ({ file }) => file.note !== null);
  assert.deepEqual(await runs(box), before);
  box.write("even-more.yaml", SLEEPS);
  kill(keeper, "SIGHUP");
  assert.deepEqual(await runs(box), before);
});

test("`auto_apply` itself takes effect when it is changed", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS }, { settings: "auto_apply: false\n" });
  await box.until("web", "RUNNING");
  box.write("web.yaml", SLEEPS_LONGER);
  await box.until("web", ({ file }) => file.note !== null);
  writeFileSync(box.path("svcd.yaml"), "auto_apply: true\n");
  await runsCommand(box, "web", "sleep 2000");
});
