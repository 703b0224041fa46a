/** Writes the tables of keys into docs/tui.md, from the keymap. */
import { readFileSync, writeFileSync } from "node:fs";
import { BINDINGS } from "../src/tui/model/keymap.ts";
import { keysPage } from "../src/tui/model/keys-page.ts";

const path = new URL("../docs/tui.md", import.meta.url);
const [before, , after] = readFileSync(path, "utf8").split(/^<!-- keys: .* -->$/m);
const mark = (word) => `<!-- keys: ${word} -->`;
writeFileSync(
  path,
  `${before}${mark("made by node scripts/tui-keys.mjs")}\n\n${keysPage(BINDINGS)}\n${mark("end")}${after}`,
);
