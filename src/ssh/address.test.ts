import assert from "node:assert/strict";
import { test } from "node:test";
import { addressPatterns, isFrom, neighbourhood, plainAddress } from "./address.ts";

test("patterns match addresses as sshd's do", () => {
  const cases: [pattern: string, address: string, matches: boolean][] = [
    ["*", "::1", true],
    ["127.0.0.1", "127.0.0.1", true],
    ["127.0.0.1", "127.0.0.11", false],
    ["127.*", "127.0.0.1", true],
    ["10.0.?.1", "10.0.9.1", true],
    ["10.0.?.1", "10.0.99.1", false],
    ["192.168.0.0/16", "192.168.255.1", true],
    ["0.0.0.0/0", "::1", false],
    ["fd00::/8", "fd00:1::2", true],
    ["2001:db8::1", "2001:0db8:0::1", true],
    ["!10.0.0.1", "10.0.0.2", false],
    ["*,!10.0.0.1", "10.0.0.2", true],
    ["*,!10.0.0.1", "10.0.0.1", false],
  ];
  for (const [pattern, address, matches] of cases)
    assert.equal(isFrom(addressPatterns(pattern), address), matches, `${pattern} ${address}`);
});

test("a name, an empty word and a broken network are mistakes: they would match nothing", () => {
  for (const pattern of ["host.example.com", "*.example.com", "", "10.0.0.1,", "10.0.0.0/8/8", "10.0.0.0/x", "!"])
    assert.throws(() => addressPatterns(pattern), pattern);
});

test("a pattern full of stars is answered at once", () => {
  const startedAt = performance.now();
  assert.equal(isFrom(addressPatterns(`${"*1".repeat(500)}x*`.replace("x", "9")), "1".repeat(5_000)), false);
  assert.ok(performance.now() - startedAt < 1_000);
});

test("addresses are told as people know them, and counted by who is likely to have them", () => {
  assert.equal(plainAddress("::ffff:10.0.0.1"), "10.0.0.1");
  assert.equal(plainAddress("fe80::1%eth0"), "fe80::1");
  assert.equal(neighbourhood("10.0.0.1"), "10.0.0.1");
  assert.equal(neighbourhood("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
  assert.equal(neighbourhood("2001:db8::6"), "2001:db8:0:0::/64");
  assert.equal(neighbourhood("::1"), "0:0:0:0::/64");
});
