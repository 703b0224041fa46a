/**
 * The answer to "why is it so?", as a page that a person reads at night: what is so, how it came, what comes next, what
 * to do. Every fact in it was found by svcd; this file only sets it.
 */
import type { WhyReport } from "../control/daemon.ts";
import { colourOf, type Ink, signOf } from "./colour.ts";
import { plain } from "./text.ts";
import { localTime, sinceThen, span } from "./time.ts";

/**
 *     web: BACKOFF for 3s, since 2026-11-22 21:37:05
 *       why:   exit 1
 *       next:  will be started again in 4s
 *     …
 */
export function whyPage(report: WhyReport, ink: Ink, now: Date): string[] {
  const { status, lastEnd, waitsFor, changedSinceGood } = report;
  const sign = ink.on ? `${signOf(status.state)} ` : "";
  const state = ink.paint(colourOf(status.state), `${sign}${status.state}`);
  const pid = status.pid === null ? "" : `, pid ${status.pid}`;
  const lines = [
    `${ink.paint("bold", plain(status.name))}: ${state} for ${sinceThen(status.since, now)}, since ${localTime(status.since)}${pid}`,
  ];
  if (status.description !== "") lines.push(`  ${plain(status.description)}`);
  lines.push(`  why:   ${plain(status.why)}`);
  if (status.phase !== null) {
    const left = status.progress?.left ?? null;
    lines.push(`  phase: ${plain(status.phase)}${left === null ? "" : `, ${left}`}`);
  }
  if (status.health !== null) lines.push(`  check: ${status.health}`);
  lines.push(`  next:  ${plain(report.next)}`);
  lines.push(`  file:  ${plain(status.file.path)}:${status.file.line}`);
  if (status.file.note !== null) lines.push(`         ${ink.paint("yellow", plain(status.file.note))}`);
  if (status.restarts > 0) lines.push(`  restarted ${times(status.restarts)} by svcd since a person last started it`);
  if (!status.enabled) lines.push(`  disabled on this machine (svctl enable ${plain(status.name)})`);
  if (lastEnd !== null) {
    const upFor = `up for ${span(lastEnd.upMs)}`;
    lines.push("", `The last run that ended (number ${lastEnd.run}): ${ink.paint("bold", plain(lastEnd.how))}`);
    lines.push(`  at ${localTime(lastEnd.at)}, ${upFor}`);
    lines.push(...lastEnd.evidence.map((fact) => `  ${plain(fact)}`));
  }
  lines.push(...section("Waits for", waitsFor));
  lines.push(...section("Idle", report.idle));
  lines.push(...section("Changed since the last run that was well", changedSinceGood));
  if (report.lastLines.length > 0) lines.push("", "Last lines of output", ...quoted(report.lastLines, ink));
  lines.push(...section("What you can do", report.advice));
  return lines;
}

/** The short form, below a line that has said what failed. */
export function explanation(report: WhyReport, ink: Ink): string[] {
  const { status, lastEnd, waitsFor, lastLines, advice } = report;
  const lines = [`${plain(status.name)} is ${ink.paint(colourOf(status.state), status.state)}: ${plain(status.why)}`];
  if (lastEnd !== null) {
    lines.push(`  ended: ${plain(lastEnd.how)}, after ${span(lastEnd.upMs)}`);
    lines.push(...lastEnd.evidence.map((fact) => `         ${plain(fact)}`));
  }
  if (waitsFor.length > 0) lines.push(`  waits for: ${waitsFor.map(plain).join("; ")}`);
  if (lastLines.length > 0) lines.push("  last lines of output:", ...quoted(lastLines.slice(-10), ink));
  lines.push(`  next:  ${plain(report.next)}`);
  lines.push(...advice.slice(0, 3).map((what, index) => `  ${index === 0 ? "do:   " : "      "} ${plain(what)}`));
  lines.push(`  more:  svctl why ${plain(status.name)}`);
  return lines;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", title, ...lines.map((line) => `  ${plain(line)}`)];
}

function quoted(lines: readonly string[], ink: Ink): string[] {
  return lines.map((line) => `  ${ink.paint("grey", "|")} ${plain(line)}`);
}

function times(count: number): string {
  return count === 1 ? "once" : `${count} times`;
}
