/**
 * Where the core dump of a process went, by the kernel's own rule (core(5), core_pattern).
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, isAbsolute, join } from "node:path";

export interface Crashed {
  readonly signal: string;
  /** null: not known any more. */
  readonly pid: number | null;
  /** Where the process ran, absolute; null: not known. */
  readonly cwd: string | null;
  /** Unix milliseconds. */
  readonly endedAt: number;
}

/** Signals whose default action is to dump core, see signal(7). */
const DUMPING: ReadonlySet<string> = new Set([
  "SIGQUIT",
  "SIGILL",
  "SIGABRT",
  "SIGFPE",
  "SIGSEGV",
  "SIGBUS",
  "SIGSYS",
  "SIGTRAP",
  "SIGXCPU",
  "SIGXFSZ",
]);
/** Writing tens of gigabytes takes a while. */
const WRITTEN_WITHIN_MS = 120_000;

export function dumpsCore(signal: string): boolean {
  return DUMPING.has(signal);
}

/** A sentence, or null: no dump was found. */
export function coreDumpFact(crashed: Crashed, rules = coreRules()): string | null {
  if (!dumpsCore(crashed.signal)) return null;
  const { pattern } = rules;
  if (pattern.startsWith("|")) return handled(pattern.slice(1), crashed);
  if (pattern === "" || (!isAbsolute(pattern) && crashed.cwd === null)) return null;
  const path = isAbsolute(pattern) ? pattern : join(crashed.cwd as string, pattern);
  const found = newestDump(path, rules.appendsPid, crashed);
  return found === null ? null : `core dumped: ${found.path} (${Math.max(1, Math.round(found.bytes / 1024 ** 2))} MiB)`;
}

export interface CoreRules {
  readonly pattern: string;
  /** core_uses_pid: `.PID` is added to a pattern that does not name the pid itself. */
  readonly appendsPid: boolean;
}

function coreRules(): CoreRules {
  const setting = (name: string): string => {
    try {
      return readFileSync(`/proc/sys/kernel/${name}`, "utf8").trim();
    } catch {
      return "";
    }
  };
  const pattern = setting("core_pattern");
  return { pattern, appendsPid: setting("core_uses_pid") === "1" && !pattern.includes("%p") };
}

function handled(command: string, { pid }: Crashed): string {
  const program = command.trim().split(" ", 1)[0] as string;
  if (program.endsWith("systemd-coredump"))
    return `if it dumped core, systemd has it: coredumpctl info ${pid ?? ""}`.trimEnd();
  return `if it dumped core, the kernel gave it to ${program}`;
}

function newestDump(
  path: string,
  appendsPid: boolean,
  { pid, endedAt }: Crashed,
): { path: string; bytes: number } | null {
  const name = new RegExp(`^${namePattern(basename(path), pid)}${appendsPid ? `\\.${pid ?? "\\d+"}` : ""}$`);
  const directory = dirname(path);
  let newest: { path: string; bytes: number; at: number } | null = null;
  for (const entry of entriesOf(directory)) {
    if (!name.test(entry)) continue;
    const stat = statSync(join(directory, entry), { throwIfNoEntry: false });
    if (stat === undefined || !stat.isFile() || stat.size === 0) continue;
    if (Math.abs(stat.mtimeMs - endedAt) > WRITTEN_WITHIN_MS) continue;
    if (newest === null || stat.mtimeMs > newest.at)
      newest = { path: join(directory, entry), bytes: stat.size, at: stat.mtimeMs };
  }
  return newest;
}

/** `%p` is the pid; what the others stand for (time, host, program …) is not asked. */
function namePattern(template: string, pid: number | null): string {
  return template.replace(/%.|[\\^$.*+?()[\]{}|]/g, (special) => {
    if (special === "%%") return "%";
    if (special === "%p" && pid !== null) return String(pid);
    return special.startsWith("%") && special.length === 2 ? ".*" : `\\${special}`;
  });
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}
