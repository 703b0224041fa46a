import assert from "node:assert/strict";
import { test } from "node:test";
import { openapi } from "./openapi.ts";
import { ROUTES } from "./routes.ts";

interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: string }[];
  readonly responses: Readonly<Record<string, { readonly content: object }>>;
  readonly requestBody?: object;
}

const TEXT = openapi("1.2.3");
const DOCUMENT = JSON.parse(TEXT) as {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
};

test("every route of the table is described, and nothing else", () => {
  const described = Object.entries(DOCUMENT.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  assert.deepEqual(described.sort(), ROUTES.map(({ method, path }) => `${method} ${path}`).sort());
  assert.equal(DOCUMENT.openapi, "3.1.0");
  assert.equal(DOCUMENT.info.version, "1.2.3");
});

test("every operation has a name of its own, its parameters, an answer and the form of an error", () => {
  const operations = Object.values(DOCUMENT.paths).flatMap((methods) => Object.values(methods));
  assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, ROUTES.length);
  for (const { responses } of operations) {
    assert.ok("default" in responses);
    assert.equal(Object.keys(responses).length, 2);
  }
  const logs = DOCUMENT.paths["/v1/services/{name}/logs"]!["get"]!;
  const names = logs.parameters.map((parameter) => `${parameter.in} ${parameter.name}`);
  assert.deepEqual(names, ["path name", "query lines", "query bytes", "query from", "query follow", "query stream"]);
  const log = DOCUMENT.paths["/v1/jobs/{name}/runs/{run}/log"]!["get"]!.parameters;
  assert.deepEqual(
    log.map((parameter) => `${parameter.in} ${parameter.name}`),
    ["path name", "path run", "query lines", "query from", "query follow", "query stream"],
  );
  assert.ok(DOCUMENT.paths["/v1/services/{name}/signal"]!["post"]!.requestBody !== undefined);
});

test("every reference leads somewhere", () => {
  const references = [...TEXT.matchAll(/"\$ref": "([^"]*)"/g)].map(([, reference]) => reference!);
  assert.ok(references.length > 20);
  for (const reference of references) {
    const name = reference.replace("#/components/schemas/", "");
    assert.ok(name in DOCUMENT.components.schemas, reference);
  }
});
