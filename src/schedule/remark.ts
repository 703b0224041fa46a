/**
 * What is legal and probably not meant: a schedule that cron reads in another way than people do. It never changes what
 * runs; whoever knows the file adds line and column.
 */
import type { Flaw } from "../plan/flaw.ts";

export interface Remark extends Flaw {
  /** A word for each kind, for filters and tests. */
  readonly rule: Rule;
  /** Characters from the start of the expression. */
  readonly at: number;
}

export type Rule =
  /** Characters of a field that cron does not look at. */
  | "ignored-text"
  /** A range from a higher to a lower value, which is empty. */
  | "empty-range"
  | "never"
  /** A day of the month or a weekday, where both may have been meant. */
  | "either-day"
  | "step-beyond-field"
  /** It is due at a time that a change of the clocks skips or repeats. */
  | "clock-change"
  | "boot";
