/**
 * The OpenAPI 3.1 description, made from the table of routes and the definitions that validate. Only the build calls it
 * (its converter is no dependency of the running svcd); the server is given the text.
 */
import { toJsonSchema } from "@valibot/to-json-schema";
import type * as v from "valibot";
import type { Answers, Route } from "./route.ts";
import { ROUTES } from "./routes.ts";
import { SCHEMAS } from "./wire.ts";

type Json = Record<string, unknown>;

export function openapi(version: string): string {
  const paths: Record<string, Json> = {};
  for (const route of ROUTES) {
    const methods = paths[route.path] ?? {};
    methods[route.method.toLowerCase()] = operation(route);
    paths[route.path] = methods;
  }
  const document = {
    openapi: "3.1.0",
    info: {
      title: "svcd control API",
      version,
      license: { name: "MIT", identifier: "MIT" },
      description:
        "HTTP on svcd's Unix socket: `curl --unix-socket run/svcd.sock http://svcd/v1/health`. Every error is " +
        "`{error: {code, what, where, fix}}`.",
    },
    servers: [{ url: "http://svcd", description: "the Unix socket; the host name does not matter" }],
    paths,
    components: { schemas: components() },
  };
  return `${JSON.stringify(document, null, 1)}\n`;
}

/** `why of services`, as an identifier: getServicesNameWhy. */
function operationId({ method, path }: Route): string {
  const words = path.split(/[^a-z0-9]+/i).filter((word) => word !== "" && word !== "v1");
  return method.toLowerCase() + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join("");
}

function operation(route: Route): Json {
  const takesBody = route.body !== null && Object.keys(entriesOf(route.body)).length > 0;
  return {
    operationId: operationId(route),
    summary: route.does,
    parameters: [...pathParameters(route), ...queryParameters(route), ...headerParameters(route)],
    ...(takesBody
      ? { requestBody: { content: { "application/json": { schema: converted(route.body!, "input") } } } }
      : {}),
    responses: { [statusOf(route.answers)]: success(route), default: failure() },
  };
}

function pathParameters({ method, path }: Route): Json[] {
  const takesOne = method === "GET" || /\/(run|kill)$/.test(path);
  const kind = path.startsWith("/v1/jobs") ? "job" : "service";
  const name = takesOne ? `the name of one ${kind}` : "names, globs, `GROUP:*` or `all`, separated by commas";
  const parameter = (of: string, description: string, type: string): Json[] =>
    path.includes(`{${of}}`) ? [{ name: of, in: "path", required: true, description, schema: { type } }] : [];
  return [...parameter("name", name, "string"), ...parameter("run", "the number of a run", "integer")];
}

function queryParameters({ query }: Route): Json[] {
  return Object.entries(entriesOf(query)).map(([name, schema]) => {
    const { description, ...rest } = converted(schema, "input");
    return { name, in: "query", required: false, ...(description === undefined ? {} : { description }), schema: rest };
  });
}

function headerParameters({ answers }: Route): Json[] {
  if (answers.type !== "text/event-stream") return [];
  const description = "the last id that was seen";
  return [{ name: "Last-Event-ID", in: "header", required: false, description, schema: { type: "string" } }];
}

function statusOf(answers: Answers): string {
  return answers.type === "application/json" ? String(answers.status) : "200";
}

/** Path, name, meaning; all are integers. */
const HEADERS: readonly (readonly [path: string, name: string, says: string])[] = [
  ["/v1/services", "X-Mistakes", "mistakes in the files"],
  ["/v1/services", "X-Troubles", "what svcd itself cannot do now: so many sentences are in `troubles` of /v1/health"],
  ["/v1/services/{name}/logs", "X-Log-Position", "position of the first byte"],
  ["/v1/jobs/{name}/runs/{run}/log", "X-Log-Position", "position of the first byte"],
];

function success({ does, answers, path }: Route): Json {
  const schema = answers.type === "text/plain" ? { type: "string" } : converted(answers.schema, "output");
  const own = HEADERS.filter(([of]) => of === path).map(([, name, description]) => [
    name,
    { description, schema: { type: "integer" } },
  ]);
  const headers = own.length === 0 ? {} : { headers: Object.fromEntries(own) as Json };
  return { description: does, ...headers, content: { [answers.type]: { schema } } };
}

function failure(): Json {
  const schema = { $ref: "#/components/schemas/Failure" };
  return { description: "what happened, where, and what to do", content: { "application/json": { schema } } };
}

function components(): Record<string, Json> {
  return Object.fromEntries(Object.entries(SCHEMAS).map(([name, schema]) => [name, inFull(name, schema)]));
}

const CONFIG = {
  target: "draft-2020-12",
  definitions: SCHEMAS,
  overrideRef: ({ referenceId }: { referenceId: string }) => `#/components/schemas/${referenceId.split("/").at(-1)}`,
} as const;

function converted(schema: v.GenericSchema, typeMode: "input" | "output"): Json {
  const { $schema, $defs, ...rest } = toJsonSchema(schema, { ...CONFIG, typeMode }) as Json;
  return rest;
}

/** Itself written out, everything else in it as references. */
function inFull(name: string, schema: v.GenericSchema): Json {
  const { [name as keyof typeof SCHEMAS]: _itself, ...others } = SCHEMAS;
  const { $schema, $defs, ...rest } = toJsonSchema(schema, {
    ...CONFIG,
    definitions: others,
    typeMode: "output",
  }) as Json;
  return rest;
}

function entriesOf(schema: v.GenericSchema): Record<string, v.GenericSchema> {
  return "entries" in schema ? (schema.entries as Record<string, v.GenericSchema>) : {};
}
