/** A log in the terminal UI: following, searching, runs and times, copying; and what programs print, whatever it is. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { Box } from "./box.ts";
import { noTmux, Tmux } from "./tmux.ts";

const story = { skip: noTmux };

/** A service that prints, byte for byte, what the story says. */
async function echoing(t: TestContext): Promise<{ tmux: Tmux; say: (text: string) => Promise<void> }> {
  const box = Box.prepare(t);
  await box.fifo("say");
  box.write("web.yaml", `command: sh -c 'exec cat <> ${box.path("say")}'\nstartsecs: 0s\n`);
  await box.start();
  await box.until("web", "RUNNING");
  const tmux = await Tmux.open(t, box);
  await tmux.shows(/● web +RUNNING/);
  return { tmux, say: (text) => box.put("say", text) };
}

const lines = (from: number, to: number, line: (number: number) => string): string =>
  Array.from({ length: to - from + 1 }, (_, index) => `${line(from + index)}\n`).join("");

test(
  "l is the log on the whole screen: it follows, stays where one scrolls, and follows again at the end",
  story,
  async (t) => {
    const { tmux, say } = await echoing(t);
    await say(lines(1, 40, (number) => `line ${number}.`));
    await tmux.press("l");
    await tmux.shows(/line 40\.\n/);
    await tmux.press("k");
    const before = await tmux.shows(/stays here \(f follows\)[\s\S]*line 39\.\n(?!line 40)/);
    await say(lines(41, 42, (number) => `line ${number}.`));
    await tmux.press("k", "j");
    await tmux.shows((screen) => String(screen.match(/line \d+/g)) === String(before.match(/line \d+/g)));
    await tmux.press("f");
    await tmux.shows(/line 42\.\n/);
    await tmux.press("g");
    await tmux.shows(/line 1\.\n/);
    await tmux.press("PageDown");
    await tmux.loses(/line 1\.\n/);
    await tmux.press("G");
    await tmux.shows(/line 42\.\n/);
  },
);

test(
  "/ finds, n and N go from hit to hit and count them, a regular expression stands between slashes",
  story,
  async (t) => {
    const { tmux, say } = await echoing(t);
    await say(lines(1, 60, (number) => (number % 20 === 0 ? `Error number ${number}` : `all is well ${number}`)));
    await tmux.press("l");
    await tmux.shows(/Error number 60/);
    await tmux.press("/");
    await tmux.type("error");
    await tmux.press("Enter");
    await tmux.shows(/“error” 3\/3/);
    await tmux.press("N");
    await tmux.shows(/“error” 2\/3[\s\S]*Error number 40/);
    await tmux.press("n", "n");
    await tmux.shows(/“error” 1\/3[\s\S]*searched around from the beginning/);
    await tmux.press("/");
    await tmux.type("/well [3]\\d$/");
    await tmux.press("Enter");
    await tmux.shows(/“well \[3\]\\d\$” 10\/10/);
    await tmux.press("/");
    await tmux.type("nowhere");
    await tmux.press("Enter", "n");
    await tmux.shows(/“nowhere” is not in it/);
  },
);

test(
  "w cuts long lines and arrows move sideways, t says when lines came, m draws a line, Ctrl-l clears the view",
  story,
  async (t) => {
    const { tmux, say } = await echoing(t);
    await say(`${"x".repeat(100)}THE END\n`);
    await tmux.press("l");
    await tmux.shows(/x{20}THE END/);
    await tmux.press("w");
    await tmux.loses(/THE END/);
    await tmux.press("Right", "Right", "Right", "Right");
    await tmux.shows(/THE END/);
    await tmux.press("w");
    await new Promise((done) => setTimeout(done, 500)); // What comes now was not there when the log was opened.
    await say("now\n");
    await tmux.press("t");
    await tmux.shows(/^\d\d:\d\d:\d\d now$/m);
    await tmux.press("m");
    await tmux.shows(/─── \d\d:\d\d:\d\d ───/);
    await tmux.press("C-l");
    await tmux.shows(/cleared; what comes now stands here/);
    await say("fresh\n");
    await tmux.shows(/fresh/);
    await tmux.press("0");
    await tmux.shows(/THE END/);
  },
);

test(
  "p shows the run before, P the one after, 4 the present one, 5 all that is kept, 1 the last minute",
  story,
  async (t) => {
    const box = Box.prepare(t);
    const script = `echo this is run $(cat ${box.path("count")} 2>/dev/null || echo 1); echo 2 > ${box.path("count")}; sleep 1000`;
    box.write(
      "web.yaml",
      `command: ["sh", "-c", ${JSON.stringify(script.replaceAll("$", "$$$$"))}]\nautostart: false\nstartsecs: 0s\n`,
    );
    await box.start();
    await box.svctl("start", "web");
    await box.says("web", "this is run 1\n");
    await box.svctl("restart", "web");
    await box.says("web", "this is run 1\nthis is run 2\n");
    const tmux = await Tmux.open(t, box);
    await tmux.shows(/this is run 2/);
    await tmux.press("l");
    await tmux.shows(/this is run 1\nthis is run 2/);
    await tmux.press("p");
    await tmux.shows(
      (screen) => /this is run 1\n/.test(screen) && !/this is run 2/.test(screen) && /─ ● web {2}run 1/.test(screen),
    );
    await tmux.press("p");
    await tmux.shows(/no earlier run is known/);
    await tmux.press("P");
    await tmux.shows((screen) => /this is run 2\n/.test(screen) && !/this is run 1\n/.test(screen));
    await tmux.press("5");
    await tmux.shows(/this is run 1\nthis is run 2/);
    await tmux.press("4");
    await tmux.shows((screen) => /this is run 2\n/.test(screen) && !/this is run 1\n/.test(screen));
    await tmux.press("1");
    await tmux.shows(/nothing came in the last 1m/);
  },
);

test("c copies what is shown, y a line, and the mouse the rows that it is drawn over, by OSC 52", story, async (t) => {
  const { tmux, say } = await echoing(t);
  tmux.run("set-option", "-s", "set-clipboard", "on");
  await say("first line\nsecond line\n");
  await tmux.press("l");
  await tmux.shows(/second line/);
  await tmux.press("c");
  await tmux.shows(/2 lines sent to the clipboard/);
  assert.equal(tmux.run("show-buffer"), "first line\nsecond line\n");
  await tmux.press("y");
  await tmux.shows(/a line sent to the clipboard/);
  assert.equal(tmux.run("show-buffer"), "second line\n");
  await say("third line\n");
  await tmux.shows(/third line/);
  // Row 4 of the screen is the first of the log.
  await tmux.sendBytes("\x1b[<0;3;4M", "\x1b[<32;9;5M", "\x1b[<0;9;5m");
  await tmux.shows(() => tmux.run("show-buffer") === "first line\nsecond line\n");
});

test("a progress bar is drawn over itself, also one of several lines; colours are colours", story, async (t) => {
  const { tmux, say } = await echoing(t);
  for (const percent of [10, 50, 100]) await say(`\rloading ${percent}%`);
  await say("\none: 1%\ntwo: 1%\n");
  await say("\x1b[2Aone: 99%\x1b[K\ntwo: 98%\x1b[K\n");
  await say("\x1b[31mred\x1b[0m plain\n");
  const screen = await tmux.shows(/red plain/);
  assert.match(screen, /^loading 100%$/m);
  assert.match(screen, /^one: 99%\ntwo: 98%$/m);
  assert.doesNotMatch(screen, /loading 10%|1%\n|\[K|\[31m/);
  assert.match(tmux.run("capture-pane", "-p", "-e", "-t", "story"), /\x1b\[31mred/);
});

test(
  "a hostile line stays in its pane: no title, no clipboard, no answer, no other screen, nothing over the frame",
  story,
  async (t) => {
    const { tmux, say } = await echoing(t);
    tmux.run("set-option", "-s", "set-clipboard", "on");
    tmux.run("select-pane", "-t", "story", "-T", "mine");
    const evil = [
      "\x1b]0;owned\x07", // The title.
      "\x1b]52;c;aGFja2Vk\x07", // The clipboard.
      "\x1b[2J\x1b[H\x1b[1;1HOVER", // The whole screen.
      "\x1b[6n\x1b[c\x1b]11;?\x07", // Questions, whose answers would be typed in the person's name.
      "\x1b[?1049l\x1bc\x1b[?25h\x1b[?1000l", // Out of the second screen, reset, cursor, mouse.
      "\x1b[r\x1b[5;10r\x1b7\x1b8", // Scroll regions.
      "\x1bP+q544e\x1b\\\x1b_Gi=1\x1b\\\x1b^x\x1b\\", // Device control, graphics, privacy.
      "\u202eright to left\u202c", // Turns the reading direction.
      "\u009b2J\u009d0;x\u009c", // The same with C1 controls.
      "\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\",
    ];
    await say(`BEGIN ${evil.join(" and ")} END\n`);
    const screen = await tmux.shows(/END/);
    const shown = screen.split("\n");
    assert.match(shown[0]!, /^ svcd /);
    assert.match(shown[1]!, /1 Services/);
    assert.match(shown[23]!, /s start {2}x stop/);
    for (const [row, line] of shown.entries()) assert.ok(row > 4 || !/OVER|END|right to left/.test(line), line);
    assert.equal(tmux.run("display-message", "-p", "-t", "story", "#{pane_title}").trim(), "mine");
    const flags = "#{alternate_on} #{cursor_flag} #{mouse_any_flag}";
    assert.equal(tmux.run("display-message", "-p", "-t", "story", flags).trim(), "1 0 1");
    assert.equal(tmux.run("list-buffers"), "", "nothing is in the clipboard");
    await tmux.press("j"); // The screen lives, and nothing was typed in the person's name.
    await tmux.shows(/● web +RUNNING/);
    assert.doesNotMatch(tmux.screen(), /─ keys ─|─ do ─/);
  },
);

test(
  "wide characters, emoji, marks and right-to-left text take the columns that the terminal gives them",
  story,
  async (t) => {
    const { tmux, say } = await echoing(t);
    const texts = [
      "漢字かな",
      "🚀🔥✅",
      "🇩🇪",
      "👨\u200d👩\u200d👧",
      "e\u0301a\u0308",
      "שלום",
      "مرحبا",
      "❤\ufe0f",
      "한글",
      "ｆｕｌｌ",
    ];
    await say(texts.map((text) => `${text}|\n`).join(""));
    await tmux.shows(/ｆｕｌｌ\|/);
    await tmux.press("d", "d"); // What stands there is drawn over, and again: a column that was counted wrong would show.
    const screen = await tmux.shows(/ｆｕｌｌ\|/);
    const expected = ["漢字かな|", "🚀🔥✅|", "🇩🇪|", "👨👩👧|", "éä|", "שלום|", "مرحبا|", "❤|", "한글|", "ｆｕｌｌ|"];
    assert.deepEqual(
      screen
        .split("\n")
        .filter((line) => line.endsWith("|"))
        .map((line) => line.normalize("NFC")),
      expected.map((line) => line.normalize("NFC")),
    );
  },
);

test("of a log that brings megabytes a second as much is read as one can, and keys still answer", story, async (t) => {
  const flood = "yes this line comes again and again and again | head -c 30000000; echo; echo LAST; sleep 1000";
  const box = await Box.open(t, { "flood.yaml": `command: ["sh", "-c", "${flood}"]\nstartsecs: 0s\n` });
  const tmux = await Tmux.open(t, box);
  await tmux.shows(/● flood/);
  await tmux.press("l");
  await tmux.shows(/comes again/);
  await tmux.press("k");
  await tmux.shows(/stays here/);
  await tmux.press("G");
  await tmux.shows(/^LAST$/m);
});
