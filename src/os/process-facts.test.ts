import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { processFacts } from "./process-facts.ts";

test("a process's memory and processor time are those that the kernel counts", () => {
  const before = processFacts(process.pid);
  assert.ok(before !== null);
  const rss = process.memoryUsage.rss();
  assert.ok(Math.abs(before.rssBytes - rss) < rss / 4, `${before.rssBytes} is far from ${rss}`);

  while (process.cpuUsage().user + process.cpuUsage().system < (before.cpuSeconds + 0.1) * 1e6);
  const after = processFacts(process.pid);
  assert.ok(after !== null && after.cpuSeconds > before.cpuSeconds);
});

test("a process that is gone has no facts", async () => {
  const child = spawn("true");
  const pid = child.pid as number;
  await once(child, "exit");
  assert.equal(processFacts(pid), null);
});

test("a program's name with spaces and parentheses does not shift the fields", async () => {
  const child = spawn("sh", ["-c", "printf 'x) R 1 (' > /proc/$$/comm; echo named; read _"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(child.stdout, "data");
  const facts = processFacts(child.pid as number);
  assert.ok(facts !== null && facts.rssBytes > 0 && facts.cpuSeconds < 5, JSON.stringify(facts));
  child.stdin.end();
  await once(child, "exit");
});
