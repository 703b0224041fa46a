import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatDuration, formatSize, parseDuration, parseSize } from "./units.ts";

function ms(text: string): number | string {
  const read = parseDuration(text);
  return read.ok ? read.value : read.flaw.what;
}

function bytes(text: string): number | string {
  const read = parseSize(text);
  return read.ok ? read.value : read.flaw.what;
}

test("durations are read as people write them", () => {
  const written: Record<string, number> = {
    "200ms": 200,
    "45s": 45_000,
    "1m30s": 90_000,
    "1h": 3_600_000,
    "1.5s": 1500,
    "0": 0,
    "0s": 0,
    "2d": 172_800_000,
    "1w": 604_800_000,
    "45": 45_000,
    "0.25": 250,
    "1h 30m": 5_400_000,
    " 5s ": 5000,
    "1m500ms": 60_500,
  };
  for (const [text, value] of Object.entries(written)) assert.equal(ms(text), value, text);
});

test("what is no duration is named, with examples of what is", () => {
  for (const text of [
    "soon",
    "",
    "-1s",
    "5min",
    "1h30",
    "s",
    "1e3",
    "Infinity",
    "NaN",
    "1,5s",
    "5 s x",
    "1..5s",
    "0x10",
    "5S",
  ]) {
    const read = parseDuration(text);
    assert.ok(!read.ok, text);
    assert.equal(read.flaw.what, `\`${text}\` is not a duration`);
    assert.match(read.flaw.fix, /45s, 1m30s/);
  }
  assert.equal(ms("5s5s"), "`5s5s` says `s` twice");
  assert.equal(ms("99999d"), "`99999d` is longer than ten years");
});

test("a duration that is written out reads back to the same milliseconds", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3650 * 86_400_000 }), (value) =>
      assert.equal(ms(formatDuration(value)), value),
    ),
    { numRuns: 5000 },
  );
  assert.deepEqual([0, 200, 1500, 45_000, 61_500, 90_000, 3_600_000, 93_600_000].map(formatDuration), [
    "0s",
    "200ms",
    "1.5s",
    "45s",
    "1m1.5s",
    "1m30s",
    "1h",
    "1d2h",
  ]);
});

test("sizes count in 1024s whatever the spelling", () => {
  const written: Record<string, number> = {
    "50M": 52_428_800,
    "50MB": 52_428_800,
    "50MiB": 52_428_800,
    "50m": 52_428_800,
    "50mb": 52_428_800,
    "1G": 1_073_741_824,
    "512k": 524_288,
    "1.5K": 1536,
    "100": 100,
    "100b": 100,
    "0": 0,
    "1T": 1024 ** 4,
    "10 MB": 10_485_760,
  };
  for (const [text, value] of Object.entries(written)) assert.equal(bytes(text), value, text);
  for (const text of ["", "big", "-1M", "5X", "M", "1e3", "5MM", "5 M B"])
    assert.equal(bytes(text), `\`${text}\` is not a size`);
  assert.match(String(bytes("99999999T")), /more than any disk/);
});

test("a size that is written out reads back to the same bytes", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 1023 }),
      fc.constantFrom(1, 1024, 1024 ** 2, 1024 ** 3, 1000),
      (amount, unit) => assert.equal(bytes(formatSize(amount * unit)), amount * unit),
    ),
    { numRuns: 3000 },
  );
});

test("no text makes the readers fail in any other way than by saying so", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      for (const read of [parseDuration(text), parseSize(text)]) {
        assert.ok(read.ok ? Number.isSafeInteger(read.value) && read.value >= 0 : read.flaw.what.length > 0);
      }
    }),
    { numRuns: 5000 },
  );
});
