import assert from "node:assert/strict";
import { test } from "node:test";
import { readSettings } from "./settings.ts";

test("ports are opened to the network on a rented machine only, unless somebody says where", () => {
  const host = (env: Record<string, string>) => readSettings(env, "box").settings.host;
  assert.equal(host({}), "127.0.0.1");
  assert.equal(host({ CONTAINER_ID: "" }), "127.0.0.1");
  assert.equal(host({ CONTAINER_ID: "4711" }), "0.0.0.0");
  assert.equal(host({ VAST_TCP_PORT_8000: "40123" }), "0.0.0.0");
  assert.equal(host({ GATEWAY_HOST: "0.0.0.0" }), "0.0.0.0");
  assert.equal(host({ CONTAINER_ID: "4711", GATEWAY_HOST: "10.0.0.1" }), "10.0.0.1");
});
