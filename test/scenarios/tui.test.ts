/**
 * The terminal UI as a person uses it: the real `svctl tui` in a real tmux, on a real svcd. Every key of the table is pressed here or
 * in `tui-log.test.ts`; what must hold when things go wrong is in `tui-trouble.test.ts`.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { Box } from "./box.ts";
import { noTmux, Tmux } from "./tmux.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";
const story = { skip: noTmux };

const THREE = {
  "api.yaml": `description: the API\n${SLEEPS}depends_on: { db: started }\n`,
  "db.yaml": `description: a database\n${SLEEPS}environment: { DB_PASSWORD: hunter2, DB_PORT: "5432" }\n`,
  "idle.yaml": `${SLEEPS}autostart: false\n`,
};

test("the services stand in a list with state, time and memory, and the machine above them", story, async (t) => {
  const box = await Box.open(t, THREE);
  await box.until("api", "RUNNING");
  const tmux = await Tmux.open(t, box);
  const screen = await tmux.shows(/● api +RUNNING +\d+s.*[KM] +\d+/);
  assert.match(screen, /^ svcd {3}\S+ {2}load [\d.]+ [\d.]+ [\d.]+ {2}mem /);
  assert.match(screen, /1 Services {2}2 Jobs {2}3 Logs {2}4 GPUs\+Machine {2}5 Events {2}6 Tunnels +2 of 3 up/);
  assert.match(screen, /○ idle +STOPPED +\d+s autostart is off, never ran/);
  assert.match(screen, /s start {2}x stop {2}r restart {2}l log .* : all {2}\? help {2}q leave/);
  assert.match(screen, /all well$/m);
});

test("x asks first, says who needs it, and Enter cancels; y stops it, s starts it again", story, async (t) => {
  const box = await Box.open(t, THREE);
  await box.until("api", "RUNNING");
  const tmux = await Tmux.open(t, box);
  await tmux.shows(/● api/);
  await tmux.press("j", "x");
  await tmux.shows(/Stop db\?/);
  await tmux.shows(/api needs it and goes on running, without it/);
  await tmux.press("Enter");
  await tmux.loses(/Stop db\?/);
  assert.equal((await box.status("db")).state, "RUNNING");
  await tmux.press("x", "y");
  await tmux.shows(/○ db +STOPPED/);
  assert.equal((await box.status("db")).state, "STOPPED");
  assert.equal((await box.status("api")).state, "RUNNING");
  await tmux.press("s");
  await tmux.shows(/● db +RUNNING/);
  await tmux.press("x", "Tab", "Enter");
  await tmux.shows(/○ db +STOPPED/);
});

test(
  "capitals are the hard way: X kills and it stays down, R kills and starts again, S starts what is disabled",
  story,
  async (t) => {
    const stubborn =
      "command: sh -c 'trap \"\" TERM; echo up; while :; do sleep 1; done'\nstartsecs: 0s\nstop_grace_period: 1h\n";
    const box = await Box.open(t, { "mule.yaml": stubborn });
    const tmux = await Tmux.open(t, box);
    const first = await box.pid("mule");
    await tmux.shows(/● mule +RUNNING/);
    await tmux.press("R");
    await tmux.shows(/Kill and restart mule\?/);
    await tmux.press("y");
    const second = (await box.until("mule", ({ pid, state }) => pid !== null && pid !== first && state === "RUNNING"))
      .pid;
    assert.notEqual(second, first);
    await tmux.shows(/● mule +RUNNING/);
    await tmux.press("X");
    await tmux.shows(/Kill mule\?/);
    await tmux.press("y");
    await tmux.shows(/○ mule +STOPPED/);
    await tmux.press("E");
    await tmux.shows(/Disable mule\?/);
    await tmux.press("y");
    await box.until("mule", ({ enabled }) => !enabled);
    await tmux.press("S");
    await box.until("mule", ({ enabled, state }) => enabled && state === "RUNNING");
  },
);

test("K sends a signal from a list, u reloads, r restarts", story, async (t) => {
  const box = await Box.open(t, {
    "web.yaml":
      'command: sh -c \'trap "echo got usr1" USR1; trap "echo got hup" HUP; echo up; while :; do sleep 0.05; done\'\nstartsecs: 0s\nreload_signal: HUP\n',
  });
  const tmux = await Tmux.open(t, box);
  await tmux.shows(/● web +RUNNING/);
  await tmux.shows(/^up$/m);
  await tmux.press("K");
  await tmux.shows(/TERM +asks it to end/);
  await tmux.press("j", "j", "j", "j", "Enter");
  await tmux.shows(/^got usr1$/m);
  await tmux.press("u");
  await tmux.shows(/^got hup$/m);
  const before = await box.status("web");
  await tmux.press("r");
  await box.until("web", ({ run, state }) => run > before.run && state === "RUNNING");
});

test("Space marks several, and an action goes to all of them", story, async (t) => {
  const box = await Box.open(t, THREE);
  await box.until("api", "RUNNING");
  const tmux = await Tmux.open(t, box);
  await tmux.shows(/● api/);
  await tmux.press("Space", "Space");
  await tmux.shows(/2 marked/);
  await tmux.press("x");
  const screen = await tmux.shows(/Stop api and db\?/);
  assert.match(screen, /These: api, db\./);
  await tmux.press("y");
  await tmux.shows(/0 of 3 up/);
  await tmux.press("*");
  await tmux.shows(/3 marked/);
  await tmux.press("Escape");
  await tmux.loses(/marked/);
});

test("/ filters at once; ! and state: work, the choice stays on its item, Esc brings all back", story, async (t) => {
  const box = await Box.open(t, THREE);
  await box.until("api", "RUNNING");
  const tmux = await Tmux.open(t, box);
  await tmux.shows(/● api/);
  await tmux.press("j", "/");
  await tmux.type("state:run");
  await tmux.loses(/idle/);
  await tmux.press("Enter");
  await tmux.shows(/─ ● db ─/);
  await tmux.press("/");
  await tmux.type(" !api");
  await tmux.loses(/● api/);
  await tmux.press("Escape");
  await tmux.shows((screen) => /● api/.test(screen) && /○ idle/.test(screen) && /─ ● db ─/.test(screen));
});

test("j k, arrows, G, Home and pages move; the wheel scrolls what is under it, a click chooses", story, async (t) => {
  const many = Object.fromEntries(
    Array.from({ length: 30 }, (_, index) => [
      `s${String(index + 1).padStart(2, "0")}.yaml`,
      `${SLEEPS}autostart: false\n`,
    ]),
  );
  const box = await Box.open(t, many);
  const tmux = await Tmux.open(t, box);
  await tmux.shows(/─ ○ s01 ─/);
  await tmux.press("j", "Down", "k");
  await tmux.shows(/─ ○ s02 ─/);
  await tmux.press("G");
  await tmux.shows(/─ ○ s30 ─/);
  await tmux.press("Home");
  await tmux.shows(/─ ○ s01 ─/);
  await tmux.press("PageDown");
  await tmux.shows(/─ ○ s12 ─/);
  await tmux.press("Home");
  // Button 65 is the wheel, 0 the left one; the list begins in row 4.
  await tmux.sendBytes("\x1b[<65;10;6M");
  await tmux.shows(/─ ○ s04 ─/);
  await tmux.sendBytes("\x1b[<0;10;5M\x1b[<0;10;5m");
  await tmux.shows(/─ ○ s02 ─/);
  await tmux.sendBytes("\x1b[<0;3;2M\x1b[<0;3;2m", "\x1b[<0;16;2M\x1b[<0;16;2m");
  await tmux.shows(/no jobs yet/);
});

test("a sequence that comes in pieces, as over a slow line, is still one key", story, async (t) => {
  const box = await Box.open(t, THREE);
  const tmux = await Tmux.open(t, box);
  await tmux.shows(/─ ● api ─/);
  await tmux.sendBytes("\x1b[", "B");
  await tmux.shows(/─ ● db ─/);
});

test("N C U A sort, the title shows it, a second time turns it round", story, async (t) => {
  const box = await Box.open(t, THREE);
  await box.until("api", "RUNNING");
  const tmux = await Tmux.open(t, box);
  const order = (screen: string): string[] =>
    [...screen.matchAll(/^.[●○]? ?([a-z]+) +(?:RUNNING|STOPPED)/gm)].map(([, name]) => name!);
  await tmux.shows((screen) => order(screen).join() === "api,db,idle");
  await tmux.press("N");
  await tmux.shows((screen) => /NAME▲/.test(screen) && order(screen).join() === "idle,db,api");
  await tmux.press("A");
  await tmux.shows((screen) => /STATE▼/.test(screen) && order(screen).at(-1) === "idle");
  await tmux.press("B", "C", "F", "U");
  await tmux.shows(/▼FOR/);
});

test("d says why with history and masked environment, y the configuration, g the tree", story, async (t) => {
  const box = await Box.open(t, THREE);
  await box.until("api", "RUNNING");
  const tmux = await Tmux.open(t, box, { columns: 110, rows: 50 });
  await tmux.shows(/● api/);
  await tmux.press("j", "d");
  const why = await tmux.shows((screen) => /needed by +api/.test(screen) && /history/.test(screen));
  assert.match(why, /state +RUNNING for/);
  assert.match(why, /\d\d:\d\d:\d\d ● RUNNING/);
  assert.match(why, /DB_PORT +5432/);
  assert.match(why, /DB_PASSWORD +\(hidden\)/);
  assert.doesNotMatch(why, /hunter2/);
  await tmux.press("y");
  await tmux.shows(/text: sleep 1000/);
  await tmux.press("g");
  await tmux.shows(/needed by\n +└─ ● api {2}RUNNING/);
  await tmux.press("k");
  await tmux.shows(/needs\n +└─ ● db {2}RUNNING {2}started/);
  await tmux.press("Tab", "j", "Escape", "Escape");
  await tmux.shows(/─ ● api ─+ log {2}d why/);
});

test(": does every action by its name, and goes to a service; ? shows the keys that count here", story, async (t) => {
  const box = await Box.open(t, THREE);
  await box.until("api", "RUNNING");
  const tmux = await Tmux.open(t, box);
  await tmux.shows(/● api/);
  await tmux.press(":");
  await tmux.type("idle");
  await tmux.press("Enter");
  await tmux.shows(/─ ○ idle ─/);
  await tmux.press(":");
  await tmux.type("start");
  await tmux.press("Enter");
  await tmux.shows(/● idle +RUNNING/);
  await tmux.press("?");
  const help = await tmux.shows(/─ keys ─/);
  assert.match(help, /s F7 +start/);
  assert.match(help, /x F9 +stop; it stays down/);
  await tmux.press("Escape", "3", "?");
  await tmux.shows(/w F6 +wrap long lines/);
});

test("jobs: run now, end, pause and resume; the lane, the runs, and a run's output", story, async (t) => {
  const box = Box.prepare(t, { "web.yaml": SLEEPS });
  mkdirSync(box.path("cron.d"));
  writeFileSync(box.path("cron.d/backup.yaml"), "schedule: '0 4 * * *'\ncommand: sh -c 'echo saved; exit 0'\n");
  writeFileSync(box.path("cron.d/long.yaml"), "schedule: '0 5 * * *'\ncommand: sh -c 'echo begins; sleep 1000'\n");
  await box.start();
  const tmux = await Tmux.open(t, box, { columns: 100 });
  await tmux.press("2");
  await tmux.shows(/○ backup +\S+( \d\d:\d\d)? in \d+[hm]/);
  await tmux.press("s");
  await tmux.shows(/backup .* ok \d+s ago +▪/);
  await tmux.shows(/▪ run 1 .* success +took/);
  await tmux.press("l");
  await tmux.shows(/^saved/m);
  await tmux.press("Escape", "p");
  await tmux.shows(/‖ backup +paused/);
  await tmux.press("p");
  await tmux.loses(/paused/);
  await tmux.press("j", "s");
  await tmux.shows(/● long +runs \d+s/);
  await tmux.shows(/● run 1 +runs/);
  await tmux.press("x");
  await tmux.shows(/End what runs of long\?/);
  await tmux.press("y");
  await tmux.shows(/long .* killed/);
  await tmux.press("d");
  await tmux.shows(/last lines of run 1/);
  await tmux.press("y");
  await tmux.shows(/^ name: long$/m);
});

test("3 merges the logs of all, 4 shows the machine, 5 what happened, 6 the doors", story, async (t) => {
  const box = await Box.open(t, {
    "a.yaml": "command: sh -c 'echo from a; sleep 1000'\nstartsecs: 0s\n",
    "b.yaml": `command: python3 -u -m http.server 0 --bind 127.0.0.1\nstartsecs: 0s\nhealthcheck: { tcp: "127.0.0.1:9" , start_period: 1h }\n`,
  });
  await box.until("a", "RUNNING");
  const tmux = await Tmux.open(t, box);
  await tmux.press("3");
  await tmux.shows(/^a +│ from a$/m);
  await tmux.press("4");
  const machine = await tmux.shows(/memory +[█░]+ +[\d.]+%/);
  assert.match(machine, /GPUs/);
  assert.match(machine, /disk \//);
  await tmux.press("5");
  await tmux.shows(/a +→ RUNNING: up/);
  await tmux.press("/");
  await tmux.type("b");
  await tmux.press("Enter", "Enter");
  await tmux.shows(/─ ◐ b ─/);
  await tmux.press("6");
  await tmux.shows(/b +9 {2}none: on this machine only/);
  await tmux.press("1");
  await tmux.shows(/◐ b +STARTING/);
});

test(
  "e edits a copy: mistakes are shown in place, what would change before it is, and only then it is applied",
  story,
  async (t) => {
    const box = await Box.open(t, { "web.yaml": `description: before\n${SLEEPS}` });
    await box.until("web", "RUNNING");
    // An editor that does what the story has put into a file.
    writeFileSync(box.path("editor"), `#!/bin/sh\ncp ${box.root}/text "$1"\n`);
    chmodSync(box.path("editor"), 0o755);
    const tmux = await Tmux.open(t, box, { env: { EDITOR: box.path("editor") } });
    await tmux.shows(/● web/);
    writeFileSync(box.path("text"), "comand: sleep 1\n");
    await tmux.press("e");
    await tmux.shows(/1:1 .*unknown key `comand`/);
    assert.equal(box.file("services.d/web.yaml"), `description: before\n${SLEEPS}`);

    writeFileSync(box.path("text"), `description: after\ncommand: sleep 2000\nstartsecs: 0s\n`);
    await tmux.press("Enter"); // Back to the editor: that is the button which is chosen.
    const review = await tmux.shows(/~ web {2}is restarted/);
    assert.match(review, /command: .*sleep 1000.* → .*sleep 2000/);
    assert.equal(box.file("services.d/web.yaml"), `description: before\n${SLEEPS}`);
    const { run } = await box.status("web");
    await tmux.press("a");
    await tmux.shows(/web: applied/);
    assert.match(readFileSync(box.path("services.d/web.yaml"), "utf8"), /sleep 2000/);
    await box.until("web", (status) => status.run > run && status.state === "RUNNING");

    writeFileSync(box.path("text"), `description: third\n${SLEEPS}`);
    await tmux.press("e");
    await tmux.shows(/Discard/);
    await tmux.press("Escape");
    await tmux.shows(/nothing was changed/);
    assert.match(box.file("services.d/web.yaml"), /after/);
  },
);

test(
  "T changes the colours, M the mouse, z and + and - the room, Tab the focus, Ctrl-l draws anew",
  story,
  async (t) => {
    const box = await Box.open(t, THREE);
    const tmux = await Tmux.open(t, box);
    await tmux.shows(/● api/);
    await tmux.press("T");
    await tmux.shows(/theme: light/);
    await tmux.press("M");
    await tmux.shows(/mouse off: the terminal selects text/);
    assert.equal(tmux.run("display-message", "-p", "-t", "story", "#{mouse_any_flag}").trim(), "0");
    await tmux.press("M");
    await tmux.shows(/mouse on/);
    assert.equal(tmux.run("display-message", "-p", "-t", "story", "#{mouse_any_flag}").trim(), "1");
    const row = (screen: string): number => screen.split("\n").findIndex((line) => /─ ● api /.test(line));
    const before = row(await tmux.shows(/─ ● api ─/));
    await tmux.press("+");
    await tmux.shows((screen) => row(screen) === before + 1);
    await tmux.press("-", "z");
    await tmux.shows((screen) => row(screen) === 2);
    await tmux.press("z", "C-l", "Tab");
    await tmux.shows(/Esc back/);
    await tmux.press("Tab");
    await tmux.shows(/s start/);
    await tmux.press("!");
    await tmux.shows(/no problems/);
  },
);

test("keys and theme of one's own stand in tui.yaml; its mistakes are told with line and column", story, async (t) => {
  const box = await Box.open(t, THREE);
  mkdirSync(box.path(".config/svcd"), { recursive: true });
  writeFileSync(box.path(".config/svcd/tui.yaml"), "theme: light\nkeys:\n  services.tree: Z\n  services.stpo: q\n");
  const tmux = await Tmux.open(t, box, { columns: 120 });
  await tmux.shows(/tui\.yaml:4:3: there is no action `services\.stpo`; did you mean `services\.stop`\?/);
  await tmux.shows(/● api/);
  await tmux.press("Z");
  await tmux.shows(/needed by/);
});

test("q leaves, says that services stay, and the terminal is as it was", story, async (t) => {
  const box = await Box.open(t, THREE);
  const tmux = await Tmux.open(t, box, { command: `echo before; ${`${box.bin}/svctl`} --root ${box.root} tui` });
  await tmux.shows(/● api/);
  await tmux.press("Escape", "Escape", "q");
  const screen = await tmux.shows(/left with 0/);
  assert.match(screen, /^before\nServices go on\. svctl status shows them; svctl tui comes back\.\nleft with 0/);
  assert.equal(
    tmux.run("display-message", "-p", "-t", "story", "#{mouse_any_flag} #{cursor_flag} #{alternate_on}").trim(),
    "0 1 0",
  );
  assert.equal((await box.status("api")).state, "RUNNING");
});
