import assert from "node:assert/strict";
import { test } from "node:test";
import { passes } from "./items.ts";
import { Staged, service } from "./staged.ts";

const item = { name: "vllm-scoring", state: "RUNNING", groups: ["gpu", "vllm"], text: "Scoring API" };

test("a filter is letters in their order, a part of the description, or what it looks at by name", () => {
  const cases: readonly [string, boolean][] = [
    ["", true],
    ["vllm", true],
    ["vsc", true],
    ["VLLM", true],
    ["csv", false],
    ["scoring api", true],
    ["!vllm", false],
    ["!portal", true],
    ["state:run", true],
    [":run", true],
    ["state:fatal", false],
    ["!state:fatal", true],
    ["ns:gpu", true],
    ["ns:web", false],
    ["vllm !api", false],
    ["!", true],
  ];
  for (const [filter, expected] of cases) assert.equal(passes(filter, item), expected, filter);
});

test("sorted by state the worst is first; the same key again turns it round", () => {
  const screen = new Staged([
    service("calm"),
    service("dead", { state: "FATAL", pid: null }),
    service("ill", { health: "unhealthy" }),
    service("off", { state: "STOPPED", pid: null }),
  ]);
  const order = (): string[] => [...screen.screen().matchAll(/^.{3}(calm|dead|ill|off) /gm)].map(([, name]) => name!);
  screen.press("A");
  assert.deepEqual(order(), ["dead", "ill", "calm", "off"]);
  screen.press("A");
  assert.deepEqual(order(), ["off", "calm", "ill", "dead"]);
});

test("! goes from problem to problem, around", () => {
  const screen = new Staged([
    service("a"),
    service("b", { state: "BACKOFF", pid: null }),
    service("c"),
    service("d", { health: "unhealthy" }),
  ]);
  screen.press("!");
  assert.equal(screen.chosen, "b");
  screen.press("!");
  assert.equal(screen.chosen, "d");
  screen.press("!");
  assert.equal(screen.chosen, "b");
});
