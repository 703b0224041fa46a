/**
 * What an earlier core left becomes what this one supervises: lives from the journal, processes from the keeper. Where they
 * disagree the keeper is right, because it is the parent; what people asked for is on the disk and counts more than both.
 *
 * Everything is laid out before anything moves: a run that ended is not one that was lost, and a start rests on what is so.
 */
import { heardFirst } from "../phase/progress.ts";
import type { Plan } from "../plan/plan.ts";
import type { Inherited, Memory, RunningProcess } from "../ports.ts";
import { type Life, newLife, runOf } from "../service/life.ts";
import type { Loop, Ports, Supervised } from "./loop.ts";

/** Reading the tail of a log takes a fraction of it. */
const HEARD_WITHIN_MS = 5_000;

/** Fills the empty loop; nothing has an effect yet but orders that an earlier core may not have lived to give. */
export function takeOver(loop: Loop, ports: Ports, memory: Memory, inherited: Inherited, plan: Plan): void {
  takeOverRunNumbers(loop, memory, inherited);
  takeOverServices(loop, ports, memory, inherited, plan);
  loop.definitionsChanged();
  for (const process of inherited.live) takeOverProcess(loop, ports, process);
  for (const { service, run, exit, isClear } of inherited.ended) {
    loop.enqueue(service, { type: "exited", run, exit, isClear });
  }
  for (const { service, run } of inherited.uncleared) takeOverRemains(loop, ports, service, run, inherited);
  for (const [name, member] of loop.members) noteLoss(loop, name, member, inherited);
  for (const [name, member] of loop.members) takeOverWish(loop, ports, name, member);
  loop.definitionsChanged();
}

function takeOverRunNumbers({ lastRuns }: Loop, memory: Memory, inherited: Inherited): void {
  for (const [name, run] of [...memory.lastRuns, ...Object.entries(inherited.lastRuns)]) {
    lastRuns.set(name, Math.max(run, lastRuns.get(name) ?? 0));
  }
}

function takeOverServices(loop: Loop, ports: Ports, memory: Memory, inherited: Inherited, plan: Plan): void {
  const now = ports.clock.now();
  for (const [name, service] of memory.services) {
    const life = memory.lives.get(name) ?? newLife(now);
    const lastRun = Math.max(life.lastRun, loop.lastRuns.get(name) ?? 0);
    loop.add(service, { ...life, lastRun }).good = memory.good.get(name) ?? null;
  }
  // Lines of a journal can be lost; what is known of a service that stands in the files, or runs, is not forgotten for that.
  for (const name of [
    ...memory.lives.keys(),
    ...[...inherited.live, ...inherited.uncleared].map(({ service }) => service),
  ]) {
    const service = plan.services.get(name);
    if (service === undefined || loop.members.has(name)) continue;
    const life = memory.lives.get(name) ?? newLife(now);
    loop.add(service, { ...life, lastRun: Math.max(life.lastRun, loop.lastRuns.get(name) ?? 0) });
    ports.journal.record({ kind: "service", service });
  }
}

function takeOverProcess(loop: Loop, ports: Ports, process: RunningProcess): void {
  const { service: name, run, startedAt } = process;
  const member = loop.members.get(name);
  if (member === undefined || run < (runOf(member.life.state) ?? 0)) {
    ports.processes.end(name, run); // Nobody knows it any more: a service removed meanwhile.
    loop.strays.add(`${name}#${run}`);
    return;
  }
  member.process = process;
  // Of a run that was well it is known; else nothing says that its definition changed since.
  member.startedWith = member.good?.run === run ? member.good.service : member.service;
  ports.processes.logsChanged(member.service); // A keeper that lost its journal does not know where they go.
  if (runOf(member.life.state) === run) {
    takeOverProbes(member, ports.clock.now());
    takeOverProgress(member, ports.clock.now());
    sayStopAgain(ports, process, member);
    if (member.life.gpus === undefined) takeOverGpus(ports, process, member);
  } else {
    // The journal missed it. It runs, so it counts as just started, and whatever restart was due has been.
    const state = { at: "starting", run, since: startedAt, spawned: false, health: null } as const;
    const lastRun = Math.max(member.life.lastRun, run);
    member.life = {
      ...withoutGpus(member.life),
      wanted: "up",
      restartDue: false,
      lastRun,
      state,
      since: ports.clock.now(),
    };
    takeOverGpus(ports, process, member);
  }
  loop.enqueue(name, { type: "spawned", run, at: startedAt }); // Perhaps the last core died before it heard of it.
}

/** The journal missed what it was given, so it is asked of the process. Where that tells nothing, nobody gets a GPU beside it. */
function takeOverGpus({ gpus }: Ports, { pid }: RunningProcess, member: Supervised): void {
  const lease = gpus?.leaseOf(pid) ?? null;
  if (lease !== null) member.life = { ...member.life, gpus: lease };
}

/** Those of an earlier run. */
function withoutGpus({ gpus: _, ...life }: Life): Life {
  return life;
}

/** Something is left of a run whose main process ended: whatever the journal knows of that, nothing starts beside it. */
function takeOverRemains(loop: Loop, ports: Ports, name: string, run: number, { ended }: Inherited): void {
  ports.processes.end(name, run); // The last core may have died before it asked for that.
  const member = loop.members.get(name);
  if (member === undefined || run < (runOf(member.life.state) ?? 0)) {
    loop.strays.add(`${name}#${run}`);
    return;
  }
  if (member.life.state.at === "clearing" && member.life.state.run === run) return;
  if (runOf(member.life.state) !== run) {
    const now = ports.clock.now();
    const state = { at: "starting", run, since: now, spawned: true, health: null } as const;
    const lastRun = Math.max(member.life.lastRun, run);
    member.life = { ...withoutGpus(member.life), lastRun, state, since: now };
  }
  if (!isAmong(ended, name, run))
    loop.enqueue(name, { type: "exited", run, exit: { kind: "unknown" }, isClear: false });
}

function isAmong(
  runs: readonly { readonly service: string; readonly run: number }[],
  name: string,
  run: number,
): boolean {
  return runs.some((other) => other.service === name && other.run === run);
}

/** A probe that was under way died with the core that made it: that is no failure of the service. */
function takeOverProbes(member: Supervised, now: number): void {
  const { state } = member.life;
  if ((state.at !== "starting" && state.at !== "running") || state.health === null) return;
  member.life = { ...member.life, state: { ...state, health: { ...state.health, underWay: false, dueAt: now } } };
}

/** What a start said while no core was there must be heard before it counts as stalled. */
function takeOverProgress(member: Supervised, now: number): void {
  const { life, service } = member;
  const { stallMs } = service.policy;
  if (life.state.at !== "starting" || life.state.progress === undefined || stallMs === undefined) return;
  const progress = heardFirst(life.state.progress, now, stallMs, HEARD_WITHIN_MS);
  member.life = { ...life, state: { ...life.state, progress } };
}

/** The last core may have died between deciding to stop it and saying so; the keeper knows what it has sent. */
function sayStopAgain(
  { processes }: Ports,
  { service: name, run, signalled }: RunningProcess,
  { life, service }: Supervised,
): void {
  const { stopSignal, stopTo } = service.policy;
  if (life.state.at !== "stopping" || life.state.killed || signalled === stopSignal) return;
  processes.signal(name, run, stopSignal, stopTo);
  processes.signal(name, run, "SIGCONT", stopTo);
}

function noteLoss(loop: Loop, name: string, member: Supervised, inherited: Inherited): void {
  const { sameKeeper, ended, uncleared } = inherited;
  const run = runOf(member.life.state);
  if (run === null || member.process?.run === run) return;
  if (isAmong(ended, name, run) || isAmong(uncleared, name, run)) return;
  if (member.life.state.at === "clearing") return loop.enqueue(name, { type: "gone", run });
  // The same keeper would know it if it had ever been started; another keeper may have lost it.
  loop.enqueue(
    name,
    sameKeeper ? { type: "lost", run } : { type: "exited", run, exit: { kind: "unknown" }, isClear: true },
  );
}

function takeOverWish(loop: Loop, { wishes }: Ports, name: string, { service, life }: Supervised): void {
  const { stopped, enabled } = wishes.of(name);
  const isUnwanted = stopped || !(enabled ?? service.enabled);
  // Or it was to stop once others had; who waited for whom died with the last core.
  const wasLeaving = life.wanted === "down" && runOf(life.state) !== null;
  if (wasLeaving || (isUnwanted && life.wanted === "up")) loop.leave(name, "stop");
  else if (life.restartDue) loop.leave(name, "restart");
  else if (life.wanted === "up") loop.bringUpToDate(name); // Or it died before it said that.
}
