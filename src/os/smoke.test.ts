import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { ResolvedSmoke } from "../plan/environment.ts";
import type { ProbeResult } from "../probe/health.ts";
import { askSmoke } from "./smoke.ts";

type Handle = (path: string, body: string, response: ServerResponse, request: IncomingMessage) => void;

async function serve(t: import("node:test").TestContext, handle: Handle): Promise<string> {
  const server = createServer((request, response) => {
    let body = "";
    request.setEncoding("utf8").on("data", (text: string) => (body += text));
    request.on("end", () => handle(request.url ?? "", body, response, request));
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const score = (base: string): ResolvedSmoke => ({
  kind: "score",
  url: `${base}/score`,
  query: "q",
  matching: "good",
  unrelated: "bad",
});

function ask(smoke: ResolvedSmoke, timeoutMs = 5_000): Promise<ProbeResult> {
  return new Promise((resolve) => askSmoke(smoke, timeoutMs, resolve));
}

/** As vLLM does it, with these scores. */
function scoring(good: number, bad: number, asked: unknown[] = []): Handle {
  return (path, body, response) => {
    if (path === "/v1/models") return response.end('{"object":"list","data":[{"id":"reranker"}]}');
    asked.push(JSON.parse(body));
    const data = [good, bad].map((one, index) => ({ index, object: "score", score: one }));
    return response.end(JSON.stringify({ id: "score-1", object: "list", data: data.reverse() }));
  };
}

test("a matching text that scores higher passes; the model is called by the name it has itself", async (t) => {
  const asked: unknown[] = [];
  const base = await serve(t, scoring(0.98765, 0.0123, asked));
  const { passed, detail, smoke } = await ask(score(base));
  assert.deepEqual([passed, detail, smoke], [true, "scores in order (0.988 > 0.0123)", true]);
  assert.deepEqual(asked, [{ model: "reranker", text_1: "q", text_2: ["good", "bad"] }]);
});

test("an unrelated text that scores higher, or as high, is wrong overrides or a wrong template", async (t) => {
  const { passed, detail } = await ask(score(await serve(t, scoring(0.12, 0.91))));
  assert.equal(passed, false);
  assert.equal(detail, "scores an unrelated text higher (0.91 > 0.12): wrong overrides or template");
  assert.match((await ask(score(await serve(t, scoring(0.5, 0.5))))).detail, /scores both texts alike \(0\.5\)/);
  assert.match((await ask(score(await serve(t, scoring(Number.NaN, 1))))).detail, /without two scores/);
});

test("no /score means a model that was loaded for another task", async (t) => {
  const base = await serve(t, (_, __, response) => response.writeHead(404).end('{"detail":"Not Found"}'));
  assert.match((await ask(score(base))).detail, /HTTP 404.*loaded for another task.*override/);
});

test("an error, nonsense, silence and nobody are each told as what they are", async (t) => {
  const error = await serve(t, (_, __, response) => response.writeHead(500).end("EngineCore\nencountered an issue"));
  assert.match((await ask(score(error))).detail, /HTTP 500: EngineCore encountered an issue/);
  const nonsense = await serve(t, (_, __, response) => response.end("<html>hello</html>"));
  assert.match((await ask(score(nonsense))).detail, /without two scores: <html>/);
  const silent = await serve(t, () => {});
  assert.match((await ask(score(silent), 100)).detail, /no answer from .* within 100ms/);
  assert.match((await ask(score("http://127.0.0.1:1"))).detail, /connection refused/);
  const endless = await serve(t, (_, __, response) => response.end("x".repeat(3_000_000)));
  assert.match((await ask(score(endless))).detail, /larger than 1 MiB/);
});

test("any request: its method, its body, and an answer that is expected", async (t) => {
  const heard: string[] = [];
  const base = await serve(t, (path, body, response, { method, headers }) => {
    heard.push(`${method} ${path} ${headers["content-type"] ?? "-"} ${body}`);
    response.end("the answer is 42");
  });
  const http = (changes: Partial<Extract<ResolvedSmoke, { kind: "http" }>>): ResolvedSmoke => ({
    kind: "http",
    url: `${base}/ask`,
    method: "GET",
    body: null,
    expect: null,
    ...changes,
  });
  assert.equal((await ask(http({}))).passed, true);
  assert.equal((await ask(http({ method: "POST", body: '{"q":1}', expect: "is \\d+" }))).passed, true);
  const wrong = await ask(http({ expect: "is 43" }));
  assert.deepEqual(
    [wrong.passed, wrong.detail.includes("something else than /is 43/: the answer is 42")],
    [false, true],
  );
  assert.deepEqual(heard.slice(0, 2), ["GET /ask - ", 'POST /ask application/json {"q":1}']);
});

test("what is cancelled never answers", async (t) => {
  const base = await serve(t, () => {});
  let answers = 0;
  const cancel = askSmoke(score(base), 50, () => answers++);
  cancel();
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(answers, 0);
});
