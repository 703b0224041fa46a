/**
 * The GPUs of the simulated machine: two devices, whose memory is full while anything of a run lives that was given them, and
 * an nvidia-smi that needs a while and then tells how it was when it was asked.
 */
import type { Device, GpuView, Holder } from "../gpu/device.ts";
import type { Lease } from "../gpu/lease.ts";
import type { Gpus } from "../ports.ts";
import type { RunNumber } from "../service/life.ts";
import type { SimCore } from "./core.ts";
import { Broken } from "./invariants.ts";
import type { World } from "./world.ts";

export const DEVICES = 2;
const TOTAL_BYTES = 80 * 1024 ** 3;
const LONGEST_ANSWER_MS = 3_000;

export class SimGpus {
  readonly #world: World;
  /** By NAME#RUN. */
  readonly #given = new Map<string, Lease>();

  constructor(world: World) {
    this.#world = world;
  }

  given(name: string, run: RunNumber, lease: Lease | undefined): void {
    // A service that comes back when nobody knows of it any more begins with number 1 again.
    if (lease === undefined) this.#given.delete(`${name}#${run}`);
    else this.#given.set(`${name}#${run}`, lease);
  }

  /** 25, right before the keeper starts it. */
  mayBegin(name: string, run: RunNumber): void {
    const lease = this.#given.get(`${name}#${run}`);
    for (const other of this.#living()) {
      if (other.name === name || lease === undefined) continue;
      const both = other.lease.devices.find(({ uuid }) => lease.devices.some((device) => device.uuid === uuid));
      if (both === undefined) continue;
      throw new Broken(25, `GPU ${both.index} is given to ${name}#${run}, and ${other.name}#${other.run} has it`);
    }
  }

  /** Devices that nobody has. */
  get free(): number {
    const taken = new Set(this.#living().flatMap(({ lease }) => lease.devices.map(({ uuid }) => uuid)));
    return DEVICES - taken.size;
  }

  /** As one core sees them; the next one has to look anew. */
  port(core: SimCore): Gpus {
    const world = this.#world;
    let view: GpuView = { kind: "unknown" };
    let isUnderWay = false;
    return {
      view: () => view,
      look: () => {
        if (isUnderWay) return;
        isUnderWay = true;
        const seen = this.#seen();
        world.agenda.after(world.fate.of("nvidia-smi").between(1, LONGEST_ANSWER_MS), () => {
          isUnderWay = false;
          if (world.core !== core) return;
          view = { kind: "seen", look: { ...seen, at: world.agenda.now } };
          world.inCore((supervisor) => supervisor.gpusSeen(), core);
        });
      },
      leaseOf: (pid) => {
        const process = [...world.keeper.runs.values()].find((one) => one.pid === pid);
        return process === undefined ? null : (this.#given.get(`${process.service}#${process.run}`) ?? null);
      },
    };
  }

  #living(): { readonly name: string; readonly run: RunNumber; readonly pid: number; readonly lease: Lease }[] {
    return [...this.#world.keeper.runs.values()].flatMap(({ service: name, run, pid, leaderLives, hasChildren }) => {
      const lease = this.#given.get(`${name}#${run}`);
      return lease !== undefined && (leaderLives || hasChildren) ? [{ name, run, pid, lease }] : [];
    });
  }

  #seen() {
    const holders = this.#living().flatMap(({ name, run, pid, lease }) =>
      lease.devices.map(({ uuid }): Holder => {
        return { uuid, pid, usedBytes: TOTAL_BYTES, command: name, run: { name, run } };
      }),
    );
    const devices = Array.from({ length: DEVICES }, (_, index): Device => {
      const uuid = `GPU-${index}`;
      const isUsed = holders.some((holder) => holder.uuid === uuid);
      const unknown = { utilization: null, temperatureC: null, powerW: null, powerLimitW: null, notForUse: null };
      return { index, uuid, name: "H100", totalBytes: TOTAL_BYTES, usedBytes: isUsed ? TOTAL_BYTES : 0, ...unknown };
    });
    return { begunAt: this.#world.agenda.now, devices, holders, gone: [] };
  }
}
