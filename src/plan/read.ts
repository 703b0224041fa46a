/**
 * All files to one plan.
 *
 * Everything that is wrong in any file is told at once, each with its place. A mistake spoils the service or job it stands in
 * and nothing else: the others of the same file, and all other files, are in the plan. What a mistake hides is named in
 * `brokenFiles` and `brokenNames`, so that whoever applies the plan leaves running what it cannot judge.
 */
import type { JobFileKind } from "./cron-directory.ts";
import { type Declared, type DeclaredJob, type DeclaredService, declaredIn, type Surroundings } from "./declared.ts";
import { Findings, type Page } from "./findings.ts";
import type { Flaw } from "./flaw.ts";
import type { Lookup } from "./interpolate.ts";
import type { JobDefinition } from "./job.ts";
import type { DescribedJob } from "./job-of.ts";
import type { DaemonSettings, Plan, Service } from "./plan.ts";
import { type Draft, instanceDependencies, wrongReference, wrongReferences } from "./references.ts";
import { settingsShape } from "./schema.ts";
import { complainTo, type Described, idleOf } from "./service-of.ts";
import { type Complaint, labelOf, readWith } from "./shape.ts";
import { readTree, spotOf } from "./tree.ts";

export interface PlanFile {
  readonly path: string;
  readonly text: string;
  /** Where it lies: in services.d, or which kind of file of cron.d it is. Services if nothing is said. */
  readonly holds?: "services" | JobFileKind;
}

export interface PlanSources {
  /** In the order in which what they describe shall be listed; of two that use one name the first has it. */
  readonly files: readonly PlanFile[];
  /** `svcd.yaml`; null when there is none. */
  readonly settings: PlanFile | null;
  /** For `${…}` in keys that are decided while reading (`replicas: ${N:-2}`). */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly machine: Machine;
  /**
   * What earlier readings with the same `env` and `machine` found, kept by whoever reads again and again: among five hundred
   * files one is new, and only that one need be parsed. The plan is the same with and without.
   */
  readonly known?: KnownFiles;
}

/** By path; only files without a mistake of their own. */
export type KnownFiles = Map<string, { readonly text: string; readonly declared: readonly Declared[] }>;

/** What jobs need to know of where svcd runs. */
export interface Machine {
  /** Of jobs that name none. */
  readonly timezone: string;
  /** As whom svcd runs; a uid may have no name. */
  readonly account: { readonly name: string | null; readonly isRoot: boolean };
}

export function readPlan({ files, settings, env, machine, known = new Map() }: PlanSources): Plan {
  const variables: Lookup = (name) => (Object.hasOwn(env, name) ? env[name] : undefined);
  const findings = new Findings();
  const declared = new Map<string, Declared>();
  for (const file of files) {
    for (const one of declaredOrKnown(file, { variables, machine, findings }, known)) {
      const first = declared.get(one.name);
      if (first === undefined) declared.set(one.name, one);
      else findings.add(one.page, one.at, alreadyThere(first));
    }
  }
  const services = new Map<string, DeclaredService & { described: Described }>();
  const jobs = new Map<string, DeclaredJob & { described: DescribedJob }>();
  for (const one of declared.values()) {
    if (one.kind === "service" && one.described !== null) services.set(one.name, { ...one, described: one.described });
    if (one.kind === "job" && one.described !== null) jobs.set(one.name, { ...one, described: one.described });
  }
  forgetAllBut(files, known);
  const names = new Set([...declared.keys(), ...findings.names]);
  const jobNames = new Set([...declared.values()].flatMap(({ kind, name }) => (kind === "job" ? [name] : [])));
  const wrong = [
    ...wrongReferences(services, names, jobNames),
    ...[...jobs.values()].flatMap((draft) => wrongReference(draft, services, names, jobNames)),
  ];
  for (const { draft, dependency, flaw } of wrong) {
    findings.spoil(draft.file, draft.name);
    if (flaw === null) continue;
    const spot = spotOf(draft.spot, dependency.path);
    findings.add(draft.page, spot.keyAt ?? spot.at, flaw, draft.name);
  }
  checkGroups(jobs.values(), findings);
  const daemon = settings === null ? DEFAULT_SETTINGS : settingsFrom(settings, variables, findings);
  const paths = [...(settings === null ? [] : [settings.path]), ...files.map(({ path }) => path)];
  return {
    services: servicesOf(services, findings),
    jobs: jobsOf(jobs, services, findings),
    mistakes: findings.mistakes(paths),
    brokenFiles: findings.files,
    brokenNames: findings.names,
    daemon,
  };
}

export const DEFAULT_SETTINGS: DaemonSettings = { autoApply: true, group: null, environment: {} };

function declaredOrKnown(file: PlanFile, around: Surroundings, known: KnownFiles): readonly Declared[] {
  const before = known.get(file.path);
  if (before?.text === file.text) return before.declared;
  const own = new Findings();
  const declared = declaredIn(file, { ...around, findings: own });
  around.findings.addAll(own);
  if (own.isEmpty) known.set(file.path, { text: file.text, declared });
  else known.delete(file.path);
  return declared;
}

function forgetAllBut(files: readonly PlanFile[], known: KnownFiles): void {
  if (known.size <= files.length) return;
  const there = new Set(files.map(({ path }) => path));
  for (const path of known.keys()) if (!there.has(path)) known.delete(path);
}

function alreadyThere(first: Declared): Flaw {
  const { line } = first.page.place(first.at);
  return {
    what: `there is a ${first.kind} \`${first.name}\` already, in ${first.file}:${line}`,
    fix: "give one of the two another name",
  };
}

// --- svcd.yaml -----------------------------------------------------------------------------------------------------

function settingsFrom(file: PlanFile, variables: Lookup, findings: Findings): DaemonSettings {
  const tree = readTree(file.text);
  if (tree.kind === "nothing") return DEFAULT_SETTINGS;
  const page: Page = { file: file.path, place: tree.place };
  for (const flaw of tree.flaws) findings.add(page, flaw.at, flaw);
  if (tree.kind === "broken" || tree.value === null) return DEFAULT_SETTINGS;
  const read = readWith(settingsShape, tree.value, variables);
  const complaints: Complaint[] = "complaints" in read ? [...read.complaints] : [];
  if ("value" in read) {
    const { auto_apply, group, environment, idle } = read.value;
    const rule = idle === undefined ? {} : { idle: idleOf(idle, complainTo(complaints)) };
    if (complaints.length === 0) {
      const forAll = Object.fromEntries(environment ?? []);
      return { autoApply: auto_apply ?? true, group: group || null, environment: forAll, ...rule };
    }
  }
  for (const complaint of complaints) {
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
    const dependsOn = instanceDependencies(draft.described.dependencies, drafts);
    for (const instance of draft.described.instances)
      services.set(instance.name, dependsOn.length === 0 ? instance : { ...instance, dependsOn });
  }
  return services;
}

function jobsOf(
  drafts: ReadonlyMap<string, DeclaredJob & { described: DescribedJob }>,
  services: ReadonlyMap<string, Draft>,
  findings: Findings,
): Map<string, JobDefinition> {
  const jobs = new Map<string, JobDefinition>();
  for (const { file, name, described } of drafts.values()) {
    if (findings.spoils(file, name)) continue;
    const dependsOn = instanceDependencies(described.dependencies, services);
    const { job } = described;
    jobs.set(name, dependsOn.length === 0 ? job : { ...job, service: { ...job.service, dependsOn } });
  }
  return jobs;
}

/** How many runs a group allows is one number, and the first that says it counts. */
function checkGroups(drafts: Iterable<DeclaredJob & { described: DescribedJob }>, findings: Findings): void {
  const first = new Map<string, { readonly most: number; readonly draft: DeclaredJob }>();
  for (const draft of drafts) {
    const { concurrency } = draft.described.job;
    if (concurrency === null) continue;
    const { group, most } = concurrency;
    const other = first.get(group);
    if (other === undefined) {
      first.set(group, { most, draft });
      continue;
    }
    if (other.most === most) continue;
    const { name, file, page, at } = other.draft;
    const what = `\`concurrency.most\`: ${most}, but the group \`${group}\` has ${other.most} in \`${name}\` (${file}:${page.place(at).line})`;
    const here = spotOf(draft.spot, ["concurrency", "most"]).at;
    findings.add(draft.page, here, { what, fix: "write the same number in all jobs of the group" }, draft.name);
  }
}
