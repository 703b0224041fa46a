import assert from "node:assert/strict";
import { test } from "node:test";
import { diffServices } from "./diff.ts";
import { resolveExposure } from "./expose.ts";
import { serviceFrom, wrongIn } from "./testing.ts";

test("`expose` is one map or a list of them, and what is not said is safe", () => {
  const one = serviceFrom("command: x\nexpose: { port: 8000, to: 18000 }").expose;
  assert.deepEqual(one, [
    {
      port: "8000",
      to: "18000",
      path: "/",
      name: null,
      auth: "token",
      holdMs: 0,
      idempotent: [],
      start: "always",
      tunnel: "none",
      maxBodyBytes: null,
      cors: [],
      hostIsLocal: false,
      allowDev: false,
    },
  ]);
  const two = serviceFrom(`
command: x
expose:
  - { port: 8000, to: "[::1]:18000", path: /docs, name: vLLM API, auth: basic, hold: 10m, idempotent: [/score, /rerank], max_body: 1M }
  - { port: 8001, to: "box:80", cors: ["https://App.example/", "*"], rewrite_host: yes, allow_dev: true, start: on-demand }
`).expose!;
  assert.deepEqual(two[0], {
    ...one![0],
    to: "[::1]:18000",
    path: "/docs",
    name: "vLLM API",
    auth: "basic",
    holdMs: 600_000,
    idempotent: ["/score", "/rerank"],
    maxBodyBytes: 1024 ** 2,
  });
  assert.deepEqual(two[1], {
    ...one![0],
    port: "8001",
    to: "box:80",
    cors: ["https://app.example", "*"],
    hostIsLocal: true,
    allowDev: true,
    start: "on-demand",
  });
  assert.equal(serviceFrom("command: x").expose, undefined);
});

test("what is wrong in `expose` is told with its place and what to do", () => {
  const wrong: Record<string, string[]> = {
    "expose: 8000": ["2:9 `expose`: `8000` where a list or a map belongs (write a list or a map)"],
    "expose: { port: 8000 }": [
      "2:1 `to` is missing in `expose` (add the port that the service listens on, like `to: 18000`)",
    ],
    "expose: { port: 0, to: 70000 }": [
      "2:17 `expose.port`: `0` is not a port (write a number from 1 to 65535)",
      "2:24 `expose.to`: `70000` is not an address (write a port (8000), or host:port (127.0.0.1:8000, [::1]:8000))",
    ],
    "expose: [{ port: 1, to: 2, auth: nobody }]": [
      "2:34 `expose.auth`: unknown word `nobody` (write `token`, `basic` or `none`)",
    ],
    "expose: { port: 1, to: 2, path: docs, target: 3 }": [
      "2:33 `expose.path`: `docs` is not a path (begin it with one /)",
      "2:39 unknown key `target` in `expose` (write `to:`)",
    ],
    "expose: { port: 1, to: 2, tunnel: named }": [
      "2:35 `expose.tunnel`: `named` is not supported by this version of svcd yet (run cloudflared by a service file of its own: docs/gateway.md)",
    ],
    "expose: { port: 1, to: 2, cors: example.com }": [
      "2:33 `expose.cors`: `example.com` is not an origin (write it like https://app.example.com, or * for all)",
    ],
  };
  for (const [line, mistakes] of Object.entries(wrong))
    assert.deepEqual(wrongIn(`command: x\n${line}`), mistakes, line);
});

test("ports are filled in with the environment of the service, and what cannot be is told", () => {
  const [exposure] = serviceFrom('command: x\nexpose: { port: "${P:-8000}", to: "127.0.0.1:${Q}" }').expose!;
  const resolved = resolveExposure(exposure!, (name) => ({ Q: "18000" })[name]);
  assert.ok(resolved.ok);
  assert.deepEqual([resolved.value.port, resolved.value.to], [8000, { host: "127.0.0.1", port: 18000 }]);
  const unset = resolveExposure(exposure!, () => undefined);
  assert.ok(!unset.ok);
  assert.match(unset.flaw.what, /^`expose\.to`: `127\.0\.0\.1:` is not an address \(Q is not set\)$/);
  const wrong = resolveExposure(exposure!, (name) => ({ P: "many", Q: "1" })[name]);
  assert.ok(!wrong.ok);
  assert.equal(wrong.flaw.what, "`expose.port`: `many` is not a port");
});

test("another `expose` needs no restart", () => {
  const before = serviceFrom("command: x\nexpose: { port: 8000, to: 18000 }");
  const after = serviceFrom("command: x\nexpose: [{ port: 8000, to: 18000, auth: none }, { port: 8001, to: 1 }]");
  assert.deepEqual(diffServices(before, after)?.details, [
    { field: "expose", before: "8000 → 18000 (token)", after: "8000 → 18000 (none), 8001 → 1 (token)" },
  ]);
  assert.equal(diffServices(before, after)?.restart, false);
  assert.equal(diffServices(serviceFrom("command: x"), after)?.restart, false);
});
