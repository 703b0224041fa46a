import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { parseDocument } from "yaml";
import { jobsJsonSchema, servicesJsonSchema, settingsJsonSchema } from "./json-schema.ts";
import { jobFrom, planOf, serviceFrom } from "./testing.ts";

type Node = { [key: string]: unknown };

const SCHEMA = servicesJsonSchema() as Node;
const SERVICE = (SCHEMA["definitions"] as Node)["service"] as Node;
const JOBS = jobsJsonSchema() as Node;
const JOB = (JOBS["definitions"] as Node)["job"] as Node;

test("an editor gets draft-07 with a description for every key", () => {
  assert.equal(SCHEMA["$schema"], "http://json-schema.org/draft-07/schema#");
  const bare: string[] = [];
  const look = (node: Node, path: string): void => {
    for (const [key, inside] of Object.entries((node["properties"] ?? {}) as Record<string, Node>)) {
      // A key that holds its only word, such as Compose's `condition:`, explains itself.
      if (typeof inside["description"] !== "string" && key !== "condition") bare.push(`${path}${key}`);
      look(inside, `${path}${key}.`);
    }
    for (const option of (node["anyOf"] ?? []) as Node[]) look(option, path);
  };
  look(SERVICE, "");
  look(JOB, "job ");
  assert.deepEqual(bare, []);
});

test("the schema refers to nothing that it does not hold", () => {
  for (const schema of [SCHEMA, JOBS, settingsJsonSchema() as Node]) {
    for (const [, name] of JSON.stringify(schema).matchAll(/"\$ref":"([^"]*)"/g)) {
      const definition = name!.replace("#/definitions/", "");
      assert.ok(Object.hasOwn(schema["definitions"] as object, definition), name);
    }
  }
});

/** What a map needs that stands for nothing by default. */
const NEEDED: Readonly<Record<string, readonly string[]>> = { healthcheck: ["tcp: 80"], idle: ["after: 1h"] };

/** Each key with the default that editors show. */
function shownDefaults(schema: Node): string[] {
  const written: string[] = [];
  for (const [key, node] of Object.entries(schema["properties"] as Record<string, Node>)) {
    if (node["default"] !== undefined) written.push(`${key}: ${node["default"]}`);
    const map = ((node["anyOf"] as Node[] | undefined) ?? [node]).find((option) => option["type"] === "object");
    const inside = Object.entries((map?.["properties"] ?? {}) as Record<string, Node>).filter(
      ([, one]) => one["default"] !== undefined,
    );
    if (inside.length === 0) continue;
    const probe = NEEDED[key] ?? [];
    if (key === "env_file" || key === "expose") continue; // Each entry has its own.
    written.push(`${key}: { ${[...probe, ...inside.map(([name, one]) => `${name}: ${one["default"]}`)].join(", ")} }`);
  }
  return written;
}

test("the defaults that editors show are the defaults", () => {
  const written = shownDefaults(SERVICE);
  assert.ok(written.length >= 10, written.join("\n"));
  const { lines: _, ...spelled } = serviceFrom(`command: x\n${written.join("\n")}`);
  const { lines: __, ...silent } = serviceFrom("command: x\nhealthcheck: { tcp: 80 }\nidle: { after: 1h }");
  assert.deepEqual(spelled, silent);
});

test("the defaults that editors show for jobs are the defaults", () => {
  // Without `retries` there is none; its own defaults are those of a map.
  const defaults = shownDefaults(JOB).filter((line) => !line.startsWith("retries:") && !line.startsWith("notify:"));
  assert.ok(defaults.length >= 10, defaults.join("\n"));
  const text = 'schedule: "@daily"\ncommand: x\ndepends_on: vllm\nretries: {}\n';
  const spelled = jobFrom(
    `${text.replace("{}", "{ most: 3, first: 10s, factor: 2, longest: 10m, jitter: 0.1 }")}${defaults.join("\n")}`,
  );
  const silent = jobFrom(text);
  assert.deepEqual(
    { ...spelled, service: { ...spelled.service, lines: {} } },
    { ...silent, service: { ...silent.service, lines: {} } },
  );
});

const GOOD = [
  "command: x",
  "command: [a, 8000, true]\nuser: 1000",
  "services: { a: { command: x }, b: { command: y, replicas: 2 } }\nx-mine: 1",
  "command: x\nstartsecs: 5\nstop_grace_period: 1m30s\nbackoff: { first: 200ms, factor: 1.5 }",
  "command: x\nreplicas: ${N:-2}\nenabled: yes\nrestart: no",
  "command: x\nrestart: false\numask: 022\nlogs: none\ngive_up: never",
  "command: x\nlogs: { max_size: 50M, keep: 3, format: raw, stderr: separate }",
  "command: x\ngpus: all",
  "command: x\ngpus: 2",
  "command: x\ngpus: [0, GPU-8932f937-d72c]",
  "command: x\ngpus: { count: 1, memory: 20G, share: true, wait_for_memory: false }",
  "command: x\nenvironment: { A: 1, B: true, C: null, D: '${E}' }\nenv_file: [a, '?b', { path: c, required: false }]",
  "command: x\nenvironment: [A=1, B]\nenv_file: a",
  "command: x\nwhen: { any: [{ env: A }, { not: { command: [b, c] } }], file: /x }",
  "command: x\nwhen: { env: { A: true, B: '*b*', C: 1 }, file: [/a, { path: /b, contains: c }], port: [22, '${P:-80}'] }",
  "command: x\nwhen: { port: 22, process: cron, user: root, not: { file: { path: /a, contains: b } } }",
  "command: x\nhealthcheck: { tcp: 8000, interval: 5s }",
  "command: x\nhealthcheck: { http: 'http://x/' }\ndepends_on: []".replace("\ndepends_on: []", ""),
  "services: { a: { command: x, restart: no }, b: { command: x, depends_on: { a: completed } }, c: { command: x, depends_on: [a, b] } }",
  "command: x\nlimits: { nofile: 1024, memory: 4G, core: unlimited, cpu: 60, nice: -5 }\nstop_signal: INT\nreload_signal: SIGHUP\nstop_to: main\nsuccess_exit_codes: [0, 3]",
  "command: x\nexpose: { port: 8000, to: 18000 }",
  "command: x\nexpose: [{ port: '${P}', to: 'h:1', path: /docs, name: a b, auth: none, hold: 10m, max_body: 1G, cors: '*' }]",
  "command: x\non: { failed: 'https://x/', healthy: [a, b] }\nx-note: mine",
];
const BAD = [
  "comand: x",
  "command: { a: b }",
  "command: []",
  "command: x\nrestart: allways",
  "command: x\nreplicas: 0",
  "command: x\nstartsecs: soon",
  "command: x\nhealthcheck: { tpc: 80 }",
  "command: x\nservices: {}",
  "services: { a: { comand: x } }",
  "services: { -a: { command: x } }",
  "command: x\nlogs: nothing",
  "command: x\nenabled: maybe",
  "command: x\nwhen: { not: { evn: A } }",
  "command: x\nwhen: { file: { path: /a } }",
  "command: x\nwhen: { port: [] , prot: 1 }",
  "command: x\nlimits: { nice: 30 }",
  "command: x\ngpus: some",
  "command: x\ngpus: { share: yes, mem: 3G }",
  "command: x\ngpus: [MIG-1]",
  "command: x\nstop_to: all",
  "command: x\nexpose: 8000",
  "command: x\nexpose: { port: 8000 }",
  "command: x\nexpose: { port: 70000, to: 1 }",
  "command: x\nexpose: [{ port: 1, to: 2, auth: maybe }]",
];

test("editors and svcd agree on what is right and what is wrong", () => {
  for (const text of GOOD) {
    assert.deepEqual(planOf({ "web.yaml": text }).mistakes, [], text);
    assert.deepEqual(problems(parseDocument(text).toJS(), SCHEMA, SCHEMA), [], text);
  }
  for (const text of BAD) {
    assert.ok(planOf({ "web.yaml": text }).mistakes.length > 0, text);
    assert.notDeepEqual(problems(parseDocument(text).toJS(), SCHEMA, SCHEMA), [], text);
  }
});

const D = 'schedule: "@daily"\ncommand: x\n';
const GOOD_JOBS = [
  D,
  `${D}retries: 3\nkeep: 5\noverlap: queue\ntimeout: 1h\nenv: clean\nenabled: no`,
  'schedule: ["@every 5m", "0 0 L * ?"]\ncommand: [a, 1]\ndialect: extended\ndays: and\ntimezone: Europe/Berlin',
  `${D}retries: { most: 3, first: 1m }\nkeep: { for: 30d }\noutput: { head: 1k }\nlogs: { stderr: separate }\nsplay: 5m`,
  `${D}notify: { on: failed, webhook: 'http://h/' }\nx-a: b\nconcurrency: { group: gpu, most: 2 }\nlock: db`,
  `${D}notify: [{ command: [a, b] }, { mail: root, when: output }, { ping: 'https://h/', on: [start, success] }]`,
  'jobs: { a: { schedule: "@daily", command: x }, b: { schedule: "@daily", command: y } }\nx-mine: 1',
];
const BAD_JOBS = [
  "command: x",
  "schedule: '@daily'",
  `${D}schedules: '@daily'`,
  `${D}overlap: forbid`,
  `${D}retries: 1000`,
  `${D}restart: always`,
  `${D}env: { A: b }`,
  `${D}concurrency: { group: gpu }`,
  `${D}notify: { on: crash, mail: root }`,
  `${D}logs: { keep: 3 }`,
  "jobs: { a: { command: x } }",
];

test("editors and svcd agree on jobs too", () => {
  for (const text of GOOD_JOBS) {
    assert.deepEqual(planOf({ "cron.d/tidy.yaml": text }).mistakes, [], text);
    assert.deepEqual(problems(parseDocument(text).toJS(), JOBS, JOBS), [], text);
  }
  for (const text of BAD_JOBS) {
    assert.ok(planOf({ "cron.d/tidy.yaml": text }).mistakes.length > 0, text);
    assert.notDeepEqual(problems(parseDocument(text).toJS(), JOBS, JOBS), [], text);
  }
});

test("editors find nothing wrong in what is shipped", () => {
  for (const [directory, schema] of [
    ["services.d", SCHEMA],
    ["cron.d", JOBS],
  ] as const) {
    const folder = resolve(import.meta.dirname, "../..", directory);
    for (const name of readdirSync(folder).filter((file) => file.endsWith(".yaml"))) {
      const file = parseDocument(readFileSync(`${folder}/${name}`, "utf8"), { version: "1.1" }).toJS() as unknown;
      assert.deepEqual(problems(file, schema, schema), [], `${directory}/${name}`);
    }
  }
});

/** As much of a JSON Schema validator as our schema has words. */
function problems(value: unknown, schema: Node, root: Node, path = "$"): string[] {
  const told: string[] = [];
  const kind = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
  const valid = (one: Node): boolean => problems(value, one, root, path).length === 0;
  for (const [word, rule] of Object.entries(schema)) {
    const no = (): number => told.push(`${path}: ${word} ${JSON.stringify(rule)?.slice(0, 80)}`);
    const map = kind === "object" ? (value as Node) : {};
    switch (word) {
      case "$ref":
        told.push(
          ...problems(
            value,
            (root["definitions"] as Record<string, Node>)[String(rule).replace("#/definitions/", "")]!,
            root,
            path,
          ),
        );
        break;
      case "type":
        if (rule === "integer" ? !Number.isInteger(value) : ![rule].flat().includes(kind)) no();
        break;
      case "enum":
        if (!(rule as unknown[]).includes(value)) no();
        break;
      case "const":
        if (value !== rule) no();
        break;
      case "anyOf":
        if (!(rule as Node[]).some(valid)) no();
        break;
      case "if":
        told.push(...problems(value, schema[valid(rule as Node) ? "then" : "else"] as Node, root, path));
        break;
      case "pattern":
        if (kind === "string" && !new RegExp(String(rule)).test(String(value))) no();
        break;
      case "minLength":
        if (kind === "string" && String(value).length < Number(rule)) no();
        break;
      case "maxLength":
        if (kind === "string" && String(value).length > Number(rule)) no();
        break;
      case "minimum":
        if (kind === "number" && Number(value) < Number(rule)) no();
        break;
      case "maximum":
        if (kind === "number" && Number(value) > Number(rule)) no();
        break;
      case "minItems":
        if (Array.isArray(value) && value.length < Number(rule)) no();
        break;
      case "items":
        if (Array.isArray(value))
          value.forEach((one, index) => {
            told.push(...problems(one, rule as Node, root, `${path}[${index}]`));
          });
        break;
      case "required":
        for (const key of rule as string[]) if (kind === "object" && !Object.hasOwn(map, key)) no();
        break;
      case "propertyNames":
        for (const key of Object.keys(map)) told.push(...problems(key, rule as Node, root, `${path}.${key}`));
        break;
      case "properties":
        for (const [key, one] of Object.entries(rule as Record<string, Node>))
          if (Object.hasOwn(map, key)) told.push(...problems(map[key], one, root, `${path}.${key}`));
        break;
      case "additionalProperties":
        for (const key of Object.keys(map)) {
          const known =
            Object.hasOwn((schema["properties"] ?? {}) as object, key) ||
            Object.keys((schema["patternProperties"] ?? {}) as object).some((one) => new RegExp(one).test(key));
          if (!known) rule === false ? no() : told.push(...problems(map[key], rule as Node, root, `${path}.${key}`));
        }
        break;
      case "$schema":
      case "title":
      case "description":
      case "default":
      case "definitions":
      case "then":
      case "else":
      case "patternProperties":
        break;
      default:
        assert.fail(`this test does not know the word ${word}`);
    }
  }
  return told;
}
