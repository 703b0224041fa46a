/**
 * Files that went away by mistake. One file that is removed is an order. Most of them at once is rather a slip (`rm` in the
 * wrong folder, a copy that failed half way, a disk that is not mounted), and to stop nearly everything cannot be taken
 * back. So what they described goes on as it was, like the services of a directory that cannot be read, until the files
 * are back or a person says that they are meant to be gone.
 */
import type { Mistake } from "./mistake.ts";
import type { Plan, Service } from "./plan.ts";

export interface Held {
  /** Their services go on although they are gone. */
  readonly files: readonly string[];
  /** How many files there were when they vanished. */
  readonly of: number;
}

export const nothingHeld: Held = { files: [], of: 0 };

/** Of three files two are removed on purpose easily, and typed anew quickly. */
const FEWEST_FILES = 4;

/** What is in doubt now. While anything is, whatever else vanishes belongs to it: an `rm` may be slow. */
export function holdVanished(before: Iterable<Pick<Service, "source">>, after: Plan, held: Held): Held {
  const inUse = new Set([...before].map(({ source }) => source.file));
  const described = [...after.services.values(), ...after.jobs.values()];
  const there = new Set(described.map(({ source }) => source.file));
  const gone = [...inUse].filter((file) => !there.has(file) && !after.brokenFiles.has(file)).sort();
  if (gone.some((file) => held.files.includes(file))) return { files: gone, of: Math.max(held.of, gone.length) };
  const isDoubtful = inUse.size >= FEWEST_FILES && gone.length * 2 > inUse.size;
  return isDoubtful ? { files: gone, of: inUse.size } : nothingHeld;
}

/** The plan in which these files count as unknown instead of gone. */
export function withHeld(plan: Plan, held: Held): Plan {
  const [first] = held.files;
  if (first === undefined) return plan;
  const mistake: Mistake = {
    file: first.slice(0, Math.max(first.lastIndexOf("/"), 0)) || ".",
    line: 1,
    column: 1,
    what: `${describeHeld(held)}: what they described goes on as it was`,
    fix: "put the files back; or, if they shall be gone and their services stop: svctl apply",
    text: "",
  };
  const brokenFiles = new Set([...plan.brokenFiles, ...held.files]);
  return { ...plan, brokenFiles, mistakes: [mistake, ...plan.mistakes] };
}

/** "9 of 10 files vanished at once". */
export function describeHeld({ files, of }: Held): string {
  return `${files.length} of ${of} files vanished at once`;
}
