/**
 * The files of cron.d while svcd runs: a mistake in one of them, or a change, is no matter of the others, and what may not be
 * a crontab is none.
 */
import assert from "node:assert/strict";
import { chmodSync, existsSync, readdirSync } from "node:fs";
import { test } from "node:test";
import { isAlive } from "./box.ts";
import { cronBox, linesOf, recorded, records, writeJobs } from "./cron-box.ts";

const named = (name: string, line: string): string => `# svcd: name=${name}\n${line}\n`;

test("while one file's job runs another is changed, broken and mended: the run and its file's times stay, what was good of the broken one goes on", async (t) => {
  const tick = (word: string): string => `schedule: "* * * * * *"\nshell: true\ncommand: echo ${word} >> ticks\n`;
  const box = cronBox(t, {
    "slow.yaml": 'schedule: "@reboot"\nshell: true\ncommand: echo $$$$ > pid; read x < gate; exit 4\n',
    "tick.yaml": tick("one"),
  });
  await box.fifo("gate");
  await box.start();
  const pid = await box.numberIn("pid");
  const says = (word: string): boolean => linesOf(box, "ticks").at(-1) === word;
  const again = async (word: string): Promise<void> => {
    const before = linesOf(box, "ticks").length;
    await box.becomes(`it says ${word}, again`, () => linesOf(box, "ticks").length > before && says(word));
  };
  await again("one");

  writeJobs(box, "tick.yaml", tick("two"));
  await again("two");
  writeJobs(box, "tick.yaml", tick("three").replace("schedule", "shedule"));
  await box.becomes("the mistake is told", () => /tick\.yaml:1:1: unknown key `shedule`/.test(box.terminal));
  assert.match(
    (await box.svctl("plan")).stdout,
    /^= tick: its file has mistakes or vanished, so it goes on as it is$/m,
  );
  await again("two");
  writeJobs(box, "more", `${named("broken", "61 * * * * echo")}${named("good", `@hourly echo`)}`);
  await box.becomes("its mistake is told", () => /cron\.d\/more:2:1: /.test(box.terminal));
  writeJobs(box, "tick.yaml", tick("four"));
  await again("four");

  assert.ok(isAlive(pid));
  await box.put("gate", "go\n");
  const [record] = await recorded(box, "slow", 1);
  assert.deepEqual([record?.run, record?.result, record?.why], [1, "failure", "exit 4"]);
  const due = records(box, "tick").map(({ scheduledFor }) => scheduledFor);
  assert.equal(new Set(due).size, due.length, "no due time was run twice");
});

test("files that cron would not take are not run, and whoever could mean them as jobs is told why", async (t) => {
  const box = cronBox(t, {});
  const touches = (name: string): string => named(name, `@reboot touch ${box.path(`ran-${name}`)}`);
  const files: Record<string, string | Buffer> = {
    "X-1_y": touches("good"),
    "a.b": touches("dotted"),
    ".x": touches("hidden"),
    loose: touches("loose"),
    "no-newline": touches("cut").trimEnd(),
    crlf: touches("crlf").replaceAll("\n", "\r\n"),
    nul: Buffer.concat([
      Buffer.from(touches("before")),
      Buffer.from("@reboot echo \0\n"),
      Buffer.from(touches("after")),
    ]),
    bom: `\uFEFF${touches("bom")}`,
    long: `${"# a comment\n".repeat(10_000)}${touches("long")}`,
    "stranger.system": named("stranger", `@reboot nosuchuser touch ${box.path("ran-stranger")}`),
  };
  for (const [name, text] of Object.entries(files)) writeJobs(box, name, text);
  // A file `x~` is what an editor leaves; writeJobs makes and renames one.
  writeJobs(box, "x~", touches("left"));
  chmodSync(box.path("cron.d/loose"), 0o666);
  await box.start();
  for (const name of ["good", "crlf", "before", "after", "stranger"]) await recorded(box, name, 1);
  await box.becomes("the file with a byte order mark is run too", () => existsSync(box.path("ran-bom")));
  const ran = readdirSync(box.root).filter((name) => name.startsWith("ran-"));
  assert.deepEqual(ran.sort(), ["ran-after", "ran-before", "ran-bom", "ran-crlf", "ran-good"]);
  const [stranger] = records(box, "stranger");
  assert.deepEqual([stranger?.result, /nosuchuser.*does not exist/.test(stranger?.why ?? "")], ["failure", true]);
  for (const told of [
    "a.b:1:1: `a.b` is not read: cron takes no file with such a name",
    "loose:1:1: others may write it (mode 0666)",
    "no-newline:2:",
    "nul:3:14: the line has a NUL byte",
    "bom:1:1: the file begins with a byte order mark",
    "long:10001:1: 10002 lines; from line 10001 on nothing is read",
  ]) {
    assert.ok(box.terminal.includes(`cron.d/${told}`), `${told}\n${box.terminal}`);
  }
  assert.doesNotMatch(box.terminal, /cron\.d\/(X-1_y|\.x|x~|crlf)/);
});
