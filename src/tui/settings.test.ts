import assert from "node:assert/strict";
import { test } from "node:test";
import { nameOf } from "./model/keymap.ts";
import { readSettings } from "./settings.ts";

const keysOf = (text: string, name: string) =>
  readSettings("tui.yaml", text).keymap.find((binding) => nameOf(binding) === name)?.keys;

test("keys, theme and mouse are the person's own", () => {
  const text =
    "theme: light\nmouse: no\nkeys:\n  services.stop: Z\n  everywhere.quit: [q, C-q]\n  services.tree: []\n  list.mark: space\n";
  const { theme, mouse, mistakes } = readSettings("tui.yaml", text);
  assert.deepEqual([theme, mouse, mistakes], ["light", false, []]);
  assert.deepEqual(keysOf(text, "services.stop"), ["Z"]);
  assert.deepEqual(keysOf(text, "everywhere.quit"), ["q", "C-q"]);
  assert.deepEqual(keysOf(text, "services.tree"), []);
  assert.deepEqual(keysOf(text, "list.mark"), [" "]);
});

test("a mistake is told with line and column and what to do, and costs its own line", () => {
  const cases: readonly [string, RegExp][] = [
    ["thme: light", /^tui\.yaml:1:1: unknown key `thme`; did you mean `theme`\?$/],
    ["theme: pink", /^tui\.yaml:1:8: there is no theme “pink”; write one of dark, light, terminal$/],
    ["mouse: maybe", /^tui\.yaml:1:8: `mouse` is yes or no/],
    [
      "keys:\n  services.stpo: Z",
      /^tui\.yaml:2:3: there is no action `services\.stpo`; did you mean `services\.stop`\?$/,
    ],
    ["keys:\n  services.stop: Ctrl-X", /^tui\.yaml:2:18: “Ctrl-X” is no key/],
    ["keys:\n  services.stop: r", /^tui\.yaml:2:18: “r” is the key of `services\.restart` already/],
    ["keys: x", /^tui\.yaml:1:7: `keys` is a map/],
    ["- x", /^tui\.yaml:1:1: this is no map/],
    ["theme: [", /^tui\.yaml:\d+:\d+: /],
  ];
  for (const [text, expected] of cases) {
    const { mistakes, mouse } = readSettings("tui.yaml", `${text}\n`);
    assert.match(mistakes[0] ?? "", expected, text);
    assert.equal(mouse, null);
  }
  assert.equal(readSettings("tui.yaml", "thme: x\nmouse: no\n").mouse, false);
  assert.deepEqual(keysOf("keys:\n  services.stop: r\n", "services.stop"), ["x", "f9"]);
});

test("an empty file is no mistake", () => {
  assert.deepEqual(readSettings("tui.yaml", "").mistakes, []);
  assert.deepEqual(readSettings("tui.yaml", "# nothing yet\n").mistakes, []);
});
