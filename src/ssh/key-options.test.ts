import assert from "node:assert/strict";
import { test } from "node:test";
import { isFrom } from "./address.ts";
import { type KeyOptions, readOptions } from "./key-options.ts";

function options(text: string): KeyOptions {
  const read = readOptions(text);
  assert.ok(read.ok, text);
  return read.value;
}

test("permit=view takes forwarding away, unless the line says otherwise", () => {
  const may = (text: string) => [options(text).permit, options(text).mayForward, options(text).mayHaveTerminal];
  assert.deepEqual(may("no-agent-forwarding"), ["all", true, true]);
  assert.deepEqual(may('permit="view"'), ["view", false, true]);
  assert.deepEqual(may("permit=view,port-forwarding"), ["view", true, true]);
  assert.deepEqual(may('permit="view",permitopen="localhost:8000"'), ["view", true, true]);
  assert.deepEqual(may("restrict"), ["all", false, false]);
  assert.deepEqual(may("restrict,pty"), ["all", false, true]);
  assert.deepEqual(may("no-port-forwarding,no-pty,no-X11-forwarding"), ["all", false, false]);
});

test("from holds the key to addresses", () => {
  const { from } = options('from="10.0.0.0/8,!10.9.*,fd00::/8"');
  const answers = ["10.1.2.3", "10.9.0.1", "11.0.0.1", "fd12::1", "fe80::1"].map((address) => isFrom(from!, address));
  assert.deepEqual(answers, [true, false, false, true, false]);
});

test("expiry-time is a date, local or in UTC, and the earlier of two counts", () => {
  assert.equal(options('expiry-time="202701311200Z"').expiresAt, Date.UTC(2027, 0, 31, 12));
  assert.equal(options('expiry-time="20270131"').expiresAt, new Date(2027, 0, 31).getTime());
  assert.equal(options('expiry-time="20270131120130"').expiresAt, new Date(2027, 0, 31, 12, 1, 30).getTime());
  assert.equal(options("expiry-time=20280101Z,expiry-time=20270101Z").expiresAt, Date.UTC(2027, 0, 1));
  for (const wrong of ["20270230", "20271301", "2027", "soon", "202701312460", ""])
    assert.equal(readOptions(`expiry-time="${wrong}"`).ok, false, wrong);
});

test("what an option says and this server does not do refuses the line", () => {
  for (const text of [
    'command="rm -rf /"',
    'environment="A=b"',
    "verify-required",
    'tunnel="0"',
    "permitt=view",
    "restrict=yes",
    "from",
    'from="gateway.example.com"',
    'from="10.0.0.0/33"',
    'permitopen="localhost"',
    'from="10.0.0.1',
    "__proto__",
    "constructor",
  ])
    assert.equal(readOptions(text).ok, false, text);
});
