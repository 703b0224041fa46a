/**
 * Every key that a service file and `svcd.yaml` may hold: its type, its range, its words for editors.
 *
 * One set of definitions serves three: reading files (`service-of.ts`), the messages about what is wrong in them, and the
 * JSON Schema (`json-schema.ts`). Defaults are filled in by `service-of.ts`; those named here are for the reader's eye and
 * a test holds the two together.
 */
import * as v from "valibot";
import { PHASE_RECIPES } from "../phase/recipes.ts";
import { parseAddress } from "./address.ts";
import { exposeShape } from "./expose.ts";
import { bad, type Flaw, good, quoted, type Reading } from "./flaw.ts";
import { gpusShape } from "./gpu-shape.ts";
import { RECIPES } from "./plan.ts";
import {
  argument,
  closed,
  decimal,
  described,
  duration,
  either,
  flag,
  integer,
  list,
  optional,
  parsed,
  parsedTemplate,
  type Read,
  recursive,
  type Shape,
  signal,
  size,
  table,
  template,
  text,
  variable,
  word,
} from "./shape.ts";
import { parseDuration, parseSize } from "./units.ts";

// --- parts of parts ----------------------------------------------------------------------------------------------------

const VARIABLE_NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

function variableFlaw(name: string): Flaw | null {
  if (VARIABLE_NAME.test(name)) return null;
  return {
    what: `${quoted(name)} cannot be the name of a variable`,
    fix: "use letters, digits and _; the first is not a digit",
  };
}

// --- parts -----------------------------------------------------------------------------------------------------------

/** A command as text (split like a shell does, no shell runs) or as a list of words. */
export const command = either({ text: template(), list: list(argument()) });

export const environment = either({
  map: table(variable(), variableFlaw),
  list: list(assignment()),
});

/** `KEY=value`, or `KEY` alone: taken from svcd's own environment. The value stays a template. */
function assignment(): Shape<[string, string | null]> {
  const looks = v.pipe(v.string(), v.regex(/^[A-Za-z_][A-Za-z0-9_.-]*(=|$)/));
  return parsedTemplate(looks, "`KEY=value`", (written): Reading<[string, string | null]> => {
    const equals = written.indexOf("=");
    const name = equals < 0 ? written : written.slice(0, equals);
    const flaw = variableFlaw(name);
    return flaw === null ? good([name, equals < 0 ? null : written.slice(equals + 1)]) : { ok: false, flaw };
  });
}

export const envFile = either({
  text: template(),
  map: closed({
    path: described("The file.", template()),
    required: optional(described("false: it may be missing.", flag(), true)),
  }),
});

export const oneOrMore = <T>(one: Shape<T>): Shape<T | T[]> => either({ text: one, list: list(one) });

const variableName = parsed(v.pipe(v.string(), v.regex(VARIABLE_NAME)), "the name of a variable", (written) => {
  const flaw = variableFlaw(written);
  return flaw === null ? good(written) : { ok: false, flaw };
});

const programName = parsed(v.pipe(v.string(), v.minLength(1)), "the name of a program", (written) =>
  written.trim() === "" || /\s/.test(written)
    ? bad(`${quoted(written)} is not the name of a program`, "write one word, such as nvidia-smi")
    : good(written),
);

/** Filled in at each start, so only what is no template can be wrong already. */
const port = parsedTemplate(v.union([v.number(), v.string()]), "a port", (written) =>
  written.includes("$") || (/^\d+$/.test(written) && Number(written) >= 1 && Number(written) <= 65535)
    ? good(written)
    : bad(`${quoted(written)} is no port`, "write a number from 1 to 65535"),
);

const fileThatContains = closed(
  {
    path: described("The file.", template()),
    contains: described(
      "Text that must be in a line of it that is no comment (#), in capitals or not; * is anything.",
      template(),
    ),
  },
  { missing: { contains: "write the path alone where it is enough that the file exists" } },
);
type WrittenFile = string | { path: string; contains: string };

export interface WrittenCondition {
  env?: string | string[] | [string, string][];
  command?: string | string[];
  file?: WrittenFile | WrittenFile[];
  port?: string | string[];
  process?: string | string[];
  user?: string;
  not?: WrittenCondition;
  all?: WrittenCondition[];
  any?: WrittenCondition[];
}

export const conditionShape: Shape<WrittenCondition> = closed(
  {
    env: optional(
      described(
        "Variables that must be set and not empty; as a map, values that they must have (in capitals or not; * is anything).",
        either({ text: variableName, list: list(variableName), map: table(argument(), variableFlaw) }),
      ),
    ),
    command: optional(described("Programs that must be on PATH.", oneOrMore(programName))),
    file: optional(
      described(
        "Files or folders that must exist; with `contains`, a text that must be in the file.",
        either({
          text: template(),
          list: list(either({ text: template(), map: fileThatContains })),
          map: fileThatContains,
        }),
      ),
    ),
    port: optional(described("TCP ports on which somebody must listen.", either({ text: port, list: list(port) }))),
    process: optional(described("Programs that must be running, by the name of the process.", oneOrMore(programName))),
    user: optional(described("svcd must run as this user.", programName)),
    not: optional(
      described(
        "The opposite of a condition.",
        recursive(() => conditionShape),
      ),
    ),
    all: optional(described("Conditions that must all hold.", list(recursive(() => conditionShape)))),
    any: optional(described("Conditions of which one must hold.", list(recursive(() => conditionShape)))),
  },
  {
    instead: { path: "write `file:`", exists: "write `file:`", program: "write `command:`", variable: "write `env:`" },
  },
);

const dependencyWord = word(["started", "ready", "completed"], {
  service_started: "started",
  service_healthy: "ready",
  service_completed_successfully: "completed",
  healthy: "ready",
});

const dependencyName = parsed(v.string(), "the name of a service", good);

export const dependsOn = either({
  text: dependencyName,
  list: list(dependencyName),
  map: table(
    either({
      text: dependencyWord,
      map: closed(
        {
          condition: described("started, ready or completed.", dependencyWord),
          on_failure: optional(
            described(
              "When it has failed for good (FATAL, or EXITED with a failure): wait until it is mended, or continue without it.",
              word(["wait", "continue"]),
              "wait",
            ),
          ),
        },
        { instead: { required: "write `on_failure: continue`" } },
      ),
    }),
    () => null,
  ),
});

/** A JavaScript regular expression. Its `$` is its own: only `${…}` is filled in. */
const pattern = parsed(
  v.pipe(v.string(), v.minLength(1)),
  "a regular expression",
  (written): Reading<string> => {
    if (written === "") return bad("it is empty", "write a regular expression that a line of the output matches");
    try {
      new RegExp(written);
      return good(written);
    } catch (error) {
      const why = String((error as Error).message).replace(/^Invalid regular expression: \/.*\/\w*: /s, "");
      return bad(
        `${quoted(written)} is not a regular expression: ${why}`,
        "correct it; a backslash before a character takes its meaning away",
      );
    }
  },
  "braces",
);

export const url = parsedTemplate(v.pipe(v.string(), v.regex(/^https?:\/\/|\$/)), "a URL", (written) => {
  const flaw = written.includes("$") ? null : urlFlaw(written);
  return flaw === null ? good(written) : { ok: false, flaw };
});

/** Why this is no URL that can be asked, or null. */
export function urlFlaw(written: string): Flaw | null {
  const fix = "write it like http://127.0.0.1:8000/health";
  if (!/^https?:\/\//i.test(written)) return { what: `${quoted(written)} is not an http URL`, fix };
  return URL.canParse(written) ? null : { what: `${quoted(written)} is not a URL`, fix };
}

const addressLooks = v.union([v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65535)), v.string()]);
const address = parsedTemplate(addressLooks, "an address", (written): Reading<string> => {
  const known = written.includes("$") ? null : parseAddress(written);
  return known === null || known.ok ? good(written) : known;
});

const healthcheck = closed(
  {
    http: optional(described("A URL that must answer with 200 to 399.", url)),
    tcp: optional(described("host:port (or a port) that must accept a connection.", address)),
    exec: optional(described("A command that must exit 0.", command)),
    log: optional(described("A regular expression that a line of the output must match once.", pattern)),
    interval: optional(described("From one probe to the next.", duration(100), "10s")),
    timeout: optional(described("A probe that takes longer has failed.", duration(10), "5s")),
    retries: optional(described("Failures in a row that make the service unhealthy.", integer(1, 10_000), 3)),
    start_period: optional(
      described('From the start of a run: failures only mean "not ready yet".', duration(0), "30s"),
    ),
    on_unhealthy: optional(described("What happens to an unhealthy service.", word(["restart", "nothing"]), "restart")),
  },
  {
    instead: {
      test: "write `exec: [...]` with the words behind CMD, or `http:`, `tcp:` or `log:`",
      disable: "remove the whole `healthcheck`",
      start_interval: "write `interval:`",
      url: "write `http:`",
      command: "write `exec:`",
      cmd: "write `exec:`",
      port: "write `tcp:`",
    },
  },
);

const phaseRule = closed(
  {
    name: described("What a person reads: loading shards.", text()),
    match: optional(
      described(
        "A regular expression for a line of the output, without colours; each state of a progress bar is a line. (?<done>…) and (?<total>…), or (?<percent>…), say how far it is; (?<bar>…) tells bars apart, (?<bars>…) how many there are.",
        pattern,
      ),
    ),
    growth: optional(
      described(
        "Instead of `match`: a folder whose growth is progress, or a folder and a pattern of names (/cache/*.incomplete).",
        template(),
      ),
    ),
    stall: optional(described("In this phase so much silence is no stall.", duration(100))),
  },
  {
    instead: {
      pattern: "write `match:`",
      regex: "write `match:`",
      path: "write `growth:`",
      phase: "write `name:`",
    },
    missing: { name: "add `name:`, what a person reads" },
  },
);

/** Rules of its own, or what svcd knows of a program. */
const phases = either({ text: word(PHASE_RECIPES), list: list(either({ text: word(PHASE_RECIPES), map: phaseRule })) });

const smoke = either({
  text: word(["score"]),
  map: closed(
    {
      score: optional(
        described(
          "A matching and an unrelated text are scored, and the matching one must come first.",
          closed({
            url: optional(described("Where; else /score of the server that `healthcheck.http` asks.", url)),
            query: optional(described("The question of both pairs.", text())),
            matching: optional(described("A text that answers it.", text())),
            unrelated: optional(described("A text about something else.", text())),
          }),
        ),
      ),
      http: optional(
        described(
          "A request that must be answered with 200 to 399, and as expected.",
          closed({
            url: described("Where.", url),
            method: optional(
              described(
                "Else POST with a body, and GET without.",
                word(["GET", "POST", "PUT"], { get: "GET", post: "POST", put: "PUT" }),
              ),
            ),
            body: optional(described("What is sent, as JSON if it is that.", template())),
            expect: optional(described("A regular expression that the answer must match.", pattern)),
          }),
        ),
      ),
      timeout: optional(described("An answer that takes longer is none; else 30s.", duration(10))),
    },
    { instead: { url: "write `score: { url: … }` or `http: { url: … }`", exec: "write `healthcheck: { exec: … }`" } },
  ),
});

const backoff = closed({
  first: optional(described("Least time from one start to the next after a first failure.", duration(1), "200ms")),
  factor: optional(described("How much longer after each further failure in a row.", decimal(1, 100), 2)),
  longest: optional(described("It never grows beyond this.", duration(1), "60s")),
  jitter: optional(described("Share that chance adds or takes away: 0.1 is ±10 %.", decimal(0, 1), 0.1)),
  steady: optional(described("A run that lasts this long forgives all failures before it.", duration(0), "60s")),
});

const giveUp = either({
  text: word(["never"]),
  map: closed({
    failures: optional(described("This many failures …", integer(1, 1_000_000), 10)),
    within: optional(described("… within this time make the service FATAL.", duration(1), "10m")),
  }),
});

const logs = either({
  text: word(["none"]),
  map: closed(
    {
      max_size: optional(described("A log of this size is rotated, between two lines.", size(1024), "50M")),
      keep: optional(described("Rotated files that are kept.", integer(0, 10_000), 10)),
      format: optional(described("raw: the bytes as the program wrote them.", word(["raw"]), "raw")),
      timestamps: optional(described("Put the time before each line.", flag(), false)),
      compress: optional(described("gzip rotated files, from the second on.", flag(), true)),
      stderr: optional(
        described("merged: one file. separate: stderr in NAME.stderr.log.", word(["merged", "separate"]), "merged"),
      ),
    },
    {
      instead: {
        max_file: "write `keep:`",
        "max-size": "write `max_size:`",
        "max-file": "write `keep:`",
        driver: "svcd always writes log/NAME.log",
      },
    },
  ),
});

const unlimited = (read: (text: string) => Reading<number>): ((text: string) => Reading<number | null>) => {
  return (written) => (/^(unlimited|infinity|-1)$/i.test(written.trim()) ? good(null) : read(written));
};
const limitLooks = v.union([v.pipe(v.number(), v.integer(), v.minValue(0)), v.string()]);
const countLimit = parsed(
  limitLooks,
  "a number",
  unlimited((written) =>
    /^\d{1,15}$/.test(written.trim())
      ? good(Number(written))
      : bad(`${quoted(written)} is not a whole number`, "write a number, or unlimited"),
  ),
);
const sizeLimit = parsed(limitLooks, "a size", unlimited(parseSize));
const secondsLimit = parsed(
  limitLooks,
  "a duration",
  unlimited((written) => {
    const ms = parseDuration(written);
    return ms.ok ? good(Math.ceil(ms.value / 1000)) : ms;
  }),
);

const limits = closed(
  {
    nofile: optional(described("Open files.", countLimit)),
    nproc: optional(described("Processes of the user.", countLimit)),
    core: optional(described("Size of a core dump.", sizeLimit)),
    memory: optional(described("Address space (RLIMIT_AS).", sizeLimit)),
    cpu: optional(described("Processor time, in seconds or as a duration.", secondsLimit)),
    stack: optional(described("Size of the stack.", sizeLimit)),
    fsize: optional(described("Size of a file it writes.", sizeLimit)),
    memlock: optional(described("Memory it may lock.", sizeLimit)),
    nice: optional(described("-20 (first) to 19 (last).", integer(-20, 19))),
    oom_score_adj: optional(described("-1000 (never killed for memory) to 1000 (first).", integer(-1000, 1000))),
  },
  { instead: { as: "write `memory:`", mem: "write `memory:`", files: "write `nofile:`", priority: "write `nice:`" } },
);

const umask = parsed(
  v.union([v.pipe(v.string(), v.regex(/^(0o)?[0-7]{1,4}$|\$/)), v.number()]),
  "an octal number",
  (written) => {
    const digits = /^(?:0o)?([0-7]{1,4})$/.exec(written.trim())?.[1];
    const mask = digits === undefined ? Number.NaN : Number.parseInt(digits, 8);
    return mask <= 0o777
      ? good(mask)
      : bad(`${quoted(written)} is not a umask`, "write it in octal, such as 022 or 077");
  },
);

const restart = word(
  ["always", "on-failure", "no"],
  { "unless-stopped": "always", false: "no", never: "no", on_failure: "on-failure" },
  [v.literal(false)],
);

const exitCode = integer(0, 255);

const idleEntries = {
  after: described("So long nobody used it.", duration(1000)),
  metrics: optional(
    described(
      "A page in Prometheus' format: its counters of requests, and those that run or wait, tell when it is used.",
      url,
    ),
  ),
  jupyter: optional(
    described("The address of a Jupyter server: its kernels, terminals and pages tell when it is used.", url),
  ),
  gpu: optional(described("false: use of GPUs does not count.", flag(), true)),
  dry_run: optional(described("true: only say what would be done.", flag(), false)),
};

const idleRun = closed({ run: described("A command, or a URL that gets a JSON object.", command) });

const serviceIdle = closed({
  ...idleEntries,
  then: optional(described("stop, or run: a command.", either({ text: word(["stop"]), map: idleRun }), "stop")),
});

const machineIdle = closed(
  {
    ...idleEntries,
    then: described("run: a command, such as one that stops this machine.", idleRun),
  },
  { missing: { then: 'add `then: { run: "vastai stop instance $CONTAINER_ID" }`, or whatever stops this machine' } },
);

// --- a program, be it a service or a job -------------------------------------------------------------------------------

/** What runs, as whom and in which surroundings; how its end is judged and brought about. */
export const programEntries = {
  command: described(
    "What runs: a string is split into words as a shell does (no shell runs), a list is taken as it is. `${VAR}` is filled in at each start.",
    command,
  ),
  shell: optional(described("true: `command` is given to /bin/sh -c.", flag(), false)),
  description: optional(described("One line about it, for people.", text())),
  working_dir: optional(described("The folder it runs in.", template())),
  user: optional(
    described(
      "The user it runs as, with that user's supplementary groups.",
      template(v.union([v.string(), v.number()])),
    ),
  ),
  group: optional(described("The group it runs as.", template(v.union([v.string(), v.number()])))),
  umask: optional(described("In octal: 022.", umask)),
  environment: optional(
    described("Variables: a map, or a list of KEY=value. No value: taken from svcd's own environment.", environment),
  ),
  env_file: optional(
    described(
      "Files with KEY=value lines, read anew at each start. A leading ? lets one be missing.",
      either({ text: template(), list: list(envFile) }),
    ),
  ),
  venv: optional(described("A Python environment to run inside of.", template())),
  recipe: optional(
    described(
      "What svcd knows about this program. vllm: `${VLLM_MODEL}`, `${VLLM_TP_ARGS}`, `${VLLM_PRESET_ARGS}`, `${VLLM_CONF_ARGS}`, `${VLLM_ARGS}` and `${VLLM_HTTP_PORT}` are made at each start; see svctl explain.",
      word(RECIPES),
    ),
  ),
  success_exit_codes: optional(
    described("Exit codes that count as success.", either({ text: exitCode, list: list(exitCode) })),
  ),
  stop_signal: optional(described("The signal that asks it to end.", signal(), "TERM")),
  stop_grace_period: optional(described("Then what is left is killed.", duration(0), "10s")),
  stop_to: optional(described("Who gets the stop signal.", word(["group", "main"]), "group")),
  limits: optional(described("Resource limits.", limits)),
  gpus: optional(
    described(
      "GPUs that are its own while it runs: all, a number, a list of devices, or a map with count or devices, memory, share. It waits for them, and sees no others.",
      gpusShape,
    ),
  ),
};

/** What other programs call it. */
export const programHabits: Readonly<Record<string, string>> = {
  // supervisord
  directory: "write `working_dir:`",
  stopsignal: "write `stop_signal:`",
  stopwaitsecs: "write `stop_grace_period:`",
  exitcodes: "write `success_exit_codes:`",
  stdout_logfile: "svcd writes log/NAME.log by itself; `logs:` sets its size",
  stderr_logfile: "write `logs: { stderr: separate }`",
  redirect_stderr: "stderr is merged unless `logs: { stderr: separate }` says otherwise",
  stopasgroup: "the whole group is stopped unless `stop_to: main` says otherwise",
  killasgroup: "everything that is left of a run is always killed",
  // Docker Compose
  env: "write `environment:`",
  image: "svcd runs programs, not images: write `command:`",
  build: "svcd runs programs, not images: write `command:`",
  entrypoint: "write all of it into `command:`",
  ports: "a program opens its own ports",
  volumes: "a program sees the files of this machine",
  hostname: "a program runs on this machine, under its name",
  ulimits: "write `limits:`",
  logging: "write `logs:`",
  stop_timeout: "write `stop_grace_period:`",
  // systemd, pm2 and habit
  cwd: "write `working_dir:`",
  workdir: "write `working_dir:`",
  cmd: "write `command:`",
  exec: "write `command:`",
  script: "write `command:`",
  args: "write all of it into `command:`",
  requires: "write `depends_on:`",
  after: "write `depends_on:`",
};

// --- a service -------------------------------------------------------------------------------------------------------

export const serviceShape = closed(
  {
    ...programEntries,
    idle: optional(described("What is done when nobody has used it for long.", serviceIdle)),
    when: optional(
      described(
        "Not wanted on this machine unless this holds: the service is SKIPPED, with the reason.",
        conditionShape,
      ),
    ),
    enabled: optional(described("false: never started until someone says `svctl enable`.", flag(), true)),
    autostart: optional(described("false: started only when someone asks.", flag(), true)),
    essential: optional(
      described(
        "true: when it is given up (FATAL) or has ended for good (EXITED), svcd stops everything and ends with its exit status.",
        flag(),
        false,
      ),
    ),
    restart: optional(
      described(
        "always: also after exit 0. on-failure: after any exit code not in success_exit_codes. no: runs once.",
        restart,
        "always",
      ),
    ),
    startsecs: optional(
      described("Up this long (and healthy, if it has a check) before it counts as RUNNING.", duration(0), "1s"),
    ),
    backoff: optional(described("The growing least time between starts while it fails.", backoff)),
    give_up: optional(described("When failures make it FATAL; `never` to go on for ever.", giveUp)),
    startretries: optional(
      described("supervisord's rule instead of give_up: retries before FATAL.", integer(0, 1_000_000)),
    ),
    healthcheck: optional(described("How to know that it answers: one of http, tcp, exec, log.", healthcheck)),
    phases: optional(
      described(
        "What a start goes through, shown while it starts: a recipe (vllm, sglang, llama.cpp, huggingface, tqdm), or rules. The start deadline moves on with its progress.",
        phases,
      ),
    ),
    stall: optional(
      described(
        "With `phases`: a start that does not move on for so long is ended and tried again; else 10m.",
        duration(100),
      ),
    ),
    smoke: optional(
      described("A question that a start must answer well, once its healthcheck passes, before it is ready.", smoke),
    ),
    depends_on: optional(
      described(
        "Services that must be started (list), or started | ready | completed (map), before this one.",
        dependsOn,
      ),
    ),
    reload_signal: optional(described("What `svctl reload` sends instead of a restart.", signal())),
    replicas: optional(
      described("This many instances, NAME@1 and so on; ${REPLICA} is the number.", integer(1, 1000), 1),
    ),
    logs: optional(described("What happens to its output; `none` discards it.", logs)),
    expose: optional(
      described("How it is reached from outside, through the gateway: one entry or a list.", exposeShape),
    ),
    on: optional(
      described(
        "Commands or webhooks for what happens to it.",
        closed({
          failed: optional(described("It became FATAL.", command)),
          healthy: optional(described("Its check passed.", command)),
          stopped: optional(described("It stopped.", command)),
        }),
      ),
    ),
  },
  {
    missing: { command: "add a line like `command: python3 server.py`" },
    instead: {
      ...programHabits,
      tunnel: "write `tunnel: quick` inside of `expose:`",
      autorestart: "write `restart: always`, `on-failure` or `no`",
      numprocs: "write `replicas:`",
      priority: "write `depends_on:` for the order of starts",
      container_name: "the file or its key under `services:` gives the name",
      deploy: "write `replicas:` and `limits:`",
      profiles: "write `when:` or `enabled: false`",
      name: "the file or its key under `services:` gives the name",
      services: "a service cannot hold services",
      jobs: "jobs belong into cron.d",
      instances: "write `replicas:`",
      health: "write `healthcheck:`",
      phase: "write `phases:`",
      progress: "write `phases:`",
      // jobs
      schedule: "jobs belong into cron.d",
      timezone: "jobs belong into cron.d",
      overlap: "jobs belong into cron.d",
    },
  },
);

export type WrittenService = Read<typeof serviceShape>;

// --- svcd.yaml -------------------------------------------------------------------------------------------------------

export const settingsShape = closed({
  auto_apply: optional(
    described("false: changes in services.d wait for `svctl update` or `svctl apply`.", flag(), true),
  ),
  group: optional(described("A group that may use svcd; without it, only its owner.", text())),
  environment: optional(described("Variables for every service, below the service's own.", environment)),
  idle: optional(described("What is done when nobody has used the machine for long.", machineIdle)),
});

export type WrittenSettings = Read<typeof settingsShape>;
