/** `svctl lint` as it is installed: in the form that the build has compiled, without a daemon. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { test } from "node:test";

const SVCTL = resolve(import.meta.dirname, "../../bin/svctl");

test("svctl lint reads crontabs and YAML jobs where no svcd runs, and finds nothing in those that svcd brings", (t) => {
  const root = mkdtempSync(join(tmpdir(), "svcd-lint-"));
  t.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, "cron.d"));
  writeFileSync(join(root, "cron.d/tab"), "61 4 * * * /bin/true\n", { mode: 0o644 });
  writeFileSync(join(root, "cron.d/job.yaml"), 'schedule: "0 22-2 * * *"\ncommand: /bin/true\n', { mode: 0o644 });
  const { status, stdout, stderr } = spawnSync(SVCTL, ["--root", root, "lint"], { encoding: "utf8" });
  assert.deepEqual([status, stderr], [1, ""]);
  assert.match(stdout, /job.yaml:1:14: cron reads the range `22-2` as nothing[\s\S]*tab:1:1: `61` is no minute/);
  const shipped = resolve(import.meta.dirname, "../../cron.d");
  assert.match(spawnSync(SVCTL, ["lint", shipped], { encoding: "utf8" }).stdout, /: nothing found\n$/);
});
