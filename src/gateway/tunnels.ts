/**
 * The quick tunnels of all services that say `tunnel: quick`: one `cloudflared` for each port of the gateway, kept up, and its
 * address published where people and programs look: `run/tunnels.json`, a line in the log, a webhook.
 *
 * A tunnel leads to the gateway's port and never past it, so whoever comes through is asked like anybody.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { ExposedRoute } from "../control/daemon.ts";
import { places } from "../places.ts";
import { type Deed, deadline, type Happening, newTunnel, step, type Tunnel } from "./quick-tunnel.ts";
import { Services } from "./services.ts";
import { TUNNELS_FILE, type TunnelReport } from "./tunnel-report.ts";

interface Kept {
  readonly port: number;
  readonly name: string;
  tunnel: Tunnel;
  child: ChildProcess | null;
  timer: NodeJS.Timeout | null;
  probing: NodeJS.Timeout | null;
}

/** Several at once are what Cloudflare refuses first. */
const APART_MS = 2_000;
const PROBE_EVERY_MS = 60_000;
const FIRST_PROBE_MS = 15_000;
const PROBE_MS = 15_000;
const WEBHOOK_MS = 10_000;

export function runTunnels(env: NodeJS.ProcessEnv): void {
  const where = places({ root: env["SVCD_ROOT"] || null, env, uid: process.getuid?.() ?? 0, exists: existsSync });
  const scheme = /^(true|1|yes|on)$/i.test(env["ENABLE_HTTPS"] ?? "") ? "https" : "http";
  const kept = new Map<number, Kept>();
  const say = (text: string): void => console.log(text);
  let isLeaving = false;

  const publish = (): void => {
    const tunnels = [...kept.values()].map(reportOf);
    try {
      const path = join(where.run, TUNNELS_FILE);
      writeFileSync(`${path}.new`, `${JSON.stringify({ tunnels })}\n`, { mode: 0o644 });
      renameSync(`${path}.new`, path);
    } catch (error) {
      say(`the list of tunnels cannot be written: ${(error as Error).message}`);
    }
  };

  const happens = (one: Kept, happening: Happening): void => {
    if (kept.get(one.port) !== one) return;
    const before = one.tunnel;
    const [next, deeds] = step(before, happening, performance.now());
    one.tunnel = next;
    for (const deed of deeds) carryOut(one, deed);
    if (next.at === "up" && before.at !== "up") {
      say(`${one.name}: ${next.url} leads to port ${one.port}`);
      void tellWebhook(env["TUNNELS_WEBHOOK"], reportOf(one), say);
      one.probing = setTimeout(() => void probe(one), FIRST_PROBE_MS);
    }
    if (next.at === "resting" && before.at !== "resting") say(`${one.name}: ${next.why}; ${reportOf(one).next}`);
    if (one.timer !== null) clearTimeout(one.timer);
    const at = deadline(one.tunnel);
    one.timer =
      at === null ? null : setTimeout(() => happens(one, { type: "tick" }), Math.max(0, at - performance.now()));
  };

  const carryOut = (one: Kept, deed: Deed): void => {
    switch (deed) {
      case "start":
        return start(one);
      case "end":
        one.child?.kill("SIGTERM");
        return;
      case "publish":
        return publish();
    }
  };

  const start = (one: Kept): void => {
    if (isLeaving) return;
    const args = ["tunnel", "--no-autoupdate", "--no-tls-verify", "--url", `${scheme}://127.0.0.1:${one.port}`];
    const child = spawn("cloudflared", args, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { TUNNEL_TRANSPORT_PROTOCOL: "http2", ...env },
    });
    one.child = child;
    let isOver = false;
    const over = (how: string): void => {
      if (isOver || one.child !== child) return;
      isOver = true;
      one.child = null;
      if (one.probing !== null) clearTimeout(one.probing);
      happens(one, { type: "ended", how });
    };
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on("line", (text) =>
        happens(one, { type: "line", text: text.slice(0, 2_000) }),
      );
    }
    child.on("error", (error) => over(`cloudflared does not start: ${error.message}`));
    child.on("close", (code, signal) => over(`cloudflared ended (${signal ?? `exit ${code}`})`));
  };

  const probe = async (one: Kept): Promise<void> => {
    if (one.tunnel.at !== "up" || kept.get(one.port) !== one) return;
    const { url } = one.tunnel;
    const reached = await fetch(`${url}/portal-resolver`, { signal: AbortSignal.timeout(PROBE_MS) })
      .then(({ status }) => status === 200)
      .catch(() => false);
    if (one.tunnel.at !== "up" || one.tunnel.url !== url) return;
    happens(one, { type: "probed", reached });
    one.probing = setTimeout(() => void probe(one), PROBE_EVERY_MS);
  };

  const follow = async (routes: readonly ExposedRoute[]): Promise<void> => {
    const wanted = new Map<number, string>();
    for (const { of, exposure } of routes) {
      if (exposure?.tunnel === "quick" && !wanted.has(exposure.port)) wanted.set(exposure.port, exposure.name ?? of);
    }
    for (const [port, one] of kept) {
      if (wanted.get(port) === one.name) continue;
      kept.delete(port);
      for (const timer of [one.timer, one.probing]) if (timer !== null) clearTimeout(timer);
      one.child?.kill("SIGTERM");
      say(`${one.name}: its tunnel is closed`);
    }
    let wait = 0;
    for (const [port, name] of wanted) {
      if (kept.has(port)) continue;
      const one: Kept = { port, name, tunnel: newTunnel(performance.now()), child: null, timer: null, probing: null };
      kept.set(port, one);
      setTimeout(() => {
        if (kept.get(port) !== one) return;
        start(one);
        happens(one, { type: "tick" });
      }, wait);
      wait += APART_MS;
    }
    publish();
  };

  const services = new Services({ socketPath: where.socket, onRoutes: follow, onState: () => {}, say });
  void services.start();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      isLeaving = true;
      services.stop();
      for (const { child } of kept.values()) child?.kill("SIGTERM");
      kept.clear();
      publish();
      setTimeout(() => process.exit(0), 500);
    });
  }
}

function reportOf({ port, name, tunnel }: Kept): TunnelReport {
  const common = { kind: "quick" as const, port, name };
  switch (tunnel.at) {
    case "starting":
      return {
        ...common,
        url: null,
        state: "starting",
        reached: null,
        why: "cloudflared is asked for an address",
        next: "it has 45 s",
      };
    case "up": {
      const reached = tunnel.missed > 0 ? false : tunnel.wasReached ? true : null;
      const why =
        reached === true
          ? "reached from outside"
          : reached === null
            ? "not tried from outside yet"
            : "not reached from outside";
      return { ...common, url: tunnel.url, state: "up", reached, why, next: "it is tried every minute" };
    }
    case "resting": {
      const seconds = Math.max(0, Math.round((tunnel.until - performance.now()) / 1000));
      return {
        ...common,
        url: null,
        state: "resting",
        reached: null,
        why: tunnel.why,
        next: `the next one is asked for in ${seconds} s`,
      };
    }
  }
}

async function tellWebhook(url: string | undefined, report: TunnelReport, say: (text: string) => void): Promise<void> {
  if (!url) return;
  try {
    const body = JSON.stringify({ event: "tunnel", ...report });
    const headers = { "Content-Type": "application/json" };
    await fetch(url, { method: "POST", headers, body, signal: AbortSignal.timeout(WEBHOOK_MS) });
  } catch (error) {
    say(`the webhook was not reached: ${(error as Error).message}`);
  }
}
