/**
 * YAML text to plain values that know where they were written.
 *
 * Every scalar stays text, exactly as in the file (`022`, `no`, `1e3`): what it means depends on the key, and only the
 * schema knows that. null is a key without a value (or `~`, `null`). Beside the values goes a tree of spots with the
 * offset of each key and value, so that a mistake found later can still point at its place.
 *
 * The limits here keep a hostile or broken file from costing more than itself: its length, how deep it nests, and how
 * much its aliases unfold to.
 */
import {
  type Alias,
  isAlias,
  isMap,
  isScalar,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  Scalar,
  Schema,
  visit,
  type YAMLMap,
  type YAMLSeq,
} from "yaml";
import { type Flaw, quoted } from "./flaw.ts";
import type { Path, Value } from "./shape.ts";
import { UNFINISHED_MERGE, wordsForPeople } from "./yaml-words.ts";

export interface Spot {
  /** Offset of the value; of its key, where the value is nothing. */
  readonly at: number;
  /** Offset of the key; null for what has none. */
  readonly keyAt: number | null;
  /** Offset of the first character of a scalar's text, where text and file agree character by character. */
  readonly textAt: number | null;
  /** Offset of something written that could not be followed, where the value is null for that reason. */
  readonly hole: number | null;
  readonly children: ReadonlyMap<string | number, Spot>;
}

export interface TreeFlaw extends Flaw {
  /** Offset in the file. */
  readonly at: number;
  /** What it spoils. */
  readonly path: Path;
}

export interface Place {
  readonly line: number;
  readonly column: number;
  /** The whole line, without its newline. */
  readonly text: string;
}

export type Tree =
  /** Nothing but blanks and comments. */
  | { readonly kind: "nothing" }
  /** Not YAML: what is wrong, and the names under `services:` or `jobs:` as far as they can be made out. */
  | {
      readonly kind: "broken";
      readonly flaws: readonly TreeFlaw[];
      readonly names: readonly string[];
      readonly place: (offset: number) => Place;
    }
  | {
      readonly kind: "values";
      readonly value: Value;
      readonly spot: Spot;
      readonly flaws: readonly TreeFlaw[];
      readonly place: (offset: number) => Place;
    };

const LONGEST = 256 * 1024;
const DEEPEST = 32;
/** Far above any file or script inside of one; the parser takes seconds for thousands. */
const MOST_OPEN_BRACKETS = 500;
const MOST_VALUES = 50_000;
/** Of one file that is not YAML: what follows the first few is mostly their echo. */
const MOST_SYNTAX_FLAWS = 10;

/** Scalars are text, maps are maps, and nothing else; made once, since building it costs more than a small file. */
const TEXT_ONLY = new Schema({ schema: "failsafe", resolveKnownTags: false });

/** A section of theirs comes first, behind comments at most. */
const SUPERVISORD =
  /^(?:[ \t]*(?:[;#].*)?\r?\n)*\[(?:program|group|eventlistener|fcgi-program|supervisord|unix_http_server|include)\b/;

/** `plural`: the key below which a file has several of what it describes. */
export function readTree(file: string, plural: "services" | "jobs" = "services"): Tree {
  const text = file.replace(/^\uFEFF/, "");
  if (text.length > LONGEST) {
    const what = `the file has ${Math.ceil(text.length / 1024)} KiB; a file has at most ${LONGEST / 1024}`;
    return brokenAt(text, 0, what, "split it into several files; data belongs elsewhere");
  }
  const nul = text.indexOf("\0");
  if (nul >= 0) return brokenAt(text, nul, "the file holds a NUL byte: it is not text", "write it anew as UTF-8 text");
  if (!/^[ \t]*[^\s#]/m.test(text)) return { kind: "nothing" };
  if (SUPERVISORD.test(text))
    return brokenAt(text, 0, "this is a supervisord file, not YAML", "write `command: …` and the other keys as YAML");
  const tooDeep = tooManyBrackets(text);
  if (tooDeep !== null)
    return brokenAt(
      text,
      tooDeep,
      "hundreds of brackets are open at once",
      "close them: no key needs more than a few levels",
    );

  const lines = linesOf(text);
  const place = (offset: number): Place => placeIn(text, lines, offset);
  // Duplicate keys are ours to find: theirs compares each with each, and does not say where the first one is.
  const document = parseDocument(text, {
    schema: TEXT_ONLY,
    uniqueKeys: false,
    prettyErrors: false,
    logLevel: "error",
  });
  const root = document.contents as Node | null;
  const wrong = [...document.errors, ...document.warnings];
  if (wrong.length > 0) {
    const flaws = new Map<number, TreeFlaw>(); // By line: the second of a line is an echo.
    for (const error of wrong) {
      const at = startOfUnclosed(root, error.message, error.pos[0]);
      const { line, column, text: shown } = place(at);
      const isAnEcho = flaws.has(line) || [...flaws.values()].some((flaw) => flaw.what === UNFINISHED_MERGE);
      if (isAnEcho) continue;
      const flaw = wordsForPeople(error, shown, text);
      flaws.set(line, { ...flaw, at: flaw.at === undefined ? at : at - (column - 1) + flaw.at, path: [] });
    }
    return {
      kind: "broken",
      flaws: [...flaws.values()].slice(0, MOST_SYNTAX_FLAWS),
      names: namesIn(root, plural),
      place,
    };
  }
  if (root === null) return { kind: "nothing" };
  const unfolding = new Unfolding(text);
  const { value, spot } = unfolding.value(root, null, [], 0);
  return { kind: "values", value, spot, flaws: unfolding.flaws, place };
}

/** The spot of a path, or of as much of it as was written. */
export function spotOf(spot: Spot, path: Path): Spot {
  let here = spot;
  for (const key of path) {
    const next = here.children.get(key);
    if (next === undefined) break;
    here = next;
  }
  return here;
}

const NO_CHILDREN: ReadonlyMap<string | number, Spot> = new Map();

/** Walks the document in the order written, so that an alias means the last anchor before it. */
class Unfolding {
  readonly flaws: TreeFlaw[] = [];
  private readonly anchors = new Map<string, Node>();
  private readonly open = new Set<Node>();
  private values = 0;

  private readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  value(node: Node | null, keyAt: number | null, path: Path, depth: number): { value: Value; spot: Spot } {
    const at = node?.range?.[0] ?? keyAt ?? 0;
    const nothing = {
      value: null,
      spot: { at: keyAt ?? at, keyAt, textAt: null, hole: node === null ? null : at, children: NO_CHILDREN },
    };
    if (node === null) return nothing;
    this.values++;
    if (this.values > MOST_VALUES) {
      if (this.values === MOST_VALUES + 1)
        this.flaw(
          at,
          [],
          `the file unfolds to more than ${MOST_VALUES} values`,
          "use fewer aliases (`*name`) inside of aliases",
        );
      return nothing;
    }
    if (depth > DEEPEST) {
      this.flaw(at, path, `this is nested more than ${DEEPEST} levels deep`, "no key needs more than a few levels");
      return nothing;
    }
    if (isAlias(node)) return this.alias(node, at, keyAt, path, depth) ?? nothing;
    if ("anchor" in node && node.anchor !== undefined) this.anchors.set(node.anchor, node);
    if (isScalar(node)) return this.scalar(node, at, keyAt);
    this.open.add(node);
    const inside = isMap(node) ? this.map(node, path, depth) : this.list(node as YAMLSeq, path, depth);
    this.open.delete(node);
    return { value: inside.value, spot: { at, keyAt, textAt: null, hole: null, children: inside.children } };
  }

  private scalar(node: Scalar, at: number, keyAt: number | null): { value: Value; spot: Spot } {
    const value = String(node.value ?? "");
    if (node.type === Scalar.PLAIN && /^(~|null|Null|NULL|)$/.test(value)) {
      return { value: null, spot: { at: keyAt ?? at, keyAt, textAt: null, hole: null, children: NO_CHILDREN } };
    }
    const textAt = node.type === Scalar.PLAIN ? at : at + 1;
    const same = this.text.startsWith(value, textAt) && !value.includes("\n");
    return { value, spot: { at, keyAt, textAt: same ? textAt : null, hole: null, children: NO_CHILDREN } };
  }

  private map(node: YAMLMap, path: Path, depth: number): { value: Value; children: Map<string | number, Spot> } {
    const children = new Map<string | number, Spot>();
    const entries = new Map<string, Value>();
    const merged: { value: Value; spot: Spot }[] = [];
    for (const pair of node.items as Pair<Node | null, Node | null>[]) {
      const key = this.key(pair.key, path);
      if (key === null) continue;
      const keyAt = pair.key!.range![0];
      const inside = [...path, key];
      const first = children.get(key);
      if (first !== undefined) {
        const line = lineNumber(this.text, first.keyAt!);
        // Under `services:` and `jobs:` the first stays, as it does across files; anywhere else nobody can know which was meant.
        this.flaw(
          keyAt,
          path.length === 1 ? path : inside,
          `${quoted(key)} is written twice: it already stands in line ${line}`,
          "keep one of the two",
        );
        continue;
      }
      if (key === "<<" && pair.value !== null && !(isScalar(pair.value) && pair.value.type !== Scalar.PLAIN)) {
        merged.push(this.value(pair.value, keyAt, inside, depth + 1));
        continue;
      }
      const { value, spot } = this.value(pair.value, keyAt, inside, depth + 1);
      entries.set(key, value);
      children.set(key, spot);
    }
    for (const one of merged) this.merge(one, path, entries, children);
    return { value: Object.fromEntries(entries), children };
  }

  /** `<<: *base`: keys that are not written here come from there. The first of several maps wins. */
  private merge(
    from: { value: Value; spot: Spot },
    path: Path,
    entries: Map<string, Value>,
    children: Map<string | number, Spot>,
  ): void {
    if (Array.isArray(from.value)) {
      from.value.forEach((value: Value, index) => {
        this.merge({ value, spot: from.spot.children.get(index)! }, path, entries, children);
      });
      return;
    }
    if (from.value === null || typeof from.value !== "object") {
      this.flaw(
        from.spot.at,
        path,
        "`<<` merges a map, and this is none",
        "write `<<: *name` with the anchor of a map",
      );
      return;
    }
    for (const [key, value] of Object.entries(from.value)) {
      if (entries.has(key)) continue;
      entries.set(key, value);
      children.set(key, from.spot.children.get(key)!);
    }
  }

  private list(node: YAMLSeq, path: Path, depth: number): { value: Value; children: Map<string | number, Spot> } {
    const children = new Map<string | number, Spot>();
    const values = (node.items as (Node | null)[]).map((item, index) => {
      const { value, spot } = this.value(item, null, [...path, index], depth + 1);
      children.set(index, spot);
      return value;
    });
    return { value: values, children };
  }

  private key(node: Node | null, path: Path): string | null {
    const at = node?.range?.[0] ?? 0;
    if (!isScalar(node)) {
      this.flaw(at, path, "a list, map or alias cannot be a key here", "write a word");
      return null;
    }
    const key = String(node.value ?? "");
    if (key === "") {
      this.flaw(at, path, "a value without a key", "write the key before the colon");
      return null;
    }
    if (key === "__proto__") {
      this.flaw(at, path, "`__proto__` cannot be a key", "choose another name");
      return null;
    }
    return key;
  }

  private alias(
    node: Alias,
    at: number,
    keyAt: number | null,
    path: Path,
    depth: number,
  ): { value: Value; spot: Spot } | null {
    const target = this.anchors.get(node.source);
    if (target === undefined) {
      this.flaw(
        at,
        path,
        `there is no anchor \`&${node.source}\` before \`*${node.source}\``,
        "write the anchor first, or put the text in quotes if it begins with a *",
      );
      return null;
    }
    if (this.open.has(target)) {
      this.flaw(at, path, `\`*${node.source}\` stands inside of what it means`, "an alias cannot hold itself");
      return null;
    }
    const meant = this.value(target, keyAt, path, depth);
    return { value: meant.value, spot: { ...meant.spot, keyAt } };
  }

  private flaw(at: number, path: Path, what: string, fix: string): void {
    this.flaws.push({ at, path, what, fix });
  }
}

function brokenAt(text: string, at: number, what: string, fix: string): Tree {
  return {
    kind: "broken",
    flaws: [{ at, path: [], what, fix }],
    names: [],
    place: (offset) => placeIn(text, null, offset),
  };
}

function tooManyBrackets(text: string): number | null {
  let open = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (char === "[" || char === "{") open++;
    else if ((char === "]" || char === "}") && open > 0) open--;
    if (open > MOST_OPEN_BRACKETS) return i;
  }
  return null;
}

/** A quote or bracket that never closes is noticed far behind it; the person needs to see where it opens. */
function startOfUnclosed(root: Node | null, message: string, at: number): number {
  if (root === null || !/^Missing closing|end with a/.test(message)) return at;
  let start = at;
  const look = (node: Node): void => {
    if (node.range?.[1] === at) start = node.range[0];
  };
  visit(root, {
    Scalar: (_, node) => {
      if (node.type === Scalar.QUOTE_DOUBLE || node.type === Scalar.QUOTE_SINGLE) look(node);
    },
    Collection: (_, node) => {
      if (node.flow === true) look(node);
    },
  });
  return start;
}

function namesIn(root: Node | null, plural: string): string[] {
  if (!isMap(root)) return [];
  const several = root.items.find((pair) => isScalar(pair.key) && pair.key.value === plural)?.value;
  if (!isMap(several)) return [];
  return several.items.flatMap((pair) =>
    isScalar(pair.key) && typeof pair.key.value === "string" ? [pair.key.value] : [],
  );
}

function placeIn(text: string, lines: LineCounter | null, offset: number): Place {
  const at = Math.min(Math.max(offset, 0), text.length);
  const line = lines === null ? lineNumber(text, at) : lines.linePos(at).line;
  const start = at === 0 ? 0 : text.lastIndexOf("\n", at - 1) + 1;
  const end = text.indexOf("\n", at);
  const whole = text.slice(start, end < 0 ? text.length : end).replace(/\r$/, "");
  // A file of one endless line is still shown as one line of a terminal.
  return { line, column: at - start + 1, text: whole.length > 500 ? whole.slice(0, 500) : whole };
}

/** Counted here: in a file that is not YAML the parser leaves lines out. */
function linesOf(text: string): LineCounter {
  const lines = new LineCounter();
  lines.addNewLine(0);
  for (let i = text.indexOf("\n"); i >= 0; i = text.indexOf("\n", i + 1)) lines.addNewLine(i + 1);
  return lines;
}

function lineNumber(text: string, offset: number): number {
  let line = 1;
  for (let i = text.indexOf("\n"); i >= 0 && i < offset; i = text.indexOf("\n", i + 1)) line++;
  return line;
}

export function isTable(value: Value): value is { readonly [key: string]: Value } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
