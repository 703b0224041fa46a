/** `svctl run`: starts a job now. */
import type { RunAnswer, RunRecord } from "../control/daemon.ts";
import { Teller, timeoutOf, wantsToWait } from "./act.ts";
import { type Call, say, sayJson } from "./call.ts";
import { hasNoLog, ifAnswered } from "./daemon.ts";
import { EXIT, usage } from "./failure.ts";
import { printOne } from "./logs.ts";
import { endInWords, exitCodeOf, resultColour } from "./run-result.ts";
import { type RunWatch, watchRuns } from "./run-watch.ts";
import { spinner } from "./spinner.ts";
import { plain } from "./text.ts";

export const details = `
Returns as soon as svcd has begun the run, and prints its number. What the job's \`overlap\` says counts for this start too:
while another run goes on it may be refused, wait its turn, or take that one's place; --force starts it beside the others.

  --wait     waits for the end of the run and says how it was
  --follow   prints the output of the run until its end; what svctl itself says goes to stderr

With either, the exit code is 0 for a success, else the run's own exit code, or 1 where it has none (killed, timed out, never
started). Ctrl-C ends the waiting, not the run: \`svctl kill JOB\` does.`;

/** Lines of output below a failure. */
const LAST_LINES = 10;

export async function run(call: Call): Promise<number> {
  const [job = ""] = call.words;
  const force = call.options.force !== undefined;
  const follow = call.options.follow !== undefined;
  const waits = follow || (call.options.wait !== undefined && wantsToWait(call));
  const timeoutMs = timeoutOf(call);
  if (follow && call.json) throw usage("`--follow` prints the output, which is no JSON", "use --wait with --json");
  if (follow && call.options["no-wait"] !== undefined)
    throw usage("`--follow` and `--no-wait` exclude each other", "leave one of them out");
  if (!waits && timeoutMs !== null) throw usage("`--timeout` is about waiting", "add --wait or --follow");
  if (!waits) return tell(call, await call.daemon.runJob(job, force));
  const watch = watchRuns(call, job); // Before the start: nothing of what follows from it is missed.
  try {
    const answer = await call.daemon.runJob(job, force);
    if (answer.outcome === "refused") return await tell(call, answer);
    return await untilOver(call, answer, watch, { follow, timeoutMs });
  } finally {
    watch.close();
  }
}

async function tell(call: Call, answer: RunAnswer): Promise<number> {
  if (call.json) {
    sayJson(call, answer);
    return answer.outcome === "refused" ? EXIT.failed : EXIT.done;
  }
  const teller = new Teller(call);
  teller.tell(answer);
  return teller.finish();
}

interface Patience {
  readonly follow: boolean;
  readonly timeoutMs: number | null;
}

async function untilOver(call: Call, answer: RunAnswer, watch: RunWatch, patience: Patience): Promise<number> {
  const { name } = answer;
  const notes = patience.follow ? call.world.err : call.world.out;
  if (!call.json) say(notes, `${plain(name)}: ${plain(answer.what)}`);
  const spin = spinner(call.world.err, call.errInk);
  const until = patience.timeoutMs === null ? null : performance.now() + patience.timeoutMs;
  let isInterrupted = false;
  const stopListening = call.world.onInterrupt(() => {
    isInterrupted = true;
    watch.wake();
  });
  const limits = {
    until,
    isInterrupted: () => isInterrupted,
    show: (text: string) => spin.show(`${plain(name)}: ${text}`),
  };
  try {
    const run = answer.run ?? (await watch.firstAfter(answer.runBefore, limits));
    spin.show("");
    if (run !== null && answer.run === null && !call.json)
      spin.above(() => say(notes, `${plain(name)}: run ${run} started`));
    if (run !== null && patience.follow) await follow(call, name, run, { until, isInterrupted: () => isInterrupted });
    const record = run === null ? null : await watch.endOf(run, limits);
    spin.stop();
    if (record !== null) return await tellEnd(call, { ...answer, run, record }, notes, patience.follow);
    if (isInterrupted) {
      say(call.world.err, `svctl: no longer waiting; svcd goes on with ${plain(name)}`);
      return EXIT.interrupted;
    }
    if (call.json) sayJson(call, { ...answer, run });
    say(
      call.world.err,
      `${plain(name)}: ${call.errInk.paint("red", "ERROR")} (not over in time; svcd goes on with it)`,
    );
    return EXIT.failed;
  } finally {
    stopListening();
    spin.stop();
  }
}

/** Until the run is over, the person has seen enough, or the time is up. */
async function follow(
  call: Call,
  name: string,
  run: number,
  { until, isInterrupted }: { readonly until: number | null; readonly isInterrupted: () => boolean },
): Promise<void> {
  if (isInterrupted()) return;
  const stop = until === null ? null : AbortSignal.timeout(Math.max(0, until - performance.now()));
  const wish = { name, run, stream: "stdout", beginning: { all: true }, follow: true } as const;
  try {
    await printOne(call, wish, stop);
  } catch (error) {
    if (!hasNoLog(error)) throw error;
    say(call.world.err, `${plain(name)}: its output is discarded (logs: none)`);
  }
}

async function tellEnd(
  call: Call,
  answer: RunAnswer & { readonly record: RunRecord },
  notes: Call["world"]["out"],
  hasSeenIt: boolean,
): Promise<number> {
  const { name, run, record } = answer;
  if (call.json) sayJson(call, answer);
  else {
    const ink = notes === call.world.err ? call.errInk : call.ink;
    say(notes, `${plain(name)}: run ${run} ${ink.paint(resultColour(record.result), endInWords(record))}`);
    if (record.result !== "success" && !hasSeenIt) await explain(call, name, run);
  }
  return exitCodeOf(record);
}

async function explain(call: Call, name: string, run: number | null): Promise<void> {
  const report = await ifAnswered(call.daemon.whyJob(name));
  if (report === null || report.linesOf !== run || report.lastLines.length === 0) return;
  const { err } = call.world;
  say(err, "  last lines of output:");
  for (const line of report.lastLines.slice(-LAST_LINES))
    say(err, `  ${call.errInk.paint("grey", "|")} ${plain(line)}`);
  say(err, `  more:  svctl logs ${plain(name)} --run ${run}`);
}
