/**
 * Quick tunnels, with a stand-in for cloudflared that prints what the real one prints.
 */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { resolve } from "node:path";
import { test } from "node:test";
import { freePorts, GatewayBox } from "./gateway-box.ts";

const TUNNELS = resolve(import.meta.dirname, "../../bin/svcd-tunnels");

/** Each start has another name, as with the real one. Without a file \`allowed\` it is told that there are too many. */
const CLOUDFLARED = `#!/bin/sh
echo "$*" >> argv
count=$(wc -l < argv)
echo "$(date -u +%FT%TZ) INF Thank you for trying Cloudflare Tunnel. Doing so, without a Cloudflare account, is a quick way to experiment and try it out. (https://developers.cloudflare.com/cloudflare-one/connections/connect-apps)" >&2
echo "$(date -u +%FT%TZ) INF Requesting new quick Tunnel on trycloudflare.com..." >&2
if ! [ -e allowed ]; then
  echo '$(date -u +%FT%TZ) ERR Error unmarshaling QuickTunnel response: error code: 1015 error="invalid character" status_code="429 Too Many Requests"' >&2
  echo 'failed to unmarshal quick Tunnel: invalid character' >&2
  exit 1
fi
echo "$(date -u +%FT%TZ) INF +--------------------------------------------------------------------------------------------+" >&2
echo "$(date -u +%FT%TZ) INF |  Your quick Tunnel has been created! Visit it at (it may take some time to be reachable):  |" >&2
echo "$(date -u +%FT%TZ) INF |  https://seed-words-number-$count.trycloudflare.com                                         |" >&2
echo "$(date -u +%FT%TZ) INF +--------------------------------------------------------------------------------------------+" >&2
exec sleep 3600
`;

interface Report {
  readonly url: string | null;
  readonly state: string;
  readonly port: number;
  readonly why: string;
  readonly next: string;
}

test("a quick tunnel leads to the gateway's port; its address is published, and one that dies comes back", async (t) => {
  const told: Record<string, unknown>[] = [];
  const webhook = createServer((request, response) => {
    let body = "";
    request.on("data", (text) => (body += text)).on("end", () => response.end(void told.push(JSON.parse(body))));
  });
  const [hook = 0] = await freePorts(1);
  webhook.listen(hook, "127.0.0.1");
  t.after(() => webhook.close());
  const gateway = await GatewayBox.open(t, { expose: "tunnel: quick" });
  const { box } = gateway;
  mkdirSync(box.path("bin"));
  writeFileSync(box.path("bin/cloudflared"), CLOUDFLARED);
  chmodSync(box.path("bin/cloudflared"), 0o755);
  writeFileSync(box.path("allowed"), "");
  box.write(
    "tunnels.yaml",
    `command: ${TUNNELS}\nstartsecs: 0s\nenvironment: { PATH: "${box.path("bin")}:/usr/bin:/bin", TUNNELS_WEBHOOK: "http://127.0.0.1:${hook}/" }\n`,
  );
  const reports = async () => JSON.parse((await box.svctl("tunnels", "--json")).stdout) as Report[];
  const first = "https://seed-words-number-1.trycloudflare.com";
  await box.becomes("the address is published", async () => (await reports())[0]?.url === first);
  assert.match(
    box.file("argv"),
    new RegExp(`^tunnel --no-autoupdate --no-tls-verify --url http://127\\.0\\.0\\.1:${gateway.port}\n$`),
  );
  assert.match((await box.svctl("tunnels")).stdout, new RegExp(`App +${gateway.port} +up +${first}`));
  await box.becomes("the webhook was told", () => told.length === 1);
  assert.deepEqual([told[0]!["event"], told[0]!["url"]], ["tunnel", first]);

  await t.test("what comes through is asked for a token, under the name of the tunnel too", async () => {
    const host = [
      "-H",
      "Host: seed-words-number-1.trycloudflare.com",
      "-H",
      "Cf-Ray: 1",
      "-H",
      "Cf-Connecting-IP: 203.0.113.5",
    ];
    assert.equal(await gateway.status(...host, "/"), 401);
    const token = await gateway.token();
    assert.equal(await gateway.status(...host, "-H", `Authorization: Bearer ${token}`, "/"), 200);
    await box.becomes("the log has the client's own address", () =>
      gateway.accesses().some(({ client }) => client === "203.0.113.5"),
    );
  });
  await t.test("one that dies comes back with another address", async () => {
    await box.run("pkill", ["-KILL", "-P", String(await box.pid("tunnels")), "sleep"]);
    await box.becomes(
      "there is another",
      async () => (await reports())[0]?.url === "https://seed-words-number-2.trycloudflare.com",
    );
    await box.becomes("the webhook was told", () => told.length === 2);
  });
  await t.test("no longer wanted, it is closed", async () => {
    box.write("app.yaml", gateway.exposed());
    await box.becomes("there is none", async () => (await reports()).length === 0);
    const { stdout } = await box.run("pgrep", ["-P", String(await box.pid("tunnels"))]);
    assert.equal(stdout, "");
  });
});

test("when Cloudflare refuses another tunnel, it is said, and not asked for again before a minute", async (t) => {
  const gateway = await GatewayBox.open(t, { expose: "tunnel: quick" });
  const { box } = gateway;
  mkdirSync(box.path("bin"));
  writeFileSync(box.path("bin/cloudflared"), CLOUDFLARED);
  chmodSync(box.path("bin/cloudflared"), 0o755);
  box.write(
    "tunnels.yaml",
    `command: ${TUNNELS}\nstartsecs: 0s\nenvironment: { PATH: "${box.path("bin")}:/usr/bin:/bin" }\n`,
  );
  let report: Report | undefined;
  await box.becomes("it rests", async () => {
    [report] = JSON.parse((await box.svctl("tunnels", "--json")).stdout) as Report[];
    return report?.state === "resting";
  });
  assert.match(report!.why, /Cloudflare makes no more quick tunnels/);
  assert.match(report!.next, /in (5\d|60) s/);
  assert.equal(box.file("argv").split("\n").length, 2);
});
