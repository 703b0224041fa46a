/**
 * What the environment of the gateway's service says. Read once at its start; what is wrong with one variable is told and the
 * usual value counts.
 */
import { parsePort } from "../plan/address.ts";
import { parseSize } from "../plan/units.ts";
import { type PortalEntry, type PortalLink, readPortalConfig, readPortalLinks, readPorts } from "./portal-config.ts";
import type { Remark } from "./remark.ts";

export interface Settings {
  /** Address that all ports are opened on. */
  readonly host: string;
  /** Loopback only: /metrics, /health, /routes. 0: any port. */
  readonly statusPort: number;
  readonly ownNames: readonly string[];
  readonly authIsOn: boolean;
  readonly openPorts: ReadonlySet<number>;
  readonly portal: readonly PortalEntry[];
  readonly portalYaml: string;
  readonly portalLinks: readonly PortalLink[];
  readonly mapped: ReadonlySet<number>;
  readonly cors: {
    readonly origins: readonly string[];
    readonly methods: string | null;
    readonly headers: string | null;
  };
  readonly localHosts: "all" | ReadonlySet<number>;
  readonly allowDev: ReadonlySet<number>;
  readonly https: { readonly isOn: boolean; readonly cert: string; readonly key: string };
  /** null: as long as it likes. */
  readonly maxBodyBytes: number | null;
  readonly user: string;
  readonly password: string | null;
  readonly token: string | null;
  /** Tells the cookies of several machines behind one address apart. */
  readonly cookieLabel: string;
  readonly accessLog: boolean;
  /** Names for the certificate that the gateway makes itself. */
  readonly certificateNames: readonly string[];
}

export interface ReadSettings {
  readonly settings: Settings;
  readonly remarks: readonly Remark[];
}

type Env = Readonly<Record<string, string | undefined>>;

export function readSettings(env: Env, hostname: string): ReadSettings {
  const remarks: Remark[] = [];
  const mistake = (where: string, what: string, fix: string): void =>
    void remarks.push({ is: "mistake", where, what, fix });
  const text = (name: string): string | null => env[name]?.trim() || null;
  const list = (name: string): string[] =>
    (text(name) ?? "")
      .split(",")
      .map((one) => one.trim())
      .filter((one) => one !== "");
  const flag = (name: string, usual: boolean): boolean => {
    const value = text(name)?.toLowerCase();
    if (value === undefined) return usual;
    if (["true", "1", "yes", "on"].includes(value)) return true;
    if (["false", "0", "no", "off"].includes(value)) return false;
    mistake(name, `\`${value}\` is neither true nor false`, `${usual} counts`);
    return usual;
  };
  const ports = (name: string): ReadonlySet<number> => {
    const read = readPorts(text(name) ?? "", name);
    remarks.push(...read.remarks);
    return new Set(read.entries);
  };

  const authIsOn = flag("ENABLE_AUTH", true);
  if (!authIsOn)
    remarks.push({
      is: "warning",
      where: "ENABLE_AUTH",
      what: "nothing asks for a token",
      fix: "remove ENABLE_AUTH=false",
    });
  const portal = readPortalConfig(text("PORTAL_CONFIG") ?? "");
  const links = readPortalLinks(text("PORTAL_LINKS") ?? "");
  remarks.push(...portal.remarks, ...links.remarks);
  const local = text("CADDY_HEADER_UP_LOCALHOST");
  const isBoolean = local !== null && /^(true|false)$/i.test(local);
  const maxBody = parseSize(text("GATEWAY_MAX_BODY") ?? "0");
  if (!maxBody.ok) mistake("GATEWAY_MAX_BODY", maxBody.flaw.what, maxBody.flaw.fix);
  const address = text("PUBLIC_IPADDR");
  const settings: Settings = {
    host: text("GATEWAY_HOST") ?? (isRented(env) ? "0.0.0.0" : "127.0.0.1"),
    statusPort: statusPort(text("GATEWAY_STATUS_PORT"), mistake),
    ownNames: [hostname.toLowerCase(), ...list("GATEWAY_HOSTS").map((name) => name.toLowerCase())],
    authIsOn,
    openPorts: ports("AUTH_EXCLUDE"),
    portal: portal.entries,
    portalYaml: text("PORTAL_YAML") ?? "/etc/portal.yaml",
    portalLinks: links.entries,
    mapped: mappedPorts(env),
    cors: {
      origins: origins(text("GATEWAY_CORS_ORIGINS") ?? text("CADDY_CORS_ALLOWED_ORIGINS"), mistake),
      methods: text("GATEWAY_CORS_METHODS") ?? text("CADDY_CORS_ALLOWED_METHODS"),
      headers: text("GATEWAY_CORS_HEADERS") ?? text("CADDY_CORS_ALLOWED_HEADERS"),
    },
    localHosts: !isBoolean ? ports("CADDY_HEADER_UP_LOCALHOST") : local.toLowerCase() === "true" ? "all" : new Set(),
    allowDev: ports("GATEWAY_ALLOW_DEV"),
    https: {
      isOn: flag("ENABLE_HTTPS", false),
      cert: text("GATEWAY_CERT") ?? "/etc/instance.crt",
      key: text("GATEWAY_KEY") ?? "/etc/instance.key",
    },
    maxBodyBytes: maxBody.ok && maxBody.value > 0 ? maxBody.value : null,
    user: text("WEB_USERNAME") ?? "vastai",
    password: secret(env["WEB_PASSWORD"]),
    token: secret(env["OPEN_BUTTON_TOKEN"]),
    cookieLabel: (text("VAST_CONTAINERLABEL") ?? text("CONTAINER_ID") ?? hostname)
      .replace(/[^A-Za-z0-9._-]/g, "-")
      .slice(0, 64),
    accessLog: flag("GATEWAY_ACCESS_LOG", true),
    certificateNames: [...new Set(["localhost", hostname, ...(address === null ? [] : [address])])],
  };
  return { settings, remarks };
}

/** A rented machine is there to be reached; of somebody's laptop nothing is opened to the network before they say so. */
function isRented(env: Readonly<Record<string, string | undefined>>): boolean {
  return (env["CONTAINER_ID"] ?? "") !== "" || Object.keys(env).some((name) => name.startsWith("VAST_TCP_PORT_"));
}

/** What cannot stand in a header or a cookie is no part of a secret. */
function secret(value: string | undefined): string | null {
  return value?.replace(/[\r\n;]/g, "").trim() || null;
}

/** VAST_TCP_PORT_<port in here>; numbers beyond 65535 name a port that the platform chose, and are never opened. */
function mappedPorts(env: Env): ReadonlySet<number> {
  const ports = Object.keys(env).flatMap((name) => {
    const port = parsePort(/^VAST_TCP_PORT_(\d+)$/.exec(name)?.[1] ?? "");
    return port.ok && (env[name] ?? "") !== "" ? [port.value] : [];
  });
  return new Set(ports);
}

const STATUS_PORT = 11190;

function statusPort(text: string | null, mistake: (where: string, what: string, fix: string) => void): number {
  if (text === null) return STATUS_PORT;
  if (text === "0") return 0;
  const port = parsePort(text);
  if (!port.ok) mistake("GATEWAY_STATUS_PORT", port.flaw.what, port.flaw.fix);
  return port.ok ? port.value : STATUS_PORT;
}

function origins(text: string | null, mistake: (where: string, what: string, fix: string) => void): string[] {
  const good: string[] = [];
  for (const written of (text ?? "").split(/[\s,]+/).filter((one) => one !== "")) {
    if (written === "*") good.push("*");
    else if (URL.canParse(written) && /^https?:/.test(written)) good.push(new URL(written).origin);
    else mistake("GATEWAY_CORS_ORIGINS", `\`${written}\` is not an origin`, "write it like https://app.example.com");
  }
  return good;
}
