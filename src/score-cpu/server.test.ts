import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { lexicalRanker } from "./lexical.ts";
import { scoreServer } from "./server.ts";

const server = scoreServer(lexicalRanker);
let url = "";

before(async () => {
  await once(server.listen(0, "127.0.0.1"), "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.close();
  server.closeAllConnections();
});

const post = (path: string, body: unknown) =>
  fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

test("health is an empty 200", async () => {
  const response = await fetch(`${url}/health`);
  assert.equal(response.status, 200);
  assert.equal(await response.text(), "");
});

test("score answers in vLLM's shape, on both paths, in the order of the request", async () => {
  for (const path of ["/score", "/v1/score"]) {
    const response = await post(path, {
      model: "lexical-bm25",
      text_1: "What is the capital of France?",
      text_2: ["Bread needs flour.", "The capital of France is Paris."],
    });
    assert.equal(response.status, 200);
    const answer = (await response.json()) as Record<string, unknown> & { data: { score: number }[] };
    assert.match(String(answer["id"]), /^score-/);
    assert.equal(answer["object"], "list");
    assert.equal(answer["model"], "lexical-bm25");
    assert.deepEqual(answer["usage"], { prompt_tokens: 21, total_tokens: 21, completion_tokens: 0 });
    const scores = answer.data.map(({ score }) => score);
    assert.deepEqual(answer.data, [
      { index: 0, object: "score", score: scores[0] },
      { index: 1, object: "score", score: scores[1] },
    ]);
    assert.ok(scores[1]! > scores[0]!);
  }
});

test("the models list says that no neural model is behind it", async () => {
  const list = (await (await fetch(`${url}/v1/models`)).json()) as { data: { id: string; description: string }[] };
  assert.equal(list.data[0]?.id, "lexical-bm25");
  assert.match(list.data[0].description, /no neural model/i);
});

test("a wrong request is 400, a wrong model 404, both with vLLM's error", async () => {
  const wrong = await post("/score", { text_1: ["a", "b"], text_2: ["c"] });
  assert.equal(wrong.status, 400);
  const { error } = (await wrong.json()) as { error: Record<string, unknown> };
  assert.deepEqual(Object.keys(error), ["message", "type", "param", "code"]);
  assert.equal((await post("/score", "{")).status, 400);
  assert.equal((await post("/score", { model: "other", text_1: "a", text_2: "b" })).status, 404);
});

test("an unknown path is 404 and a wrong method 405", async () => {
  const unknown = await fetch(`${url}/embeddings`);
  assert.equal(unknown.status, 404);
  assert.deepEqual(await unknown.json(), { detail: "Not Found" });
  const wrongMethod = await fetch(`${url}/score`);
  assert.equal(wrongMethod.status, 405);
  assert.equal(wrongMethod.headers.get("allow"), "POST");
});

test("a body over 16 MiB is 413, and the server goes on", async () => {
  const response = await post("/score", { text_1: "q", text_2: ["x".repeat(16 * 1024 * 1024)] });
  assert.equal(response.status, 413);
  assert.equal((await fetch(`${url}/health`)).status, 200);
});

/** The program itself, with what it has printed so far. */
function start(env: Record<string, string>): { child: ChildProcess; said: () => string; listening: Promise<number> } {
  const child = spawn(process.execPath, [`${import.meta.dirname}/main.ts`], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let text = "";
  const listening = new Promise<number>((resolve) => {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on("data", (chunk) => {
        text += chunk;
        const port = /listening on \S+:(\d+)/.exec(text)?.[1];
        if (port !== undefined) resolve(Number(port));
      });
    }
  });
  return { child, said: () => text, listening };
}

test("SIGTERM finishes the running request, then ends with exit code 0", async () => {
  const { child, said, listening } = start({ PORT: "0" });
  const port = await listening;
  const body = JSON.stringify({ text_1: "fox", text_2: "fox" });
  const running = httpRequest({
    port,
    path: "/score",
    method: "POST",
    agent: new Agent({ keepAlive: true }),
    headers: { "content-type": "application/json", "content-length": body.length, expect: "100-continue" },
  });
  const answered = once(running, "response");
  running.flushHeaders();
  await once(running, "continue"); // The request has arrived; its body has not.

  child.kill("SIGTERM");
  while (!said().includes("SIGTERM")) await once(child.stdout!, "data");
  running.end(body);
  const [response] = await answered;
  assert.equal(response.statusCode, 200);
  response.resume();
  const [code] = await once(child, "close");
  assert.equal(code, 0);
  assert.match(said(), /listening on .*\n.*SIGTERM/);
});

test("a port in use ends the program with exit code 1 and says how to choose another", async () => {
  const taken = String((server.address() as AddressInfo).port);
  const { child, said } = start({ PORT: taken });
  const [code] = await once(child, "close");
  assert.equal(code, 1);
  assert.match(said(), new RegExp(`cannot listen on 127.0.0.1:${taken}: the port is in use\n +fix: .*PORT`));
});

test("a PORT that is no port number is named", async () => {
  for (const wrong of ["eighty", "70000", "-1"]) {
    const { child, said } = start({ PORT: wrong });
    const [code] = await once(child, "close");
    assert.equal(code, 1);
    assert.ok(said().includes(`PORT is "${wrong}"`), said());
  }
});
