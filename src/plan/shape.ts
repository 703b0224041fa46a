/**
 * The building blocks of `schema.ts`: valibot schemas that say in people's words what is wrong.
 *
 * Each block has two sides. Its *looks* are plain valibot (a union of number and string with a pattern, say): types and the
 * JSON Schema for editors come from them. Its *reading* takes what the YAML file holds, where every scalar is still text,
 * to the value the plan uses: `45s` to 45000. All that is wrong is collected, never only the first, with the path to it.
 *
 * A block also knows when `${VAR}` in it is filled in: most are filled in while they are read, from the variables given to
 * `readWith`; a `template` stays as it was written, and only its syntax is checked.
 */
import * as v from "valibot";
import type { Signal } from "../service/policy.ts";
import { bad, type Flaw, good, listed, quoted, type Reading } from "./flaw.ts";
import { checkTemplate, type Dollars, interpolate, type Lookup } from "./interpolate.ts";
import { parseSignal } from "./signals.ts";
import { nearest, suggestion } from "./suggest.ts";
import {
  DURATION_FIX,
  DURATION_PATTERN,
  formatDuration,
  formatSize,
  parseDuration,
  parseSize,
  SIZE_PATTERN,
} from "./units.ts";

/** What a YAML file holds, before anyone knows what it means. */
export type Value = string | null | readonly Value[] | { readonly [key: string]: Value };

export type Path = readonly (string | number)[];

export interface Complaint {
  readonly path: Path;
  /** The sentence, given the name of what it is about: "`startsecs`". */
  readonly what: (label: string) => string;
  readonly fix: string;
  /** Characters into the text of the value, where known. */
  readonly at?: number | undefined;
  /** Whether the eye should go to the key or to its value. */
  readonly points: "key" | "value";
}

export type Shape<T> = v.GenericSchema<unknown, T>;
export type Read<S> = S extends Shape<infer T> ? T : never;

/** The value, or everything that is wrong with it. */
export function readWith<T>(
  shape: Shape<T>,
  value: Value,
  variables: Lookup,
): { readonly value: T } | { readonly complaints: readonly Complaint[] } {
  const complaints: Complaint[] = [];
  const result = run(shape, value, { variables, path: [], complaints });
  return complaints.length > 0 || result === FAILED ? { complaints } : { value: result };
}

/** `healthcheck.interval`, `command` (item 2). */
export function labelOf(path: Path): string {
  const words = path.filter((key) => typeof key === "string").join(".");
  const last = path.at(-1);
  return typeof last === "number" ? `\`${words}\` (item ${last + 1})` : `\`${words}\``;
}

// --- scalars -------------------------------------------------------------------------------------------------------

/** Any text, filled in while it is read. */
export function text(): Shape<string> {
  return scalar(v.string(), "text", good);
}

/** Text whose `${…}` is filled in at each start. */
export function template(looks: v.GenericSchema = v.string()): Shape<string> {
  return custom(looks, (value, at) => {
    const written = textOf(value, "text", at);
    if (written === FAILED) return FAILED;
    if (written.trim() === "") return complain(at, { what: "it is empty", fix: "give it a value, or remove the line" });
    return keep(written, at);
  });
}

/** A template that may be empty, as an argument of a command may. */
export function argument(): Shape<string> {
  return custom(v.union([v.string(), v.number(), v.boolean()]), (value, at) => {
    const written = textOf(value, "text", at);
    return written === FAILED ? FAILED : keep(written, at);
  });
}

/** A value in `environment`: null is "taken from svcd's own environment". */
export function variable(): Shape<string | null> {
  return custom(v.union([v.string(), v.number(), v.boolean(), v.null()]), (value, at) => {
    if (value === null) return null;
    const written = textOf(value, "text", at);
    return written === FAILED ? FAILED : keep(written, at);
  });
}

/** A template with a rule of its own for what is written. */
export function parsedTemplate<T>(looks: v.GenericSchema, kind: string, read: (text: string) => Reading<T>): Shape<T> {
  return custom(looks, (value, at) => {
    const written = textOf(value, kind, at);
    if (written === FAILED || keep(written, at) === FAILED) return FAILED;
    const result = read(written);
    return result.ok ? result.value : complain(at, result.flaw);
  });
}

/** Text with a rule of its own, filled in while it is read. */
export function parsed<T>(
  looks: v.GenericSchema,
  kind: string,
  read: (text: string) => Reading<T>,
  dollars: Dollars = "strict",
): Shape<T> {
  return scalar(looks, kind, read, dollars);
}

export function duration(leastMs: number, mostMs = Number.POSITIVE_INFINITY): Shape<number> {
  const looks = v.union([v.pipe(v.number(), v.minValue(leastMs / 1000)), orVariable(DURATION_PATTERN)]);
  return scalar(looks, "a duration", (written) => {
    const ms = parseDuration(written);
    return ms.ok ? inRange(ms.value, leastMs, mostMs, formatDuration) : ms;
  });
}

export function size(least: number, most = Number.POSITIVE_INFINITY): Shape<number> {
  const looks = v.union([v.pipe(v.number(), v.integer(), v.minValue(least)), orVariable(SIZE_PATTERN)]);
  return scalar(looks, "a size", (written) => {
    const bytes = parseSize(written);
    return bytes.ok ? inRange(bytes.value, least, most, formatSize) : bytes;
  });
}

export function integer(least: number, most: number): Shape<number> {
  const looks = v.union([v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most)), orVariable(/^-?\d+$/)]);
  return scalar(looks, "a whole number", (written) =>
    /^[-+]?\d{1,15}$/.test(written.trim())
      ? inRange(Number(written), least, most, String)
      : bad(`${quoted(written)} is not a whole number`, `write a number from ${least} to ${most}`),
  );
}

export function decimal(least: number, most: number): Shape<number> {
  const looks = v.union([v.pipe(v.number(), v.minValue(least), v.maxValue(most)), orVariable(/^-?\d*\.?\d+$/)]);
  return scalar(looks, "a number", (written) =>
    /^[-+]?(\d{1,15}(\.\d*)?|\.\d+)$/.test(written.trim())
      ? inRange(Number(written), least, most, String)
      : bad(`${quoted(written)} is not a number`, `write a number from ${least} to ${most}`),
  );
}

/** true or false; yes, no, on and off too, since half the world learned YAML 1.1. */
export function flag(): Shape<boolean> {
  const looks = v.union([v.boolean(), orVariable(/^(true|false|yes|no|on|off)$/)]);
  return scalar(looks, "true or false", (written) => {
    const word = written.trim().toLowerCase();
    if (["true", "yes", "on"].includes(word)) return good(true);
    if (["false", "no", "off"].includes(word)) return good(false);
    return bad(`${quoted(written)} is neither true nor false`, "write true or false");
  });
}

/** One of some words. `synonyms` are understood but not offered. */
export function word<const W extends string>(
  words: readonly W[],
  synonyms: Readonly<Record<string, W>> = {},
  also: v.GenericSchema[] = [],
): Shape<W> {
  const looks = v.union([
    v.picklist(words),
    ...also,
    ...(Object.keys(synonyms).length > 0 ? [v.picklist(Object.keys(synonyms))] : []),
    orVariable(null),
  ]);
  const allowed = `write ${listed(words, "or")}`;
  return scalar(looks, words.length === 1 ? `\`${words[0]}\`` : "one word", (written) => {
    const lower = written.trim().toLowerCase();
    const meant = words.find((one) => one === lower) ?? (Object.hasOwn(synonyms, lower) ? synonyms[lower] : undefined);
    return meant === undefined
      ? bad(`unknown word ${quoted(written)}`, suggestion(lower, words, allowed))
      : good(meant);
  });
}

export function signal(): Shape<Signal> {
  return scalar(v.union([v.string(), v.number()]), "a signal", parseSignal);
}

// --- collections ---------------------------------------------------------------------------------------------------

export function list<T>(item: Shape<T>): Shape<T[]> {
  return custom(v.pipe(v.array(item), v.minLength(1)), (value, at) => {
    if (!Array.isArray(value)) return wrongKind(value, "a list", at);
    if (value.length === 0) return complain(at, { what: "the list is empty", fix: "add an item, or remove the line" });
    const items = value.map((one, index) => run(item, one, under(at, index)));
    return items.includes(FAILED) ? FAILED : (items as T[]);
  });
}

/** A map with keys of the writer's choosing, as pairs in the order written. */
export function table<T>(value: Shape<T>, key: (name: string) => Flaw | null): Shape<[string, T][]> {
  return custom(v.record(v.string(), value), (written, at) => {
    if (!isMap(written)) return wrongKind(written, "a map", at);
    const pairs: [string, T][] = [];
    let failed = false;
    for (const [name, one] of Object.entries(written)) {
      const flaw = key(name);
      if (flaw !== null) complain(under(at, name), flaw, "key");
      const result = run(value, one, under(at, name));
      if (flaw !== null || result === FAILED) failed = true;
      else pairs.push([name, result]);
    }
    return failed ? FAILED : pairs;
  });
}

export interface KeyAdvice {
  /** Keys that other programs have for the same thing: what to write here instead. */
  readonly instead?: Readonly<Record<string, string>>;
  /** What to add when a key that must be there is not. */
  readonly missing?: Readonly<Record<string, string>>;
}

/** A map with known keys. Keys that begin with `x-` are the writer's own, as in Compose. */
export function closed<const E extends v.ObjectEntries>(
  entries: E,
  advice: KeyAdvice = {},
): Shape<v.InferOutput<v.StrictObjectSchema<E, undefined>>> {
  const known = new Map(Object.entries(entries) as [string, Shape<unknown>][]);
  const names = [...known.keys()];
  const required = names.filter((name) => known.get(name)!.type !== "exact_optional");
  return custom(v.strictObject(entries), (written, at) => {
    if (!isMap(written)) return wrongKind(written, "a map", at);
    const result: Record<string, unknown> = {};
    let failed = false;
    for (const [name, one] of Object.entries(written)) {
      const entry = known.get(name);
      if (entry === undefined) {
        if (name.startsWith("x-")) continue;
        unknownKey(name, names, advice, at);
        failed = true;
        continue;
      }
      const value = run(entry, one, under(at, name));
      if (value === FAILED) failed = true;
      else result[name] = value;
    }
    for (const name of required) {
      if (Object.hasOwn(written, name)) continue;
      failed = true;
      if (
        Object.keys(written)
          .slice(0, WORTH_A_SUGGESTION)
          .some((key) => !known.has(key) && isMeantAs(name, key, names))
      )
        continue; // Told already.
      const fix = advice.missing?.[name] ?? `add \`${name}:\``;
      at.complaints.push({
        path: at.path,
        points: "key",
        fix,
        what: (label) => `\`${name}\` is missing${at.path.length > 0 ? ` in ${label}` : ""}`,
      });
    }
    return failed ? FAILED : (result as v.InferOutput<v.StrictObjectSchema<E, undefined>>);
  });
}

/** Different shapes for text, list and map: each is read by its own, so that what is wrong in it is told exactly. */
export function either<
  const S extends { readonly text?: Shape<unknown>; readonly list?: Shape<unknown>; readonly map?: Shape<unknown> },
>(shapes: S): Shape<Read<S[keyof S]>> {
  type Any = Read<S[keyof S]>;
  const { text, list, map } = shapes as { [K in "text" | "list" | "map"]?: Shape<Any> };
  const options = [text, list, map].filter((shape) => shape !== undefined);
  const kinds = [text && "text", list && "a list", map && "a map"].filter((kind) => kind !== undefined);
  const expected = kinds.length === 1 ? kinds[0]! : `${kinds.slice(0, -1).join(", ")} or ${kinds.at(-1)}`;
  return custom(v.union(options), (value, at): Any | Failed => {
    if (Array.isArray(value)) return list ? run(list, value, at) : wrongKind(value, expected, at);
    if (isMap(value)) return map ? run(map, value, at) : wrongKind(value, expected, at);
    return text && value !== null ? run(text, value, at) : wrongKind(value, expected, at);
  });
}

/** A shape that holds itself, as conditions do. */
export function recursive<T>(shape: () => Shape<T>): Shape<T> {
  return v.lazy(shape);
}

export function optional<T>(shape: Shape<T>): v.ExactOptionalSchema<Shape<T>, undefined> {
  return v.exactOptional(shape);
}

/** Words for the JSON Schema, which editors show. */
export function described<T>(description: string, shape: Shape<T>, byDefault?: string | number | boolean): Shape<T> {
  const about = v.pipe(shape, v.description(description));
  return byDefault === undefined ? about : v.pipe(about, v.metadata({ default: byDefault }));
}

// --- how a block runs inside valibot ---------------------------------------------------------------------------------

const FAILED = Symbol("failed");
type Failed = typeof FAILED;

interface At {
  readonly variables: Lookup;
  readonly path: Path;
  readonly complaints: Complaint[];
}

/**
 * valibot hands its `config` down unchanged to every schema inside; `At` travels there. What is wrong goes to
 * `complaints`; for valibot itself the dataset just becomes untyped.
 */
function custom<T>(looks: v.GenericSchema, read: (value: unknown, at: At) => T | Failed): Shape<T> {
  return {
    ...looks,
    "~run"(dataset: v.UnknownDataset, config: object) {
      const result = read(dataset.value, config as At);
      return result === FAILED
        ? { typed: false, value: undefined, issues: SOMETHING_WRONG }
        : { typed: true, value: result };
    },
  } as unknown as Shape<T>;
}

const SOMETHING_WRONG = [
  { kind: "schema", type: "svcd", input: undefined, expected: null, received: "", message: "see complaints" },
];

function run<T>(shape: Shape<T>, value: unknown, at: At): T | Failed {
  const outcome = shape["~run"]({ value }, at as unknown as v.Config<v.BaseIssue<unknown>>);
  return outcome.typed ? outcome.value : FAILED;
}

function scalar<T>(
  looks: v.GenericSchema,
  kind: string,
  read: (text: string) => Reading<T>,
  dollars: Dollars = "strict",
): Shape<T> {
  return custom(looks, (value, at) => {
    const written = textOf(value, kind, at);
    if (written === FAILED) return FAILED;
    const filled = interpolate(written, at.variables, dollars);
    if (!filled.ok) return complain(at, filled.flaw);
    const result = read(filled.value.text);
    if (result.ok) return result.value;
    if (filled.value.text === written) return complain(at, result.flaw);
    const unset = filled.value.unset;
    if (unset.length === 0)
      return complain(at, { what: `${quoted(written)} gives ${result.flaw.what}`, fix: result.flaw.fix });
    const verb = unset.length === 1 ? "is" : "are";
    return complain(at, {
      what: `${unset.join(", ")} ${verb} not set where svcd runs`,
      fix: `set it before svcd starts, or give a default: \${${unset[0]}:-…}`,
    });
  });
}

function keep(written: string, at: At): string | Failed {
  const flaw = checkTemplate(written);
  return flaw === null ? written : complain(at, flaw);
}

function textOf(value: unknown, kind: string, at: At): string | Failed {
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return wrongKind(value, kind, at);
}

function wrongKind(value: unknown, expected: string, at: At): Failed {
  if (value === null || value === undefined) {
    at.complaints.push({
      path: at.path,
      points: "key",
      fix: "give it a value, or remove the line",
      what: (label) => `${label} has no value`,
    });
    return FAILED;
  }
  const found = Array.isArray(value) ? "a list" : typeof value === "object" ? "a map" : quoted(String(value));
  const fix = expected === "a duration" ? DURATION_FIX : expected === "a map" ? MAP_FIX : `write ${expected}`;
  return complain(at, { what: `${found} where ${expected} belongs`, fix });
}

const MAP_FIX = "write `{ key: value }`, or its keys on lines of their own below it";

function complain(at: At, flaw: Flaw, points: "key" | "value" = "value"): Failed {
  at.complaints.push({ path: at.path, points, fix: flaw.fix, at: flaw.at, what: (label) => `${label}: ${flaw.what}` });
  return FAILED;
}

/** A data file that strayed in has thousands of unknown keys; nobody reads what each of them was meant to be. */
const WORTH_A_SUGGESTION = 200;

function unknownKey(name: string, names: readonly string[], advice: KeyAdvice, at: At): void {
  const path = [...at.path, name];
  const glued = /^([\w-]+):\S/.exec(name);
  const instead = advice.instead;
  const fix =
    instead !== undefined && Object.hasOwn(instead, name)
      ? instead[name]!
      : glued !== null
        ? "put a space behind the colon"
        : at.complaints.length < WORTH_A_SUGGESTION
          ? suggestion(name, names, `the keys here are ${names.join(", ")}`)
          : "remove it";
  const within = at.path.length === 0 ? "" : ` in ${labelOf(at.path)}`;
  at.complaints.push({ path, points: "key", fix, what: () => `unknown key ${quoted(name)}${within}` });
}

/** Whether an unknown key is this key, misspelt or without its blank (`comand`, `command:x`). */
function isMeantAs(name: string, key: string, names: readonly string[]): boolean {
  return key.startsWith(`${name}:`) || nearest(key, names) === name;
}

function inRange(value: number, least: number, most: number, format: (value: number) => string): Reading<number> {
  const range =
    most === Number.POSITIVE_INFINITY ? `write ${format(least)} or more` : `write ${format(least)} to ${format(most)}`;
  if (value < least) return bad(`${format(value)} is less than ${format(least)}`, range);
  if (value > most) return bad(`${format(value)} is more than ${format(most)}`, range);
  return good(value);
}

/** Looks of text that has a pattern or holds a variable. */
function orVariable(pattern: RegExp | null): v.GenericSchema {
  return v.pipe(v.string(), v.regex(pattern === null ? /\$/ : new RegExp(`${pattern.source}|\\$`)));
}

function isMap(value: unknown): value is { readonly [key: string]: Value } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function under(at: At, key: string | number): At {
  return { variables: at.variables, complaints: at.complaints, path: [...at.path, key] };
}
