/**
 * What the environment of the service says (services.d/ssh.yaml shows it all). One value that cannot be read ends the start: a
 * door is better closed than half open.
 */
import { dirname } from "node:path";
import type { Places } from "../places.ts";
import { parseDuration } from "../plan/units.ts";
import type { Limits } from "./admission.ts";
import { readTargets, type Target } from "./permit-open.ts";

export interface Settings {
  /** null: all addresses of this machine. */
  readonly host: string | null;
  readonly port: number;
  readonly authorizedKeys: string;
  readonly hostKey: string;
  /** The password; null: keys only. */
  readonly token: string | null;
  readonly permitOpen: readonly Target[];
  readonly limits: Limits;
  /** From the connection until it has signed in. */
  readonly signInWithinMs: number;
  /** Wrong keys and passwords of one connection. */
  readonly tries: number;
  /** Commands and screens at once, of all connections. */
  readonly sessions: number;
  /** Nothing typed and nothing shown for this long ends a connection; null: never. */
  readonly idleMs: number | null;
}

export interface Mistake {
  readonly what: string;
  readonly where: string;
  readonly fix: string;
}

/** Shorter ones could be guessed, however slowly. */
const SHORTEST_TOKEN = 12;

export function readSettings(
  env: Readonly<Record<string, string | undefined>>,
  places: Places,
): { readonly settings: Settings; readonly mistakes: readonly Mistake[] } {
  const mistakes: Mistake[] = [];
  const text = (name: string): string | null => env[name]?.trim() || null;
  const mistake = (where: string, what: string, fix: string): void => void mistakes.push({ what, where, fix });
  const count = (name: string, usual: number, least: number, most: number): number => {
    const written = text(name);
    if (written === null) return usual;
    if (/^\d{1,6}$/.test(written) && Number(written) >= least && Number(written) <= most) return Number(written);
    mistake(name, `${name} is \`${written}\``, `write a number from ${least} to ${most}`);
    return usual;
  };
  const duration = (name: string, usualMs: number | null): number | null => {
    const written = text(name);
    if (written === null) return usualMs;
    if (written === "0" || written === "off") return null;
    const read = parseDuration(written);
    if (read.ok && read.value > 0 && read.value < 2 ** 31) return read.value;
    mistake(name, `${name} is \`${written}\``, read.ok ? "write at most 24d" : read.flaw.fix);
    return usualMs;
  };

  const open = readTargets(text("SSH_SERVER_PERMIT_OPEN") ?? "");
  for (const word of open.mistakes)
    mistake("SSH_SERVER_PERMIT_OPEN", `\`${word}\` is no host:port`, "write it like localhost:18000,localhost:8080");
  const token = env["SSH_SERVER_TOKEN"] || null;
  if (token !== null && token.length < SHORTEST_TOKEN)
    mistake(
      "SSH_SERVER_TOKEN",
      `SSH_SERVER_TOKEN has ${token.length} characters, that can be guessed`,
      "take a long one, like the output of `openssl rand -hex 24`; nobody can sign in with it until then",
    );
  const strangers = count("SSH_SERVER_MAX_STRANGERS", 100, 1, 10_000);
  const settings: Settings = {
    host: text("SSH_SERVER_HOST"),
    port: count("SSH_SERVER_PORT", 2222, 0, 65_535),
    authorizedKeys: text("SSH_SERVER_AUTHORIZED_KEYS") ?? `${dirname(places.services)}/authorized_keys`,
    hostKey: text("SSH_SERVER_HOST_KEY") ?? `${places.state}/ssh_host_ed25519_key`,
    token,
    permitOpen: open.targets,
    limits: {
      connections: count("SSH_SERVER_MAX_CONNECTIONS", 200, 1, 100_000),
      strangers,
      strangersPerAddress: count("SSH_SERVER_MAX_STRANGERS_PER_ADDRESS", Math.min(30, strangers), 1, 10_000),
    },
    signInWithinMs: duration("SSH_SERVER_SIGN_IN_WITHIN", 30_000) ?? 30_000,
    tries: count("SSH_SERVER_MAX_TRIES", 10, 1, 100),
    sessions: count("SSH_SERVER_MAX_SESSIONS", 40, 1, 1_000),
    idleMs: duration("SSH_SERVER_IDLE_TIMEOUT", null),
  };
  return { settings, mistakes };
}
