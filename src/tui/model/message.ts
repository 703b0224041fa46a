/** What can happen to the model: the person, svcd, and time. */
import type {
  ActionResult,
  DaemonEvent,
  ExposedRoute,
  HealthReport,
  IdleOverview,
  JobStatus,
  JobWhyReport,
  MachineReport,
  PlanReport,
  RunRecord,
  RunStart,
  ServiceDetail,
  ServiceStatus,
  UsageReport,
  WhyReport,
} from "../../control/daemon.ts";
import type { Deed } from "./command.ts";
import type { Draft, Gpus } from "./model.ts";

export interface Mouse {
  readonly what: "press" | "release" | "drag" | "wheel up" | "wheel down";
  /** From 0. */
  readonly row: number;
  readonly column: number;
}

export type Message =
  /** As `key-reader.ts` names it. */
  | { readonly type: "key"; readonly key: string }
  | { readonly type: "paste"; readonly text: string }
  | ({ readonly type: "mouse" } & Mouse)
  | { readonly type: "resize"; readonly columns: number; readonly rows: number }
  | { readonly type: "tick" }
  | { readonly type: "connection"; readonly isThere: boolean }
  | {
      readonly type: "everything";
      readonly health: HealthReport;
      readonly services: readonly ServiceStatus[];
      readonly jobs: readonly JobStatus[];
      readonly mistakes: number;
      readonly troubles: number;
    }
  | { readonly type: "sample"; readonly machine: MachineReport | null; readonly usage: UsageReport | null }
  | { readonly type: "gpus"; readonly gpus: Gpus }
  | { readonly type: "idle"; readonly idle: IdleOverview }
  | { readonly type: "routes"; readonly routes: readonly ExposedRoute[] }
  | { readonly type: "event"; readonly id: string; readonly event: DaemonEvent }
  /** Events of before we came. */
  | { readonly type: "past"; readonly events: readonly { readonly id: string; readonly event: DaemonEvent }[] }
  | { readonly type: "detail"; readonly detail: ServiceDetail }
  | { readonly type: "why"; readonly why: WhyReport }
  | { readonly type: "job why"; readonly why: JobWhyReport }
  | { readonly type: "job detail"; readonly name: string; readonly definition: unknown }
  | { readonly type: "history"; readonly name: string; readonly records: readonly RunRecord[] }
  | { readonly type: "runs"; readonly name: string; readonly starts: readonly RunStart[] }
  | {
      readonly type: "output";
      readonly key: string;
      readonly text: string;
      readonly position: number;
      readonly isNew: boolean;
    }
  | { readonly type: "log over"; readonly key: string; readonly flaw: string | null }
  | { readonly type: "done"; readonly deed: Deed; readonly results: readonly ActionResult[] }
  | { readonly type: "failed"; readonly what: string; readonly names: readonly string[] }
  | { readonly type: "drafted"; readonly draft: Draft }
  | { readonly type: "installed"; readonly subject: string; readonly report: PlanReport }
  | { readonly type: "notice"; readonly text: string; readonly weight: "good" | "bad" | "quiet" };
