import assert from "node:assert/strict";
import { test } from "node:test";
import { troublesOf } from "./troubles.ts";

const log = (service: string, droppedBytes: number) => ({
  service,
  stream: "stdout" as const,
  path: `/log/${service}.log`,
  base: 0,
  position: 0,
  rotated: [],
  droppedBytes,
  dropping: "ENOSPC: no space left on device, write",
});

test("nothing fails, nothing is said", () => {
  assert.deepEqual(troublesOf({ wishes: null, journal: null, logs: [] }), []);
});

test("each thing that cannot be kept is a sentence with its cause", () => {
  const failings = { wishes: "EROFS: …", journal: "ENOSPC: …", history: "EIO: …", logs: [] };
  const [wishes, journal, history, ...rest] = troublesOf(failings);
  assert.match(wishes ?? "", /in memory only, and forgotten when svcd ends: EROFS: …/);
  assert.match(journal ?? "", /the next core will know less: ENOSPC: …/);
  assert.match(history ?? "", /some may run again: EIO: …/);
  assert.deepEqual(rest, []);
});

test("a full disk under many logs is one sentence with all bytes that are lost", () => {
  const said = (...names: string[]) =>
    troublesOf({ wishes: null, journal: null, logs: names.map((name) => log(name, 10)) });
  assert.deepEqual(said("web"), ["output of web is lost, 10 bytes so far: ENOSPC: no space left on device, write"]);
  assert.match(said("backup!7", "backup!8")[0] ?? "", /^output of backup is lost, 20 bytes so far: /);
  assert.match(said("e", "d", "c", "b", "a")[0] ?? "", /^output of a, b, c and 2 more is lost, 50 bytes so far: /);
});
