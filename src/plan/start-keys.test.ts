import assert from "node:assert/strict";
import { test } from "node:test";
import { recipe } from "../phase/recipes.ts";
import { diffServices } from "./diff.ts";
import { environmentOf, resolve } from "./environment.ts";
import { serviceFrom, wrongIn } from "./testing.ts";

const SERVER = "command: x\nhealthcheck: { http: 'http://127.0.0.1:18000/health' }\n";

function smokeOf(text: string, env: Record<string, string> = {}) {
  const service = serviceFrom(`${SERVER}${text}`);
  const made = environmentOf(service, { base: env, daemon: {}, envFileTexts: [] });
  assert.ok(made.ok);
  const resolved = resolve(service, made.value.env);
  return resolved.ok ? resolved.value : assert.fail(resolved.problem.what);
}

test("phases: the name of a recipe, and a start that stands still for 10 minutes has stalled", () => {
  const service = serviceFrom(`${SERVER}phases: vllm\n`);
  assert.deepEqual(service.phases, recipe("vllm"));
  assert.equal(service.policy.stallMs, 600_000);
  assert.equal(serviceFrom(`${SERVER}phases: vllm\nstall: 90s\n`).policy.stallMs, 90_000);
  assert.equal(serviceFrom(SERVER).policy.stallMs, undefined);
});

test("phases: rules of its own, recipes among them", () => {
  const { phases } = serviceFrom(`${SERVER}phases:
  - huggingface
  - { name: converting, match: "tensor (?<done>\\\\d+) of (?<total>\\\\d+)", stall: 1h }
  - { name: unpacking, growth: "\${CACHE:-/cache}/*.part" }
`);
  assert.deepEqual(phases, [
    ...recipe("huggingface"),
    { name: "converting", match: "tensor (?<done>\\d+) of (?<total>\\d+)", growth: null, stallMs: 3_600_000 },
    { name: "unpacking", match: null, growth: "${CACHE:-/cache}/*.part", stallMs: null },
  ]);
});

test("the folder that grows is filled in at each start; the recipes' is where Hugging Face keeps its files", () => {
  const growths = (text: string, env: Record<string, string>) =>
    smokeOf(text, env).growths.filter((path) => path !== null);
  assert.deepEqual(growths("phases: vllm", { HF_HOME: "/workspace/.hf_home" }), ["/workspace/.hf_home/hub"]);
  assert.deepEqual(growths("phases: vllm", { HF_HUB_CACHE: "/hub", HF_HOME: "/x" }), ["/hub"]);
  assert.deepEqual(growths("phases: huggingface", { HOME: "/home/me" }), ["/home/me/.cache/huggingface/hub"]);
});

test("smoke: score asks the server that is checked, with a pair of our own", () => {
  const { smoke } = smokeOf("smoke: score");
  assert.equal(smoke?.url, "http://127.0.0.1:18000/score");
  assert.equal(smoke?.kind, "score");
  assert.equal(serviceFrom(`${SERVER}smoke: score`).policy.health?.smokeMs, 30_000);
});

test("smoke: where and what can be said, and any request with an answer that is expected", () => {
  assert.deepEqual(
    smokeOf("smoke: { score: { url: 'http://h:1/v1/score', query: q, matching: m, unrelated: u } }").smoke,
    {
      kind: "score",
      url: "http://h:1/v1/score",
      query: "q",
      matching: "m",
      unrelated: "u",
    },
  );
  assert.deepEqual(
    smokeOf(`smoke: { http: { url: "http://h:1/ask", body: '{"q": "\${Q}"}', expect: "answer.*42" }, timeout: 2m }`, {
      Q: "life",
    }).smoke,
    { kind: "http", url: "http://h:1/ask", method: "POST", body: '{"q": "life"}', expect: "answer.*42" },
  );
});

test("a smoke test whose address is empty is not asked: only some models are rerankers", () => {
  const text = 'smoke: { score: { url: "${RERANKER:+http://127.0.0.1:${PORT}/score}" } }';
  assert.equal(smokeOf(text, { PORT: "80" }).smoke, null);
  assert.equal(smokeOf(text, { PORT: "80", RERANKER: "1" }).smoke?.url, "http://127.0.0.1:80/score");
});

test("what cannot be is told with its place and what to write instead", () => {
  const cases: readonly [string, RegExp, RegExp][] = [
    ["command: x\nphases: vllm\n", /without `healthcheck:`/, /add `healthcheck:`/],
    [`${SERVER}phases: vllm\nlogs: none\n`, /which `logs: none` discards/, /remove `logs: none`/],
    [`${SERVER}stall: 5m\n`, /nothing tells whether a start moves on/, /add `phases:`/],
    [`${SERVER}phases: vlm\n`, /unknown word `vlm`/, /vllm/],
    [`${SERVER}phases: [ { name: x, match: "(" } ]\n`, /not a regular expression/, /correct it/],
    [`${SERVER}phases: [ { match: x } ]\n`, /`name` is missing/, /add `name:`/],
    [`${SERVER}phases: [ { name: x } ]\n`, /how the phase is recognised/, /add `match:`/],
    [`${SERVER}phases: [ { name: x, match: y, growth: /z } ]\n`, /one decides/, /two rules/],
    ["command: x\nhealthcheck: { tcp: 8000 }\nsmoke: score\n", /asks the server of `healthcheck/, /score: \{ url/],
    ["command: x\nsmoke: score\n", /there is none/, /add `healthcheck:`/],
    [`${SERVER}smoke: { timeout: 5s }\n`, /does not say what to ask/, /smoke: score/],
    [`${SERVER}smoke: { score: {}, http: { url: "http://h" } }\n`, /one decides/, /keep one/],
  ];
  for (const [text, what, fix] of cases) {
    const [mistake = "no mistake"] = wrongIn(text);
    assert.match(mistake, what, text);
    assert.match(mistake, fix, text);
    assert.match(mistake, /^\d+:\d+ /);
  }
});

test("a service that runs goes on when only the way it is watched changes", () => {
  const before = serviceFrom(`${SERVER}phases: vllm\n`);
  const after = serviceFrom(`${SERVER}phases: tqdm\nstall: 5m\nsmoke: score\n`);
  const change = diffServices(before, after);
  assert.equal(change?.restart, false);
  assert.deepEqual(change?.fields.toSorted(), ["phases", "smoke", "smoke.timeout", "stall"]);
  assert.match(change?.details.find(({ field }) => field === "stall")?.after ?? "", /5m/);
});
