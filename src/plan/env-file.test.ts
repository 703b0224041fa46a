import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseEnvFile } from "./env-file.ts";

function values(text: string, below: Record<string, string> = {}): Record<string, string> {
  const read = parseEnvFile(text, (name) => below[name]);
  assert.ok(read.ok, JSON.stringify(read));
  return Object.fromEntries(read.values);
}

test("the format of Compose is understood", () => {
  const text = `\uFEFF# comment
PLAIN=to the end   # a comment
  export EXPORTED=yes
NOT_A_COMMENT=a#b
EMPTY=
SPACED = around
COLON: value
SINGLE='as $IT is \\n # so' # comment
DOUBLE="with \${PLAIN}\\n\\"quotes\\" \\$5 # so"
MULTI="first
second"
AFTER=\${MULTI}
URL=https://user:pa$$ss@host/?a=b&c=d
DOTTED.name-x=1
`;
  assert.deepEqual(values(text), {
    PLAIN: "to the end",
    EXPORTED: "yes",
    NOT_A_COMMENT: "a#b",
    EMPTY: "",
    SPACED: "around",
    COLON: "value",
    SINGLE: "as $IT is \\n # so",
    DOUBLE: 'with to the end\n"quotes" $5 # so',
    MULTI: "first\nsecond",
    AFTER: "first\nsecond",
    URL: "https://user:pa$ss@host/?a=b&c=d",
    "DOTTED.name-x": "1",
  });
});

test("/etc/environment parses", () => {
  const text = 'PATH="/usr/local/sbin:/usr/bin"\nLANG=C.UTF-8\n\n#x\nPASSWORD=a$5b$\nCUDA_VERSION="12.4"\r\nQ=\'\'\n';
  assert.deepEqual(values(text), {
    PATH: "/usr/local/sbin:/usr/bin",
    LANG: "C.UTF-8",
    PASSWORD: "a$5b$",
    CUDA_VERSION: "12.4",
    Q: "",
  });
});

test("earlier keys of the file win over what lies below, and what is nowhere is listed", () => {
  assert.deepEqual(values("A=file\nB=$A$LOW", { A: "low", LOW: "!" }), { A: "file", B: "file!" });
  const read = parseEnvFile("A=$NONE${ALSO:-}");
  assert.ok(read.ok);
  assert.deepEqual(read.unset, ["NONE"]);
});

test("a key alone takes the value from below, and is nothing when there is none", () => {
  assert.deepEqual(values("A\nB\n", { A: "low" }), { A: "low" });
});

test("everything wrong is told with its line, not only the first", () => {
  const read = parseEnvFile("OK=1\n1A=x\nno equals\nB=\"open\nC=${D\nE='x' y\nF=${G:?set G}\n");
  assert.ok(!read.ok);
  assert.deepEqual(
    read.flaws.map((flaw) => flaw.line),
    [2, 3, 4, 5, 6, 7],
  );
  assert.match(read.flaws[0]!.what, /`1A` cannot be the name/);
  assert.match(read.flaws[2]!.what, /B has no closing "/);
  assert.match(read.flaws[4]!.what, /`y` stands behind/);
  assert.match(read.flaws[5]!.what, /G is not set: set G/);
});

test("lines are counted through quotes that go over several", () => {
  const read = parseEnvFile("A='1\n2\n3'\n\n=x\n");
  assert.ok(!read.ok);
  assert.equal(read.flaws[0]!.line, 5);
});

test("any values come back from double quotes with escapes, and from single quotes as they are", () => {
  const key = fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,6}$/);
  fc.assert(
    fc.property(
      fc.dictionary(
        key,
        fc.string({ unit: "binary" }).map((text) => text.replaceAll("\r", "")),
      ),
      (wanted) => {
        const text = Object.entries(wanted).map(([name, value]) => `${name}="${value.replace(/[\\"$]/g, "\\$&")}"`);
        assert.deepEqual(values(text.join("\n")), { ...wanted });
      },
    ),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(
      key,
      fc.string().map((text) => text.replace(/['\\\r]/g, "")),
      (name, value) => assert.deepEqual(values(`${name}='${value}'`), { [name]: value }),
    ),
    { numRuns: 2000 },
  );
});

test("no text makes it fail in any other way than by saying so", () => {
  fc.assert(
    fc.property(
      fc.string({
        unit: fc.constantFrom("A", "=", "'", '"', "\\", "\n", "#", " ", "$", "{", "}", ":", "export "),
        maxLength: 30,
      }),
      (text) => {
        const read = parseEnvFile(text);
        assert.ok(read.ok || read.flaws.every((flaw) => flaw.line >= 1 && flaw.line <= text.split("\n").length));
      },
    ),
    { numRuns: 5000 },
  );
});
