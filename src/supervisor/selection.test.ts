import assert from "node:assert/strict";
import { test } from "node:test";
import { select } from "./selection.ts";

const services = [
  { name: "web@1", groups: ["web", "front"] },
  { name: "web@2", groups: ["web", "front"] },
  { name: "web-admin", groups: ["web-admin"] },
  { name: "db", groups: ["data"] },
  { name: "db.replica", groups: ["data"] },
];
const names = (...words: string[]): readonly string[] => select(words, services).names;

test("a name is that service", () => {
  assert.deepEqual(names("db"), ["db"]);
});

test("all is everything, also when there is nothing", () => {
  assert.equal(names("all").length, 5);
  assert.deepEqual(select(["all"], []), { names: [], unknown: [] });
});

test("the name of a replicated service is all of its replicas", () => {
  assert.deepEqual(names("web"), ["web@1", "web@2"]);
});

test("globs are for the whole name, and a dot is a dot", () => {
  assert.deepEqual(names("web*"), ["web@1", "web@2", "web-admin"]);
  assert.deepEqual(names("web@?"), ["web@1", "web@2"]);
  assert.deepEqual(names("web@[12]"), ["web@1", "web@2"]);
  assert.deepEqual(names("db?replica"), ["db.replica"]);
  assert.deepEqual(names("dbx*"), []);
});

test("GROUP:* and GROUP: are all of a group, GROUP:NAME is one of it", () => {
  assert.deepEqual(names("data:*"), ["db", "db.replica"]);
  assert.deepEqual(names("data:"), ["db", "db.replica"]);
  assert.deepEqual(names("data:db"), ["db"]);
  assert.deepEqual(names("front:db"), []);
});

test("each service once, in the services' own order", () => {
  assert.deepEqual(names("db", "web@2", "db", "web"), ["web@1", "web@2", "db"]);
});

test("a word that fits nothing is given back with the nearest name", () => {
  assert.deepEqual(select(["bd", "nothing-like-it", "x:*", "["], services).unknown, [
    { word: "bd", suggestion: "db" },
    { word: "nothing-like-it", suggestion: null },
    { word: "x:*", suggestion: null },
    { word: "[", suggestion: null },
  ]);
});
