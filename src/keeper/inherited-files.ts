/**
 * Files that whoever started svcd left open (a shell's lock, a pipe of a deploy script). No service may get them: it would
 * hold them for as long as it runs.
 */
import { closeSync, readdirSync, readFileSync } from "node:fs";

/** O_CLOEXEC as /proc/PID/fdinfo shows it, octal; the same on all architectures that Node runs on. */
const CLOSE_ON_EXEC = 0o2000000;

/** Everything but the standard three. What Node opened itself is close-on-exec, so whatever is not was inherited. */
export function closeInheritedFiles(): void {
  for (const fd of readdirSync("/proc/self/fd").map(Number)) {
    try {
      if (fd > 2 && !isCloseOnExec(fd)) closeSync(fd);
    } catch {
      // The one that the folder was read with: closed by now.
    }
  }
}

function isCloseOnExec(fd: number): boolean {
  const flags = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "latin1"))?.[1];
  return flags === undefined || (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) !== 0;
}
