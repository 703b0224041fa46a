/**
 * Looks at the life of each service, change by change, as the core records it: is every step one that may be? It knows the
 * rules in its own words and shares no arithmetic with the core.
 */
import type { Service } from "../plan/plan.ts";
import type { Memory } from "../ports.ts";
import { type Exit, isSuccess } from "../service/exit.ts";
import { isEnding, type Life, type RunNumber, runOf, type State } from "../service/life.ts";
import type { Policy } from "../service/policy.ts";
import { Broken } from "./invariants.ts";

type Members = ReadonlyMap<string, { readonly service: Service; readonly life: Life }>;

/** What this module remembers of one service. */
interface Known {
  /** As it was recorded last; null: this core found none. */
  life: Life | null;
  policy: Policy | null;
  /** Failures that count against the budget, by the world's own count. */
  failures: number[];
  /** Failed probes in a row of a run. */
  probes: {
    run: RunNumber;
    failed: number /** The least that was unhealthy; a file can say less and then more. */;
    enough: number;
  };
  /** When the start of a run was last heard to move on. */
  moved: { run: RunNumber; at: number } | null;
  /** When KILL may come at the earliest, of the run that is being stopped. */
  killNotBefore: { run: RunNumber; at: number } | null;
}

/** Rounding of sums of fractions of milliseconds. */
const EPSILON_MS = 1e-3;

export class Lives {
  readonly #known = new Map<string, Known>();
  /** How runs really ended, as far as their parent saw it. */
  readonly #exits = new Map<string, Exit>();

  /** A keeper died, or the journal lost lines: how a run ended may be unknown. */
  #isForgetful = false;
  #areLinesMissing = false;

  /** A new core knows what the journal holds. */
  coreBegins(memory: Memory): void {
    for (const [name, known] of this.#known) {
      const life = memory.lives.get(name) ?? null;
      if (known.life !== life) {
        // Lines are missing: the core goes by what it knows, and a failed probe that was made good may be all that is.
        known.failures = [];
        known.probes.enough = 0;
      }
      known.life = life;
    }
    for (const [name, life] of memory.lives) this.#of(name).life = life;
  }

  /** Whoever comes back under the name begins anew. */
  gone(name: string): void {
    this.#known.delete(name);
  }

  keeperDied(): void {
    this.#isForgetful = true;
  }

  journalIsHurt(): void {
    this.#isForgetful = true;
    this.#areLinesMissing = true;
  }

  runEnded(service: string, run: RunNumber, exit: Exit): void {
    this.#exits.set(`${service}#${run}`, exit);
    if (this.#exits.size > 4_000) for (const key of [...this.#exits.keys()].slice(0, 2_000)) this.#exits.delete(key);
  }

  probePassed(service: string, run: RunNumber): void {
    this.#probesOf(service, run).failed = 0;
  }

  /** It said no, or nothing. */
  probeFailed(service: string, run: RunNumber, retries: number): void {
    const probes = this.#probesOf(service, run);
    probes.failed++;
    probes.enough = Math.min(probes.enough, retries);
  }

  /** Of its start. */
  movedOn(service: string, run: RunNumber, at: number): void {
    this.#of(service).moved = { run, at };
  }

  /** Null: no core has recorded that it stops this run. */
  killNotBefore(service: string, run: RunNumber): number | null {
    const { killNotBefore } = this.#of(service);
    return killNotBefore?.run === run ? killNotBefore.at : null;
  }

  recorded(name: string, life: Life, now: number, members: Members): void {
    const { service } = members.get(name)!;
    const known = this.#of(name);
    const before = known.life;
    known.life = life;
    if (known.policy !== service.policy) known.failures = []; // Another budget.
    known.policy = service.policy;
    if (before === null) return;
    this.#endsAreCountedOnce(name, before, life);
    const isAsked = life.streak.inRow === 0 && before.streak.inRow > 0;
    if (isAsked) known.failures = [];
    if (life.streak !== before.streak && life.streak.inRow > 0)
      this.#failed(name, known, before, life, service.policy, now);
    if (life.state.at === "starting" && life.lastRun > before.lastRun) this.#starts(name, known, service.policy, now);
    if (life.state.at === "stopping" && before.state.at !== "stopping") {
      this.#stops(name, known, life, service, now, members);
    }
  }

  /** 7 */
  #endsAreCountedOnce(name: string, before: Life, { lastEnd }: Life): void {
    if (lastEnd === null || lastEnd === before.lastEnd) return;
    if (lastEnd.run <= (before.lastEnd?.run ?? 0) && !this.#areLinesMissing)
      throw new Broken(7, `the end of ${name}#${lastEnd.run} counts twice`);
    const real = this.#exits.get(`${name}#${lastEnd.run}`);
    if (real === undefined || (lastEnd.exit.kind === "unknown" && this.#isForgetful)) return;
    if (JSON.stringify(real) !== JSON.stringify(lastEnd.exit)) {
      throw new Broken(
        7,
        `${name}#${lastEnd.run} ended as ${JSON.stringify(real)}, known as ${JSON.stringify(lastEnd.exit)}`,
      );
    }
  }

  /** 5: the delay after an end that nobody asked for. */
  #failed(name: string, known: Known, before: Life, life: Life, policy: Policy, now: number): void {
    const { state } = before;
    const run = runOf(state);
    if (run === null) return;
    const { lastEnd } = life;
    const isEnded = lastEnd !== null && (lastEnd !== before.lastEnd || state.at === "clearing");
    if (isEnded && lastEnd.run !== run) return; // A run that the journal had missed, adopted without a word.
    const since = isEnded ? lastEnd.at - lastEnd.upMs : state.at === "starting" ? state.since : now;
    const wasRunning = wasUp(state);
    const wasSteady = wasRunning && (lastEnd?.upMs ?? 0) >= policy.backoff.steadyMs;
    const isGoodEnd =
      isEnded && lastEnd.blame === null && wasRunning && isSuccess(lastEnd.exit, policy.successExitCodes);
    if (wasSteady) known.failures = [];
    if (isEnded && !isGoodEnd) known.failures.push(now); // A refused start is the machine's failure.
    if (known.failures.length > 64) known.failures.shift();
    if (policy.giveUp.kind === "startretries") {
      if (life.state.at === "backoff" && life.state.until - now > policy.giveUp.retries * 1_000 + EPSILON_MS)
        throw new Broken(5, `${name} waits ${life.state.until - now} ms with startretries ${policy.giveUp.retries}`);
      return;
    }
    const inRow = life.streak.inRow;
    const expected = wasSteady ? 1 : before.streak.inRow + 1;
    if (inRow !== expected) throw new Broken(5, `${name} counts ${inRow} in a row, not ${expected}`);
    const { firstMs, factor, longestMs, jitter } = policy.backoff;
    const delay = Math.min(firstMs * factor ** (inRow - 1), longestMs);
    const [least, most] = [delay * (1 - jitter), Math.min(delay * (1 + jitter), longestMs)];
    if (life.state.at === "waiting" && now - since < least - EPSILON_MS)
      throw new Broken(5, `${name} starts again ${now - since} ms after its last start, not after ${least}`);
    if (life.state.at !== "backoff") return;
    const waits = life.state.until - since;
    if (waits < least - EPSILON_MS || waits > most + EPSILON_MS)
      throw new Broken(5, `${name} waits ${waits} ms after ${inRow} in a row, not ${least} to ${most}`);
  }

  /** 6 */
  #starts(name: string, known: Known, { giveUp }: Policy, now: number): void {
    if (giveUp.kind !== "window") return;
    const recent = known.failures.filter((at) => now - at < giveUp.withinMs).length;
    if (recent >= giveUp.failures) throw new Broken(6, `${name} is started after ${recent} failures in the window`);
  }

  #stops(name: string, known: Known, life: Life, { policy }: Service, now: number, members: Members): void {
    const { state } = life;
    if (state.at !== "stopping") return;
    // Where a line was lost it is stopped twice, and the file may say less by then.
    const earlier = known.killNotBefore?.run === state.run ? known.killNotBefore.at : Number.POSITIVE_INFINITY;
    known.killNotBefore = { run: state.run, at: Math.min(earlier, now + policy.stopGraceMs) };
    if (state.blame?.cause.startsWith("unhealthy") === true) this.#isToBlame(name, state.run, policy);
    else if (state.blame !== null) this.#stoodStill(name, known, state.run, policy, now);
    else this.#isTheLast(name, members);
  }

  /** 17 */
  #isToBlame(name: string, run: RunNumber, { health }: Policy): void {
    const probes = this.#probesOf(name, run);
    if (health === null || health.onUnhealthy === "nothing")
      throw new Broken(17, `${name} is ended for its health, and that shall not be`);
    const enough = Math.min(probes.enough, health.retries);
    if (probes.failed < enough)
      throw new Broken(17, `${name}#${run} is ended after ${probes.failed} failed probes, not ${enough}`);
  }

  /** 26: what the journal had not noted of its progress, a tenth of the time, the next core does not know. */
  #stoodStill(name: string, { moved }: Known, run: RunNumber, { stallMs, health }: Policy, now: number): void {
    if (stallMs === undefined || health === null || health.onUnhealthy === "nothing")
      throw new Broken(26, `${name} is ended because it stands still, and that shall not be`);
    if (this.#areLinesMissing || moved?.run !== run) return;
    if (now - moved.at < stallMs * 0.9 - EPSILON_MS)
      throw new Broken(26, `${name}#${run} is ended ${now - moved.at} ms after it moved on, not ${stallMs}`);
  }

  /** 9: whoever depends on it and goes down too has ended. */
  #isTheLast(name: string, members: Members): void {
    for (const { service, life } of members.values()) {
      if (!service.dependsOn.some((dependency) => dependency.name === name)) continue;
      const { state } = life;
      if (runOf(state) === null) continue;
      if (life.wanted === "down" || life.restartDue || isEnding(state))
        throw new Broken(9, `${name} is stopped before ${service.name}, which needs it and goes down too`);
    }
  }

  #of(name: string): Known {
    let known = this.#known.get(name);
    if (known === undefined) {
      const probes = { run: 0, failed: 0, enough: Number.POSITIVE_INFINITY };
      known = { life: null, policy: null, failures: [], probes, moved: null, killNotBefore: null };
      this.#known.set(name, known);
    }
    return known;
  }

  #probesOf(name: string, run: RunNumber): Known["probes"] {
    const known = this.#of(name);
    if (known.probes.run > run) return { ...known.probes, failed: 0 }; // A late word about an earlier run.
    if (known.probes.run !== run) known.probes = { run, failed: 0, enough: Number.POSITIVE_INFINITY };
    return known.probes;
  }
}

/** It was RUNNING when it ended, or when svcd found that it must. */
function wasUp(state: State): boolean {
  switch (state.at) {
    case "running":
      return true;
    case "stopping":
      return state.blame?.wasRunning === true;
    case "clearing":
      return state.ended.by !== "request" && state.ended.wasRunning;
    default:
      return false;
  }
}
