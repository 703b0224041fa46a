/**
 * How many processes the kernel killed for want of memory during each run: its own counter, noted when a run begins and
 * when it ends. The counter is that of the machine or of our memory cgroup, so a rise is a hint about a service that was
 * killed, and no rise is proof that it was somebody else.
 */
import { type Life, runOf } from "../service/life.ts";
import { oomKillCount } from "./oom-kills.ts";

interface Noted {
  readonly run: number;
  readonly before: number;
  readonly after: number | null;
}

export class OomWitness {
  readonly #noted = new Map<string, Noted>();

  note(service: string, before: Life, after: Life): void {
    const began = runOf(after.state);
    const ended = runOf(before.state);
    const noted = this.#noted.get(service);
    if (ended !== null && ended !== began && noted?.run === ended) {
      this.#noted.set(service, { ...noted, after: oomKillCount() });
    }
    if (began !== null && began !== ended)
      this.#noted.set(service, { run: began, before: oomKillCount(), after: null });
  }

  /** Kills during the last run that ended; 0 also where the kernel does not count. */
  killsDuring(service: string): number {
    const noted = this.#noted.get(service);
    return noted === undefined || noted.after === null ? 0 : noted.after - noted.before;
  }
}
