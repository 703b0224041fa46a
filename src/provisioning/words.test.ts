import assert from "node:assert/strict";
import { test } from "node:test";
import { redactor } from "../plan/secrets.ts";
import { cacheFolder, repoFolder, snapshotIn, wantedFiles } from "./hub-files.ts";
import { label, Meter } from "./progress.ts";
import { judge, looksLikeHtml } from "./reply.ts";
import { inBytes } from "./sizes.ts";
import { lastPart } from "./step.ts";

test("progress is one line that a person and a simple pattern can read", () => {
  const meter = new Meter();
  meter.at({ bytes: 1_116_000_000, total: 2_900_000_000 }, 0);
  const line = `${label(2, 7, "download model.safetensors")}  ${meter.at({ bytes: 1_200_000_000, total: 2_900_000_000 }, 1000)}`;
  assert.equal(line, "[3/7] download model.safetensors  41 %  1.2 GB of 2.9 GB  84 MB/s");
  const found = /^\[(\d+)\/(\d+)\] (\w+) .*?(\d+) % {2}/.exec(line);
  assert.deepEqual(found?.slice(1), ["3", "7", "download", "41"]);
});

test("a log is told each percent at most, not more often than each second, and that it lives every ten", () => {
  const meter = new Meter();
  let lines = 0;
  for (let ms = 0; ms <= 60_000; ms += 10) if (meter.at({ bytes: ms * 1000, total: 60_000_000 }, ms) !== null) lines++;
  assert.ok(lines > 50 && lines <= 61, String(lines));
  const stalled = new Meter();
  const said = Array.from({ length: 61 }, (_, s) => stalled.at({ bytes: 5, total: 1000 }, s * 1000));
  assert.equal(said.filter((line) => line !== null).length, 7);
  assert.match(said[60] ?? "", /^0 % {2}5 B of 1\.0 kB {2}0 B\/s$/);
});

test("sizes are read at a glance", () => {
  const all = [0, 999, 1000, 9_949, 12_345, 999_600, 2_900_000_000, 41e12].map(inBytes);
  assert.deepEqual(all, ["0 B", "999 B", "1.0 kB", "9.9 kB", "12 kB", "1.0 MB", "2.9 GB", "41 TB"]);
});

const reply = (status: number, headers: Record<string, string> = {}) => ({
  status,
  statusText: "",
  header: (name: string) => headers[name] ?? null,
});

test("a reply to a range that begins elsewhere, or is of another length, is not put behind what is here", () => {
  const expected = { url: "http://h/x", have: 100, total: 500, html: false };
  const of = (status: number, range?: string) =>
    judge(reply(status, range === undefined ? {} : { "content-range": range }), expected).kind;
  assert.equal(of(206, "bytes 100-499/500"), "body");
  assert.equal(of(206, "bytes 0-499/500"), "start over");
  assert.equal(of(206, "bytes 100-599/600"), "start over");
  assert.equal(of(206), "start over");
  assert.equal(of(416, "bytes */100"), "complete");
  assert.equal(of(416, "bytes */90"), "start over");
  assert.deepEqual(judge(reply(200, { "content-length": "500" }), expected), { kind: "body", from: 0, total: 500 });
  // What is packed on the way has another length than the file.
  const packed = reply(200, { "content-length": "50", "content-encoding": "gzip" });
  assert.deepEqual(judge(packed, expected), { kind: "body", from: 0, total: null });
});

test("pages about a file are told with where the file itself is", () => {
  const fixOf = (url: string): string => {
    const verdict = judge(reply(200, { "content-type": "text/html" }), { url, have: 0, total: null, html: false });
    return verdict.kind === "failed" ? String(verdict.fix) : "";
  };
  assert.match(fixOf("https://github.com/o/r/blob/main/s.sh"), /raw\.githubusercontent\.com\/o\/r\/main\/s\.sh/);
  assert.match(fixOf("https://huggingface.co/o/m/blob/main/x.bin"), /o\/m\/resolve\/main\/x\.bin/);
  for (const page of ["<!doctype html><p>", "\n <html lang=en>", "\ufeff<HTML>", "<!-- x --><html>"]) {
    assert.ok(looksLikeHtml(Buffer.from(page)), page);
  }
  for (const other of ["#!/bin/sh", "<?xml version='1.0'?>", "<htmlx", "", "echo '<html>'"]) {
    assert.ok(!looksLikeHtml(Buffer.from(other)), other);
  }
});

test("secrets of URLs and variables are hidden, short and harmless values are not", () => {
  const redact = redactor({ HF_TOKEN: "hf_abcdef123", DB_PASSWORD: "x", PATH: "/usr/bin:/bin" });
  assert.equal(redact("hf_abcdef123 x /usr/bin:/bin"), "(hidden) x /usr/bin:/bin");
  assert.equal(redact("https://oauth2:tok@gitlab.com/a.git"), "https://(hidden)@gitlab.com/a.git");
  assert.equal(redact('curl -H "Authorization: Bearer abc.def-123456"'), 'curl -H "Authorization: Bearer (hidden)"');
  assert.equal(redact("hf download x --token hf_ABCDEFGHIJKLMNOPQRST"), "hf download x --token (hidden)");
  assert.equal(redact("a Bearer of news, Basic tools"), "a Bearer of news, Basic tools");
  const signed = redact("https://s3/x?X-Amz-Credential=AK%2F1&X-Amz-Signature=abc&n=1");
  assert.equal(signed, "https://s3/x?X-Amz-Credential=(hidden)&X-Amz-Signature=(hidden)&n=1");
});

test("of a repository only what the patterns want is fetched, and no name leads out of its folder", () => {
  const sha = "a".repeat(40);
  const names = ["config.json", "model.safetensors", "onnx/model.onnx", "README.md"];
  const answer = { sha, siblings: names.map((rfilename) => ({ rfilename, size: 1, blobId: "b".repeat(40) })) };
  const { files } = snapshotIn(answer)!;
  const of = (include: string[], exclude: string[]) => wantedFiles(files, { include, exclude }).map(({ name }) => name);
  assert.deepEqual(of([], []), names);
  assert.deepEqual(of(["*.json", "*.safetensors"], []), ["config.json", "model.safetensors"]);
  assert.deepEqual(of([], ["onnx/", "*.md"]), ["config.json", "model.safetensors"]);
  for (const rfilename of ["../x", "/etc/passwd", "a/../../b", "a//b"]) {
    assert.equal(snapshotIn({ sha, siblings: [{ rfilename }] }), null, rfilename);
  }
  assert.equal(cacheFolder({ HF_HOME: "/w/.hf" }), "/w/.hf/hub");
  assert.equal(cacheFolder({ HOME: "/root" }), "/root/.cache/huggingface/hub");
  assert.equal(repoFolder({ repo: "Qwen/Q3", type: "model" }), "models--Qwen--Q3");
});

test("the last part of a URL is the name of its file", () => {
  assert.equal(lastPart("https://h/a/b%20c.bin?download=true"), "b c.bin");
  assert.equal(lastPart("https://h/"), "");
  assert.equal(lastPart("/opt/set up.sh"), "set up.sh");
});
