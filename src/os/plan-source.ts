/**
 * From what lies in the directories to a plan: reads, and remembers what must not be lost when a file is broken (the
 * daemon's settings) or the whole directory cannot be read (everything).
 */
import { basename, dirname } from "node:path";
import { jobFileKind } from "../plan/cron-directory.ts";
import { isServiceFile } from "../plan/directory.ts";
import type { Mistake } from "../plan/mistake.ts";
import type { DaemonSettings, Plan } from "../plan/plan.ts";
import { type KnownFiles, type Machine, type PlanFile, readPlan } from "../plan/read.ts";
import { accountOf } from "./accounts.ts";
import type { ConfigFile, ConfigPlaces, ConfigSnapshot } from "./config-reader.ts";

export interface PlanSourceOptions extends ConfigPlaces {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly machine: Machine;
  /** Files of the services and jobs that there are now. */
  readonly filesInUse?: () => Iterable<string>;
  /** Last understood; null: they never were. */
  readonly known?: DaemonSettings | null;
}

export class PlanSource {
  readonly #options: PlanSourceOptions;
  readonly #known: KnownFiles = new Map();
  #settings: DaemonSettings | null;

  constructor(options: PlanSourceOptions) {
    this.#options = options;
    this.#settings = options.known ?? null;
  }

  /** The settings last understood. */
  get settings(): DaemonSettings | null {
    return this.#settings;
  }

  planOf({ files, jobs, settings, problems }: ConfigSnapshot): Plan {
    const { env, machine, settings: settingsPath, services: servicesDir, cron } = this.#options;
    const inUse = new Set(this.#options.filesInUse?.() ?? []);
    const all: PlanFile[] = [...(files ?? []), ...(jobs ?? []).map(withKind)];
    const plan = readPlan({ files: inUseFirst(all, inUse), settings, env, machine, known: this.#known });
    const daemon = plan.brokenFiles.has(settingsPath) && this.#settings !== null ? this.#settings : plan.daemon;
    this.#settings = daemon;
    const found = [...problems, ...all.filter(isEmptyByMistake).map(({ path }) => emptyFile(path))];
    const brokenFiles = new Set([...plan.brokenFiles, ...found.map(({ file }) => file)]);
    // A directory that cannot be read says nothing about what it describes; that goes on.
    for (const file of inUse) {
      if (files === null && dirname(file) === servicesDir) brokenFiles.add(file);
      if (jobs === null && dirname(file) === cron) brokenFiles.add(file);
    }
    return { ...plan, daemon, brokenFiles, mistakes: [...found, ...plan.mistakes] };
  }
}

/**
 * As if this file held this text. A bare name is one of services.d. null: it is no file that is read.
 */
export function withText(
  snapshot: ConfigSnapshot,
  { services, cron }: ConfigPlaces,
  file: string,
  text: string,
): ConfigSnapshot | null {
  const path = file.includes("/") ? file : `${services}/${file}`;
  const name = basename(path);
  const changed = { path, text };
  const problems = snapshot.problems.filter((problem) => problem.file !== path);
  const replaced = (files: readonly ConfigFile[] | null): ConfigFile[] =>
    [...(files ?? []).filter((other) => other.path !== path), changed].sort((a, b) => (a.path < b.path ? -1 : 1));
  if (dirname(path) === services && isServiceFile(name)) {
    return { ...snapshot, problems, files: replaced(snapshot.files) };
  }
  if (dirname(path) === cron && jobFileKind(name) !== null) {
    return { ...snapshot, problems, jobs: replaced(snapshot.jobs) };
  }
  return null;
}

/** The zone is asked anew by each core; one that is changed meanwhile counts from the next core on. */
export function thisMachine(): Machine {
  const uid = process.geteuid?.() ?? 0;
  let timezone: string | null = null;
  return {
    account: { name: accountOf(String(uid))?.name ?? null, isRoot: uid === 0 },
    /** The first question to Intl costs 10 ms: where there are no jobs, no service waits for it. */
    get timezone() {
      timezone ??= new Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
      return timezone;
    },
  };
}

function withKind(file: ConfigFile): PlanFile {
  return { ...file, holds: jobFileKind(basename(file.path)) ?? "yaml" };
}

/** Of two files that describe one name the first counts: no new file may take a name from what is there. */
function inUseFirst(files: readonly PlanFile[], inUse: ReadonlySet<string>): readonly PlanFile[] {
  return [...files.filter(({ path }) => inUse.has(path)), ...files.filter(({ path }) => !inUse.has(path))];
}

/** A crontab may be empty: that is how people take all jobs out of it. */
function isEmptyByMistake({ text, holds }: PlanFile): boolean {
  return text === "" && (holds === undefined || holds === "yaml");
}

/** What a copy over a slow line or a full disk leaves at first; a file that shall describe nothing can be removed. */
function emptyFile(file: string): Mistake {
  const what = "the file is empty; what it described before goes on as it was";
  return { file, line: 1, column: 1, what, fix: "write a service or job into it, or remove it", text: "" };
}
