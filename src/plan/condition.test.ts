import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Facts, unmet } from "./condition.ts";
import type { Condition } from "./plan.ts";

const facts: Facts = {
  env: { MODEL: "m", EMPTY: "", DIR: "/data" },
  hasCommand: (name) => name === "sh",
  fileExists: (path) => path === "/data/x",
};

const env = (name: string): Condition => ({ kind: "env", name });
const command = (program: string): Condition => ({ kind: "command", program });
const file = (path: string): Condition => ({ kind: "file", path });
const not = (condition: Condition): Condition => ({ kind: "not", condition });
const all = (...conditions: Condition[]): Condition => ({ kind: "all", conditions });
const any = (...conditions: Condition[]): Condition => ({ kind: "any", conditions });

test("a condition that does not hold gives its reason in one short sentence", () => {
  const reasons: [Condition, string | null][] = [
    [env("MODEL"), null],
    [env("MODEL_NAME"), "MODEL_NAME is not set"],
    [env("EMPTY"), "EMPTY is empty"],
    [env("constructor"), "constructor is not set"],
    [command("sh"), null],
    [command("nvidia-smi"), "no program `nvidia-smi` on PATH"],
    [file("${DIR}/x"), null],
    [file("/etc/x"), "/etc/x does not exist"],
    [file("${NONE}"), "${NONE} names no file"],
    [file("${NONE:?name it}/x"), "NONE is not set: name it"],
    [not(env("MODEL")), "MODEL is set"],
    [not(command("sh")), "there is a program `sh` on PATH"],
    [not(file("/data/x")), "/data/x exists"],
    [not(env("NONE")), null],
    [not(not(env("NONE"))), "NONE is not set"],
    [all(env("MODEL"), command("sh")), null],
    [all(env("MODEL"), command("a"), env("NONE")), "no program `a` on PATH"],
    [any(env("NONE"), env("MODEL")), null],
    [any(env("NONE"), command("a")), "NONE is not set and no program `a` on PATH"],
    [not(any(env("NONE"), env("MODEL"))), "MODEL is set"],
    [not(all(env("MODEL"), command("sh"))), "MODEL is set and there is a program `sh` on PATH"],
    [not(all(env("MODEL"), env("NONE"))), null],
  ];
  for (const [condition, reason] of reasons) assert.equal(unmet(condition, facts), reason);
});

test("of a condition and its opposite exactly one holds", () => {
  const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
    condition: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom("MODEL", "EMPTY", "NONE").map(env),
      fc.constantFrom("sh", "a").map(command),
      fc.constantFrom("/data/x", "/y", "${DIR}/x", "${NONE}").map(file),
      tie("condition").map(not),
      fc.array(tie("condition"), { minLength: 1, maxLength: 3 }).map((list) => all(...list)),
      fc.array(tie("condition"), { minLength: 1, maxLength: 3 }).map((list) => any(...list)),
    ),
  }));
  fc.assert(
    fc.property(condition, (one) => {
      assert.notEqual(unmet(one, facts) === null, unmet(not(one), facts) === null);
      assert.equal(unmet(one, facts), unmet(not(not(one)), facts));
    }),
    { numRuns: 3000 },
  );
});
