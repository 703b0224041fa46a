/**
 * HTTPS on the same port as HTTP, with the real curl and openssl.
 */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import type { Box } from "./box.ts";
import { GatewayBox } from "./gateway-box.ts";

const TOKEN = "button-0123456789abcdef0123456789";
const ON = { ENABLE_HTTPS: "true", OPEN_BUTTON_TOKEN: TOKEN, VAST_CONTAINERLABEL: "C.1" };

async function certificate(box: Box, name: string, days = 30): Promise<{ cert: string; key: string }> {
  const [cert, key] = [box.path(`${name}.crt`), box.path(`${name}.key`)];
  const args = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-days", String(days)];
  const { code, stderr } = await box.run("openssl", [
    ...args,
    "-subj",
    `/CN=${name}`,
    "-addext",
    "subjectAltName=IP:127.0.0.1",
  ]);
  assert.equal(code, 0, stderr);
  return { cert, key };
}

function subjectAt(port: number): Promise<string> {
  return new Promise((done, failed) => {
    const socket = tlsConnect({ port, host: "127.0.0.1", rejectUnauthorized: false }, () => {
      done(new X509Certificate(socket.getPeerX509Certificate()!.raw).subject);
      socket.destroy();
    });
    socket.on("error", failed);
  });
}

test("with a certificate: HTTPS answers, and plain HTTP on that port is sent there", async (t) => {
  const gateway = await GatewayBox.open(t);
  const { cert, key } = await certificate(gateway.box, "given");
  gateway.box.write("gateway.yaml", gateway.service({ ...ON, GATEWAY_CERT: cert, GATEWAY_KEY: key }));
  await gateway.tells(/HTTPS: CN=given, .*given\.crt, self-signed, browsers will warn, until 20/);
  await gateway.box.until("gateway", "RUNNING");
  await gateway.isOpen();
  const https = (...args: string[]) =>
    gateway.curl("--cacert", cert, ...args.slice(0, -1), gateway.url(args.at(-1), "https"));
  assert.equal((await https("/")).status, 401);
  assert.equal((await https("-H", `Authorization: Bearer ${TOKEN}`, "/")).status, 200);
  const plain = await gateway.curl("/a?b=1");
  assert.deepEqual([plain.status, plain.headers["location"]], [308, gateway.url("/a?b=1", "https")]);
  assert.equal(plain.headers["set-cookie"], undefined);

  await t.test("the cookie is for HTTPS only, and for nobody but this host", async () => {
    const { cookies } = await https(`/?token=${TOKEN}`);
    assert.match(
      cookies[0]!,
      /^__Host-C\.1_auth_token=[\w.-]+; Path=\/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure$/,
    );
    assert.equal((await https("-H", `Cookie: ${cookies[0]!.split(";", 1)[0]}`, "/")).status, 200);
  });
  await t.test("the program behind is told that it was HTTPS", async () => {
    gateway.behind.removeAllListeners("request");
    gateway.behind.on("request", (request, response) => response.end(request.headers["x-forwarded-proto"]));
    assert.equal((await https("-H", `Authorization: Bearer ${TOKEN}`, "/")).body, "https");
  });
  await t.test("old TLS is refused", async () => {
    const { code } = await gateway.curl("-k", "--tls-max", "1.1", gateway.url("/", "https"));
    assert.notEqual(code, 0);
  });
  await t.test("another certificate in its files is taken up without a restart", async () => {
    const worker = await gateway.worker();
    const next = await certificate(gateway.box, "next");
    renameSync(next.key, key);
    renameSync(next.cert, cert);
    await gateway.box.becomes("the next is shown", async () => (await subjectAt(gateway.port)) === "CN=next");
    assert.equal(await gateway.worker(), worker);
  });
  await t.test("one that cannot be used does not replace one that works", async () => {
    writeFileSync(cert, "half a certifi");
    await gateway.tells(/cannot be used|it uses one of its own/);
    assert.equal((await gateway.curl("-k", gateway.url("/", "https"))).status, 401);
  });
});

test("without a certificate the gateway signs one itself, says so, and keeps it", async (t) => {
  const gateway = await GatewayBox.open(t, {
    env: { ...ON, GATEWAY_CERT: "/nowhere.crt", GATEWAY_KEY: "/nowhere.key", PUBLIC_IPADDR: "203.0.113.7" },
  });
  await gateway.tells(/HTTPS: CN=localhost, made by the gateway, self-signed/);
  await gateway.tells(/HTTPS: there is no \/nowhere\.crt with \/nowhere\.key; it uses one of its own/);
  assert.equal((await gateway.curl("-k", gateway.url("/", "https"))).status, 401);
  const [cert, key] = [
    gateway.box.path("state/gateway/self-signed.crt"),
    gateway.box.path("state/gateway/self-signed.key"),
  ];
  assert.equal(statSync(key).mode & 0o777, 0o600);
  const { stdout, code } = await gateway.box.run("openssl", ["x509", "-in", cert, "-noout", "-text"]);
  assert.equal(code, 0);
  assert.match(stdout, /DNS:localhost, DNS:.*, IP Address:203\.0\.113\.7/);
  assert.match(stdout, /TLS Web Server Authentication/);
  const verified = await gateway.box.run("openssl", ["verify", "-CAfile", cert, cert]);
  assert.match(verified.stdout, /OK/);
  const trusted = await gateway.curl("--cacert", cert, `https://localhost:${gateway.port}/`);
  assert.equal(trusted.status, 401);
  const before = readFileSync(cert, "utf8");
  await gateway.box.svctl("restart", "gateway");
  await gateway.isOpen();
  assert.equal(readFileSync(cert, "utf8"), before);
  const facts = (await gateway.routes()) as unknown as {
    https: { active: boolean; certificate: { selfSigned: boolean; expiresAt: string } };
  };
  assert.equal(facts.https.active, true);
  assert.equal(facts.https.certificate.selfSigned, true);
  assert.ok(Date.parse(facts.https.certificate.expiresAt) > Date.now() + 300 * 86_400_000);
  assert.match(await gateway.metrics(), /svcd_gateway_certificate_expires_seconds \d{10}/);
});

test("a key of another certificate, and one that has expired, are told", async (t) => {
  const gateway = await GatewayBox.open(t);
  const [one, other] = [await certificate(gateway.box, "one"), await certificate(gateway.box, "other")];
  gateway.box.write("gateway.yaml", gateway.service({ ...ON, GATEWAY_CERT: one.cert, GATEWAY_KEY: other.key }));
  await gateway.tells(/other\.key is not the key of .*one\.crt; it uses one of its own/);
  const soon = await certificate(gateway.box, "soon", 3);
  gateway.box.write("gateway.yaml", gateway.service({ ...ON, GATEWAY_CERT: soon.cert, GATEWAY_KEY: soon.key }));
  await gateway.tells(/the certificate .*soon\.crt expires in \d days/);
  assert.equal((await gateway.curl("-k", gateway.url("/", "https"))).status, 401);
});

test("switched off and on again: plain HTTP answers, a TLS handshake fails, and the other way round", async (t) => {
  const gateway = await GatewayBox.open(t, { env: { ...ON, ENABLE_HTTPS: "false" } });
  assert.equal(await gateway.status("/"), 401);
  assert.notEqual((await gateway.curl("-k", gateway.url("/", "https"))).code, 0);
  gateway.box.write("gateway.yaml", gateway.service(ON));
  await gateway.box.becomes("plain is sent to HTTPS", async () => (await gateway.status("/")) === 308);
  assert.equal((await gateway.curl("-k", gateway.url("/", "https"))).status, 401);
  gateway.box.write("gateway.yaml", gateway.service({ ...ON, ENABLE_HTTPS: "off" }));
  await gateway.box.becomes("plain answers", async () => (await gateway.status("/")) === 401);
});

test("a WebSocket through TLS, and a handshake that never ends", async (t) => {
  const gateway = await GatewayBox.open(t, { env: ON });
  gateway.behind.on("upgrade", (_, socket) => {
    socket.write("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
    socket.pipe(socket);
  });
  const socket = tlsConnect({ port: gateway.port, host: "127.0.0.1", rejectUnauthorized: false });
  let heard = "";
  socket.setEncoding("latin1").on("data", (text: string) => (heard += text));
  const lines = [
    `GET /ws?token=${TOKEN} HTTP/1.1`,
    `Host: 127.0.0.1:${gateway.port}`,
    "Connection: Upgrade",
    "Upgrade: websocket",
  ];
  socket.write(
    `${[...lines, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="].join("\r\n")}\r\n\r\n`,
  );
  await gateway.box.becomes("it is open", () => heard.includes("101"));
  socket.write("there and back");
  await gateway.box.becomes("it is back", () => heard.endsWith("there and back"));
  socket.destroy();
  // The first byte of a handshake, and nothing more: it is cut off.
  assert.equal(await gateway.raw("\x16"), "");
});

test("every port that is open to the outside is the gateway's own, and asks", async (t) => {
  const gateway = await GatewayBox.open(t, { env: { GATEWAY_HOST: "0.0.0.0" } });
  const { stdout } = await gateway.box.run("ss", ["-ltnpH"]);
  const holder = await gateway.box.pid("gateway");
  const worker = await gateway.worker();
  const ours = stdout.split("\n").filter((line) => line.includes(`pid=${holder},`) || line.includes(`pid=${worker},`));
  const open = ours.map((line) => line.trim().split(/\s+/)[3]!).sort();
  assert.deepEqual(open, [`0.0.0.0:${gateway.port}`, `127.0.0.1:${gateway.statusPort}`].sort());
  assert.equal(await gateway.status("/"), 401);
});
