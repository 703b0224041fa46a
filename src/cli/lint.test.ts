import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { svctl } from "./fake-daemon.ts";

/** A root where no svcd runs: none is asked. */
const nowhere = { root: mkdtempSync(join(tmpdir(), "svctl-test-lint-")) };
after(() => rmSync(nowhere.root, { recursive: true }));

test("svctl lint finds what is wrong in cron.d, and nothing where nothing is", async () => {
  const directory = join(nowhere.root, "cron.d");
  mkdirSync(directory);
  writeFileSync(join(directory, "good"), "30 4 * * * /bin/true\n", { mode: 0o644 });
  writeFileSync(join(directory, "README"), "not a job\n");
  const good = await svctl(nowhere, "lint");
  assert.deepEqual([good.exitCode, good.stdout], [0, "2 files, 1 job: nothing found\n"]);

  writeFileSync(join(directory, "bad"), "61 4 * * * /bin/true\n0 22-2 * * * /bin/true\n", { mode: 0o644 });
  writeFileSync(join(directory, "back.up"), "", { mode: 0o644 });
  const bad = await svctl(nowhere, "lint --json");
  assert.equal(bad.exitCode, 1);
  const findings = JSON.parse(bad.stdout) as {
    file: string;
    line: number;
    column: number;
    rule: string;
    severity: string;
  }[];
  assert.deepEqual(
    findings.map(({ file, line, column, rule }) => `${file.slice(directory.length + 1)}:${line}:${column} ${rule}`),
    ["back.up:1:1 file-name", "bad:1:1 null", "bad:2:1 never", "bad:2:3 empty-range"],
  );
  const text = (await svctl(nowhere, ["lint", join(directory, "bad")])).stdout;
  assert.match(
    text,
    /^mistake: .*bad:1:1: `61` is no minute\n {2}1 \| 61 4 \* \* \* \/bin\/true\n {4}\| \^\n {2}fix: write/,
  );
  assert.match(text, /\[empty-range\]\n.*\n.*\n {2}fix: write 22-23,0-2\n/);
  assert.match(text, /\n1 file, 1 job: 1 mistake, 2 warnings\n$/);
});

test("svctl lint tells of a crontab that others could have written, and of a directory that is not there", async () => {
  const directory = join(nowhere.root, "rights", "cron.d");
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, "open"), "30 4 * * * /bin/true\n");
  chmodSync(join(directory, "open"), 0o666);
  const { exitCode, stdout } = await svctl({ root: join(nowhere.root, "rights") }, "lint");
  assert.equal(exitCode, 1);
  assert.match(stdout, /open:1:1: others may write it \(mode 0666\)\n {2}fix: chmod go-w .*cron.d\/open\n/);
  assert.equal((await svctl(nowhere, ["lint", directory])).stdout, stdout);
  const nothing = await svctl({ root: join(nowhere.root, "nothing") }, "lint");
  assert.match(nothing.stderr, /cannot read the directory of jobs \(ENOENT\)/);
});

test("svctl lint reads jobs in YAML too: their mistakes, and what is rarely meant, where it stands", async () => {
  const root = join(nowhere.root, "yaml");
  const directory = join(root, "cron.d");
  mkdirSync(directory, { recursive: true });
  const put = (name: string, text: string) => writeFileSync(join(directory, name), text, { mode: 0o644 });
  put("good.yaml", 'schedule: "30 4 * * *"\ntimezone: UTC\ncommand: /bin/true\n');
  assert.deepEqual((await svctl({ root }, "lint")).stdout, "1 file, 1 job: nothing found\n");

  put("one.yaml", 'schedule: "0 22-2 * * *"\ncommand: /bin/true\noverlapp: skip\n');
  put(
    "more.yaml",
    `jobs:
  odd:
    schedule: ["0 4 * * *", "5.5 4 13 * 5"]
    timezone: UTC
    command: /bin/true
  berlin:
    schedule: 30 2 * * *
    timezone: Europe/Berlin
    user: nobody-of-this-name
    command: backup
  berlin-again:
    schedule: 30 2 * * *
    timezone: Europe/Berlin
    user: nobody-of-this-name
    command: backup
  never:
    schedule: "0 0 0 31 2 *"
    command: x
`,
  );
  const { exitCode, stdout } = await svctl({ root }, "lint --json");
  assert.equal(exitCode, 1);
  const found = JSON.parse(stdout) as { file: string; line: number; column: number; rule: string | null }[];
  assert.deepEqual(
    found.map(({ file, line, column, rule }) => `${file.slice(directory.length + 1)}:${line}:${column} ${rule}`),
    [
      "more.yaml:3:30 either-day",
      "more.yaml:3:31 ignored-text",
      "more.yaml:7:15 clock-change",
      "more.yaml:9:11 unknown-user",
      "more.yaml:11:3 duplicate",
      "more.yaml:12:15 clock-change",
      "more.yaml:14:11 unknown-user",
      "more.yaml:17:16 never",
      "one.yaml:3:1 null",
    ],
  );
  const named = await svctl({ root }, ["lint", join(directory, "one.yaml")]);
  assert.match(
    named.stdout,
    /^mistake: .*one.yaml:3:1: unknown key `overlapp`\n.*\n.*\n {2}fix: did you mean `overlap`\?/,
  );
});
