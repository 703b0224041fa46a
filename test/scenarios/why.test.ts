/**
 * `svctl why` answers from evidence: how it ended, what it said last, what it waits for, what changed, what comes next and
 * what to do. `svctl doctor` looks at the installation.
 */
import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { createServer } from "node:net";
import { test } from "node:test";
import { Box, kill } from "./box.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";

/** The page without its indentation, as a list of lines. */
async function why(box: Box, name: string): Promise<string> {
  const { code, stdout, stderr } = await box.svctl("why", name);
  assert.deepEqual([code, stderr], [0, ""]);
  return stdout;
}

/** Lines of one part of the page. */
function part(page: string, title: string): string[] {
  const from = page.split("\n").indexOf(title);
  if (from < 0) return [];
  const rest = page.split("\n").slice(from + 1);
  const end = rest.indexOf("");
  return rest.slice(0, end < 0 ? undefined : end).map((line) => line.trim());
}

test("why of a service that runs: since when, its pid, its file, and what happens when it ends", async (t) => {
  const box = await Box.open(t, { "web.yaml": `${SLEEPS}description: the shop\n` });
  const { pid } = await box.until("web", "RUNNING");
  const page = await why(box, "web");
  assert.match(page, new RegExp(`^web: RUNNING for \\d+s, since \\d{4}-.*, pid ${pid}\n  the shop\n`));
  assert.match(page, /^ {2}next: {2}is restarted when it ends$/m);
  assert.ok(page.includes(`  file:  ${box.path("services.d/web.yaml")}:1\n`), page);
});

test("why of a crash: the exit code, the last lines, when it is tried again, and how to try at once", async (t) => {
  const box = await Box.open(t, {
    "web.yaml": `command: echo loading; echo cannot read weights.bin >&2; exit 3
shell: true
backoff: { first: 1h, longest: 1h }
`,
  });
  await box.until("web", "BACKOFF");
  const page = await why(box, "web");
  assert.match(page, /^web: BACKOFF for /);
  assert.match(page, /^ {2}why: {3}.*exit 3/m);
  assert.match(page, /^ {2}next: {2}retrying in \d+[smh]/m);
  assert.match(page, /^The last run that ended \(number 1\): exit 3\n {2}at \d{4}-.*, up for /m);
  assert.deepEqual(part(page, "Last lines of output"), ["| loading", "| cannot read weights.bin"]);
  const todo = part(page, "What you can do").join("\n");
  assert.match(todo, /svctl logs web/);
  assert.match(todo, /svctl restart web/);

  await t.test("as JSON, with the keys that are promised", async () => {
    const { stdout } = await box.svctl("why", "web", "--json");
    const report = JSON.parse(stdout);
    assert.deepEqual(Object.keys(report).sort(), [
      "advice",
      "changedSinceGood",
      "idle",
      "lastEnd",
      "lastLines",
      "next",
      "status",
      "waitsFor",
    ]);
    assert.deepEqual(report.lastLines, ["loading", "cannot read weights.bin"]);
    assert.equal(report.lastEnd.how, "exit 3");
    assert.equal(report.lastEnd.run, 1);
    const ago = Date.now() - Date.parse(report.lastEnd.at);
    assert.ok(ago >= 0 && ago < 60_000, report.lastEnd.at);
  });
});

test("why of a program that a signal ended names the signal", async (t) => {
  const box = await Box.open(t, { "web.yaml": `${SLEEPS}backoff: { first: 1h, longest: 1h }\n` });
  kill(await box.pid("web"), "SIGSEGV");
  await box.until("web", "BACKOFF");
  const page = await why(box, "web");
  assert.match(page, /^The last run that ended \(number 1\): killed by SIGSEGV/m);
});

test("why of a port that is in use names who holds it: another service, or another process", async (t) => {
  const listens = (port: number): string =>
    `${process.execPath} -e 'require("node:net").createServer().listen(${port}, "127.0.0.1", () => console.log("listening"))'`;
  const box = await Box.open(t);
  // Ours is held by this test; it also tells a number that nobody else has.
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => server.close());
  const { port } = server.address() as { port: number };
  box.write("foreign.yaml", `command: ${listens(port)}\nbackoff: { first: 1h, longest: 1h }\n`);
  await box.until("foreign", "BACKOFF");
  const page = await why(box, "foreign");
  assert.match(page, new RegExp(`port ${port} is held by .*pid ${process.pid}`));
  assert.match(
    part(page, "What you can do").join("\n"),
    new RegExp(`stop pid ${process.pid}, or give foreign another port`),
  );

  const other = await freePort();
  box.write("first.yaml", `command: ${listens(other)}\nhealthcheck: { tcp: ${other}, interval: 100ms }\n`);
  const first = await box.until("first", "RUNNING");
  box.write("second.yaml", `command: ${listens(other)}\nbackoff: { first: 1h, longest: 1h }\n`);
  await box.until("second", "BACKOFF");
  const second = await why(box, "second");
  assert.match(second, new RegExp(`port ${other} is held by .*first`));
  assert.ok(second.includes(String(first.pid)), second);
  assert.match(second, /give second or first another port/);
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}

test("why of a service that waits leads along the chain to the one that failed", async (t) => {
  const box = await Box.open(t, {
    "model.yaml": "command: echo no space left >&2; exit 28\nshell: true\ngive_up: { failures: 1 }\n",
    "api.yaml": `${SLEEPS}depends_on: { model: ready }\n`,
    "web.yaml": `${SLEEPS}depends_on: { api: ready }\n`,
  });
  await box.until("model", "FATAL");
  await box.until("api", ({ why }) => /FATAL/.test(why));
  await box.until("web", ({ why }) => /model/.test(why));
  const web = await why(box, "web");
  assert.match(part(web, "Waits for").join("\n"), /^api .*ready.*WAITING for model/);
  const api = await why(box, "api");
  assert.match(part(api, "Waits for").join("\n"), /^model .*ready.*FATAL.*exit 28/);
  const model = await why(box, "model");
  assert.match(model, /^model: FATAL for /);
  assert.deepEqual(part(model, "Last lines of output"), ["| no space left"]);
  assert.match(part(model, "What you can do").join("\n"), /svctl start model/);
});

test("why names what changed since the service last ran well", async (t) => {
  const box = await Box.open(t, { "web.yaml": `${SLEEPS}environment: { PORT: 8000 }\n` });
  await box.until("web", "RUNNING");
  assert.deepEqual(part(await why(box, "web"), "Changed since the last run that was well"), []);
  box.write("web.yaml", "command: 'false'\nenvironment: { PORT: 8001 }\nbackoff: { first: 1h, longest: 1h }\n");
  await box.until("web", "BACKOFF");
  const changed = part(await why(box, "web"), "Changed since the last run that was well");
  assert.ok(changed.includes("command: sleep 1000 → false"), changed.join("\n"));
  assert.ok(changed.includes("environment.PORT: 8000 → 8001"), changed.join("\n"));
});

test("why of what cannot be started, was stopped, or is not wanted here", async (t) => {
  const box = await Box.open(t, {
    "nofile.yaml": "command: no-such-program\n",
    "nodir.yaml": `${SLEEPS}working_dir: /nowhere/at/all\n`,
    "gpu.yaml": `${SLEEPS}when: { env: NOBODY_SETS_THIS }\n`,
    "web.yaml": SLEEPS,
  });
  await box.until("nofile", "FATAL");
  assert.match(await why(box, "nofile"), /why: {3}no-such-program: not found on PATH of this service: /);
  await box.until("nodir", "FATAL");
  assert.match(await why(box, "nodir"), /why: {3}working_dir \/nowhere\/at\/all does not exist/);
  await box.until("gpu", "SKIPPED");
  assert.match(await why(box, "gpu"), /^gpu: SKIPPED[\s\S]*why: {3}NOBODY_SETS_THIS is not set\n/);
  await box.until("web", "RUNNING");
  await box.svctl("stop", "web");
  const stopped = await why(box, "web");
  assert.match(stopped, /why: {3}stopped on request, last run /);
  assert.deepEqual(part(stopped, "What you can do"), ["svctl start web"]);

  await t.test("several at once, one page each; an unknown name is 1", async () => {
    const { stdout } = await box.svctl("why", "n*");
    assert.match(stdout, /^nodir: FATAL[\s\S]*\n\nnofile: FATAL/);
    const unknown = await box.svctl("why", "wbe");
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /did you mean “web”\?/);
  });
});

test("why of a health check that fails tells what the probe got", async (t) => {
  const port = await freePort();
  const box = await Box.open(t, {
    "web.yaml": `command: sleep 1000\nhealthcheck: { http: "http://127.0.0.1:${port}/health", interval: 100ms, start_period: 1h }\n`,
  });
  await box.until("web", ({ phase }) => /refused/.test(phase ?? ""));
  const page = await why(box, "web");
  assert.match(page, /^ {2}phase: health check: .*refused/m);
  assert.match(page, /^ {2}check: starting$/m);
});

// --- doctor --------------------------------------------------------------------------------------------------------------

test("`svctl doctor` says for each thing it looks at whether it is well, and what to do if not", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  const { code, stdout } = await box.svctl("doctor");
  assert.equal(code, 0, stdout);
  for (const line of stdout.trimEnd().split("\n")) assert.match(line, /^((ok {2}|warn) {2}[^:]+: .+| {6}fix: .+)$/);
  const { keeper, core } = await box.control.health();
  assert.match(stdout, /^ok {4}svcd: version .* answers at .*svcd\.sock, with 1 service/m);
  assert.ok(stdout.includes(`ok    keeper and core: pids ${keeper} and ${core}\n`), stdout);
  assert.match(stdout, /^ok {4}socket: .*svcd\.sock, mode 0600$/m);
  for (const about of ["services.d", "run directory", "state directory", "log directory", "disk for logs", "Node.js"]) {
    assert.match(stdout, new RegExp(`^(ok|warn) +${about}: `, "m"));
  }

  await t.test("as JSON", async () => {
    const checks = JSON.parse((await box.svctl("doctor", "--json")).stdout);
    for (const check of checks) assert.deepEqual(Object.keys(check), ["about", "level", "found", "fix"]);
  });

  await t.test("a mistake in the files is a warning, open doors are a failure and exit code 1", async () => {
    box.write("bad.yaml", "comand: x\n");
    await box.becomes("it is noticed", async () => (await box.control.health()).mistakes === 1);
    chmodSync(box.path("run"), 0o777);
    chmodSync(box.path("services.d"), 0o777);
    const { code: exitCode, stdout: found } = await box.svctl("doctor");
    assert.equal(exitCode, 1);
    assert.match(
      found,
      /^warn {2}files: \d mistakes?; their services go on as they were\n {6}fix: svctl plan shows them$/m,
    );
    assert.match(found, /^warn {2}run directory: .* has mode 0777: others reach it\n {6}fix: chmod /m);
    assert.match(found, /^fail {2}services\.d is yours alone: everybody can write .*\n {6}fix: chmod o-w /m);
  });
});

test("`svctl doctor` without a daemon says so, and looks at the rest all the same", async (t) => {
  const box = Box.prepare(t);
  const { code, stdout } = await box.svctl("doctor");
  assert.equal(code, 1);
  assert.match(stdout, /^fail {2}svcd: svcd is not running.*\n {6}fix: start it/);
  assert.match(stdout, /^ok {4}services\.d: /m);
  assert.match(stdout, /^ok {4}Node\.js: /m);
});
