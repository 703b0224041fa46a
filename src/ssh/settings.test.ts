import assert from "node:assert/strict";
import { test } from "node:test";
import { places } from "../places.ts";
import { readSettings } from "./settings.ts";

const where = places({ root: "/box", env: {}, uid: 0, exists: () => false });

test("without a word everything has a safe value", () => {
  const { settings, mistakes } = readSettings({}, where);
  assert.deepEqual(mistakes, []);
  assert.equal(settings.authorizedKeys, "/box/authorized_keys");
  assert.equal(settings.hostKey, "/box/state/ssh_host_ed25519_key");
  assert.equal(settings.token, null);
  assert.deepEqual(settings.permitOpen, []);
  assert.equal(settings.idleMs, null);
});

test("a value that cannot be read, and a token that could be guessed, are told by name", () => {
  const { mistakes } = readSettings(
    {
      SSH_SERVER_PORT: "ssh",
      SSH_SERVER_TOKEN: "hunter2",
      SSH_SERVER_PERMIT_OPEN: "localhost",
      SSH_SERVER_IDLE_TIMEOUT: "soon",
      SSH_SERVER_MAX_SESSIONS: "0",
    },
    where,
  );
  assert.deepEqual(mistakes.map(({ where }) => where.replace("SSH_SERVER_", "")).sort(), [
    "IDLE_TIMEOUT",
    "MAX_SESSIONS",
    "PERMIT_OPEN",
    "PORT",
    "TOKEN",
  ]);
  assert.ok(mistakes.every(({ what }) => !what.includes("hunter2")));
});

test("limits and times are taken as written", () => {
  const { settings } = readSettings(
    {
      SSH_SERVER_IDLE_TIMEOUT: "15m",
      SSH_SERVER_SIGN_IN_WITHIN: "2s",
      SSH_SERVER_MAX_STRANGERS: "5",
      SSH_SERVER_PORT: "22",
    },
    where,
  );
  assert.equal(settings.idleMs, 15 * 60_000);
  assert.equal(settings.signInWithinMs, 2_000);
  assert.deepEqual(settings.limits, { connections: 200, strangers: 5, strangersPerAddress: 5 });
  assert.equal(readSettings({ SSH_SERVER_IDLE_TIMEOUT: "off" }, where).settings.idleMs, null);
});
