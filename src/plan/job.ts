/**
 * A job, after reading: what runs (in the words of a service), when, and what is to be done when a due time, a start or an end
 * is not as it should be. Every default is filled in. Whether it was written in a crontab or in YAML matters only where
 * cron's own meaning is kept (`crontab`).
 */
import type { JobPolicy } from "../schedule/job.ts";
import type { OnMissed } from "../schedule/overdue.ts";
import type { Schedule } from "../schedule/schedule.ts";
import type { Hook, Service, Source } from "./plan.ts";

export interface JobDefinition {
  /** As `svctl` takes it: the stem of a YAML file or its key under `jobs:`; of a crontab line see `crontab-job.ts`. */
  readonly name: string;
  readonly source: Source;
  readonly description: string;
  /**
   * What it runs, where, as whom, with which environment, limits and logs, as the launcher understands it. Its name is the
   * job's; its policy of restarts and its check mean nothing. `enabled: false`: it runs only when somebody asks.
   */
  readonly service: Service;
  /** At least one. */
  readonly schedules: readonly { readonly expression: string; readonly schedule: Schedule }[];
  /** IANA name; the machine's own where nothing is said. */
  readonly timezone: string;
  readonly policy: JobPolicy;
  readonly onMissed: OnMissed;
  readonly missedWindowMs: number;
  readonly splayMs: number;
  /** One run at a time of all jobs with this word. */
  readonly lock: string | null;
  /** At most so many runs at a time of all jobs of the group. */
  readonly concurrency: { readonly group: string; readonly most: number } | null;
  /** While a dependency (`service.dependsOn`) is not as asked: wait for it (as long as `start_deadline`), or skip the run. */
  readonly whenBlocked: "wait" | "skip";
  readonly keep: { readonly successes: number; readonly failures: number; readonly forMs: number | null };
  readonly notify: readonly Notification[];
  readonly output: JobOutput;
  /** `env: clean`: nothing of svcd's own environment but PATH, HOME, LOGNAME, SHELL as cron sets them. */
  readonly cleanEnvironment: boolean;
  /** cron's own meaning, for a line of a crontab (its MAILTO is in `notify`); null: YAML. */
  readonly crontab: { readonly stdin: string } | null;
}

/** Of each run the first and the last bytes are kept; what lies between is counted and told. */
export interface JobOutput {
  readonly headBytes: number;
  readonly tailBytes: number;
}

export const NOTIFICATION_EVENTS = ["failure", "recovery", "success", "timeout", "skipped", "missed", "start"] as const;
export type NotificationEvent = (typeof NOTIFICATION_EVENTS)[number];

export interface Notification {
  /** A list and no set: a definition is kept in the core's journal, as JSON. */
  readonly on: readonly NotificationEvent[];
  readonly by:
    | Hook
    /** healthchecks.io: URL/start, URL on success, URL/fail with the end of the output. */
    | { readonly kind: "ping"; readonly url: string }
    /** By sendmail(8), MAILFROM and CONTENT_TYPE from the job's environment; `when: output`, and only if there is some, is cron's MAILTO. */
    | { readonly kind: "mail"; readonly to: string; readonly when: "event" | "output" };
}
