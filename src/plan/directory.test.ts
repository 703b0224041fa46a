import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isServiceFile, stemOf } from "./directory.ts";

test("files named like a service count", () => {
  for (const name of [
    "web.yaml",
    "web.yml",
    "web.conf",
    "10-web.yaml",
    "web_1.api.yaml",
    "getty@tty1.yaml",
    "A.yaml",
  ]) {
    assert.ok(isServiceFile(name), name);
  }
});

test("what editors and package managers leave behind never counts", () => {
  const litter = [
    ".web.yaml.swp",
    "web.yaml.swp",
    "web.yaml.swx",
    "web.yaml~",
    "~web.yaml",
    "4913",
    ".#web.yaml",
    "#web.yaml#",
    "sedXa3b9",
    "web.yaml.tmp",
    "web.yaml.dpkg-new",
    "web.yaml.dpkg-old",
    "web.yaml.dpkg-dist",
    "web.conf.rpmnew",
    "web.conf.rpmsave",
    "web.conf.ucf-dist",
    ".web.yaml",
    ".yaml",
    ".conf",
    "..data",
    "web.yaml.bak",
    "web.yaml.orig",
    "web.yaml.rej",
    "web.YAML",
    "web.json",
    "web",
    "",
    ".",
    "..",
    "a b.yaml",
    "web.yaml\n",
    "-web.yaml",
    "_web.yaml",
    "web.yaml.1a2b3c",
    "sub/web.yaml",
    `${"a".repeat(260)}.yaml`,
  ];
  for (const name of litter) assert.ok(!isServiceFile(name), name);
});

test("a name that counts has no folder in it, is no dot file, and ends in yaml, yml or conf", () => {
  fc.assert(
    fc.property(
      fc.string({ maxLength: 12 }),
      fc.constantFrom(".yaml", ".yml", ".conf", "", "~", ".swp", ".tmp"),
      (stem, ending) => {
        const name = stem + ending;
        if (isServiceFile(name)) assert.match(name, /^[^./#~\s][^/\s#~]*\.(yaml|yml|conf)$/);
      },
    ),
    { numRuns: 3000 },
  );
});

test("the stem is the name without folders and ending", () => {
  assert.equal(stemOf("/etc/svcd/services.d/web.yaml"), "web");
  assert.equal(stemOf("web.api.yml"), "web.api");
  assert.equal(stemOf("web"), "web");
});
