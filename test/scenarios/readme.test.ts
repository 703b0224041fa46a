/** What the README shows is run as it stands there: a person copies it, and it must work on a fresh machine. */
import assert from "node:assert/strict";
import { readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { noNetworks } from "./net-namespace.ts";
import { PACKAGE, SHIPPED, ShippedBox } from "./shipped-box.ts";

const README = readFileSync(join(PACKAGE, "README.md"), "utf8");
const blocks = (language: string): string[] =>
  [...README.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, "gm"))].map(([, text]) => text!);
const skip = noNetworks;

before(() => {
  assert.ok(blocks("sh").length > 3 && blocks("python").length === 1, "the README's blocks are not found any more");
});

/** As `npm start` makes it: svcd on services.d as it is shipped, all else of it below .svcd. */
async function started(
  t: Parameters<typeof ShippedBox.shipped>[0],
  env: Record<string, string> = {},
): Promise<ShippedBox> {
  const box = ShippedBox.shipped(t, SHIPPED, { env });
  symlinkSync(".", box.path(".svcd"));
  await box.start();
  await box.until("score-cpu", "RUNNING");
  return box;
}

const inFolder = (box: ShippedBox, script: string) => box.within("sh", "-c", `cd ${box.root} && ${script}`);

test("the README's curl lines for scoring answer as it says", { skip }, async (t) => {
  const box = await started(t);
  const shown = blocks("sh").filter((block) => block.includes("http://127.0.0.1:18000/"));
  const answers: Record<string, unknown>[] = [];
  for (const block of shown) {
    const { code, stdout, stderr } = await inFolder(box, block);
    assert.equal(code, 0, stderr);
    answers.push(JSON.parse(stdout) as Record<string, unknown>);
  }
  const [scored, reranked] = answers as [{ data: { score: number }[] }, { results: { index: number }[] }];
  assert.equal(answers.length, 2);
  assert.ok(scored.data[0]!.score > scored.data[1]!.score);
  assert.deepEqual(
    reranked.results.map(({ index }) => index),
    [1],
  );
});

test("the README's Python example ranks the passage that answers first, with and without a token", {
  skip,
}, async (t) => {
  const box = await started(t);
  const [program] = blocks("python");
  for (const token of [undefined, "secret"]) {
    box.env["OPEN_BUTTON_TOKEN"] = token;
    const { code, stdout, stderr } = await box.within("python3", "-I", "-c", program!);
    assert.equal(code, 0, stderr);
    const lines = stdout.trimEnd().split("\n");
    assert.match(lines[0]!, /^0\.[1-9]\d\d {2}A service is started once/);
    assert.match(lines.at(-2)!, /^Answer from this only: A service is started once/);
    assert.equal(lines.length, 5);
  }
});

test("the README's curl lines for programs answer on the control socket", { skip }, async (t) => {
  const box = await started(t);
  const lines = blocks("sh").flatMap((block) => block.match(/^curl .*--unix-socket.*$/gm) ?? []);
  assert.equal(lines.length, 3);
  for (const line of lines) {
    const follows = line.includes("/v1/events"); // That one has no end.
    const { code, stdout } = await inFolder(box, follows ? `timeout 2 ${line}` : line);
    assert.equal(code, follows ? 124 : 0, line);
    if (line.includes("/v1/services")) assert.ok(JSON.parse(stdout));
    if (line.includes("/metrics")) assert.match(stdout, /^# TYPE /m);
  }
});

test("another port is what SCORE_PORT says, for the server and for who asks it", { skip }, async (t) => {
  const box = await started(t, { SCORE_PORT: "18001" });
  await box.until("score-check", "RUNNING");
  assert.equal((await box.within("curl", "-fsS", "http://127.0.0.1:18001/health")).code, 0);
});
