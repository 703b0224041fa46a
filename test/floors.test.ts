import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { mistakesIn } from "./floors.ts";
import { readSource } from "./source-text.ts";

const package_ = `${import.meta.dirname}/..`;

test("imports point down only, and the deciding parts have no clock, chance or promise of their own", () => {
  const files = globSync("src/**/*.ts", { cwd: package_ }).sort();
  assert.ok(files.length > 5, "the sources were not found");
  const mistakes = files.flatMap((file) => mistakesIn(file, readFileSync(`${package_}/${file}`, "utf8")));
  assert.equal(mistakes.join("\n"), "");
});

/** Who may import whom, told a second time and by example: a floor that is loosened by mistake shows here. */
const ALLOWED = {
  "src/plan/a.ts": "yaml valibot ../service/a.ts ../probe/a.ts ../schedule/a.ts ../ports.ts ../places.ts ./b.ts",
  "src/plan/json-schema.ts":
    "yaml valibot @valibot/to-json-schema ../service/a.ts ../probe/a.ts ../schedule/a.ts ../ports.ts ../places.ts ./b.ts",
  "src/service/a.ts": "../plan/a.ts ../probe/a.ts ../schedule/a.ts ../ports.ts ../places.ts ./b.ts ../plan/mistake.ts",
  "src/probe/a.ts": "../plan/a.ts ../service/a.ts ../schedule/a.ts ../ports.ts ../places.ts ./b.ts ../plan/mistake.ts",
  "src/schedule/a.ts": "../plan/a.ts ../service/a.ts ../probe/a.ts ../ports.ts ../places.ts ./b.ts ../plan/mistake.ts",
  "src/supervisor/a.ts":
    "../plan/a.ts ../service/a.ts ../probe/a.ts ../schedule/a.ts ../ports.ts ../places.ts ./b.ts ../plan/mistake.ts",
  "src/keeper/a.ts": "node:fs fs ./b.ts ../places.ts ../keeper/messages.ts",
  "src/os/a.ts":
    "node:fs fs yaml valibot @valibot/to-json-schema ws ../plan/a.ts ../service/a.ts ../probe/a.ts ../schedule/a.ts ../ports.ts ../places.ts " +
    "../keeper/messages.ts ./b.ts ../plan/mistake.ts",
  "src/sim/a.ts":
    "../plan/a.ts ../service/a.ts ../probe/a.ts ../schedule/a.ts ../ports.ts ../places.ts ../supervisor/a.ts ../keeper/messages.ts " +
    "./b.ts ../plan/mistake.ts",
  "src/control/a.ts":
    "node:fs fs valibot @valibot/to-json-schema ../plan/a.ts ../service/a.ts ../probe/a.ts ../schedule/a.ts ../ports.ts ../places.ts ./b.ts " +
    "../plan/mistake.ts ../control/client.ts",
  "src/cli/a.ts":
    "node:fs fs yaml valibot @valibot/to-json-schema ws ../control/client.ts ../control/daemon.ts ../places.ts ../plan/mistake.ts ./b.ts",
  "src/portal/a.ts":
    "node:fs fs yaml valibot @valibot/to-json-schema ws ../control/client.ts ../control/daemon.ts ../places.ts ../plan/mistake.ts ./b.ts",
  "src/score-cpu/a.ts": "node:fs fs ./b.ts",
} as const;

const TARGETS = [
  ...["node:fs", "fs", "yaml", "valibot", "@valibot/to-json-schema", "ws", "./b.ts"],
  ...["plan", "service", "probe", "schedule", "supervisor", "keeper", "os", "sim", "control", "cli"].map(
    (folder) => `../${folder}/a.ts`,
  ),
  ...[
    "../ports.ts",
    "../places.ts",
    "../plan/mistake.ts",
    "../keeper/messages.ts",
    "../control/client.ts",
    "../core.ts",
  ],
];

for (const [file, allowed] of Object.entries(ALLOWED)) {
  test(`${file.replace(/\/a\.ts$/, "/")} may import exactly what its floor says`, () => {
    const own = `../${file.split("/")[1]}/`;
    for (const target of TARGETS) {
      const expected = allowed.split(" ").includes(target) || target.startsWith(own);
      const mistakes = mistakesIn(file, `import { x } from "${target}";\n`);
      assert.equal(mistakes.length === 0, expected, `${file} importing ${target}: ${mistakes.join() || "was allowed"}`);
    }
  });
}

test("a broken rule is told as file, line, import and the rule", () => {
  assert.deepEqual(
    mistakesIn("src/service/life.ts", `import a from "./a.ts";\nimport { readFile } from "node:fs";\n`),
    [
      'src/service/life.ts:2: imports "node:fs", but src/service/ may import itself and src/plan/, src/service/, src/probe/, src/phase/, ' +
        "src/schedule/, src/recipe/, src/idle/, src/gpu/, src/ports.ts, src/places.ts, src/beat.ts (the ground floor decides and never acts)",
    ],
  );
});

test("no way of importing escapes", () => {
  for (const line of [
    `import "node:fs";`,
    `import fs from "node:fs";`,
    `import fs, { type Stats } from 'node:fs';`,
    `import * as fs from "node:fs";`,
    `import {\n  a,\n  b,\n} from "node:fs";`,
    `import type { Stats } from "node:fs";`,
    `import type Stats from "node:fs";`,
    `import { type Stats } from "node:fs";`,
    `export * from "node:fs";`,
    `export * as fs from "node:fs";`,
    `export { a } from "node:fs";`,
    `export type { Stats } from "node:fs";`,
    `import fs = require("node:fs");`,
    `const fs = require("node:fs");`,
    `const path = require.resolve("node:fs");`,
    `const fs = await import("node:fs");`,
    `type Stats = import("node:fs").Stats;`,
    `const fs = import(/* lazily */ "node:fs");`,
    "const x = `${import('node:fs')}`;",
    `const a = /"/; import "node:fs"; const b = /"/;`,
    `import config from "node:fs" with { type: "json" };`,
    `const from = 1; export { from }; import { x } from "node:fs";`,
  ]) {
    const { imports } = readSource(line);
    assert.deepEqual(
      imports.map(({ target }) => target),
      ["node:fs"],
      line,
    );
    assert.match(mistakesIn("src/service/a.ts", line).join("\n"), /imports "node:fs"/, line);
  }
  assert.match(mistakesIn("src/sim/a.ts", `process.getBuiltinModule("node:fs");`).join(), /imports "node:fs"/);
  for (const hidden of ["await import(name);", "require(`node:fs`);", `import("node:" + "fs");`]) {
    assert.match(mistakesIn("src/os/a.ts", hidden).join(), /not a plain string/, hidden);
  }
});

test("what only looks like an import is none", () => {
  for (const line of [
    `// import fs from "node:fs";`,
    `/* import fs from "node:fs"; */`,
    `const text = 'import fs from "node:fs"';`,
    'const text = `import fs from "node:fs"`;',
    `const pattern = /import "node:fs"/;`,
    `plan.import("node:fs");`,
    `const here = import.meta.dirname;`,
    `export const from = "node:fs";`,
  ]) {
    assert.deepEqual(readSource(line).imports, [], line);
  }
});

test("`import type` is told apart, and where only types are allowed a value is not", () => {
  assert.deepEqual(mistakesIn("src/control/a.ts", `import type { S } from "../supervisor/supervisor.ts";`), []);
  assert.deepEqual(mistakesIn("src/control/a.ts", `import type { S } from "../keeper/messages.ts";`), []);
  assert.deepEqual(mistakesIn("src/control/a.ts", `export { STATES } from "../supervisor/answers.ts";`), []);
  for (const value of ["import { S } from", "import { type S } from", "export * from", "import type, { S } from"]) {
    assert.equal(mistakesIn("src/control/a.ts", `${value} "../supervisor/supervisor.ts";`).length, 1, value);
  }
});

test("time, chance and waiting in a deciding part are found", () => {
  for (const part of ["src/plan/", "src/service/", "src/probe/", "src/schedule/", "src/supervisor/"]) {
    for (const code of [
      "const now = Date.now();",
      "const now = new Date();",
      "const now = new Date( );",
      "const now = new Date;",
      "const now = Date();",
      "const D = Date;",
      "const now = { at: Date.now() };",
      "const later = ready ? 1 : Date.now();",
      "const jitter = Math.random();",
      "setTimeout(f, 1);",
      "setInterval(f, 1);",
      "const home = process.env;",
      "process.exit(1);",
      "process.nextTick(f);",
      "process?.on(x, f);",
      "const p: Promise<void> = q;",
      "async function f() {}",
      "const clock = globalThis;",
      "const text = `${Date.now()}`;",
    ]) {
      assert.ok(mistakesIn(`${part}a.ts`, code).length > 0, `${part}: ${code}`);
      assert.deepEqual(mistakesIn("src/keeper/a.ts", code), [], `the keeper may: ${code}`);
    }
    for (const innocent of [
      "// The process ends; Date.now() is not asked.",
      'const why = "the process ended";',
      "const pid = run.process;",
      "for (const process of live) inherit(process.pid, process.run);",
      "interface Facts { process: number; async?: boolean }",
      "const since = new Date(now - age).toISOString();",
      "const noon = Date.UTC(2026, 0, 1, 12);",
      "function show(at: Date): string { return at.toISOString(); }",
      "const half = a / b / c; const update = 1;",
    ]) {
      assert.deepEqual(mistakesIn(`${part}a.ts`, innocent), [], innocent);
    }
  }
});

test("a test may import what its folder may, and the tools of testing", () => {
  const tools = ["node:test", "node:assert/strict", "node:child_process", "fast-check"];
  for (const tool of tools) {
    assert.deepEqual(mistakesIn("src/service/life.test.ts", `import x from "${tool}";`), []);
    assert.equal(mistakesIn("src/service/life.ts", `import x from "${tool}";`).length, 1);
  }
  assert.equal(mistakesIn("src/service/life.test.ts", `import x from "../supervisor/a.ts";`).length, 1);
});

test("a file on no floor, and a name that says nothing, are found", () => {
  assert.match(mistakesIn("src/stray.ts", "").join(), /belongs to no floor/);
  assert.match(mistakesIn("src/attic/a.ts", "").join(), /belongs to no floor/);
  for (const name of ["utils", "helpers", "common", "manager"]) {
    assert.match(mistakesIn(`src/os/${name}/a.ts`, "").join(), /says nothing/);
    assert.match(mistakesIn(`src/os/${name}.ts`, "").join(), /says nothing/);
  }
});

test("the roof may import anything", () => {
  for (const file of ["src/svcd.ts", "src/core.ts", "src/svctl.ts"]) {
    for (const target of TARGETS) assert.deepEqual(mistakesIn(file, `import x from "${target}";`), []);
    assert.deepEqual(mistakesIn(file, "await import(beside);"), []);
  }
});
