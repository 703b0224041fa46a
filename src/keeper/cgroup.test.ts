import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { Cgroups } from "./cgroup.ts";
import { ProcessScan } from "./process-scan.ts";

const RUN_DIR = `/tmp/svcd-cgroup-test-${process.pid}`;

function burn(ms: number): void {
  const until = process.cpuUsage().user + ms * 1_000;
  while (process.cpuUsage().user < until);
}

test("of a measured run all its processes' time is known at the end, without the keeper's own; of others nothing", async (t) => {
  const cgroups = Cgroups.open(RUN_DIR, new ProcessScan(RUN_DIR));
  if (cgroups === null) return t.skip("this machine has no cgroup v2 that can be written");
  t.after(() => cgroups.close());
  burn(1_000); // In what will be the cgroup of the run.
  const own = `${burn} burn(300);`;
  const code = `${own} console.log(process.cpuUsage().user + process.cpuUsage().system);`;
  const both = `require("child_process").spawnSync(process.execPath, ["-e", ${JSON.stringify(code)}], { stdio: "inherit" }); ${code}`;
  const start = (isMeasured: boolean) =>
    cgroups.enclose(() => spawn(process.execPath, ["-e", both], { stdio: ["ignore", "pipe", "inherit"] }), isMeasured);
  for (const isMeasured of [true, false]) {
    const { made, enclosure } = start(isMeasured);
    assert.ok(made !== null && enclosure !== null);
    const printed = await text(made.stdout);
    if (made.exitCode === null) await once(made, "exit");
    const { pid = 0 } = made;
    const run = { service: "backup!1", run: 1, pid, startTicks: 1, startedAt: 0, enclosure, isWatched: true };
    const cpuMs = cgroups.cpuMsOf(run);
    if (isMeasured) {
      const told = printed
        .trim()
        .split("\n")
        .reduce((sum, line) => sum + Number(line) / 1_000, 0);
      assert.ok(cpuMs !== null && cpuMs >= 600 && cpuMs < told + 900, `${cpuMs} ms, they say ${told}`);
    } else {
      assert.equal(cpuMs, null);
    }
    assert.ok(cgroups.cleared([run]).has(run));
    assert.equal(cgroups.cpuMsOf(run), null);
  }
});
