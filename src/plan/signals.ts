/**
 * Signals by name, as people write them: `TERM`, `SIGTERM`, `term`, or the number that `kill` takes (`15`).
 */
import type { Signal } from "../service/policy.ts";
import { bad, good, quoted, type Reading } from "./flaw.ts";
import { suggestion } from "./suggest.ts";

/** Linux numbers on x86-64 and arm64. */
const NUMBERS: Readonly<Partial<Record<Signal, number>>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGILL: 4,
  SIGTRAP: 5,
  SIGABRT: 6,
  SIGBUS: 7,
  SIGFPE: 8,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGSTKFLT: 16,
  SIGCHLD: 17,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGTTIN: 21,
  SIGTTOU: 22,
  SIGURG: 23,
  SIGXCPU: 24,
  SIGXFSZ: 25,
  SIGVTALRM: 26,
  SIGPROF: 27,
  SIGWINCH: 28,
  SIGIO: 29,
  SIGPWR: 30,
  SIGSYS: 31,
};

const SIGNALS = new Map(Object.entries(NUMBERS).map(([name, number]) => [name, number]));
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
