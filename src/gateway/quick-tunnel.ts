/**
 * The life of one Cloudflare quick tunnel, decided from what `cloudflared` prints and how it ends. Pure: time comes in.
 *
 *   starting ──URL──▶ up ──it ends──▶ resting ──its time──▶ starting
 *       └── no URL in time, it ends, or it is told to make fewer ──▶ resting
 *
 * Cloudflare makes only so many of them for one address (429, error 1015). Then a minute is the least pause, and it grows.
 */
export type Tunnel =
  | { readonly at: "starting"; readonly since: number; readonly failures: number; readonly limited: boolean }
  | {
      readonly at: "up";
      readonly since: number;
      readonly url: string;
      readonly missed: number;
      readonly wasReached: boolean;
    }
  | { readonly at: "resting"; readonly until: number; readonly failures: number; readonly why: string };

export type Happening =
  | { readonly type: "line"; readonly text: string }
  | { readonly type: "ended"; readonly how: string }
  /** The public address was asked for. */
  | { readonly type: "probed"; readonly reached: boolean }
  | { readonly type: "tick" };

export type Deed = "start" | "end" | "publish";

/** It takes 5 to 15 seconds. */
const URL_WITHIN_MS = 45_000;
const FIRST_PAUSE_MS = 2_000;
const LONGEST_PAUSE_MS = 300_000;
const LIMITED_FIRST_MS = 60_000;
const LIMITED_LONGEST_MS = 1_800_000;
/** A tunnel that lasted so long forgives what was before. */
const STEADY_MS = 300_000;
/** Probes in a row that do not arrive, after one that did: it is dead though it runs. */
const MISSED_AT_MOST = 5;

const URL_LINE = /https:\/\/[a-z0-9-]+\.trycloudflare\.com\b/;
const LIMITED_LINE = /\b429\b|Too Many Requests|error code: 1015|\b1015\b/i;

export function newTunnel(now: number): Tunnel {
  return { at: "starting", since: now, failures: 0, limited: false };
}

export function step(tunnel: Tunnel, happening: Happening, now: number): readonly [Tunnel, readonly Deed[]] {
  switch (tunnel.at) {
    case "starting":
      return whenStarting(tunnel, happening, now);
    case "up":
      return whenUp(tunnel, happening, now);
    case "resting":
      if (happening.type !== "tick" || now < tunnel.until) return [tunnel, []];
      return [{ at: "starting", since: now, failures: tunnel.failures, limited: false }, ["start", "publish"]];
  }
}

type In<At extends Tunnel["at"]> = Extract<Tunnel, { at: At }>;

function whenStarting(tunnel: In<"starting">, happening: Happening, now: number): readonly [Tunnel, readonly Deed[]] {
  switch (happening.type) {
    case "line": {
      const url = URL_LINE.exec(happening.text)?.[0];
      // Its help and its terms name the address of the service, not of a tunnel.
      if (url !== undefined && url !== "https://api.trycloudflare.com")
        return [{ at: "up", since: now, url, missed: 0, wasReached: false }, ["publish"]];
      return [LIMITED_LINE.test(happening.text) ? { ...tunnel, limited: true } : tunnel, []];
    }
    case "ended":
      return rest(
        tunnel.failures + 1,
        tunnel.limited,
        tunnel.limited ? "Cloudflare makes no more quick tunnels for this address now" : happening.how,
        now,
        [],
      );
    case "tick":
      if (now - tunnel.since < URL_WITHIN_MS) return [tunnel, []];
      return rest(tunnel.failures + 1, tunnel.limited, "it got no address in time", now, ["end"]);
    case "probed":
      return [tunnel, []];
  }
}

function whenUp(tunnel: In<"up">, happening: Happening, now: number): readonly [Tunnel, readonly Deed[]] {
  switch (happening.type) {
    case "ended":
      return rest(now - tunnel.since >= STEADY_MS ? 1 : 2, false, happening.how, now, []);
    case "probed": {
      if (happening.reached)
        return [
          { ...tunnel, missed: 0, wasReached: true },
          tunnel.wasReached && tunnel.missed === 0 ? [] : ["publish"],
        ];
      const missed = tunnel.missed + 1;
      if (tunnel.wasReached && missed >= MISSED_AT_MOST)
        return rest(1, false, "nothing arrives through it any more", now, ["end"]);
      return [{ ...tunnel, missed }, missed === 1 ? ["publish"] : []];
    }
    case "line":
    case "tick":
      return [tunnel, []];
  }
}

function rest(
  failures: number,
  limited: boolean,
  why: string,
  now: number,
  deeds: readonly Deed[],
): readonly [Tunnel, readonly Deed[]] {
  const [first, longest] = limited ? [LIMITED_FIRST_MS, LIMITED_LONGEST_MS] : [FIRST_PAUSE_MS, LONGEST_PAUSE_MS];
  const until = now + Math.min(first * 2 ** (failures - 1), longest);
  return [{ at: "resting", until, failures, why }, [...deeds, "publish"]];
}

/** When it wants to be asked again; null: only something that happens moves it. */
export function deadline(tunnel: Tunnel): number | null {
  if (tunnel.at === "resting") return tunnel.until;
  return tunnel.at === "starting" ? tunnel.since + URL_WITHIN_MS : null;
}
