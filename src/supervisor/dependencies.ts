/**
 * What stands in the way of a start, who must be started with it, and who must end first. Pure questions about services
 * and their lives.
 */
import type { Dependency, Service } from "../plan/plan.ts";
import { isSuccess } from "../service/exit.ts";
import { isEnding, type Life, runOf } from "../service/life.ts";

/** One service as the supervisor holds it, as far as dependencies are concerned. */
export interface Member {
  readonly service: Service;
  readonly life: Life;
  /** Its file is gone and it is ending. */
  readonly isRemoved?: boolean;
}

export type Members = ReadonlyMap<string, Member>;

/** What a start of `service` waits for, each a phrase: "db to be ready (it is FATAL: …)". Empty: nothing. */
export function blockers(
  service: Service,
  members: Members,
  leaving: ReadonlyMap<string, unknown>,
  describe: (name: string) => string,
): string[] {
  return service.dependsOn.flatMap((dependency) => {
    const { name, condition } = dependency;
    const member = members.get(name);
    if (member === undefined) return [`${name} to exist (no file in services.d describes it now)`];
    if (leaving.has(name)) return [`${name} to be restarted first`];
    return isMet(dependency, member) ? [] : [`${name} to be ${condition} (it is ${describe(name)})`];
  });
}

export function isMet(
  { condition, onFailure }: Pick<Dependency, "condition" | "onFailure">,
  { service, life }: Member,
): boolean {
  const { state } = life;
  // Not for this machine: nobody waits for what will never be there.
  if (state.at === "skipped") return true;
  // Another try of its own is still to come while it is in backoff; what a person stopped has not failed.
  if (onFailure === "continue" && (state.at === "fatal" || state.at === "exited")) return true;
  switch (condition) {
    case "started":
      return (state.at === "starting" && state.spawned) || state.at === "running" || state.at === "exited";
    case "ready":
      return state.at === "running" && state.health?.verdict !== "starting" && state.health?.verdict !== "unhealthy";
    case "completed":
      return state.at === "exited" && isSuccess(state.exit, service.policy.successExitCodes);
  }
}

/** The names and everything they depend on, dependencies first; a ring (of files of different times) is cut somewhere. */
export function withDependencies(names: readonly string[], members: Members): string[] {
  const ordered = new Set<string>();
  const visited = new Set<string>();
  const visit = (name: string): void => {
    const member = members.get(name);
    // What is going because its file is gone is not called back by somebody that needed it.
    if (member === undefined || member.isRemoved || visited.has(name)) return;
    visited.add(name);
    for (const dependency of member.service.dependsOn) visit(dependency.name);
    ordered.add(name);
  };
  for (const name of names) visit(name);
  return [...ordered];
}

/**
 * Who must end before this one may be signalled: what depends on it, still runs, and is to go down too (because it is
 * unwanted, or it is one of those `leaving` for a restart, or it is ending already).
 */
export function endsBefore(
  dependents: readonly string[],
  members: Members,
  leaving: ReadonlyMap<string, unknown>,
): string[] {
  return dependents.filter((dependent) => {
    const life = members.get(dependent)?.life;
    if (life === undefined || runOf(life.state) === null) return false;
    // Let go for its restart, which it has not heard of yet: `restartDue` says it still.
    return life.wanted === "down" || leaving.has(dependent) || life.restartDue || isEnding(life.state);
  });
}

/** Who depends on whom, turned around. */
export function dependentsOf(members: Members): Map<string, string[]> {
  const dependents = new Map<string, string[]>();
  for (const { service } of members.values()) {
    for (const { name } of service.dependsOn) {
      const list = dependents.get(name);
      if (list === undefined) dependents.set(name, [service.name]);
      else list.push(service.name);
    }
  }
  return dependents;
}
