/**
 * All files of provisioning.d, and the variables that stand for steps of their own, to one list of steps and all mistakes.
 *
 * In order: APT_PACKAGES, PIP_PACKAGES, the files by name, PROVISIONING_DOWNLOADS, PROVISIONING_SCRIPT. Steps build on each other, so
 * a mistake anywhere means that nothing is begun: it is better told after a second than after an hour of downloads.
 */
import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { type Facts, unmet } from "../plan/condition.ts";
import { type Environment, envFilePaths, environmentOf, type FoundEnvFile } from "../plan/environment.ts";
import { Findings, type Page } from "../plan/findings.ts";
import { type Flaw, listed } from "../plan/flaw.ts";
import { interpolate } from "../plan/interpolate.ts";
import type { Mistake } from "../plan/mistake.ts";
import { urlFlaw } from "../plan/schema.ts";
import { type Redact, redactor } from "../plan/secrets.ts";
import { bareProgram, commandOf, conditionOf } from "../plan/service-of.ts";
import { type Complaint, labelOf, type Path, readWith } from "../plan/shape.ts";
import { readTree, type Spot, spotOf } from "../plan/tree.ts";
import { splitWords } from "../plan/words.ts";
import { KEYS_OF, provisioningShape, type WrittenFile, type WrittenStep } from "./schema.ts";
import { secretsInHeaders } from "./secrets.ts";
import { defaultName, type Kind, type Step, type Work } from "./step.ts";
import { stepsOfVariables } from "./variables.ts";

export interface Source {
  readonly files: readonly { readonly path: string; readonly text: string }[];
  /** What the program itself was started with. */
  readonly env: Environment;
  /** The folder that holds provisioning.d: relative paths start there. */
  readonly rootDir: string;
  readonly readEnvFile: (path: string) => FoundEnvFile;
  readonly hasCommand: (name: string, path: string | undefined) => boolean;
  readonly fileExists: (path: string) => boolean;
  /** What else `when:` may ask. */
  readonly machine: Pick<Facts, "textOf" | "isListening" | "isRunning" | "user">;
}

export interface Steps {
  readonly steps: readonly Step[];
  readonly mistakes: readonly Mistake[];
  /** Hides what no eye but the step's own may see. */
  readonly redact: Redact;
}

export function readSteps(source: Source): Steps {
  const findings = new Findings();
  const drafts: Draft[] = [];
  const secrets: string[] = [];
  for (const { path, text } of source.files) {
    const tree = readTree(text);
    if (tree.kind === "nothing") continue;
    const page: Page = { file: path, place: tree.place };
    for (const flaw of tree.flaws) findings.add(page, flaw.at, flaw);
    if (tree.kind === "broken") continue;
    const file = new FileOfSteps(source, page, tree.spot, findings);
    const read = readWith(provisioningShape, tree.value, (name) => source.env[name]);
    if ("complaints" in read) file.complainAll(read.complaints);
    else drafts.push(...file.steps(read.value));
  }
  const fromVariables = stepsOfVariables(source.env, source.rootDir);
  for (const { flaw, variable } of fromVariables.flaws) {
    const place = () => ({ line: 1, column: 1, text: "" });
    findings.add({ file: `the variable ${variable}`, place }, 0, flaw);
  }
  const all = [...fromVariables.before, ...drafts, ...fromVariables.after];
  for (const { work, env } of all) {
    if (work?.kind === "download") secrets.push(...secretsInHeaders(work.headers));
    secrets.push(...redactedValues(env, source.env));
  }
  const redact = redactor(source.env, secrets);
  const paths = [
    ...source.files.map(({ path }) => path),
    ...fromVariables.flaws.map((one) => `the variable ${one.variable}`),
  ];
  return { steps: named(all, redact), mistakes: findings.mistakes([...new Set(paths)]), redact };
}

/** A step before all names are known. */
export type Draft = Omit<Step, "name" | "hash"> & {
  readonly name: string | null;
  readonly kind: Kind;
  /** Of the step's own `environment`: part of what it is. */
  readonly own: Environment;
};

function redactedValues(env: Environment, base: Environment): string[] {
  return Object.entries(env)
    .filter(([name, value]) => base[name] !== value && /TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|AUTH|_KEY$/i.test(name))
    .map(([, value]) => value);
}

function named(drafts: readonly Draft[], redact: Redact): Step[] {
  const taken = new Set(drafts.flatMap(({ name }) => (name === null ? [] : [name])));
  return drafts.map(({ name: given, kind, own, ...step }) => {
    const wanted = given ?? (step.work === null ? `${kind} at ${step.where}` : redact(defaultName(step.work)));
    let name = wanted;
    if (given === null) for (let n = 2; taken.has(name); n++) name = `${wanted} (${n})`;
    taken.add(name);
    const what = redact(JSON.stringify([step.work, step.creates, step.unless, own]));
    return { ...step, name, hash: createHash("sha256").update(what).digest("hex") };
  });
}

const KINDS = Object.keys(KEYS_OF) as (keyof typeof KEYS_OF)[];
/** Of what needs a network or a lock of others; a command of the writer's own may not bear a second time. */
const TRIES: Readonly<Record<Kind, number>> = {
  apt: 3,
  pip: 3,
  git: 3,
  download: 5,
  huggingface: 5,
  run: 1,
  script: 1,
};

class FileOfSteps {
  readonly #source: Source;
  readonly #page: Page;
  readonly #spot: Spot;
  readonly #findings: Findings;
  #env: Environment = {};
  #failed = false;

  constructor(source: Source, page: Page, spot: Spot, findings: Findings) {
    this.#source = source;
    this.#page = page;
    this.#spot = spot;
    this.#findings = findings;
  }

  steps(file: WrittenFile): Draft[] {
    const env = this.#environment(file);
    if (env === null) return [];
    this.#env = env;
    const names = new Map<string, number>();
    return file.steps.flatMap((written, index) => {
      const path = ["steps", index];
      if (written.name !== undefined) {
        if (names.has(written.name))
          this.#wrong([...path, "name"], {
            what: `there is a step \`${written.name}\` already`,
            fix: "give it another",
          });
        names.set(written.name, index);
      }
      this.#failed = false;
      const step = this.#step(written, path);
      return step === null || this.#failed ? [] : [step];
    });
  }

  complainAll(complaints: readonly Complaint[]): void {
    for (const { path, what, fix, points, at } of complaints) {
      const spot = spotOf(this.#spot, path);
      const label = path.length === 0 ? "the file" : labelOf(path);
      const offset = points === "key" ? (spot.keyAt ?? spot.at) : spot.at + (at ?? 0);
      this.#findings.add(this.#page, offset, { what: what(label), fix });
    }
  }

  #environment(file: WrittenFile): Environment | null {
    const written = file.env_file ?? [];
    const envFiles = (typeof written === "string" ? [written] : written).map((one) => {
      const path = typeof one === "string" ? one : one.path;
      return {
        path: path.replace(/^\?/, ""),
        optional: path.startsWith("?") || (typeof one === "object" && one.required === false),
      };
    });
    const header = { name: "x", group: "x", lines: {}, source: { file: this.#page.file, line: 1, column: 1 } };
    const service = {
      ...bareProgram(header, { kind: "text", text: "x" }),
      environment: Object.fromEntries(file.environment ?? []),
      envFiles,
    };
    const layers = { base: this.#source.env, daemon: {} };
    const paths = envFilePaths(service, layers);
    const found = paths.ok
      ? paths.value.map(({ path }) => this.#source.readEnvFile(resolve(this.#source.rootDir, path)))
      : [];
    const made = paths.ok ? environmentOf(service, { ...layers, envFileTexts: found }) : paths;
    if (made.ok) return made.value.env;
    this.#wrong(made.problem.key.split("."), { what: made.problem.what, fix: made.problem.fix });
    return null;
  }

  #step(written: WrittenStep, path: Path): Draft | null {
    const kinds = KINDS.filter((kind) => written[kind] !== undefined);
    const [kind] = kinds;
    if (kind === undefined) {
      this.#wrong(path, { what: "this step does nothing", fix: `add one of ${listed(KINDS, "or")}` });
      return null;
    }
    if (kinds.length > 1) {
      const fix = "write a step of its own for each";
      this.#wrong([...path, kinds[1]!], { what: `${listed(kinds)} are two steps`, fix }, "key");
    }
    for (const key of Object.keys(written) as (keyof WrittenStep)[]) {
      const owners = KINDS.filter((one) => KEYS_OF[one].includes(key));
      if (owners.length === 0 || owners.includes(kind)) continue;
      const fix = `remove it, or make this one of ${listed(owners, "or")}`;
      this.#wrong([...path, key], { what: `\`${key}\` has no meaning for \`${kind}\``, fix }, "key");
    }
    const { line } = this.#page.place(spotOf(this.#spot, path).at);
    const own: Record<string, string> = {};
    const env: Record<string, string> = { ...this.#env };
    for (const [name, value] of written.environment ?? []) {
      if (value === null) continue; // Taken from below, where it is.
      env[name] = own[name] = this.#filled([...path, "environment", name], value, env, true);
    }
    const unwanted = this.#unwanted(written, path, env);
    if (this.#failed) return null;
    const draft = {
      name: written.name ?? null,
      kind,
      own,
      where: `${this.#page.file}:${line}`,
      unwanted,
      env,
      onFailure: written.on_failure ?? "stop",
      tries: written.tries ?? TRIES[kind],
      retryDelayMs: written.retry_delay ?? 2000,
      timeoutMs: written.timeout ?? null,
    } as const;
    // What is not wanted may name variables that nobody has set.
    if (unwanted !== null) return { ...draft, work: null, creates: null, unless: null };
    return {
      ...draft,
      work: this.#work(kind, written, path, env),
      creates: written.creates === undefined ? null : this.#place([...path, "creates"], written.creates, env),
      unless: written.unless === undefined ? null : this.#argv([...path, "unless"], written.unless, env),
    };
  }

  #unwanted(written: WrittenStep, path: Path, env: Environment): string | null {
    if (written.when === undefined) return null;
    const condition = conditionOf(written.when, [...path, "when"], (at, what, fix) =>
      this.#wrong(at, { what: `\`when\`${what}`, fix }),
    );
    const { rootDir, hasCommand, fileExists, machine } = this.#source;
    return unmet(condition, {
      env,
      hasCommand: (name) => hasCommand(name, env["PATH"]),
      fileExists: (file) => fileExists(resolve(rootDir, file)),
      textOf: (file) => machine.textOf(resolve(rootDir, file)),
      isListening: machine.isListening,
      isRunning: machine.isRunning,
      user: machine.user,
    });
  }

  #work(kind: keyof typeof KEYS_OF, written: WrittenStep, path: Path, env: Environment): Work {
    const fill = (key: keyof WrittenStep, value: string): string => this.#filled([...path, key], value, env);
    const fillAll = (key: keyof WrittenStep, value: string | string[] | undefined): string[] =>
      (value === undefined ? [] : typeof value === "string" ? [value] : value).map((one) => fill(key, one));
    const needed = (key: "to"): string => {
      const value = written[key];
      if (value !== undefined) return this.#place([...path, key], value, env);
      this.#wrong([...path, kind], { what: `\`${key}\` is missing`, fix: `add \`${key}:\`` }, "key");
      return "";
    };
    switch (kind) {
      case "apt": {
        const words = this.#words([...path, "apt"], written.apt!, env);
        return {
          kind,
          packages: words,
          update: written.update ?? true,
          recommends: written.recommends ?? false,
        };
      }
      case "pip": {
        const venv = written.venv === undefined ? null : this.#place([...path, "venv"], written.venv, env);
        return { kind, words: this.#words([...path, "pip"], written.pip!, env), venv };
      }
      case "git":
        return {
          kind,
          url: fill("git", written.git!),
          to: needed("to").replace(/(?<=.)\/+$/, ""),
          ref: written.ref === undefined ? null : fill("ref", written.ref),
          depth: written.depth ?? null,
          submodules: written.submodules ?? false,
          force: written.force ?? false,
        };
      case "download": {
        const url = fill("download", written.download!).trim();
        const flaw = urlFlaw(url);
        if (flaw !== null && !this.#failed)
          this.#wrong([...path, "download"], { ...flaw, fix: "write an http or https URL" });
        const headers = (written.headers ?? []).map(([name, value]) => [
          name,
          this.#filled([...path, "headers", name], value, env),
        ]);
        return {
          kind,
          url,
          to: needed("to"),
          sha256: written.sha256 === undefined ? null : fill("sha256", written.sha256).trim().toLowerCase() || null,
          headers: Object.fromEntries(headers),
          html: written.html ?? false,
          executable: written.executable ?? false,
        };
      }
      case "huggingface": {
        const repo = fill("huggingface", written.huggingface!).trim();
        if (!this.#failed && !/^[\w.-]+(\/[\w.-]+)?$/.test(repo)) {
          this.#wrong([...path, "huggingface"], {
            what: `\`${repo}\` is not the name of a repository`,
            fix: "write it like Qwen/Qwen3-Reranker-0.6B",
          });
        }
        return {
          kind,
          repo,
          type: written.repo_type ?? "model",
          revision: written.revision === undefined ? "main" : fill("revision", written.revision),
          include: fillAll("include", written.include),
          exclude: fillAll("exclude", written.exclude),
          to: written.to === undefined ? null : this.#place([...path, "to"], written.to, env).replace(/(?<=.)\/+$/, ""),
        };
      }
      case "run": {
        const cwd = written.working_dir;
        return {
          kind,
          argv: this.#argv([...path, "run"], written.run!, env, written.shell ?? false),
          cwd: cwd === undefined ? this.#source.rootDir : this.#place([...path, "working_dir"], cwd, env),
        };
      }
    }
  }

  #words(path: Path, written: string | string[], env: Environment): string[] {
    const items = typeof written === "string" ? [written] : written;
    const words = items.flatMap((item, index) => {
      const text = this.#filled(typeof written === "string" ? path : [...path, index], item, env);
      // In a list a blank belongs to the item (`vllm >= 0.11`), unless it is an option with its value.
      return typeof written === "string" || text.startsWith("-") ? this.#split(path, text) : [text];
    });
    if (words.length === 0)
      this.#wrong(path, { what: "nothing is left after the variables were filled in", fix: "name a package" });
    return words;
  }

  #argv(path: Path, written: string | string[], env: Environment, shell = false): string[] {
    if (typeof written !== "string") {
      if (shell)
        this.#wrong(path, { what: "a list needs no shell, yet `shell: true` is set", fix: "remove `shell: true`" });
      return written.map((word, index) => this.#filled([...path, index], word, env));
    }
    const text = this.#filled(path, written, env);
    if (shell) return ["/bin/sh", "-c", text];
    commandOf(written, path, (at, what, fix) => this.#wrong(at, { what: `\`${at.at(-1)}\`${what}`, fix }));
    const words = this.#split(path, text);
    if (words.length === 0 && !this.#failed) {
      this.#wrong(path, { what: "nothing is left to run after the variables were filled in", fix: "name a program" });
    }
    return words;
  }

  #split(path: Path, text: string): string[] {
    const words = splitWords(text);
    if (words.ok) return [...words.value];
    this.#wrong(path, words.flaw);
    return [];
  }

  /** A path, absolute; `/` at its end stays, because it tells a folder from a file. */
  #place(path: Path, written: string, env: Environment): string {
    const text = this.#filled(path, written, env).trim();
    return resolve(this.#source.rootDir, text) + (/[^/]\/+$/.test(text) ? "/" : "");
  }

  /** `may`: nothing in place of a variable is meant. Elsewhere it would make a path or URL that nobody wrote. */
  #filled(path: Path, written: string, env: Environment, may = false): string {
    const read = interpolate(written, (name) => (Object.hasOwn(env, name) ? env[name] : undefined));
    if (!read.ok) {
      this.#wrong(path, read.flaw);
      return "";
    }
    const [unset] = read.value.unset;
    if (unset !== undefined && !may) {
      const fix = `set it, give a default (\${${unset}:-…}), or add \`when: { env: ${unset} }\``;
      this.#wrong(path, { what: `${unset} is not set`, fix });
    }
    return read.value.text;
  }

  #wrong(path: Path, { what, fix, at }: Flaw, points: "key" | "value" = "value"): void {
    this.#failed = true;
    const spot = spotOf(this.#spot, path);
    const offset = points === "key" ? (spot.keyAt ?? spot.at) : spot.at + (at ?? 0);
    this.#findings.add(this.#page, offset, { what, fix });
  }
}
