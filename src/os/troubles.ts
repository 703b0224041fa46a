/**
 * What svcd itself cannot do at present although services go on: in sentences for `svctl status`, `svctl doctor` and svcd's
 * log. Each goes away by itself when its cause does.
 */
import type { LogPosition } from "../keeper/messages.ts";
import { jobRunOf } from "../schedule/run-name.ts";

export interface Failings {
  /** Why wishes, the journal, the history of jobs cannot be written; null: they can. */
  readonly wishes: string | null;
  readonly journal: string | null;
  readonly history?: string | null;
  readonly logs: readonly LogPosition[];
}

/** A full disk concerns every log: more names than these help nobody. */
const MOST_NAMES = 3;

export function troublesOf({ wishes, journal, history = null, logs }: Failings): string[] {
  const all: string[] = [];
  if (wishes !== null) {
    all.push(`what is asked for (stop, disable …) is kept in memory only, and forgotten when svcd ends: ${wishes}`);
  }
  if (journal !== null) all.push(`what happens is kept in memory only, and the next core will know less: ${journal}`);
  if (history !== null) {
    all.push(`which jobs ran is kept in memory only, and after a start of the machine some may run again: ${history}`);
  }
  if (logs.length > 0) {
    const names = [...new Set(logs.map(({ service }) => jobRunOf(service)?.job ?? service))].sort();
    const more = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : "";
    const bytes = logs.reduce((sum, { droppedBytes }) => sum + droppedBytes, 0);
    const whose = `${names.slice(0, MOST_NAMES).join(", ")}${more}`;
    all.push(`output of ${whose} is lost, ${bytes} bytes so far: ${logs[0]?.dropping}`);
  }
  return all;
}
