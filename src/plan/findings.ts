/**
 * What is wrong in the files, while they are read: each mistake once, in order, and what it spoils.
 */
import type { Flaw } from "./flaw.ts";
import type { Mistake } from "./mistake.ts";
import { type Complaint, labelOf } from "./shape.ts";
import { type Spot, spotOf, type Tree } from "./tree.ts";

export interface Page {
  readonly file: string;
  readonly place: Exclude<Tree, { kind: "nothing" }>["place"];
  /** A mistake says nothing about the rest of the file, as in a crontab. */
  readonly linesStandAlone?: true;
}

/** A service or job as it stands in a file. */
export interface Written {
  readonly kind: "service" | "job";
  readonly name: string;
  readonly spot: Spot;
  /** Where its name stands. */
  readonly at: number;
  readonly page: Page;
}

export class Findings {
  readonly files = new Set<string>();
  readonly names = new Set<string>();
  private readonly found = new Map<string, Mistake>();
  private readonly spoilt = new Set<string>();

  /** `name`: the service or job that this spoils; none for what spoils the file only. */
  add(page: Page, at: number, flaw: Flaw, name?: string): void {
    const { line, column, text } = page.place(at);
    const mistake: Mistake = { file: page.file, line, column, what: flaw.what, fix: flaw.fix, text };
    this.tell(mistake);
    if (page.linesStandAlone !== true) this.files.add(page.file);
    if (name !== undefined) this.spoil(page.file, name);
  }

  /** A mistake that leaves the rest of its file as it is understood. */
  tell(mistake: Mistake): void {
    const { file, line, column, what } = mistake;
    // Through an alias the same line can be wrong in many services: one mistake for the reader.
    this.found.set(`${file}:${line}:${column}:${what}`, mistake);
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

  /** Whether what that file describes under this name is spoilt; one of the same name in another file may be good. */
  spoils(file: string, name: string): boolean {
    return this.spoilt.has(`${file}\0${name}`);
  }

  /** In the order of files, and of lines in a file. */
  mistakes(paths: readonly string[]): Mistake[] {
    const byFile = new Map<string, Mistake[]>();
    for (const path of paths) byFile.set(path, []);
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

/** Where an alias or a nesting could not be followed there is no value now; that it is missing is no news. */
export function isAnEcho(spot: Spot, complaint: Complaint, flawedAt: ReadonlySet<number>): boolean {
  const where = spotOf(spot, complaint.path);
  return complaint.points === "key" && where.hole !== null && flawedAt.has(where.hole);
}

export function addComplaint(complaint: Complaint, { kind, name, spot, at, page }: Written, findings: Findings): void {
  const where = spotOf(spot, complaint.path);
  const inside = complaint.at !== undefined && where.textAt !== null ? where.textAt + complaint.at : where.at;
  // What is missing in it as a whole is shown at its name.
  const offset = complaint.path.length === 0 ? at : complaint.points === "key" ? (where.keyAt ?? where.at) : inside;
  const label = complaint.path.length === 0 ? `${kind} \`${name}\`` : labelOf(complaint.path);
  findings.add(page, offset, { what: complaint.what(label), fix: complaint.fix }, name);
}
