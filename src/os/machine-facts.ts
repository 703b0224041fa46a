/**
 * What `when:` asks of the machine besides files and programs. It is asked every two seconds while a service is SKIPPED, so
 * each answer costs a bounded read or a walk over the names in /proc, and nothing is kept.
 */
import { closeSync, constants, openSync, readdirSync, readFileSync, readSync } from "node:fs";

/** Of a log or a model that somebody names by mistake only the beginning is read. */
const LONGEST_FILE = 256 * 1024;

/** The beginning of a file; empty for what cannot be read. */
export function textOf(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK); // A pipe that nobody writes to would hold us up.
  } catch {
    return "";
  }
  try {
    const buffer = Buffer.allocUnsafe(LONGEST_FILE);
    const length = readSync(fd, buffer, 0, LONGEST_FILE, null);
    return buffer.toString("utf8", 0, length);
  } catch {
    return ""; // A folder.
  } finally {
    closeSync(fd);
  }
}

/** The kernel keeps 15 characters of the name. What has ended and is not yet reaped does not run. */
export function isRunning(program: string): boolean {
  const name = program.replace(/^.*\//, "").slice(0, 15);
  return readdirSync("/proc").some((entry) => {
    if (!(entry >= "1" && entry < ":")) return false;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "latin1");
      const end = stat.lastIndexOf(")");
      return stat.slice(stat.indexOf("(") + 1, end) === name && !/^ [ZX]/.test(stat.slice(end + 1));
    } catch {
      return false; // Gone meanwhile.
    }
  });
}
