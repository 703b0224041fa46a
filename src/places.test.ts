import assert from "node:assert/strict";
import { test } from "node:test";
import { places } from "./places.ts";

const nothing = (): boolean => false;

test("with a root everything is below it", () => {
  const where = places({ root: "/box", env: {}, uid: 0, exists: nothing });
  assert.deepEqual(where, {
    services: "/box/services.d",
    cron: "/box/cron.d",
    settings: "/box/svcd.yaml",
    run: "/box/run",
    socket: "/box/run/svcd.sock",
    state: "/box/state",
    log: "/box/log",
  });
});

test("a root with .svcd/ (a clone that was started) keeps run, state and log in there", () => {
  const where = places({ root: "/clone", env: {}, uid: 1000, exists: (path) => path === "/clone/.svcd" });
  assert.equal(where.services, "/clone/services.d");
  assert.equal(where.socket, "/clone/.svcd/run/svcd.sock");
  assert.equal(where.log, "/clone/.svcd/log");
});

test("installed as root: /etc, /run, /var/lib, /var/log", () => {
  const where = places({ root: null, env: { HOME: "/root" }, uid: 0, exists: nothing });
  assert.equal(where.services, "/etc/svcd/services.d");
  assert.equal(where.socket, "/run/svcd/svcd.sock");
  assert.equal(where.state, "/var/lib/svcd");
  assert.equal(where.log, "/var/log/svcd");
});

test("installed as a user: the XDG directories, or what they default to", () => {
  const env = { HOME: "/home/ann", XDG_RUNTIME_DIR: "/run/user/1000" };
  const where = places({ root: null, env, uid: 1000, exists: nothing });
  assert.equal(where.services, "/home/ann/.config/svcd/services.d");
  assert.equal(where.socket, "/run/user/1000/svcd/svcd.sock");
  assert.equal(where.log, "/home/ann/.local/state/svcd/log");
  const bare = places({ root: null, env: { HOME: "/home/ann" }, uid: 1000, exists: nothing });
  assert.equal(bare.run, "/tmp/svcd-1000/svcd");
});

test("the root of the file system can be a root too", () => {
  assert.equal(places({ root: "/", env: {}, uid: 0, exists: nothing }).services, "/services.d");
});
