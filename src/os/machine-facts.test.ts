import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { isRunning, textOf } from "./machine-facts.ts";
import { isListening } from "./port-holder.ts";

const dir = mkdtempSync(join(tmpdir(), "svcd-facts-"));
after(() => rmSync(dir, { recursive: true }));

test("of a file its beginning is read; what cannot be read is empty and holds up nobody", () => {
  const file = join(dir, "launch");
  writeFileSync(file, "exec jupyter\n");
  assert.equal(textOf(file), "exec jupyter\n");
  writeFileSync(file, "x".repeat(1_000_000));
  assert.equal(textOf(file).length, 256 * 1024);
  assert.equal(textOf(join(dir, "absent")), "");
  assert.equal(textOf(dir), "");
  spawnSync("mkfifo", [join(dir, "pipe")]);
  assert.equal(textOf(join(dir, "pipe")), "");
});

test("a port is in use while somebody listens there, on any address of either family", async () => {
  for (const host of ["127.0.0.1", "0.0.0.0", "::1"]) {
    const server = createServer();
    await once(server.listen(0, host), "listening");
    const { port } = server.address() as AddressInfo;
    assert.equal(isListening(port), true, host);
    await new Promise((closed) => server.close(closed));
    assert.equal(isListening(port), false, host);
  }
});

test("a program runs while a process bears its name, however it was called", async () => {
  const program = join(dir, "svcd-test-a-long-name");
  symlinkSync("/bin/sleep", program);
  assert.equal(isRunning("svcd-test-a-long-name"), false);
  const child = spawn(program, ["1000"]);
  await once(child, "spawn");
  while (!isRunning("svcd-test-a-long-name")) await new Promise((again) => setTimeout(again, 5));
  assert.equal(isRunning(program), true);
  child.kill("SIGKILL");
  await once(child, "close");
  assert.equal(isRunning("svcd-test-a-long-name"), false);
});
