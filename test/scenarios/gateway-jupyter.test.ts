/**
 * A real Jupyter server (Debian's jupyter-server with python3-ipykernel) behind the gateway: a kernel computes over the WebSocket.
 */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { freePorts, GatewayBox } from "./gateway-box.ts";

const JUPYTER = "/usr/bin/jupyter-server";
const skip = existsSync(JUPYTER)
  ? false
  : "NOTICE: jupyter-server is not installed (apt-get install jupyter-server python3-ipykernel)";

test("a Jupyter kernel computes through the gateway, over its WebSocket", { skip }, async (t) => {
  const gateway = await GatewayBox.open(t);
  const [port = 0, inside = 0] = await freePorts(2);
  const flags = [
    "--ip=127.0.0.1",
    `--port=${inside}`,
    "--no-browser",
    "--allow-root",
    "--ServerApp.token=",
    "--ServerApp.password=",
  ];
  gateway.box.write(
    "jupyter.yaml",
    `command: ${JSON.stringify([JUPYTER, ...flags, "--ServerApp.disable_check_xsrf=True"])}
environment: { HOME: ${gateway.box.root}, PATH: /usr/bin:/bin }
healthcheck: { http: "http://127.0.0.1:${inside}/api", interval: 200ms, timeout: 5s, start_period: 1m }
expose: { port: ${port}, to: ${inside}, name: Jupyter }
`,
  );
  await gateway.box.until("jupyter", "RUNNING");
  await gateway.isOpen(port);
  const token = await gateway.token();
  const url = `http://127.0.0.1:${port}`;
  assert.equal((await fetch(`${url}/api/kernels`)).status, 401);
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  const made = await fetch(`${url}/api/kernels`, {
    method: "POST",
    headers,
    body: JSON.stringify({ name: "python3" }),
  });
  assert.equal(made.status, 201);
  const { id } = (await made.json()) as { id: string };

  const socket = new WebSocket(`ws://127.0.0.1:${port}/api/kernels/${id}/channels?token=${token}`);
  t.after(() => socket.close());
  const session = randomUUID();
  const output = new Promise<string>((done, failed) => {
    socket.onerror = () => failed(new Error("the WebSocket was not opened"));
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(String(data));
      if (message.msg_type === "stream") done(message.content.text);
      if (message.msg_type === "error") failed(new Error(message.content.evalue));
    };
    socket.onopen = () => {
      const header = { msg_id: randomUUID(), msg_type: "execute_request", username: "", session, version: "5.3" };
      const content = {
        code: "print(sum(range(10)) - 3)",
        silent: false,
        store_history: false,
        user_expressions: {},
        allow_stdin: false,
      };
      socket.send(JSON.stringify({ header, parent_header: {}, metadata: {}, content, channel: "shell", buffers: [] }));
    };
  });
  assert.equal(await output, "42\n");
  const gone = await fetch(`${url}/api/kernels/${id}`, { method: "DELETE", headers });
  assert.equal(gone.status, 204);
});
