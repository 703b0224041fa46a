import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { EMPTY_PLAN, FakeDaemon } from "./fake-daemon.ts";
import { Refusal } from "./refusal.ts";
import { validated } from "./validate.ts";
import * as wire from "./wire.ts";

test("what a daemon says fits the definitions that OpenAPI is made from", async () => {
  const daemon = new FakeDaemon("web");
  const answers: readonly (readonly [v.GenericSchema, unknown])[] = [
    [wire.HealthReport, daemon.health()],
    [wire.ServiceList, daemon.services()],
    [wire.ServiceDetail, daemon.service("web")],
    [wire.WhyReport, await daemon.why("web")],
    [wire.ActionResults, daemon.act("start", ["web"])],
    [wire.PlanReport, EMPTY_PLAN],
    [wire.DaemonEvent, daemon.say("hello").event],
    [wire.Failure, new Refusal(400, "a", "b", "c").body("d")],
  ];
  for (const [schema, answer] of answers) assert.deepEqual(v.parse(schema, answer), answer);
});

function refusal(schema: v.GenericSchema, value: unknown): string {
  try {
    validated(schema, value, "field");
  } catch (error) {
    assert.ok(error instanceof Refusal);
    return `${error.status}: ${error.what}; ${error.fix}`;
  }
  return "accepted";
}

test("a request that does not fit is refused in words that help", () => {
  const says = (schema: v.GenericSchema, value: unknown, words: string): void =>
    assert.equal(refusal(schema, value), words);
  says(wire.SignalBody, { signal: "HUP" }, "accepted");
  says(wire.SignalBody, {}, "400: the field `signal` is missing; add it");
  says(wire.SignalBody, { signal: true }, "400: `signal` is true; write string or number");
  says(wire.SignalBody, { singal: 1, signal: 1 }, "400: unknown field `singal`; did you mean `signal`?");
  says(wire.NoBody, { a: 1 }, "400: unknown field `a`; leave it out: no field is known here");
  says(wire.ApplyBody, [1], "400: the body is a list, not an object; write an object, such as {}, or no body");
  says(wire.ApplyBody, 5, "400: the body is not a JSON object; write an object, such as {}, or no body");
  says(wire.ApplyBody, { names: ["a", 3] }, "400: `names.1` is 3; write string");
  says(wire.LogsQuery, { lines: "-1" }, '400: `lines` is "-1"; write a whole number from 0 to 9999999');
  says(wire.LogsQuery, { stream: "both" }, '400: `stream` is "both"; write "stdout" or "stderr"');
});
