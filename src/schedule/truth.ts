/**
 * For tests: what Debian's cron 3.0pl1-162 does, measured on its own code and confirmed by a scan of every minute. The table
 * says itself how it was made.
 */
import table from "./debian-cron-truth.json" with { type: "json" };

export interface Truth {
  readonly cases: readonly {
    readonly id: string;
    readonly expr: string;
    readonly tz: string;
    readonly from: string;
    readonly next: readonly string[];
    readonly rule: string;
    /** How often Debian starts the job at each instant; without it, once. */
    readonly debianRuns?: readonly number[];
  }[];
  readonly reject: readonly { readonly expr: string; readonly why: string }[];
  /** `debianReads: null`: it never runs. */
  readonly silentlyWrong: readonly {
    readonly expr: string;
    readonly debianReads: string | null;
    readonly why: string;
  }[];
  readonly lines: readonly {
    readonly kind: "user" | "system";
    readonly line: string;
    readonly expr?: string;
    readonly user?: string;
    readonly command?: string;
    readonly stdin?: string;
    readonly ignored?: true;
    readonly error?: true;
    readonly env?: Readonly<Record<string, string>>;
    readonly note?: string;
  }[];
}

export const truth = table as Truth;
