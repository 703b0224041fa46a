import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { after, test } from "node:test";
import { coreDumpFact } from "./core-dump.ts";
import { type About, evidenceOf } from "./evidence.ts";
import { kernelFacts, parseRecord, readKernelLog } from "./kernel-log.ts";

const dir = mkdtempSync(`${tmpdir()}/evidence-`);
after(() => rmSync(dir, { recursive: true }));

const monotonicMs = (): number => Number(process.hrtime.bigint() / 1000n) / 1000;

function about(change: Partial<About>): About {
  return {
    service: "web",
    end: { exit: { kind: "code", code: 1 }, at: monotonicMs(), upMs: 10_000 },
    logPaths: [],
    lines: 20,
    workingDir: null,
    oomKills: 0,
    kernelLog: [],
    ...change,
  };
}

const killed = (signal: NodeJS.Signals, at = monotonicMs()): NonNullable<About["end"]> => ({
  exit: { kind: "signal", signal },
  at,
  upMs: 10_000,
});

// --- what it said last ---------------------------------------------------------------------------------------------------

test("what a failed run said last is shown, and understood where it can be", async () => {
  const path = `${dir}/failed.log`;
  writeFileSync(path, "starting\n\x1b[31mModuleNotFoundError: No module named 'torch'\x1b[0m\n");
  const { facts, lastLines, advice } = await evidenceOf(about({ logPaths: [path] }));
  assert.deepEqual(lastLines, ["starting", "ModuleNotFoundError: No module named 'torch'"]);
  assert.deepEqual(facts, ["the Python module torch is not installed where web runs"]);
  assert.equal(advice.length, 1);
});

test("lines that were written after the end are not taken for its cause", async () => {
  const path = `${dir}/later.log`;
  writeFileSync(path, "ModuleNotFoundError: No module named 'torch'\n");
  utimesSync(path, new Date(), new Date(Date.now() + 60_000));
  assert.deepEqual((await evidenceOf(about({ logPaths: [path] }))).facts, []);
});

test("what the next run has written already is not the end of this one, also when the log was rotated between", async () => {
  const path = `${dir}/next.log`;
  writeFileSync(path, "ModuleNotFoundError: No module named 'torch'\n");
  const { ino: inode, size: offset } = statSync(path);
  const later = new Date(Date.now() + 60_000);
  const understood = async () =>
    (await evidenceOf(about({ logPaths: [path], nextBegan: { [path]: { inode, offset } } }))).facts;
  appendFileSync(path, "MemoryError\n");
  utimesSync(path, later, later);
  assert.deepEqual(await understood(), ["the Python module torch is not installed where web runs"]);
  renameSync(path, `${path}.1`);
  writeFileSync(path, "MemoryError\n");
  utimesSync(path, later, later);
  assert.deepEqual(await understood(), ["the Python module torch is not installed where web runs"]);
});

test("exit 0 of a server that nobody asked to end is explained, too", async () => {
  const path = `${dir}/server.log`;
  writeFileSync(path, "vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue.\n");
  const end = { exit: { kind: "code", code: 0 }, at: monotonicMs(), upMs: 1 } as const;
  const { facts } = await evidenceOf(about({ end, isServer: true, logPaths: [path] }));
  assert.deepEqual(facts, ["its engine died without a word (killed, or a crash below Python)"]);
});

test("a run that ended well, or none at all, needs no explanation", async () => {
  const path = `${dir}/well.log`;
  writeFileSync(path, "MemoryError\n");
  const well = { exit: { kind: "code", code: 0 }, at: monotonicMs(), upMs: 1 } as const;
  assert.deepEqual(await evidenceOf(about({ end: well, logPaths: [path] })), {
    facts: [],
    lastLines: ["MemoryError"],
    advice: [],
  });
  assert.deepEqual((await evidenceOf(about({ end: null, logPaths: [path] }))).facts, []);
});

// --- memory ----------------------------------------------------------------------------------------------------------------

test("a killed run is brought together with the kernel's OOM killer", async () => {
  const { facts, advice } = await evidenceOf(about({ end: killed("SIGKILL"), oomKills: 1 }));
  assert.deepEqual(facts, ["the kernel's OOM killer ended a process while it ran, which fits its end"]);
  assert.equal(advice.length, 1);
  assert.deepEqual((await evidenceOf(about({ end: killed("SIGKILL") }))).facts, []);
});

test("a shell's exit 137 is a kill of what it ran", async () => {
  const end = { ...killed("SIGKILL"), exit: { kind: "code", code: 137 } } as const;
  assert.match(
    (await evidenceOf(about({ end, oomKills: 2 }))).facts[0] as string,
    /ended 2 processes while it ran, which fits/,
  );
});

const OOM =
  "Out of memory: Killed process 4121 (python3) total-vm:90000000kB, anon-rss:8388608kB, file-rss:0kB, shmem-rss:0kB, UID:0";

test("the kernel's own words name who was killed and how much it held", () => {
  const end = { startedAt: 1_000, endedAt: 9_000, crashed: false };
  const own = kernelFacts({ ...end, pid: 4121 }, [{ at: 8_990, text: OOM }]);
  assert.deepEqual(own, ["the kernel's OOM killer ended it, which held 8.0 GiB: the machine had no memory left"]);
  const worker = kernelFacts({ ...end, pid: 4000 }, [{ at: 8_990, text: `Memory cgroup out${OOM.slice(3)}` }]);
  assert.deepEqual(worker, [
    "the kernel's OOM killer ended pid 4121 (python3), which held 8.0 GiB: its memory cgroup was full",
  ]);
});

test("what the kernel said before the run or long after it is about something else", () => {
  const end = { startedAt: 10_000, endedAt: 20_000, crashed: false, pid: 4121 };
  assert.deepEqual(
    kernelFacts(end, [
      { at: 5_000, text: OOM },
      { at: 30_000, text: OOM },
    ]),
    [],
  );
});

// --- crashes ---------------------------------------------------------------------------------------------------------------

test("a crash is told with the library it happened in", () => {
  const text =
    "python3[4121]: segfault at 0 ip 00007f3a sp 00007ffd error 4 in libtorch.so[7f3a+1000] likely on CPU 3 (core 1, socket 0)";
  const end = { startedAt: 1_000, endedAt: 9_000, crashed: true };
  assert.deepEqual(kernelFacts({ ...end, pid: 4121 }, [{ at: 9_000, text }]), [
    "the kernel says: segfault in libtorch.so (pid 4121)",
  ]);
  assert.deepEqual(kernelFacts({ ...end, pid: 77 }, [{ at: 9_000, text }]), []);
  const trap = "traps: server[4121] trap invalid opcode ip:55e0 sp:7ffc error:0 in server[55e0+1000]";
  assert.deepEqual(kernelFacts({ ...end, pid: null }, [{ at: 9_000, text: trap }]), [
    "the kernel says: trap invalid opcode in server (pid 4121)",
  ]);
});

test("a GPU that failed is told", () => {
  const text = "NVRM: Xid (PCI:0000:65:00): 79, pid=4121, name=python3, GPU has fallen off the bus.";
  assert.deepEqual(kernelFacts({ pid: null, startedAt: 0, endedAt: 9_000, crashed: false }, [{ at: 8_000, text }]), [
    "the NVIDIA driver reported Xid 79 for GPU 0000:65:00, pid=4121, name=python3, GPU has fallen off the bus",
  ]);
});

test("the kernel's log is read without waiting, where it may be read", () => {
  assert.deepEqual(parseRecord("6,1234,5678901,-;python3[1]: hello; there\n SUBSYSTEM=x\n"), {
    at: 5678.901,
    text: "python3[1]: hello; there",
  });
  for (const { at, text } of readKernelLog()) assert.ok(at >= 0 && typeof text === "string");
});

const corePattern = readFileSync("/proc/sys/kernel/core_pattern", "utf8").trim();

test("a core dump is found where the kernel put it", {
  skip: !/^[\w.%]+$/.test(corePattern) && "core_pattern is not a plain name",
}, async () => {
  const child = spawn("sh", ["-c", "ulimit -c unlimited && kill -SEGV $$"], { cwd: dir });
  const [, signal] = await once(child, "exit");
  assert.equal(signal, "SIGSEGV");
  const { facts } = await evidenceOf(about({ end: killed("SIGSEGV"), pid: child.pid ?? null, workingDir: dir }));
  assert.match(facts.at(-1) as string, new RegExp(`^core dumped: ${dir}/core\\S* \\(\\d+ MiB\\)$`));
});

test("a core dump's name may hold the pid, the program and more; one from another day does not count", () => {
  const crashed = { signal: "SIGABRT", pid: 4121, cwd: dir, endedAt: Date.now() };
  const rules = { pattern: "dump.%e.%p.%t%%", appendsPid: false };
  writeFileSync(`${dir}/dump.a.py.4121.1795%`, "x".repeat(3 * 1024 ** 2));
  assert.equal(coreDumpFact(crashed, rules), `core dumped: ${dir}/dump.a.py.4121.1795% (3 MiB)`);
  assert.equal(coreDumpFact({ ...crashed, pid: 4122 }, rules), null);
  assert.equal(coreDumpFact({ ...crashed, endedAt: 0 }, rules), null);
  assert.equal(coreDumpFact({ ...crashed, signal: "SIGTERM" }, rules), null);
  writeFileSync(`${dir}/c.4121`, "x");
  assert.equal(coreDumpFact(crashed, { pattern: `${dir}/c`, appendsPid: true }), `core dumped: ${dir}/c.4121 (1 MiB)`);
});

test("a core dump that a program took over is said to be there", () => {
  const crashed = { signal: "SIGSEGV", pid: 4121, cwd: null, endedAt: Date.now() };
  const systemd = { pattern: "|/usr/lib/systemd/systemd-coredump %P %u", appendsPid: false };
  assert.equal(coreDumpFact(crashed, systemd), "if it dumped core, systemd has it: coredumpctl info 4121");
  const other = { pattern: "|/usr/share/apport/apport -p%p", appendsPid: false };
  assert.equal(coreDumpFact(crashed, other), "if it dumped core, the kernel gave it to /usr/share/apport/apport");
});
