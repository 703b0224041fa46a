/**
 * All files to one plan.
 *
 * Everything that is wrong in any file is told at once, each with its place. A mistake spoils the service it stands in and
 * nothing else: the other services of the same file, and all other files, are in the plan. What a mistake hides is named in
 * `brokenFiles` and `brokenNames`, so that whoever applies the plan leaves running what it cannot judge.
 */
import { stemOf } from "./directory.ts";
import { type Flaw, quoted } from "./flaw.ts";
import type { Lookup } from "./interpolate.ts";
import type { Mistake } from "./mistake.ts";
import type { DaemonSettings, Plan, Service } from "./plan.ts";
import { type Draft, instanceDependencies, wrongReferences } from "./references.ts";
import { nameFlaw, settingsShape } from "./schema.ts";
import { type Described, serviceOf } from "./service-of.ts";
import { type Complaint, labelOf, type Path, readWith, type Value } from "./shape.ts";
import { suggestion } from "./suggest.ts";
import { isTable, readTree, type Spot, spotOf, type Tree } from "./tree.ts";

export interface PlanFile {
  readonly path: string;
  readonly text: string;
}

export interface PlanSources {
  /** In the order in which their services shall be listed. */
  readonly files: readonly PlanFile[];
  /** `svcd.yaml`; null when there is none. */
  readonly settings: PlanFile | null;
  /** For `${…}` in keys that are decided while reading (`replicas: ${N:-2}`). */
  readonly env: Readonly<Record<string, string | undefined>>;
  /**
   * What earlier readings with the same `env` found, kept by whoever reads again and again: among five hundred files one is
   * new, and only that one need be parsed. The plan is the same with and without.
   */
  readonly known?: KnownFiles;
}

/** By path; only files without a mistake of their own. */
export type KnownFiles = Map<string, { readonly text: string; readonly declared: readonly Declared[] }>;

export function readPlan({ files, settings, env, known = new Map() }: PlanSources): Plan {
  const variables: Lookup = (name) => (Object.hasOwn(env, name) ? env[name] : undefined);
  const findings = new Findings();
  const declared = new Map<string, Declared>();
  for (const file of files) {
    for (const one of declaredOrKnown(file, variables, findings, known)) {
      const first = declared.get(one.name);
      if (first === undefined) declared.set(one.name, one);
      else findings.add(one.page, one.at, alreadyThere(first));
    }
  }
  const drafts = new Map<string, Draft & Declared>();
  for (const one of declared.values())
    if (one.described !== null) drafts.set(one.name, { ...one, described: one.described });
  for (const { draft, dependency, flaw } of wrongReferences(drafts, new Set([...declared.keys(), ...findings.names]))) {
    findings.spoil(draft.file, draft.name);
    if (flaw === null) continue;
    const spot = spotOf(draft.spot, dependency.path);
    findings.add(draft.page, spot.keyAt ?? spot.at, flaw, draft.name);
  }
  forgetAllBut(files, known);
  const daemon = settings === null ? DEFAULT_SETTINGS : settingsFrom(settings, variables, findings);
  return {
    services: servicesOf(drafts, findings),
    jobs: new Map(),
    mistakes: findings.mistakes(files, settings),
    brokenFiles: findings.files,
    brokenNames: findings.names,
    daemon,
  };
}

export const DEFAULT_SETTINGS: DaemonSettings = { autoApply: true, group: null, environment: {} };

// --- what was found ------------------------------------------------------------------------------------------------

interface Page {
  readonly file: string;
  readonly place: Exclude<Tree, { kind: "nothing" }>["place"];
}

/** A service that a file speaks of, good or not. */
export interface Declared {
  readonly name: string;
  readonly file: string;
  /** null when it is spoilt. */
  readonly described: Described | null;
  readonly page: Page;
  readonly spot: Spot;
  /** Where its name stands. */
  readonly at: number;
}

class Findings {
  readonly files = new Set<string>();
  readonly names = new Set<string>();
  private readonly found = new Map<string, Mistake>();
  private readonly spoilt = new Set<string>();

  /** `name`: the service that this spoils; none for what spoils the file only. */
  add(page: Page, at: number, flaw: Flaw, name?: string): void {
    const { line, column, text } = page.place(at);
    const mistake: Mistake = { file: page.file, line, column, what: flaw.what, fix: flaw.fix, text };
    // Through an alias the same line can be wrong in many services: one mistake for the reader.
    this.found.set(`${page.file}:${line}:${column}:${flaw.what}`, mistake);
    this.files.add(page.file);
    if (name !== undefined) this.spoil(page.file, name);
  }

  addAll(others: Findings): void {
    for (const file of others.files) this.files.add(file);
    for (const name of others.names) this.names.add(name);
    for (const [place, mistake] of others.found) this.found.set(place, mistake);
    for (const one of others.spoilt) this.spoilt.add(one);
  }

  get isEmpty(): boolean {
    return this.files.size + this.names.size + this.found.size + this.spoilt.size === 0;
  }

  spoil(file: string, name: string): void {
    this.names.add(name);
    this.spoilt.add(`${file}\0${name}`);
  }

  /** Whether that file's service of this name is spoilt; one of the same name in another file may be good. */
  spoils(file: string, name: string): boolean {
    return this.spoilt.has(`${file}\0${name}`);
  }

  /** In the order of files, and of lines in a file. */
  mistakes(files: readonly PlanFile[], settings: PlanFile | null): Mistake[] {
    const byFile = new Map<string, Mistake[]>();
    for (const path of [...(settings === null ? [] : [settings.path]), ...files.map((file) => file.path)])
      byFile.set(path, []);
    for (const mistake of this.found.values()) byFile.get(mistake.file)!.push(mistake);
    return [...byFile.values()].flatMap((mistakes) => {
      const inOrder = mistakes.sort((a, b) => a.line - b.line || a.column - b.column);
      const next = inOrder[MOST_TOLD];
      if (next === undefined) return inOrder;
      const more = `and ${inOrder.length - MOST_TOLD} more mistakes from here on`;
      return [...inOrder.slice(0, MOST_TOLD), { ...next, what: more, fix: "correct the ones above first" }];
    });
  }
}

/** Of one file: nobody reads more, and a data file that strayed into services.d has thousands. */
const MOST_TOLD = 100;

// --- one file ------------------------------------------------------------------------------------------------------

function declaredOrKnown(
  file: PlanFile,
  variables: Lookup,
  findings: Findings,
  known: KnownFiles,
): readonly Declared[] {
  const before = known.get(file.path);
  if (before?.text === file.text) return before.declared;
  const own = new Findings();
  const declared = declaredIn(file, variables, own);
  findings.addAll(own);
  if (own.isEmpty) known.set(file.path, { text: file.text, declared });
  else known.delete(file.path);
  return declared;
}

function forgetAllBut(files: readonly PlanFile[], known: KnownFiles): void {
  if (known.size <= files.length) return;
  const there = new Set(files.map(({ path }) => path));
  for (const path of known.keys()) if (!there.has(path)) known.delete(path);
}

function declaredIn(file: PlanFile, variables: Lookup, findings: Findings): Declared[] {
  const stem = stemOf(file.path);
  if (file.path.endsWith(".conf")) {
    const page: Page = {
      file: file.path,
      place: () => ({ line: 1, column: 1, text: file.text.split(/\r?\n/, 1)[0]!.slice(0, 500) }),
    };
    findings.add(page, 0, { what: "supervisord files are not read by this version yet", fix: `write ${stem}.yaml` });
    return [];
  }
  const tree = readTree(file.text);
  if (tree.kind === "nothing") return [];
  const page: Page = { file: file.path, place: tree.place };
  for (const flaw of tree.flaws) findings.add(page, flaw.at, flaw, spoiltBy(flaw.path, tree, stem));
  if (tree.kind === "broken") {
    for (const name of tree.names.length > 0 ? tree.names : [stem]) findings.names.add(name);
    return [];
  }
  const { value, spot } = tree;
  const flawedAt = new Set(tree.flaws.map((flaw) => flaw.at));
  const declare = (name: string, written: Value, where: Spot, at: number): Declared => {
    const described = describe({ name, group: stem, written, spot: where, at, page, flawedAt }, variables, findings);
    return { name, file: file.path, described, page, spot: where, at };
  };
  if (!isTable(value)) {
    if (value === null) return [];
    findings.add(
      page,
      spot.at,
      {
        what: "the file does not hold `key: value` lines",
        fix: "begin with `command:`, or with `services:` for several",
      },
      stem,
    );
    return [];
  }
  if (!Object.hasOwn(value, "services")) return [declare(stem, value, spot, spot.at)];

  const services = value["services"]!;
  const servicesSpot = spotOf(spot, ["services"]);
  for (const key of Object.keys(value)) {
    if (key === "services" || key.startsWith("x-")) continue;
    findings.add(page, spotOf(spot, [key]).keyAt ?? spot.at, strangerBeside(key));
  }
  if (services === null) {
    findings.add(page, servicesSpot.at, {
      what: "`services` has no value",
      fix: "write the services below it, each with its name as key",
    });
    return [];
  }
  if (!isTable(services)) {
    findings.add(page, servicesSpot.at, {
      what: "`services` is not a map of names",
      fix: "write the services below it, each with its name as key",
    });
    return [];
  }
  return Object.entries(services).map(([name, written]) => {
    const where = spotOf(servicesSpot, [name]);
    return declare(name, written, where, where.keyAt ?? where.at);
  });
}

function alreadyThere(first: Declared): Flaw {
  const { line } = first.page.place(first.at);
  return {
    what: `there is a service \`${first.name}\` already, in ${first.file}:${line}`,
    fix: "give one of the two another name",
  };
}

/** The service that a flaw of the file's form spoils. */
function spoiltBy(path: Path, tree: Tree, stem: string): string | undefined {
  if (tree.kind !== "values") return undefined;
  const several = isTable(tree.value) && Object.hasOwn(tree.value, "services");
  if (!several) return stem;
  return path[0] === "services" && typeof path[1] === "string" ? path[1] : undefined;
}

function strangerBeside(key: string): Flaw {
  if (key === "version") return { what: "unknown key `version`", fix: "remove it: the format needs none" };
  const fix = suggestion(
    key,
    ["services"],
    "put it into a service; a file describes one service, or several under `services:`",
  );
  return { what: `unknown key ${quoted(key)} beside \`services\``, fix };
}

interface Written {
  readonly name: string;
  readonly group: string;
  readonly written: Value;
  readonly spot: Spot;
  readonly at: number;
  readonly page: Page;
  /** Offsets at which the file's form is wrong. */
  readonly flawedAt: ReadonlySet<number>;
}

function describe(
  { name, group, written, spot, at, page, flawedAt }: Written,
  variables: Lookup,
  findings: Findings,
): Described | null {
  const wrongName = nameFlaw(name);
  if (wrongName !== null) findings.add(page, at, wrongName, name);
  const { line, column } = page.place(at);
  const header = { name, group, source: { file: page.file, line, column }, lines: linesOf(written, spot, page) };
  const described = serviceOf(header, written, variables);
  if ("complaints" in described) {
    for (const complaint of described.complaints) {
      if (!isAnEcho(spot, complaint, flawedAt)) addComplaint(complaint, name, spot, at, page, findings);
    }
    return null;
  }
  return findings.spoils(page.file, name) ? null : described;
}

/** Where an alias or a nesting could not be followed there is no value now; that it is missing is no news. */
function isAnEcho(spot: Spot, complaint: Complaint, flawedAt: ReadonlySet<number>): boolean {
  const where = spotOf(spot, complaint.path);
  return complaint.points === "key" && where.hole !== null && flawedAt.has(where.hole);
}

function addComplaint(
  complaint: Complaint,
  name: string,
  spot: Spot,
  at: number,
  page: Page,
  findings: Findings,
): void {
  const where = spotOf(spot, complaint.path);
  const inside = complaint.at !== undefined && where.textAt !== null ? where.textAt + complaint.at : where.at;
  // What is missing in a service as a whole is shown at its name.
  const offset = complaint.path.length === 0 ? at : complaint.points === "key" ? (where.keyAt ?? where.at) : inside;
  const label = complaint.path.length === 0 ? `service \`${name}\`` : labelOf(complaint.path);
  findings.add(page, offset, { what: complaint.what(label), fix: complaint.fix }, name);
}

/** Where the keys stand that can still go wrong at a start. */
function linesOf(written: Value, spot: Spot, page: Page): Record<string, number> {
  const lines: Record<string, number> = {};
  if (!isTable(written)) return lines;
  const note = (key: string, where: Spot | undefined): void => {
    if (where !== undefined) lines[key] = page.place(where.keyAt ?? where.at).line;
  };
  for (const key of ["command", "working_dir", "user", "group", "env_file", "environment", "venv", "healthcheck"])
    note(key, spot.children.get(key));
  for (const key of ["environment", "on"]) {
    for (const [name, where] of spot.children.get(key)?.children ?? [])
      if (typeof name === "string") note(`${key}.${name}`, where);
  }
  return lines;
}

// --- svcd.yaml -----------------------------------------------------------------------------------------------------

function settingsFrom(file: PlanFile, variables: Lookup, findings: Findings): DaemonSettings {
  const tree = readTree(file.text);
  if (tree.kind === "nothing") return DEFAULT_SETTINGS;
  const page: Page = { file: file.path, place: tree.place };
  for (const flaw of tree.flaws) findings.add(page, flaw.at, flaw);
  if (tree.kind === "broken" || tree.value === null) return DEFAULT_SETTINGS;
  const read = readWith(settingsShape, tree.value, variables);
  if ("value" in read) {
    const { auto_apply, group, environment } = read.value;
    return { autoApply: auto_apply ?? true, group: group || null, environment: Object.fromEntries(environment ?? []) };
  }
  for (const complaint of read.complaints) {
    const where = spotOf(tree.spot, complaint.path);
    const label = complaint.path.length === 0 ? "the file" : labelOf(complaint.path);
    findings.add(page, complaint.points === "key" ? (where.keyAt ?? where.at) : where.at + (complaint.at ?? 0), {
      what: complaint.what(label),
      fix: complaint.fix,
    });
  }
  return DEFAULT_SETTINGS;
}

// --- all together --------------------------------------------------------------------------------------------------

function servicesOf(drafts: ReadonlyMap<string, Draft>, findings: Findings): Map<string, Service> {
  const services = new Map<string, Service>();
  for (const draft of drafts.values()) {
    if (findings.spoils(draft.file, draft.name)) continue;
    const dependsOn = instanceDependencies(draft, drafts);
    for (const instance of draft.described.instances)
      services.set(instance.name, dependsOn.length === 0 ? instance : { ...instance, dependsOn });
  }
  return services;
}
