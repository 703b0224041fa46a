import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Facts, unmet } from "./condition.ts";
import type { Condition } from "./plan.ts";

const facts: Facts = {
  env: { MODEL: "m", EMPTY: "", DIR: "/data", YES: "True", APPS: "a:1|Jupyter:18080|b:2", PORT: "22" },
  hasCommand: (name) => name === "sh",
  fileExists: (path) => path === "/data/x",
  textOf: (path) => (path === "/data/x" ? "#!/bin/sh\n  # tmux\nexec Jupyter Lab\n" : ""),
  isListening: (port) => port === 22,
  isRunning: (program) => program === "cron",
  user: () => "alice",
};

const env = (name: string): Condition => ({ kind: "env", name });
const command = (program: string): Condition => ({ kind: "command", program });
const file = (path: string): Condition => ({ kind: "file", path });
const value = (name: string, text: string): Condition => ({ kind: "value", name, value: text });
const mention = (path: string, text: string): Condition => ({ kind: "mention", path, text });
const port = (written: string): Condition => ({ kind: "port", port: written });
const running = (program: string): Condition => ({ kind: "process", program });
const user = (name: string): Condition => ({ kind: "user", name });
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
    [value("YES", "true"), null],
    [value("MODEL", "true"), "MODEL is not true"],
    [value("NONE", "true"), "NONE is not set"],
    [value("APPS", "*jupyter*"), null],
    [value("APPS", "*jupyter"), "APPS does not match *jupyter"],
    [value("EMPTY", ""), null],
    [value("DIR", "${DIR}"), null],
    [not(value("YES", "true")), "YES is true"],
    [not(value("APPS", "a*")), "APPS matches a*"],
    [mention("${DIR}/x", "jupyter"), null],
    [mention("/data/x", "jup*lab"), null],
    [mention("/data/x", "tmux"), "/data/x does not mention tmux"],
    [mention("/data/x", "ssh"), "/data/x does not mention ssh"],
    [mention("/y", "jupyter"), "/y does not exist"],
    [not(mention("/data/x", "jupyter")), "/data/x mentions jupyter"],
    [not(mention("/y", "jupyter")), null],
    [port("22"), null],
    [port("${PORT:-80}"), null],
    [port("80"), "nobody listens on port 80"],
    [port("${MODEL}"), "${MODEL} is m, which is no port"],
    [not(port("22")), "port 22 is in use"],
    [running("cron"), null],
    [running("sshd"), "no process `sshd` is running"],
    [not(running("cron")), "a process `cron` is running"],
    [user("alice"), null],
    [user("root"), "svcd runs as alice, not as root"],
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
      fc.constantFrom(value("YES", "true"), value("NONE", "*"), mention("/data/x", "jupyter"), mention("/y", "x")),
      fc.constantFrom(port("22"), port("80"), port("x"), running("cron"), running("x"), user("root"), user("alice")),
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

test("a value's * is any characters, at any place, and nothing else has a meaning", () => {
  const holds = (pattern: string, text: string) => unmet(value("V", pattern), { ...facts, env: { V: text } }) === null;
  for (const [pattern, text, expected] of [
    ["*", "", true],
    ["a*", "A", true],
    ["a*b*c", "a-b-b-c", true],
    ["a*b*c", "a-c-b", false],
    ["aa*aa", "aaa", false],
    ["*a*a*", "a", false],
    ["a.c", "abc", false],
    ["[a]", "[a]", true],
    ["**x**", "axb", true],
    ["x", "xx", false],
  ] as const) {
    assert.equal(holds(pattern, text), expected, `${pattern} for ${text}`);
  }
  // Against an oracle: the same as a regular expression.
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("a", "b", "*") }),
      fc.string({ unit: fc.constantFrom("a", "b") }),
      (pattern, text) => {
        assert.equal(holds(pattern, text), new RegExp(`^${pattern.replaceAll("*", ".*")}$`).test(text));
      },
    ),
  );
});

test("what is not needed for the answer is not asked of the machine", () => {
  const asks: Facts = { ...facts, isListening: () => assert.fail("asked"), isRunning: () => assert.fail("asked") };
  assert.equal(unmet(all(env("NONE"), port("22"), running("cron")), asks), "NONE is not set");
  assert.equal(unmet(any(env("MODEL"), port("22")), asks), null);
});
