/**
 * What a run is given (standard input, environment), and how it is brought to its end when it closes what it was given or leaves
 * processes behind.
 */
import assert from "node:assert/strict";
import { userInfo } from "node:os";
import { test } from "node:test";
import { isAlive } from "./box.ts";
import { cronBox, linesOf, recorded, records, runLog, writeJobs } from "./cron-box.ts";

test("in a crontab the first % begins the standard input, each further one is a newline, \\% is a percent sign", async (t) => {
  const box = cronBox(t, {});
  const lines = [
    ["stdin", "cat%first%second"],
    ["escaped", "echo 100\\%; cat % a\\%b"],
    ["empty", "cat; echo end"],
    ["newline", "cat%"],
    ["backslash", "printf '\\%s\\n' 'a\\b'"],
  ];
  writeJobs(box, "percent", lines.map(([name, command]) => `# svcd: name=${name}\n@reboot ${command}\n`).join(""));
  await box.start();
  for (const [name = ""] of lines) await recorded(box, name, 1);
  const said = lines.map(([name = ""]) => runLog(box, name, 1));
  assert.deepEqual(said, ["first\nsecond\n", "100%\n a%b\n", "end\n", "", "a\\b\n"]);
});

test("a crontab's job gets cron's environment and its file's, a job in YAML svcd's; both know which run of which job they are, and for when", async (t) => {
  const box = cronBox(t, { "yaml.yaml": 'schedule: "@reboot"\nshell: true\ncommand: env\n' });
  writeJobs(box, "plain", "LANG=C.UTF-8\nQUOTED='a b'\n# svcd: name=plain\n@reboot env; pwd\n");
  // As in many a container and under many a service manager.
  Object.assign(box.env, { OF_SVCD: "yes", HOME: undefined, USER: undefined, LOGNAME: undefined });
  await box.start();
  const env = async (name: string): Promise<Map<string, string>> => {
    const [record] = await recorded(box, name, 1);
    const found = new Map(
      runLog(box, name, 1)
        .split("\n")
        .map((line): [string, string] => [line.split("=")[0]!, line.slice(line.indexOf("=") + 1)]),
    );
    const known = ["JOB", "RUN_ID", "ATTEMPT", "TRIGGER", "SCHEDULED_FOR"].map((key) => found.get(`CRON_${key}`));
    assert.deepEqual(known, [name, `${name}/1`, "1", "boot", record?.scheduledFor]);
    return found;
  };
  const [plain, yaml] = [await env("plain"), await env("yaml")];
  const { homedir, username } = userInfo();
  assert.deepEqual(
    ["PATH", "SHELL", "HOME", "LOGNAME", "LANG", "QUOTED", "OF_SVCD"].map((key) => plain.get(key)),
    ["/usr/bin:/bin", "/bin/sh", homedir, username, "C.UTF-8", "a b", undefined],
  );
  assert.ok(runLog(box, "plain", 1).endsWith(`\n${homedir}\n`), "it runs in the home of its user");
  assert.deepEqual([yaml.get("OF_SVCD"), yaml.get("HOME")], ["yes", undefined]);
});

test("a job that closes its output runs on to its end, and its exit code is what counts", async (t) => {
  const box = cronBox(t, {
    "mute.yaml": 'schedule: "@reboot"\nshell: true\ncommand: echo before; exec >&- 2>&-; read x < gate; exit 5\n',
    "deaf.yaml": 'schedule: "@reboot"\nshell: true\ncommand: exec <&-; read x; echo "read $$?"; exit 6\n',
  });
  await box.fifo("gate");
  await box.start();
  await box.becomes("it runs", () => runLog(box, "mute", 1) === "before\n");
  await recorded(box, "deaf", 1);
  assert.deepEqual(records(box, "mute"), []);
  await box.put("gate", "go\n");
  const [record] = await recorded(box, "mute", 1);
  assert.deepEqual([record?.result, record?.exit], ["failure", { code: 5 }]);
  assert.deepEqual(records(box, "deaf")[0]?.exit, { code: 6 });
});

test("a job that leaves a grandchild behind is over when it ends: what it left is ended, its exit code kept, and it runs again", async (t) => {
  const box = cronBox(t, {
    "leaves.yaml":
      'schedule: "@every 1s"\nshell: true\ncommand: "setsid sh -c \'echo $$$$ >> left; exec sleep 1000\' & until [ \\"$$(wc -l < left)\\" -ge \\"$${CRON_RUN_ID#*/}\\" ]; do sleep 0.02; done 2> /dev/null; exit 7"\n',
  });
  await box.start();
  const runs = await recorded(box, "leaves", 2, ({ run }) => run !== null);
  assert.deepEqual(
    runs.slice(0, 2).map(({ run, result, exit }) => [run, result, exit]),
    [
      [1, "failure", { code: 7 }],
      [2, "failure", { code: 7 }],
    ],
  );
  for (const pid of linesOf(box, "left").slice(0, 2).map(Number)) assert.equal(isAlive(pid), false, `${pid} is left`);
});
