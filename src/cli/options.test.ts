import assert from "node:assert/strict";
import { test } from "node:test";
import { Failure } from "./failure.ts";
import { countOf, parse, requireUseful } from "./options.ts";

test("options mean the same before and after the command", () => {
  for (const argv of ["--root /x status web --json", "status --json --root=/x web", "--json status web --root /x"]) {
    const { verb, words, options } = parse(argv.split(" "));
    assert.deepEqual({ verb, words, options }, { verb: "status", words: ["web"], options: { root: "/x", json: "" } });
  }
});

test("short options may stand together and hold their value", () => {
  assert.deepEqual(parse(["logs", "-fn20", "web"]).options, { follow: "", lines: "20" });
  assert.deepEqual(parse(["logs", "-n", "20"]).options, { lines: "20" });
});

test("`tail -1600` counts bytes as in supervisorctl", () => {
  assert.equal(parse(["tail", "-1600", "web"]).count, 1600);
});

test("after `--` everything is a name", () => {
  assert.deepEqual(parse(["start", "--", "--odd"]).words, ["--odd"]);
});

test("a slip is a usage failure that names what was meant", () => {
  complains(["status", "--jsn"], /unknown option `--jsn`: did you mean `--json`\?/);
  complains(["status", "-x"], /unknown option `-x`/);
  complains(["start", "--timeout"], /`--timeout` needs a value/);
  complains(["status", "--json=1"], /`--json` takes no value/);
});

test("an option that a command has no use for is refused, not ignored", () => {
  assert.throws(() => requireUseful(parse(["status", "-f"]), "status", []), /`status` has no option `-f`/);
  assert.throws(() => requireUseful(parse(["logs", "-5"]), "logs", []), /`logs` has no option `-5`/);
  requireUseful(parse(["logs", "-f", "--root", "/x"]), "logs", ["follow"]);
});

test("counts are digits", () => {
  assert.equal(countOf("20", "-n"), 20);
  assert.throws(() => countOf("-1", "-n"), /not a number/);
  assert.throws(() => countOf("1e3", "-n"), /not a number/);
});

function complains(argv: string[], about: RegExp) {
  assert.throws(
    () => parse(argv),
    (error: unknown) => error instanceof Failure && error.exitCode === 2 && about.test(error.what),
  );
}
