/**
 * Who may knock, how often, and how long a password waits for its answer: decided from arrivals, departures and the time, and
 * nothing else.
 *
 * Whoever has not said who they are costs little and is few. When all places are taken, the oldest stranger of the address
 * that holds most of them makes room: a crowd from one address never keeps the owner out. Passwords of one address are looked at
 * one after the other, each wrong one doubles the wait; of all addresses together so many a minute. Keys are never slowed down:
 * they cannot be guessed.
 */
import { neighbourhood } from "./address.ts";

export interface Limits {
  readonly connections: number;
  /** Of those that have not signed in. */
  readonly strangers: number;
  readonly strangersPerAddress: number;
}

export type Arrival =
  | { readonly in: true; readonly evicted: number | null }
  | { readonly in: false; readonly why: string };

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;
const FORGIVEN_AFTER_MS = 10 * 60_000;
const PASSWORDS_PER_MINUTE = 120;
/** More addresses than this are forgotten, the oldest first. */
const MOST_ADDRESSES = 10_000;

interface Tries {
  wrong: number;
  /** The next one is not looked at before. */
  freeAt: number;
  lastAt: number;
}

export class Admission {
  readonly #limits: Limits;
  /** In the order in which they came. */
  readonly #strangers = new Map<number, string>();
  readonly #known = new Set<number>();
  readonly #tries = new Map<string, Tries>();
  #passwords = { since: 0, count: 0 };

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  arrives(id: number, address: string): Arrival {
    const { connections, strangers, strangersPerAddress } = this.#limits;
    const from = neighbourhood(address);
    if (this.#strangers.size + this.#known.size >= connections)
      return { in: false, why: `there are ${connections} connections already` };
    if ([...this.#strangers.values()].filter((other) => other === from).length >= strangersPerAddress)
      return { in: false, why: `${strangersPerAddress} connections from there have not signed in yet` };
    const evicted = this.#strangers.size >= strangers ? this.#oldestOfTheMost() : null;
    if (evicted !== null) this.#strangers.delete(evicted);
    this.#strangers.set(id, from);
    return { in: true, evicted };
  }

  signedIn(id: number): void {
    if (this.#strangers.delete(id)) this.#known.add(id);
  }

  leaves(id: number): void {
    this.#strangers.delete(id);
    this.#known.delete(id);
  }

  /** How long a password waits until it is looked at; null: it is not looked at, there were too many of everybody's. */
  passwordWaitMs(address: string, now: number): number | null {
    if (now - this.#passwords.since >= 60_000) this.#passwords = { since: now, count: 0 };
    if (++this.#passwords.count > PASSWORDS_PER_MINUTE) return null;
    const tries = this.#triesOf(address, now);
    const at = Math.max(now, tries.freeAt);
    tries.freeAt = at + spacingMs(tries.wrong);
    return at - now;
  }

  /** How long until the answer. */
  wrongPassword(address: string, now: number): number {
    const tries = this.#triesOf(address, now);
    tries.wrong++;
    const waitMs = spacingMs(tries.wrong);
    tries.freeAt = Math.max(tries.freeAt, now + waitMs);
    return Math.min(waitMs, 2_000); // The next one waits for the rest of it.
  }

  rightPassword(address: string): void {
    this.#tries.delete(neighbourhood(address));
  }

  #triesOf(address: string, now: number): Tries {
    const from = neighbourhood(address);
    const old = this.#tries.get(from);
    const tries =
      old === undefined || now - old.lastAt > FORGIVEN_AFTER_MS ? { wrong: 0, freeAt: now, lastAt: now } : old;
    tries.lastAt = now;
    this.#tries.delete(from); // It is the newest now.
    this.#tries.set(from, tries);
    if (this.#tries.size > MOST_ADDRESSES) this.#tries.delete(this.#tries.keys().next().value!);
    return tries;
  }

  #oldestOfTheMost(): number | null {
    const counts = new Map<string, number>();
    for (const from of this.#strangers.values()) counts.set(from, (counts.get(from) ?? 0) + 1);
    const most = Math.max(...counts.values());
    for (const [id, from] of this.#strangers) if (counts.get(from) === most) return id;
    return null;
  }
}

function spacingMs(wrong: number): number {
  return wrong === 0 ? 0 : Math.min(FIRST_WAIT_MS * 2 ** (wrong - 1), LONGEST_WAIT_MS);
}
