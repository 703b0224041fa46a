/**
 * Everything that can be asked of svcd, as one closed table: method and path, what the request may hold, what is answered,
 * and the call of the daemon in between. Nothing here decides anything, and a path that is not in the table reaches
 * nothing. GET never acts. OpenAPI is made from the same table.
 */
import * as v from "valibot";
import { parseSignal } from "../plan/signals.ts";
import { nearest, suggestion } from "../plan/suggest.ts";
import type { Action, Daemon } from "./daemon.ts";
import { streamEvents } from "./event-stream.ts";
import { JOB_ROUTES } from "./job-routes.ts";
import type { Beginning } from "./log-start.ts";
import { streamLog } from "./log-stream.ts";
import { METRICS_TYPE, metrics } from "./metrics.ts";
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
  type Schema,
  TEXT,
} from "./route.ts";
import * as wire from "./wire.ts";
import { checkCount, splitWords, suggestions } from "./words.ts";

const DEFAULT_LINES = 100;
/** Without persistence mode nvidia-smi needs seconds on a box with many devices; one that hangs is not waited for longer. */
const LOOK_AT_GPUS_MS = 12_000;
const MISTAKES_HEADER = "X-Mistakes";
const TROUBLES_HEADER = "X-Troubles";
const COUNTDOWNS_HEADER = "X-Countdowns";

export const ROUTES: readonly Route[] = [
  get(
    "/v1/health",
    "Whether svcd is well, its version and its two pids.",
    wire.NoQuery,
    json(wire.HealthReport),
    (asked) => ok(asked.house.daemon.health()),
  ),
  get(
    "/v1/services",
    "All services, or those that are named, sorted by name; headers count the mistakes in the files, the troubles of svcd itself and what is about to be done to the idle (see /v1/health).",
    wire.ServicesQuery,
    json(wire.ServiceList),
    services,
  ),
  get(
    "/v1/services/{name}",
    "One service: its state, what it needs, its effective definition.",
    wire.NoQuery,
    json(wire.ServiceDetail),
    ({ name, house }) => ok(house.daemon.service(name) ?? unknownService(house, name)),
  ),
  get(
    "/v1/services/{name}/why",
    "Why a service is in its state, from evidence, and what can be done.",
    wire.NoQuery,
    json(wire.WhyReport),
    async ({ name, house }) => ok((await house.daemon.why(name)) ?? unknownService(house, name)),
  ),
  get(
    "/v1/services/{name}/launch",
    "How a service would be started now: every word of its command and every variable, and where each came from.",
    wire.NoQuery,
    json(wire.LaunchReport),
    ({ name, house }) => ok(house.daemon.launch(name) ?? unknownService(house, name)),
  ),
  get(
    "/v1/services/{name}/logs",
    "The captured output, byte for byte; the X-Log-Position header is the position of the first byte.",
    wire.LogsQuery,
    TEXT,
    logs,
  ),
  get(
    "/v1/services/{name}/runs",
    "Where the output of the last runs of a service begins in its log, newest first, as far as this core has started them.",
    wire.NoQuery,
    json(wire.RunStarts),
    ({ name, house }) => ok(house.daemon.runStarts(name) ?? unknownService(house, name)),
  ),
  action("start", "Starts services; those that run go on."),
  action("stop", "Stops services, in reverse order of their dependencies."),
  action("restart", "Stops and starts services."),
  action("reload", "Sends the service's reload_signal, or restarts it if it has none."),
  onSelection(
    "signal",
    "Sends a signal to the processes of services.",
    wire.SignalBody,
    ({ house }, names, { signal }) => {
      const reading = parseSignal(String(signal));
      if (!reading.ok) throw new Refusal(400, "bad_signal", reading.flaw.what, reading.flaw.fix);
      return house.daemon.signal(names, reading.value);
    },
  ),
  onSelection("enable", "Services are wanted again, also after the next boot.", wire.NoBody, ({ house }, names) =>
    house.daemon.setEnabled(names, true),
  ),
  onSelection("disable", "Services are not wanted, also after the next boot.", wire.NoBody, ({ house }, names) =>
    house.daemon.setEnabled(names, false),
  ),
  onSelection(
    "clear",
    "Empties the logs of services and removes their rotated files.",
    wire.NoBody,
    ({ house }, names) => house.daemon.clearLogs(names),
  ),
  onSelection(
    "remove",
    "Takes stopped services out of supervision until the next apply.",
    wire.NoBody,
    ({ house }, names) => house.daemon.remove(names),
  ),
  get(
    "/v1/routes",
    "What services say in `expose`, with variables filled in: what the gateway opens.",
    wire.NoQuery,
    json(wire.ExposedRoutes),
    ({ house }) => ok(house.daemon.routes()),
  ),
  ...JOB_ROUTES,
  get(
    "/v1/gpus",
    "The GPUs of this machine: what they do, to whom they are leased, who holds their memory.",
    wire.NoQuery,
    json(wire.GpuReport),
    async ({ house }) => ok(await house.daemon.gpus(LOOK_AT_GPUS_MS)),
  ),
  get(
    "/v1/plan",
    "What would change if the files were taken up now, and their mistakes.",
    wire.NoQuery,
    json(wire.PlanReport),
    async ({ house }) => ok(await house.daemon.plan()),
  ),
  post(
    "/v1/plan/check",
    "What would change if a file held this text, and the mistakes; changes nothing.",
    wire.PlanCheckBody,
    json(wire.PlanReport),
    async ({ house, body }) => ok((await house.daemon.planWith(body.file, body.text)) ?? noPlanFile(body.file)),
  ),
  post(
    "/v1/plan/apply",
    "Takes up the files: all, or what concerns the names.",
    wire.ApplyBody,
    json(wire.PlanReport),
    async ({ house, body }) => ok(await house.daemon.apply(body.names ?? null)),
  ),
  get(
    "/v1/events",
    "What happens, as server-sent events; resumable by Last-Event-ID or `since`. `event: reset`: what was missed is no longer kept, look at the services anew.",
    wire.EventsQuery,
    { type: "text/event-stream", schema: wire.DaemonEvent },
    events,
  ),
  get(
    "/v1/idle",
    "What has an idle rule and is up: since when nobody has used it, what tells that, and when what is done.",
    wire.NoQuery,
    json(wire.IdleOverview),
    ({ house }) => ok(house.daemon.idle()),
  ),
  post(
    "/v1/keep-awake",
    "For a time nothing is done to what is idle.",
    wire.KeepAwakeBody,
    json(wire.IdleOverview),
    ({ house, body }) => {
      house.daemon.keepAwake(body.ms);
      return ok(house.daemon.idle());
    },
  ),
  post(
    "/v1/shutdown",
    "Stops all services in order, then ends svcd.",
    wire.NoBody,
    json(wire.Accepted, 202),
    ({ house }) => {
      house.daemon.shutdown();
      return accepted("all services are stopped, then svcd ends");
    },
  ),
  post(
    "/v1/upgrade",
    "Ends the core; the keeper starts the installed one at once. Services are not touched.",
    wire.NoBody,
    json(wire.Accepted, 202),
    ({ house }) =>
      // The answer first: the process that would send it is about to end.
      accepted("the core is started again; services are not touched", () => house.daemon.restartCore()),
  ),
  get(
    "/v1/usage",
    "What services use now, each with all processes of its run; measured when asked, and shared for a second.",
    wire.NoQuery,
    json(wire.UsageReport),
    ({ house }) => ok(house.daemon.usage()),
  ),
  get(
    "/v1/machine",
    "The machine: load, memory, disks that svcd and its services write to.",
    wire.NoQuery,
    json(wire.MachineReport),
    ({ house }) => ok(house.daemon.machine()),
  ),
  get("/metrics", "Facts in Prometheus' text format.", wire.NoQuery, TEXT, async ({ house }) => ({
    is: "text",
    type: METRICS_TYPE,
    text: await metrics(house.daemon, house.runCounts, house.now()),
  })),
  get("/openapi.json", "This description.", wire.NoQuery, json(v.looseObject({})), ({ house }) => {
    if (house.openapi !== null) return { is: "text", type: "application/json", text: house.openapi };
    throw new Refusal(404, "not_built", "this svcd was built without its OpenAPI description", "run: npm run build");
  }),
];

export interface Match {
  readonly route: Route;
  readonly name: string;
  readonly run: string;
}

/** Throws a Refusal: no such path (404), or not with this method (405). */
export function findRoute(method: string, path: string): Match {
  const segments = path.split("/").slice(1).map(decoded);
  const matching = ROUTES.filter((route) => fits(route, segments));
  const route = matching.find((candidate) => candidate.method === method);
  if (route !== undefined) {
    return { route, name: captured(route, "{name}", segments), run: captured(route, "{run}", segments) };
  }
  if (matching.length > 0) throw methodNotAllowed(method, matching);
  throw noSuchPath(path, segments);
}

const PARTS = new Map(ROUTES.map((route) => [route, route.path.split("/").slice(1)]));

function fits(route: Route, segments: readonly string[]): boolean {
  const parts = PARTS.get(route)!;
  return parts.length === segments.length && parts.every((part, at) => part.startsWith("{") || part === segments[at]);
}

function captured(route: Route, part: "{name}" | "{run}", segments: readonly string[]): string {
  const at = PARTS.get(route)!.indexOf(part);
  return at === -1 ? "" : segments[at]!;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new Refusal(
      400,
      "bad_path",
      "the path has a % that is not followed by two hex digits",
      "write % itself as %25",
    );
  }
}

function methodNotAllowed(method: string, matching: readonly Route[]): Refusal {
  const allowed = [...new Set(matching.map((route) => route.method))].join(", ");
  const what = `${method} is not possible here`;
  return new Refusal(405, "method_not_allowed", what, `use ${allowed}`, { Allow: allowed });
}

function noSuchPath(path: string, segments: readonly string[]): Refusal {
  const [version, kind, , verb] = segments;
  if (version === "v1" && (kind === "services" || kind === "jobs") && segments.length === 4 && verb !== undefined) {
    const parts = [...PARTS.values()].filter((own) => own[1] === kind);
    const verbs = parts.flatMap((own) => (own.length === 4 ? own.slice(3) : []));
    const fix = suggestion(verb, verbs, `use one of ${verbs.join(", ")}`);
    return new Refusal(404, "no_such_action", `${kind} have no “${printable(verb)}”`, fix);
  }
  const near = nearest(
    path,
    ROUTES.map((route) => route.path),
  );
  const fix =
    near === null ? "GET /openapi.json lists every path" : `did you mean ${near}? GET /openapi.json lists every path`;
  return new Refusal(404, "no_such_path", `there is no ${printable(path)}`, fix);
}

// Names

/** Throws a Refusal that names every word that fits nothing; so nothing is done by halves. */
function selected(house: House, words: readonly string[]): readonly string[] {
  checkCount(words, "service");
  const { names, unknown } = house.daemon.select(words);
  if (unknown.length > 0) throw unknownWords(house, unknown);
  return names;
}

function unknownWords(house: House, unknown: ReturnType<Daemon["select"]>["unknown"]): Refusal {
  const [first] = unknown;
  const job = unknown.find(({ word }) => house.daemon.job(word) !== null)?.word;
  if (job !== undefined) {
    return new Refusal(404, "is_a_job", `“${job}” is a job, not a service`, `see: svctl jobs ${job}`);
  }
  if (first?.mistake !== undefined) {
    const what = `“${printable(first.word)}” is not taken up, its file has a mistake: ${printable(first.mistake, 300)}`;
    return new Refusal(
      404,
      "unknown_service",
      what,
      "`svctl plan` shows every mistake; mend the file, and it starts by itself",
    );
  }
  const listed = unknown.map(({ word }) => `“${printable(word)}”`).join(", ");
  const jobs = house.daemon.selectJobs(unknown.map(({ word }) => word)).unknown;
  const near = unknown.map(({ word, suggestion: service }) => ({
    word,
    suggestion: service ?? jobs.find((job) => job.word === word)?.suggestion ?? null,
  }));
  const fix = [...suggestions(near), "`svctl status` lists all services, `svctl jobs` all jobs"].join("; ");
  return new Refusal(404, "unknown_service", `no service is called ${listed}`, fix);
}

function unknownService(house: House, name: string): never {
  const found = house.daemon.select([name]).unknown.find(({ word }) => word === name);
  throw unknownWords(house, [found ?? { word: name, suggestion: null }]);
}

// Answers

function accepted(what: string, afterwards: () => void = () => {}): Answer {
  return { is: "json", status: 202, body: { accepted: what }, afterwards };
}

function action(verb: Action, does: string): Route {
  return onSelection(verb, does, wire.NoBody, ({ house }, names) => house.daemon.act(verb, names));
}

function onSelection<Body>(
  verb: string,
  does: string,
  body: Schema<Body>,
  act: (asked: Asked<unknown, Body>, names: readonly string[], body: Body) => unknown,
): Route {
  return post(`/v1/services/{name}/${verb}`, does, body, json(wire.ActionResults), (asked) =>
    ok(act(asked, selected(asked.house, splitWords(asked.name)), asked.body)),
  );
}

function services({ house, query }: Asked<v.InferOutput<typeof wire.ServicesQuery>, null>): Answer {
  const all = house.daemon.services();
  // What a person who looks at services should see as well, without a second question.
  const { mistakes, troubles, countdowns } = house.daemon.health();
  const headers = {
    [MISTAKES_HEADER]: String(mistakes),
    [TROUBLES_HEADER]: String(troubles.length),
    [COUNTDOWNS_HEADER]: String(countdowns.length),
  };
  if (query.names === undefined) return { ...ok(all), headers };
  const names = new Set(selected(house, splitWords(query.names)));
  return { ...ok(all.filter(({ name }) => names.has(name))), headers };
}

function logs({ name, house, query }: Asked<v.InferOutput<typeof wire.LogsQuery>, null>): Answer {
  const stream = query.stream ?? "stdout";
  const follow = query.follow === "1";
  const beginning = beginningOf(query);
  if (house.daemon.service(name) === null) unknownService(house, name);
  if (house.daemon.log(name, stream) === null) {
    const fix =
      stream === "stderr"
        ? "ask for stdout: both are in one log unless the file says `stderr: separate`"
        : "its file says `logs: none`";
    throw new Refusal(404, "no_log", `${name} has no ${stream} log`, fix);
  }
  const run = ({ out, head }: Client): Running => {
    const begin = (position: number): void =>
      head({ "Content-Type": "text/plain; charset=utf-8", "X-Log-Position": String(position) });
    return streamLog(house.daemon, { name, stream, beginning, follow }, out, begin, house.patience.log);
  };
  return { is: "stream", run };
}

function beginningOf({ lines, bytes, from }: v.InferOutput<typeof wire.LogsQuery>): Beginning {
  const given = [lines, bytes, from].filter((value) => value !== undefined);
  if (given.length > 1) {
    throw new Refusal(400, "bad_request", "`lines`, `bytes` and `from` exclude each other", "give one of them");
  }
  if (bytes !== undefined) return { bytes: Number(bytes) };
  if (from !== undefined) return { from: Number(from) };
  return { lines: lines === undefined ? DEFAULT_LINES : Number(lines) };
}

function events({ house, query, lastEventId }: Asked<v.InferOutput<typeof wire.EventsQuery>, null>): Answer {
  const run = ({ out, head }: Client): Running => {
    head({ "Content-Type": "text/event-stream; charset=utf-8" });
    return streamEvents(house.daemon, lastEventId ?? query.since ?? null, out, house.patience.events);
  };
  return { is: "stream", run };
}

function noPlanFile(file: string): never {
  const what = `“${printable(file)}” is no file of services.d or cron.d`;
  throw new Refusal(400, "no_plan_file", what, "give the path of such a file; `svctl avail` lists them");
}
