/** `svctl next JOB`: the due times of a job, of all its schedules together. */
import type { JobDetail } from "../control/daemon.ts";
import { type Slot, slotsBetween } from "../schedule/next.ts";
import type { Schedule, WallTime } from "../schedule/schedule.ts";
import { type Zone, zoneNamed } from "../schedule/zone.ts";
import { countAndStart } from "./asked-schedule.ts";
import type { Call } from "./call.ts";
import { ifAnswered } from "./daemon.ts";
import { EXIT, Failure, usage } from "./failure.ts";

export interface DueTimes {
  readonly job: JobDetail["status"];
  readonly zone: Zone;
  readonly slots: readonly Slot[];
  /** A start may be so much later than its due time, always by the same amount. */
  readonly splayMs: number;
}

/** null: the word is no job's name, as far as svcd can be asked. */
export async function dueTimesOfJob(call: Call): Promise<DueTimes | null> {
  const [name = ""] = call.words;
  if (call.words.length !== 1 || !/^\w[\w.@-]*$/.test(name)) return null;
  const detail = await ifAnswered(call.daemon.job(name));
  if (detail === null) return null;
  for (const option of ["tz", "dialect"] as const) {
    if (call.options[option] === undefined) continue;
    throw usage(`\`${name}\` is a job, and its file says its --${option}`, `leave out \`--${option}\``);
  }
  const { status } = detail;
  const { schedules, splayMs } = detail.definition as {
    readonly schedules: readonly { readonly schedule: Schedule }[];
    readonly splayMs: number;
  };
  const zone = zoneNamed(status.timezone);
  if (zone === null) throw new Failure(EXIT.failed, `${name}: svctl does not know its time zone ${status.timezone}`);
  const { from, count } = countAndStart(call, zone);
  const slots = schedules.flatMap(({ schedule }) => {
    const start = schedule.kind === "every" ? lastStart(status.next, schedule.everyMs, from) : from;
    return slotsBetween(schedule, zone, start, Number.POSITIVE_INFINITY, count);
  });
  const sorted = [...slots].sort((a, b) => a.at - b.at).filter(({ at }, index, all) => all[index - 1]?.at !== at);
  return { job: status, zone, slots: sorted.filter(({ at }) => at > from).slice(0, count), splayMs };
}

/** An `@every` counts from its last start, which lies so much before its next one. */
function lastStart(next: string | null, everyMs: number, from: WallTime): WallTime {
  return next === null ? from : Math.max(Date.parse(next) - everyMs, from - everyMs);
}
