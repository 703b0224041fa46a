/**
 * tui.yaml: the person's own keys and colours. A mistake costs its own line, and is told with file:line:column.
 *
 *   theme: light                    # dark, light, terminal
 *   mouse: no
 *   keys:
 *     services.stop: Z              # one key, or several: [Z, f9]; [] takes it away
 *     everywhere.quit: [q, C-q]
 */
import { isMap, isPair, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { nearest } from "../plan/suggest.ts";
import { BINDINGS, type Binding, type Keymap, nameOf } from "./model/keymap.ts";
import { THEMES, type Theme } from "./view/looks.ts";

export interface Settings {
  readonly theme: Theme | null;
  readonly mouse: boolean | null;
  readonly keymap: Keymap;
  /** `tui.yaml:3:5: unknown key …`, each with what to do. */
  readonly mistakes: readonly string[];
}

const NAMED =
  /^(C-[a-z]|S-tab|enter|esc|tab|space|backspace|up|down|left|right|home|end|pageup|pagedown|insert|delete|f([1-9]|1[0-2]))$/;

export function readSettings(file: string, text: string): Settings {
  const reading = new Reading(file, text);
  return reading.settings();
}

class Reading {
  readonly #file: string;
  readonly #lines = new LineCounter();
  readonly #text: string;
  readonly #mistakes: string[] = [];
  #theme: Theme | null = null;
  #mouse: boolean | null = null;
  #keymap: Keymap = BINDINGS;

  constructor(file: string, text: string) {
    this.#file = file;
    this.#text = text;
  }

  settings(): Settings {
    const document = parseDocument(this.#text, { lineCounter: this.#lines, prettyErrors: false });
    for (const { message, pos } of document.errors) this.#mistakeAt(pos[0], message, "mend the YAML");
    const { contents } = document;
    if (isMap(contents)) {
      for (const pair of contents.items) if (isPair(pair)) this.#entry(pair.key as Node, pair.value as Node | null);
    } else if (contents !== null && document.errors.length === 0) {
      this.#mistake(contents, "this is no map", "write lines like `theme: light`");
    }
    return { theme: this.#theme, mouse: this.#mouse, keymap: this.#keymap, mistakes: this.#mistakes };
  }

  #entry(key: Node, value: Node | null): void {
    const name = isScalar(key) ? String(key.value) : "";
    const given = isScalar(value) ? value.value : undefined;
    switch (name) {
      case "theme": {
        const theme = THEMES.find((one) => one === given);
        if (theme === undefined)
          this.#mistake(value ?? key, `there is no theme “${given}”`, `write one of ${THEMES.join(", ")}`);
        else this.#theme = theme;
        return;
      }
      case "mouse":
        if (typeof given === "boolean") this.#mouse = given;
        else if (given === "yes" || given === "no") this.#mouse = given === "yes";
        else this.#mistake(value ?? key, "`mouse` is yes or no", "write `mouse: no`");
        return;
      case "keys":
        if (isMap(value)) for (const pair of value.items) this.#keysOf(pair.key as Node, pair.value as Node | null);
        else this.#mistake(value ?? key, "`keys` is a map", "write lines like `services.stop: Z` below it");
        return;
      default: {
        const near = nearest(name, ["theme", "mouse", "keys"]);
        this.#mistake(
          key,
          `unknown key \`${name}\``,
          near === null ? "use theme, mouse, keys" : `did you mean \`${near}\`?`,
        );
      }
    }
  }

  #keysOf(key: Node, value: Node | null): void {
    const name = isScalar(key) ? String(key.value) : "";
    const known = BINDINGS.map(nameOf);
    if (!known.includes(name)) {
      const near = nearest(name, known);
      this.#mistake(
        key,
        `there is no action \`${name}\``,
        near === null ? "docs/tui.md lists them" : `did you mean \`${near}\`?`,
      );
      return;
    }
    const nodes = isSeq(value) ? (value.items as Node[]) : value === null ? [] : [value];
    const keys: string[] = [];
    for (const node of nodes) {
      const text = isScalar(node) ? String(node.value) : "";
      const read = keyNamed(text);
      if (read === null)
        this.#mistake(node, `“${text}” is no key`, "write a character, or enter, space, C-x, f5, pageup …");
      else if (this.#isFree(name, read, node)) keys.push(read);
    }
    if (keys.length > 0 || nodes.length === 0) {
      this.#keymap = this.#keymap.map((binding) => (nameOf(binding) === name ? { ...binding, keys } : binding));
    }
  }

  /** Of two actions in one place that have a key, nobody knows which is meant. */
  #isFree(name: string, key: string, node: Node): boolean {
    const place = name.slice(0, name.indexOf("."));
    const other = this.#keymap.find(
      (binding: Binding) => binding.in === place && nameOf(binding) !== name && binding.keys.includes(key),
    );
    if (other === undefined) return true;
    this.#mistake(
      node,
      `“${key}” is the key of \`${nameOf(other)}\` already`,
      `give that one another key first, or none: \`${nameOf(other)}: []\``,
    );
    return false;
  }

  #mistake(node: Node, what: string, fix: string): void {
    this.#mistakeAt(node.range?.[0] ?? 0, what, fix);
  }

  #mistakeAt(offset: number, what: string, fix: string): void {
    const { line, col } = this.#lines.linePos(offset);
    this.#mistakes.push(`${this.#file}:${Math.max(1, line)}:${Math.max(1, col)}: ${what}; ${fix}`);
  }
}

function keyNamed(text: string): string | null {
  if (text === "space") return " ";
  if (NAMED.test(text)) return text;
  return [...text].length === 1 && text > " " ? text : null;
}
