/**
 * Addresses of clients, and the patterns of `from="…"` that they are held against, as OpenSSH's `sshd` reads them: separated by
 * commas, `*` and `?` for any characters, networks like 10.0.0.0/8, `!` in front of what must not match. Names of machines are
 * never looked up, because whoever owns an address decides what its name is; so a pattern that is a name is a mistake.
 */
import { BlockList, isIP } from "node:net";

export interface AddressPattern {
  readonly isNegated: boolean;
  matches(address: string): boolean;
}

/** Throws with a sentence for whoever wrote it. */
export function addressPatterns(text: string): readonly AddressPattern[] {
  return text.split(",").map((written) => {
    const isNegated = written.startsWith("!");
    const pattern = isNegated ? written.slice(1) : written;
    return { isNegated, matches: matcherOf(pattern) };
  });
}

/** One that matches is needed, and none with `!` may. */
export function isFrom(patterns: readonly AddressPattern[], address: string): boolean {
  const matching = patterns.filter((pattern) => pattern.matches(address));
  return matching.length > 0 && matching.every(({ isNegated }) => !isNegated);
}

/** An IPv4 client of a socket that serves both families is called `::ffff:10.0.0.1` by the kernel. */
export function plainAddress(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address.replace(/%.*$/, "").toLowerCase();
}

/** What one client is likely to have all of: an IPv4 address, or the 64 bits in front that name a network of IPv6. */
export function neighbourhood(address: string): string {
  if (isIP(address) !== 6) return address;
  const [front = "", back] = address.split("::");
  const groups = front === "" ? [] : front.split(":");
  if (back !== undefined) {
    const after = back === "" ? 0 : back.split(":").length;
    while (groups.length < 8 - after) groups.push("0");
  }
  return `${groups.slice(0, 4).join(":")}::/64`;
}

function matcherOf(pattern: string): (address: string) => boolean {
  if (pattern === "*") return () => true;
  const [net = "", bits, ...more] = pattern.split("/");
  const family = isIP(net);
  if (bits !== undefined) {
    const most = family === 4 ? 32 : 128;
    if (family === 0 || more.length > 0 || !/^\d{1,3}$/.test(bits) || Number(bits) > most)
      throw new Error(`\`${pattern}\` is no network like 10.0.0.0/8 or fd00::/8`);
    return inside(net, Number(bits), family);
  }
  if (family !== 0) return inside(net, family === 4 ? 32 : 128, family);
  // Only what an address can consist of: a name would never match, and `restrict` by it would look as if it did something.
  if (!/^[\d.*?]+$|^[\da-fA-F:*?]+$/.test(pattern) || !/[*?]/.test(pattern))
    throw new Error(
      `\`${pattern}\` is no address, and names are not looked up: write it like 10.1.2.3, 10.1.*, 10.0.0.0/8 or fd00::/8`,
    );
  return (address) => isLike(pattern.toLowerCase(), address);
}

function inside(net: string, bits: number, family: number): (address: string) => boolean {
  const name = (of: number) => (of === 4 ? "ipv4" : "ipv6");
  const list = new BlockList();
  list.addSubnet(net, bits, name(family));
  return (address) => isIP(address) === family && list.check(address, name(family));
}

/** Without a regular expression: `*` many times over could keep one busy. */
function isLike(pattern: string, text: string): boolean {
  let p = 0;
  let star = -1;
  let from = 0;
  for (let t = 0; t < text.length; ) {
    if (pattern[p] === "*") {
      star = p++;
      from = t;
    } else if (pattern[p] === "?" || pattern[p] === text[t]) {
      p++;
      t++;
    } else if (star >= 0) {
      p = star + 1;
      t = ++from;
    } else return false;
  }
  while (pattern[p] === "*") p++;
  return p === pattern.length;
}
