/**
 * Who gets which devices, or what stands in the way, in words.
 *
 * A device is given to one run, or to several that share it and whose promised memory goes around. Before it is given its
 * memory must really be free: what ended can leave workers behind that hold it, and a program outside of svcd may. That is
 * seen by a look at nvidia-smi that began after the last run gave something back.
 *
 * This module decides and never acts; what it is asked with is what is known.
 */
import type { Instant } from "../service/streak.ts";
import { askInWords, type GpuAsk, nameOfChosen } from "./ask.ts";
import {
  type Device,
  type GpuView,
  type Holder,
  indexesInWords,
  type Look,
  lastLook,
  memoryInWords,
} from "./device.ts";
import type { Held, Lease } from "./lease.ts";
import { deviceNamed, visibleIn } from "./visible.ts";

export type Choice =
  | { readonly kind: "granted"; readonly lease: Lease }
  /** `by`: phrases to follow "waits for". `needsLook`: nobody but nvidia-smi will tell when that changes. */
  | { readonly kind: "blocked"; readonly by: readonly string[]; readonly needsLook: boolean }
  /** This machine has no GPU at all. */
  | { readonly kind: "absent"; readonly why: string }
  /** It has some, and never what is asked for. */
  | { readonly kind: "impossible"; readonly why: string };

/** What is so around one ask. */
export interface Around {
  readonly view: GpuView;
  /** What the others have. */
  readonly held: readonly Held[];
  /** CUDA_VISIBLE_DEVICES of whoever asks: no others are given to it; null: all may be. */
  readonly limit: string | null;
  /** UUIDs of what it had the last time; it gets them again if they are free. */
  readonly preferred: readonly string[];
  readonly now: Instant;
  /** Only a look that began since then shows what the last run gave back. */
  readonly freshSince: Instant;
}

/** A look that is older tells nothing about who holds memory now. */
const STALE_AFTER_MS = 5_000;
/**
 * A device with no more than this in use counts as empty: a driver, a display or a monitoring program holds some of it for
 * ever. vLLM takes 92 % of a device, and a desktop rarely as much as 1 GiB.
 */
const EMPTY_SHARE = 0.05;
const EMPTY_BYTES = 1024 ** 3;
/** Who holds memory, by name; a page of names helps nobody. */
const MOST_NAMED = 3;

export function choose(ask: GpuAsk, around: Around): Choice {
  const { view } = around;
  if (view.kind === "none") return { kind: "absent", why: view.why };
  const look = lastLook(view);
  if (look === null) {
    const why = view.kind === "trouble" ? ` (${view.why})` : "";
    return { kind: "blocked", by: [`nvidia-smi to tell which GPUs there are${why}`], needsLook: true };
  }
  const mine = limited(look, around.limit);
  const candidates = candidatesFor(ask, mine);
  return candidates.kind === "candidates" ? among(candidates.devices, ask, mine, around) : candidates;
}

function limited(look: Look, limit: string | null): Look {
  if (limit === null) return look;
  const visible = visibleIn(limit, look.devices);
  const notForUse = `CUDA_VISIBLE_DEVICES=${limit} in its env files leaves it out`;
  const devices = look.devices.map((device) =>
    device.notForUse !== null || visible?.has(device.uuid) ? device : { ...device, notForUse },
  );
  return { ...look, devices };
}

// --- which devices come into question ------------------------------------------------------------------------------------

type Candidates = { readonly kind: "candidates"; readonly devices: readonly Device[] };

function candidatesFor(ask: GpuAsk, look: Look): Candidates | Choice {
  const { which } = ask;
  if (which.kind === "these") return named(which.devices, ask, look);
  const usable = look.devices.filter(({ notForUse }) => notForUse === null);
  const gone = look.gone.filter(({ notForUse }) => notForUse === null);
  const least = which.kind === "all" ? 1 : which.count;
  if (usable.length + gone.length < least) return impossible(`asks for ${askInWords(ask)}, ${whatIsThere(look)}`);
  const fitting = usable.filter((device) => isLargeEnough(device, ask));
  const isShort = which.kind === "all" ? fitting.length < usable.length || usable.length === 0 : fitting.length < least;
  if (!isShort) return { kind: "candidates", devices: fitting };
  if (usable.length < least) return blockedByGone(gone);
  const largest = Math.max(...usable.map(({ totalBytes }) => totalBytes ?? 0));
  const short = which.kind === "all" ? "one of them has less" : `the largest here has ${memoryInWords(largest)}`;
  const why = fitting.length === 0 || which.kind === "all" ? short : `only ${fitting.length} of them have so much`;
  return impossible(`asks for ${askInWords(ask)}, ${why}`);
}

function named(names: readonly (number | string)[], ask: GpuAsk, look: Look): Candidates | Choice {
  const devices: Device[] = [];
  for (const name of names) {
    const device = deviceNamed(name, look.devices);
    if (device === null) {
      const lost = deviceNamed(name, look.gone);
      if (lost !== null) return blockedByGone([lost]);
      // The numbers of those behind it have moved.
      if (typeof name === "number" && name < look.devices.length + look.gone.length) return blockedByGone(look.gone);
      return impossible(`asks for ${nameOfChosen(name)}, ${whatIsThere(look)}`);
    }
    if (device.notForUse !== null) return impossible(`asks for ${nameOfChosen(name)}: ${device.notForUse}`);
    if (!isLargeEnough(device, ask)) {
      const has = memoryInWords(device.totalBytes ?? 0);
      return impossible(`asks for ${memoryInWords(ask.memoryBytes ?? 0)} of ${nameOfChosen(name)}, which has ${has}`);
    }
    if (!devices.includes(device)) devices.push(device);
  }
  return { kind: "candidates", devices };
}

function isLargeEnough({ totalBytes }: Device, { memoryBytes }: GpuAsk): boolean {
  return memoryBytes === null || totalBytes === null || memoryBytes <= totalBytes;
}

function impossible(why: string): Choice {
  return { kind: "impossible", why };
}

function blockedByGone(gone: readonly Device[]): Choice {
  const by = `${indexesInWords(gone.map(({ index }) => index))}: no longer seen by nvidia-smi`;
  return { kind: "blocked", by: [by], needsLook: true };
}

/** "this machine has 2", "this machine has 2, of which GPU 1 may not be used: it is split by MIG". */
function whatIsThere({ devices }: Look): string {
  const has = `this machine has ${devices.length === 0 ? "none" : devices.length}`;
  const barred = devices.find(({ notForUse }) => notForUse !== null);
  return barred === undefined ? has : `${has}, of which GPU ${barred.index} may not be used: ${barred.notForUse}`;
}

// --- which of them are free ------------------------------------------------------------------------------------------------

interface Obstacle {
  readonly what: string;
  /** Only a look tells when it is gone. */
  readonly ofMemory: boolean;
}

function among(candidates: readonly Device[], ask: GpuAsk, look: Look, around: Around): Choice {
  const wanted = ask.which.kind === "count" ? ask.which.count : candidates.length;
  const heldWhere = (held: readonly Held[]): Map<Device, Obstacle | null> =>
    new Map(candidates.map((device) => [device, obstacleOfLeases(device, ask, held)]));
  const freeIn = (byLeases: Map<Device, Obstacle | null>): Device[] =>
    candidates.filter((device) => byLeases.get(device) === null);
  const withClaims = heldWhere(around.held);
  const isEnough = freeIn(withClaims).length >= wanted;
  const byLeases = isEnough ? withClaims : heldWhere(around.held.filter(({ isClaim }) => isClaim !== "weak"));
  const unleased = freeIn(byLeases);
  if (unleased.length < wanted) return blocked(candidates, ask, (device) => byLeases.get(device) ?? null);
  if (!ask.waitForMemory) return granted(unleased, wanted, ask, around);
  const unanswered = whyNotFresh(around);
  if (unanswered !== null) return { kind: "blocked", by: [unanswered], needsLook: true };
  const obstacle = (device: Device): Obstacle | null =>
    byLeases.get(device) ?? obstacleOfMemory(device, ask, look, around.held);
  const free = candidates.filter((device) => obstacle(device) === null);
  return free.length < wanted ? blocked(candidates, ask, obstacle) : granted(free, wanted, ask, around);
}

/** What nvidia-smi has to tell first; null: it has. */
function whyNotFresh({ view, now, freshSince }: Around): string | null {
  if (view.kind === "trouble") return `nvidia-smi to tell whether memory is free (${view.why})`;
  if (view.kind !== "seen") return "nvidia-smi to tell whether memory is free";
  const { begunAt, at } = view.look;
  return begunAt >= freshSince && now - at <= STALE_AFTER_MS ? null : "nvidia-smi to tell whether memory is free";
}

function obstacleOfLeases(device: Device, ask: GpuAsk, held: readonly Held[]): Obstacle | null {
  const unknown = held.filter(({ lease }) => lease === null);
  if (unknown.length > 0) {
    return { what: `perhaps held by ${namesOf(unknown)}, nobody knows any more what it was given`, ofMemory: false };
  }
  const here = leasesOn(device, held);
  const isInTheWay = (one: Held): boolean => !ask.share || !one.lease!.isShared;
  const others = here.filter(isInTheWay);
  if (others.length > 0) {
    const running = others.filter(({ isClaim }) => isClaim === undefined);
    if (running.length > 0) return { what: `held by ${namesOf(running)}`, ofMemory: false };
    return { what: `kept for ${namesOf(others)}, which is about to start again`, ofMemory: false };
  }
  const left = (device.totalBytes ?? Number.POSITIVE_INFINITY) - promisedOn(device, held);
  if (ask.memoryBytes === null || ask.memoryBytes <= left) return null;
  const what = `${memoryInWords(Math.max(left, 0))} of it are left beside ${namesOf(here)}`;
  return { what, ofMemory: false };
}

function obstacleOfMemory(device: Device, ask: GpuAsk, look: Look, held: readonly Held[]): Obstacle | null {
  const { usedBytes, totalBytes } = device;
  if (usedBytes === null || totalBytes === null) return null; // It does not tell: nobody can wait for that.
  const holders = look.holders.filter(({ uuid }) => uuid === device.uuid);
  const mayHold = new Set(leasesOn(device, held).map(({ by }) => by));
  const strangers = holders.filter(({ run }) => run === null || !mayHold.has(nameOfRun(run)));
  const ofStrangers = Math.min(usedBytes, sumOf(strangers));
  // Who shares it may not have taken yet what was promised.
  const taken = ofStrangers + Math.max(usedBytes - ofStrangers, promisedOn(device, held));
  const limit =
    ask.memoryBytes === null ? Math.max(EMPTY_SHARE * totalBytes, EMPTY_BYTES) : totalBytes - ask.memoryBytes;
  if (taken <= limit) return null;
  const by = strangers.length === 0 ? UNSEEN : strangers.slice(0, MOST_NAMED).map(holderInWords).join(", ");
  const more = strangers.length > MOST_NAMED ? ` and ${strangers.length - MOST_NAMED} more` : "";
  return { what: `${memoryInWords(usedBytes)} still held by ${by}${more}`, ofMemory: true };
}

const UNSEEN = "a process that cannot be seen from here";

/** "pid 4711 (VLLM::EngineCor, left over from run 3 of vllm)". */
export function holderInWords({ pid, command, run }: Pick<Holder, "pid" | "command" | "run">): string {
  if (command === null) return `${UNSEEN} (pid ${pid} elsewhere)`;
  const of = run === null ? "" : `, of run ${run.run} of ${nameOfRun(run).split("/")[0]}`;
  return `pid ${pid} (${command}${of})`;
}

/** The keeper's `train!7` is `train/7` to people. */
function nameOfRun({ name }: { readonly name: string }): string {
  return name.replace("!", "/");
}

function leasesOn({ uuid }: Device, held: readonly Held[]): Held[] {
  return held.filter(({ lease }) => lease?.devices.some((device) => device.uuid === uuid));
}

function promisedOn(device: Device, held: readonly Held[]): number {
  return leasesOn(device, held).reduce((sum, { lease }) => sum + (lease?.memoryBytes ?? 0), 0);
}

function sumOf(holders: readonly Holder[]): number {
  return holders.reduce((sum, { usedBytes }) => sum + (usedBytes ?? 0), 0);
}

function namesOf(held: readonly Held[]): string {
  const names = [...new Set(held.map(({ by }) => by))];
  return names.length <= MOST_NAMED ? names.join(", ") : `${names.slice(0, MOST_NAMED).join(", ")} and others`;
}

// --- the answer ---------------------------------------------------------------------------------------------------------

function granted(free: readonly Device[], wanted: number, ask: GpuAsk, { held, preferred }: Around): Choice {
  const GIB = 1024 ** 3;
  const rank = (device: Device): number[] => [
    preferred.includes(device.uuid) ? 0 : 1,
    promisedOn(device, held),
    Math.round((device.usedBytes ?? 0) / GIB), // Some MiB more or less say nothing.
    device.index,
  ];
  const chosen = [...free].sort((a, b) => compare(rank(a), rank(b))).slice(0, wanted);
  const devices = chosen.sort((a, b) => a.index - b.index).map(({ uuid, index }) => ({ uuid, index }));
  return { kind: "granted", lease: { devices, memoryBytes: ask.memoryBytes, isShared: ask.share } };
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, index) => value !== b[index]);
  return at < 0 ? 0 : a[at]! - b[at]!;
}

/** Devices with the same in their way are told together; of several that would do, one is enough, so they are joined by "or". */
function blocked(
  candidates: readonly Device[],
  { which }: GpuAsk,
  obstacleOf: (device: Device) => Obstacle | null,
): Choice {
  const groups = new Map<string, number[]>();
  let needsLook = false;
  for (const device of candidates) {
    const obstacle = obstacleOf(device);
    if (obstacle === null) continue;
    needsLook ||= obstacle.ofMemory;
    groups.set(obstacle.what, [...(groups.get(obstacle.what) ?? []), device.index]);
  }
  const phrases = [...groups].map(([what, indexes]) => `${indexesInWords(indexes)}: ${what}`);
  const isEnoughOne = which.kind === "count" && which.count < candidates.length;
  return { kind: "blocked", by: isEnoughOne ? [phrases.join(", or ")] : phrases, needsLook };
}
