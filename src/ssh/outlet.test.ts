import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { Writable } from "node:stream";
import { test } from "node:test";
import type { ServerChannel } from "ssh2";
import { errorOutlet, outlet, withCarriageReturns } from "./outlet.ts";

test("lines end for a raw terminal, once, wherever the pieces are cut", () => {
  const raw = (text: string, before = 0) => withCarriageReturns(Buffer.from(text), before).toString();
  assert.equal(raw("a\nb\r\nc"), "a\r\nb\r\nc");
  assert.equal(raw("\n", 0x0d), "\n");
  assert.equal(raw("\n\n", 0x61), "\r\n\r\n");
  assert.equal(raw("no line"), "no line");
});

/** A channel whose window never closes, on a socket that nobody reads. */
function stalled(): { channel: ServerChannel; socket: Socket & { writableLength: number } } {
  const socket = Object.assign(new EventEmitter(), { writableLength: 0, destroyed: false });
  const channel = new Writable({
    write(piece: Buffer, _encoding, done) {
      socket.writableLength += piece.length;
      done();
    },
  });
  return {
    channel: channel as unknown as ServerChannel,
    socket: socket as unknown as Socket & { writableLength: number },
  };
}

test("a client that grants everything and reads nothing costs a bounded piece of memory", async () => {
  const { channel, socket } = stalled();
  let touched = 0;
  const out = outlet(channel, { socket, touch: () => touched++ });
  const piece = Buffer.alloc(16 * 1024);
  let written = 0;
  while (out.write(piece) && written < 1_000) {
    written++;
    await new Promise((next) => setImmediate(next));
  }
  assert.ok(written < 1_000, "it says that it is full");
  assert.ok(socket.writableLength < 300 * 1024, `${socket.writableLength} bytes are in the socket`);
  assert.ok(touched > 0);

  const drained = new Promise((done) => out.once("drain", done));
  socket.writableLength = 0;
  socket.emit("drain");
  await drained;
});

test("nobody waits for a channel that has gone", async () => {
  const { channel, socket } = stalled();
  const out = outlet(channel, { socket, touch: () => {} });
  socket.writableLength = 1024 * 1024;
  out.write("x");
  const closed = new Promise((done) => out.once("close", done));
  channel.emit("close");
  await closed;
});

test("errors wait for the client's window beside everything else, and arrive whole", async () => {
  const { channel, socket } = stalled();
  const written: string[] = [];
  const outgoing = { window: 4 };
  const errors = {
    write(piece: Buffer) {
      written.push(piece.toString());
      outgoing.window -= piece.length;
    },
  };
  const out = errorOutlet(Object.assign(channel, { outgoing, stderr: errors }) as unknown as ServerChannel, {
    socket,
    touch: () => {},
  });
  const done = new Promise((all) => out.write("it went wrong", all));
  await new Promise((next) => setImmediate(next));
  assert.deepEqual(written, ["it w"]);
  outgoing.window = 100;
  await done;
  assert.equal(written.join(""), "it went wrong");
});
