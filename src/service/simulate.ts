/**
 * One service's life for tests: speaks the words of the product and moves the clock. Deadlines are lived through in order,
 * so an hour takes a millisecond.
 */
import type { Exit } from "./exit.ts";
import { deadline, type Effect, type Event, type Instant, type Life, newLife, runOf, step } from "./life.ts";
import type { Policy } from "./policy.ts";

export const seconds = (n: number): number => n * 1000;
export const minutes = (n: number): number => n * 60_000;
export const hours = (n: number): number => n * 3_600_000;

/** SURFACE's defaults, without jitter so that times are exact. */
export function policyOf(changes: Partial<Policy> = {}): Policy {
  return {
    restart: "always",
    successExitCodes: [0],
    startsecsMs: seconds(1),
    backoff: { firstMs: 200, factor: 2, longestMs: seconds(60), jitter: 0, steadyMs: seconds(60) },
    giveUp: { kind: "window", failures: 10, withinMs: minutes(10) },
    stopSignal: "SIGTERM",
    stopGraceMs: seconds(10),
    stopTo: "group",
    health: null,
    ...changes,
  };
}

export class Simulated {
  life: Life;
  now: Instant = 1_000_000;
  policy: Policy;
  chance = 0.5;
  /** Why it may not start; empty: it may. */
  blockedBy: string[] = [];
  /** Effects in order, in short: "spawn 1", "SIGTERM group 1", "end 1", "probe 1", "tell failed". */
  did: string[] = [];
  /** false: the keeper's answer to a spawn is still to come. */
  spawnsAtOnce = true;
  /** When each spawn happened. */
  spawnedAt: Instant[] = [];

  constructor(policy: Policy = policyOf()) {
    this.policy = policy;
    this.life = newLife(this.now);
  }

  get at(): string {
    return this.life.state.at;
  }

  get run(): number {
    return runOf(this.life.state) ?? this.life.lastRun;
  }

  start(): void {
    this.send({ type: "start" });
  }

  stop(): void {
    this.send({ type: "stop" });
  }

  restart(): void {
    this.send({ type: "restart" });
  }

  exits(how: { code: number } | { signal: NodeJS.Signals } | "unseen", run = this.run): void {
    this.send({ type: "exited", run, exit: exitOf(how), isClear: true });
  }

  /** Its main process ends and leaves something behind, until `isGone`. */
  exitsAndLeaves(how: { code: number } | { signal: NodeJS.Signals } | "unseen", run = this.run): void {
    this.send({ type: "exited", run, exit: exitOf(how), isClear: false });
  }

  isGone(run = this.run): void {
    this.send({ type: "gone", run });
  }

  probePasses(run = this.run): void {
    this.send({ type: "probed", run, result: { passed: true, detail: "HTTP 200" } });
  }

  probeFails(run = this.run): void {
    this.send({ type: "probed", run, result: { passed: false, detail: "HTTP 503" } });
  }

  /** It says that it is busy with this: "load 4/9". */
  says(text: string, moved = true, run = this.run): void {
    const [, phase = text, done, total] = /^(.*) (\d+)\/(\d+)$/.exec(text) ?? [];
    const count = done === undefined ? null : Number(done);
    const step = { phase, done: count, total: total === undefined ? null : Number(total), percent: null, bytes: null };
    this.send({ type: "progressed", run, word: { step, moved, stallMs: null } });
  }

  isCleared(): void {
    this.blockedBy = [];
    this.send({ type: "cleared" });
  }

  /** Lives through the given time, deadline by deadline. */
  passes(ms: number): void {
    const end = this.now + ms;
    for (let guard = 0; guard < 100_000; guard++) {
      const due = deadline(this.life, this.policy);
      if (due === null || due > end) break;
      this.now = Math.max(this.now, due);
      this.send({ type: "tick" });
    }
    this.now = end;
  }

  /** Nothing runs meanwhile: what was due is noticed afterwards, all of it late. */
  sleeps(ms: number): void {
    this.now += ms;
    const due = deadline(this.life, this.policy);
    if (due !== null && due <= this.now) this.send({ type: "tick" });
  }

  send(event: Event): void {
    const [life, effects] = step(this.life, event, this.now, this.policy, this.chance);
    const wasWaiting = this.life.state.at === "waiting" && event.type !== "start";
    this.life = life;
    for (const effect of effects) this.#note(effect);
    for (const effect of effects) {
      if (effect.do === "spawn" && this.spawnsAtOnce) this.send({ type: "spawned", run: effect.run, at: this.now });
    }
    if (life.state.at !== "waiting" || wasWaiting) return;
    this.send(this.blockedBy.length === 0 ? { type: "cleared" } : { type: "blocked", blockers: this.blockedBy });
  }

  #note(effect: Effect): void {
    if (effect.do === "spawn") this.spawnedAt.push(this.now);
    this.did.push(short(effect));
  }
}

function short(effect: Effect): string {
  switch (effect.do) {
    case "signal":
      return `${effect.signal} ${effect.to} ${effect.run}`;
    case "tell":
      return `tell ${effect.what}`;
    case "spawn":
    case "end":
    case "probe":
    case "watch":
      return `${effect.do} ${effect.run}`;
  }
}

function exitOf(how: { code: number } | { signal: NodeJS.Signals } | "unseen"): Exit {
  if (how === "unseen") return { kind: "unknown" };
  return "code" in how ? { kind: "code", code: how.code } : { kind: "signal", signal: how.signal };
}

export function simulate(changes: Partial<Policy> = {}): Simulated {
  return new Simulated(policyOf(changes));
}
