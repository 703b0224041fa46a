import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { provisioningJsonSchema } from "./json-schema.ts";
import { readSteps } from "./read.ts";
import { KEYS_OF, stepShape } from "./schema.ts";

const PAGE = readFileSync(resolve(import.meta.dirname, "../../docs/provisioning.md"), "utf8");
interface Node {
  readonly [key: string]: Node;
}

test("editors learn every key from the schema, and it refers to nothing that it does not hold", () => {
  const schema = provisioningJsonSchema() as unknown as Node;
  const text = JSON.stringify(schema);
  const refs = [...text.matchAll(/"\$ref":"#\/definitions\/([^"]+)"/g)].map(([, name]) => name!);
  assert.ok(refs.length > 0);
  for (const name of refs) assert.ok(Object.hasOwn(schema["definitions"]!, name), name);
  const step = schema["properties"]!["steps"]!["items"]!["properties"]!;
  for (const kind of Object.keys(KEYS_OF)) assert.ok(Object.hasOwn(step, kind), kind);
  for (const [key, shown] of Object.entries(step)) assert.equal(typeof shown["description"], "string", key);
});

test("the page about provisioning names every key, and its example is read without a mistake", () => {
  const entries = Object.keys((stepShape as unknown as { entries: object }).entries);
  for (const key of entries) assert.ok(PAGE.includes(`\`${key}`) || PAGE.includes(` ${key}: `), key);
  const example = /```yaml\n(# provisioning\.d[\s\S]*?)```/.exec(PAGE)![1]!;
  const { steps, mistakes } = readSteps({
    files: [{ path: "10.yaml", text: example }],
    env: { CIVITAI_TOKEN: "x" },
    rootDir: "/",
    readEnvFile: (path) => ({ path, text: null, missing: true, why: "no such file" }),
    hasCommand: () => false,
    fileExists: () => false,
    machine: { textOf: () => "", isListening: (port) => port === 22, isRunning: () => false, user: () => "root" },
  });
  assert.deepEqual(mistakes, []);
  assert.deepEqual(
    steps.map(({ work }) => work?.kind),
    ["apt", "pip", "git", "download", "huggingface", "run"],
  );
});
