/** Whole runs of the program, with whatever may cut them off. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { FakeServer } from "./fake-server.ts";
import type { Report } from "./report.ts";

const PROGRAM = join(import.meta.dirname, "main.ts");

class Machine {
  readonly root = mkdtempSync(join(tmpdir(), "svcd-provision-"));
  env: Record<string, string> = {};
  #children: ChildProcess[] = [];

  constructor(t: TestContext, files: Record<string, string> = {}) {
    t.after(() => {
      for (const child of this.#children) child.kill("SIGKILL");
      rmSync(this.root, { recursive: true, force: true });
    });
    mkdirSync(join(this.root, "provisioning.d"));
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.root, "provisioning.d", name), text, { mode: 0o644 });
  }

  file(...parts: string[]): string {
    const path = join(this.root, ...parts);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  begin(args: readonly string[] = [], around: readonly string[] = []) {
    const argv = [...around, process.execPath, PROGRAM, "--root", this.root, ...args];
    const child = spawn(argv[0]!, argv.slice(1), {
      env: { PATH: process.env["PATH"], HOME: this.root, ...this.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#children.push(child);
    const heard = { child, text: "", ended: Promise.resolve<number | string>(0) };
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.setEncoding("utf8").on("data", (text: string) => (heard.text += text));
    }
    heard.ended = new Promise((done) => child.once("close", (code, signal) => done(code ?? signal ?? "")));
    return heard;
  }

  async run(...args: string[]): Promise<{ status: number | string; text: string }> {
    const heard = this.begin(args);
    const status = await heard.ended;
    return { status, text: heard.text };
  }

  async report(): Promise<Report> {
    return JSON.parse((await this.run("show", "--json")).text) as Report;
  }

  async states(): Promise<string> {
    return (await this.report()).steps.map(({ state }) => state).join(" ");
  }

  marker(): string {
    const there = ["", "_complete", "_failed"].filter((end) =>
      existsSync(join(this.root, `state/.provisioning${end}`)),
    );
    return there.map((end) => end || "running").join();
  }
}

async function until(what: string, isSo: () => boolean, saw: () => string = () => ""): Promise<void> {
  const end = performance.now() + 20_000;
  while (!isSo()) {
    if (performance.now() > end) assert.fail(`it did not become so: ${what}\n${saw()}`);
    await new Promise((again) => setTimeout(again, 5));
  }
}

const SAYS = (name: string): string => `  - { name: ${name}, run: 'echo +${name}' }\n`;

test("help works, and the dry run of a fixture plans exactly three downloads and does nothing", async (t) => {
  const machine = new Machine(t, {
    "models.yaml": `steps:
  - { download: "https://h/a.safetensors", to: "\${WORKSPACE:-/workspace}/models/" }
  - { download: "https://h/b.safetensors", to: models/b, sha256: ${"0".repeat(64)} }
  - { download: "https://user:hunter22@h/c.safetensors", to: models/c }
  - { download: "https://h/d", to: models/d, when: { env: NOT_SET } }
  - apt: ffmpeg\n`,
  });
  const help = await machine.run("--help");
  assert.equal(help.status, 0);
  assert.match(help.text, /usage: svcd-provision/);
  const { status, text } = await machine.run("dry-run");
  assert.equal(status, 0);
  assert.match(text, /1\. run {3}download a\.safetensors: https:\/\/h\/a\.safetensors → \/workspace\/models\//);
  assert.match(text, /4\. skip .*NOT_SET is not set/);
  assert.match(text, /4 of 5 steps would run: 3 downloads, 1 apt$/m);
  assert.doesNotMatch(text, /hunter22/);
  const { steps } = JSON.parse((await machine.run("dry-run", "--json")).text) as Report;
  assert.equal(steps.filter(({ kind, next }) => kind === "download" && next === "run").length, 3);
  assert.equal(existsSync(join(machine.root, "state")), false);
});

test("a run does every step once, the next one nothing", async (t) => {
  const machine = new Machine(t, { "a.yaml": `steps:\n${SAYS("one")}${SAYS("two")}` });
  const first = await machine.run();
  assert.equal(first.status, 0);
  assert.match(first.text, /^\[1\/2\] one: begins\n\+one\n\[1\/2\] one: done, .*\n\[2\/2\] two: begins\n\+two\n/);
  assert.match(first.text, /\ncomplete: 2 steps in .*\n$/);
  assert.equal(machine.marker(), "_complete");
  assert.equal(await machine.states(), "done done");
  assert.equal((await machine.run()).text, "nothing to do: 2 steps, done or not wanted here\n");
  machine.write("a.yaml", `steps:\n${SAYS("one")}${SAYS("two").replace("+", "=")}`);
  const { text } = await machine.run();
  assert.match(text, /one: skipped \(done before\)\n\[2\/2\] two: begins \(changed\)\n=two/);
});

test("a failed run is gone on with from the step that failed, once that is mended", async (t) => {
  const bad = "  - { name: two, run: 'false' }\n";
  const machine = new Machine(t, { "a.yaml": `steps:\n${SAYS("one")}${bad}${SAYS("three")}` });
  const failed = await machine.run();
  assert.equal(failed.status, 1);
  assert.match(failed.text, /\nfailed: step 2 of 3 \(two\): false exited with 1\n$/);
  assert.equal(machine.marker(), "_failed");
  assert.equal(await machine.states(), "done failed pending");
  const { state, cause } = await machine.report();
  assert.deepEqual([state, cause], ["failed", "step 2 of 3 (two): false exited with 1"]);
  machine.write("a.yaml", `steps:\n${SAYS("one")}${SAYS("two")}${SAYS("three")}`);
  const { status, text } = await machine.run();
  assert.equal(status, 0);
  assert.doesNotMatch(text, /^\+one$/m);
  assert.match(text, /\+two\n[\s\S]*\+three\n/);
  assert.equal(machine.marker(), "_complete");
});

test("a step that may fail is gone on without, and tried again the next time", async (t) => {
  const optional = "  - { name: two, run: 'test -e two', on_failure: continue }\n";
  const machine = new Machine(t, { "a.yaml": `steps:\n${SAYS("one")}${optional}${SAYS("three")}` });
  const { status, text } = await machine.run();
  assert.equal(status, 0);
  assert.match(
    text,
    /goes on without it[\s\S]*\+three[\s\S]*complete: 3 steps in .*, 1 failed and are gone on without\n$/,
  );
  writeFileSync(join(machine.root, "two"), "");
  const again = await machine.run();
  assert.match(again.text, /two: done/);
  assert.doesNotMatch(again.text, /\+three/);
});

test("killed in the middle of a download, the next run fetches the rest; half a file is never at its place", async (t) => {
  await using server = await FakeServer.open();
  const body = randomBytes(3_000_000);
  const url = server.on("/m.bin", { body, etag: '"1"', stallsAfter: 1_000_000 }, { body, etag: '"1"' });
  const machine = new Machine(t, { "a.yaml": `steps:\n${SAYS("one")}  - { download: "${url}", to: m.bin }\n` });
  const first = machine.begin();
  const part = (): string => globSync(`${machine.root}/.svcd-*.part`)[0] ?? "";
  await until(
    "a third is here",
    () => part() !== "" && readFileSync(part()).length >= 1_000_000,
    () => first.text,
  );
  assert.equal(machine.marker(), "running");
  const live = await machine.report();
  assert.equal(live.state, "running");
  assert.equal(live.steps[1]?.state, "running");
  first.child.kill("SIGKILL");
  await first.ended;
  assert.equal(existsSync(join(machine.root, "m.bin")), false);
  assert.equal((await machine.report()).state, "interrupted");
  const second = await machine.run();
  assert.equal(second.status, 0, second.text);
  assert.match(second.text, /one: skipped \(done before\)\n\[2\/2\] download m\.bin: begins \(interrupted\)/);
  assert.match(second.text, /\[2\/2\] download m\.bin {2}\d+ % {2}\d\.\d MB of 3\.0 MB/);
  assert.equal(server.gets("/m.bin")[1]?.range, "bytes=1000000-");
  assert.deepEqual(readFileSync(join(machine.root, "m.bin")), body);
  assert.equal(part(), "");
});

test("killed or asked to end in the middle of a command, the next run does that one again and none before", async (t) => {
  const machine = new Machine(t, {
    "a.yaml": `steps:\n${SAYS("one")}  - { name: two, run: "echo up; test -e go || exec sleep 1004", shell: true }\n`,
  });
  for (const [signal, status] of [
    ["SIGKILL", "SIGKILL"],
    ["SIGTERM", 143],
  ] as const) {
    const run = machine.begin();
    await until(
      "it is up",
      () => /^up$/m.test(run.text),
      () => run.text,
    );
    run.child.kill(signal);
    assert.equal(await run.ended, status, run.text);
    if (signal === "SIGTERM") assert.match(run.text, /interrupted: the next run goes on from here\n$/);
    assert.equal(await machine.states(), "done interrupted");
  }
  writeFileSync(join(machine.root, "go"), "");
  const { status, text } = await machine.run();
  assert.equal(status, 0);
  assert.match(text, /two: begins \(interrupted\)\nup\n/);
  assert.doesNotMatch(text, /\+one/);
});

test("killed at whatever moments, it comes to the same end, and nobody ever sees half a file", async (t) => {
  await using server = await FakeServer.open();
  const bodies = [1, 2, 3].map((n) => randomBytes(n * 400_000));
  const urls = bodies.map((body, n) =>
    server.on(`/m${n}`, { body, etag: `"${n}"`, cutAfter: 250_000 }, { body, etag: `"${n}"` }),
  );
  const machine = new Machine(t, {
    "a.yaml": `steps:
${urls.map((url, n) => `  - { download: "${url}", to: "m${n}", retry_delay: 10ms }\n  - { name: run ${n}, run: "sleep 0.1; echo ${n} >> order", shell: true }`).join("\n")}\n`,
  });
  let seed = 20_261_125;
  for (let kills = 0; kills < 15; kills++) {
    const run = machine.begin();
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    await new Promise((moment) => setTimeout(moment, 150 + (seed % 500)));
    run.child.kill("SIGKILL");
    await run.ended;
    for (const [n, body] of bodies.entries()) {
      const path = join(machine.root, `m${n}`);
      if (existsSync(path)) assert.deepEqual(readFileSync(path), body);
    }
  }
  const last = await machine.run();
  assert.equal(last.status, 0, last.text);
  assert.equal(await machine.states(), "done done done done done done");
  for (const [n, body] of bodies.entries()) assert.deepEqual(readFileSync(join(machine.root, `m${n}`)), body);
  // Each command has run, in order; one that was cut off ran again.
  const order = machine.file("order").trim().split("\n");
  assert.deepEqual([...new Set(order)], ["0", "1", "2"]);
  assert.deepEqual(order, [...order].sort());
  assert.deepEqual(globSync(`${machine.root}/.svcd-*`), []);
});

test("a mistake in any file costs nothing: no step is begun, and its place is the last word", async (t) => {
  const machine = new Machine(t, { "a.yaml": `steps:\n${SAYS("one")}`, "b.yaml": "steps:\n  - { dowload: x }\n" });
  const { status, text } = await machine.run();
  assert.equal(status, 78);
  assert.doesNotMatch(text, /\+one/);
  assert.match(text, /fix: did you mean `download`\?\nfailed: .*b\.yaml:2:7: unknown key `dowload`.*\n$/);
  assert.equal(machine.marker(), "_failed");
  assert.equal((await machine.report()).state, "mistakes");
});

test("as root nothing is run that others may write", { skip: process.getuid?.() !== 0 }, async (t) => {
  const machine = new Machine(t, { "a.yaml": `steps:\n${SAYS("one")}` });
  spawnSync("chmod", ["o+w", join(machine.root, "provisioning.d/a.yaml")]);
  const { status, text } = await machine.run();
  assert.equal(status, 78);
  assert.match(text, /others than root may write it/);
});

test("a step can be done again from a name on, and a wish is heard once", async (t) => {
  const machine = new Machine(t, { "a.yaml": `steps:\n${SAYS("one")}${SAYS("two")}${SAYS("three")}` });
  await machine.run();
  assert.equal((await machine.run("again", "two")).status, 0);
  assert.equal(await machine.states(), "done done done");
  const { text } = await machine.run();
  assert.match(text, /one: skipped[\s\S]*\+two[\s\S]*\+three/);
  assert.match((await machine.run()).text, /^nothing to do/);
  await machine.run("again", "all");
  assert.match((await machine.run()).text, /\+one[\s\S]*\+two/);
  const unknown = await machine.run("again", "tow");
  assert.equal(unknown.status, 2);
  assert.match(unknown.text, /there is no step tow\n {2}fix: {3}did you mean `two`\?/);
});

test("a script runs on first boot only; when its content changes it runs when that is asked for", async (t) => {
  await using server = await FakeServer.open();
  const machine = new Machine(t);
  const url = server.on("/setup.sh", { body: "echo version one" });
  machine.env = { PROVISIONING_SCRIPT: url };
  assert.match((await machine.run()).text, /\[1\/1\] script setup\.sh: begins\n.*\nversion one\n/);
  server.on("/setup.sh", { body: "echo version two" });
  const asked = server.asked.length;
  assert.match((await machine.run()).text, /^nothing to do/);
  assert.equal(server.asked.length, asked, "nobody is asked for what is done");
  await machine.run("again");
  assert.match((await machine.run()).text, /\nversion two\n/);
  await machine.run("again");
  const same = await machine.run();
  assert.match(same.text, /nothing to do.*its content is as it was/);
  assert.doesNotMatch(same.text, /^version/m);
  machine.env["PROVISIONING_AGAIN"] = "changed";
  server.on("/setup.sh", { body: "echo version three" });
  assert.match((await machine.run()).text, /\nversion three\n/);
});

test("a torn or foreign file of states costs work and nothing else", async (t) => {
  const machine = new Machine(t, { "a.yaml": `steps:\n${SAYS("one")}${SAYS("two")}` });
  await machine.run();
  const path = join(machine.root, "state/provisioning/steps.json");
  for (const text of [readFileSync(path, "utf8").slice(0, 100), "", "[]", "\0\0\0"]) {
    writeFileSync(path, text);
    const { status, text: said } = await machine.run();
    assert.equal(status, 0);
    assert.match(said, /is not as it was written/);
    assert.match(said, /\+one[\s\S]*\+two/);
    assert.match((await machine.run()).text, /^nothing to do/);
  }
  assert.equal(machine.file("state/provisioning/steps.json.bad"), "\0\0\0");
});

test("two runs at a time there are not", async (t) => {
  const machine = new Machine(t, { "a.yaml": `steps:\n  - { run: "echo up; exec sleep 1005", shell: true }\n` });
  const first = machine.begin();
  await until("it is up", () => /^up$/m.test(first.text));
  const { status, text } = await machine.run();
  assert.equal(status, 75);
  assert.match(text, new RegExp(`^failed: provisioning runs already, as pid ${first.child.pid}\n$`));
});

test("no secret is in the output, the report or the state", async (t) => {
  await using server = await FakeServer.open();
  const { host } = new URL(server.origin);
  const machine = new Machine(t, {
    "a.yaml": `environment: { DB_PASSWORD: swordfish1 }
steps:
  - { run: 'echo \${HF_TOKEN} \${DB_PASSWORD}' }
  - { download: "http://me:hunter22@${host}/none?token=tokentoken1", to: x, headers: { Authorization: "Bearer \${KEY}" } }\n`,
  });
  machine.env = { HF_TOKEN: "hf_secret123", KEY: "sk-key-value" };
  const { text } = await machine.run();
  assert.match(text, /^\(hidden\) \(hidden\)$/m);
  assert.match(text, /failed: step 2 of 2 \(download x\): HTTP 404/);
  assert.equal(server.gets("/none?token=tokentoken1").length, 1);
  const all = [
    text,
    (await machine.run("show")).text,
    (await machine.run("show", "--json")).text,
    (await machine.run("dry-run")).text,
  ];
  for (const path of globSync(`${machine.root}/state/**/*`, { withFileTypes: true })) {
    if (path.isFile()) all.push(readFileSync(join(path.parentPath, path.name), "utf8"));
  }
  for (const shown of all) assert.doesNotMatch(shown, /hunter22|tokentoken1|hf_secret123|swordfish1|sk-key-value/);
});

test("downloads that do not fit together are told before the first step", async (t) => {
  await using server = await FakeServer.open();
  const machine = new Machine(t);
  const huge = { headers: { "content-length": String(9e14) } };
  const [a, b] = [server.on("/a", { body: "small" }), server.on("/b", huge)];
  machine.write("a.yaml", `steps:\n${SAYS("one")}  - { download: "${a}", to: a }\n  - { download: "${b}", to: b }\n`);
  const { status, text } = await machine.run();
  assert.equal(status, 1);
  assert.doesNotMatch(text, /\+one/);
  assert.match(text, /failed: step 3 of 3 \(download b\): the disk is too small: .*900 TB.* are free there\n$/);
  assert.equal(server.gets("/a").length, 0);
});

test("a real disk that fills up is told; with room the run goes on where it was", {
  skip: process.getuid?.() !== 0,
}, async (t) => {
  await using server = await FakeServer.open();
  const body = randomBytes(24_000_000);
  const machine = new Machine(t);
  // No length is announced, so nobody can say beforehand that it does not fit.
  const url = server.on("/m", { body, etag: '"1"', chunked: true });
  mkdirSync(join(machine.root, "small"));
  machine.write("a.yaml", `steps:\n${SAYS("one")}  - { download: "${url}", to: small/m, tries: 1 }\n`);
  const small = join(machine.root, "small");
  const script = `mount -t tmpfs -o size=20m none ${small} && "$@"; s=$?; ls -a ${small}; mount -o remount,size=80m ${small}; "$@"; cmp ${small}/m ${machine.root}/expected && exit $s`;
  writeFileSync(join(machine.root, "expected"), body);
  const run = machine.begin([], ["unshare", "--mount", "sh", "-c", script, "sh"]);
  const status = await run.ended;
  if (/unshare failed|permission denied/i.test(run.text)) return t.skip("no mounts here");
  assert.equal(status, 1, run.text);
  assert.match(run.text, /failed: step 2 of 2 \(download m\): the disk that holds .*\.part is full \(.* are free\)\n/);
  assert.match(run.text, /download m: done, 24 MB/);
  assert.match(server.gets("/m")[1]?.range ?? "", /^bytes=\d{8}-$/);
});

test("a state directory that takes nothing costs the memory of what is done, and not the work", async (t) => {
  const machine = new Machine(t, { "a.yaml": `steps:\n${SAYS("one")}${SAYS("two")}` });
  mkdirSync(join(machine.root, "state/provisioning/steps.json.next"), { recursive: true });
  const { status, text } = await machine.run();
  assert.equal(status, 0, text);
  assert.match(text, /cannot keep how far it is[\s\S]*\+one[\s\S]*\+two[\s\S]*complete/);
});
