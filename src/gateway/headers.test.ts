import assert from "node:assert/strict";
import { test } from "node:test";
import { clientHeaders, cookieValues, headersFlaw, upstreamHeaders } from "./headers.ts";

const CLIENT = { address: "203.0.113.9", isEncrypted: true, host: "box:8000", port: 8000 };

function up(raw: string[], changes: Partial<Parameters<typeof upstreamHeaders>[1]> = {}): Record<string, string> {
  const list = upstreamHeaders(raw, {
    client: CLIENT,
    host: "box:8000",
    dropAuthorization: false,
    ownCookies: ["own"],
    isUpgrade: false,
    ...changes,
  });
  return Object.fromEntries(list.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), list[i + 1]!]] : [])));
}

const SET = {
  host: "box:8000",
  "x-forwarded-for": "203.0.113.9",
  "x-forwarded-proto": "https",
  "x-forwarded-host": "box:8000",
  "x-forwarded-port": "8000",
  "x-real-ip": "203.0.113.9",
};

test("who a client is and how it came is said anew, whatever it claims itself", () => {
  const claims = ["X-Forwarded-For", "X-Forwarded-Uri", "Forwarded", "X-Real-IP", "X-Original-URL", "X-Forwarded_User"];
  claims.push("X_Real_IP", "CF-Connecting-IP", "X-Svcd-User", "Remote-User", "True-Client-IP");
  assert.deepEqual(up(claims.flatMap((name) => [name, "admin"])), SET);
});

test("what a client names in Connection is gone, and cannot be what is set here", () => {
  const raw = [
    "Connection",
    "close, X-Secret, X-Forwarded-For, Host, Cookie",
    "X-Secret",
    "1",
    "Cookie",
    "a=b",
    "Host",
    "evil",
  ];
  assert.deepEqual(up(raw), { ...SET, cookie: "a=b" });
});

test("headers of one hop stay on it, in both directions", () => {
  const raw = [
    "Keep-Alive",
    "x",
    "TE",
    "trailers",
    "Upgrade",
    "h2c",
    "Proxy-Authorization",
    "x",
    "Transfer-Encoding",
    "chunked",
  ];
  assert.deepEqual(up(raw), SET);
  assert.deepEqual(clientHeaders([...raw, "A", "b"], { ownCookies: [], corsIsOurs: false }), ["A", "b"]);
});

test("an upgrade asks for exactly that", () => {
  const raw = ["Connection", "keep-alive, Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Key", "k"];
  assert.deepEqual(up(raw, { isUpgrade: true }), {
    ...SET,
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-key": "k",
  });
});

test("the gateway's own cookie and the key that was for it go no further; others do", () => {
  const raw = ["Cookie", "a=1; own=secret; b=2", "Authorization", "Bearer x"];
  assert.deepEqual(up(raw, { dropAuthorization: true }), { ...SET, cookie: "a=1; b=2" });
  assert.deepEqual(up(["Cookie", "own=secret"]), SET);
  assert.equal(up(raw)["authorization"], "Bearer x");
});

test("a program behind can neither set the gateway's cookie nor pass for its placeholder", () => {
  const raw = [
    "Set-Cookie",
    "own=x",
    "Set-Cookie",
    "a=b",
    "X-Portal-Placeholder",
    "true",
    "Access-Control-Allow-Origin",
    "*",
  ];
  assert.deepEqual(clientHeaders(raw, { ownCookies: ["own"], corsIsOurs: true }), ["Set-Cookie", "a=b"]);
});

test("two hosts, chunks in HTTP/1.0 and hundreds of headers are refused", () => {
  assert.equal(headersFlaw(["Host", "a", "host", "a"], "1.1")?.status, 400);
  assert.equal(headersFlaw(["Host", "a", "Transfer-Encoding", "chunked"], "1.0")?.status, 400);
  assert.equal(headersFlaw(["Host", "a", "Transfer-Encoding", "gzip, chunked"], "1.1")?.status, 400);
  assert.equal(
    headersFlaw(
      Array.from({ length: 402 }, () => "a"),
      "1.1",
    )?.status,
    431,
  );
  assert.equal(headersFlaw(["Host", "a"], "1.1"), null);
});

test("cookies are found by their whole name", () => {
  assert.deepEqual(cookieValues("xown=1; own=2; own=3; ownx=4", "own"), ["2", "3"]);
});
