/**
 * Every key that a job in YAML may hold: what runs in the words of a service, and what is a job's own. `schema.ts` tells how
 * such a definition is used, `job-of.ts` fills in the defaults.
 *
 * Keys of a service that mean nothing for something that runs and ends are mistakes that say what to write instead.
 */
import * as v from "valibot";
import { OVERLAPS } from "../schedule/job.ts";
import { ON_MISSED } from "../schedule/overdue.ts";
import { zoneNamed } from "../schedule/zone.ts";
import { bad, good, quoted } from "./flaw.ts";
import { NOTIFICATION_EVENTS } from "./job.ts";
import { NAME_PATTERN } from "./name.ts";
import { command, conditionShape, dependsOn, programEntries, programHabits, url } from "./schema.ts";
import {
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
  size,
  text,
  word,
} from "./shape.ts";

/** More tries than anybody waits for are a slip of the pen. */
const MOST_RETRIES = 100;
/** A file of so many schedules is a program in disguise. */
export const MOST_SCHEDULES = 100;

const timezone = parsed(v.pipe(v.string(), v.minLength(1)), "a time zone", (written) =>
  zoneNamed(written) === null
    ? bad(`${quoted(written)} is no time zone`, "write it like Europe/Berlin or UTC")
    : good(written),
);

const groupName = parsed(v.pipe(v.string(), v.regex(NAME_PATTERN), v.maxLength(100)), "a name", (written) =>
  NAME_PATTERN.test(written) && written.length <= 100
    ? good(written)
    : bad(`${quoted(written)} is no name`, "use letters, digits, `_`, `-` and `.`, at most 100"),
);

const retries = either({
  text: integer(0, MOST_RETRIES),
  map: closed(
    {
      most: optional(described("Tries after the first one.", integer(0, MOST_RETRIES), 3)),
      first: optional(described("From a failure to the first of them.", duration(0), "10s")),
      factor: optional(described("How much longer after each further failure.", decimal(1, 100), 2)),
      longest: optional(described("It never grows beyond this.", duration(0), "10m")),
      jitter: optional(described("Share that chance adds or takes away: 0.1 is ±10 %.", decimal(0, 1), 0.1)),
    },
    { instead: { count: "write `most:`", max: "write `most:`", delay: "write `first:`", attempts: "write `most:`" } },
  ),
});

const keep = either({
  text: integer(0, 100_000),
  map: closed({
    successes: optional(described("Runs that succeeded.", integer(0, 100_000), 50)),
    failures: optional(described("Runs that did not, and due times without a run.", integer(0, 100_000), 50)),
    for: optional(described("None is kept longer than this.", duration(60_000))),
  }),
});

const output = closed(
  {
    head: optional(described("So much of its beginning.", size(0), "64K")),
    tail: optional(described("So much of its end.", size(1024), "1M")),
  },
  { instead: { max_size: "write `tail:`", first: "write `head:`", last: "write `tail:`" } },
);

const logs = either({
  text: word(["none"]),
  map: closed(
    {
      timestamps: optional(described("Put the time before each line.", flag(), false)),
      stderr: optional(
        described("merged: one file. separate: stderr in a file of its own.", word(["merged", "separate"]), "merged"),
      ),
    },
    {
      instead: {
        max_size: "write `output: { tail: 1M }`: each run has a file of its own",
        keep: "write `keep:` for how many runs are kept",
        compress: "remove it: the output of a run is small by `output:`",
        format: "remove it",
      },
    },
  ),
});

const event = word(NOTIFICATION_EVENTS, {
  fail: "failure",
  failed: "failure",
  recovered: "recovery",
  succeeded: "success",
  timed_out: "timeout",
  skip: "skipped",
  started: "start",
});

const address = parsedTemplate(v.pipe(v.string(), v.minLength(1)), "an address", (written) =>
  written.trim() === "" || /[\s,]/.test(written.trim())
    ? bad(`${quoted(written)} is no address`, "write one, such as ops@example.org or root; several are several items")
    : good(written.trim()),
);

const notification = closed(
  {
    on: optional(
      described(
        "Which events; without it failure, timeout, missed and recovery (of a ping: start, success, failure, timeout).",
        either({ text: event, list: list(event) }),
      ),
    ),
    command: optional(described("Runs with CRON_JOB, CRON_RUN_ID and more about the run.", command)),
    webhook: optional(described("Gets a POST of JSON about the run.", url)),
    ping: optional(described("healthchecks.io and its like: URL/start, URL on success, URL/fail.", url)),
    mail: optional(described("Gets a mail by sendmail(8).", address)),
    when: optional(
      described(
        "For a mail. event: on each of them. output: only if the run has printed something, with what it printed.",
        word(["event", "output"]),
        "event",
      ),
    ),
  },
  {
    instead: {
      url: "write `webhook:` or `ping:`",
      http: "write `webhook:`",
      healthchecks: "write `ping:`",
      email: "write `mail:`",
      mailto: "write `mail:`",
      to: "write `mail:`",
      exec: "write `command:`",
      cmd: "write `command:`",
      events: "write `on:`",
    },
  },
);

export const jobShape = closed(
  {
    schedule: described(
      "When: `30 4 * * 1-5` as in a crontab, @daily and its like, @reboot, @every 5m; with seconds, L, W, # in the extended dialect. A list: whenever one of them is due.",
      either({ text: text(), list: list(text()) }),
    ),
    ...programEntries,
    enabled: optional(described("false: it runs only when somebody says `svctl run`.", flag(), true)),
    dialect: optional(
      described(
        "How `schedule` is read; without it what only the extended dialect can say is read by that.",
        word(["crontab", "extended"]),
      ),
    ),
    days: optional(
      described(
        "A day of the month and a weekday that are both given: `or` one of them is enough, `and` both must fit. Without it as in a crontab.",
        word(["and", "or"]),
      ),
    ),
    timezone: optional(described("Of the schedule, such as Europe/Berlin; without it the machine's.", timezone)),
    overlap: optional(
      described(
        "When it is due and still runs. skip: this due time is left out. queue: it starts after. replace: what runs is ended. allow: both run.",
        word(OVERLAPS),
        "skip",
      ),
    ),
    timeout: optional(described("A run that takes longer is ended (`stop_signal`, then killed).", duration(1))),
    start_deadline: optional(
      described("A run that cannot start within this time of its due time is left out.", duration(1)),
    ),
    retries: optional(described("Tries after a failure: a number, or with delays.", retries)),
    on_missed: optional(
      described(
        "Due times while svcd was not there. skip: left out. once: one run for all of them. all: a run for each. cron: as cron does.",
        word(ON_MISSED),
        "once",
      ),
    ),
    missed_window: optional(described("Older due times than this are not made up for.", duration(0), "1d")),
    splay: optional(
      described(
        "Starts up to so much later, always the same on this machine: so that not all start at once.",
        duration(0),
        "0s",
      ),
    ),
    lock: optional(described("One run at a time of all jobs that write the same word here.", groupName)),
    concurrency: optional(
      described(
        "At most so many runs at a time of all jobs of the group.",
        closed({
          group: described("A word that they all write.", groupName),
          most: described("Runs at a time.", integer(1, 1000)),
        }),
      ),
    ),
    when: optional(described("A run is left out unless this holds on this machine.", conditionShape)),
    depends_on: optional(
      described("Services that must be ready (list), or started | ready | completed (map), when it starts.", dependsOn),
    ),
    when_blocked: optional(
      described(
        "While one of them is not. wait: until it is, as long as `start_deadline`. skip: the run is left out.",
        word(["wait", "skip"]),
        "wait",
      ),
    ),
    keep: optional(described("How many runs the history keeps, successes and failures apart.", keep)),
    output: optional(described("How much of what a run prints is kept; what lies between is counted.", output)),
    notify: optional(described("Who is told of what.", either({ list: list(notification), map: notification }))),
    env: optional(
      described("clean: nothing of svcd's own environment but PATH, HOME, LOGNAME and SHELL.", word(["clean"])),
    ),
    logs: optional(described("How its output is written; `none` discards it.", logs)),
  },
  {
    missing: {
      command: "add a line like `command: /usr/local/bin/backup`",
      schedule: 'add a line like `schedule: "30 4 * * *"` or `schedule: "@every 5m"`',
    },
    instead: {
      ...programHabits,
      // what only a service has
      restart: "a job runs when it is due; for another try after a failure write `retries:`",
      startsecs: "remove it: a job is judged by its exit code",
      backoff: "write `retries: { first: 10s, factor: 2, longest: 10m }`",
      give_up: "write `retries:`; the next due time comes anyway",
      startretries: "write `retries:`",
      autorestart: "for another try after a failure write `retries:`",
      healthcheck: "remove it: a job is judged by its exit code (`success_exit_codes:`)",
      replicas: "write several jobs",
      numprocs: "write several jobs",
      autostart: "write `enabled: false` for a job that only people start",
      essential: "remove it; `notify:` tells somebody of a failure",
      reload_signal: "remove it: a job is started anew each time",
      idle: "remove it: a job ends by itself",
      expose: "remove it: only services are reached from outside",
      tunnel: "remove it: only services are reached from outside",
      on: "write `notify:`",
      // Kubernetes, systemd, cron and habit
      cron: "write `schedule:`",
      crontab: "write `schedule:`",
      every: 'write `schedule: "@every 5m"`',
      interval: 'write `schedule: "@every 5m"`',
      at: "write `schedule:`",
      oncalendar: "write `schedule:` as in a crontab",
      tz: "write `timezone:`",
      timeZone: "write `timezone:`",
      zone: "write `timezone:`",
      concurrencyPolicy: "write `overlap:`",
      startingDeadlineSeconds: "write `start_deadline:`",
      activeDeadlineSeconds: "write `timeout:`",
      backoffLimit: "write `retries:`",
      successfulJobsHistoryLimit: "write `keep:`",
      failedJobsHistoryLimit: "write `keep:`",
      suspend: "write `enabled: false`",
      persistent: "write `on_missed: once`",
      catch_up: "write `on_missed:`",
      jitter: "write `splay:`",
      random_delay: "write `splay:`",
      mailto: "write `notify: { mail: … }`",
      mail: "write `notify: { mail: … }`",
      name: "the file or its key under `jobs:` gives the name",
      jobs: "a job cannot hold jobs",
      services: "services belong into services.d",
    },
  },
);

export type WrittenJob = Read<typeof jobShape>;
