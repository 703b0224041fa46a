import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { crontabNameOf } from "./crontab-file.ts";
import { whyNotAllowed } from "./crontab-owner.ts";
import { svctl } from "./fake-daemon.ts";

const MINE = userInfo().username;

/** A root where no svcd runs. */
function nowhere(t: TestContext) {
  const root = mkdtempSync(join(tmpdir(), "svctl-test-crontab-"));
  t.after(() => rmSync(root, { recursive: true }));
  return { root, crontab: join(root, "cron.d", crontabNameOf(MINE)) };
}

test("crontab -l shows what a terminal would obey, and pipes get every byte", async (t) => {
  const { root, crontab } = nowhere(t);
  mkdirSync(join(root, "cron.d"));
  writeFileSync(crontab, "# a\b\x1b[2J\r\n@daily /bin/true\n", { mode: 0o600 });
  assert.equal((await svctl({ root }, "crontab -l")).stdout, "# a\b\x1b[2J\r\n@daily /bin/true\n");
  const shown = (await svctl({ root }, "crontab -l", { terminal: 80 })).stdout;
  assert.equal(shown, "# a\\x08\\x1b[2J\\r\n@daily /bin/true\n");
});

test("crontab alone on a terminal does not wait for a crontab that would replace yours", async (t) => {
  const { root } = nowhere(t);
  const { exitCode, stderr } = await svctl({ root }, "crontab", { terminal: 80 });
  assert.equal(exitCode, 2);
  assert.match(stderr, /crontab -e to edit/);
});

test("the letters of crontab mean what they mean in crontab(1), wherever they stand", async (t) => {
  const { root, crontab } = nowhere(t);
  const input = "@daily /bin/true\n";
  const dry = await svctl({ root }, `crontab -nu ${MINE} -`, { input });
  assert.deepEqual([dry.exitCode, dry.stdout], [0, "stdin: 1 job, no mistakes; nothing was installed (-n)\n"]);
  assert.equal((await svctl({ root }, `crontab -u${MINE}`, { input })).exitCode, 0);
  assert.equal(readFileSync(crontab, "utf8"), input);
  const kept = await svctl({ root }, "crontab -ir", { input: "what\nno\n" });
  assert.deepEqual([kept.exitCode, kept.stderr.endsWith("(y/n) write y or n: ")], [0, true]);
  assert.equal(readFileSync(crontab, "utf8"), input);
  assert.equal((await svctl({ root }, "crontab -ri", { input: "y\n" })).exitCode, 0);
  assert.match((await svctl({ root }, "crontab -l")).stderr, new RegExp(`no crontab for ${MINE}`));
  for (const [words, what] of [
    ["crontab -l -e", /exclude each other/],
    ["crontab -e file", /exclude each other/],
    ["crontab -i -l", /-i is for -r/],
    ["crontab -n -l", /-n is for a FILE/],
    ["crontab -u", /needs a value/],
    ["logs -n", /needs a value/],
  ] as const) {
    const { exitCode, stderr } = await svctl({ root }, words);
    assert.deepEqual([exitCode, what.test(stderr)], [2, true], words);
  }
});

test("a crontab whose jobs are all gone is told, and the one before is still there", async (t) => {
  const { root } = nowhere(t);
  await svctl({ root }, "crontab -", { input: "@daily /bin/true\n@daily /bin/false\n" });
  const { stderr, exitCode } = await svctl({ root }, "crontab -", { input: "" });
  assert.equal(exitCode, 0);
  const before = /has no jobs any more, and had 2; the crontab before is in (\S+)\n/.exec(stderr)?.[1];
  assert.equal(readFileSync(before ?? "", "utf8"), "@daily /bin/true\n@daily /bin/false\n");
});

test("a crontab that is too long for svcd is not installed", async (t) => {
  const { root } = nowhere(t);
  const { stderr, exitCode } = await svctl({ root }, "crontab -", { input: `${"#".repeat(1024 * 1024)}\n` });
  assert.equal(exitCode, 1);
  assert.match(stderr, /larger than 1024 KiB; nothing was installed/);
});

test("cron.allow says who may use crontab; without it cron.deny says who may not; without both everybody may", () => {
  const given = (files: Record<string, string>) => (user: string) =>
    whyNotAllowed(user, (path) => files[path.replace("/etc/cron.", "")] ?? null);
  assert.deepEqual(["alice", "bob"].map(given({ allow: "alice\n", deny: "alice\n" })), [
    null,
    "not in /etc/cron.allow",
  ]);
  assert.deepEqual(["alice", "bob"].map(given({ deny: " bob \n" })), [null, "in /etc/cron.deny"]);
  assert.deepEqual(["alice", "bob"].map(given({})), [null, null]);
  assert.equal(given({ allow: "" })("alice"), "not in /etc/cron.allow");
});

test("a user whose name no crontab can have gets one that is near", () => {
  assert.deepEqual(["alice", "first.last", "readme"].map(crontabNameOf), ["alice", "first_last", "readme_"]);
});
