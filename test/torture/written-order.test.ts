import assert from "node:assert/strict";
import { test } from "node:test";
import { WrittenOrder } from "./written-order.ts";

const lines = (run: number, from: number, to: number): string =>
  Array.from({ length: to - from }, (_, index) => `w ${run} ${from + index}\n`).join("");

function check(...pieces: string[]): WrittenOrder {
  const order = new WrittenOrder("w");
  for (const piece of pieces) order.feed(piece);
  return order;
}

test("a log in order is no damage, however it is cut into pieces and wherever a killed run ended", () => {
  const text = `${lines(1, 1, 120)}w 1 12${lines(2, 1, 5)}${lines(4, 1, 12)}`;
  for (let cut = 0; cut <= text.length; cut += 7) {
    const order = check(text.slice(0, cut), text.slice(cut));
    assert.deepEqual(order.damages, []);
    assert.deepEqual(Object.fromEntries(order.lastOf), { 1: 119, 2: 4, 4: 11 });
  }
});

test("a hole counts once, with its bytes, wherever in a line it begins and ends", () => {
  const text = lines(1, 1, 2000);
  for (let from = 3000; from < 3030; from++) {
    const order = check(text.slice(0, from) + text.slice(from + 5000));
    assert.equal(order.damages.length, 1, `a hole at ${from}`);
    const [damage] = order.damages;
    assert.ok(damage?.kind === "hole");
    assert.ok(Math.abs(damage.bytes - 5000) <= 12, `${damage.bytes} bytes`); // What is left of two lines can look like a third.
    assert.equal(order.lastOf.get(1), 1999);
  }
});

test("one line that is missing, twice there or late is found", () => {
  const kinds = (text: string) => check(text).damages.map(({ kind }) => kind);
  assert.deepEqual(kinds(lines(1, 1, 10) + lines(1, 11, 20)), ["hole"]);
  assert.deepEqual(kinds(lines(1, 1, 10) + lines(1, 9, 20)), ["disorder"]);
  assert.deepEqual(kinds(lines(1, 1, 10) + lines(2, 3, 20)), ["headless"]);
  assert.deepEqual(kinds(lines(1, 1, 10) + lines(2, 1, 5) + lines(1, 10, 20)), ["disorder"]);
});

test("the bytes between two lines are counted without writing them", () => {
  const order = new WrittenOrder("w");
  for (const [from, to] of [
    [1, 1],
    [1, 10],
    [7, 1234],
    [999, 1001],
  ] as const)
    assert.equal(order.bytesBetween(3, from, to), lines(3, from, to).length);
});
