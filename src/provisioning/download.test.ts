import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { withFileLimitAsync } from "../../test/file-limit.ts";
import { redactor } from "../plan/secrets.ts";
import type { Around } from "./around.ts";
import { type Download, download, fileNameIn } from "./download.ts";
import { FakeServer } from "./fake-server.ts";
import { Interrupted } from "./result.ts";

const digest = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
const KEEPS_PARTS = 3_000_000;

function set(): { dir: string; around: Around; said: string[]; stop: AbortController; seen: number[] } {
  const dir = mkdtempSync(join(tmpdir(), "svcd-download-"));
  const said: string[] = [];
  const seen: number[] = [];
  const stop = new AbortController();
  const around: Around = {
    say: (line) => said.push(line),
    progress: ({ bytes }) => seen.push(bytes),
    redact: redactor({}),
    stop: stop.signal,
    stateDir: dir,
    wasCutOff: false,
    isAskedFor: false,
  };
  return { dir, around, said, stop, seen };
}

const what = (url: string, to: string, changes: Partial<Download> = {}): Download => ({
  url,
  to,
  sha256: null,
  headers: {},
  html: false,
  executable: false,
  tries: 3,
  retryDelayMs: 1,
  ...changes,
});

test("4096 bytes over loopback arrive byte by byte, and nothing lies beside them", async () => {
  await using server = await FakeServer.open();
  const { dir, around } = set();
  const body = randomBytes(4096);
  const result = await download(what(server.on("/a.bin", { body }), join(dir, "deep/er/a.bin")), around);
  assert.ok(result.ok);
  assert.deepEqual(readFileSync(join(dir, "deep/er/a.bin")), body);
  assert.deepEqual(readdirSync(join(dir, "deep/er")), ["a.bin"]);
  assert.equal(statSync(join(dir, "deep/er/a.bin")).mode & 0o777, 0o666 & ~process.umask());
});

test("a connection that breaks again and again is taken up where it broke", async () => {
  await using server = await FakeServer.open();
  const { dir, around, said } = set();
  const body = randomBytes(5_000_000);
  const url = server.on("/m.bin", { body, etag: '"v1"', cutAfter: 1_500_000 });
  const result = await download(what(url, join(dir, "m.bin"), { sha256: digest(body), tries: 2 }), around);
  assert.ok(result.ok, JSON.stringify(result));
  assert.deepEqual(readFileSync(join(dir, "m.bin")), body);
  const ranges = server.gets("/m.bin").map(({ range }) => range);
  assert.equal(ranges[0], null);
  assert.ok(ranges.length >= 4 && ranges.slice(1).every((range) => range !== null), ranges.join());
  assert.match(said.join("\n"), /try 2 of 2/);
});

test("a server without ranges sends all of it again, and the file is whole", async () => {
  await using server = await FakeServer.open();
  const { dir, around } = set();
  const body = randomBytes(300_000);
  const url = server.on("/m.bin", { body, cutAfter: 100_000 }, { body, ignoresRanges: true });
  assert.ok((await download(what(url, join(dir, "m.bin"), { sha256: digest(body) }), around)).ok);
  assert.deepEqual(readFileSync(join(dir, "m.bin")), body);
});

test("a file that changed between two halves is fetched anew, never stitched together", async () => {
  await using server = await FakeServer.open();
  const { dir, around } = set();
  const [old, body] = [randomBytes(300_000), randomBytes(300_000)];
  const url = server.on("/m.bin", { body: old, etag: '"old"', cutAfter: 100_000 }, { body, etag: '"new"' });
  assert.ok((await download(what(url, join(dir, "m.bin")), around)).ok);
  assert.deepEqual(readFileSync(join(dir, "m.bin")), body);
});

test("what an interrupted run has brought is kept, and the next one fetches only the rest", async () => {
  await using server = await FakeServer.open();
  const { dir, around, stop, seen } = set();
  const body = randomBytes(KEEPS_PARTS);
  const to = join(dir, "m.bin");
  const url = server.on("/m.bin", { body, etag: '"1"', stallsAfter: 1_000_000 }, { body, etag: '"1"' });
  const cut = download(what(url, to), {
    ...around,
    progress: ({ bytes }) => {
      if (bytes >= 1_000_000) stop.abort();
    },
  });
  await assert.rejects(cut, Interrupted);
  assert.equal(existsSync(to), false);
  const again = set();
  assert.ok((await download(what(url, to, { sha256: digest(body) }), again.around)).ok);
  assert.equal(server.gets("/m.bin")[1]?.range, "bytes=1000000-");
  assert.deepEqual(readFileSync(to), body);
  assert.deepEqual(seen, []);
});

test("after a reboot only what had been flushed counts", async () => {
  await using server = await FakeServer.open();
  const { dir, around } = set();
  const body = randomBytes(100_000);
  const to = join(dir, "m.bin");
  const url = server.on("/m.bin", { body, etag: '"1"', cutAfter: 50_000 }, { body, etag: '"1"' });
  assert.equal((await download(what(url, to, { tries: 1 }), around)).ok, false);
  const part = readdirSync(dir).find((name) => name.endsWith(".part"))!;
  const meta = JSON.parse(readFileSync(join(dir, `${part}.json`), "utf8"));
  writeFileSync(join(dir, `${part}.json`), JSON.stringify({ ...meta, boot: "another" }));
  writeFileSync(join(dir, part), Buffer.alloc(50_000)); // Zeros, as a file system leaves them that had no time.
  assert.ok((await download(what(url, to), around)).ok);
  assert.equal(server.gets("/m.bin")[1]?.range, null);
  assert.deepEqual(readFileSync(to), body);
});

test("a torn word about a part makes the part worth nothing", async () => {
  await using server = await FakeServer.open();
  const { dir, around } = set();
  const body = randomBytes(100_000);
  const to = join(dir, "m.bin");
  const url = server.on("/m.bin", { body, etag: '"1"', cutAfter: 50_000 }, { body, etag: '"1"' });
  await download(what(url, to, { tries: 1 }), around);
  const part = readdirSync(dir).find((name) => name.endsWith(".part"))!;
  writeFileSync(join(dir, `${part}.json`), '{"etag":');
  assert.ok((await download(what(url, to), around)).ok);
  assert.deepEqual(readFileSync(to), body);
});

test("a page of HTML is refused by its type and by its look, with where the file is", async () => {
  await using server = await FakeServer.open();
  const { dir, around } = set();
  const page = "<!DOCTYPE html><html><body>Log in</body></html>";
  for (const [path, type] of [
    ["/by-type", "text/html; charset=utf-8"],
    ["/by-look", "application/octet-stream"],
  ] as const) {
    const result = await download(what(server.on(path, { body: page, type }), join(dir, "m.bin")), around);
    assert.ok(!result.ok && result.permanent);
    assert.match(result.cause, /a page of HTML/);
    assert.equal(server.gets(path).length, 1);
  }
  assert.deepEqual(readdirSync(dir), []);
  const wanted = await download(
    what(server.on("/page", { body: page, type: "text/html" }), join(dir, "p.html"), { html: true }),
    around,
  );
  assert.ok(wanted.ok);
});

test("404 and 403 are not asked twice; 503 is, and as late as the server says", async () => {
  await using server = await FakeServer.open();
  const { dir, around } = set();
  const missing = await download(what(`${server.origin}/none`, join(dir, "x")), around);
  assert.ok(!missing.ok && missing.permanent);
  assert.match(missing.cause, /^HTTP 404 Not Found: http:\/\/127/);
  assert.equal(server.gets("/none").length, 1);
  const closed = await download(what(server.on("/secret", { status: 403 }), join(dir, "x")), around);
  assert.match(closed.ok ? "" : String(closed.fix), /Authorization/);
  const url = server.on("/busy", { status: 503, headers: { "retry-after": "0" } }, { body: "here" });
  assert.ok((await download(what(url, join(dir, "busy"), { retryDelayMs: 60_000 }), around)).ok);
});

test("a server that gives a range only piece by piece is asked for the next one", async () => {
  await using server = await FakeServer.open();
  const { dir, around } = set();
  const body = randomBytes(4_500_000);
  const how = { body, etag: '"1"', rangeAtMost: 1_200_000 };
  const url = server.on("/m", { ...how, cutAfter: 500_000 }, how);
  assert.ok((await download(what(url, join(dir, "m"), { tries: 2, sha256: digest(body) }), around)).ok);
  assert.equal(server.gets("/m").length, 5);
});

test("less than announced is never taken for whole", async () => {
  await using server = await FakeServer.open();
  const { dir, around } = set();
  const result = await download(
    what(server.on("/m", { body: "short", lies: 100 }), join(dir, "m"), { tries: 2 }),
    around,
  );
  assert.ok(!result.ok);
  assert.match(result.cause, /after 2 tries/);
  assert.equal(existsSync(join(dir, "m")), false);
});

test("a connection on which nothing comes is given up, and the next one goes on", async () => {
  await using server = await FakeServer.open();
  const { dir, around, said } = set();
  const body = randomBytes(200_000);
  const url = server.on("/m", { body, etag: '"1"', stallsAfter: 50_000 }, { body, etag: '"1"' });
  assert.ok((await download(what(url, join(dir, "m"), { stallMs: 200 }), around)).ok);
  assert.match(said.join(), /nothing came for 200ms/);
  assert.equal(server.gets("/m")[1]?.range, "bytes=50000-");
  assert.deepEqual(readFileSync(join(dir, "m")), body);
});

test("another SHA-256 than the one that is written leaves nothing behind and says both", async () => {
  await using server = await FakeServer.open();
  const { dir, around } = set();
  const body = Buffer.from("not the model");
  const result = await download(what(server.on("/m", { body }), join(dir, "m"), { sha256: "0".repeat(64) }), around);
  assert.ok(!result.ok && result.permanent);
  assert.match(result.cause, new RegExp(`${digest(body)}.*shall have 0000`));
  assert.deepEqual(readdirSync(dir), []);
});

test("what is there with the right SHA-256 is not fetched; what is there with another one is replaced", async () => {
  await using server = await FakeServer.open();
  const { dir, around } = set();
  const body = randomBytes(1000);
  const url = server.on("/m", { body });
  writeFileSync(join(dir, "m"), body);
  assert.ok((await download(what(url, join(dir, "m"), { sha256: digest(body) }), around)).ok);
  assert.equal(server.gets("/m").length, 0);
  writeFileSync(join(dir, "m"), "half of it");
  assert.ok((await download(what(url, join(dir, "m"), { sha256: digest(body) }), around)).ok);
  assert.deepEqual(readFileSync(join(dir, "m")), body);
});

test("without a SHA-256 a file of the same length is taken for it, unless somebody asked for it anew", async () => {
  await using server = await FakeServer.open();
  const { dir, around } = set();
  const url = server.on("/m", { body: "new" });
  writeFileSync(join(dir, "m"), "old");
  assert.match(
    String(((await download(what(url, join(dir, "m")), around)) as { note: string }).note),
    /was there already/,
  );
  assert.equal(readFileSync(join(dir, "m"), "utf8"), "old");
  assert.ok((await download(what(url, join(dir, "m")), { ...around, isAskedFor: true })).ok);
  assert.equal(readFileSync(join(dir, "m"), "utf8"), "new");
});

test("a disk that is too small is told with both numbers before a byte is written", async () => {
  await using server = await FakeServer.open();
  const { dir, around } = set();
  const url = server.on("/huge", { headers: { "content-length": String(9e14) }, stallsAfter: 0, body: "x" });
  const result = await download(what(url, join(dir, "m")), around);
  assert.ok(!result.ok && result.permanent);
  assert.match(result.cause, /^the disk is too small: 900 TB are needed in .*, and .* [GT]B are free there$/);
  assert.equal(existsSync(join(dir, "m")), false);
});

test("a disk that takes no more keeps what is here and says so; with room the next run goes on", async () => {
  await using server = await FakeServer.open();
  const { dir, around } = set();
  const body = randomBytes(3_000_000);
  const url = server.on("/m", { body, etag: '"1"', chunked: true });
  const full = await withFileLimitAsync(1_000_000, () => download(what(url, join(dir, "m")), around));
  assert.ok(!full.ok && full.permanent, JSON.stringify(full));
  assert.match(full.cause, /larger than a file may be here/);
  assert.equal(existsSync(join(dir, "m")), false);
  assert.ok((await download(what(url, join(dir, "m"), { sha256: digest(body) }), around)).ok);
  assert.equal(server.gets("/m").at(-1)?.range, "bytes=1000000-");
  assert.deepEqual(readFileSync(join(dir, "m")), body);
});

test("a folder as the place takes the server's name for the file, and never one that leads out of it", async () => {
  await using server = await FakeServer.open();
  const { dir, around } = set();
  mkdirSync(join(dir, "models"));
  const named = { "content-disposition": 'attachment; filename="../../evil.bin"' };
  await download(
    what(server.on("/api/download/models/12", { body: "x", headers: named }), join(dir, "models/")),
    around,
  );
  await download(what(server.on("/files/b%20c.bin?sig=1", { body: "x" }), `${join(dir, "models")}/`), around);
  await download(what(server.on("/e.bin", { body: "x" }), join(dir, "models")), around); // A folder, as it turns out.
  assert.deepEqual(readdirSync(join(dir, "models")).sort(), ["b c.bin", "e.bin", "evil.bin"]);
  assert.equal(fileNameIn("attachment; filename*=UTF-8''a%2Fb.bin"), "b.bin");
  assert.equal(fileNameIn('attachment; filename=".."'), null);
});

test("a name and password in the URL are sent as the server wants them", async () => {
  await using server = await FakeServer.open();
  const { dir, around } = set();
  const url = server.on("/m", { body: "x" }).replace("://", "://me:p%40ss@");
  assert.ok((await download(what(url, join(dir, "m")), around)).ok);
  assert.equal(server.asked[0]?.authorization, `Basic ${Buffer.from("me:p@ss").toString("base64")}`);
});

test("headers go to the server that was named, and not to the one it sends us to", async () => {
  await using first = await FakeServer.open();
  await using second = await FakeServer.open();
  const { dir, around } = set();
  const elsewhere = second.on("/real", { body: "x" }).replace("127.0.0.1", "localhost");
  const url = first.on("/m", { status: 302, headers: { location: elsewhere } });
  await download(what(url, join(dir, "m"), { headers: { Authorization: "Bearer s3cret-token" } }), around);
  assert.equal(first.asked[0]?.authorization, "Bearer s3cret-token");
  assert.equal(second.asked[0]?.authorization ?? null, null);
});
