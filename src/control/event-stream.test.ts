import assert from "node:assert/strict";
import { Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import { EventParser, type Fields } from "./client-events.ts";
import { EVENT_PATIENCE, type EventPatience, streamEvents } from "./event-stream.ts";
import { FakeDaemon } from "./fake-daemon.ts";

class Client extends Writable {
  readonly heard: Fields[] = [];
  bytes = 0;
  /** While it does not read. */
  #held: (() => void) | null = null;
  reads = true;
  readonly #parser = new EventParser((fields) => this.heard.push(fields));

  constructor() {
    super({ highWaterMark: 16 * 1024 });
  }

  override _write(chunk: Buffer, _encoding: string, callback: () => void): void {
    this.bytes += chunk.length;
    this.#parser.read(chunk);
    if (this.reads) callback();
    else this.#held = callback;
  }

  readAgain(): void {
    this.reads = true;
    this.#held?.();
  }

  get texts(): string[] {
    return this.heard.flatMap(({ data }) => (data === null ? [] : [(JSON.parse(data) as { text: string }).text]));
  }
}

function listen(context: TestContext, daemon: FakeDaemon, since: string | null, patience: Partial<EventPatience> = {}) {
  const client = new Client();
  const { stop, done } = streamEvents(daemon, since, client, { ...EVENT_PATIENCE, ...patience });
  context.after(stop);
  return { client, stop, done };
}

/** What was announced is sent once, after the burst. */
async function sent(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await nextTurn();
}

test("a client hears what happens from now on, with ids to come back with", async (context) => {
  const daemon = new FakeDaemon();
  daemon.say("before");
  const { client, stop, done } = listen(context, daemon, null);
  daemon.say("one");
  daemon.say("two");
  await sent();
  assert.deepEqual(client.texts, ["one", "two"]);
  assert.deepEqual(
    client.heard.map(({ id }) => id),
    ["e1-1", "e1-2", "e1-3"],
  );
  assert.deepEqual(
    client.heard.map(({ type }) => type),
    [null, "daemon", "daemon"],
  );
  stop();
  await done;
  assert.equal(daemon.listeners, 0);
});

test("a client that comes back hears exactly what it missed", async (context) => {
  const daemon = new FakeDaemon();
  for (const text of ["1", "2", "3"]) daemon.say(text);
  const { client, stop } = listen(context, daemon, "e1-1");
  daemon.say("4");
  await sent();
  assert.deepEqual(client.texts, ["2", "3", "4"]);
  stop();
});

for (const since of ["e0-17", "e1-0", "nonsense", "", "e1-999"]) {
  test(`when what came after "${since}" is not kept, the client is told to look anew`, async (context) => {
    const daemon = new FakeDaemon();
    daemon.keeps = 2;
    for (const text of ["1", "2", "3"]) daemon.say(text);
    const { client, stop } = listen(context, daemon, since);
    daemon.say("4");
    await sent();
    assert.deepEqual(
      client.heard.map(({ type }) => type),
      [null, "reset", "daemon"],
    );
    assert.deepEqual(client.texts.at(-1), "4");
    assert.equal(client.heard[1]!.id, "e1-3");
    stop();
  });
}

test("an id with line breaks in it cannot forge an event", (context) => {
  const { client, stop } = listen(context, new FakeDaemon(), "x\n\nevent: daemon\ndata: {}");
  assert.ok(client.heard.every(({ type }) => type !== "daemon"));
  stop();
});

test("a burst that is larger than a client's buffer arrives whole", async (context) => {
  const daemon = new FakeDaemon();
  daemon.keeps = 10_000;
  const { client, stop } = listen(context, daemon, null);
  for (let count = 0; count < 5_000; count++) daemon.say(`${count} ${"x".repeat(500)}`);
  while (client.texts.length < 5_000) await sent();
  assert.deepEqual(
    client.texts.map((text) => Number.parseInt(text, 10)),
    Array.from({ length: 5_000 }, (_, n) => n),
  );
  stop();
});

test("a client that stops reading costs one buffer, and looks anew when it is too far behind", async (context) => {
  const daemon = new FakeDaemon();
  daemon.keeps = 100;
  const { client, stop } = listen(context, daemon, null);
  const other = listen(context, daemon, null);
  client.reads = false;
  for (let count = 0; count < 2_000; count++) {
    daemon.say("x".repeat(1_000));
    if (count % 20 === 0) await pause(0);
  }
  await sent();
  assert.ok(client.bytes + client.writableLength < 20_000, `${client.writableLength}`);
  assert.equal(other.client.texts.length, 2_000, "the other one heard everything");
  client.readAgain();
  daemon.say("last");
  await sent();
  assert.ok(client.heard.some(({ type }) => type === "reset"));
  assert.equal(client.texts.at(-1), "last");
  stop();
  other.stop();
});

test("a client that reads nothing at all hears `overflow` at most, and is disconnected", async (context) => {
  const daemon = new FakeDaemon();
  const { client, done } = listen(context, daemon, null, { unreadMs: 30, noticeMs: 20 });
  client.reads = false;
  for (let count = 0; count < 50; count++) daemon.say("x".repeat(1_000));
  await done;
  assert.equal(daemon.listeners, 0);
  client.readAgain();
  await pause(40);
  assert.equal(client.heard.at(-1)!.type, "overflow");
  assert.equal(client.destroyed, true);
});

test("a silent stream is kept alive by comments", async (context) => {
  const { client, stop } = listen(context, new FakeDaemon(), null, { heartbeatMs: 10 });
  const before = client.bytes;
  await pause(35);
  assert.ok(client.bytes >= before + 2 * ": still here\n\n".length);
  assert.equal(client.heard.filter(({ data }) => data !== null).length, 0);
  stop();
});

test("who asks for the oldest hears all that are kept, then what comes", async (context) => {
  const daemon = new FakeDaemon();
  daemon.keeps = 2;
  for (const text of ["one", "two", "three"]) daemon.say(text);
  const { client, stop } = listen(context, daemon, "oldest");
  daemon.say("four");
  await pause(20);
  assert.deepEqual(client.texts, ["two", "three", "four"]);
  stop();
});
