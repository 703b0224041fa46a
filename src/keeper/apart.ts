/**
 * What the keeper starts for itself (the core, a gzip) has the priorities that svcd was given, and is no part of any run. Where runs are enclosed by what the keeper
 * itself is in at the moment of a spawn (`cgroup.ts`), such a program needs an enclosure of its own, or it would end with the
 * next run. Which one a process is in is a fact of the whole process, hence the one variable.
 */
import { asGiven } from "../own-priority.ts";

let enclosing: <Made>(act: () => Made) => Made = (act) => act();

export function apart<Made>(act: () => Made): Made {
  return enclosing(() => asGiven(act));
}

export function encloseApartBy(enclose: <Made>(act: () => Made) => Made): void {
  enclosing = enclose;
}
