import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { test } from "node:test";
import { places } from "../places.ts";
import { Admission } from "./admission.ts";
import { Connection } from "./connection.ts";
import { KeyRing } from "./key-ring.ts";
import { StrangerLog } from "./log-line.ts";
import { readSettings } from "./settings.ts";

function connection(): { socket: FakeSocket; lines: string[] } {
  const lines: string[] = [];
  const say = (line: string) => void lines.push(line);
  const { settings } = readSettings({}, places({ root: "/nowhere", env: {}, uid: 0, exists: () => false }));
  const socket = new FakeSocket();
  const made = new Connection(
    {
      settings,
      ring: new KeyRing("/nowhere/keys", 0, say),
      admission: new Admission(settings.limits),
      say,
      strangers: new StrangerLog(say),
      svctl: "/nowhere/svctl",
      socketPath: "/nowhere/sock",
      env: {},
      takePlace: () => null,
      now: () => 0,
    },
    socket as unknown as Socket,
    "10.0.0.1",
    () => {},
    () => {},
  );
  made.guard();
  return { socket, lines };
}

class FakeSocket extends EventEmitter {
  bytesRead = 0;
  writableLength = 0;
  isPaused = false;
  pause(): void {
    this.isPaused = true;
  }
  resume(): void {
    this.isPaused = false;
  }
  destroy(): void {
    this.emit("close");
  }
}

test("who asks and does not read the answers is not listened to until they were read", () => {
  const { socket } = connection();
  socket.emit("data");
  assert.equal(socket.isPaused, false);
  socket.writableLength = 5 * 1024 * 1024;
  socket.emit("data");
  assert.equal(socket.isPaused, true);
  socket.emit("drain");
  assert.equal(socket.isPaused, false);
  socket.destroy();
});

test("a stranger may say what signing in takes, and no more", () => {
  const { socket, lines } = connection();
  socket.bytesRead = 600 * 1024;
  socket.emit("data");
  assert.deepEqual(lines, ["10.0.0.1: left without signing in: sent too much"]);
});
