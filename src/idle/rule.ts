/**
 * What an operator wrote about idleness: of a service (`idle:` in its file) and of the machine (`idle:` in svcd.yaml).
 */
import type { Hook, Template } from "../plan/plan.ts";

export interface IdleRule {
  /** So long nothing used it, and it is idle. */
  readonly afterMs: number;
  readonly action: { readonly do: "stop" } | { readonly do: "run"; readonly hook: Hook };
  /** Says only what it would do. */
  readonly dryRun: boolean;
  /** A page in Prometheus' format whose counters of requests are looked at; null: none. */
  readonly metrics: Template | null;
  /** A Jupyter server whose kernels and terminals count; null: none. */
  readonly jupyter: Template | null;
  /** Of a service: use of the GPUs that it has counts. Of the machine: of all. */
  readonly gpu: boolean;
}
