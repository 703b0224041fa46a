import assert from "node:assert/strict";
import { test } from "node:test";
import { isDevPath, isOpenPath, readTarget, redactedPath, takeToken } from "./request-target.ts";

test("a target that could mean two things is refused", () => {
  const refused = [
    ["//evil.example/x", "begins with two slashes"],
    ["/a/../b", ". or .."],
    ["/a/%2e%2E/b", ". or .."],
    ["/a/.%2e/b", ". or .."],
    ["/a%2f..%2fb", ". or .."],
    ["/a/..;x=1/b", ". or .."],
    ["/a\\b", "backslash"],
    ["/a%5cb", "backslash"],
    ["/a%00", "NUL"],
    ["/a%zz", "hex digits"],
    ["/a b", "characters"],
    ["/a#b", "fragment"],
    ["*", "not a path"],
    ["http://other:1/", "another host"],
  ];
  for (const [url = "", why = ""] of refused) {
    const read = readTarget(url, "here:8000");
    assert.ok(!read.ok, url);
    assert.ok(read.why.includes(why), `${url}: ${read.why}`);
  }
});

test("an honest target is forwarded byte for byte, a full one as a path", () => {
  for (const url of ["/", "/v1/models/Qwen%2FQwen3?x=1&y=%20", "/a//b", "/...", "/\xe9"]) {
    const read = readTarget(url, "here");
    assert.ok(read.ok && read.target.path === url, url);
  }
  const full = readTarget("HTTP://Here:8000/x?y", "here:8000");
  assert.ok(full.ok && full.target.path === "/x?y");
});

test("?token= is taken out wherever it stands, and the rest stays as it was", () => {
  const of = (url: string) => {
    const read = readTarget(url, "h");
    assert.ok(read.ok);
    return takeToken(read.target);
  };
  assert.deepEqual(of("/a?token=x%2By"), { token: "x+y", rest: "/a" });
  assert.deepEqual(of("/a?b=1&token=x&c=%20&token=y"), { token: "x", rest: "/a?b=1&c=%20" });
  assert.deepEqual(of("/a?mytoken=1"), { token: null, rest: "/a?mytoken=1" });
});

test("what is open is compared as written, what is blocked as the program behind would read it", () => {
  assert.ok(isOpenPath("GET", "/manifest.json"));
  assert.ok(isOpenPath("GET", "/.well-known/acme-challenge/abc_-1"));
  for (const path of [
    "/manifest%2ejson",
    "/manifest.json/",
    "/.well-known/acme-challenge/a/b",
    "/.well-known/acme-challenge/",
  ])
    assert.ok(!isOpenPath("GET", path), path);
  assert.ok(!isOpenPath("POST", "/manifest.json"));
  for (const path of [
    "/sleep",
    "/%73leep",
    "/sleep/",
    "//sleep",
    "/wake_up",
    "/wake%5fup",
    "/SLEEP",
    "/sleep;x=1",
    "/%2fsleep",
  ])
    assert.ok(isDevPath(path), path);
  for (const path of ["/score", "/v1/sleep", "/sleeping"]) assert.ok(!isDevPath(path), path);
});

test("values that speak of secrets are hidden in logs", () => {
  assert.equal(
    redactedPath("/a?token=x&b=1&api_key=y&X-Amz-Signature=z"),
    "/a?token=***&b=1&api_key=***&X-Amz-Signature=***",
  );
  assert.equal(redactedPath("/a"), "/a");
});
