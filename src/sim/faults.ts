/**
 * What can go wrong in the simulated world. Each history draws its own weather: each fault is there or not, strong or weak,
 * because a swarm of different storms finds more than one average. Each fault says in which states of a life it can strike; the
 * suite demands that each of these pairs was lived through.
 */
import type { StateName } from "../service/life.ts";
import type { Random } from "./random.ts";

interface FaultKind {
  /** The highest probability at one occasion. */
  readonly most: number;
  /** States of the service that it strikes; a fault of the whole machine strikes every service in its state. */
  readonly strikes: readonly StateName[];
  readonly what: string;
}

const ALL = [
  "stopped",
  "skipped",
  "waiting",
  "starting",
  "running",
  "backoff",
  "stopping",
  "clearing",
  "exited",
  "fatal",
] as const satisfies StateName[];
const LIVE = ["starting", "running", "stopping"] as const satisfies StateName[];

export const FAULTS = {
  "core dies": { most: 0.02, strikes: ALL, what: "before or after any of its actions" },
  "last orders lost": { most: 0.8, strikes: ALL, what: "what a dying core had said does not reach the keeper" },
  "keeper dies": { most: 0.005, strikes: ALL, what: "before or after any order it obeys, and the core with it" },
  "journal line lost": { most: 0.1, strikes: ALL, what: "the disk took no more lines" },
  "journal torn": { most: 0.5, strikes: ALL, what: "the last lines are gone when the next core reads them" },
  "wish not kept": { most: 0.3, strikes: ALL, what: "what people asked cannot be made durable" },
  "start refused": { most: 0.2, strikes: ["starting"], what: "by the launcher, for good or for now" },
  "no process to spare": { most: 0.1, strikes: ["starting", "stopping"], what: "fork says EAGAIN, for a while" },
  "program missing": { most: 0.1, strikes: ["starting", "stopping"], what: "exec says ENOENT" },
  crashes: { most: 0.8, strikes: LIVE, what: "a program ends by itself" },
  "ignores the stop signal": { most: 0.5, strikes: LIVE, what: "only KILL ends it" },
  freezes: { most: 0.2, strikes: LIVE, what: "a process is in state D: not even KILL ends it until it thaws" },
  "leaves children": { most: 0.4, strikes: LIVE, what: "something of a run lives on when its leader ends" },
  "probe fails": { most: 0.4, strikes: ["starting", "running"], what: "the check says no" },
  "probe hangs": { most: 0.1, strikes: ["starting", "running"], what: "the answer is lost" },
  "probe is late": { most: 0.2, strikes: ["starting", "running"], what: "the answer comes just before it is given up" },
  "word is late": { most: 0.05, strikes: [...LIVE, "clearing"], what: "the keeper's reports take seconds" },
  "machine pauses": { most: 0.003, strikes: ALL, what: "monotonic time passes and nothing runs" },
  "wall clock jumps": { most: 0.01, strikes: ALL, what: "to any date" },
  "edit unnoticed": { most: 0.5, strikes: ALL, what: "the watcher says nothing; only the slow rescan finds it" },
  "start stalls": { most: 0.3, strikes: ["starting"], what: "it says nothing more of its progress" },
} as const satisfies Record<string, FaultKind>;

export type Fault = keyof typeof FAULTS;
export const FAULT_NAMES = Object.keys(FAULTS) as Fault[];

/** The probability of each fault at each occasion. */
export type Weather = Readonly<Record<Fault, number>>;

export const fairWeather: Weather = Object.fromEntries(FAULT_NAMES.map((fault) => [fault, 0])) as Weather;

export function randomWeather(random: Random): Weather {
  const entries = FAULT_NAMES.map((fault) => [fault, random.happens(0.5) ? random.next() * FAULTS[fault].most : 0]);
  return Object.fromEntries(entries) as Weather;
}
