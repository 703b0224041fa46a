import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { BINDINGS, keyLabel, nameOf } from "./keymap.ts";
import { keysPage } from "./keys-page.ts";
import { Staged, service } from "./staged.ts";

test("in one place no key means two things, and no action has two names", () => {
  for (const place of new Set(BINDINGS.map((binding) => binding.in))) {
    const keys = BINDINGS.filter((binding) => binding.in === place).flatMap((binding) => binding.keys);
    assert.deepEqual(keys, [...new Set(keys)], place);
  }
  const names = BINDINGS.map(nameOf);
  assert.deepEqual(names, [...new Set(names)]);
});

test("whatever a function key does, a letter or sign does too: terminals and tmux swallow function keys", () => {
  for (const { keys, action } of BINDINGS) {
    if (keys.some((key) => /^f\d+$/.test(key)))
      assert.ok(
        keys.some((key) => !/^f\d+$/.test(key)),
        action,
      );
  }
});

test("the help is made from the keys that count at this moment", () => {
  const screen = new Staged([service("a")], { rows: 70 });
  screen.press("?");
  const here = screen.screen();
  for (const { keys, says } of BINDINGS.filter((binding) => binding.in === "services")) {
    assert.ok(here.includes(keyLabel(keys[0]!)), says);
    assert.ok(here.includes(says), says);
  }
  screen.press("esc", "l", "?");
  assert.match(screen.screen(), /f F5 +follow or stay/);
});

test("the page of keys in docs is the keymap", () => {
  const page = readFileSync(new URL("../../../docs/tui.md", import.meta.url), "utf8");
  assert.ok(page.includes(keysPage(BINDINGS)), "write it anew: node scripts/tui-keys.mjs");
});
