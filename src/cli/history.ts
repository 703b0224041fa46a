/** `svctl history`: what became of the last due times of a job. */
import type { RunRecord } from "../control/daemon.ts";
import { type Call, say, sayJson } from "./call.ts";
import { EXIT } from "./failure.ts";
import { countOf } from "./options.ts";
import { resultColour, resultSign, shortSpan, tookMs } from "./run-result.ts";
import type { TableLook } from "./status-table.ts";
import { type Cell, table } from "./table.ts";
import { plain } from "./text.ts";
import { calendarTime, localTime } from "./time.ts";

export const details = `
Newest first, 20 unless -n says how many. DUE is the time it was for, on your clock; TOOK how long its process ran. What was
never started (skipped, missed) is there too, with its reason and without a number. How many are kept is for the job's file
to say (\`keep\`). \`svctl logs JOB --run NUMBER\` prints the output of one run.

--json prints a list of {job, run, trigger, scheduledFor, coalesced, attempt, startedAt, endedAt, result, exit, why, cpuMs, peakMemoryBytes, retryAt}.`;

const USUAL_COUNT = 20;
/** From so many columns on there is room for what a run took of the machine. */
const WIDE = 120;

export async function run(call: Call): Promise<number> {
  const { words, options, written } = call;
  const count = options.count === undefined ? USUAL_COUNT : countOf(options.count, written.get("count") ?? "-n");
  const records = await call.daemon.history(words[0]!, count);
  if (call.json) sayJson(call, records);
  else if (records.length === 0)
    say(call.world.out, `nothing yet: ${plain(words[0]!)} was never due and never started`);
  else {
    const { out, now } = call.world;
    const columns = out.isTTY ? out.columns() : null;
    say(out, historyTable(records, { ink: call.ink, columns, now: now() }).join("\n"));
  }
  return EXIT.done;
}

export function historyTable(records: readonly RunRecord[], { ink, columns, now }: TableLook): string[] {
  const isWide = columns === null || columns >= WIDE;
  const titles = ["RUN", "DUE", "RESULT", "TOOK", "BY", ...(isWide ? ["CPU", "MEMORY"] : []), "WHY"];
  const header = titles.map((text): Cell => ({ text, paint: (cell) => ink.paint("grey", cell) }));
  const rows = records.map((record): Cell[] => {
    const { run, scheduledFor, result, trigger, cpuMs, peakMemoryBytes } = record;
    const took = tookMs(record);
    const machine = [cpuMs === null ? "-" : shortSpan(cpuMs), memoryOf(peakMemoryBytes)].map((text) => ({ text }));
    return [
      { text: run === null ? "-" : String(run), paint: (cell) => ink.paint("bold", cell) },
      { text: localTime(scheduledFor) },
      {
        text: ink.on ? `${resultSign(result)} ${result}` : result,
        paint: (cell) => ink.paint(resultColour(result), cell),
      },
      { text: took === null ? "-" : shortSpan(took) },
      { text: trigger },
      ...(isWide ? machine : []),
      { text: reasonOf(record, now) },
    ];
  });
  return table([header, ...rows], columns);
}

function reasonOf({ run, why, attempt, coalesced, retryAt }: RunRecord, now: Date): string {
  const parts = [plain(why)];
  if (attempt > 1) parts.push(`attempt ${attempt}`);
  if (coalesced > 1 && run !== null) parts.push(`for ${coalesced} due times`);
  if (retryAt !== null) parts.push(`next attempt ${calendarTime(retryAt, now)}`);
  return parts.join("; ");
}

function memoryOf(bytes: number | null): string {
  if (bytes === null) return "-";
  const mib = bytes / 1024 ** 2;
  return mib < 1024 ? `${mib.toFixed(mib < 10 ? 1 : 0)} MiB` : `${(mib / 1024).toFixed(1)} GiB`;
}
