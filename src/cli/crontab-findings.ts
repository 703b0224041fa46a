/** What is wrong or rarely meant in a crontab, as `lint`, `crontab` and `import` show it. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Crontab, CrontabWarning } from "../plan/crontab.ts";
import { lintCrontab, type Surroundings } from "../plan/crontab-lint.ts";
import { formatMistake, type Mistake } from "../plan/mistake.ts";
import { UTC, zoneNamed } from "../schedule/zone.ts";
import { type Call, type Screen, say } from "./call.ts";
import type { Ink } from "./colour.ts";

export interface Finding extends Mistake {
  readonly severity: "mistake" | "warning";
  readonly rule: string | null;
}

/** Mistakes first. */
export function findingsIn(crontab: Crontab, text: string, around: Surroundings): readonly Finding[] {
  return [...crontab.mistakes.map(asMistake), ...lintCrontab(crontab, text, around).map(asWarning)];
}

export function asMistake(mistake: Mistake): Finding {
  return { ...mistake, severity: "mistake", rule: null };
}

export function asWarning(warning: CrontabWarning): Finding {
  return { ...warning, severity: "warning" };
}

export function sayFinding(screen: Screen, ink: Ink, finding: Finding): void {
  const mark = finding.severity === "mistake" ? ink.paint("red", "mistake") : ink.paint("yellow", "warning");
  const rule = finding.rule === null ? "" : ` [${finding.rule}]`;
  say(screen, `${mark}: ${formatMistake({ ...finding, what: `${finding.what}${rule}` })}\n`);
}

export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

/** `machine`: what stands for `/`, without a slash at its end. */
export function surroundings(call: Call, machine = ""): Surroundings {
  const users = usersOf(`${machine}/etc/passwd`);
  return {
    now: call.world.now().getTime(),
    zone: zoneNamed(new Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC") ?? UTC,
    isUser: (name) => (users === null ? null : users.has(name)),
    isInCronsPath: (program) => ["/usr/bin", "/bin"].some((path) => existsSync(join(`${machine}${path}`, program))),
  };
}

function usersOf(path: string): Set<string> | null {
  try {
    return new Set(
      readFileSync(path, "utf8")
        .split("\n")
        .map((line) => line.split(":")[0]!),
    );
  } catch {
    return null;
  }
}
