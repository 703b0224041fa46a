/**
 * What services print is in their files: every byte, in order, whatever happens around them.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, unlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { Box, modeOf } from "./box.ts";

/** `seq 1 2000000 | wc -c` */
const ALL_BYTES = 14_888_896;
const ONCE = "restart: no\n";

test("output is kept byte for byte, the last line without its newline too", async (t) => {
  const box = Box.prepare(t, {
    "web.yaml": `command: cat bytes\n${ONCE}`,
    "large.yaml": `command: cat large\n${ONCE}`,
  });
  const bytes = Buffer.concat([
    Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
    Buffer.from([0xc3, 0x28, 0xff, 0xfe, 0x00, 0x0a, 0x0d, 0x0a, 0xf0, 0x9f]),
    Buffer.from("the last line has no newline ü"),
  ]);
  writeFileSync(box.path("bytes"), bytes);
  // More than a pipe holds, in one go: the end of the process must not cost its tail.
  const large = Buffer.alloc(3_000_000, "All work and no play makes Jack a dull boy.\n");
  writeFileSync(box.path("large"), large);
  await box.start();
  await box.until("web", "EXITED");
  assert.deepEqual(readFileSync(box.path("log/web.log")), bytes);
  await box.until("large", "EXITED");
  assert.ok(readFileSync(box.path("log/large.log")).equals(large));

  await t.test("only the owner can read the files", () => {
    assert.equal(modeOf(box.path("log/web.log")), "600");
    assert.equal(modeOf(box.path("log")), "700");
  });
});

test("stdout and stderr share one file in the order written, unless they shall not", async (t) => {
  const script = "for n in 1 2 3 4 5 6 7 8 9; do echo out $$n; echo err $$n >&2; done";
  const box = await Box.open(t, {
    "merged.yaml": `command: ${script}\nshell: true\n${ONCE}`,
    "separate.yaml": `command: ${script}\nshell: true\nlogs: { stderr: separate }\n${ONCE}`,
    "none.yaml": `command: ${script}; readlink /proc/self/fd/2 > where\nshell: true\nlogs: none\n${ONCE}`,
    "stamped.yaml": `command: printf 'one\\ntwo\\nthree'\nlogs: { timestamps: true }\n${ONCE}`,
  });
  for (const name of ["merged", "separate", "none", "stamped"]) {
    assert.match((await box.until(name, "EXITED")).why, /^exit 0/);
  }
  const numbers = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  assert.equal(box.log("merged"), numbers.map((n) => `out ${n}\nerr ${n}\n`).join(""));
  assert.equal(box.log("separate"), numbers.map((n) => `out ${n}\n`).join(""));
  assert.equal(box.log("separate.stderr.log"), numbers.map((n) => `err ${n}\n`).join(""));

  await t.test("`logs: none` discards all of it", () => {
    assert.equal(box.file("where"), "/dev/null\n");
    assert.equal(existsSync(box.path("log/none.log")), false);
  });

  await t.test("`timestamps: true` puts the time before each line", () => {
    const lines = box.log("stamped").split("\n");
    assert.deepEqual(
      lines.map((line) => line.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /, "")),
      ["one", "two", "three"],
    );
    assert.ok(lines.every((line) => /^\d{4}-/.test(line)));
  });
});

test("the next run goes on in the same file", async (t) => {
  const box = await Box.open(t, { "web.yaml": `command: echo again\n${ONCE}` });
  await box.until("web", "EXITED");
  await box.control.act("start", ["web"]);
  await box.until("web", ({ run, state }) => run === 2 && state === "EXITED");
  assert.equal(box.log("web"), "again\nagain\n");
});

test("a flood is rotated between lines: none is lost, none is torn, old files are gzip", async (t) => {
  const box = await Box.open(t, {
    "flood.yaml": `command: seq 1 200000\nlogs: { max_size: 100K, keep: 50 }\n${ONCE}`,
    "few.yaml": `command: seq 1 100000\nlogs: { max_size: 50K, keep: 3 }\n${ONCE}`,
    "plain.yaml": `command: seq 1 30000\nlogs: { max_size: 50K, keep: 9, compress: false }\n${ONCE}`,
  });
  for (const name of ["flood", "few", "plain"]) await box.until(name, "EXITED");

  await box.becomes("all but the newest rotated file are compressed", () => {
    const plain = namesOf(box, "flood").filter((name) => /\.log\.\d+$/.test(name));
    return isDeepEqual(plain, ["flood.log.1"]);
  });
  const files = rotatedOf(box, "flood");
  assert.ok(files.length > 10);
  for (const { text } of files) {
    assert.ok(text.length <= 102_400, "no file is larger than its limit");
    assert.ok(text.endsWith("\n"), "no line is torn");
  }
  assert.deepEqual(linesOf(files.map(({ text }) => text).join("")), upTo(200_000));

  await t.test("at most `keep` rotated files stay, the newest", async () => {
    await box.becomes("it is so", () =>
      isDeepEqual(namesOf(box, "few"), ["few.log", "few.log.1", "few.log.2.gz", "few.log.3.gz"]),
    );
    const lines = linesOf(
      rotatedOf(box, "few")
        .map(({ text }) => text)
        .join(""),
    );
    assert.equal(lines.at(-1), "100000");
    assert.deepEqual(lines, upTo(100_000).slice(-lines.length));
  });

  await t.test("`compress: false` leaves them as they are", () => {
    const text = rotatedOf(box, "plain").map((file) => file.text);
    assert.deepEqual(linesOf(text.join("")), upTo(30_000));
    assert.ok(namesOf(box, "plain").every((name) => !name.endsWith(".gz")));
  });
});

test("a follower sees every line through rotations, in order", async (t) => {
  const box = Box.prepare(t, {
    "web.yaml":
      "command: sh -c 'while read -r from to; do seq $$from $$to; done <> go'\nlogs: { max_size: 20K, keep: 200 }",
  });
  await box.fifo("go");
  await box.start();
  const heard = box.follow(t, "logs", "-f", "web");
  await box.put("go", "1 1\n");
  await box.becomes("the follower follows", () => heard.text === "1\n");
  await box.put("go", "2 60000\n");
  await box.becomes("it has heard the last line", () => heard.text.endsWith("\n60000\n"));
  assert.deepEqual(linesOf(heard.text), upTo(60_000));
  assert.ok(namesOf(box, "web").length > 10, "it was rotated meanwhile");
});

test("a follower that does not read slows nobody", async (t) => {
  const box = Box.prepare(t, {
    "web.yaml": "command: sh -c 'read -r _ < go; seq 1 2000000; echo done > finished; exec sleep 1001'",
    "other.yaml": "command: sh -c 'while read -r word; do echo $$word; done <> say'",
  });
  await box.fifo("go");
  await box.fifo("say");
  await box.start();
  const asked = request({ socketPath: box.path("run/svcd.sock"), path: "/v1/services/web/logs?follow=1" });
  const answer = new Promise<void>((done) => asked.on("response", (response) => done(void response.pause())));
  asked.on("error", () => {});
  asked.end();
  t.after(() => asked.destroy());
  await answer;

  await box.put("go", "\n");
  const attentive = box.follow(t, "logs", "-f", "other");
  await box.put("say", "hello\n");
  await box.becomes("others are served meanwhile", () => attentive.text === "hello\n");
  await box.becomes("the service has written everything", () => box.file("finished") === "done\n");
  await box.becomes("all of it is in its file", () => statSync(box.path("log/web.log")).size === ALL_BYTES);
});

test("a log file that is deleted or moved away while the service runs is made anew", async (t) => {
  const box = Box.prepare(t, {
    "web.yaml": "command: sh -c 'while read -r word; do echo $$word; done <> say'",
  });
  await box.fifo("say");
  await box.start();
  await box.put("say", "before\n");
  await box.says("web", "before\n");
  unlinkSync(box.path("log/web.log"));
  // Whether the file is still there is looked at now and then only: what comes before that goes with the old one.
  let words = 0;
  await box.becomes("the file is there again", async () => {
    await box.put("say", `word-${++words}\n`);
    return box.log("web") !== "";
  });
  await box.put("say", "after\n");
  await box.becomes("what follows is in it", () => /after\n$/.test(box.log("web")));
  assert.equal(modeOf(box.path("log/web.log")), "600");
  assert.equal((await box.status("web")).run, 1);
});

const noMounts = canMount() ? false : "needs root and a mount namespace of its own";

test("a full disk does not stop the service; what is missing is told once there is room", {
  skip: noMounts,
}, async (t) => {
  const box = Box.prepare(t, {
    "web.yaml":
      "command: sh -c 'while read -r from to; do seq $$from $$to; echo $$to > done; done <> go'\nstartsecs: 0s",
  });
  execFileSync("mkdir", [box.path("log")]);
  box.inside = [
    "unshare",
    "--mount",
    "sh",
    "-c",
    'mount -t tmpfs -o size=1m,mode=700 tmpfs "$0" && exec "$@"',
    box.path("log"),
  ];
  await box.fifo("go");
  await box.start();
  const inside = `/proc/${box.daemon?.pid}/root${box.path("log")}`;
  const pid = await box.pid("web");

  writeFileSync(`${inside}/ballast`, Buffer.alloc(700_000));
  await box.put("go", "1 200000\n");
  await box.becomes("the service has written it all", () => box.file("done") === "200000\n");
  const { state, run } = await box.status("web");
  assert.deepEqual({ state, run }, { state: "RUNNING", run: 1 });

  rmSync(`${inside}/ballast`);
  await box.put("go", "200001 200002\n");
  await box.becomes("the log goes on", () => /\n200002\n$/.test(readFileSync(`${inside}/web.log`, "utf8")));
  const text = readFileSync(`${inside}/web.log`, "utf8");
  const [, missing] = /\nsvcd: (\d+) bytes of output are missing here: .*ENOSPC.*\n200001\n/.exec(text) ?? [];
  const whole = upTo(200_000).join("\n").length + 1;
  const kept = text.slice(0, text.indexOf("\nsvcd: "));
  assert.ok(Number(missing) > 0, text.slice(-200));
  assert.ok(Math.abs(whole - kept.length - Number(missing)) <= 1, `${whole} = ${kept.length} + ${missing}`);
  assert.equal(await box.pid("web"), pid);
});

interface RotatedFile {
  readonly name: string;
  readonly text: string;
}

/** Oldest first. */
function rotatedOf(box: Box, service: string): RotatedFile[] {
  const number = (name: string): number => Number(/\.log\.(\d+)/.exec(name)?.[1] ?? 0);
  return namesOf(box, service)
    .sort((a, b) => number(b) - number(a))
    .map((name) => {
      const bytes = readFileSync(box.path("log", name));
      return { name, text: (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString() };
    });
}

function namesOf(box: Box, service: string): string[] {
  return readdirSync(box.path("log"))
    .filter((name) => name === `${service}.log` || new RegExp(`^${service}\\.log\\.\\d+(\\.gz)?$`).test(name))
    .sort();
}

function linesOf(text: string): string[] {
  return text.replace(/\n$/, "").split("\n");
}

function upTo(last: number): string[] {
  return Array.from({ length: last }, (_, index) => String(index + 1));
}

function isDeepEqual(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function canMount(): boolean {
  try {
    execFileSync("unshare", ["--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
