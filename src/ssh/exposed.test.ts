import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { exposedTargets } from "./exposed.ts";

async function answering(t: TestContext, status: number, body: unknown): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "svcd-exposed-"));
  const server = createServer((_request, response) => response.writeHead(status).end(JSON.stringify(body)));
  await new Promise<void>((done) => server.listen(join(folder, "sock"), done));
  t.after(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  return join(folder, "sock");
}

test("ports that services expose may be forwarded to, on this machine only", async (t) => {
  const to = (host: unknown, port: unknown) => ({ service: "x", exposure: { port: 8000, to: { host, port } } });
  const socket = await answering(t, 200, [
    ...[to("127.0.0.1", 18000), to("localhost", 8080), to("10.0.0.5", 22), to("0.0.0.0", 1), to("localhost", "22")],
    ...[{ service: "y", exposure: null, problem: {} }, null, 7],
  ]);
  assert.deepEqual(await exposedTargets(socket), [
    { host: "localhost", port: 18000 },
    { host: "localhost", port: 8080 },
  ]);
});

test("an svcd that is away, or does not know the question, exposes nothing", async (t) => {
  assert.deepEqual(await exposedTargets("/nowhere/svcd.sock"), []);
  assert.deepEqual(await exposedTargets(await answering(t, 404, { error: {} })), []);
});
