/**
 * What is wrong in the files is said before anything is started: all of it, in all files, each with its place and what to do.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";
import { Box, processesOf } from "./box.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";
const BIN = resolve(import.meta.dirname, "../../bin");

const FILES: Record<string, string> = {
  "a.yaml": `command: web --port 8000
enviroment: { PORT: 8000 }
startsecs: soon
logs: { max_size: 50Q }
restart: sometimes
replicas: many
`,
  "b.yaml": `services:
  ring: { command: sleep 1, depends_on: [round] }
  round: { command: sleep 1, depends_on: [ring] }
  lost: { command: sleep 1, depends_on: { databse: ready } }
  database: { command: sleep 1 }
`,
  "c.yaml": 'command: "sleep\nrestart: [\n',
  "d.yaml": "services: { database: { command: sleep 2 } }\n",
  "e.yaml": "command: sh -c 'echo\n",
  "f.yaml": "command: echo ${PORT\n",
  "g.yaml": "description: nothing to run\n",
  "good.yaml": SLEEPS,
};

/** File, line and column, then the sentence; and what to do. */
const MISTAKES: readonly (readonly [where: string, what: string, fix: string])[] = [
  ["svcd.yaml:1:1", "unknown key `auto_aply`", "did you mean `auto_apply`?"],
  ["services.d/a.yaml:2:1", "unknown key `enviroment`", "did you mean `environment`?"],
  ["services.d/a.yaml:3:12", "`startsecs`: `soon` is not a duration", "write it like 200ms, 45s, 1m30s"],
  ["services.d/a.yaml:4:19", "`logs.max_size`: `50Q` is not a size", "write it like 512k, 50M or 1G"],
  ["services.d/a.yaml:5:10", "`restart`: unknown word `sometimes`", "write `always`, `on-failure` or `no`"],
  ["services.d/a.yaml:6:11", "`replicas`: `many` is not a whole number", "write a number from 1 to 1000"],
  ["services.d/b.yaml:2:42", "these wait for each other: ring → round → ring", "remove one of these dependencies"],
  ["services.d/b.yaml:4:43", "there is no service `databse`", "did you mean `database`?"],
  ["services.d/c.yaml:1:10", 'the quote " is not closed', 'add the closing "'],
  ["services.d/d.yaml:1:13", "there is a service `database` already, in ", "give one of the two another name"],
  ["services.d/e.yaml:1:16", "`command`: the quote ' at character 7 is not closed", "add the closing '"],
  ["services.d/f.yaml:1:15", "`command`: `${PORT` is not closed", "add the closing `}`"],
  ["services.d/g.yaml:1:1", "`command` is missing", "add a line like `command: python3 server.py`"],
];

function boxOf(files: Record<string, string>, settings: string): Box {
  const box = new Box();
  for (const [name, text] of Object.entries(files)) box.write(name, text);
  writeFileSync(box.path("svcd.yaml"), settings);
  return box;
}

/** Each mistake of the list, with its line and a caret under its column, and no other. */
function showsAll(box: Box, output: string): void {
  const texts: Record<string, string> = { ...FILES, "svcd.yaml": "auto_aply: false\n" };
  for (const [where, what, fix] of MISTAKES) {
    const [file = "", line = "", column = ""] = where.split(":");
    const text = texts[file.replace("services.d/", "")]?.split("\n")[Number(line) - 1];
    assert.ok(text !== undefined && text !== "");
    const begins = `${box.path(where)}: ${what}`;
    const from = output.indexOf(begins);
    assert.ok(from >= 0, `${begins}\nis missing in\n${output}`);
    const [, shown, caret, whatToDo = ""] = output.slice(from).split("\n");
    assert.equal(shown, `  ${line} | ${text}`);
    assert.equal(caret, `  ${" ".repeat(line.length)} | ${" ".repeat(Number(column) - 1)}^`);
    assert.ok(whatToDo.startsWith(`  fix: ${fix}`), whatToDo);
  }
  assert.equal(output.match(/^ {2}fix: /gm)?.length, MISTAKES.length, output);
}

test("`svcd --check` shows all mistakes of all files together, starts nothing and makes nothing", async (t) => {
  const box = boxOf(FILES, "auto_aply: false\n");
  t.after(() => box.destroy());
  const before = readdirSync(box.root);
  const checked = await box.run(join(BIN, "svcd"), ["--check", "--root", box.root]);
  assert.equal(checked.code, 1);
  assert.equal(checked.stderr, "");
  showsAll(box, checked.stdout);
  assert.match(checked.stdout, /2 services without mistakes, 13 mistakes\n$/);
  assert.deepEqual(readdirSync(box.root), before);
  assert.deepEqual(processesOf(box.root), []);
});

test("`svctl plan` shows the same mistakes beside what would change, and takes nothing up", async (t) => {
  const box = await Box.open(t, { "old.yaml": SLEEPS, "a.yaml": SLEEPS }, { settings: "auto_apply: false\n" });
  const { pid } = await box.until("a", "RUNNING");
  await box.until("old", "RUNNING");
  for (const [name, text] of Object.entries(FILES)) box.write(name, text);
  writeFileSync(box.path("svcd.yaml"), "auto_aply: false\n");
  box.remove("old.yaml");

  const plan = await box.svctl("plan");
  assert.equal(plan.code, 1);
  showsAll(box, plan.stdout);
  assert.match(plan.stdout, /^\+ good: new$/m);
  assert.match(plan.stdout, /^- old: gone, will be stopped$/m);
  assert.match(plan.stdout, /^= a: its file has mistakes or vanished, so it goes on as it is$/m);
  assert.match(plan.stdout, /^13 mistakes$/m);

  const json = await box.svctl("plan", "--json");
  assert.equal(json.code, 1);
  const { added, removed, kept, mistakes } = JSON.parse(json.stdout);
  assert.ok(added.includes("good"));
  assert.deepEqual([removed, kept], [["old"], ["a"]]);
  const found = mistakes.map(
    (mistake: Record<string, unknown>) => `${mistake["file"]}:${mistake["line"]}:${mistake["column"]}`,
  );
  assert.deepEqual(found.sort(), MISTAKES.map(([where]) => box.path(where)).sort());
  for (const mistake of mistakes)
    assert.deepEqual(Object.keys(mistake).sort(), ["column", "file", "fix", "line", "text", "what"]);

  assert.equal((await box.status("a")).pid, pid);
  assert.equal((await box.status("old")).state, "RUNNING");
  assert.deepEqual(
    (await box.control.services()).map(({ name }) => name),
    ["a", "old"],
  );
});

test("`svctl plan` shows what would change field by field, and what of it restarts", async (t) => {
  const box = await Box.open(
    t,
    { "web.yaml": `${SLEEPS}environment: { PORT: 8000 }\n`, "db.yaml": SLEEPS },
    { settings: "auto_apply: false\n" },
  );
  assert.deepEqual(await box.svctl("plan"), { code: 0, stdout: "nothing would change\n", stderr: "" });
  box.write("web.yaml", `${SLEEPS.replace("1000", "2000")}environment: { PORT: 8001, HOST: a }\n`);
  box.write("db.yaml", `${SLEEPS}stop_grace_period: 1m30s\nbackoff: { longest: 5m }\n`);
  const { code, stdout } = await box.svctl("plan");
  assert.equal(code, 0);
  assert.equal(
    stdout,
    [
      "~ db: changed, goes on running",
      "    backoff.longest: 1m → 5m",
      "    stop_grace_period: 10s → 1m30s",
      "~ web: changed, restarts",
      "    command: sleep 1000 → sleep 2000",
      "    environment.PORT: 8000 → 8001",
      "    environment.HOST: (none) → a",
      "",
    ].join("\n"),
  );
});

test("when no svcd runs, `svctl plan` checks the files without it", async (t) => {
  const box = boxOf(FILES, "auto_aply: false\n");
  t.after(() => box.destroy());
  const plan = await box.svctl("plan");
  assert.equal(plan.code, 1);
  showsAll(box, plan.stdout);
  assert.match(plan.stderr, /no svcd runs/);
  assert.deepEqual(readdirSync(box.root).sort(), ["services.d", "svcd.yaml"]);
});

test("files without mistakes are exit code 0 and one line", async (t) => {
  const box = boxOf({ "web.yaml": SLEEPS }, "auto_apply: true\n");
  t.after(() => box.destroy());
  assert.deepEqual(await box.run(join(BIN, "svcd"), ["--check", `--root=${box.root}`]), {
    code: 0,
    stdout: `${box.path("services.d")}: 1 service, no mistakes\n`,
    stderr: "",
  });
});

test("`svcd --check` leaves a running svcd and its services alone", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  const before = await box.until("web", "RUNNING");
  const { core, keeper } = await box.control.health();
  assert.equal((await box.run(join(BIN, "svcd"), ["--check", "--root", box.root])).code, 0);
  const after = await box.control.health();
  assert.deepEqual([after.core, after.keeper], [core, keeper]);
  assert.equal((await box.status("web")).pid, before.pid);
});

test("a directory that is missing is a mistake with its remedy", async (t) => {
  const box = new Box();
  t.after(() => box.destroy());
  rmSync(box.path("services.d"), { recursive: true });
  const { code, stdout } = await box.run(join(BIN, "svcd"), ["--check", "--root", box.root]);
  assert.equal(code, 1);
  assert.match(stdout, /services\.d:1:1: the directory does not exist/);
  assert.ok(stdout.includes(`fix: mkdir -p ${box.path("services.d")}`), stdout);
});

test("what a file holds cannot take over the terminal that shows its mistakes", async (t) => {
  const box = boxOf({ "bad.yaml": "a\x1b]0;owned\x07: 1\nb: \x1b[2J\n" }, "");
  t.after(() => box.destroy());
  const outputs = [await box.run(join(BIN, "svcd"), ["--check", "--root", box.root]), await box.svctl("plan")];
  await box.start();
  outputs.push(await box.svctl("plan"), await box.svctl("reread"), await box.svctl("update"));
  for (const { stdout, stderr, code } of outputs) {
    assert.equal(code, 1);
    assert.doesNotMatch(stdout + stderr, /[\x00-\x09\x0b-\x1f\x7f]/);
    assert.match(stdout + stderr, /\\x1b/);
  }
  assert.doesNotMatch(box.terminal, /[\x00-\x09\x0b-\x1f\x7f]/);
});

test("`svctl schema` prints the JSON Schema of service files: every key, with its words", async (t) => {
  const box = new Box();
  t.after(() => box.destroy());
  const { code, stdout, stderr } = await box.svctl("schema"); // No svcd runs: an editor asks at any time.
  assert.deepEqual([code, stderr], [0, ""]);
  const schema = JSON.parse(stdout);
  assert.match(schema.$schema, /^https?:\/\/json-schema\.org\//);
  for (const key of [
    "command working_dir user group umask environment env_file venv when enabled autostart restart startsecs backoff",
    "give_up healthcheck depends_on stop_signal stop_grace_period stop_to reload_signal replicas limits logs on",
    "description success_exit_codes startretries shell",
  ].flatMap((line) => line.split(" "))) {
    assert.ok(stdout.includes(`"${key}"`), key);
  }
  assert.match(stdout, /"services"/);
  assert.match(stdout, /"additionalProperties": ?false/);
});

test("the files that come with svcd have no mistakes, and name their schema for editors", async (t) => {
  const box = new Box();
  t.after(() => box.destroy());
  const shipped = resolve(import.meta.dirname, "../../services.d");
  for (const name of readdirSync(shipped)) {
    const text = readFileSync(join(shipped, name), "utf8");
    assert.match(text.split("\n")[0] ?? "", /^# yaml-language-server: \$schema=/, name);
    box.write(name, text);
  }
  const { code, stdout } = await box.run(join(BIN, "svcd"), ["--check", "--root", box.root]);
  assert.equal(code, 0, stdout);
});
