import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { checkTemplate, interpolate, variablesIn } from "./interpolate.ts";

const VALUES: Record<string, string> = { SET: "value", EMPTY: "", OTHER: "$SET" };
const lookup = (name: string) => VALUES[name];

function fill(text: string): string {
  const read = interpolate(text, lookup);
  return read.ok ? read.value.text : `MISTAKE ${read.flaw.what}`;
}

test("every form of Compose is filled in", () => {
  const forms: Record<string, string> = {
    $SET: "value",
    "${SET}": "value",
    "a${SET}b$SET": "avaluebvalue",
    "$SET-x": "value-x",
    $$SET: "$SET",
    $$$SET: "$value",
    $$$$: "$$",
    "${SET:-d}": "value",
    "${EMPTY:-d}": "d",
    "${NONE:-d}": "d",
    "${SET-d}": "value",
    "${EMPTY-d}": "",
    "${NONE-d}": "d",
    "${SET:+a}": "a",
    "${EMPTY:+a}": "",
    "${NONE:+a}": "",
    "${SET+a}": "a",
    "${EMPTY+a}": "a",
    "${NONE+a}": "",
    "${SET:?m}": "value",
    "${EMPTY?m}": "",
    "${NONE:-}": "",
    "${NONE:-a b:c/d}": "a b:c/d",
    "${NONE:-$$5}": "$5",
    "{}": "{}",
    "a}": "a}",
    "${NONE:-${EMPTY:-${SET}}}": "value",
    "${NONE:-${NONE:-x}y}z": "xyz",
    "${SET:+${OTHER}}": "$SET",
    "$NONE.": ".",
  };
  for (const [text, result] of Object.entries(forms)) assert.equal(fill(text), result, text);
});

test("a variable that must be set says so with its own message", () => {
  assert.equal(fill("${MODEL:?name a model}"), "MISTAKE MODEL is not set: name a model");
  assert.equal(fill("${EMPTY:?name a model}"), "MISTAKE EMPTY is empty: name a model");
  assert.equal(fill("${MODEL?}"), "MISTAKE MODEL is not set");
  assert.equal(fill("${MODEL:?like ${SET}}"), "MISTAKE MODEL is not set: like value");
});

test("what was not set and had no default is listed, each name once", () => {
  const read = interpolate("$A ${B} ${C:-} ${D:-$E} $A ${SET:-$F}", lookup);
  assert.ok(read.ok);
  assert.deepEqual(read.value.unset, ["A", "B", "E"]);
});

test("a mistake in the writing is told with its position, and needs no variables", () => {
  const wrong: Record<string, number> = {
    "a $(date)": 2,
    $: 0,
    "cost $5": 5,
    "${": 0,
    "x${SET": 1,
    "${}": 0,
    "${1A}": 0,
    "${SET:=x}": 5,
    "${SET x}": 5,
    "${A:-${B}": 0,
    "a ${B:-$(x)}": 7,
    "$-": 0,
  };
  for (const [text, at] of Object.entries(wrong)) assert.equal(checkTemplate(text)?.at, at, text);
  assert.match(checkTemplate("$(date)")!.fix, /shell: true/);
  assert.equal(checkTemplate(`${"${A:-".repeat(15)}x${"}".repeat(15)}`), null);
  assert.match(checkTemplate(`${"${A:-".repeat(40)}x${"}".repeat(40)}`)!.what, /nested/);
});

test("an env file keeps a $ that begins no variable; a regular expression only gives up ${…}", () => {
  const lenient = interpolate("a$5 $ $$ $( $SET", lookup, "lenient");
  assert.ok(lenient.ok && lenient.value.text === "a$5 $ $ $( value");
  const braces = interpolate("^ready on ${SET}$|$x$$", lookup, "braces");
  assert.ok(braces.ok && braces.value.text === "^ready on value$|$x$$");
});

test("text without $ stays as it is, and $$ for each $ gives any text back", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => assert.equal(fill(text.replaceAll("$", "$$$$")), text)),
    { numRuns: 3000 },
  );
});

test("no text makes it fail in any other way than by saying so, and the check agrees with the filling in", () => {
  const text = fc.string({
    unit: fc.constantFrom("$", "{", "}", ":", "-", "+", "?", "A", "SET", "1", " ", "$$", "${"),
    maxLength: 16,
  });
  fc.assert(
    fc.property(text, (one) => {
      const flaw = checkTemplate(one);
      const read = interpolate(one, () => "x");
      assert.equal(read.ok, flaw === null, one);
      if (flaw !== null) assert.ok(flaw.at !== undefined && flaw.at >= 0 && flaw.at <= one.length);
    }),
    { numRuns: 10_000 },
  );
});

test("thousands of templates are filled in as /bin/sh fills them in", () => {
  const name = fc.constantFrom("SET", "EMPTY", "NONE");
  const template = fc.letrec<{ whole: string; part: string }>((tie) => ({
    part: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom("a", "b c", ":", "/", "-", "{"),
      name.map((one) => `\${${one}}`),
      fc
        .tuple(name, fc.constantFrom(":-", "-", ":+", "+"), tie("whole"))
        .map(([one, operator, word]) => `\${${one}${operator}${word}}`),
    ),
    whole: fc.array(tie("part"), { maxLength: 3 }).map((parts) => parts.join("")),
  })).whole;
  const cases = fc.sample(template, { numRuns: 3000, seed: 11 });
  const script = cases.map((one) => `printf '%s\\0' "${one}"`).join("\n");
  const said = execFileSync("/bin/sh", ["-s"], { input: script, env: { SET: "value", EMPTY: "" }, maxBuffer: 1 << 26 })
    .toString()
    .split("\0");
  for (const [index, one] of cases.entries()) assert.equal(fill(one), said[index], one);
});

test("the variables that a template asks for can be listed", () => {
  assert.deepEqual(variablesIn("$A ${B:-${C}} $$D ${A}"), ["A", "B", "C"]);
});
