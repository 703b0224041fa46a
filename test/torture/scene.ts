/**
 * The daemon under torture, and what may be asked of it: each method here does something that svcd must survive, and notes
 * what may follow from it. Nothing else may.
 */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { type Control, control } from "../../src/control/client.ts";
import type { Action } from "../../src/control/daemon.ts";
import { allPids, isAlive, monotonicMs, readStat } from "../../src/keeper/process-identity.ts";
import { Random } from "../../src/sim/random.ts";
import { Box, kill } from "../scenarios/box.ts";
import type { Ledger } from "./ledger.ts";
import { pause } from "./pause.ts";
import { Reasons } from "./reasons.ts";
import { watchStatus } from "./status-watch.ts";
import { leaderAt, type Sight, Witness } from "./witness.ts";
import { definition, prepareWriters, type Writer } from "./writers.ts";

export interface Hardship {
  readonly seed: number;
  readonly services: number;
  /** After this long without an answer, or without a process, a promise is broken. */
  readonly patienceMs: number;
}

interface Window {
  readonly from: number;
  to: number;
}

/** A core that was stopped while it was asked does not answer that any more. */
const LONGEST_SILENCE_MS = 2_000;
/** A service killed just before the keeper counts as killed with it: the keeper may not have read its last words yet. */
const TOGETHER_MS = 2_000;

export class Scene {
  readonly box = new Box();
  /** Knocks again by itself, to know how long that took. */
  readonly control: Control = control(this.box.path("run/svcd.sock"), { timeoutMs: LONGEST_SILENCE_MS });
  readonly random: Random;
  readonly ledger: Ledger;
  readonly writers: readonly Writer[];
  readonly witness: Witness;
  readonly #patienceMs: number;
  readonly #reasons: Reasons;
  readonly #deaths = new Map<string, number>();
  readonly #keeperless: Window[] = [];
  readonly #awaited = new Map<string, { killedAt: number; run: number; troubles: number }>();
  readonly #editions = new Map<string, { edition: number; remark: number }>();
  readonly #unfinished = new Set<Promise<void>>();
  /** How often core or keeper were killed or stopped: a measurement in which that changes measures something else. */
  #troubles = 0;
  #stopWatching = async (): Promise<void> => {};
  #guests = 0;

  constructor(writers: readonly Writer[], { seed, patienceMs }: Hardship, ledger: Ledger) {
    this.random = new Random(seed);
    this.writers = writers;
    this.ledger = ledger;
    this.#reasons = new Reasons((promise) => ledger.breaks(promise));
    this.#patienceMs = patienceMs;
    prepareWriters(this.box, writers);
    mkdirSync(this.box.path("log"));
    this.witness = new Witness(this.box.path("run"), (sight) => this.#see(sight));
  }

  async begin(): Promise<void> {
    await this.box.start();
    this.#stopWatching = watchStatus({
      control: this.control,
      ledger: this.ledger,
      patienceMs: this.#patienceMs,
      troubles: () => this.#troubles,
      onStatus: (all) => {
        for (const { name, run, pid } of all) this.#reasons.hear(name, run, pid);
      },
    });
    await this.comeToRest();
  }

  /** Of those that may be touched. */
  anyWriter(): Writer {
    return this.random.pick(this.writers.filter(({ isBystander }) => !isBystander));
  }

  // What is done to it.

  async killCore(): Promise<void> {
    const { core } = await this.health();
    this.#killCore(core);
    this.#inBackground(this.#measureCore(core));
  }

  /** The next core dies before it is in charge. */
  async killCoreTwice(): Promise<void> {
    const { core, keeper } = await this.health();
    this.#killCore(core);
    const next = await this.#bornCore(keeper, core);
    await pause(this.random.between(0, 120));
    if (next !== null) this.#killCore(next);
  }

  /** `meanwhile`: what happens while no svcd is there. */
  async killKeeper(meanwhile: () => Promise<void> = async () => {}): Promise<void> {
    await this.#killKeeper((await this.health()).keeper, meanwhile);
  }

  /** The next svcd dies while it takes over. */
  async killKeeperTwice(): Promise<void> {
    await this.killKeeper(async () => {
      const young = this.box.launch();
      await pause(this.random.between(20, 300));
      this.ledger.tell(`   KILL keeper ${young.pid}, the young one`);
      this.ledger.kills.keeper++;
      young.kill("SIGKILL");
      await this.box.ended();
    });
  }

  async #killKeeper(keeper: number, meanwhile: () => Promise<void>): Promise<void> {
    const window: Window = { from: monotonicMs() - TOGETHER_MS, to: Number.POSITIVE_INFINITY };
    this.#keeperless.push(window);
    this.#troubles++;
    this.ledger.kills.keeper++;
    this.ledger.tell(`   KILL keeper ${keeper}`);
    kill(keeper, "SIGKILL");
    await this.box.ended();
    await meanwhile();
    const startedAt = monotonicMs();
    await this.#startAgain(keeper);
    this.ledger.svcdBackMs.push(monotonicMs() - startedAt);
    window.to = monotonicMs() + TOGETHER_MS;
    this.#troubles++;
  }

  async freeze(who: "core" | "keeper", meanwhile: () => Promise<void>): Promise<void> {
    const health = await this.health();
    const pid = health[who];
    this.#troubles++;
    kill(pid, "SIGSTOP");
    try {
      await meanwhile();
    } finally {
      kill(pid, "SIGCONT");
      this.#troubles++;
    }
  }

  /** A core that wakes up after the next svcd has taken over must touch nothing any more. */
  async freezeOverKeeper(): Promise<void> {
    const { core, keeper } = await this.health();
    this.#troubles++;
    kill(core, "SIGSTOP");
    try {
      await this.#killKeeper(keeper, async () => this.killService(this.anyWriter()));
    } finally {
      kill(core, "SIGCONT");
      this.#troubles++;
    }
  }

  /** SIGKILL for its process, if there is one now. */
  killService({ name }: Writer): void {
    const [seen] = this.witness.leadersOf(name);
    if (seen === undefined) return;
    const now = leaderAt(seen.pid, this.box.path("run"));
    if (now === null || now.startTicks !== seen.startTicks) return;
    this.#reasons.give(name);
    this.ledger.kills.service++;
    this.#awaited.set(name, { killedAt: monotonicMs(), run: now.run, troubles: this.#troubles });
    this.ledger.tell(`   KILL ${name} run ${now.run} pid ${now.pid}`);
    kill(now.pid, "SIGKILL");
  }

  async restart({ name }: Writer): Promise<void> {
    await this.#act("restart", name);
  }

  /** What a person stopped stays stopped, whatever dies after the answer. */
  async stopThenStart({ name }: Writer, meanwhile: () => Promise<void>): Promise<void> {
    await this.#act("stop", name);
    await meanwhile();
    await this.#until(`${name} ends after svctl stop`, async () => (await this.box.status(name)).state === "STOPPED");
    const [left] = this.witness.leadersOf(name).filter(({ pid, startTicks }) => isAlive(pid, startTicks));
    if (left !== undefined) this.ledger.breaks(`${name} is STOPPED, and pid ${left.pid} (run ${left.run}) lives`);
    await pause(this.random.between(0, 200));
    const { state, run } = await this.box.status(name);
    if (state !== "STOPPED") this.ledger.breaks(`${name} was stopped by a person and is ${state} (run ${run})`);
    await this.#act("start", name);
  }

  edit(writer: Writer, what: "edition" | "remark"): void {
    const last = this.#editions.get(writer.name) ?? { edition: 0, remark: 0 };
    const next = { ...last, [what]: last[what] + 1 };
    this.#editions.set(writer.name, next);
    this.ledger.tell(`   edit ${writer.name}: another ${what}`);
    if (what === "edition") this.#reasons.give(writer.name);
    this.box.write(`${writer.name}.yaml`, definition(writer, next.edition, next.remark));
  }

  /** A file that is dropped and removed again. */
  async guest(meanwhile: () => Promise<void>): Promise<void> {
    const name = `guest-${++this.#guests}`;
    this.box.write(`${name}.yaml`, "command: sleep 1001\nstartsecs: 0s\n");
    await meanwhile();
    await this.#until(`${name} runs`, async () => (await this.box.status(name)).state === "RUNNING");
    this.box.remove(`${name}.yaml`);
    await meanwhile();
  }

  async upgrade(): Promise<void> {
    await this.health();
    const { code, stderr } = await this.box.svctl("upgrade");
    if (code !== 0) this.ledger.breaks(`svctl upgrade ended with ${code}: ${stderr.trim()}`);
  }

  hangUp(): void {
    if (this.box.daemon !== null) this.box.daemon.kill("SIGHUP");
  }

  // What must be so.

  /** All that was killed is back and nothing else has changed; from here on it is counted anew. */
  async comeToRest(): Promise<void> {
    this.ledger.tell("== rest");
    await Promise.all(this.#unfinished);
    let stragglers = "";
    const isAtRest = async (): Promise<boolean> => {
      const all = await this.control.services();
      const late = all.filter(({ name, state, pid }) => {
        const leaders = this.witness.leadersOf(name);
        return state !== "RUNNING" || leaders.length !== 1 || leaders[0]?.pid !== pid;
      });
      const missing = this.writers.length - all.length;
      stragglers = late
        .map(({ name, state, pid, run, why }) => `${name} ${state} pid ${pid} run ${run}: ${why}`)
        .join("; ");
      if (missing !== 0) stragglers += `; ${all.length} services, ${this.writers.length} are wanted`;
      const { added, changed, removed } = await this.control.plan(); // A file may have been edited just now.
      return late.length === 0 && missing === 0 && added.length + changed.length + removed.length === 0;
    };
    await this.#until("all services are back", isAtRest, () => stragglers);
    this.#reasons.settle(await this.control.services());
  }

  /** Did this run end while no keeper was there, so that its last words are gone with its pipe? */
  diedWithoutKeeper(service: string, run: number): boolean {
    const at = this.#deaths.get(`${service}#${run}`);
    return at !== undefined && this.#keeperless.some(({ from, to }) => at >= from && at <= to);
  }

  async health(): Promise<{ keeper: number; core: number }> {
    const found = { keeper: 0, core: 0 };
    await this.#until("svcd answers", async () => {
      Object.assign(found, await this.control.health());
      return true;
    });
    // 0 would be everybody in our own process group.
    assert.ok(found.keeper > 1 && found.core > 1, `svcd does not answer any more: ${this.box.terminal.slice(-2000)}`);
    return found;
  }

  /** A stop of svcd is a stop, also when the core that was asked for it dies. Resolves with svcd's exit status. */
  async shutDown(): Promise<number | NodeJS.Signals | null> {
    await Promise.all(this.#unfinished);
    await this.#stopWatching();
    const { core } = await this.health();
    const dies = this.random.happens(0.5);
    this.ledger.note(dies ? "svctl shutdown, the core dies" : "svctl shutdown");
    const { code, stderr } = await this.box.svctl("shutdown", ...(dies ? ["--no-wait"] : []));
    if (code !== 0) this.ledger.breaks(`svctl shutdown ended with ${code}: ${stderr.trim()}`);
    if (dies) this.#killCore(core);
    return this.box.ended();
  }

  /** What a program costs that does nothing, right now: the floor below everything that is measured here. */
  async measureFloor(): Promise<void> {
    const begun = monotonicMs();
    await this.box.run(process.execPath, ["-e", "0"]);
    this.ledger.floorMs.push(monotonicMs() - begun);
  }

  async close(): Promise<void> {
    await this.#stopWatching();
    await this.witness.close();
    await this.box.destroy();
  }

  // Below.

  #see(sight: Sight): void {
    if (sight.saw === "twins") {
      const { one, other } = sight;
      this.ledger.breaks(
        `two of ${one.service}: pid ${one.pid} (run ${one.run}) and pid ${other.pid} (run ${other.run})`,
      );
      return;
    }
    const { service, run } = sight;
    this.ledger.tell(`   ${service} run ${run} pid ${sight.pid}: ${sight.saw}`);
    if (sight.saw === "end") {
      this.#deaths.set(`${service}#${run}`, sight.at);
      return;
    }
    this.#reasons.begins(service);
    const awaited = this.#awaited.get(service);
    if (awaited === undefined || run <= awaited.run) return;
    this.#awaited.delete(service);
    if (awaited.troubles === this.#troubles) this.ledger.serviceBackMs.push(sight.at - awaited.killedAt);
  }

  #killCore(pid: number): void {
    this.#troubles++;
    this.ledger.kills.core++;
    this.ledger.tell(`   KILL core ${pid}`);
    kill(pid, "SIGKILL");
  }

  async #measureCore(old: number): Promise<void> {
    const troubles = this.#troubles;
    const killedAt = monotonicMs();
    await this.#until("the next core answers", async () => (await this.control.health()).core !== old);
    if (troubles === this.#troubles) this.ledger.coreBackMs.push(monotonicMs() - killedAt);
  }

  /** As soon as it is a process; null: it did not come. */
  async #bornCore(keeper: number, old: number): Promise<number | null> {
    const until = monotonicMs() + 2_000;
    while (monotonicMs() < until) {
      const born = allPids().find((pid) => {
        const stat = readStat(pid);
        return (
          stat?.ppid === keeper && pid !== old && stat.session === pid && leaderAt(pid, this.box.path("run")) === null
        );
      });
      if (born !== undefined) return born;
      await pause(2);
    }
    return null;
  }

  async #startAgain(old: number): Promise<void> {
    let daemon = this.box.launch();
    await this.#until("svcd is back", async () => {
      if (daemon.exitCode !== null) {
        this.ledger.breaks(`svcd did not start again: ${this.box.terminal.trim().split("\n").slice(-3).join(" | ")}`);
        daemon = this.box.launch();
      }
      return (await this.control.health()).keeper !== old;
    });
  }

  /** Its answer may be lost with the core; then it is asked again. */
  async #act(action: Action, name: string): Promise<void> {
    await this.#until(`svctl ${action} ${name}`, async () => {
      if (action !== "stop") this.#reasons.give(name);
      this.ledger.tell(`   ask: ${action} ${name}`);
      const [result] = await this.control.act(action, [name]);
      return result !== undefined && result.outcome !== "refused";
    });
  }

  #inBackground(work: Promise<void>): void {
    const tracked = work.finally(() => this.#unfinished.delete(tracked));
    this.#unfinished.add(tracked);
  }

  /** Looks until it is so; if it does not become so that is a broken promise, and the torture goes on. */
  async #until(what: string, isSo: () => Promise<boolean>, saw: () => string = () => ""): Promise<void> {
    const until = monotonicMs() + this.#patienceMs;
    let error: unknown = "";
    while (monotonicMs() < until) {
      try {
        if (await isSo()) return;
        error = "";
      } catch (caught) {
        error = caught;
      }
      await pause(5);
    }
    this.ledger.breaks(`not within ${this.#patienceMs / 1000} s: ${what} (${saw()}${error})`);
  }
}
