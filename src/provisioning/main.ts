/**
 * The program `svcd-provision`: what services.d/provisioning.yaml runs, and what `svctl provision` asks. It needs no daemon: a
 * person can run it in a container's build as well.
 */
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { places } from "../places.ts";
import { formatMistake } from "../plan/mistake.ts";
import { suggestion } from "../plan/suggest.ts";
import { Markers, markerFolders } from "./markers.ts";
import { stepMeant } from "./memory.ts";
import { provision, STATUS } from "./provision.ts";
import { dryRun, type Report, report, table } from "./report.ts";
import { screen } from "./screen.ts";
import { environmentOfService, ownEnvironment, stepsHere } from "./source.ts";
import { Store } from "./store.ts";

const HELP = `usage: svcd-provision [--root DIR] [COMMAND]

Does the steps of provisioning.d, each once: what is done stays done, what failed is tried again from there.

commands:
  run            do what is to be done (without a command)
  show           what was done, what failed and why; --json
  dry-run        what a run would do; --json
  again [STEP]   the next run does STEP and all after it again (its name, its number, or all); without STEP it also looks
                 whether the content of PROVISIONING_SCRIPT has changed

  --root DIR     provisioning.d and state are below DIR (or SVCD_ROOT; without: /etc/svcd and /var/lib/svcd)
  --daemon PID   see variables as the svcd with this pid does
`;

interface Words {
  readonly command: string;
  readonly step: string | null;
  readonly root: string | null;
  readonly json: boolean;
  readonly daemon: number | null;
}

const { say, draw } = screen(process.stdout);
const words = parse(process.argv.slice(2));
const where = places({ root: words.root, env: process.env, uid: process.getuid?.() ?? 0, exists: existsSync });
const store = new Store(where.state, say);

switch (words.command) {
  case "run":
    void run();
    break;
  case "show":
  case "dry-run":
    show();
    break;
  case "again":
    again();
    break;
  default:
    process.stdout.write(HELP);
}

async function run(): Promise<void> {
  const env = ownEnvironment(process.env);
  process.chdir(dirname(where.services)); // Where svcd starts it, and relative paths begin.
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => stop.abort());
  process.on("SIGXFSZ", () => {}); // A file that may not grow is a write that fails, and told as that.
  const status = await provision(stepsHere(where, env), {
    store,
    markers: new Markers(markerFolders(where.state, words.root, process.getuid?.() ?? 0)),
    stop: stop.signal,
    say,
    draw,
    compare: env["PROVISIONING_AGAIN"] === "changed",
  });
  process.exit(status); // Connections that are kept open for more are not waited for.
}

function show(): void {
  const known = reportNow();
  if (words.json) {
    process.stdout.write(`${JSON.stringify(known, null, process.stdout.isTTY ? 2 : undefined)}\n`);
  } else {
    for (const mistake of known.mistakes) say(`${formatMistake(mistake as Parameters<typeof formatMistake>[0])}\n`);
    for (const line of words.command === "dry-run" ? dryRun(known) : page(known)) say(line);
  }
  process.exitCode = known.mistakes.length > 0 ? STATUS.mistakes : 0;
}

function reportNow(): Report {
  const { steps, mistakes, redact } = stepsHere(where, environmentOfService(where, words.daemon));
  const memory = store.peek();
  const pid = memory.run?.outcome === "running" ? memory.run.pid : null;
  return report({
    steps,
    mistakes,
    memory,
    progress: store.peekProgress(),
    isRunning: pid !== null && isProvisioning(pid),
    redact,
    compare: process.env["PROVISIONING_AGAIN"] === "changed" || store.wishes().some(({ from }) => from === null),
  });
}

function page(known: Report): string[] {
  const { state, cause, steps, endedAt } = known;
  const when = endedAt === null ? "" : ` (${endedAt})`;
  const failed = steps.filter((step) => step.state === "failed" && step.fix !== null);
  return [
    `provisioning: ${state}${when}${cause === null || state === "mistakes" ? "" : `: ${cause}`}`,
    ...(steps.length === 0
      ? ["there are no steps: write them into provisioning.d (docs/provisioning.md)"]
      : table(known)),
    ...failed.map(({ number, where: place, fix }) => `step ${number} (${place}): ${fix}`),
    ...(state === "failed" || state === "mistakes" ? ["then: svctl provision --again"] : []),
  ];
}

function again(): void {
  const { steps } = stepsHere(where, environmentOfService(where, words.daemon));
  let from: string | null = null;
  if (words.step === "all") from = "all";
  else if (words.step !== null) {
    const step = stepMeant(words.step, steps);
    if (step === null) {
      const names = steps.map(({ name }) => name);
      const few = names.length === 0 ? "there are no steps" : `the steps are: ${names.join(", ")}`;
      giveUp(`there is no step ${words.step}`, suggestion(words.step, names, few), 2);
    }
    from = step.name;
  }
  try {
    store.ask({ id: randomUUID(), from });
  } catch (error) {
    giveUp(
      `cannot keep what was asked: ${(error as Error).message}`,
      `ask as the user that svcd runs as, or make room: ${store.folder}`,
    );
  }
}

/** A pid may have become another program's. */
function isProvisioning(pid: number): boolean {
  try {
    return /provision/.test(readFileSync(`/proc/${pid}/cmdline`, "latin1"));
  } catch {
    return false;
  }
}

function parse(argv: readonly string[]): Words {
  const rest = [...argv];
  let command: string | null = null;
  let step: string | null = null;
  let root = process.env["SVCD_ROOT"] || null;
  let json = false;
  let daemon: number | null = null;
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    const [option = "", attached] = word.startsWith("--") ? word.split(/=(.*)/s, 2) : [word];
    if (option === "--root") root = attached ?? rest.shift() ?? giveUp("`--root` needs a value", "write --root DIR", 2);
    else if (option === "--daemon") daemon = Number(attached ?? rest.shift()) || null;
    else if (option === "--json") json = true;
    else if (option === "--help" || option === "-h") command = "help";
    else if (option === "--dry-run") command = "dry-run";
    else if (command === null && ["run", "show", "dry-run", "again", "help"].includes(word)) command = word;
    else if (command === "again" && step === null) step = word;
    else giveUp(`unknown word \`${word}\``, "svcd-provision --help", 2);
  }
  return { command: command ?? "run", step, root: root === null ? null : resolve(root), json, daemon };
}

function giveUp(what: string, fix: string, status = 1): never {
  process.stderr.write(`svcd-provision: ${what}\n  fix:   ${fix}\n`);
  process.exit(status);
}
