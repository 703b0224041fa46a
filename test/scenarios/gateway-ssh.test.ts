/**
 * The gateway reached through ssh: a `-R` tunnel as an ordinary service, kept up by svcd, through a real sshd of this story.
 */
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { type TestContext, test } from "node:test";
import { background, canConnect, freePorts, GatewayBox } from "./gateway-box.ts";

const SSHD = "/usr/sbin/sshd";
const skip = existsSync(SSHD) ? false : "NOTICE: sshd is not installed (apt-get install openssh-server)";

async function withSshd(
  t: TestContext,
): Promise<{ gateway: GatewayBox; service: (knownHosts: string) => string; remote: number }> {
  const gateway = await GatewayBox.open(t);
  const { box } = gateway;
  const [port = 0, remote = 0] = await freePorts(2);
  mkdirSync(box.path("ssh"), { mode: 0o700 });
  for (const name of ["host", "user", "other"]) {
    const { code } = await box.run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", box.path("ssh", name)]);
    assert.equal(code, 0);
  }
  writeFileSync(box.path("ssh/authorized"), readFileSync(box.path("ssh/user.pub")));
  const known = (key: string) => `[127.0.0.1]:${port} ${readFileSync(box.path("ssh", `${key}.pub`), "utf8")}`;
  writeFileSync(box.path("ssh/known"), known("host"));
  writeFileSync(box.path("ssh/known-other"), known("other"));
  chmodSync(box.path("ssh/user"), 0o600);
  const settings = [
    `Port ${port}`,
    "ListenAddress 127.0.0.1",
    `HostKey ${box.path("ssh/host")}`,
    "UsePAM no",
    "StrictModes no",
  ];
  settings.push(
    `AuthorizedKeysFile ${box.path("ssh/authorized")}`,
    "PermitRootLogin yes",
    "PasswordAuthentication no",
    "PidFile none",
  );
  writeFileSync(box.path("ssh/config"), `${settings.join("\n")}\n`);
  mkdirSync("/run/sshd", { recursive: true });
  background(t, SSHD, ["-D", "-e", "-f", box.path("ssh/config")]);
  await gateway.isOpen(port);
  const options = [
    "-o ExitOnForwardFailure=yes",
    "-o ServerAliveInterval=15",
    "-o ServerAliveCountMax=3",
    "-o StrictHostKeyChecking=yes",
  ];
  const service = (knownHosts: string) => `command: >-
  ssh -NT -F none ${options.join(" ")} -o BatchMode=yes -o UserKnownHostsFile=${box.path("ssh", knownHosts)} -i ${box.path("ssh/user")}
  -p ${port} -R 127.0.0.1:${remote}:127.0.0.1:${gateway.port} ${userInfo().username}@127.0.0.1
startsecs: 0s
backoff: { first: 200ms, longest: 1s }
healthcheck: { tcp: "127.0.0.1:${remote}", interval: 200ms, retries: 5, start_period: 30s }
`;
  return { gateway, service, remote };
}

test("an ssh -R tunnel is a service: the gateway asks there too, and a connection that breaks is made again", {
  skip,
}, async (t) => {
  const { gateway, service, remote } = await withSshd(t);
  gateway.box.write("tunnel.yaml", service("known"));
  const { run } = await gateway.box.until("tunnel", "RUNNING");
  const token = await gateway.token();
  const url = `http://127.0.0.1:${remote}/`;
  assert.equal(await gateway.status(url), 401);
  assert.equal(await gateway.status("-H", `Authorization: Bearer ${token}`, url), 200);
  process.kill(await gateway.box.pid("tunnel"), "SIGKILL");
  const again = await gateway.box.until("tunnel", (status) => status.state === "RUNNING" && status.run > run);
  assert.ok(again.restarts > 0);
  await gateway.box.becomes(
    "it leads here again",
    async () => (await gateway.status("-H", `Authorization: Bearer ${token}`, url)) === 200,
  );
});

test("with the key of another host no tunnel is opened", { skip }, async (t) => {
  const { gateway, service, remote } = await withSshd(t);
  gateway.box.write("tunnel.yaml", service("known-other"));
  await gateway.box.becomes("ssh says why", () => /Host key verification failed/.test(gateway.box.log("tunnel")));
  assert.equal(await canConnect(remote), false);
});
