/**
 * `phases:`, `stall:` and `smoke:`: how a start is watched and what it must answer well before it counts as ready. Recipes
 * are put in here, so that nobody behind the plan knows them by name.
 */
import { recipe } from "../phase/recipes.ts";
import type { PhaseRule } from "../phase/rule.ts";
import type { Policy } from "../service/policy.ts";
import { listed } from "./flaw.ts";
import type { Service } from "./plan.ts";
import type { WrittenService } from "./schema.ts";
import type { Complain } from "./service-of.ts";

const DEFAULT_STALL_MS = 10 * 60_000;
/** The first question warms a model up. */
const DEFAULT_SMOKE_MS = 30_000;

/** A pair that any reranker tells apart, and a comparison of words too. */
const QUERY = "What is the capital of France?";
const MATCHING = "The capital of France is Paris.";
const UNRELATED = "Bananas are rich in potassium and grow in bunches.";

export function phasesOf(keys: WrittenService, complain: Complain): Pick<Service, "phases"> {
  const written = keys.phases;
  if (written === undefined) return {};
  if (keys.healthcheck === undefined)
    complain(
      ["phases"],
      " are what a start goes through, and without `healthcheck:` it is over after `startsecs`",
      "add `healthcheck:`, which says when it is ready",
      "key",
    );
  if (keys.logs === "none")
    complain(["phases"], " are read from the output, which `logs: none` discards", "remove `logs: none`", "key");
  if (typeof written === "string") return { phases: recipe(written) };
  const phases = written.flatMap((one, index): readonly PhaseRule[] => {
    if (typeof one === "string") return recipe(one);
    const { name, match = null, growth = null, stall = null } = one;
    if ((match === null) === (growth === null))
      complain(
        ["phases", index],
        match === null
          ? ": it says not how the phase is recognised"
          : ": `match` and `growth` are given, and one decides",
        match === null
          ? "add `match:`, a regular expression, or `growth:`, a folder"
          : "make two rules of it with one name",
      );
    return [{ name, match, growth, stallMs: stall }];
  });
  return { phases };
}

export function stallOf({ phases, stall }: WrittenService, complain: Complain): Pick<Policy, "stallMs"> {
  if (phases !== undefined) return { stallMs: stall ?? DEFAULT_STALL_MS };
  if (stall !== undefined)
    complain(
      ["stall"],
      ": nothing tells whether a start moves on",
      "add `phases:`, or use `healthcheck: { start_period: … }`",
      "key",
    );
  return {};
}

export function smokeTimeoutOf(written: NonNullable<WrittenService["smoke"]>): number {
  return (typeof written === "string" ? undefined : written.timeout) ?? DEFAULT_SMOKE_MS;
}

export function smokeOf(keys: WrittenService, complain: Complain): Pick<Service, "smoke"> {
  const written = typeof keys.smoke === "string" ? { score: {} } : keys.smoke;
  if (written === undefined) return {};
  if (keys.healthcheck === undefined)
    complain(["smoke"], " is asked once `healthcheck:` passes, and there is none", "add `healthcheck:`", "key");
  const { score, http } = written;
  if ((score === undefined) === (http === undefined))
    complain(
      ["smoke"],
      score === undefined ? " does not say what to ask" : `: ${listed(["score", "http"])} are given, and one decides`,
      score === undefined ? "write `smoke: score`, or `smoke: { http: { url: … } }`" : "keep one of them",
      "key",
    );
  if (http !== undefined) {
    const body = http.body ?? null;
    const method = http.method ?? (body === null ? "GET" : "POST");
    return { smoke: { kind: "http", url: http.url, method, body, expect: http.expect ?? null } };
  }
  if (score?.url === undefined && keys.healthcheck !== undefined && keys.healthcheck.http === undefined)
    complain(
      ["smoke"],
      " asks the server of `healthcheck: { http: … }`, and there is none",
      "write `smoke: { score: { url: … } }`",
      "key",
    );
  const { url = null, query = QUERY, matching = MATCHING, unrelated = UNRELATED } = score ?? {};
  return { smoke: { kind: "score", url, query, matching, unrelated } };
}
