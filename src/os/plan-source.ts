/**
 * From what lies in the directories to a plan: reads, and remembers what must not be lost when a file is broken (the
 * daemon's settings) or the whole directory cannot be read (everything).
 */

import type { Mistake } from "../plan/mistake.ts";
import type { DaemonSettings, Plan } from "../plan/plan.ts";
import { type KnownFiles, readPlan } from "../plan/read.ts";
import type { ConfigFile, ConfigSnapshot } from "./config-directory.ts";

export class PlanSource {
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #settingsPath: string;
  /** Files of the services that are supervised now. */
  readonly #filesInUse: () => Iterable<string>;
  readonly #known: KnownFiles = new Map();
  #settings: DaemonSettings | null = null;

  constructor(
    env: Readonly<Record<string, string | undefined>>,
    settingsPath: string,
    filesInUse: () => Iterable<string> = () => [],
    settings: DaemonSettings | null = null,
  ) {
    this.#env = env;
    this.#settingsPath = settingsPath;
    this.#filesInUse = filesInUse;
    this.#settings = settings;
  }

  /** The settings last understood. */
  get settings(): DaemonSettings | null {
    return this.#settings;
  }

  planOf({ files, settings, problems }: ConfigSnapshot): Plan {
    const plan = readPlan({ files: this.#inUseFirst(files ?? []), settings, env: this.#env, known: this.#known });
    const daemon = plan.brokenFiles.has(this.#settingsPath) && this.#settings !== null ? this.#settings : plan.daemon;
    this.#settings = daemon;
    const empty = (files ?? []).filter(({ text }) => text === "").map(({ path }) => emptyFile(path));
    const all = [...problems, ...empty];
    const brokenFiles = new Set([...plan.brokenFiles, ...all.map(({ file }) => file)]);
    // A directory that cannot be read says nothing about its services; they go on.
    if (files === null) for (const file of this.#filesInUse()) brokenFiles.add(file);
    return { ...plan, daemon, brokenFiles, mistakes: [...all, ...plan.mistakes] };
  }

  /** Of two files that describe one service the first counts: no new file may take a name from what runs. */
  #inUseFirst(files: readonly ConfigFile[]): readonly ConfigFile[] {
    const inUse = new Set(this.#filesInUse());
    return [...files.filter(({ path }) => inUse.has(path)), ...files.filter(({ path }) => !inUse.has(path))];
  }
}

/** What a copy over a slow line or a full disk leaves at first; a file that shall describe nothing can be removed. */
function emptyFile(file: string): Mistake {
  const fix = "write a service into it, or remove it";
  return {
    file,
    line: 1,
    column: 1,
    what: "the file is empty; what it described before goes on as it was",
    fix,
    text: "",
  };
}
