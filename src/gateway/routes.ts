/**
 * What the gateway opens: one route for each port, from what services say in `expose` and from the portal's list.
 *
 * The service files come first. An entry of the portal's list is opened when its two ports differ and the platform leads
 * somebody there (VAST_TCP_PORT_<external> is set); otherwise it is a link and nothing else. Of two that want one port the
 * first has it, and the other is told so. Replicas of one service that want the same port share it.
 */
import type { ExposedRoute } from "../control/daemon.ts";
import type { Auth } from "../plan/expose.ts";
import type { PortalEntry } from "./portal-config.ts";
import type { Remark } from "./remark.ts";

export interface Target {
  readonly host: string;
  readonly port: number;
  /** The service of svcd that answers there; null: nobody knows. */
  readonly service: string | null;
}

export interface Route {
  readonly port: number;
  readonly name: string;
  /** What scopes of tokens call it: the service without its replica, else the name. */
  readonly scope: string;
  readonly path: string;
  /** Never empty. */
  readonly targets: readonly Target[];
  readonly auth: Auth;
  readonly holdMs: number;
  readonly idempotent: readonly string[];
  readonly start: "always" | "on-demand";
  readonly maxBodyBytes: number | null;
  readonly cors: readonly string[];
  readonly hostIsLocal: boolean;
  readonly allowDev: boolean;
  /** Where it is written. */
  readonly from: string;
}

/** What is shown to people besides the routes. */
export interface Link {
  readonly name: string;
  readonly port: number;
  readonly path: string;
}

export interface RouteSources {
  readonly exposed: readonly ExposedRoute[];
  readonly portal: readonly PortalEntry[];
  /** Ports that the platform leads to from outside, by its number in here. */
  readonly mapped: ReadonlySet<number>;
  /** External ports without authentication (AUTH_EXCLUDE). */
  readonly open: ReadonlySet<number>;
  /** false: nothing asks for a token (ENABLE_AUTH=false). */
  readonly authIsOn: boolean;
  /** For every route that says nothing itself. */
  readonly cors: readonly string[];
  /** All, or internal ports, whose programs are told `localhost` as host. */
  readonly localHosts: "all" | ReadonlySet<number>;
  readonly allowDev: ReadonlySet<number>;
}

export interface Routes {
  readonly routes: ReadonlyMap<number, Route>;
  readonly links: readonly Link[];
  readonly remarks: readonly Remark[];
}

export function routesFrom(sources: RouteSources): Routes {
  const routes = new Map<number, Route>();
  const links: Link[] = [];
  const remarks: Remark[] = [];
  for (const exposed of sources.exposed) addExposed(exposed, sources, routes, remarks);
  for (const entry of sources.portal) addEntry(entry, sources, routes, links, remarks);
  for (const route of routes.values()) {
    const back = route.targets.find(({ host, port }) => isThisMachine(host) && routes.has(port));
    if (back === undefined) continue;
    const what = `port ${route.port} leads to port ${back.port}, which is the gateway's own`;
    remarks.push({ is: "mistake", where: route.from, what, fix: "give the service a port of its own behind it" });
    routes.delete(route.port);
  }
  return { routes, links, remarks };
}

function addExposed(
  { service, of, file, exposure, problem }: ExposedRoute,
  sources: RouteSources,
  routes: Map<number, Route>,
  remarks: Remark[],
): void {
  const from = `${file.path}:${file.line}`;
  if (exposure === null) {
    const { what, fix } = problem ?? { what: "it cannot be said where it leads", fix: "look at its file" };
    remarks.push({ is: "mistake", where: from, what: `${service}: ${what}`, fix });
    return;
  }
  const { port, to, name, cors, tunnel: _, ...rest } = exposure;
  const target: Target = { ...to, service };
  if (refuseTarget(target, from, remarks)) return;
  const there = routes.get(port);
  if (there !== undefined) {
    // Replicas of one service are one route; they came from the same line.
    if (there.scope === of && there.from === from && there.targets.some((one) => one.service !== service)) {
      routes.set(port, { ...there, targets: [...there.targets, target] });
    } else remarks.push(portIsTaken(port, there, from));
    return;
  }
  const route: Route = {
    ...rest,
    port,
    name: name ?? of,
    scope: of,
    targets: [target],
    auth: authOf(port, exposure.auth, sources),
    cors: cors.length > 0 ? cors : sources.cors,
    hostIsLocal: exposure.hostIsLocal || isLocal(to.port, sources),
    allowDev: exposure.allowDev || sources.allowDev.has(port),
    from,
  };
  routes.set(port, route);
}

function addEntry(
  { name, host, external, internal, path, from }: PortalEntry,
  sources: RouteSources,
  routes: Map<number, Route>,
  links: Link[],
  remarks: Remark[],
): void {
  links.push({ name, port: external, path });
  if (external === internal || !sources.mapped.has(external)) return;
  const there = routes.get(external);
  if (there !== undefined) {
    // The usual case: a second name for the same program.
    const leadsThere = there.targets.some((target) => target.port === internal);
    if (!leadsThere) remarks.push(portIsTaken(external, there, from));
    return;
  }
  const target: Target = { host, port: internal, service: serviceAt(internal, sources.exposed) };
  if (refuseTarget(target, from, remarks)) return;
  routes.set(external, {
    port: external,
    name,
    scope: name,
    path,
    targets: [target],
    auth: authOf(external, "token", sources),
    holdMs: 0,
    idempotent: [],
    start: "always",
    maxBodyBytes: null,
    cors: sources.cors,
    hostIsLocal: isLocal(internal, sources),
    allowDev: sources.allowDev.has(external),
    from,
  });
}

function authOf(port: number, asked: Auth, { authIsOn, open }: RouteSources): Auth {
  return authIsOn && !open.has(port) ? asked : "none";
}

function isLocal(port: number, { localHosts }: RouteSources): boolean {
  return localHosts === "all" || localHosts.has(port);
}

function serviceAt(port: number, exposed: readonly ExposedRoute[]): string | null {
  return exposed.find(({ exposure }) => exposure?.to.port === port)?.service ?? null;
}

/** Where clouds answer with credentials of the machine: nothing is forwarded there. */
const METADATA = new Set(["169.254.169.254", "fd00:ec2::254", "metadata.google.internal"]);

function refuseTarget({ host }: Target, where: string, remarks: Remark[]): boolean {
  if (!METADATA.has(host.toLowerCase())) return false;
  const what = `${host} gives away the credentials of the machine`;
  remarks.push({ is: "mistake", where, what, fix: "nothing is forwarded there" });
  return true;
}

function portIsTaken(port: number, there: Route, where: string): Remark {
  const what = `port ${port} is already taken by ${there.name} (${there.from})`;
  return { is: "mistake", where, what, fix: "give one of the two another port" };
}

export function isThisMachine(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "0.0.0.0" || host === "::" || host.startsWith("127.");
}
