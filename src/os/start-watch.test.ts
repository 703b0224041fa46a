import assert from "node:assert/strict";
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { after, test } from "node:test";
import type { Word } from "../phase/progress.ts";
import { type Step, stepInWords } from "../phase/rule.ts";
import { planOf } from "../plan/testing.ts";
import { bytesBelow } from "./folder-growth.ts";
import { LinuxLauncher } from "./launcher.ts";
import { StartHistory } from "./start-history.ts";
import { LinuxStarts } from "./start-watch.ts";

const root = mkdtempSync(`${tmpdir()}/starts-`);
after(() => rmSync(root, { recursive: true }));

const COUNT = `phases: [ { name: one, match: "one" }, { name: two, match: "two (?<done>\\\\d+)/(?<total>\\\\d+)", stall: 1h } ]`;
let boxes = 0;

/** A watch of a service, what it tells, and a log that grows. */
function watching(t: import("node:test").TestContext, keys = COUNT) {
  const folder = `${root}/${++boxes}`;
  mkdirSync(folder);
  const plan = planOf({
    "services.d/web.yaml": `command: sleep 1\nenvironment: { HERE: ${folder} }\nhealthcheck: { tcp: 1 }\n${keys}`,
  });
  assert.deepEqual(plan.mistakes, []);
  const service = plan.services.get("web")!;
  const words: (Word & { run: number })[] = [];
  const said: string[] = [];
  const followers = new Set<() => void>();
  let onWord = (): void => {};
  const log = `${folder}/web.log`;
  const make = (): LinuxStarts => {
    const starts = new LinuxStarts({
      launcher: new LinuxLauncher({ env: {}, rootDir: folder, runDir: "/run", daemonEnvironment: () => ({}) }),
      logPath: () => log,
      followLog: (_, __, onGrown) => {
        followers.add(onGrown);
        return () => followers.delete(onGrown);
      },
      onWord: (_, run, word) => {
        words.push({ run, ...word });
        onWord();
      },
      marksFile: `${folder}/marks.json`,
      stateDir: folder,
      say: (line) => said.push(line),
    });
    t.after(() => starts.close());
    return starts;
  };
  return {
    folder,
    service,
    starts: make(),
    nextCore: make,
    words,
    followers,
    said,
    log,
    says(text: string): void {
      appendFileSync(log, text);
      for (const onGrown of followers) onGrown();
    },
    async word(): Promise<string> {
      while (words.length === 0) await new Promise<void>((resolve) => (onWord = resolve));
      return stepInWords(words.shift()!.step);
    },
  };
}

test("what a run writes is told as its progress; what stood there before is not", async (t) => {
  const web = watching(t);
  web.says("two 9/9\n");
  web.starts.began(web.service, 2);
  web.starts.watch(web.service, 2, null);
  web.says("noise\none\n");
  assert.equal(await web.word(), "one");
  web.says("\x1b[32mtwo 3/9\x1b[0m\n");
  while (web.words.length === 0) await new Promise((again) => setTimeout(again, 5));
  assert.deepEqual([web.words[0]?.run, web.words[0]?.moved, web.words[0]?.stallMs], [2, true, 3_600_000]);
});

test("a bar that is drawn over is read in each of its states, the one without an end included", async (t) => {
  const web = watching(t);
  web.starts.began(web.service, 1);
  web.starts.watch(web.service, 1, null);
  web.says("\rtwo 1/9 \rtwo 2/9 \rtwo 5/9 ");
  assert.equal(await web.word(), "two 5/9");
});

test("a line that never ends, and one of megabytes, are no burden", async (t) => {
  const web = watching(t);
  web.starts.began(web.service, 1);
  web.starts.watch(web.service, 1, null);
  web.says("x".repeat(5_000_000));
  web.says("\none\n");
  assert.equal(await web.word(), "one");
});

test("ten thousand lines are told in a few words, the last of them true", async (t) => {
  const web = watching(t);
  web.starts.began(web.service, 1);
  web.starts.watch(web.service, 1, null);
  let text = "";
  for (let line = 1; line <= 10_000; line++) text += `two ${line}/10000\n`;
  web.says(text);
  let last = "";
  let count = 0;
  while (last !== "two 10000/10000") {
    last = await web.word();
    count++;
  }
  assert.ok(count <= 5, String(count));
});

test("once it is ready nothing is read any more, and the start is remembered", async (t) => {
  const web = watching(t);
  web.starts.began(web.service, 1);
  web.starts.watch(web.service, 1, null);
  assert.equal(web.followers.size, 1);
  const start = { phases: [{ name: "one", afterMs: 5 }], totalMs: 10 };
  web.starts.over("web", 1, start);
  assert.equal(web.followers.size, 0);
  assert.deepEqual(web.starts.past("web"), [start]);
  assert.deepEqual(web.nextCore().past("web"), [start], "the next svcd knows it");
});

test("the next core goes on where the last one was, without reading it as progress", async (t) => {
  const web = watching(t);
  web.starts.began(web.service, 1);
  web.says("one\ntwo 4/9\n");
  const known: Step = { phase: "two", done: 4, total: 9, percent: null, bytes: null };
  const next = web.nextCore();
  next.watch(web.service, 1, known);
  web.says("two 5/9\n");
  assert.equal(await web.word(), "two 5/9");
});

test("the next core finds what was said while none was there", async (t) => {
  const web = watching(t);
  web.starts.began(web.service, 1);
  web.says("x\n".repeat(500_000)); // A megabyte: only its tail is read.
  web.says("two 7/9\n");
  const next = web.nextCore();
  next.watch(web.service, 1, { phase: "one", done: null, total: null, percent: null, bytes: null });
  assert.equal(await web.word(), "two 7/9");
});

test("a pattern that takes for ever is given up, with a word, and the core lives on", async (t) => {
  const web = watching(t, `phases: [ { name: slow, match: "(a+)+b" } ]`);
  web.starts.began(web.service, 1);
  web.starts.watch(web.service, 1, null);
  web.says(`${"a".repeat(900)}\n`);
  while (web.said.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.match(web.said[0]!, /a pattern of `phases` takes too long/);
  assert.equal(web.followers.size, 0);
});

test("a folder that grows is told, and one that does not is not", async (t) => {
  const web = watching(t, `phases: [ { name: download, growth: "\${HERE}/hub/*.incomplete" } ]`);
  mkdirSync(`${web.folder}/hub/blobs`, { recursive: true });
  writeFileSync(`${web.folder}/hub/blobs/a.incomplete`, Buffer.alloc(1_000_000));
  web.starts.began(web.service, 1);
  web.starts.watch(web.service, 1, null);
  // Once it has looked for the first time.
  await new Promise((resolve) => setTimeout(resolve, 500));
  writeFileSync(`${web.folder}/hub/blobs/done`, Buffer.alloc(9_000_000));
  appendFileSync(`${web.folder}/hub/blobs/a.incomplete`, Buffer.alloc(2_000_000));
  assert.equal(await web.word(), "download 2.0 MB");
});

test("bytes in a folder: links are not followed, what is not there is empty", async () => {
  const folder = `${root}/bytes`;
  mkdirSync(`${folder}/deep/er`, { recursive: true });
  writeFileSync(`${folder}/deep/er/file`, Buffer.alloc(100_000, 1));
  symlinkSync(folder, `${folder}/deep/loop`);
  const { blocks } = statSync(`${folder}/deep/er/file`);
  assert.equal(await bytesBelow(folder), blocks * 512);
  assert.equal(await bytesBelow(`${folder}/*.none`), 0);
  assert.equal(await bytesBelow(`${folder}/nowhere`), 0);
});

test("of earlier starts ten are kept; a torn file, and one that cannot be written, count as none", () => {
  const folder = `${root}/history`;
  mkdirSync(folder);
  const history = new StartHistory(folder);
  for (let run = 1; run <= 12; run++) history.add("web@1", { phases: [], totalMs: run });
  const kept = new StartHistory(folder).of("web@1");
  assert.deepEqual(
    kept.map(({ totalMs }) => totalMs),
    [3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  );
  const path = `${folder}/starts/web@1.json`;
  writeFileSync(path, readFileSync(path, "utf8").slice(0, 40));
  assert.deepEqual(new StartHistory(folder).of("web@1"), []);
  writeFileSync(path, `{"starts":[{"phases":"x"},{"phases":[],"totalMs":7},null]}`);
  assert.deepEqual(new StartHistory(folder).of("web@1"), [{ phases: [], totalMs: 7 }]);
  const nowhere = new StartHistory("/proc/nowhere");
  nowhere.add("web", { phases: [], totalMs: 1 });
  assert.equal(nowhere.of("web").length, 1);
});
