/**
 * The SSH server among people who mean it no good, or whose line is bad: strangers who only knock, guess or talk nonsense;
 * clients that stop reading, send too much, or open everything at once. The others, svcd above all, notice nothing.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { test } from "node:test";
import ssh2, { type Client, type ClientChannel } from "ssh2";
import { hear, NEEDS_SSH, SshBox } from "./ssh-box.ts";

const CHATTY = `command: while :; do yes "a line of a service that has much to say" | head -c 1000000; sleep 0.1; done
shell: true
startsecs: 0s
logs: { max_size: 50M, keep: 1, compress: false }
`;

test("twenty people at once, each with a log that goes on, and commands beside them", NEEDS_SSH, async (t) => {
  const here = await SshBox.open(t, {
    files: {
      "web.yaml":
        "command: echo ready; until test -e more; do sleep 0.1; done; echo and on; exec sleep 1001\nshell: true\n",
    },
  });
  const { box } = here;
  await box.until("web", "RUNNING");
  const everybody = Array.from({ length: 20 }, () => hear(here.spawn(["logs", "-f", "web"])));
  await box.becomes("all of them see the log", () => everybody.every(({ stdout }) => stdout.includes("ready")));
  const commands = await Promise.all(Array.from({ length: 5 }, () => here.ssh("status", "web")));
  assert.deepEqual(
    commands.map(({ code }) => code),
    [0, 0, 0, 0, 0],
  );
  writeFileSync(box.path("more"), "");
  await box.becomes("all of them hear more", () => everybody.every(({ stdout }) => stdout.includes("and on")));
});

test("more than the places there are: the next one is told, and the others go on", NEEDS_SSH, async (t) => {
  const here = await SshBox.open(t, { env: { SSH_SERVER_MAX_SESSIONS: "2" } });
  const both = [1, 2].map(() => here.spawn(["logs", "-f", "ssh"]));
  const heard = both.map(hear);
  await here.box.becomes("both see the log", () => heard.every(({ stdout }) => stdout !== ""));
  const third = await here.ssh("status");
  assert.equal(third.code, 1);
  assert.match(third.stderr, /too many commands/);
  both[0]!.kill("SIGKILL");
  await here.box.becomes("there is a place again", async () => (await here.ssh("status", "ssh")).code === 0);
});

test("a client that stops reading costs a bounded piece of memory, and svcd nothing", NEEDS_SSH, async (t) => {
  const here = await SshBox.open(t, { files: { "chatty.yaml": CHATTY } });
  const { box } = here;
  await box.until("chatty", "RUNNING");
  const pid = await box.pid("ssh");

  await t.test("OpenSSH, stopped in the middle", async () => {
    const child = here.spawn(["logs", "-f", "chatty"]);
    let seen = 0;
    child.stdout!.on("data", (bytes: Buffer) => (seen += bytes.length));
    await box.becomes("it reads", () => seen > 1_000_000);
    child.kill("SIGSTOP");
    const before = seen;
    await staysBelow(here, pid);
    child.kill("SIGCONT");
    await box.becomes("it goes on where it was", () => seen > before + 1_000_000);
    child.kill("SIGKILL");
  });

  await t.test("one that grants four gigabytes and then reads nothing", async () => {
    const client = await signedIn(here);
    client.on("error", () => {});
    for (let i = 0; i < 8; i++) {
      const channel = await started(client, "logs -f -n 200000 chatty");
      protocolOf(client).channelWindowAdjust(outgoingOf(channel), 0xff00_0000);
      await new Promise((done) => channel.once("data", done));
    }
    socketOf(client).pause();
    await staysBelow(here, pid);
    client.destroy();
  });

  await t.test("one that sends more than it was granted", async () => {
    const client = await signedIn(here);
    const closed = new Promise<void>((done) => client.once("close", () => done()));
    client.on("error", () => {});
    const channel = await started(client, "logs -f chatty");
    channel.resume();
    const piece = Buffer.alloc(32_000);
    for (let i = 0; i < 1_000; i++) protocolOf(client).channelData(outgoingOf(channel), piece);
    await closed;
    await here.logSays(/left: sent more than it was granted/);
  });
  assert.equal(await box.pid("ssh"), pid, "the server is the same");
  assert.equal((await here.ssh("status", "ssh")).code, 0);
});

test("whoever says nothing, too little or nonsense is gone in time and keeps nobody out", NEEDS_SSH, async (t) => {
  const env = {
    SSH_SERVER_SIGN_IN_WITHIN: "1s",
    SSH_SERVER_MAX_STRANGERS_PER_ADDRESS: "5",
  };
  const here = await SshBox.open(t, { env });
  const { box, port } = here;
  const pid = await box.pid("ssh");

  await t.test("silence, and half a greeting", async () => {
    const startedAt = performance.now();
    const silent = ["", "SSH-2.0-", "SSH-2.0-x\r\n"].map((text) => knock(port, text));
    await Promise.all(silent.map(({ closed }) => closed));
    assert.ok(performance.now() - startedAt > 900);
    await here.logSays(/left without signing in: did not sign in within 1 s/);
  });

  await t.test("more at once from one address than it has places for", async () => {
    const crowd = Array.from({ length: 12 }, () => knock(port, ""));
    const firstGone = await Promise.race(crowd.map(({ closed }) => closed));
    assert.ok(firstGone < 800, `the ones too many leave at once, not after ${firstGone} ms`);
    await here.logSays(/not let in: 5 connections from there have not signed in yet/);
    await Promise.all(crowd.map(({ closed }) => closed));
    assert.equal((await here.ssh("version")).code, 0, "then everybody may come again");
  });

  await t.test("garbage of all kinds", async () => {
    const header = "SSH-2.0-OpenSSH_9.2\r\n";
    const pieces = [
      "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
      "\n".repeat(5_000),
      "x".repeat(100_000),
      randomBytes(100_000),
      Buffer.concat([Buffer.from(header), randomBytes(4_000)]),
      Buffer.concat([Buffer.from(header), Buffer.from([0xff, 0xff, 0xff, 0xff]), randomBytes(100)]),
      Buffer.concat([Buffer.from(header), Buffer.from([0, 0, 0, 12, 4, 20]), Buffer.alloc(10)]),
      Buffer.concat([Buffer.from(header), Buffer.alloc(1_000_000)]),
    ];
    for (const piece of pieces) await knock(port, piece).closed;
    assert.equal((await here.ssh("version")).code, 0);
    assert.doesNotMatch(box.log("ssh"), /[^\x20-\x7e\n…“”]/, "nothing of it is in the log");
  });
  assert.equal(await box.pid("ssh"), pid, "the server is the same");
});

test("guessing is slow and ends soon, for keys and for passwords", NEEDS_SSH, async (t) => {
  const here = await SshBox.open(t, {
    env: { SSH_SERVER_TOKEN: "correct-horse-battery", SSH_SERVER_MAX_TRIES: "3", SSH_SERVER_SIGN_IN_WITHIN: "10s" },
  });
  const startedAt = performance.now();
  const answers: string[] = [];
  let tries = 0;
  const client = new ssh2.Client();
  const closed = new Promise<void>((done) => client.once("close", () => done()));
  client.on("error", (error) => answers.push(error.message));
  client.connect({
    host: "127.0.0.1",
    port: here.port,
    username: "root",
    authHandler: () => ({ type: "password" as const, username: "root", password: `wrong-horse-${++tries}` }),
  });
  await closed;
  assert.ok(tries <= 4, `${tries} tries`);
  const tookMs = performance.now() - startedAt;
  assert.ok(tookMs > 500 + 1_000 + 1_900, `three wrong passwords took ${tookMs} ms`);
  await here.logSays(/too many wrong keys or passwords/);
  assert.equal((await here.ssh("version")).code, 0, "whoever has a key does not wait");
});

test("nothing typed and nothing shown: an idle timeout ends it, when there is one", NEEDS_SSH, async (t) => {
  const here = await SshBox.open(t, { env: { SSH_SERVER_IDLE_TIMEOUT: "1s" } });
  const child = here.spawn(["logs", "-f", "ssh"]);
  const ended = new Promise((done) => child.once("close", done));
  assert.equal(await ended, 255);
  await here.logSays(/left: nothing happened for 1 s/);
});

/** Its server has had time to fill up, and did not; svcd answers meanwhile. */
async function staysBelow({ box }: SshBox, pid: number): Promise<void> {
  const before = rssOf(pid);
  for (let round = 0; round < 20; round++) {
    await new Promise((next) => setTimeout(next, 50));
    assert.equal((await box.control.health()).status, "ok");
    const grown = rssOf(pid) - before;
    assert.ok(grown < 30, `it has grown by ${grown} MB`);
  }
}

function rssOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
}

/** Says that much and waits. `closed`: after how many milliseconds the server had enough. */
function knock(port: number, text: string | Buffer): { closed: Promise<number> } {
  const startedAt = performance.now();
  const socket = connect(port, "127.0.0.1", () => socket.write(text));
  socket.on("error", () => {}).on("data", () => {});
  return { closed: new Promise((done) => socket.once("close", () => done(performance.now() - startedAt))) };
}

function signedIn(here: SshBox): Promise<Client> {
  return new Promise((done, fail) => {
    const client = new ssh2.Client();
    client
      .once("ready", () => done(client))
      .on("error", fail)
      .connect({ host: "127.0.0.1", port: here.port, username: "x", privateKey: here.box.file("id") });
  });
}

function started(client: Client, command: string): Promise<ClientChannel> {
  return new Promise((done, fail) => {
    client.exec(command, (error, channel) => (error === undefined ? done(channel) : fail(error)));
  });
}

interface Protocol {
  channelData(id: number, data: Buffer): void;
  channelWindowAdjust(id: number, bytes: number): void;
}

/** What a well-behaved client keeps to itself. */
function protocolOf(client: Client): Protocol {
  return (client as unknown as { readonly _protocol: Protocol })._protocol;
}

function socketOf(client: Client): Socket {
  return (client as unknown as { readonly _sock: Socket })._sock;
}

function outgoingOf(channel: ClientChannel): number {
  return (channel as unknown as { readonly outgoing: { readonly id: number } }).outgoing.id;
}
