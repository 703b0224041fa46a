/** The terminal UI when things go wrong: svcd goes away and comes back, terminals of all kinds and sizes, one that takes nothing. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { Box, kill } from "./box.ts";
import { noTmux, Tmux } from "./tmux.ts";

const story = { skip: noTmux };
const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";

const SOME = {
  "api.yaml": `${SLEEPS}`,
  "db.yaml": "command: sh -c 'echo db is up; sleep 1000'\nstartsecs: 0s\n",
  "web.yaml": `${SLEEPS}`,
};

test("a core that is replaced costs nothing of where one was: choice, filter and log go on", story, async (t) => {
  const box = await Box.open(t, SOME);
  await box.until("web", "RUNNING");
  const tmux = await Tmux.open(t, box);
  await tmux.shows(/● api/);
  await tmux.press("/");
  await tmux.type("b");
  await tmux.press("Enter", "j");
  await tmux.shows(/─ ● web ─/);
  await tmux.press("k");
  await tmux.shows(/^db is up$/m);
  kill((await box.control.health()).core, "SIGKILL");
  await box.becomes("a new core is there", async () => (await box.control.health()).status === "ok");
  await box.svctl("stop", "web");
  const screen = await tmux.shows(/○ web +STOPPED/);
  assert.match(screen, /\/b$/m);
  assert.match(screen, /─ ● db ─/);
  assert.match(screen, /^db is up$/m);
  assert.doesNotMatch(screen, /db is up\n[\s\S]*db is up/);
});

test("svcd gone altogether is said, and when it is back the screen carries on", story, async (t) => {
  const box = await Box.open(t, SOME);
  await box.until("web", "RUNNING");
  const tmux = await Tmux.open(t, box);
  await tmux.shows(/● api/);
  await tmux.press("j");
  await tmux.shows(/─ ● db ─/);
  box.daemon!.kill("SIGTERM");
  await box.ended();
  await tmux.shows(/reconnecting… \d+s/);
  await tmux.press("s"); // What cannot be done now is said, and not done later.
  await tmux.shows(/svcd cannot be reached now/);
  await box.start();
  await box.until("web", "RUNNING");
  await tmux.shows((screen) => !/reconnecting/.test(screen) && /─ ● db ─/.test(screen) && /3 of 3 up/.test(screen));
});

test("where there is no svcd, or no terminal, it says so and leaves with an error", story, async (t) => {
  const box = Box.prepare(t, SOME);
  const tmux = await Tmux.open(t, box);
  await tmux.shows(/svcd is not running: nobody listens at its socket[\s\S]*left with 4/);
  await box.start();
  const { code, stderr } = await box.svctl("tui");
  assert.equal(code, 1);
  assert.match(stderr, /svctl tui needs a terminal\n +fix: +svctl status/);
  const dumb = await Tmux.open(t, box, { env: { TERM: "dumb" } });
  await dumb.shows(/nothing can be drawn on a terminal of the kind “dumb”[\s\S]*left with 1/);
});

test(
  "the picture follows the size of the terminal; too small is said politely, and larger again is as before",
  story,
  async (t) => {
    const box = await Box.open(t, SOME);
    await box.until("web", "RUNNING");
    const tmux = await Tmux.open(t, box);
    await tmux.shows(/● web/);
    await tmux.press("G");
    await tmux.shows(/─ ● web ─/);
    tmux.resize(250, 80);
    await tmux.shows((screen) => screen.split("\n")[0]!.length > 240 && /│─ ● web ─/.test(screen));
    tmux.resize(60, 15);
    await tmux.shows(/─ ● web ─/);
    tmux.resize(59, 14);
    await tmux.shows(/svctl tui needs 60x15;\n +this terminal has 59x14\./);
    await tmux.press("x", "y"); // Nothing that is not seen is done.
    tmux.resize(80, 24);
    await tmux.shows(/● web +RUNNING[\s\S]*─ ● web ─/);
    assert.equal((await box.status("web")).state, "RUNNING");
  },
);

for (const term of ["xterm", "xterm-256color", "screen", "tmux-256color", "linux", "vt100", "something-new"]) {
  test(`on a terminal of the kind ${term} everything stands in its place`, story, async (t) => {
    const box = await Box.open(t, SOME);
    await box.until("web", "RUNNING");
    const tmux = await Tmux.open(t, box, { env: { TERM: term } });
    await tmux.shows(/● web +RUNNING/);
    await tmux.press("j", "d");
    const screen = await tmux.shows(/history/);
    assert.match(screen, /^ svcd .*\n {2}1 Services/);
    const coloured = /\x1b\[[\d;]*(?:3[0-7]|4[0-7]|38;5|9[0-7])/.test(
      tmux.run("capture-pane", "-p", "-e", "-t", "story"),
    );
    assert.equal(coloured, term !== "vt100");
    await tmux.press("q");
    await tmux.shows(/left with 0/);
  });
}

test("without colours and without Unicode it is as plain as it must be", story, async (t) => {
  const box = await Box.open(t, SOME);
  await box.until("web", "RUNNING");
  const tmux = await Tmux.open(t, box, { env: { NO_COLOR: "1", LC_ALL: "C", LANG: "C" } });
  const screen = await tmux.shows(/\* web +RUNNING/);
  assert.match(screen, /^[\x20-\x7e\n]*$/);
  const cells = tmux.run("capture-pane", "-p", "-e", "-t", "story");
  assert.doesNotMatch(cells, /\x1b\[[\d;]*(?:3[0-7]|4[0-7]|38;5|9[0-7])/);
  await tmux.press("?");
  await tmux.shows(/\+- keys -+\+/);
});

test(
  "a terminal that takes nothing costs svcd nothing, does not make the UI grow, and shows what is so when it takes again",
  story,
  async (t) => {
    const flood =
      "command: sh -c 'i=0; while :; do i=$$((i+1)); echo line $$i of very many that say something or other; done'\nstartsecs: 0s\n";
    const box = await Box.open(t, { "flood.yaml": flood, ...SOME });
    await box.until("flood", "RUNNING");
    // Nobody reads what `script` has to say, so the terminal that it makes is full at once.
    const words = ["-qfc", `stty rows 80 cols 250; exec ${box.bin}/svctl --root ${box.root} tui`, "/dev/null"];
    const env = { ...process.env, TERM: "xterm", LC_ALL: "C.UTF-8" };
    const child = spawn("script", words, { env, stdio: ["pipe", "pipe", "inherit"] });
    t.after(() => child.kill("SIGKILL"));
    let heard = "";
    child.stdout.on("data", (bytes: Buffer) => (heard += bytes.toString("latin1")));
    await box.becomes("it is there", () => heard.includes("flood"));
    child.stdin.write("jj"); // To the log of the flood.
    child.stdout.pause();
    let pid = 0;
    await box.becomes("it runs", () => {
      pid = childOf(child.pid!);
      return pid > 0;
    });
    // The pipe and the terminal fill up; then it does nothing any more.
    let before = -1;
    await box.becomes("it waits", async () => {
      const now = cpuTicks(pid);
      const isStill = now - before <= 2;
      before = now;
      await new Promise((done) => setTimeout(done, 500));
      return isStill;
    });
    const [memory, ticks, core] = [rssKb(pid), cpuTicks(pid), (await box.control.health()).core];
    const coreBefore = cpuTicks(core);
    await new Promise((done) => setTimeout(done, 4_000));
    assert.ok(rssKb(pid) < memory + 8_000, `it grew from ${memory} kB to ${rssKb(pid)} kB`);
    assert.ok(cpuTicks(pid) - ticks < 20, "it draws nothing");
    assert.ok(cpuTicks(core) - coreBefore < 200, "svcd does nothing for it");
    await box.svctl("stop", "web");
    heard = "";
    child.stdout.resume();
    await box.becomes("it shows what is so now", () => heard.includes("STOPPED"));
    child.stdin.write("q");
    await once(child, "exit");
  },
);

function childOf(pid: number): number {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim();
  return Number(text.split(" ")[0] ?? 0);
}

function rssKb(pid: number): number {
  return Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))?.[1]);
}

function cpuTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

test("at rest only differences are drawn: less than 2 kB/s on the wire with fifty services", story, async (t) => {
  const fifty = Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`s${index}.yaml`, SLEEPS]));
  const box = await Box.open(t, fifty);
  await box.allBecome(50, ({ state }) => state === "RUNNING");
  const words = ["-qfc", `stty rows 24 cols 80; exec ${box.bin}/svctl --root ${box.root} tui`, "/dev/null"];
  const child = spawn("script", words, {
    env: { ...process.env, TERM: "xterm-256color", LC_ALL: "C.UTF-8" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(() => child.kill("SIGKILL"));
  let bytes = 0;
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    text += chunk.toString("latin1");
  });
  await box.becomes("it is there", () => text.includes("RUNNING"));
  await new Promise((done) => setTimeout(done, 4_000));
  const before = bytes;
  await new Promise((done) => setTimeout(done, 5_000));
  assert.ok((bytes - before) / 5 < 2_000, `${(bytes - before) / 5} B/s`);
});
