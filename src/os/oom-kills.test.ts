import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname } from "node:path";
import { after, test } from "node:test";
import { oomKillCount } from "./oom-kills.ts";

const base = mkdtempSync(`${tmpdir()}/oom-`);
after(() => rmSync(base, { recursive: true }));

let machines = 0;

function machine(files: Readonly<Record<string, string>>): string {
  const root = `${base}/${++machines}`;
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(`${root}${path}`), { recursive: true });
    writeFileSync(`${root}${path}`, text);
  }
  return root;
}

const VMSTAT = { "/proc/vmstat": "pgfault 12\noom_kill 7\n" };

test("our own cgroup's counter is asked before the machine's", () => {
  const unified = {
    ...VMSTAT,
    "/proc/self/cgroup": "0::/system.slice/svcd.service\n",
    "/sys/fs/cgroup/system.slice/svcd.service/memory.events": "low 0\noom 3\noom_kill 2\noom_group_kill 0\n",
  };
  assert.equal(oomKillCount(machine(unified)), 2);
  const container = { ...VMSTAT, "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup/memory.events": "oom_kill 1\n" };
  assert.equal(oomKillCount(machine(container)), 1);
});

test("a machine with the old cgroups is asked as well", () => {
  const old = {
    ...VMSTAT,
    "/proc/self/cgroup": "9:name=systemd:/\n4:memory:/docker/abc\n0::/\n",
    "/sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
  };
  assert.equal(oomKillCount(machine(old)), 4);
});

test("without a cgroup of memory the machine counts, without anything nothing is known", () => {
  assert.equal(oomKillCount(machine({ ...VMSTAT, "/proc/self/cgroup": "0::/\n" })), 7);
  assert.equal(oomKillCount(machine({})), 0);
  assert.ok(oomKillCount() >= 0);
});
