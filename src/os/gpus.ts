/**
 * The GPUs of this machine: what nvidia-smi says, asked only while somebody waits for it or looks.
 *
 * Who waits asks for one look after the other (`look`), each a little later than the one before, so that memory that comes back
 * soon is noticed soon and one that never does costs little. Who looks (`refresh`) gets what is there within a time, however
 * nvidia-smi fares. At most one question is under way.
 */
import type { Device, GpuView, Look } from "../gpu/device.ts";
import { lastLook } from "../gpu/device.ts";
import type { Lease } from "../gpu/lease.ts";
import {
  APP_FIELDS,
  type DevicesAnswer,
  GPU_FIELDS,
  GPU_FIELDS_OF_OLD_DRIVERS,
  readDevices,
  readProcesses,
} from "../gpu/smi-output.ts";
import { visibleIn } from "../gpu/visible.ts";
import { formatDuration } from "../plan/units.ts";
import type { Gpus } from "../ports.ts";
import type { Instant } from "../service/life.ts";
import { holdersOf, leaseInEnvironment, type MainProcess } from "./gpu-holders.ts";
import { NvidiaSmi, type SmiAnswer } from "./nvidia-smi.ts";

export interface LinuxGpusOptions {
  /** svcd's own: where nvidia-smi is, and to which devices svcd was limited. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly runDir: string;
  /** Runs that live. */
  readonly mains: () => Iterable<MainProcess>;
  readonly onSeen: () => void;
  readonly now: () => Instant;
  /** Another in tests. */
  readonly smi?: Pick<NvidiaSmi, "ask" | "isInstalled" | "close">;
  readonly pace?: Partial<Pace>;
}

/** Between the end of a look and the next, while somebody waits. */
export interface Pace {
  readonly firstMs: number;
  readonly longestMs: number;
  /** Of what goes wrong. */
  readonly longestTroubleMs: number;
  /** Where nvidia-smi is not installed, or finds nothing: somebody may mend that. */
  readonly noneMs: number;
}

const PACE: Pace = { firstMs: 300, longestMs: 2_000, longestTroubleMs: 30_000, noneMs: 60_000 };
/** It shall not be busy for more than a fifth of the time for those who wait. */
const REST_FACTOR = 4;
/** Nobody waited for so long: who comes now is the first again. */
const FORGOTTEN_AFTER_MS = 10_000;
/** What was seen within this time is as good as a new look, for people. */
const YOUNG_MS = 1_000;
/** For how long it has been silent, as a person wants to know it; each step is told to everybody who waits. */
const SILENCES_MS = [10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000, 21_600_000, 86_400_000];

export class LinuxGpus implements Gpus {
  readonly #options: LinuxGpusOptions;
  readonly #smi: Pick<NvidiaSmi, "ask" | "isInstalled" | "close">;
  readonly #pace: Pace;
  /** Every device that this core has seen. */
  readonly #known = new Map<string, Device>();
  #fields: readonly string[] = GPU_FIELDS;
  #view: GpuView = { kind: "unknown" };
  #underWay: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  /** When the last look ended, and how long it took. */
  #ended: { readonly at: Instant; readonly tookMs: number } | null = null;
  #pauseMs = 0;
  #silentSince: Instant | null = null;
  #isClosed = false;

  constructor(options: LinuxGpusOptions) {
    this.#options = options;
    this.#smi = options.smi ?? new NvidiaSmi({ env: options.env });
    this.#pace = { ...PACE, ...options.pace };
  }

  view(): GpuView {
    if (this.#view.kind === "unknown" && !this.#smi.isInstalled) this.#view = notInstalled;
    return this.#view;
  }

  look(): void {
    if (this.#underWay !== null || this.#timer !== null || this.#isClosed) return;
    const { now } = this.#options;
    const restedMs = this.#ended === null ? Number.POSITIVE_INFINITY : now() - this.#ended.at;
    if (restedMs > FORGOTTEN_AFTER_MS) this.#pauseMs = 0;
    const waitMs = Math.max(this.#pauseOf() - restedMs, 0);
    this.#pauseMs = Math.max(this.#pauseMs * 1.5, this.#pace.firstMs);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      void this.#lookNow();
    }, waitMs);
    this.#timer.unref();
  }

  leaseOf(pid: number): Lease | null {
    return leaseInEnvironment(pid);
  }

  /** For people: a look of now, or what is known after `withinMs`. */
  async refresh(withinMs: number): Promise<GpuView> {
    const { now } = this.#options;
    const isYoung = this.#ended !== null && now() - this.#ended.at < YOUNG_MS;
    if (isYoung && this.#underWay === null) return this.#view;
    let timer: NodeJS.Timeout | undefined;
    const enough = new Promise<void>((done) => {
      timer = setTimeout(done, withinMs);
    });
    await Promise.race([this.#lookNow(), enough]);
    clearTimeout(timer);
    return this.#view.kind === "unknown"
      ? { kind: "trouble", why: `nvidia-smi has not answered for ${formatDuration(withinMs)}`, last: null }
      : this.#view;
  }

  close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#smi.close();
  }

  #pauseOf(): number {
    const { longestMs, longestTroubleMs, noneMs } = this.#pace;
    switch (this.#view.kind) {
      case "none":
        return this.#view === notInstalled ? 0 : noneMs;
      case "trouble":
        return Math.min(this.#pauseMs, longestTroubleMs);
      case "unknown":
      case "seen":
        return Math.max(Math.min(this.#pauseMs, longestMs), REST_FACTOR * (this.#ended?.tookMs ?? 0));
    }
  }

  #lookNow(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer); // This look is for those who wait, too.
    this.#timer = null;
    this.#underWay ??= this.#lookOnce().finally(() => {
      this.#underWay = null;
      if (!this.#isClosed) this.#options.onSeen();
    });
    return this.#underWay;
  }

  async #lookOnce(): Promise<void> {
    const { now } = this.#options;
    const begunAt = now();
    this.#silentSince ??= begunAt;
    const view = await this.#seen(begunAt);
    this.#ended = { at: now(), tookMs: now() - begunAt };
    if (view.kind !== "trouble" || !view.why.startsWith(SILENT)) this.#silentSince = null;
    this.#view = view;
  }

  async #seen(begunAt: Instant): Promise<GpuView> {
    if (!this.#smi.isInstalled) return notInstalled;
    const answer = await this.#askForDevices();
    if (answer.kind === "none") return noDevices;
    if (answer.kind === "trouble") return this.#trouble(answer.why);
    const { env, runDir, mains, now } = this.#options;
    const visible = visibleIn(env["CUDA_VISIBLE_DEVICES"], answer.devices);
    const devices = answer.devices.map((device) =>
      device.notForUse !== null || visible === null || visible.has(device.uuid)
        ? device
        : { ...device, notForUse: BARRED },
    );
    for (const device of devices) this.#known.set(device.uuid, device);
    const gone = [...this.#known.values()].filter(({ uuid }) => !devices.some((device) => device.uuid === uuid));
    const apps = await this.#ask([`--query-compute-apps=${APP_FIELDS.join(",")}`]);
    // A driver that does not tell who holds memory tells at least how much is held.
    const holders = apps.kind === "said" ? holdersOf(readProcesses(apps.text), runDir, mains()) : [];
    if (apps.kind === "silent") return this.#trouble(this.#silence());
    const look: Look = { begunAt, at: now(), devices, holders, gone };
    return { kind: "seen", look };
  }

  async #askForDevices(): Promise<Exclude<DevicesAnswer, { kind: "unknown field" }>> {
    const answer = await this.#ask([`--query-gpu=${this.#fields.join(",")}`]);
    if (answer.kind === "silent") return { kind: "trouble", why: this.#silence() };
    if (answer.kind === "refused") return { kind: "trouble", why: `nvidia-smi cannot be started: ${answer.why}` };
    const read = readDevices(answer.text, answer.exit, this.#fields);
    if (read.kind !== "unknown field") return read;
    if (this.#fields === GPU_FIELDS_OF_OLD_DRIVERS)
      return { kind: "trouble", why: "this nvidia-smi is too old: it does not tell uuid and memory" };
    this.#fields = GPU_FIELDS_OF_OLD_DRIVERS;
    return this.#askForDevices();
  }

  #ask(question: readonly string[]): Promise<SmiAnswer> {
    return this.#smi.ask([...question, "--format=csv,noheader,nounits"]);
  }

  #trouble(why: string): GpuView {
    return { kind: "trouble", why, last: lastLook(this.#view) };
  }

  #silence(): string {
    const now = this.#options.now();
    const ms = now - (this.#silentSince ?? now);
    const step = SILENCES_MS.findLast((one) => one <= ms) ?? SILENCES_MS[0]!;
    return `${SILENT}, for ${formatDuration(step)} now`;
  }
}

const notInstalled: GpuView = { kind: "none", why: "nvidia-smi is not installed" };
const noDevices: GpuView = { kind: "none", why: "nvidia-smi finds no device" };
const SILENT = "nvidia-smi does not answer";
const BARRED = "CUDA_VISIBLE_DEVICES, where svcd was started, leaves it out";
