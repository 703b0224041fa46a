/**
 * What people, their editors and other machines do to svcd: plain data, so that a history can be kept, cut down and told.
 * What was answered is held against what is so.
 */
import type { Service } from "../plan/plan.ts";
import { noWish, OperatorError } from "../ports.ts";
import type { Exit } from "../service/exit.ts";
import type { Signal } from "../service/policy.ts";
import type { ActionResult } from "../supervisor/answers.ts";
import { takeUp } from "./edits.ts";
import { Broken } from "./invariants.ts";
import { randomService } from "./plans.ts";
import type { Random } from "./random.ts";
import type { World } from "./world.ts";

export type Deed =
  | { readonly do: "start" | "stop" | "restart" | "reload"; readonly names: readonly string[] }
  | { readonly do: "enable" | "disable" | "remove"; readonly names: readonly string[] }
  | { readonly do: "signal"; readonly names: readonly string[]; readonly signal: Signal }
  /** `svctl apply`; names null: `svctl update`. */
  | { readonly do: "apply"; readonly names: readonly string[] | null }
  | { readonly do: "write"; readonly services: readonly Service[] }
  | { readonly do: "delete" | "break"; readonly names: readonly string[] }
  | { readonly do: "mend" | "rescan" | "recheck" | "upgrade" | "kill core" | "kill keeper" }
  /** `when:` does not hold for these, and holds for all others. */
  | { readonly do: "when"; readonly unmet: readonly string[] }
  /** Somebody outside of svcd ends the process. */
  | { readonly do: "end"; readonly name: string; readonly exit: Exit };

export function described(deed: Deed): string {
  switch (deed.do) {
    case "write":
      return `write ${deed.services.map(({ name }) => name).join(", ")}`;
    case "when":
      return `when: not for ${deed.unmet.length === 0 ? "nobody" : deed.unmet.join(", ")}`;
    case "end":
      return `end ${deed.name} (${JSON.stringify(deed.exit)})`;
    case "signal":
      return `${deed.signal} to ${deed.names.join(", ")}`;
    case "apply":
      return `apply ${deed.names === null ? "all" : deed.names.join(", ")}`;
    default:
      return "names" in deed ? `${deed.do} ${deed.names.join(", ")}` : deed.do;
  }
}

/** The same without some services, for a shorter story; null: nothing is left of it. */
export function without(deed: Deed, out: ReadonlySet<string>): Deed | null {
  const others = (names: readonly string[]): string[] => names.filter((name) => !out.has(name));
  if (deed.do === "write") {
    const services = deed.services.filter(({ name }) => !out.has(name)).map((service) => needingNone(service, out));
    return services.length === 0 ? null : { ...deed, services };
  }
  if (deed.do === "when") return { ...deed, unmet: others(deed.unmet) };
  if (deed.do === "end") return out.has(deed.name) ? null : deed;
  if (!("names" in deed) || deed.names === null) return deed;
  const names = others(deed.names);
  return names.length === 0 ? null : { ...deed, names };
}

export function needingNone(service: Service, out: ReadonlySet<string>): Service {
  return { ...service, dependsOn: service.dependsOn.filter(({ name }) => !out.has(name)) };
}

// What somebody may think of.

export function drawDeed(random: Random, world: World): Deed {
  const names = world.files.names;
  const some = (share: number): string[] => names.filter(() => random.happens(share));
  const deed = random.below(100);
  if (deed < 16) return { do: "start", names: some(0.4) };
  if (deed < 32) return { do: "stop", names: some(0.4) };
  if (deed < 44) return { do: "restart", names: some(0.4) };
  if (deed < 48) return { do: "reload", names: some(0.4) };
  if (deed < 53) return { do: random.happens(0.6) ? "enable" : "disable", names: some(0.3) };
  if (deed < 56) return { do: "remove", names: some(0.2) };
  if (deed < 60) return { do: "apply", names: random.happens(0.5) ? null : some(0.4) };
  if (deed < 72) return drawWriting(random, world);
  if (deed < 76) return { do: "delete", names: random.happens(0.1) ? names : some(0.2) };
  if (deed < 79) return { do: "break", names: random.happens(0.2) ? names : some(0.3) };
  if (deed < 82) return { do: "mend" };
  if (deed < 84) return { do: "rescan" };
  if (deed < 86) return { do: "recheck" };
  if (deed < 88) return { do: "upgrade" };
  if (deed < 91) return { do: "kill core" };
  if (deed < 92) return { do: "kill keeper" };
  if (deed < 94) return { do: "signal", names: some(0.3), signal: random.pick(["SIGTERM", "SIGUSR1", "SIGKILL"]) };
  if (deed < 97 && names.length > 0) {
    return { do: "end", name: random.pick(names), exit: { kind: "signal", signal: "SIGSEGV" } };
  }
  return { do: "when", unmet: some(0.2) };
}

function drawWriting(random: Random, { files }: World): Deed {
  const name = `s${random.below(10)}`;
  const young = randomService(random, name, files.names);
  const old = files.service(name);
  // As often as not something small: its limits, or whether it is wanted.
  if (old === undefined || random.happens(0.4)) return { do: "write", services: [young] };
  if (random.happens(0.3)) return { do: "write", services: [{ ...old, enabled: !old.enabled }] };
  return { do: "write", services: [{ ...old, policy: young.policy }] };
}

// Doing it.

/** false: it was cut off by the death of the core, or refused because it could not be kept. */
export function perform(world: World, deed: Deed): boolean {
  world.tell(described(deed));
  switch (deed.do) {
    case "start":
    case "stop":
    case "restart":
    case "reload":
      return act(world, deed.do, known(world, deed.names));
    case "enable":
    case "disable":
      return setEnabled(world, known(world, deed.names), deed.do === "enable");
    case "remove":
      return remove(world, known(world, deed.names));
    case "signal":
      return world.inCore((supervisor) => supervisor.signal(known(world, deed.names), deed.signal));
    case "apply":
      return takeUp(world, world.files.plan, deed.names, "person");
    case "write":
      world.files.write(deed.services);
      return noticed(world);
    case "delete":
      world.files.delete(deed.names);
      return noticed(world);
    case "break":
      world.files.break(deed.names);
      return noticed(world);
    case "mend":
      world.files.mend();
      return noticed(world);
    case "rescan":
      return takeUp(world, world.files.plan, null, "files");
    case "recheck":
      return world.inCore((supervisor) => supervisor.recheckConditions());
    case "when":
      world.unmet = new Set(deed.unmet);
      return true;
    case "upgrade":
    case "kill core":
      world.killCore(`by somebody (${deed.do})`);
      return true;
    case "kill keeper":
      world.killKeeper();
      return true;
    case "end":
      world.processEnds(deed.name, deed.exit);
      return true;
  }
}

/** As words become names: who asks for something else hears that there is no such service. */
function known(world: World, names: readonly string[]): string[] {
  const members = world.core?.supervisor.members;
  return names.filter((name) => members?.get(name)?.isRemoved === false);
}

function act(world: World, action: "start" | "stop" | "restart" | "reload", names: readonly string[]): boolean {
  // From the request on it may run; a start may also reach what these depend on.
  if (action === "start") for (const name of withAllDependencies(world, names)) world.mayRun(name);
  if (action === "restart" || action === "reload") for (const name of names) world.mayRun(name);
  let results: readonly ActionResult[] = [];
  const isAnswered = world.inCore((supervisor) => (results = supervisor.act(action, names)));
  const isKept = results.every(({ what }) => !what.includes("not remembered"));
  world.naive.asked(action, names, isAnswered && isKept);
  if (!isAnswered || action === "reload") return isAnswered; // Nobody was promised anything.
  for (const { name, outcome, what } of results) {
    if (outcome === "refused") continue;
    if (action === "stop") world.mustStayDown(name, isKept);
    const wish = world.wishes.durable.get(name) ?? noWish;
    if (isKept && wish.stopped !== (action === "stop"))
      throw new Broken(13, `${name}: "${what}", and the disk knows nothing of it`);
  }
  return true;
}

function setEnabled(world: World, names: readonly string[], enabled: boolean): boolean {
  if (enabled) for (const name of names) world.mayRun(name);
  let isKept = true;
  const isAnswered = world.inCore((supervisor) => {
    try {
      supervisor.setEnabled(names, enabled);
    } catch (error) {
      if (!(error instanceof OperatorError)) throw error;
      isKept = false; // They were told.
    }
  });
  world.naive.asked(enabled ? "enable" : "disable", names, isAnswered && isKept);
  if (!isAnswered) return false;
  if (!enabled)
    for (const name of names) if (world.core?.supervisor.members.has(name) === true) world.mustStayDown(name, isKept);
  if (!isKept) return false; // They were told that it is so for now only.
  for (const name of names) {
    if (world.wishes.durable.get(name)?.enabled !== enabled)
      throw new Broken(13, `${name} is not ${deedWord(enabled)} on the disk`);
  }
  return true;
}

function remove(world: World, names: readonly string[]): boolean {
  for (const name of names) {
    world.perhapsAside.add(name);
    world.onceAside.add(name);
    world.mayRun(name); // Whoever adds it again wants it up.
  }
  let results: readonly ActionResult[] = [];
  const isAnswered = world.inCore((supervisor) => (results = supervisor.setAside(names)));
  world.naive.removed(
    isAnswered ? results.filter(({ outcome }) => outcome === "done").map(({ name }) => name) : names,
    isAnswered,
  );
  return isAnswered && results.every(({ outcome }) => outcome === "done");
}

function deedWord(enabled: boolean): string {
  return enabled ? "enabled" : "disabled";
}

function withAllDependencies(world: World, names: readonly string[]): string[] {
  const found = new Set<string>();
  const visit = (name: string): void => {
    if (found.has(name)) return;
    found.add(name);
    const inUse = world.core?.supervisor.members.get(name)?.service.dependsOn ?? [];
    for (const dependency of [...inUse, ...(world.files.service(name)?.dependsOn ?? [])]) visit(dependency.name);
  };
  for (const name of names) visit(name);
  return [...found];
}

/** The watcher sees it, or the slow rescan will. */
function noticed(world: World): true {
  if (!world.strikes("edit unnoticed", null)) {
    world.agenda.after(world.fate.of("settling").between(0, 500), () => world.rescan());
  }
  return true;
}
