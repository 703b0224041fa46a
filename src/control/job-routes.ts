/**
 * What can be asked about jobs and their runs: a part of the table in `routes.ts`.
 */
import type * as v from "valibot";
import type { ActionResult, Daemon, RunAnswer, RunRecord } from "./daemon.ts";
import { printable, Refusal } from "./refusal.ts";
import {
  type Answer,
  type Asked,
  type Client,
  get,
  type House,
  json,
  ok,
  post,
  type Route,
  type Running,
  TEXT,
} from "./route.ts";
import { streamRunLog } from "./run-log.ts";
import * as wire from "./wire.ts";
import { checkCount, splitWords, suggestions } from "./words.ts";

const USUAL_HISTORY = 20;
/** As many as any job keeps, and few enough for one answer. */
const LONGEST_HISTORY = 10_000;

export const JOB_ROUTES: readonly Route[] = [
  get("/v1/jobs", "All jobs, or those that are named, sorted by name.", wire.JobsQuery, json(wire.JobList), jobs),
  get(
    "/v1/jobs/{name}",
    "One job: when it is due, what it does, how its last run went, its effective definition.",
    wire.NoQuery,
    json(wire.JobDetail),
    ({ name, house }) => ok({ status: known(house, name), definition: house.daemon.jobDefinition(name) }),
  ),
  get(
    "/v1/jobs/{name}/why",
    "Why a job is as it is: what became of its last due times, its last lines of output, what can be done.",
    wire.NoQuery,
    json(wire.JobWhyReport),
    async ({ name, house }) => ok((await house.daemon.whyJob(name)) ?? known(house, name)),
  ),
  get(
    "/v1/jobs/{name}/history",
    "What became of the last due times of a job, newest first: runs that are over, and what was skipped or missed.",
    wire.HistoryQuery,
    json(wire.RunRecords),
    ({ name, house, query }) => {
      known(house, name);
      const most = query.n === undefined ? USUAL_HISTORY : Math.min(Number(query.n), LONGEST_HISTORY);
      return ok(house.daemon.history(name, most));
    },
  ),
  get(
    "/v1/jobs/{name}/runs/{run}/log",
    "The output of one run: its first and its last bytes, and between them a line that says how many are left out.",
    wire.RunLogQuery,
    TEXT,
    runLog,
  ),
  post(
    "/v1/jobs/{name}/run",
    "Starts a run by hand, as the job's `overlap` allows; answers at once, or with `wait` when the run is over.",
    wire.RunBody,
    json(wire.RunAnswer),
    run,
  ),
  onJobs(
    "pause",
    "Due times start nothing until the job is resumed; what runs goes on. Kept across reboots.",
    (daemon, names) => daemon.pauseJobs(names),
  ),
  onJobs("resume", "Due times start runs again.", (daemon, names) => daemon.resumeJobs(names)),
  post(
    "/v1/jobs/{name}/kill",
    "Ends a run, or all runs of a job and what waits; a retry does not follow.",
    wire.KillBody,
    json(wire.ActionResult),
    ({ name, house, body }) => ok(house.daemon.killRuns(name, body.run ?? null) ?? known(house, name)),
  ),
];

function onJobs(
  verb: "pause" | "resume",
  does: string,
  deed: (daemon: Daemon, names: readonly string[]) => readonly ActionResult[],
): Route {
  return post(`/v1/jobs/{name}/${verb}`, does, wire.NoBody, json(wire.ActionResults), ({ name, house }) =>
    ok(deed(house.daemon, selected(house, splitWords(name)))),
  );
}

function jobs({ house, query }: Asked<v.InferOutput<typeof wire.JobsQuery>, null>): Answer {
  const all = house.daemon.jobs();
  if (query.names === undefined) return ok(all);
  const names = new Set(selected(house, splitWords(query.names)));
  return ok(all.filter(({ name }) => names.has(name)));
}

async function run({ name, house, body }: Asked<unknown, v.InferOutput<typeof wire.RunBody>>): Promise<Answer> {
  const { daemon } = house;
  const over = new Map<number, RunRecord>();
  let onOver = (): void => {};
  // From before the start: a run can be over before its start is answered.
  const stop = daemon.subscribe(({ event }) => {
    if (event.type !== "run" || event.job !== name || event.record === null || event.run === null) return;
    over.set(event.run, event.record);
    onOver();
  });
  try {
    const result = daemon.runJob(name, body.force ?? false);
    if (result === null) return ok(known(house, name)); // Which throws: there is no such job.
    const answer = (): RunAnswer => {
      const begun = [...over.keys(), ...(daemon.job(name)?.runs ?? []).map(({ run: number }) => number)];
      // Numbers grow: the first after the request is the one that was asked for.
      const first = Math.min(...begun.filter((number) => number > result.runBefore));
      return { ...result, run: Number.isFinite(first) ? first : null, record: over.get(first) ?? null };
    };
    const { wait } = body;
    if (wait === undefined || result.outcome === "refused") return ok({ ...answer(), record: null });
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, wait * 1000);
      onOver = () => {
        if (answer().record === null) return;
        clearTimeout(timer);
        resolve();
      };
      onOver();
    });
    return ok(answer());
  } finally {
    stop();
  }
}

function runLog({ name, run: asked, house, query }: Asked<v.InferOutput<typeof wire.RunLogQuery>, null>): Answer {
  const { daemon, patience } = house;
  const { lines, from } = query;
  const stream = query.stream ?? "stdout";
  known(house, name);
  if (lines !== undefined && from !== undefined) {
    throw new Refusal(400, "bad_request", "`lines` and `from` exclude each other", "give one of them");
  }
  const number = /^\d{1,15}$/.test(asked) ? Number(asked) : null;
  if (number === null) {
    throw new Refusal(
      400,
      "bad_request",
      `“${printable(asked)}” is no number of a run`,
      `svctl history ${name} lists them`,
    );
  }
  if (daemon.runLog(name, number, stream) === null) {
    const what = `there is no ${stream} of run ${number} of ${printable(name)}`;
    const separate = stream === "stderr" ? "both are in stdout unless its file says `stderr: separate`; " : "";
    throw new Refusal(
      404,
      "no_log",
      what,
      `${separate}\`svctl history ${printable(name)}\` lists the runs that are kept`,
    );
  }
  const beginning =
    lines !== undefined
      ? { lines: Number(lines) }
      : from !== undefined
        ? { from: Number(from) }
        : ({ oldest: true } as const);
  const request = { job: name, run: number, stream, beginning, follow: query.follow === "1" } as const;
  const begin = ({ out, head }: Client): Running =>
    streamRunLog(
      daemon,
      request,
      out,
      (position) => head({ "Content-Type": "text/plain; charset=utf-8", "X-Log-Position": String(position) }),
      patience.log,
    );
  return { is: "stream", run: begin };
}

// Names

/** Its status, or a Refusal that says what was meant. */
function known(house: House, name: string): never | NonNullable<ReturnType<Daemon["job"]>> {
  const status = house.daemon.job(name);
  if (status !== null) return status;
  const { unknown } = house.daemon.selectJobs([name]);
  throw unknownJobs(house, unknown.length > 0 ? unknown : [{ word: name, suggestion: null }]);
}

function selected(house: House, words: readonly string[]): readonly string[] {
  checkCount(words, "job");
  const { names, unknown } = house.daemon.selectJobs(words);
  if (unknown.length > 0) throw unknownJobs(house, unknown);
  return names;
}

function unknownJobs(house: House, unknown: ReturnType<Daemon["selectJobs"]>["unknown"]): Refusal {
  const [first] = unknown;
  if (first?.mistake !== undefined) {
    const what = `“${printable(first.word)}” is not taken up, its file has a mistake: ${printable(first.mistake, 300)}`;
    return new Refusal(404, "unknown_job", what, "`svctl plan` shows every mistake; mend the file");
  }
  const service = unknown.find(({ word }) => house.daemon.service(word) !== null)?.word;
  if (service !== undefined) {
    return new Refusal(404, "is_a_service", `“${service}” is a service, not a job`, `see: svctl status ${service}`);
  }
  const listed = unknown.map(({ word }) => `“${printable(word)}”`).join(", ");
  const fix = [...suggestions(unknown), "`svctl jobs` lists all jobs"].join("; ");
  return new Refusal(404, "unknown_job", `no job is called ${listed}`, fix);
}
