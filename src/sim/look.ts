/**
 * A look at everything after each step, from outside: what is so at any moment, whatever is going on.
 */
import { deadline } from "../service/life.ts";
import { isMet, type Member, type Members } from "../supervisor/dependencies.ts";
import type { Supervisor } from "../supervisor/supervisor.ts";
import { Broken } from "./invariants.ts";
import type { World } from "./world.ts";

const MOST_HAPPENINGS = 5_000;
/** Floating-point rounding of a deadline. */
const EPSILON_MS = 1e-3;

export function lookAround(world: World): void {
  if (world.agenda.size > MOST_HAPPENINGS) throw new Broken(19, `the agenda grows: ${world.agenda.size}`);
  const { core } = world;
  if (core === null) return;
  const { members } = core.supervisor;
  let earliest = Number.POSITIVE_INFINITY;
  for (const [name, member] of members) {
    const { life, service } = member;
    if (life.streak.recent.length > 10) throw new Broken(19, `${name} keeps ${life.streak.recent.length} failures`);
    earliest = Math.min(earliest, deadline(life, service.policy) ?? Number.POSITIVE_INFINITY);
    if (life.state.at === "waiting") waitsForSomething(world, name, member, members);
  }
  if (earliest < Number.POSITIVE_INFINITY && (core.alarmAt ?? Number.POSITIVE_INFINITY) > earliest + EPSILON_MS)
    throw new Broken(20, `something is due at ${earliest} and the alarm is set for ${core.alarmAt}`);
  if (world.fate.of("looks").happens(0.05)) everyStateIsExplained(core.supervisor);
}

/** Who waits is wanted, and something is in the way. */
function waitsForSomething(world: World, name: string, { life, service }: Member, members: Members): void {
  if (life.wanted === "down") throw new Broken(4, `${name} waits and is not wanted`);
  if (world.unmet.has(name)) return; // It is told at the next look at conditions.
  if (service.gpus !== undefined) return; // It may wait for nvidia-smi; once all is quiet `rest.ts` looks.
  const isBlocked = service.dependsOn.some((dependency) => {
    const other = members.get(dependency.name);
    if (other === undefined || !isMet(dependency, other)) return true;
    return other.life.restartDue || other.life.wanted === "down"; // About to go.
  });
  if (!isBlocked) throw new Broken(20, `${name} waits, and nothing is in the way`);
}

function everyStateIsExplained(supervisor: Supervisor): void {
  for (const status of supervisor.statuses()) {
    if (status.why === "" || status.next === "")
      throw new Broken(23, `${status.name} ${status.state} is not explained`);
  }
}
