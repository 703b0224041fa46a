/**
 * What a comment above a line of a crontab says to svcd: `# svcd: overlap=skip timeout=1h`. cron sees a comment, so the file
 * stays good for both. Two words are about the whole file, above its first job: `user-column` (each line names its user) and
 * `user=NAME` (all of them run as this one).
 */
import { OVERLAPS, type Overlap } from "../schedule/job.ts";
import { ON_MISSED, type OnMissed } from "../schedule/overdue.ts";
import { bad, type Flaw, good, listed, quoted, type Reading } from "./flaw.ts";
import { nameFlaw } from "./name.ts";
import { suggestion } from "./suggest.ts";
import { parseDuration } from "./units.ts";

/** null: nothing was said. */
export interface Annotation {
  readonly name: string | null;
  readonly overlap: Overlap | null;
  readonly timeoutMs: number | null;
  readonly startDeadlineMs: number | null;
  readonly retries: number | null;
  readonly onMissed: OnMissed | null;
  readonly missedWindowMs: number | null;
  readonly splayMs: number | null;
  readonly lock: string | null;
}

export const noAnnotation: Annotation = {
  name: null,
  overlap: null,
  timeoutMs: null,
  startDeadlineMs: null,
  retries: null,
  onMissed: null,
  missedWindowMs: null,
  splayMs: null,
  lock: null,
};

/** More tries than anybody waits for are a slip of the pen. */
const MOST_RETRIES = 100;

const NAME = /^[A-Za-z0-9][\w.@-]{0,99}$/;

const KEYS: Readonly<Record<string, (value: string) => Reading<Partial<Annotation>>>> = {
  name: (name) => {
    const flaw = nameFlaw(name, "job");
    return flaw === null ? good({ name }) : { ok: false, flaw };
  },
  overlap: (text) => oneOf(text, OVERLAPS, (overlap) => ({ overlap })),
  timeout: (text) => duration(text, (timeoutMs) => ({ timeoutMs })),
  start_deadline: (text) => duration(text, (startDeadlineMs) => ({ startDeadlineMs })),
  retries: (text) => {
    if (/^\d{1,3}$/.test(text) && Number(text) <= MOST_RETRIES) return good({ retries: Number(text) });
    return bad(`${quoted(text)} is no number of retries`, `write a number from 0 to ${MOST_RETRIES}`);
  },
  on_missed: (text) => oneOf(text, ON_MISSED, (onMissed) => ({ onMissed })),
  missed_window: (text) => duration(text, (missedWindowMs) => ({ missedWindowMs })),
  splay: (text) => duration(text, (splayMs) => ({ splayMs })),
  lock: (text) => named(text, (lock) => ({ lock })),
};

const FILE_WORDS = ["user-column", "user"];

/** The words behind `# svcd:`; null: another comment. `at` is where they begin. */
export function wordsForSvcd(line: string): { readonly text: string; readonly at: number } | null {
  const found = /^[ \t]*#[ \t]*svcd:[ \t]*/.exec(line);
  return found === null ? null : { text: line.slice(found[0].length), at: found[0].length };
}

export interface Said {
  readonly annotation: Annotation;
  /** `user-column`: the lines of this file name the user they run as. */
  readonly hasUserColumn: boolean;
  /** `user=`; null: not said. */
  readonly owner: string | null;
  readonly flaws: readonly (Flaw & { readonly at: number })[];
}

/** `before`: what comments above this one said about the same line. */
export function readAnnotation(text: string, before: Annotation): Said {
  let annotation = before;
  let hasUserColumn = false;
  let owner: string | null = null;
  const flaws: (Flaw & { at: number })[] = [];
  for (const { 0: word, index: at } of text.matchAll(/[^ \t]+/g)) {
    if (word === "user-column") {
      hasUserColumn = true;
      continue;
    }
    const user = /^user=(.+)$/.exec(word)?.[1];
    if (user !== undefined) {
      owner = user;
      continue;
    }
    const equals = word.indexOf("=");
    const key = equals < 0 ? word : word.slice(0, equals);
    const reading = readWord(key, equals < 0 ? null : word.slice(equals + 1));
    if (reading.ok) annotation = { ...annotation, ...reading.value };
    else flaws.push({ ...reading.flaw, at });
  }
  return { annotation, hasUserColumn, owner, flaws };
}

function readWord(key: string, value: string | null): Reading<Partial<Annotation>> {
  const keys = Object.keys(KEYS);
  if (key === "user") return bad("`user` needs a name", "write `user=NAME`");
  if (!Object.hasOwn(KEYS, key)) {
    const known = suggestion(key, [...keys, ...FILE_WORDS], `there are ${listed([...keys, ...FILE_WORDS])}`);
    return bad(`unknown word ${quoted(key)} behind \`svcd:\``, known);
  }
  if (value === null || value === "") return bad(`\`${key}\` needs a value`, `write \`${key}=…\` without blanks`);
  const reading = KEYS[key]!(value);
  return reading.ok ? reading : bad(`${key}: ${reading.flaw.what}`, reading.flaw.fix);
}

function oneOf<Word extends string, T>(text: string, words: readonly Word[], made: (word: Word) => T): Reading<T> {
  const word = words.find((candidate) => candidate === text);
  if (word !== undefined) return good(made(word));
  return bad(
    `${quoted(text)} is none of ${listed(words, "or")}`,
    suggestion(text, words, `write one of ${listed(words)}`),
  );
}

function duration<T>(text: string, made: (ms: number) => T): Reading<T> {
  const reading = parseDuration(text);
  return reading.ok ? good(made(reading.value)) : reading;
}

function named<T>(text: string, made: (name: string) => T): Reading<T> {
  return NAME.test(text) ? good(made(text)) : bad(`${quoted(text)} is no name`, "use letters, digits and . _ @ -");
}
