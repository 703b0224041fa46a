/**
 * Signals by name, as people write them: `TERM`, `SIGTERM`, `term`, or the number that `kill` takes (`15`).
 */
import { SIGNAL_NUMBERS, type Signal } from "../service/policy.ts";
import { bad, good, quoted, type Reading } from "./flaw.ts";
import { suggestion } from "./suggest.ts";

const SIGNALS = new Map(Object.entries(SIGNAL_NUMBERS).map(([name, number]) => [name, number]));
const BY_NUMBER = new Map([...SIGNALS].map(([name, number]) => [String(number), name]));

/** Without SIG, as the files have them. */
export const SIGNAL_WORDS: readonly string[] = [...SIGNALS.keys()].map((name) => name.slice(3));

export function parseSignal(text: string): Reading<Signal> {
  const word = text.trim().toUpperCase();
  const name = BY_NUMBER.get(word) ?? (word.startsWith("SIG") ? word : `SIG${word}`);
  if (SIGNALS.has(name)) return good(name as Signal);
  const usual = "write one of TERM, INT, QUIT, HUP, USR1, USR2, KILL (`kill -l` lists them all)";
  return bad(`${quoted(text)} is not a signal`, suggestion(word.replace(/^SIG/, ""), SIGNAL_WORDS, usual));
}
