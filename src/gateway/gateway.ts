/**
 * The gateway at work: routes as the files and svcd say them, open ports as the routes say, and every request through one
 * decision to the program behind.
 */

import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { Server as NetServer } from "node:net";
import { join } from "node:path";
import type { ExposedRoute } from "../control/daemon.ts";
import type { Log } from "./access-log.ts";
import { Activity } from "./activity.ts";
import { Allowances } from "./allowance.ts";
import { type Certificate, type CertificateFiles, loadCertificate, stampOf } from "./certificate.ts";
import { Door, type DoorOptions } from "./door.ts";
import { KeyFiles } from "./key-files.ts";
import type { Key, KeyRing } from "./keys.ts";
import { readPortalYaml } from "./portal-yaml.ts";
import { inWords, type Remark } from "./remark.ts";
import { Requests } from "./requests.ts";
import { type Route, type Routes, routesFrom } from "./routes.ts";
import { ROUTES_FILE, type RoutesReport } from "./routes-report.ts";
import { Services } from "./services.ts";
import type { ReadSettings } from "./settings.ts";
import { openStatus } from "./status.ts";
import { Traffic } from "./traffic.ts";
import { Upstreams } from "./upstreams.ts";
import { WaitingRoom } from "./waiting-room.ts";

export interface GatewayOptions extends ReadSettings {
  /** svcd's control socket. */
  readonly socketPath: string;
  /** The gateway's own folder in svcd's state directory. */
  readonly stateDir: string;
  readonly runDir: string;
  readonly opening: DoorOptions["opening"];
  readonly log: Log;
  /** A port is no longer needed. */
  readonly onShut?: (port: number) => void;
  /** Shorter in tests. */
  readonly headMs?: number;
  readonly limits?: Pick<DoorOptions, "mostConnections" | "mostForAddress" | "firstByteMs">;
}

/** A whole head must be there by then: whoever sends it letter by letter is not a client. */
const HEAD_MS = 10_000;
/** Browsers keep a connection open for about a minute. */
const KEEP_ALIVE_MS = 65_000;
const LONGEST_HEAD = 32 * 1024;
/** Each is a connection that waits. */
const MOST_WAITING = 1_000;
const MOST_ADDRESSES = 4_096;
/** Files that change rarely: certificate and portal.yaml. */
const LOOK_EVERY_MS = 5_000;
const OPEN_AGAIN_MS = 2_000;

export class Gateway {
  readonly #options: GatewayOptions;
  readonly #door: Door;
  readonly #http: Server;
  readonly #services: Services;
  readonly #keys: KeyFiles;
  readonly #requests: Requests;
  readonly #upstreams = new Upstreams();
  readonly #waiting = new WaitingRoom(MOST_WAITING);
  readonly #traffic = new Traffic();
  readonly #activity: Activity;
  #status: NetServer | null = null;
  #exposed: readonly ExposedRoute[] = [];
  #routes: Routes = { routes: new Map(), links: [], remarks: [] };
  #remarks: readonly Remark[] = [];
  #told = new Set<string>();
  #certificate: Certificate | null = null;
  #stamps = "";
  #look: NodeJS.Timeout | null = null;
  #openAgain: NodeJS.Timeout | null = null;
  #isLeaving = false;

  constructor(options: GatewayOptions) {
    this.#options = options;
    const { settings, log } = options;
    this.#keys = new KeyFiles(options.stateDir, settings);
    this.#activity = new Activity(join(options.runDir, "gateway.activity.json"), (why) =>
      log.warn(`the file of last requests cannot be written: ${why}`),
    );
    this.#services = new Services({
      socketPath: options.socketPath,
      onRoutes: (exposed) => {
        this.#exposed = exposed;
        return this.#makeRoutes();
      },
      onState: () => this.#waiting.look(),
      say: (text) => log.warn(text),
    });
    this.#requests = new Requests({
      routeOf: (port) => this.#routes.routes.get(port),
      statusOf: (service) => this.#services.statusOf(service),
      startService: (service) => this.#services.startService(service),
      house: () => this.#house(),
      isTlsOn: () => this.#door.isEncrypted,
      isLeaving: () => this.#isLeaving,
      upstreams: this.#upstreams,
      waiting: this.#waiting,
      traffic: this.#traffic,
      activity: this.#activity,
      settings,
      log,
    });
    this.#http = createServer({
      // Where messages begin and end is decided by the strict reading only.
      insecureHTTPParser: false,
      requireHostHeader: true,
      maxHeaderSize: LONGEST_HEAD,
      headersTimeout: options.headMs ?? HEAD_MS,
      // A long upload is fine; one that stands still is cut off by `Forward`.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: Math.min(2_000, options.headMs ?? HEAD_MS),
      shouldUpgradeCallback: ({ headers }) => headers.upgrade?.toLowerCase() === "websocket",
    });
    this.#http.maxHeadersCount = 0; // Node would drop the rest without a word; `headersFlaw` refuses them.
    this.#http.emit("listening"); // It never listens itself; from here on it watches over the connections that it is given.
    this.#requests.serve(this.#http);
    this.#door = new Door({ http: this.#http, opening: options.opening, ...options.limits });
  }

  /** Resolves once the ports that are known by now are open. */
  async start(): Promise<void> {
    const { settings, log } = this.#options;
    if (settings.https.isOn) this.#useCertificate();
    this.#stamps = this.#stampOfFiles();
    const portal = this.#makeRoutes();
    const services = this.#services.start();
    this.#look = setInterval(() => this.#lookAtFiles(), LOOK_EVERY_MS);
    this.#status = await openStatus(settings.statusPort, {
      metrics: () => this.#traffic.text(this.#gauges()),
      facts: () => this.#facts(),
    }).catch((error: NodeJS.ErrnoException) => {
      log.warn(
        `127.0.0.1:${settings.statusPort} cannot be opened for /metrics: ${error.code} (set GATEWAY_STATUS_PORT)`,
      );
      return null;
    });
    await Promise.all([portal, services]);
  }

  get statusPort(): number | null {
    const address = this.#status?.address();
    return typeof address === "object" && address !== null ? address.port : null;
  }

  get ports(): readonly number[] {
    return this.#door.ports;
  }

  /**
   * No new connections; what is under way is finished, and each connection is asked to close with its next answer. Resolves
   * when all are closed, or after `mostMs` with those that are left cut off.
   */
  async leave(mostMs: number, keepsIdle: boolean): Promise<void> {
    this.#isLeaving = true;
    this.#services.stop();
    this.#door.shutAll();
    this.#waiting.close();
    this.#status?.close();
    for (const timer of [this.#look, this.#openAgain]) if (timer !== null) clearTimeout(timer);
    const until = performance.now() + mostMs;
    while (this.#door.connections > 0 && performance.now() < until) {
      if (!keepsIdle) this.#http.closeIdleConnections();
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    this.#door.cutAll();
    this.#http.closeAllConnections();
    this.#http.emit("close"); // Ends its watch.
    this.#http.close();
    await this.#upstreams.close();
    this.#activity.write();
    this.#options.log.flush();
  }

  #makeRoutes(): Promise<void> {
    const { settings, remarks } = this.#options;
    const portal = this.#portal();
    this.#routes = routesFrom({
      exposed: this.#exposed,
      portal: portal.entries,
      mapped: settings.mapped,
      open: settings.openPorts,
      authIsOn: settings.authIsOn,
      cors: settings.cors.origins,
      localHosts: settings.localHosts,
      allowDev: settings.allowDev,
    });
    this.#remarks = [...remarks, ...portal.remarks, ...this.#routes.remarks];
    this.#upstreams.forgetAllBut([...this.#routes.routes.values()].flatMap(({ targets }) => targets));
    this.#tell();
    return this.#openPorts();
  }

  /** A usable portal.yaml comes before the variable, as it always did. */
  #portal(): { entries: Parameters<typeof routesFrom>[0]["portal"]; remarks: readonly Remark[] } {
    const { portal, portalYaml } = this.#options.settings;
    let text: string;
    try {
      text = readFileSync(portalYaml, "utf8");
    } catch {
      return { entries: portal, remarks: [] };
    }
    const read = readPortalYaml(text, portalYaml);
    return read.isUsable ? read : { entries: portal, remarks: read.remarks };
  }

  async #openPorts(): Promise<void> {
    const { log, settings, onShut } = this.#options;
    const wanted = this.#routes.routes;
    for (const port of this.#door.ports) {
      if (wanted.has(port)) continue;
      this.#door.shut(port);
      onShut?.(port);
      log.info(`port ${port} is closed: nothing is exposed there any more`);
    }
    for (const route of wanted.values()) {
      if (this.#isLeaving || this.#door.ports.includes(route.port)) continue;
      try {
        await this.#door.open(route.port);
        const to = route.targets.map(({ host, port }) => `${host}:${port}`).join(", ");
        log.info(`${settings.host}:${route.port} leads to ${to}: ${route.name}, auth: ${route.auth} (${route.from})`);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        const what = `port ${route.port} of ${route.name} cannot be opened: ${code ?? message}`;
        this.#tellOnce(what, `${what}; it is tried again every two seconds`);
        this.#openAgain ??= setTimeout(() => {
          this.#openAgain = null;
          void this.#openPorts();
        }, OPEN_AGAIN_MS);
      }
    }
    this.#publish();
  }

  /** For svctl and other fronts. */
  #publish(): void {
    const path = join(this.#options.runDir, ROUTES_FILE);
    const { services: _, ...report } = this.#facts();
    try {
      writeFileSync(`${path}.${process.pid}`, `${JSON.stringify(report)}\n`, { mode: 0o644 });
      renameSync(`${path}.${process.pid}`, path);
    } catch (error) {
      this.#tellOnce("publish", `the list of routes cannot be written: ${(error as Error).message}`);
    }
  }

  #tell(): void {
    const now = new Set(this.#remarks.map(inWords));
    for (const text of now) this.#tellOnce(text, text);
    for (const text of this.#told) if (!now.has(text)) this.#told.delete(text);
  }

  #tellOnce(key: string, text: string): void {
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#options.log.warn(text);
  }

  #certificateFiles(): CertificateFiles {
    const { https, certificateNames } = this.#options.settings;
    return { ...https, own: join(this.#options.stateDir, "self-signed"), names: certificateNames };
  }

  #useCertificate(): void {
    const { log } = this.#options;
    try {
      const certificate = loadCertificate(this.#certificateFiles(), new Date());
      this.#door.useCertificate(certificate);
      this.#certificate = certificate;
      const { subject, from, isSelfSigned, expiresAt, trouble } = certificate;
      const kind = isSelfSigned ? "self-signed, browsers will warn" : "signed by somebody else";
      log.info(`HTTPS: ${subject}, ${from}, ${kind}, until ${expiresAt.toISOString().slice(0, 10)}`);
      if (trouble !== null)
        log.warn(`HTTPS: ${trouble}${from === "made by the gateway" ? "; it uses one of its own" : ""}`);
    } catch (error) {
      // One that cannot be loaded must not replace one that works.
      log.warn(`HTTPS: the certificate cannot be used: ${(error as Error).message}`);
    }
  }

  #lookAtFiles(): void {
    const stamps = this.#stampOfFiles();
    if (stamps === this.#stamps) return;
    this.#stamps = stamps;
    if (this.#options.settings.https.isOn) this.#useCertificate();
    void this.#makeRoutes();
  }

  #stampOfFiles(): string {
    const portal = statSync(this.#options.settings.portalYaml, { throwIfNoEntry: false });
    return `${stampOf(this.#certificateFiles())} ${portal?.ino}.${portal?.mtimeMs}.${portal?.size}`;
  }

  readonly #guesses = new Allowances(MOST_ADDRESSES);
  readonly #rates = new Allowances(MOST_ADDRESSES);

  #house() {
    const now = performance.now();
    const [ring, isAnother] = this.#keys.ring(now);
    if (isAnother) this.#keysChanged(ring);
    const { ownNames } = this.#options.settings;
    return { ring, ownNames, guesses: this.#guesses, rates: this.#rates, now, wallMs: Date.now() };
  }

  #keysChanged(ring: KeyRing): void {
    const { remark } = this.#keys;
    if (remark !== null) this.#tellOnce(inWords(remark), inWords(remark));
    const isStillGood = (key: Key): boolean => [...ring.keys, ring.password].some((one) => one.hash.equals(key.hash));
    this.#requests.cutWhere((key) => !isStillGood(key));
  }

  #gauges() {
    return [
      ["svcd_gateway_connections", "Connections of clients.", this.#door.connections],
      ["svcd_gateway_requests_waiting", "Requests that wait for a service.", this.#waiting.size],
      ["svcd_gateway_requests_under_way", "Requests that are being answered.", this.#requests.underWay],
      ["svcd_gateway_websockets", "Open WebSockets.", this.#requests.sockets],
      ...(this.#certificate === null
        ? []
        : [
            [
              "svcd_gateway_certificate_expires_seconds",
              "When the certificate expires.",
              this.#certificate.expiresAt.getTime() / 1000,
            ] as const,
          ]),
    ] as [string, string, number][];
  }

  #facts(): RoutesReport & { readonly services: ReturnType<Activity["facts"]> } {
    const { authIsOn, portalLinks, https } = this.#options.settings;
    const shown = ({ targets, ...route }: Route) => ({
      ...route,
      isOpen: this.#door.ports.includes(route.port),
      targets,
    });
    return {
      auth: authIsOn,
      routes: [...this.#routes.routes.values()].map(shown),
      links: this.#routes.links,
      portalLinks,
      mistakes: this.#remarks.map((remark) => ({ ...remark })),
      https: {
        asked: https.isOn,
        active: this.#door.isEncrypted,
        certificate: this.#certificate && {
          subject: this.#certificate.subject,
          from: this.#certificate.from,
          selfSigned: this.#certificate.isSelfSigned,
          expiresAt: this.#certificate.expiresAt.toISOString(),
          trouble: this.#certificate.trouble,
        },
      },
      services: this.#activity.facts(),
    };
  }
}
