import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { test } from "node:test";
import { mistakesOf, planOf } from "./testing.ts";

const PACKAGE = resolve(import.meta.dirname, "../..");

function shipped(directory: string): [path: string, text: string][] {
  const names = readdirSync(`${PACKAGE}/${directory}`).filter((name) => name.endsWith(".yaml"));
  return names.map((name) => [`${directory}/${name}`, readFileSync(`${PACKAGE}/${directory}/${name}`, "utf8")]);
}

test("what is shipped in services.d and cron.d has no mistakes, and editors find its schema", () => {
  const services = shipped("services.d");
  const jobs = shipped("cron.d");
  const plan = planOf(Object.fromEntries([...services.map(([path, text]) => [path.slice(11), text]), ...jobs]));
  assert.deepEqual(mistakesOf(plan), []);
  assert.deepEqual(
    [plan.services.size >= services.length, plan.jobs.size >= jobs.length, jobs.length > 0],
    [true, true, true],
  );
  for (const [path, text] of [...services, ...jobs]) {
    const schema = path.startsWith("cron.d") ? "jobs" : "services";
    assert.equal(text.split("\n")[0], `# yaml-language-server: $schema=../dist/${schema}.schema.json`, path);
  }
});

test("no shipped job runs on a machine that has not asked for it", () => {
  for (const { name, service, policy } of planOf(Object.fromEntries(shipped("cron.d"))).jobs.values()) {
    assert.notEqual(service.when, null, name);
    assert.equal(policy.overlap, "skip", name);
  }
});
