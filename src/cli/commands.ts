/**
 * All commands of svctl, in the order in which the help shows them. The file of a command is loaded when it is called.
 */

import { nearest } from "../plan/suggest.ts";
import type { Command } from "./call.ts";
import { type Failure, usage } from "./failure.ts";
import type { OptionName } from "./options.ts";

const WAIT: readonly OptionName[] = ["wait", "no-wait", "timeout", "json"];
const SCHEDULE: readonly OptionName[] = ["tz", "from", "count", "dialect", "json"];
const ANY = Number.POSITIVE_INFINITY;
const NAMES = "NAME… | GROUP:* | all";

export const COMMANDS: readonly Command[] = [
  {
    name: "status",
    usage: "[NAME… | GROUP:* | all]",
    summary: "what every service does, since when and why",
    options: ["json"],
    words: [0, ANY],
    completes: "services",
    load: () => import("./status.ts"),
  },
  {
    name: "why",
    usage: "NAME…",
    summary: "why a service is as it is: evidence, last lines, what happens next, what you can do",
    options: ["json"],
    words: [1, ANY],
    completes: "services",
    load: () => import("./why.ts"),
  },
  {
    name: "start",
    usage: NAMES,
    summary: "start services",
    options: WAIT,
    words: [1, ANY],
    completes: "services",
    load: () => import("./start.ts"),
  },
  {
    name: "stop",
    usage: NAMES,
    summary: "stop services; they stay down until somebody starts them or the machine boots",
    options: WAIT,
    words: [1, ANY],
    completes: "services",
    load: () => import("./stop.ts"),
  },
  {
    name: "restart",
    usage: NAMES,
    summary: "stop services if they run, and start them",
    options: WAIT,
    words: [1, ANY],
    completes: "services",
    load: () => import("./restart.ts"),
  },
  {
    name: "reload",
    usage: NAMES,
    summary: "have services read their own settings again: their reload_signal, else a restart",
    options: WAIT,
    words: [0, ANY],
    completes: "services",
    load: () => import("./reload.ts"),
  },
  {
    name: "signal",
    usage: `SIGNAL ${NAMES}`,
    summary: "send a signal to the processes of services",
    options: ["json"],
    words: [2, ANY],
    completes: "signals",
    load: () => import("./signal.ts"),
  },
  {
    name: "enable",
    usage: NAMES,
    summary: "let services run on this machine, whatever their file says; kept across reboots",
    options: ["json"],
    words: [1, ANY],
    completes: "services",
    load: () => import("./enable.ts"),
  },
  {
    name: "disable",
    usage: NAMES,
    summary: "do not let services run on this machine; kept across reboots",
    options: ["json"],
    words: [1, ANY],
    completes: "services",
    load: () => import("./disable.ts"),
  },
  {
    name: "logs",
    usage: "[NAME… | GROUP:* | all]",
    summary: "print the output of services, several merged by lines",
    options: ["follow", "lines", "stream"],
    words: [0, ANY],
    completes: "services",
    load: () => import("./logs.ts"),
  },
  {
    name: "tail",
    usage: "[-f] [-BYTES] NAME [stdout | stderr]",
    summary: "print the last bytes of the output of one service",
    options: ["follow", "stream"],
    words: [1, 2],
    completes: "streams",
    load: () => import("./tail.ts"),
  },
  {
    name: "clear",
    usage: NAMES,
    summary: "empty the log files of services",
    options: ["json"],
    words: [1, ANY],
    completes: "services",
    load: () => import("./clear.ts"),
  },
  {
    name: "pid",
    usage: "[NAME… | GROUP:* | all]",
    summary: "print process ids; without a name the one of svcd itself",
    options: ["json"],
    words: [0, ANY],
    completes: "services",
    load: () => import("./pid.ts"),
  },
  {
    name: "plan",
    usage: "",
    summary: "what the files would change, field by field, and every mistake in them; changes nothing",
    options: ["json"],
    words: [0, 0],
    completes: null,
    load: () => import("./plan.ts"),
  },
  {
    name: "apply",
    usage: "[NAME…]",
    summary: "take the files up: start what is new, restart what must be, stop what is gone",
    options: WAIT,
    words: [0, ANY],
    completes: "services",
    load: () => import("./apply.ts"),
  },
  {
    name: "reread",
    usage: "",
    summary: "which services are new, changed or gone in the files; changes nothing",
    options: ["json"],
    words: [0, 0],
    completes: null,
    load: () => import("./reread.ts"),
  },
  {
    name: "update",
    usage: "[NAME… | all]",
    summary: "the same as `apply`, by supervisorctl's name",
    options: WAIT,
    words: [0, ANY],
    completes: "services",
    load: () => import("./update.ts"),
  },
  {
    name: "add",
    usage: "NAME…",
    summary: "take up services that are new in the files",
    options: WAIT,
    words: [1, ANY],
    completes: null,
    load: () => import("./add.ts"),
  },
  {
    name: "remove",
    usage: NAMES,
    summary: "forget stopped services until their files are taken up again",
    options: ["json"],
    words: [1, ANY],
    completes: "services",
    load: () => import("./remove.ts"),
  },
  {
    name: "avail",
    usage: "",
    summary: "all services of the files: in use or not, started by themselves or by hand",
    options: ["json"],
    words: [0, 0],
    completes: null,
    load: () => import("./avail.ts"),
  },
  {
    name: "next",
    usage: "SCHEDULE",
    summary: "when a schedule is due next, in any time zone and from any day on",
    options: SCHEDULE,
    words: [1, ANY],
    completes: null,
    load: () => import("./next.ts"),
  },
  {
    name: "explain",
    usage: "SCHEDULE",
    summary: "a schedule in words, when it is due next, and what changes of the clocks do to it",
    options: SCHEDULE,
    words: [1, ANY],
    completes: null,
    load: () => import("./explain.ts"),
  },
  {
    name: "lint",
    usage: "[FILE… | DIRECTORY…]",
    summary: "everything that is wrong or rarely meant in crontabs; without a file, in all of cron.d",
    options: ["json"],
    words: [0, ANY],
    completes: null,
    load: () => import("./lint.ts"),
  },
  {
    name: "schema",
    usage: "[services | jobs | settings]",
    summary: "print the JSON Schema of the files in services.d or cron.d, or of svcd.yaml, for editors",
    options: [],
    words: [0, 1],
    completes: null,
    load: () => import("./schema.ts"),
  },
  {
    name: "doctor",
    usage: "",
    summary: "check the installation and this machine",
    options: ["json"],
    words: [0, 0],
    completes: null,
    load: () => import("./doctor.ts"),
  },
  {
    name: "version",
    usage: "",
    summary: "print the versions of svctl and of the running svcd",
    options: ["json"],
    words: [0, 0],
    completes: null,
    load: () => import("./version.ts"),
  },
  {
    name: "upgrade",
    usage: "",
    summary: "let the installed version of svcd take over; no service is touched",
    options: ["timeout", "json"],
    words: [0, 0],
    completes: null,
    load: () => import("./upgrade.ts"),
  },
  {
    name: "shutdown",
    usage: "",
    summary: "stop all services, then svcd",
    options: WAIT,
    words: [0, 0],
    completes: null,
    load: () => import("./shutdown.ts"),
  },
  {
    name: "completion",
    usage: "bash | zsh | fish",
    summary: "print the script that completes commands and names in your shell",
    options: [],
    words: [1, 1],
    completes: "shells",
    load: () => import("./completion.ts"),
  },
  {
    name: "help",
    usage: "[COMMAND]",
    summary: "this list, or what one command does",
    options: [],
    words: [0, 1],
    completes: "commands",
    load: () => import("./help.ts"),
  },
];

/** Asked by the completion scripts with each press of Tab; in no list. */
const COMPLETE: Command = {
  name: "__complete",
  usage: "WORD…",
  summary: "what may stand in place of the last word",
  options: [],
  words: [0, ANY],
  completes: null,
  load: () => import("./complete.ts"),
};

export function commandNamed(name: string): Command | null {
  if (name === COMPLETE.name) return COMPLETE;
  return COMMANDS.find((command) => command.name === name) ?? null;
}

export function unknownCommand(verb: string): Failure {
  const near = nearest(
    verb,
    COMMANDS.map(({ name }) => name),
  );
  const meant = near === null ? "" : `: did you mean \`${near}\`?`;
  return usage(`unknown command \`${verb}\`${meant}`, "svctl help lists all commands");
}
