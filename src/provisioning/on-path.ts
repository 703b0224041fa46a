/** Which file a command means, as the step that runs it will see it. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Step } from "./step.ts";

/** Where a program is on the PATH of a step; null: nowhere. */
export function onPath(name: string, env: Step["env"]): string | null {
  const folders = (env["PATH"] || "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").split(":");
  for (const folder of folders) {
    const path = join(folder || ".", name);
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat?.isFile() && (stat.mode & 0o111) !== 0) return path;
  }
  return null;
}
