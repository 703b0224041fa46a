import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { test } from "node:test";
import { describeHolder, portHolder } from "./port-holder.ts";

const LISTENER = `
  const server = require("node:net").createServer();
  server.listen(0, process.argv[1], () => console.log(server.address().port));
  process.stdin.on("end", () => process.exit()).resume();
`;

const hasIpv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === "::1"));

for (const address of ["127.0.0.1", "::1"]) {
  test(`a service that listens on ${address} is named with its pid`, {
    skip: address === "::1" && !hasIpv6 && "no IPv6 here",
  }, async () => {
    const child = spawn(process.execPath, ["-e", LISTENER, address], {
      env: { SVCD_SERVICE: "api" },
      stdio: ["pipe", "pipe", "inherit"],
    });
    const [port] = await once(child.stdout, "data");
    const holder = portHolder(Number(port));
    assert.ok(holder !== null);
    assert.equal(holder.pid, child.pid);
    assert.match(describeHolder(holder), new RegExp(`^service \`api\` \\(pid ${child.pid}, (node|MainThread)\\)$`));
    child.stdin.end();
    await once(child, "exit");
  });
}

test("a port that nobody listens on has no holder", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  assert.equal(portHolder(port)?.pid, process.pid);
  server.close();
  await once(server, "close");
  assert.equal(portHolder(port), null);
});

test("a holder is named as far as it is known", () => {
  assert.equal(describeHolder({ pid: 7, program: "nginx", service: null }), "pid 7 (nginx)");
  assert.equal(describeHolder({ pid: null, program: null, service: null }), "a process of another user");
});
