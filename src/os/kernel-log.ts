/**
 * What the kernel said about the end of a process: its log (/dev/kmsg, see dev-kmsg in the kernel's documentation), read
 * without waiting, where we may read it at all.
 */
import { closeSync, constants, openSync, readSync } from "node:fs";

export interface KernelRecord {
  /** Milliseconds on the same clock as CLOCK_MONOTONIC, but for times the machine slept. */
  readonly at: number;
  readonly text: string;
}

export interface Ended {
  /** null: not known any more. */
  readonly pid: number | null;
  /** Milliseconds of CLOCK_MONOTONIC. */
  readonly startedAt: number;
  readonly endedAt: number;
  readonly crashed: boolean;
}

/** Sentences, in the order in which the kernel said it. */
export function kernelFacts(ended: Ended, records: readonly KernelRecord[] = readKernelLog()): string[] {
  const facts: string[] = [];
  for (const { at, text } of records) {
    // The two clocks drift apart by some milliseconds, and a kill takes its time.
    if (at < ended.startedAt - 1_000 || at > ended.endedAt + 2_000) continue;
    const isAboutTheEnd = at > ended.endedAt - 5_000;
    const fact = outOfMemory(text, ended.pid) ?? (isAboutTheEnd ? (crash(text, ended) ?? gpu(text)) : null);
    if (fact !== null && !facts.includes(fact)) facts.push(fact);
  }
  return facts.slice(-MOST_FACTS);
}

const MOST_FACTS = 5;

/** "Out of memory: Killed process 4121 (python3) total-vm:9000000kB, anon-rss:8000000kB, …", of a cgroup likewise. */
function outOfMemory(text: string, own: number | null): string | null {
  const match = /(Memory cgroup out|Out) of memory: Killed process (\d+) \((.*?)\).*?anon-rss:(\d+)kB/i.exec(text);
  if (match === null) return null;
  const [, where, pid, program, kilobytes] = match;
  const whose = Number(pid) === own ? "it" : `pid ${pid} (${program})`;
  const why = where?.startsWith("Memory cgroup") ? "its memory cgroup was full" : "the machine had no memory left";
  return `the kernel's OOM killer ended ${whose}, which held ${size(Number(kilobytes))}: ${why}`;
}

function size(kilobytes: number): string {
  const gigabytes = kilobytes / 1024 ** 2;
  return gigabytes >= 1 ? `${gigabytes.toFixed(1)} GiB` : `${Math.round(kilobytes / 1024)} MiB`;
}

/** "python3[4121]: segfault at 0 ip 00007f… error 4 in libtorch.so[7f…]", "traps: x[4121] trap invalid opcode ip:…" */
function crash(text: string, { pid, crashed }: Ended): string | null {
  const match = /\S+\[(\d+)\]:? (segfault|general protection(?: fault)?|trap [a-z ]+?) (?:at |ip:)/.exec(text);
  if (match === null || (pid === null ? !crashed : Number(match[1]) !== pid)) return null;
  const library = / in ([^\s[]+)\[/.exec(text)?.[1];
  return `the kernel says: ${match[2]}${library === undefined ? "" : ` in ${library}`} (pid ${match[1]})`;
}

/** "NVRM: Xid (PCI:0000:65:00): 79, pid=4121, name=python3, GPU has fallen off the bus." */
function gpu(text: string): string | null {
  const match = /NVRM: Xid \(PCI:([0-9a-f:.]+)\): (\d+)(.*)$/i.exec(text);
  return match === null
    ? null
    : `the NVIDIA driver reported Xid ${match[2]} for GPU ${match[1]}${(match[3] ?? "").replace(/\.$/, "")}`;
}

/** All of it is a few hundred kilobytes at most; these bound a kernel that talks faster than we read. */
const MOST_RECORDS = 20_000;
const LONGEST_MS = 50;
const LONGEST_RECORD = 8192;

/** Empty where we may not read it: then there is simply less to tell. */
export function readKernelLog(): KernelRecord[] {
  let fd: number;
  try {
    fd = openSync("/dev/kmsg", constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return [];
  }
  const records: KernelRecord[] = [];
  const buffer = Buffer.alloc(LONGEST_RECORD);
  const until = performance.now() + LONGEST_MS;
  try {
    while (records.length < MOST_RECORDS && performance.now() < until) {
      const record = nextRecord(fd, buffer);
      if (record === "end") break;
      if (record !== "overwritten") records.push(record);
    }
  } finally {
    closeSync(fd);
  }
  return records;
}

function nextRecord(fd: number, buffer: Buffer): KernelRecord | "overwritten" | "end" {
  try {
    const length = readSync(fd, buffer, 0, buffer.length, null);
    return length === 0 ? "end" : parseRecord(buffer.toString("utf8", 0, length));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPIPE" ? "overwritten" : "end"; // EAGAIN: that was all.
  }
}

/** `PRIORITY,NUMBER,MICROSECONDS,FLAGS[,…];TEXT`, then lines with details that begin with a blank. */
export function parseRecord(record: string): KernelRecord {
  const semicolon = record.indexOf(";");
  const [, , microseconds] = record.slice(0, semicolon).split(",");
  const [text = ""] = record.slice(semicolon + 1).split("\n", 1);
  return { at: Number(microseconds) / 1000, text };
}
