/** `svctl logs`: the output of services and of runs of jobs, several of them merged by whole lines. */
import { type Call, say } from "./call.ts";
import { colourOfNumber } from "./colour.ts";
import { hasNoLog, isAboutAJob } from "./daemon.ts";
import { EXIT, usage } from "./failure.ts";
import { harmless, harmlessLine } from "./harmless.ts";
import { Lines } from "./lines.ts";
import { asked } from "./names.ts";
import { countOf } from "./options.ts";
import { type LogReading, type LogWish, readLog } from "./read-log.ts";
import { pad, plain, width } from "./text.ts";

export const details = `
Without names: all services. Begins with the last 100 lines of each, 10 when there are several (-n changes that, -n 0 with
-f shows only what is new). With one service its bytes are printed as they are; with several, each line begins with the
name of its service. On a terminal everything but text and colours is left out. -f goes on when svcd is upgraded
meanwhile, without losing or repeating a byte.

Of a job the output of one run is printed: the one that goes on or the last, or the one that --run names
(\`svctl history JOB\` lists them). All that is kept of it is shown unless -n says how much of its end, and -f ends with the
run. Without names no job is shown.`;

const LINES_OF_ONE = 100;
const LINES_OF_MANY = 10;
/** More readers than anybody can follow with their eyes; svcd has a limit for its clients too. */
const MOST_FOLLOWED = 200;

export async function run(call: Call): Promise<number> {
  const stream = streamOf(call.options.stream);
  const lines = call.options.lines === undefined ? null : countOf(call.options.lines, "-n");
  const follow = call.options.follow !== undefined;
  const sources = await sourcesOf(call);
  if (follow && sources.length > MOST_FOLLOWED) {
    throw usage(
      `${sources.length} services are more than the ${MOST_FOLLOWED} that can be followed at once`,
      "name fewer",
    );
  }
  const wish = (source: Source): LogWish => {
    const isOne = sources.length === 1;
    const all = lines === null && isOne && source.run !== undefined;
    const usual = isOne ? LINES_OF_ONE : LINES_OF_MANY;
    return { ...source, stream, beginning: all ? { all } : { lines: lines ?? usual }, follow };
  };
  const [only] = sources;
  if (only !== undefined && sources.length === 1) return printOne(call, wish(only));
  return printMany(call, sources.map(wish));
}

type Source = Pick<LogWish, "name" | "run">;

/** Which services the words mean is asked first, and of jobs only when one is among them. */
async function sourcesOf(call: Call): Promise<readonly Source[]> {
  const { words, daemon, options } = call;
  const ofServices = async (some: readonly string[] | undefined): Promise<Source[]> =>
    (await daemon.services(some)).map(({ name }) => ({ name }));
  if (options.run !== undefined && words.length === 1) {
    return (await import("./run-of-job.ts")).runsOf(call, [await daemon.job(words[0]!)]);
  }
  if (options.run !== undefined) throw usage("`--run` is about the run of one job", "name that job, and only that one");
  try {
    return await ofServices(asked(words));
  } catch (error) {
    if (!isAboutAJob(error)) throw error;
    const { isJob, runsOf } = await import("./run-of-job.ts");
    const jobs = await daemon.jobs();
    const others = words.filter((word) => !isJob(word, jobs));
    const named = jobs.filter(({ name }) => words.includes(name)).map((status) => ({ status }));
    return [...(others.length === 0 ? [] : await ofServices(others)), ...runsOf(call, named)];
  }
}

export function streamOf(written: string | undefined): "stdout" | "stderr" {
  if (written === undefined || written === "stdout" || written === "stderr") return written ?? "stdout";
  throw usage(`\`${written}\` is not a stream`, "say stdout or stderr");
}

/** Byte for byte into a pipe or file, text and colours on a terminal. */
export async function printOne(call: Call, wish: LogWish, enough: AbortSignal | null = null): Promise<number> {
  const { out } = call.world;
  const filter = out.isTTY ? harmless() : null;
  let last = "\n";
  const reading = readLog(call, wish, (bytes) => {
    if (filter === null) return out.write(bytes);
    const text = filter.next(bytes);
    if (text === "") return;
    last = text.at(-1)!;
    out.write(text);
  });
  enough?.addEventListener("abort", () => reading.stop());
  const exitCode = await untilOver(call, [reading]);
  if (last !== "\n") say(out, ""); // So that the prompt stands at the beginning of a line.
  return exitCode;
}

async function printMany(call: Call, wishes: readonly LogWish[]): Promise<number> {
  const widest = Math.max(0, ...wishes.map(({ name }) => width(plain(name))));
  const print = (wish: LogWish, index: number): LogReading => {
    const prefix = call.ink.paint(colourOfNumber(index), `${pad(plain(wish.name), widest)} |`);
    const lines = new Lines((line) => printLine(call, prefix, line));
    const reading = readLog(call, wish, (bytes) => lines.push(bytes));
    const done = reading.done.catch(unlessItHasNoLog).finally(() => lines.end());
    return { done, stop: reading.stop };
  };
  if (wishes.some(({ follow }) => follow)) return untilOver(call, wishes.map(print));
  for (const [index, wish] of wishes.entries()) await untilOver(call, [print(wish, index)]); // One after the other.
  return EXIT.done;
}

function printLine({ world: { out } }: Call, prefix: string, line: Uint8Array): void {
  if (!out.isTTY) {
    const end = line.at(-1) === 10 ? "" : "\n";
    out.write(Buffer.concat([Buffer.from(`${prefix} `), line, Buffer.from(end)]));
    return;
  }
  const text = harmlessLine(line).replace(/\r?\n$/, "");
  // A progress bar goes back to the beginning of the line, where our prefix stands: its last form is what counts.
  const shown = text.slice(text.lastIndexOf("\r") + 1);
  say(out, `${prefix} ${shown}${shown.includes("\x1b[") ? "\x1b[0m" : ""}`);
}

/** Among several, one without a log (`logs: none`) is no reason to show nothing. */
function unlessItHasNoLog(error: unknown): void {
  if (!hasNoLog(error)) throw error;
}

/** Ctrl-C is how following ends: done. */
async function untilOver(call: Call, readings: readonly LogReading[]): Promise<number> {
  const stop = () => {
    for (const reading of readings) reading.stop();
  };
  const stopListening = call.world.onInterrupt(stop);
  try {
    await Promise.all(readings.map(({ done }) => done));
    return EXIT.done;
  } finally {
    stopListening();
    stop();
  }
}
