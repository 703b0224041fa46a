import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { OperatorError } from "../ports.ts";
import { temporaryDirectory } from "./fake-daemon.ts";
import { listenAt } from "./listen.ts";

function serverIn(context: TestContext): Server {
  const server = createServer((socket) => socket.on("error", () => {}).end("here"));
  context.after(() => server.close());
  return server;
}

async function saysHere(path: string): Promise<boolean> {
  const socket = connect(path);
  const [data] = await once(socket, "data");
  socket.destroy();
  return String(data) === "here";
}

async function failure(context: TestContext, path: string, group: number | null = null): Promise<OperatorError> {
  try {
    await listenAt(serverIn(context), path, { group });
  } catch (error) {
    assert.ok(error instanceof OperatorError, String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "it listens" });
}

test("only the owner may connect; with a group, its members too", async (context) => {
  const path = join(temporaryDirectory(context), "svcd.sock");
  await listenAt(serverIn(context), path, { group: null });
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.ok(await saysHere(path));

  const shared = join(temporaryDirectory(context), "svcd.sock");
  const group = process.getgid!();
  await listenAt(serverIn(context), shared, { group });
  assert.equal(statSync(shared).mode & 0o777, 0o660);
  assert.equal(statSync(shared).gid, group);
});

test("the socket of a killed daemon is replaced, and nothing else is left in the directory", async (context) => {
  const directory = temporaryDirectory(context);
  const path = join(directory, "svcd.sock");
  const script = `require("net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
  await once(spawn(process.execPath, ["-e", script], { stdio: "ignore" }), "exit");
  assert.ok(statSync(path).isSocket());
  await listenAt(serverIn(context), path, { group: null });
  assert.ok(await saysHere(path));
  assert.deepEqual(readdirSync(directory), ["svcd.sock"]);
});

test("taken away, the socket is gone; the one of a successor is left alone", async (context) => {
  const directory = temporaryDirectory(context);
  const path = join(directory, "svcd.sock");
  const first = serverIn(context);
  const release = await listenAt(first, path, { group: null });
  first.close();
  await listenAt(serverIn(context), path, { group: null });
  release();
  assert.ok(await saysHere(path));
});

test("a daemon that answers is not pushed aside", async (context) => {
  const path = join(temporaryDirectory(context), "svcd.sock");
  await listenAt(serverIn(context), path, { group: null });
  const { what, where, fix } = await failure(context, path);
  assert.equal(what, "another svcd answers on this control socket");
  assert.equal(where, path);
  assert.match(fix, /svctl shutdown/);
  assert.ok(await saysHere(path));
});

test("a file, a link or a directory in its place is not destroyed", async (context) => {
  const directory = temporaryDirectory(context);
  writeFileSync(join(directory, "file"), "precious");
  symlinkSync("/dev/null", join(directory, "link"));
  mkdirSync(join(directory, "directory"));
  for (const name of ["file", "link", "directory"]) {
    assert.match((await failure(context, join(directory, name))).what, /not a socket/);
  }
});

test("what stands in the way is said with what to do", async (context) => {
  const directory = temporaryDirectory(context);
  const missing = await failure(context, join(directory, "run", "svcd.sock"));
  assert.equal(missing.what, "cannot make the control socket: its directory does not exist");
  assert.equal(missing.fix, `make it: mkdir -m 700 -p ${directory}/run`);

  const long = await failure(context, join(directory, "x".repeat(120), "svcd.sock"));
  assert.match(long.what, /has \d+ bytes; Linux allows 107/);

  writeFileSync(join(directory, "file"), "");
  assert.match((await failure(context, join(directory, "file", "svcd.sock"))).what, /a part of its path is a file/);
});

test("no permission in the directory is said so", { skip: process.getuid!() !== 0 && "needs root" }, (context) => {
  const directory = temporaryDirectory(context);
  chmodSync(directory, 0o755);
  const run = join(directory, "run");
  mkdirSync(run, { mode: 0o755 });
  const script = `
    process.setgid(65534); process.setuid(65534);
    const { listenAt } = await import(${JSON.stringify(join(import.meta.dirname, "listen.ts"))});
    const { createServer } = await import("node:net");
    await listenAt(createServer(), ${JSON.stringify(join(run, "svcd.sock"))}, { group: null })
      .catch((error) => console.log(error.what));
  `;
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  assert.equal(said, "cannot make the control socket: no permission to write in its directory (EACCES)\n");
});
