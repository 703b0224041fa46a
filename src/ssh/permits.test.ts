import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Asked, asked, VIEW_COMMANDS } from "./permits.ts";

const words = (command: string): readonly string[] | Asked => {
  const what = asked(command, "all");
  return what.is === "svctl" ? what.words : what;
};

test("a command is words for svctl, and never anything for a shell", () => {
  assert.deepEqual(words("status vllm"), ["status", "vllm"]);
  assert.deepEqual(words("svctl status vllm"), ["status", "vllm"]);
  assert.deepEqual(words("/usr/local/bin/svctl why 'my service'"), ["why", "my service"]);
  assert.deepEqual(words("status; rm -rf / && $(id) `id` | sh > /x ~ *"), [
    ...["status;", "rm", "-rf", "/", "&&", "$(id)", "`id`", "|", "sh", ">", "/x", "~", "*"],
  ]);
  assert.deepEqual(words(""), []);
});

test("what cannot be a command is refused with what to do", () => {
  const cases: [command: string, what: RegExp, exitCode: number][] = [
    ["status 'vllm", /not closed/, 2],
    [`status ${"x".repeat(40_000)}`, /too long/, 1],
    [`status ${"x ".repeat(1_200)}`, /too many words/, 1],
    ["status \0", /NUL/, 1],
    ["--root /tmp/mine status", /one svcd only/, 2],
    ["status --root=/tmp/mine", /one svcd only/, 2],
    ["wait --timeout -- --root /tmp/mine", /one svcd only/, 2],
    ["crontab -e", /editor/, 1],
    ["crontab --edit -u alice", /editor/, 1],
  ];
  for (const [command, what, exitCode] of cases) {
    const answer = asked(command, "all");
    assert.ok(answer.is === "refused", command);
    assert.match(answer.what, what);
    assert.equal(answer.exitCode, exitCode, command);
    assert.ok(answer.fix.length > 5);
  }
});

test("a key that may look asks everything and changes nothing", () => {
  const may = (command: string) => asked(command, "view").is === "svctl";
  for (const command of [
    "",
    "status",
    "--json status",
    "why vllm",
    "logs -f vllm",
    "jobs",
    "history backup",
    "help stop",
    "--version",
  ])
    assert.ok(may(command), command);
  for (const verb of [
    "start",
    "stop",
    "restart",
    "reload",
    "signal",
    "enable",
    "disable",
    "clear",
    "apply",
    "update",
    "add",
  ])
    assert.ok(!may(`${verb} all`), verb);
  for (const command of [
    ...[
      "remove web",
      "run backup",
      "pause backup",
      "resume backup",
      "kill backup",
      "shutdown",
      "upgrade",
      "keep-awake 2h",
    ],
    ...[
      "crontab -l",
      "import crontab",
      "lint /etc/shadow",
      "token",
      "some-command-of-tomorrow",
      "--timeout status stop web",
    ],
    ...["-n status stop web", "-- stop web", "svctl stop web", "constructor", "__proto__"],
  ])
    assert.ok(!may(command), command);
});

test("whatever is sent, a key that may look gets svctl to do nothing but look", () => {
  const piece = fc.constantFrom(
    "status",
    "stop",
    "svctl",
    "--",
    "-n",
    "--json",
    "--root",
    "--timeout=1s",
    "'",
    '"',
    "\\",
    " ",
    "\n",
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 8 }), fc.constantFrom("", " "), (pieces, joint) => {
      const what = asked(pieces.join(joint), "view");
      if (what.is !== "svctl") return;
      // As svctl reads them: the first word that is no option is the command.
      const verb = what.words.find((word) => !word.startsWith("-"));
      assert.ok(verb === undefined || VIEW_COMMANDS.has(verb), `${verb}`);
      assert.ok(!what.words.some((word) => word.startsWith("--root")));
    }),
  );
});

test("the screen is asked for by its name, too", () => {
  assert.deepEqual(asked("tui", "view"), { is: "screen" });
});
