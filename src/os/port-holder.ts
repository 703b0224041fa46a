/**
 * Who listens on a TCP port of this machine: the kernel's table of sockets gives an inode, the file descriptors of all
 * processes say whose it is (proc(5)). Looking through all of /proc takes milliseconds, so this is for answering people.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface PortHolder {
  /** null: the port is taken, but by a process that we may not look into. */
  readonly pid: number | null;
  /** The program's name as the kernel keeps it (15 characters). */
  readonly program: string | null;
  /** The service of svcd that it belongs to. */
  readonly service: string | null;
}

/** Whether anybody does: one or two files are read, whoever it is. */
export function isListening(port: number): boolean {
  return ["/proc/net/tcp", "/proc/net/tcp6"].some((table) => listeningInodes(table, port).length > 0);
}

/** null: nobody listens there. */
export function portHolder(port: number): PortHolder | null {
  const inodes = new Set([...listeningInodes("/proc/net/tcp", port), ...listeningInodes("/proc/net/tcp6", port)]);
  if (inodes.size === 0) return null;
  const sockets = new Set([...inodes].map((inode) => `socket:[${inode}]`));
  for (const name of readdirSync("/proc")) {
    if (!(name >= "1" && name < ":") || !holdsOneOf(name, sockets)) continue;
    return { pid: Number(name), program: programOf(name), service: serviceOf(name) };
  }
  return { pid: null, program: null, service: null };
}

/** "service `api` (pid 4121, python3)", "pid 4121 (python3)", "a process of another user". */
export function describeHolder({ pid, program, service }: PortHolder): string {
  if (pid === null) return "a process of another user";
  if (service !== null) return `service \`${service}\` (pid ${pid}${program === null ? "" : `, ${program}`})`;
  return program === null ? `pid ${pid}` : `pid ${pid} (${program})`;
}

/** "service `api` (pid 4121, python3)", "pid 4121 (python3)"; null: it is gone. */
export function processName(pid: number): string | null {
  const program = programOf(String(pid));
  return program === null ? null : describeHolder({ pid, program, service: serviceOf(String(pid)) });
}

const LISTEN = "0A";

function listeningInodes(table: string, port: number): string[] {
  let text: string;
  try {
    text = readFileSync(table, "latin1");
  } catch {
    return []; // No IPv6 on this machine.
  }
  const portHex = port.toString(16).toUpperCase().padStart(4, "0");
  return text
    .split("\n")
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local, , state]) => state === LISTEN && local?.endsWith(`:${portHex}`))
    .map((fields) => fields[9] ?? "");
}

function holdsOneOf(pid: string, sockets: ReadonlySet<string>): boolean {
  let fds: string[];
  try {
    fds = readdirSync(`/proc/${pid}/fd`);
  } catch {
    return false;
  }
  return fds.some((fd) => {
    try {
      return sockets.has(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      return false; // Closed in this moment.
    }
  });
}

function programOf(pid: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
  } catch {
    return null;
  }
}

function serviceOf(pid: string): string | null {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    const mark = environment.find((entry) => entry.startsWith("SVCD_SERVICE="));
    return mark?.slice("SVCD_SERVICE=".length) ?? null;
  } catch {
    return null;
  }
}
