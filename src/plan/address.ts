/** Where a program answers: `host:port`, `[::1]:port` or a port of this machine. */
import { bad, good, quoted, type Reading } from "./flaw.ts";

export interface Address {
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

export function parseAddress(written: string): Reading<Address> {
  const match = /^(?:(?:\[([0-9A-Fa-f:.]+)\]|([^\s:[\]]+)):)?(\d{1,5})$/.exec(written.trim());
  const port = Number(match?.[3]);
  if (match === null || port < 1 || port > 65535)
    return bad(
      `${quoted(written)} is not an address`,
      "write a port (8000), or host:port (127.0.0.1:8000, [::1]:8000)",
    );
  return good({ host: match[1] ?? match[2] ?? "127.0.0.1", port });
}

export function parsePort(written: string): Reading<number> {
  const port = /^\d{1,5}$/.test(written.trim()) ? Number(written) : Number.NaN;
  return port >= 1 && port <= 65535
    ? good(port)
    : bad(`${quoted(written)} is not a port`, "write a number from 1 to 65535");
}
