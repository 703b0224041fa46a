/** What nobody would notice is not checked: each invariant is broken on purpose, and the simulation must say so by its number. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { GpuView } from "../gpu/device.ts";
import type { Word } from "../phase/progress.ts";
import type { Plan } from "../plan/plan.ts";
import type { EndedProcess } from "../ports.ts";
import type { ProbeResult } from "../probe/health.ts";
import { type Life, newLife } from "../service/life.ts";
import type { PlanReport, ServiceStatus } from "../supervisor/answers.ts";
import type { Ports } from "../supervisor/loop.ts";
import { Supervisor } from "../supervisor/supervisor.ts";
import type { MakeSupervisor } from "./core.ts";
import type { By } from "./edits.ts";
import { simulateSeed } from "./history.ts";
import { Broken, INVARIANTS, type Invariant } from "./invariants.ts";
import { Lives } from "./lives.ts";
import { service } from "./services.ts";
import { shrink } from "./shrink.ts";

const SEEDS = 60;

/** A supervisor whose ports do something else than they should. */
function withPorts(change: (ports: Ports) => Partial<Ports>): MakeSupervisor {
  return (ports) => new Supervisor({ ...ports, ...change(ports) });
}

function withProcesses(change: (processes: Ports["processes"]) => Partial<Ports["processes"]>): MakeSupervisor {
  return withPorts(({ processes }) => ({ processes: { ...processes, ...change(processes) } }));
}

class StartsTheStopped extends Supervisor {
  override recheckConditions(): boolean {
    const isToBeCalledAgain = super.recheckConditions();
    this.act("start", [...this.members.keys()]);
    return isToBeCalledAgain;
  }
}

class TellsAnotherEnd extends Supervisor {
  override exited(end: EndedProcess): void {
    super.exited({ ...end, exit: { kind: "code", code: 42 } });
  }
}

class ForgetsBrokenFiles extends Supervisor {
  override apply(plan: Plan, names: readonly string[] | null, by: By): PlanReport {
    return super.apply({ ...plan, brokenFiles: new Set(), brokenNames: new Set() }, names, by);
  }
}

class RestartsAllAtEachEdit extends Supervisor {
  override apply(plan: Plan, names: readonly string[] | null, by: By): PlanReport {
    const report = super.apply(plan, names, by);
    this.act("restart", [...this.members.keys()]);
    return report;
  }
}

class IsImpatient extends Supervisor {
  override probed(name: string, run: number, result: ProbeResult): void {
    for (let time = 0; time < 3; time++) super.probed(name, run, result);
  }
}

class IsDeaf extends Supervisor {
  override progressed(name: string, run: number, word: Word): void {
    // Only the first word is heard.
    const state = this.members.get(name)?.life.state;
    if (state?.at === "starting" && state.progress !== undefined) return;
    super.progressed(name, run, word);
  }
}

class NeverTellsWhy extends Supervisor {
  override statuses(): ServiceStatus[] {
    return super.statuses().map((status) => ({ ...status, why: "" }));
  }
}

const NOWHERE = { uuid: "GPU-9", index: 9 };

function emptied(view: GpuView): GpuView {
  if (view.kind !== "seen") return view;
  const devices = view.look.devices.map((device) => ({ ...device, usedBytes: 0 }));
  return { kind: "seen", look: { ...view.look, devices, holders: [] } };
}

const BROKEN: readonly [Invariant, string, MakeSupervisor][] = [
  [
    1,
    "every start is done twice",
    withProcesses(({ spawn }) => ({
      spawn: (one, run, launch) => {
        spawn(one, run, launch);
        spawn(one, run + 1, launch);
      },
    })),
  ],
  [2, "signals go to another run", withProcesses(({ end }) => ({ end: (name, run) => end(name, run + 1) }))],
  [3, "what was stopped is started again", (ports) => new StartsTheStopped(ports)],
  [4, "no start is ever done", withProcesses(() => ({ spawn: () => {} }))],
  [5, "chance is far too large", withPorts(() => ({ chance: { next: () => 3 } }))],
  [7, "no end is ever noted", withProcesses(() => ({ noted: () => {} }))],
  [7, "an end is told otherwise", (ports) => new TellsAnotherEnd(ports)],
  [
    8,
    "KILL follows the stop signal at once",
    withProcesses(({ signal, end }) => ({
      signal: (name, run, what, to) => {
        signal(name, run, what, to);
        end(name, run);
      },
    })),
  ],
  [8, "no stop signal is sent", withProcesses(() => ({ signal: () => {} }))],
  [
    9,
    "what needs it starts before it",
    (ports) => {
      const { spawn } = ports.processes;
      const early: typeof spawn = (one, run, launch) => {
        for (const { service: other } of made.members.values())
          if (other.dependsOn.some(({ name }) => name === one.name)) spawn(other, 1, launch);
        spawn(one, run, launch);
      };
      const made: Supervisor = new Supervisor({ ...ports, processes: { ...ports.processes, spawn: early } });
      return made;
    },
  ],
  [10, "a broken file is taken for a deleted one", (ports) => new ForgetsBrokenFiles(ports)],
  [11, "every edit restarts everything", (ports) => new RestartsAllAtEachEdit(ports)],
  [13, "wishes are never written", withPorts(({ wishes }) => ({ wishes: { ...wishes, save: () => {} } }))],
  [17, "one failed probe counts thrice", (ports) => new IsImpatient(ports)],
  [
    19,
    "one probe becomes a thousand",
    withPorts(({ prober }) => ({
      prober: {
        ...prober,
        probe: (one, run) => {
          for (let time = 0; time < 10_000; time++) prober.probe(one, run, false);
        },
      },
    })),
  ],
  [20, "the alarm is never set", withPorts(({ clock }) => ({ clock: { ...clock, wakeAt: () => {} } }))],
  [22, "svcd leaves before all is stopped", withProcesses(({ leave }) => ({ stopping: () => leave(0) }))],
  [22, "svcd never leaves", withProcesses(() => ({ leave: () => {} }))],
  [26, "nobody hears that a start moves on", (ports) => new IsDeaf(ports)],
  [23, "nobody hears why", (ports) => new NeverTellsWhy(ports)],
  [
    25,
    "leases are not kept, and nobody looks at memory",
    withPorts(({ journal, gpus }) => ({
      journal: {
        ...journal,
        record: (entry) => {
          if (entry.kind !== "life" || entry.life.gpus === undefined) return journal.record(entry);
          journal.record({ ...entry, life: { ...entry.life, gpus: { ...entry.life.gpus, devices: [NOWHERE] } } });
        },
      },
      gpus: { ...gpus!, view: () => emptied(gpus!.view()) },
    })),
  ],
];

for (const [invariant, title, make] of BROKEN) {
  test(`it is noticed when ${title} (invariant ${invariant}: ${INVARIANTS[invariant]})`, () => {
    const found = new Set<string>();
    for (let seed = 1; seed <= SEEDS; seed++) {
      const result = simulateSeed(seed, 400, { make });
      if (result.invariant === invariant) return;
      if (result.broken !== null) found.add(result.broken.split("\n")[0]!);
    }
    assert.fail(`${SEEDS} histories, and only this was noticed: ${[...found].join("\n") || "nothing"}`);
  });
}

test("it is noticed when a budget of failures is overdrawn (invariant 6)", () => {
  const web = service("web", { policy: { giveUp: { kind: "window", failures: 2, withinMs: 60_000 } } });
  const lives = new Lives();
  let life: Life = newLife(0);
  const becomes = (next: Partial<Life>, now: number): void => {
    life = { ...life, ...next };
    lives.recorded("web", life, now, new Map([["web", { service: web, life }]]));
  };
  const fails = (run: number, now: number): void => {
    becomes({ lastRun: run, state: { at: "starting", run, since: now, spawned: false, health: null } }, now);
    const lastEnd = { run, exit: { kind: "code", code: 1 }, at: now + 1_000, upMs: 1_000, blame: null } as const;
    becomes({ state: { at: "waiting", blockers: [] }, lastEnd, streak: { inRow: run, recent: [] } }, now + 1_000);
  };
  becomes({ wanted: "up", state: { at: "waiting", blockers: [] } }, 0);
  fails(1, 0);
  fails(2, 2_000);
  assert.throws(
    () => fails(3, 4_000),
    (error) => error instanceof Broken && error.invariant === 6,
  );
});

test("it is noticed when something is stopped before what needs it (invariant 9)", () => {
  const running = { at: "running", run: 1, since: 0, health: null } as const;
  const up: Life = { ...newLife(0), wanted: "up", lastRun: 1, state: running };
  const stopping = { at: "stopping", run: 1, startedAt: 0, killAt: 11_000, killed: false, blame: null } as const;
  const goes: Life = { ...up, wanted: "down", state: { ...stopping, survivors: [] } };
  const stopsDb = (web: Life): void => {
    const lives = new Lives();
    const members = new Map([
      ["db", { service: service("db"), life: goes }],
      ["web", { service: service("web", { dependsOn: { db: "started" } }), life: web }],
    ]);
    lives.recorded("db", up, 1_000, members);
    lives.recorded("db", goes, 1_000, members);
  };
  stopsDb(up); // It was not asked to go.
  for (const web of [{ ...up, wanted: "down" as const }, { ...up, restartDue: true }, goes])
    assert.throws(
      () => stopsDb(web),
      (error) => error instanceof Broken && error.invariant === 9,
    );
});

test("a failing history is cut down to a short one that fails the same way", () => {
  const make: MakeSupervisor = (ports) => new ForgetsBrokenFiles(ports);
  const failing = [...Array(SEEDS).keys()].map((seed) => simulateSeed(seed, 400, { make }));
  const long = failing.find(({ invariant }) => invariant === 10)!;
  const short = shrink(long, { make });
  assert.equal(short.invariant, 10);
  assert.ok(short.script.deeds.length <= 3, `${short.script.deeds.length} deeds are left`);
  assert.ok(short.script.plan.services.size <= 2);
  assert.equal(short.script.strikes.length, 0);
});
