/** How a run ended, in one sign, one colour and one exit code. */
import type { RunRecord, RunResult } from "../control/daemon.ts";
import type { Colour } from "./colour.ts";
import { EXIT } from "./failure.ts";
import { plain } from "./text.ts";
import { localTime, span } from "./time.ts";

const LOOKS: Readonly<Record<RunResult, readonly [sign: string, colour: Colour]>> = {
  success: ["✓", "green"],
  failure: ["✗", "red"],
  timeout: ["✗", "red"],
  killed: ["✗", "yellow"],
  replaced: ["–", "grey"],
  skipped: ["–", "grey"],
  missed: ["–", "yellow"],
  unknown: ["?", "yellow"],
};

export function resultSign(result: RunResult): string {
  return LOOKS[result]?.[0] ?? "?";
}

export function resultColour(result: RunResult): Colour {
  return LOOKS[result]?.[1] ?? "grey";
}

/** A program that ends with a status that its job calls a success has not failed. */
export function exitCodeOf({ result, exit }: RunRecord): number {
  if (result === "success") return EXIT.done;
  const code = exit !== null && "code" in exit ? exit.code : 0;
  return code === 0 ? EXIT.failed : code;
}

/** How long its process ran; null: it had none. */
export function tookMs({ startedAt, endedAt }: RunRecord): number | null {
  return startedAt === null ? null : Math.max(0, Date.parse(endedAt) - Date.parse(startedAt));
}

/** `failure (exit 3) after 2s; the next attempt at 2026-11-22 12:05:00`. */
export function endInWords(record: RunRecord): string {
  const took = tookMs(record);
  const after = took === null ? "" : ` after ${shortSpan(took)}`;
  const retry = record.retryAt === null ? "" : `; the next attempt at ${localTime(record.retryAt)}`;
  return `${record.result} (${plain(record.why)})${after}${retry}`;
}

/** Most jobs are quick: below ten seconds the tenths say something. */
export function shortSpan(ms: number): string {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)}s` : span(ms);
}
