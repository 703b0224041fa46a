/**
 * A machine that is set up before anything runs on it: steps, who waits for them, what fails and how it goes on. The service is the
 * shipped one, only quicker to give up.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { FakeServer } from "../../src/provisioning/fake-server.ts";
import { Box, type BoxOptions } from "./box.ts";

const PROJECT = resolve(import.meta.dirname, "../..");
const SHIPPED = readFileSync(join(PROJECT, "services.d/provisioning.yaml"), "utf8")
  .replace("command: bin/", `command: ${PROJECT}/bin/`)
  .replace(/^env_file:.*\n/m, "")
  .replace(/first: 10s, factor: 3/, "first: 50ms, factor: 1");

/** What a model server is to these stories. */
const SERVER = "command: sleep 1001\nstartsecs: 0s\ndepends_on: { provisioning: completed }\n";

function boxWith(
  t: TestContext,
  steps: string | null,
  others: Record<string, string> = {},
  options: BoxOptions = {},
): Box {
  const box = Box.prepare(t, { "provisioning.yaml": SHIPPED, ...others }, options);
  if (steps !== null) write(box, steps);
  return box;
}

function write(box: Box, steps: string): void {
  mkdirSync(box.path("provisioning.d"), { recursive: true });
  writeFileSync(box.path("provisioning.d/10-models.yaml"), steps, { mode: 0o644 });
}

const markers = (box: Box): string[] => readdirSync(box.path("state")).filter((name) => name.startsWith(".prov"));

test("where there is nothing to provision it is SKIPPED with the reason, and nobody waits for it", async (t) => {
  const box = boxWith(t, null, { "vllm.yaml": SERVER });
  await box.start();
  const { why } = await box.until("provisioning", "SKIPPED");
  assert.match(why, /provisioning\.d does not exist and PROVISIONING_SCRIPT is not set/);
  await box.until("vllm", "RUNNING");
  const { code, stdout } = await box.svctl("provision");
  assert.equal(code, 0);
  assert.match(stdout, /never run[\s\S]*there are no steps/);
  const again = await box.svctl("provision", "--again");
  assert.equal(again.code, 1);
  assert.match(again.stdout, /provisioning: skipped \(provisioning\.d does not exist/);

  await t.test("as soon as there is something, it is done", async () => {
    write(box, "steps:\n  - run: echo here\n");
    await box.until("provisioning", "EXITED");
    assert.match(box.log("provisioning"), /^here$/m);
  });
  await t.test("without such a service it is said what to do", async () => {
    box.remove("provisioning.yaml");
    box.remove("vllm.yaml");
    await box.becomes("they are gone", async () => (await box.control.services()).length === 0);
    const { code, stderr } = await box.svctl("provision", "--again");
    assert.equal(code, 1);
    assert.match(stderr, /no service `provisioning`[\s\S]*shipped services\.d\/provisioning\.yaml/);
  });
});

test("who waits is told which step failed and why; mended and asked for again, everything comes up", async (t) => {
  await using server = await FakeServer.open();
  const body = randomBytes(4096);
  const good = server.on("/model.bin", { body });
  const steps = (url: string): string => `steps:
  - { name: tools, run: "echo tools are here" }
  - { name: download model, download: "${url}", to: model.bin }
  - { name: last, run: "echo all is here" }\n`;
  const box = boxWith(t, steps(`${server.origin}/none`), {
    "vllm.yaml": SERVER,
    "notes.yaml": SERVER.replace("completed", "{ condition: completed, on_failure: continue }"),
  });
  await box.start();
  await box.until("provisioning", "FATAL");
  const cause = /step 2 of 3 \(download model\): HTTP 404 Not Found: http:\/\/127\S+\/none/;
  const waiting = await box.until("vllm", ({ state, why }) => state === "WAITING" && /FATAL/.test(why));
  assert.match(
    waiting.why,
    new RegExp(`^waits for provisioning to be completed \\(it is FATAL: .*failed: ${cause.source}\\)$`),
  );
  await box.until("notes", "RUNNING");
  assert.deepEqual(markers(box), [".provisioning_failed"]);

  const status = await box.svctl("status");
  assert.match(status.stdout, new RegExp(`vllm +WAITING.*${cause.source}`));
  const failed = await box.svctl("provision");
  assert.match(failed.stdout, /1 {2}tools +done[\s\S]*2 {2}download model +failed .*HTTP 404[\s\S]*3 {2}last +pending/);
  assert.match(failed.stdout, /correct the URL[\s\S]*then: svctl provision --again/);
  const report = JSON.parse((await box.svctl("provision", "--json")).stdout);
  assert.deepEqual([report.state, report.steps[1].state, report.steps[1].next], ["failed", "failed", "run"]);

  write(box, steps(good));
  const dry = await box.svctl("provision", "--dry-run");
  assert.match(dry.stdout, /1\. skip {2}tools[\s\S]*2\. run .*→ .*model\.bin \(changed\)[\s\S]*2 of 3 steps would run/);
  const again = await box.svctl("provision", "--again");
  assert.equal(again.code, 0, again.stderr);
  await box.until("vllm", "RUNNING");
  assert.equal((await box.status("provisioning")).state, "EXITED");
  assert.deepEqual(readFileSync(box.path("model.bin")), body);
  assert.deepEqual(markers(box), [".provisioning_complete"]);
  assert.equal(box.log("provisioning").match(/^tools are here$/gm)?.length, 1, "what was done is not done again");

  await t.test("a step can be asked for by name; a name that there is not is told", async () => {
    assert.equal((await box.svctl("provision", "--again", "last")).code, 0);
    await box.becomes("it ran again", () => box.log("provisioning").match(/^all is here$/gm)?.length === 2);
    const unknown = await box.svctl("provision", "--again", "lst");
    assert.equal(unknown.code, 2);
    assert.match(unknown.stderr, /there is no step lst\n {2}fix: {3}did you mean `last`/);
    assert.equal((await box.svctl("provision", "last")).code, 2);
  });
});

test("killed by anybody in the middle of a download, svcd starts it again and it goes on from there", async (t) => {
  await using server = await FakeServer.open();
  const body = randomBytes(2_000_000);
  const url = server.on("/m.bin", { body, etag: '"1"', stallsAfter: 1_000_000 }, { body, etag: '"1"' });
  const box = boxWith(t, `steps:\n  - { run: echo one }\n  - { download: "${url}", to: m.bin }\n`, {
    "vllm.yaml": SERVER,
  });
  await box.start();
  await box.becomes("half of it is here", async () => {
    const { steps } = JSON.parse((await box.svctl("provision", "--json")).stdout);
    return steps[1].state === "running" && steps[1].bytes > 0;
  });
  assert.equal(markers(box).join(), ".provisioning");
  assert.equal((await box.status("vllm")).state, "WAITING");
  process.kill(await box.pid("provisioning"), "SIGKILL");
  await box.until("vllm", "RUNNING");
  assert.match(server.gets("/m.bin")[1]?.range ?? "", /^bytes=\d+-$/);
  assert.deepEqual(readFileSync(box.path("m.bin")), body);
  assert.equal(box.log("provisioning").match(/^one$/gm)?.length, 1);
  assert.match(box.log("provisioning"), /^\[2\/2\] download m\.bin {2}\d+ % {2}/m);
});

test("svcd is stopped in the middle of a step; the next svcd does that one again and what follows", async (t) => {
  const steps = `steps:
  - { name: one, run: echo one }
  - { name: two, run: "echo two; test -e go || sleep 1004", shell: true }
  - { name: three, run: echo three }\n`;
  const box = boxWith(t, steps, { "vllm.yaml": SERVER });
  await box.start();
  await box.becomes("it is at the second", () => /^two$/m.test(box.log("provisioning")));
  assert.equal((await box.svctl("shutdown")).code, 0);
  await box.ended();
  assert.match(box.log("provisioning"), /interrupted: the next run goes on from here\n$/);

  await t.test("without svcd its steps can be seen, and a wish is kept until it is there again", async () => {
    const { code, stdout } = await box.svctl("provision");
    assert.equal(code, 0);
    assert.match(stdout, /1 {2}one +done[\s\S]*2 {2}two +interrupted/);
    const again = await box.svctl("provision", "--again", "one");
    assert.equal(again.code, 4);
    assert.match(again.stderr, /written down, and will be done as soon as/);
  });

  writeFileSync(box.path("go"), "");
  await box.start();
  await box.until("vllm", "RUNNING");
  const lines = box
    .log("provisioning")
    .split("\n")
    .filter((line) => /^\w+$/.test(line));
  assert.deepEqual(lines, ["one", "two", "one", "two", "three"]);
});

test("a script from a URL sets the machine up on first boot: it ends complete, and what it registers runs", async (t) => {
  await using server = await FakeServer.open();
  const script = `#!/bin/bash
echo "hello from $SVCD_SERVICE"
cat > "$SVCD_ROOT/services.d/extra.yaml" <<'EOF'
command: sleep 1006
startsecs: 0s
EOF
`;
  const url = server.on("/setup.sh", { status: 500 }, { body: script, type: "text/plain" });
  const box = boxWith(t, null, { "vllm.yaml": SERVER }, { env: { PROVISIONING_SCRIPT: url } });
  await box.start();
  const follow = box.follow(t, "logs", "-f", "provisioning");
  await box.until("extra", "RUNNING");
  await box.until("vllm", "RUNNING");
  assert.deepEqual(markers(box), [".provisioning_complete"]);
  assert.match(box.log("provisioning"), /HTTP 500[\s\S]*\nhello from provisioning\n[\s\S]*\ncomplete: 1 step in/);
  await box.becomes("who follows the log has read it", () => follow.text.includes("hello from provisioning\n"));
  // A shell that knows nothing of the variable sees what svcd sees.
  const shell = await box.run("env", [
    "-u",
    "PROVISIONING_SCRIPT",
    join(box.bin, "svctl"),
    "--root",
    box.root,
    "provision",
  ]);
  assert.match(shell.stdout, /1 {2}script setup\.sh +done/);

  const gets = server.gets("/setup.sh").length;
  await box.svctl("restart", "provisioning");
  await box.becomes("it has nothing to do", () => /nothing to do: 1 step, done/.test(box.log("provisioning")));
  assert.equal(server.gets("/setup.sh").length, gets);
});

test("a page instead of a script is refused by name, and the gate stays shut", async (t) => {
  await using server = await FakeServer.open();
  const url = server.on("/o/r/blob/main/setup.sh", {
    body: "<!DOCTYPE html><html>…",
    type: "text/html; charset=utf-8",
  });
  const box = boxWith(t, null, { "vllm.yaml": SERVER }, { env: { PROVISIONING_SCRIPT: url } });
  await box.start();
  await box.until("provisioning", "FATAL");
  const { why } = await box.until("vllm", ({ why }) => /FATAL/.test(why));
  assert.match(why, /the server sent a page of HTML instead of the file/);
  assert.equal((await box.status("vllm")).state, "WAITING");
});

test("a file of steps with a mistake stops before the first step, with its place in the status of who waits", async (t) => {
  const box = boxWith(t, "steps:\n  - run: echo one\n  - { downlod: x }\n", { "vllm.yaml": SERVER });
  await box.start();
  await box.until("provisioning", "FATAL");
  const { why } = await box.until("vllm", ({ why }) => /FATAL/.test(why));
  assert.match(why, /10-models\.yaml:3:7: unknown key `downlod`/);
  assert.doesNotMatch(box.log("provisioning"), /^one$/m);
  rmSync(box.path("provisioning.d/10-models.yaml"));
  assert.equal((await box.svctl("provision", "--again")).code, 0);
  await box.until("vllm", "RUNNING");
  assert.ok(existsSync(box.path("state/.provisioning_complete")));
});
