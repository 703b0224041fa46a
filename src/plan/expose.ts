/**
 * How a service is reached from outside: `expose`, one map or a list of them. What it says is carried out by the gateway,
 * which asks svcd for it; svcd itself opens no port.
 *
 * Ports may hold `${…}`. They are filled in with the environment that the service itself starts with, whenever somebody asks.
 */
import * as v from "valibot";
import { type Address, parseAddress, parsePort } from "./address.ts";
import { bad, good, quoted, type Reading } from "./flaw.ts";
import { interpolate, type Lookup } from "./interpolate.ts";
import {
  closed,
  described,
  duration,
  either,
  flag,
  list,
  optional,
  parsed,
  parsedTemplate,
  type Read,
  size,
  text,
  word,
} from "./shape.ts";

/** Who gets in. token: whoever has one, or user and password; basic: user and password only; none: everybody. */
export const AUTHS = ["token", "basic", "none"] as const;
export type Auth = (typeof AUTHS)[number];

export interface Exposure {
  /** As written; the port that the gateway listens on. */
  readonly port: string;
  /** As written; where the service listens. */
  readonly to: string;
  /** Where a person begins to read. */
  readonly path: string;
  /** null: the name of the service. */
  readonly name: string | null;
  readonly auth: Auth;
  /** How long a request waits for the service to become ready; 0: it is told at once that it is not. */
  readonly holdMs: number;
  /** Paths whose requests change nothing, so that one that was not answered may be sent again, whatever its method. */
  readonly idempotent: readonly string[];
  /** on-demand: a request starts the service when it is stopped. */
  readonly start: "always" | "on-demand";
  /** quick: a public address of Cloudflare's leads to the gateway's port. */
  readonly tunnel: "none" | "quick";
  /** Longest body of a request; null: as long as the gateway allows. */
  readonly maxBodyBytes: number | null;
  /** Origins whose pages may call it from a browser; `*`: all. */
  readonly cors: readonly string[];
  /** true: the service hears `localhost:PORT` as Host, for programs that refuse other names. */
  readonly hostIsLocal: boolean;
  /** true: vLLM's endpoints for developers are let through. */
  readonly allowDev: boolean;
}

/** With everything filled in. */
export interface ResolvedExposure extends Omit<Exposure, "port" | "to"> {
  readonly port: number;
  readonly to: Address;
}

const portLooks = v.union([v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(65535)), v.string()]);

const port = parsedTemplate(portLooks, "a port", (written): Reading<string> => {
  const known = written.includes("$") ? null : parsePort(written);
  return known === null || known.ok ? good(written) : known;
});

const target = parsedTemplate(portLooks, "an address", (written): Reading<string> => {
  const known = written.includes("$") ? null : parseAddress(written);
  return known === null || known.ok ? good(written) : known;
});

const path = parsed(v.pipe(v.string(), v.regex(/^\/|\$/)), "a path", pathFlaw);

const origin = parsed(v.string(), "an origin", (written): Reading<string> => {
  if (written === "*") return good(written);
  const url = URL.canParse(written) ? new URL(written) : null;
  return url !== null && /^https?:$/.test(url.protocol) && url.origin === written.replace(/\/$/, "").toLowerCase()
    ? good(url.origin)
    : bad(`${quoted(written)} is not an origin`, "write it like https://app.example.com, or * for all");
});

const tunnel = parsed(v.picklist(["none", "quick"]), "none or quick", (written): Reading<"none" | "quick"> => {
  if (written === "none" || written === "quick") return good(written);
  return written === "named"
    ? bad(
        "`named` is not supported by this version of svcd yet",
        "run cloudflared by a service file of its own: docs/gateway.md",
      )
    : bad(`unknown word ${quoted(written)}`, "write `none` or `quick`");
});

const one = closed(
  {
    port: described("The port that is opened to the outside.", port),
    to: described("The port (or host:port) that the service itself listens on, best on 127.0.0.1.", target),
    path: optional(described("Where a person begins to read (/).", path)),
    name: optional(described("What people call it; without it, the name of the service.", text())),
    auth: optional(
      described(
        "token (usual): a token, or user and password. basic: user and password only. none: everybody gets in.",
        word(AUTHS),
      ),
    ),
    hold: optional(
      described(
        "Requests wait this long for the service to become ready, instead of being told that it is not.",
        duration(0, 86_400_000),
      ),
    ),
    idempotent: optional(
      described(
        "Paths whose requests change nothing: with `hold`, one that was not answered is sent again (/score, /rerank).",
        either({ text: path, list: list(path) }),
      ),
    ),
    start: optional(
      described("on-demand: a request starts the service if it is stopped.", word(["always", "on-demand"])),
    ),
    tunnel: optional(described("quick: a public address (trycloudflare.com) leads here, by cloudflared.", tunnel)),
    max_body: optional(described("Longest body of a request.", size(0))),
    cors: optional(
      described("Origins whose pages may call it from a browser.", either({ text: origin, list: list(origin) })),
    ),
    rewrite_host: optional(described("true: the service is told `localhost` as host.", flag())),
    allow_dev: optional(described("true: vLLM's endpoints for developers are let through.", flag())),
  },
  {
    missing: {
      port: "add the port that is opened, like `port: 8000`",
      to: "add the port that the service listens on, like `to: 18000`",
    },
    instead: {
      target: "write `to:`",
      internal: "write `to:`",
      container: "write `to:`",
      published: "write `port:`",
      external: "write `port:`",
      authentication: "write `auth:`",
      label: "write `name:`",
      open_path: "write `path:`",
    },
  },
);

export const exposeShape = either({ map: one, list: list(one) });
export type WrittenExpose = Read<typeof exposeShape>;

export function exposuresOf(written: WrittenExpose | undefined): Exposure[] {
  if (written === undefined) return [];
  return (Array.isArray(written) ? written : [written]).map((keys) => ({
    port: keys.port,
    to: keys.to,
    path: keys.path ?? "/",
    name: keys.name || null,
    auth: keys.auth ?? "token",
    holdMs: keys.hold ?? 0,
    idempotent: keys.idempotent === undefined ? [] : [keys.idempotent].flat(),
    start: keys.start ?? "always",
    tunnel: keys.tunnel ?? "none",
    maxBodyBytes: keys.max_body ?? null,
    cors: keys.cors === undefined ? [] : typeof keys.cors === "string" ? [keys.cors] : keys.cors,
    hostIsLocal: keys.rewrite_host ?? false,
    allowDev: keys.allow_dev ?? false,
  }));
}

/** `lookup`: the environment of the service. The flaw names the key that cannot be filled in. */
export function resolveExposure(exposure: Exposure, lookup: Lookup): Reading<ResolvedExposure> {
  const port = filledIn("port", exposure.port, lookup, parsePort);
  if (!port.ok) return port;
  const to = filledIn("to", exposure.to, lookup, parseAddress);
  return to.ok ? good({ ...exposure, port: port.value, to: to.value }) : to;
}

function filledIn<T>(key: string, template: string, lookup: Lookup, read: (text: string) => Reading<T>): Reading<T> {
  const filled = interpolate(template, lookup);
  const value = filled.ok ? read(filled.value.text) : filled;
  if (value.ok) return value;
  const unset = filled.ok && filled.value.unset.length > 0 ? ` (${filled.value.unset.join(", ")} is not set)` : "";
  return bad(`\`expose.${key}\`: ${value.flaw.what}${unset}`, value.flaw.fix);
}

/** It ends up in links and in headers. */
export function pathFlaw(written: string): Reading<string> {
  if (!written.startsWith("/") || written.startsWith("//"))
    return bad(`${quoted(written)} is not a path`, "begin it with one /");
  return /^[\x21-\x7e]*$/.test(written) && !written.includes("\\")
    ? good(written)
    : bad(`${quoted(written)} has characters that no path has`, "write them as %20 and the like");
}
