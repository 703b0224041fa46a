import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { processFacts } from "./process-facts.ts";
import { ServiceUsages } from "./service-usage.ts";

async function running(t: TestContext, script: string): Promise<ChildProcess & { readonly pid: number }> {
  const child = spawn("sh", ["-c", `${script}; echo up; read _`], {
    stdio: ["pipe", "pipe", "inherit"],
    detached: true,
  });
  t.after(() => process.kill(-(child.pid as number), "SIGKILL"));
  await once(child.stdout, "data");
  return child as ChildProcess & { readonly pid: number };
}

test("a service uses what all its processes use", async (t) => {
  const alone = await running(t, "true");
  const family = await running(t, "sleep 100 & sleep 100 & setsid sleep 100 & true");
  const usages = new ServiceUsages();
  const { services } = usages.of([
    { name: "alone", run: 1, pid: alone.pid },
    { name: "family", run: 7, pid: family.pid },
  ]);
  assert.deepEqual(
    services.map(({ name, run, processes }) => [name, run, processes]),
    [
      ["alone", 1, 1],
      ["family", 7, 4],
    ],
  );
  const own = processFacts(alone.pid)!.rssBytes;
  const [first, second] = services;
  assert.ok(Math.abs(first!.memoryBytes - own) < own / 2, `${first!.memoryBytes} is far from ${own}`);
  assert.ok(second!.memoryBytes > first!.memoryBytes);
});

test("what has ended is not there", () => {
  assert.deepEqual(new ServiceUsages().of([{ name: "web", run: 1, pid: 2 ** 22 + 1 }]).services, []);
});

test("who asks within the same second gets the same figures", () => {
  let now = 5_000;
  const usages = new ServiceUsages(() => now);
  const leaders = [{ name: "us", run: 1, pid: process.pid }];
  const first = usages.of(leaders);
  now += 500;
  assert.equal(usages.of(leaders), first);
  now += 500;
  assert.notEqual(usages.of(leaders), first);
  assert.deepEqual(usages.of([]).services, [], "another set of services is another question");
});
