/**
 * What one file speaks of: services or jobs by name, each read as far as its own keys go. What they say about each other is
 * `read.ts`'s to judge, once all files are known.
 */
import type { CrontabForm } from "./crontab.ts";
import { readCrontab } from "./crontab.ts";
import { definitionOf, namesMeant, namesOf } from "./crontab-job.ts";
import { userFlaw } from "./crontab-user.ts";
import { stemOf } from "./directory.ts";
import { addComplaint, type Findings, isAnEcho, type Page, type Written } from "./findings.ts";
import { type Flaw, quoted } from "./flaw.ts";
import type { Lookup } from "./interpolate.ts";
import { type DescribedJob, jobOf } from "./job-of.ts";
import { nameFlaw } from "./name.ts";
import type { Machine, PlanFile } from "./read.ts";
import { type Described, type Header, serviceOf } from "./service-of.ts";
import type { Complaint, Path, Value } from "./shape.ts";
import { suggestion } from "./suggest.ts";
import { isTable, readTree, type Spot, spotOf, type Tree } from "./tree.ts";

/** A service or job that a file speaks of, good or not. */
export type Declared = DeclaredService | DeclaredJob;
export type DeclaredService = In<"service", Described>;
export type DeclaredJob = In<"job", DescribedJob>;

interface In<Kind extends Written["kind"], D> extends Written {
  readonly kind: Kind;
  readonly file: string;
  /** null when it is spoilt. */
  readonly described: D | null;
}

export interface Surroundings {
  readonly variables: Lookup;
  readonly machine: Machine;
  readonly findings: Findings;
}

export function declaredIn(file: PlanFile, around: Surroundings): readonly Declared[] {
  switch (file.holds ?? "services") {
    case "services":
      return file.path.endsWith(".conf")
        ? supervisordFile(file, around.findings)
        : inYaml(file, around, (header, written) => serviceOf(header, written, around.variables), SERVICES);
    case "yaml": {
      const { variables, machine } = around;
      return inYaml(file, around, (header, written) => jobOf(header, written, variables, machine.timezone), JOBS);
    }
    case "crontab":
      return inCrontab(file, "user", around);
    case "system crontab":
      return inCrontab(file, "system", around);
  }
}

function supervisordFile({ path, text }: PlanFile, findings: Findings): [] {
  const place = () => ({ line: 1, column: 1, text: text.split(/\r?\n/, 1)[0]!.slice(0, 500) });
  const fix = `write ${stemOf(path)}.yaml`;
  findings.add({ file: path, place }, 0, { what: "supervisord files are not read by this version yet", fix });
  return [];
}

// --- YAML ------------------------------------------------------------------------------------------------------------

interface Sort<Kind extends Written["kind"]> {
  readonly kind: Kind;
  readonly plural: "services" | "jobs";
  readonly begin: string;
}

const SERVICES: Sort<"service"> = { kind: "service", plural: "services", begin: "`command:`" };
const JOBS: Sort<"job"> = { kind: "job", plural: "jobs", begin: "`schedule:` and `command:`" };

/** One named after the file, or several below the plural. */
function inYaml<Kind extends Written["kind"], D extends object>(
  file: PlanFile,
  { findings }: Surroundings,
  read: (header: Header, written: Value) => D | { readonly complaints: readonly Complaint[] },
  { kind, plural, begin }: Sort<Kind>,
): In<Kind, D>[] {
  const stem = stemOf(file.path);
  const tree = readTree(file.text, plural);
  if (tree.kind === "nothing") return [];
  const page: Page = { file: file.path, place: tree.place };
  for (const flaw of tree.flaws) findings.add(page, flaw.at, flaw, spoiltBy(flaw.path, tree, stem, plural));
  if (tree.kind === "broken") {
    for (const name of tree.names.length > 0 ? tree.names : [stem]) findings.names.add(name);
    return [];
  }
  const { value, spot } = tree;
  const flawedAt = new Set(tree.flaws.map((flaw) => flaw.at));
  const declare = (name: string, text: Value, where: Spot, at: number): In<Kind, D> => {
    const written = { kind, name, spot: where, at, page };
    const described = describe(written, { group: stem, value: text, flawedAt, read }, findings);
    return { ...written, file: file.path, described };
  };
  if (!isTable(value)) {
    if (value === null) return [];
    const fix = `begin with ${begin}, or with \`${plural}:\` for several`;
    findings.add(page, spot.at, { what: "the file does not hold `key: value` lines", fix }, stem);
    return [];
  }
  if (!Object.hasOwn(value, plural)) return [declare(stem, value, spot, spot.at)];

  const several = value[plural]!;
  const severalSpot = spotOf(spot, [plural]);
  for (const key of Object.keys(value)) {
    if (key === plural || key.startsWith("x-")) continue;
    findings.add(page, spotOf(spot, [key]).keyAt ?? spot.at, strangerBeside(key, kind, plural));
  }
  if (!isTable(several)) {
    const what = several === null ? `\`${plural}\` has no value` : `\`${plural}\` is not a map of names`;
    findings.add(page, severalSpot.at, { what, fix: `write the ${plural} below it, each with its name as key` });
    return [];
  }
  return Object.entries(several).map(([name, text]) => {
    const where = spotOf(severalSpot, [name]);
    return declare(name, text, where, where.keyAt ?? where.at);
  });
}

/** What a flaw of the file's form spoils. */
function spoiltBy(path: Path, tree: Tree, stem: string, plural: string): string | undefined {
  if (tree.kind !== "values") return undefined;
  const several = isTable(tree.value) && Object.hasOwn(tree.value, plural);
  if (!several) return stem;
  return path[0] === plural && typeof path[1] === "string" ? path[1] : undefined;
}

function strangerBeside(key: string, kind: string, plural: string): Flaw {
  if (key === "version") return { what: "unknown key `version`", fix: "remove it: the format needs none" };
  if (key === "jobs") return { what: "unknown key `jobs` beside `services`", fix: "jobs belong into cron.d" };
  if (key === "services")
    return { what: "unknown key `services` beside `jobs`", fix: "services belong into services.d" };
  const fix = suggestion(
    key,
    [plural],
    `put it into a ${kind}; a file describes one ${kind}, or several under \`${plural}:\``,
  );
  return { what: `unknown key ${quoted(key)} beside \`${plural}\``, fix };
}

interface Reader<D> {
  readonly group: string;
  readonly value: Value;
  /** Offsets at which the file's form is wrong. */
  readonly flawedAt: ReadonlySet<number>;
  readonly read: (header: Header, written: Value) => D | { readonly complaints: readonly Complaint[] };
}

function describe<D extends object>(
  written: Written,
  { group, value, flawedAt, read }: Reader<D>,
  findings: Findings,
): D | null {
  const { kind, name, spot, at, page } = written;
  const wrongName = nameFlaw(name, kind);
  if (wrongName !== null) findings.add(page, at, wrongName, name);
  const { line, column } = page.place(at);
  const header = { name, group, source: { file: page.file, line, column }, lines: linesOf(value, spot, page) };
  const described = read(header, value);
  if ("complaints" in described) {
    for (const complaint of described.complaints as readonly Complaint[]) {
      if (!isAnEcho(spot, complaint, flawedAt)) addComplaint(complaint, written, findings);
    }
    return null;
  }
  return findings.spoils(page.file, name) ? null : described;
}

/** Where the keys stand that can still go wrong at a start. */
function linesOf(written: Value, spot: Spot, page: Page): Record<string, number> {
  const lines: Record<string, number> = {};
  if (!isTable(written)) return lines;
  const note = (key: string, where: Spot | undefined): void => {
    if (where !== undefined) lines[key] = page.place(where.keyAt ?? where.at).line;
  };
  for (const key of [
    "command",
    "working_dir",
    "user",
    "group",
    "env_file",
    "environment",
    "venv",
    "healthcheck",
    "expose",
  ])
    note(key, spot.children.get(key));
  for (const key of ["environment", "on"]) {
    for (const [name, where] of spot.children.get(key)?.children ?? [])
      if (typeof name === "string") note(`${key}.${name}`, where);
  }
  return lines;
}

// --- crontabs --------------------------------------------------------------------------------------------------------

/**
 * A mistake costs its line and nothing else, so the file does not count as broken: what is no longer in it is gone. Only what
 * a line that is not understood meant goes on as it was, as far as that can be told.
 */
function inCrontab({ path, text }: PlanFile, form: CrontabForm, { machine, findings }: Surroundings): DeclaredJob[] {
  const crontab = readCrontab(text, path, form);
  for (const mistake of crontab.mistakes) findings.tell(mistake);
  for (const name of namesMeant(path, crontab.dropped)) findings.names.add(name);
  let lines: string[] | null = null; // Of most files nobody asks.
  const page: Page = {
    file: path,
    linesStandAlone: true,
    place: (line) => {
      lines ??= text.split("\n");
      const shown = (lines[line - 1] ?? "").replace(/\r$/, "");
      return { line, column: /^[ \t]*/.exec(shown)![0].length + 1, text: shown };
    },
  };
  const names = namesOf(crontab.jobs);
  return crontab.jobs.map((job, index): DeclaredJob => {
    const name = names[index]!;
    const { line } = job.source;
    const flaw = userFlaw(job, machine);
    if (flaw !== null) findings.add(page, line, flaw, name);
    const described = flaw === null ? { job: definitionOf(job, name, machine), dependencies: [] } : null;
    return { kind: "job", name, file: path, described, page, spot: LINE, at: line };
  });
}

/** Of a crontab the places are lines. */
const LINE: Spot = { at: 0, keyAt: null, textAt: null, hole: null, children: new Map() };
