/**
 * What stands before a key in `authorized_keys`. An option that is not known may have been written to hold a key back, so it
 * refuses the line: a key that does less than it could is found at once, one that does more never.
 */
import { type AddressPattern, addressPatterns } from "./address.ts";
import { readTargets, type Target } from "./permit-open.ts";
import type { Permit } from "./permits.ts";

export interface KeyOptions {
  readonly permit: Permit;
  /** null: from anywhere. */
  readonly from: readonly AddressPattern[] | null;
  /** The first moment at which it no longer counts, as milliseconds since 1970. */
  readonly expiresAt: number | null;
  readonly mayForward: boolean;
  /** Narrower than what the service allows; null: all of that. */
  readonly permitOpen: readonly Target[] | null;
  readonly mayHaveTerminal: boolean;
}

export type ReadOptions =
  | { readonly ok: true; readonly value: KeyOptions }
  | { readonly ok: false; readonly what: string; readonly fix: string };

/** They take away what nobody gets here. */
const WITHOUT_EFFECT = [
  ...["agent-forwarding", "no-agent-forwarding", "x11-forwarding", "no-x11-forwarding", "user-rc", "no-user-rc"],
];
/** Known to sshd; each would be a promise that is not kept here. */
const OF_SSHD: Readonly<Record<string, string>> = {
  command: 'this server runs svctl commands only: write permit="view" to allow those that only look',
  environment: "the environment of commands is fixed here: remove it",
  "cert-authority": "certificates are not read here: list the keys themselves",
  principals: "certificates are not read here: list the keys themselves",
  permitlisten: "nobody can forward ports to a client here: remove it",
  tunnel: "there are no tunnels here: remove it",
  "verify-required": "keys that live in a security device cannot be used here: remove it",
  "no-touch-required": "keys that live in a security device cannot be used here: remove it",
};
const KNOWN = [
  "permit",
  "from",
  "expiry-time",
  "restrict",
  "port-forwarding",
  "no-port-forwarding",
  "permitopen",
  "pty",
  "no-pty",
];

export function readOptions(text: string): ReadOptions {
  let permit: Permit = "all";
  let from: readonly AddressPattern[] | null = null;
  let expiresAt: number | null = null;
  let permitOpen: Target[] | null = null;
  let forwarding: boolean | null = null;
  let terminal = true;
  const words = splitOptions(text);
  if (words === null) return refused("the quotes in its options are not closed", 'write values like from="10.0.0.0/8"');
  for (const { name, value } of words) {
    const isSwitch = !["permit", "from", "expiry-time", "permitopen"].includes(name);
    if (!KNOWN.includes(name) && !WITHOUT_EFFECT.includes(name)) {
      const reason = Object.hasOwn(OF_SSHD, name) ? OF_SSHD[name]! : `known here: ${KNOWN.join(", ")}`;
      return refused(
        `the option \`${name}\` is not known here, and the key would be allowed more than it says`,
        reason,
      );
    }
    if (isSwitch && value !== null) return refused(`the option \`${name}\` takes no value`, `write \`${name}\` alone`);
    if (!isSwitch && value === null) return refused(`the option \`${name}\` needs a value`, `write ${name}="…"`);
    switch (name) {
      case "permit":
        if (value !== "view" && value !== "all")
          return refused(`permit="${value}" means nothing`, 'write permit="view" (may look) or permit="all"');
        permit = value;
        break;
      case "from":
        try {
          from = addressPatterns(value!);
        } catch (error) {
          return refused(`from="…": ${(error as Error).message}`, "write addresses separated by commas");
        }
        break;
      case "expiry-time": {
        const at = momentOf(value!);
        if (at === null)
          return refused(
            `expiry-time="${value}" is no date`,
            'write it like "20270131", "20270131120000" (local time) or "202701311200Z" (UTC)',
          );
        expiresAt = expiresAt === null ? at : Math.min(expiresAt, at);
        break;
      }
      case "permitopen": {
        const { targets, mistakes } = readTargets(value!);
        if (mistakes.length > 0)
          return refused(`permitopen="${value}" is no host:port`, 'write permitopen="localhost:18000"');
        permitOpen = [...(permitOpen ?? []), ...targets];
        break;
      }
      case "restrict":
        forwarding = false;
        terminal = false;
        break;
      case "port-forwarding":
        forwarding = true;
        break;
      case "no-port-forwarding":
        forwarding = false;
        break;
      case "pty":
        terminal = true;
        break;
      case "no-pty":
        terminal = false;
        break;
    }
  }
  // Whoever may only look is not meant to talk to the services themselves, unless it is said.
  const mayForward = forwarding ?? (permit === "all" || permitOpen !== null);
  return { ok: true, value: { permit, from, expiresAt, mayForward, permitOpen, mayHaveTerminal: terminal } };
}

/** What a key without options may. */
export const NO_OPTIONS: KeyOptions = {
  permit: "all",
  from: null,
  expiresAt: null,
  mayForward: true,
  permitOpen: null,
  mayHaveTerminal: true,
};

function refused(what: string, fix: string): ReadOptions {
  return { ok: false, what, fix };
}

/** `a,b="x,\"y",c`. null: a quote is not closed. */
function splitOptions(text: string): { name: string; value: string | null }[] | null {
  const found: { name: string; value: string | null }[] = [];
  const option = /([^=,"]*)(?:="((?:\\"|[^"])*)"|=([^",]*))?(,|$)/y;
  while (option.lastIndex < text.length) {
    const match = option.exec(text);
    if (match === null) return null;
    const [, name = "", quoted, bare] = match;
    const value = quoted === undefined ? (bare ?? null) : quoted.replaceAll('\\"', '"');
    found.push({ name: name.trim().toLowerCase(), value });
  }
  return found;
}

/** YYYYMMDD or YYYYMMDDHHMM[SS], local time, or UTC with a Z; the key counts until then. */
function momentOf(text: string): number | null {
  const match = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z?)$/i.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((digits) => Number(digits ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (month < 1 || month > 12 || day < 1 || hour > 23 || minute > 59 || second > 59) return null;
  if (day > new Date(Date.UTC(year, month, 0)).getUTCDate()) return null;
  const isUtc = match[7] !== "";
  return isUtc
    ? Date.UTC(year, month - 1, day, hour, minute, second)
    : new Date(year, month - 1, day, hour, minute, second).getTime();
}
