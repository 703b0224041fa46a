/**
 * So much at once, and so much in the long run, for each of many: wrong guesses by address, requests by token.
 *
 * A bucket fills up by itself, so nothing must be cleared away by a timer. Of many thousand addresses the ones that were quiet
 * for longest are forgotten first: an attacker with that many needs no second guess from any of them.
 */
export class Allowances {
  readonly #mostKnown: number;
  readonly #known = new Map<string, { left: number; at: number }>();

  constructor(mostKnown: number) {
    this.#mostKnown = mostKnown;
  }

  get size(): number {
    return this.#known.size;
  }

  /** Milliseconds until one more is allowed; 0: now. Takes nothing. */
  waitMs(who: string, limit: Limit, now: number): number {
    const left = this.#left(who, limit, now);
    return left >= 1 ? 0 : Math.ceil(((1 - left) / limit.perSecond) * 1000);
  }

  take(who: string, limit: Limit, now: number): void {
    const left = Math.max(0, this.#left(who, limit, now) - 1);
    this.#known.delete(who); // The map keeps the order of use.
    this.#known.set(who, { left, at: now });
    if (this.#known.size <= this.#mostKnown) return;
    const [oldest] = this.#known.keys();
    this.#known.delete(oldest!);
  }

  #left(who: string, { perSecond, burst }: Limit, now: number): number {
    const known = this.#known.get(who);
    return known === undefined ? burst : Math.min(burst, known.left + ((now - known.at) / 1000) * perSecond);
  }
}

export interface Limit {
  readonly perSecond: number;
  readonly burst: number;
}

/** Wrong guesses: ten at once, then one in two seconds. A person mistypes twice; a list of passwords takes years. */
export const GUESSES: Limit = { perSecond: 0.5, burst: 10 };
/** From everywhere together. */
export const ALL_GUESSES: Limit = { perSecond: 20, burst: 200 };
export const EVERYBODY = "*";

/** Of IPv6 whoever has one address has 2^64 of them. */
export function neighbourhood(address: string): string {
  if (!address.includes(":") || address.startsWith("::ffff:")) return address;
  const [head = "", tail] = address.split("::");
  const groups = head.split(":").filter((group) => group !== "");
  if (tail === undefined) return groups.slice(0, 4).join(":");
  const after = tail.split(":").filter((group) => group !== "");
  const whole = [
    ...groups,
    ...Array.from({ length: Math.max(0, 8 - groups.length - after.length) }, () => "0"),
    ...after,
  ];
  return whole.slice(0, 4).join(":");
}
