import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Markers, markerFolders } from "./markers.ts";

test("where svcd is installed as root the markers stand at the root of the file system as well, and nowhere else", () => {
  assert.deepEqual(markerFolders("/var/lib/svcd", null, 0), ["/var/lib/svcd", "/"]);
  assert.deepEqual(markerFolders("/box/state", "/box", 0), ["/box/state"]);
  assert.deepEqual(markerFolders("/home/me/.local/state/svcd", null, 1000), ["/home/me/.local/state/svcd"]);
});

test("each place has one of the three, and one that takes none costs the others nothing", () => {
  const dir = mkdtempSync(join(tmpdir(), "svcd-markers-"));
  writeFileSync(join(dir, "file"), "");
  const markers = new Markers([join(dir, "file"), join(dir, "a"), join(dir, "b")]);
  const there = (): string[] => ["a", "b"].flatMap((name) => readdirSync(join(dir, name)));
  markers.begin();
  assert.deepEqual(there(), [".provisioning", ".provisioning"]);
  markers.end("failed");
  assert.deepEqual(there(), [".provisioning_failed", ".provisioning_failed"]);
  markers.begin();
  markers.end("complete");
  assert.deepEqual(there(), [".provisioning_complete", ".provisioning_complete"]);
});
