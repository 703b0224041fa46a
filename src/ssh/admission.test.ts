import assert from "node:assert/strict";
import { test } from "node:test";
import { Admission } from "./admission.ts";

const door = (connections: number, strangers: number, strangersPerAddress: number) =>
  new Admission({ connections, strangers, strangersPerAddress });

test("one address has a few places for strangers, and gets them back when they sign in or leave", () => {
  const admission = door(10, 10, 2);
  assert.deepEqual(admission.arrives(1, "10.0.0.1"), { in: true, evicted: null });
  assert.deepEqual(admission.arrives(2, "10.0.0.1"), { in: true, evicted: null });
  assert.equal(admission.arrives(3, "10.0.0.1").in, false);
  assert.equal(admission.arrives(4, "10.0.0.2").in, true);
  admission.signedIn(1);
  assert.equal(admission.arrives(5, "10.0.0.1").in, true);
  admission.leaves(2);
  assert.equal(admission.arrives(6, "10.0.0.1").in, true);
});

test("addresses of one network of IPv6 count as one", () => {
  const admission = door(10, 10, 1);
  assert.equal(admission.arrives(1, "2001:db8::1").in, true);
  assert.equal(admission.arrives(2, "2001:db8::2").in, false);
  assert.equal(admission.arrives(3, "2001:db8:0:1::1").in, true);
});

test("a crowd of strangers never keeps the owner out: the oldest of the biggest crowd makes room", () => {
  const admission = door(100, 4, 3);
  for (const [id, address] of ["10.0.0.9", "10.0.0.1", "10.0.0.1", "10.0.0.1"].entries())
    admission.arrives(id, address);
  assert.deepEqual(admission.arrives(10, "10.0.0.5"), { in: true, evicted: 1 });
});

test("all connections together have a limit that nobody gets past", () => {
  const admission = door(2, 2, 2);
  for (const id of [1, 2]) {
    admission.arrives(id, `10.0.0.${id}`);
    admission.signedIn(id);
  }
  assert.equal(admission.arrives(3, "10.0.0.3").in, false);
  admission.leaves(1);
  assert.equal(admission.arrives(4, "10.0.0.3").in, true);
});

test("each wrong password makes the next one of that address wait twice as long, in however many connections", () => {
  const admission = door(10, 10, 10);
  assert.equal(admission.passwordWaitMs("10.0.0.1", 0), 0);
  assert.equal(admission.wrongPassword("10.0.0.1", 0), 500);
  assert.equal(admission.passwordWaitMs("10.0.0.1", 0), 500);
  assert.equal(admission.passwordWaitMs("10.0.0.1", 0), 1_000, "the second one waits for the first");
  for (let i = 0; i < 20; i++) admission.wrongPassword("10.0.0.1", 2_000);
  const first = admission.passwordWaitMs("10.0.0.1", 2_000)!;
  const second = admission.passwordWaitMs("10.0.0.1", 2_000)!;
  assert.equal(second - first, 30_000);
  assert.equal(admission.passwordWaitMs("10.0.0.2", 2_000), 0, "others do not wait");
  assert.equal(admission.passwordWaitMs("10.0.0.1", 60 * 60_000), 0, "and one day it is forgiven");
});

test("a right password is not made to wait for old mistakes the next time", () => {
  const admission = door(10, 10, 10);
  for (let i = 0; i < 5; i++) admission.wrongPassword("10.0.0.1", 0);
  admission.rightPassword("10.0.0.1");
  assert.equal(admission.passwordWaitMs("10.0.0.1", 0), 0);
});

test("passwords from everywhere together are so many a minute", () => {
  const admission = door(10, 10, 10);
  const answers = Array.from({ length: 200 }, (_, i) => admission.passwordWaitMs(`10.0.${i}.1`, 1_000));
  assert.equal(answers.filter((wait) => wait === null).length, 80);
  assert.equal(admission.passwordWaitMs("10.1.0.1", 61_001), 0);
});

test("a million addresses do not fill the memory", () => {
  const admission = door(10, 10, 10);
  for (let i = 0; i < 30_000; i++) admission.wrongPassword(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, i);
  assert.equal(admission.passwordWaitMs("10.0.0.1", 30_000), 0, "the oldest is forgotten");
});
