import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import { machineReport } from "./machine-report.ts";

function machine(t: TestContext, files: Record<string, string>): string {
  const root = mkdtempSync(join(tmpdir(), "svcd-machine-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  return root;
}

const MEMINFO = "MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 400 kB\nSwapTotal: 50 kB\nSwapFree: 20 kB\n";

test("the machine is told as the kernel counts it", () => {
  const facts = machineReport(["/proc/does/not/exist", tmpdir()]);
  assert.equal(facts.host, hostname());
  assert.equal(facts.load.length, 3);
  assert.ok(facts.memory.totalBytes > 0 && facts.memory.totalBytes <= totalmem());
  assert.ok(facts.memory.usedBytes > 0 && facts.memory.usedBytes <= facts.memory.totalBytes);
  assert.equal(facts.disks[0]?.path, "/");
  assert.ok(facts.disks.every(({ totalBytes, freeBytes }) => freeBytes <= totalBytes));
  assert.ok(facts.cpu !== null && facts.cpu.busyMs < facts.cpu.allMs);
  assert.ok(facts.upMs > 0);
});

test("memory that is available is not used", (t) => {
  const facts = machineReport([], machine(t, { "proc/meminfo": MEMINFO }));
  assert.deepEqual(facts.memory, { totalBytes: 1000 * 1024, usedBytes: 600 * 1024, limit: "machine" });
  assert.deepEqual(facts.swap, { totalBytes: 50 * 1024, usedBytes: 30 * 1024 });
});

test("in a container the memory is what its cgroup allows", (t) => {
  const v2 = {
    "proc/meminfo": MEMINFO,
    "sys/fs/cgroup/memory.max": "102400\n",
    "sys/fs/cgroup/memory.current": "51200\n",
    "sys/fs/cgroup/memory.stat": "anon 1\ninactive_file 1200\n",
  };
  const expected = { totalBytes: 102400, usedBytes: 50000, limit: "cgroup" };
  assert.deepEqual(machineReport([], machine(t, v2)).memory, expected);
  const v1 = {
    "proc/meminfo": MEMINFO,
    "sys/fs/cgroup/memory/memory.limit_in_bytes": "102400\n",
    "sys/fs/cgroup/memory/memory.usage_in_bytes": "51200\n",
    "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 1200\n",
  };
  assert.deepEqual(machineReport([], machine(t, v1)).memory, expected);
  const unlimited = machine(t, { ...v2, "sys/fs/cgroup/memory.max": "max\n" });
  assert.equal(machineReport([], unlimited).memory.limit, "machine");
});
