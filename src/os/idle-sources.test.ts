import assert from "node:assert/strict";
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Reading } from "../idle/idle.ts";
import { type IdleSource, JupyterActivity, RequestMetrics, requestsOn, Terminals } from "./idle-sources.ts";

const read = async (source: IdleSource, now: number): Promise<Reading> => {
  const reading = await new Promise<Reading | null>((done) => source.read(now, done));
  assert.ok(reading !== null);
  return reading;
};

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await new Promise((done) => server.once("listening", done));
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("counters of requests on vLLM's page and on others are found; health checks are no use", () => {
  assert.deepEqual(
    requestsOn(
      [
        "# TYPE vllm:num_requests_running gauge",
        'vllm:num_requests_running{engine="0",model_name="m"} 2.0',
        'vllm:num_requests_waiting{engine="0",model_name="m"} 1.0',
        'vllm:request_success_total{finished_reason="stop"} 40.0',
        'vllm:request_success_total{finished_reason="length"} 2e1',
        'http_requests_total{handler="/health",method="GET"} 900',
        'http_requests_total{handler="/score",method="POST"} 5',
        "vllm:prompt_tokens_total 12345",
      ].join("\n"),
    ),
    { counted: 65, open: 3 },
  );
  assert.equal(requestsOn("process_cpu_seconds_total 4\n"), null);
});

test("a counter that has grown, or a request that is open, is a use; what was counted before svcd looked is none", async (t) => {
  let page = "http_requests_total 10\n";
  const url = await serve(t, (_, response) => void response.end(page));
  const source = new RequestMetrics(url);
  assert.equal((await read(source, 1000)).lastUsedAt, null);
  page = "http_requests_total 11\n";
  assert.equal((await read(source, 2000)).lastUsedAt, 2000);
  assert.equal((await read(source, 9000)).lastUsedAt, 2000);
  page = "http_requests_total 11\nhttp_requests_in_progress 1\n";
  const open = await read(source, 10_000);
  assert.deepEqual([open.lastUsedAt, open.what], [10_000, "1 open now, 11 in all"]);
  page = "http_requests_total 0\n"; // It was started anew.
  assert.equal((await read(source, 11_000)).lastUsedAt, 11_000);
});

test("a page that cannot be read, or counts nothing, is not known, with the reason", async (t) => {
  const url = await serve(
    t,
    (request, response) => void response.writeHead(request.url === "/no" ? 503 : 200).end("x 1\n"),
  );
  const [refused, none, closed] = await Promise.all(
    [`${url}/no`, url, "http://127.0.0.1:1/"].map((one) => read(new RequestMetrics(one), 0)),
  );
  assert.deepEqual([refused?.isUnknown, none?.isUnknown, closed?.isUnknown], [true, true, true]);
  assert.match(refused?.what ?? "", /HTTP 503/);
  assert.match(none?.what ?? "", /counts no requests/);
  assert.match(closed?.what ?? "", /connection refused/);
});

test("a Jupyter server says when it was last used, and a kernel that works counts as use", async (t) => {
  let state = "idle";
  let lastActivity = "2026-11-24T10:00:00.000000Z";
  const url = await serve(t, (request, response) => {
    const status = { connections: 1, kernels: 1, last_activity: lastActivity };
    response.end(JSON.stringify(request.url === "/api/status" ? status : [{ id: "k", execution_state: state }]));
  });
  const wallNow = Date.parse("2026-11-24T10:05:00Z");
  const source = new JupyterActivity(`${url}/`, () => wallNow);
  const idle = await read(source, 1_000_000);
  assert.deepEqual([idle.lastUsedAt, idle.what], [700_000, "last used 5m ago"]);
  assert.equal((await read(source, 1_300_000)).lastUsedAt, 700_000); // Nothing new was said.
  state = "busy";
  const busy = await read(source, 2_000_000);
  assert.deepEqual([busy.lastUsedAt, busy.what], [2_000_000, "1 busy kernel"]);
  state = "idle";
  lastActivity = "2026-11-24T10:04:00Z";
  assert.equal((await read(source, 2_100_000)).lastUsedAt, 2_040_000);
});

test("of terminals the last thing typed or printed counts, as the kernel keeps it", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "pts-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const terminals = new Terminals(folder, () => 10_000_000);
  assert.deepEqual(await read(terminals, 5_000_000), { source: "terminals", lastUsedAt: null, what: "none is open" });
  for (const [name, seconds] of [
    ["0", 9_000],
    ["1", 9_940],
    ["ptmx", 10_000],
  ] as const) {
    writeFileSync(join(folder, name), "");
    utimesSync(join(folder, name), seconds, seconds - 100);
  }
  const reading = await read(terminals, 5_000_000);
  assert.deepEqual([reading.lastUsedAt, reading.what], [4_940_000, "2 open, last used 1m ago"]);
  assert.equal((await read(terminals, 6_000_000)).lastUsedAt, 4_940_000);
  assert.equal((await read(new Terminals("/does/not/exist"), 0)).lastUsedAt, null);
});
