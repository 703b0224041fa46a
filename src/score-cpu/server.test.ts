import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Agent, request as httpRequest } from "node:http";
import { type AddressInfo, connect } from "node:net";
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

interface Reranked {
  id: string;
  results: { index: number; document: object; relevance_score: number }[];
}

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

test("rerank answers on all three paths: the best first, with the place in the request and the text", async () => {
  const documents = ["Bread needs flour.", "The capital of France is Paris.", "France"];
  for (const path of ["/rerank", "/v1/rerank", "/v2/rerank"]) {
    const response = await post(path, { query: "What is the capital of France?", documents });
    assert.equal(response.status, 200);
    const answer = (await response.json()) as Reranked;
    assert.deepEqual(Object.keys(answer), ["id", "model", "usage", "results"]);
    assert.match(answer.id, /^rerank-[0-9a-f]{32}$/);
    assert.deepEqual(
      answer.results.map(({ index, document }) => [index, document]),
      [1, 2, 0].map((index) => [index, { text: documents[index], multi_modal: null }]),
    );
    const scores = answer.results.map(({ relevance_score }) => relevance_score);
    assert.deepEqual(
      scores,
      scores.toSorted((a, b) => b - a),
    );
  }
});

test("rerank with top_n answers with so many, and equal ones stay in the order of the request", async () => {
  const rerank = async (top_n: number) => {
    const response = await post("/rerank", { query: "fox", documents: ["a", "fox", "b", "c"], top_n });
    return ((await response.json()) as Reranked).results.map(({ index }) => index);
  };
  assert.deepEqual(await rerank(0), [1, 0, 2, 3]);
  assert.deepEqual(await rerank(2), [1, 0]);
  assert.deepEqual(await rerank(99), [1, 0, 2, 3]);
});

test("version and ping answer as vLLM's do", async () => {
  assert.equal(typeof ((await (await fetch(`${url}/version`)).json()) as { version: string }).version, "string");
  for (const method of ["GET", "POST"]) assert.equal((await fetch(`${url}/ping`, { method })).status, 200);
});

test("another content type than JSON is refused, as vLLM refuses it", async () => {
  const response = await fetch(`${url}/score`, { method: "POST", body: '{"text_1":"q","text_2":"d"}' });
  assert.equal(response.status, 400);
  assert.match(await response.text(), /Only 'application\/json' is allowed/);
});

test("metrics tell under vLLM's names what runs, what waits and what was answered", async () => {
  const numbers = async (): Promise<Map<string, number>> => {
    const response = await fetch(`${url}/metrics`);
    assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
    const lines = (await response.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    for (const line of lines) assert.match(line, /^[a-z0-9_:]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [\d.e+-]+$/);
    return new Map(lines.map((line) => [line.replace(/ \S+$/, ""), Number(line.split(" ").at(-1))]));
  };
  const of = '{engine="0",model_name="lexical-bm25"}';
  const before = await numbers();
  assert.equal(before.get(`vllm:num_requests_running${of}`), 0);
  assert.equal(before.get(`vllm:num_requests_waiting${of}`), 0);

  await (await post("/score", { text_1: "fox", text_2: ["a fox", "two foxes"] })).text();
  await (await post("/score", {})).text();
  const after = await numbers();
  const grew = (name: string) => after.get(name)! - (before.get(name) ?? 0);
  assert.equal(grew(`vllm:prompt_tokens_total${of}`), 6);
  assert.equal(grew('vllm:request_success_total{engine="0",model_name="lexical-bm25",finished_reason="stop"}'), 1);
  assert.equal(grew(`vllm:e2e_request_latency_seconds_count${of}`), 1);
  assert.equal(grew('http_requests_total{handler="/score",method="POST",status="4xx"}'), 1);
});

test("a request that takes long keeps neither health nor others waiting, and is counted as running", async () => {
  // A long query with many documents: the work of a second or two.
  const query = Array.from({ length: 50_000 }, (_, i) => `word${i}`).join(" ");
  let isDone = false;
  const long = post("/score", { text_1: query, text_2: Array(20_000).fill(query.slice(0, 600)) }).then((response) => {
    isDone = true;
    return response.text();
  });
  let running = 0;
  while (running === 0)
    running = Number(/num_requests_running\{.*\} (\d+)/.exec(await (await fetch(`${url}/metrics`)).text())?.[1]);
  assert.equal((await fetch(`${url}/health`)).status, 200);
  assert.equal((await post("/score", { text_1: "q", text_2: "d" })).status, 200);
  assert.equal(isDone, false);
  await long;
});

test("a thousand clients at once are all answered, and health in between", async () => {
  const answers = Array.from({ length: 1000 }, (_, i) =>
    post("/rerank", { query: `word${i}`, documents: ["other", `word${i}`] }).then(async (response) => {
      const { results } = (await response.json()) as Reranked;
      return [response.status, results[0]?.index];
    }),
  );
  assert.equal((await fetch(`${url}/health`)).status, 200);
  for (const answer of await Promise.all(answers)) assert.deepEqual(answer, [200, 1]);
});

test("a client that leaves takes its work along", async () => {
  const leaving = new AbortController();
  const asked = fetch(`${url}/score`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ text_1: "q", text_2: Array(20_000).fill("some words ".repeat(50)) }),
    signal: leaving.signal,
  });
  const running = async () =>
    /num_requests_running\{.*\} (\d+)/.exec(await (await fetch(`${url}/metrics`)).text())?.[1];
  while ((await running()) === "0");
  leaving.abort();
  await assert.rejects(asked, { name: "AbortError" });
  const from = performance.now();
  while ((await running()) !== "0");
  assert.ok(performance.now() - from < 1_000);
});

test("too large a body is refused before it is sent, when the client asks first", async () => {
  const asking = httpRequest(`${url}/score`, {
    method: "POST",
    headers: { "content-type": "application/json", "content-length": 17 * 1024 * 1024, expect: "100-continue" },
  });
  asking.on("continue", () => assert.fail("it was told to go on"));
  asking.flushHeaders();
  const [response] = await once(asking, "response");
  assert.equal(response.statusCode, 413);
  asking.on("error", () => {});
  asking.destroy();
});

test("bodies that are sent slowly by many are bounded together: the next one is 503, and there is room again", async () => {
  const headers = { "content-type": "application/json", "content-length": 16 * 1024 * 1024 };
  const almost = Buffer.alloc(16 * 1024 * 1024 - 1, " ");
  const answers: number[] = [];
  const slow = Array.from({ length: 7 }, () => {
    const request = httpRequest(`${url}/score`, { method: "POST", headers });
    request.on("response", (response) => answers.push(response.statusCode ?? 0)).on("error", () => {});
    request.write(almost);
    return request;
  });
  while (answers.length === 0) await fetch(`${url}/health`);
  assert.deepEqual([...new Set(answers)], [503]);
  for (const request of slow) request.destroy();
  let status = 0;
  while (status !== 200) status = (await post("/score", { text_1: "q", text_2: "d" })).status;
});

test("a body over 16 MiB is 413, and the server goes on", async () => {
  const response = await post("/score", { text_1: "q", text_2: ["x".repeat(16 * 1024 * 1024)] });
  assert.equal(response.status, 413);
  assert.equal((await fetch(`${url}/health`)).status, 200);
});

test("a client that sends too slowly, or does not take its answer, is cut off", async (t) => {
  const strict = scoreServer(lexicalRanker, 300);
  await once(strict.listen(0, "127.0.0.1"), "listening");
  t.after(() => strict.close());
  const { port } = strict.address() as AddressInfo;
  const head = (length: number) =>
    `POST /rerank HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;

  const slow = connect(port, "127.0.0.1");
  slow.write(`${head(100)}{"query":`);
  let said = "";
  slow.on("data", (chunk) => (said += chunk));
  await once(slow, "close");
  assert.match(said, /^HTTP\/1\.1 408 /);

  const deaf = connect(port, "127.0.0.1");
  const body = JSON.stringify({ query: "q", documents: Array(15).fill("x ".repeat(500_000)) });
  deaf.pause();
  deaf.on("error", () => {});
  deaf.write(head(Buffer.byteLength(body)) + body);
  const isOpen = () => new Promise<boolean>((told) => strict.getConnections((_, count) => told(count > 0)));
  const aMoment = () => new Promise((over) => setTimeout(over, 10));
  while (!(await isOpen())) await aMoment();
  while (await isOpen()) await aMoment();
  deaf.destroy();
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
