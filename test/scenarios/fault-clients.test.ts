/**
 * Clients that are slow, rude, many or of another version cost svcd little and nobody else anything.
 */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { processFacts } from "../../src/os/process-facts.ts";
import { Box, kill } from "./box.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";
/** Writes 200 kB for each word. */
const TALKS = `command: sh -c 'while read -r word; do head -c 200000 /dev/zero | tr "\\0" "\\n"; echo $$word; done <> say'\nstartsecs: 0s\n`;
const MIB = 1024 * 1024;

test("two hundred clients that read nothing or never finish asking: svctl is answered, memory stays bounded", async (t) => {
  const box = Box.prepare(t, { "web.yaml": SLEEPS, "talks.yaml": TALKS });
  await box.fifo("say");
  await box.start();
  const web = await box.pid("web");
  await box.until("talks", "RUNNING");
  const { core } = await box.control.health();
  const rss = (): number => processFacts(core)?.rssBytes ?? 0;
  const before = rss();
  const slow: Socket[] = [];
  for (let number = 0; number < 50; number++) {
    slow.push(
      await client(t, box, "GET /v1/events HTTP/1.1\r\nhost: svcd\r\n\r\n"),
      await client(t, box, "GET /v1/services/talks/logs?follow=1 HTTP/1.1\r\nhost: svcd\r\n\r\n"),
      await client(t, box, "POST /v1/services/web/restart HTTP/1.1\r\nhost: svcd\r\ncontent-length: 999\r\n\r\n{"),
      await client(t, box, "GET /v1/serv"),
    );
  }
  assert.equal(slow.length, 200);
  for (let word = 0; word < 20; word++) {
    await box.put("say", `word-${word}\n`);
    await box.becomes("it has said so", () => box.log("talks").endsWith(`\nword-${word}\n`));
    const name = `news-${word}`;
    box.write(`${name}.yaml`, SLEEPS);
    await box.until(name, "RUNNING");
  }
  const status = await box.svctl("status", "web");
  assert.equal(status.code, 0, status.stderr);
  assert.equal((await box.svctl("restart", "news-0")).code, 0);
  kill(web, "SIGKILL");
  await box.until("web", ({ run, state }) => run === 2 && state === "RUNNING");
  const grown = rss() - before;
  assert.ok(grown < 64 * MIB, `the core grew by ${Math.round(grown / MIB)} MiB for 200 clients that take nothing`);
  assert.equal((await box.control.health()).core, core);
});

test("a command that waits for a slow service holds up no other command", async (t) => {
  const box = await Box.open(t, {
    "slow.yaml": `command: sh -c 'trap "until [ -e door ]; do sleep 0.02; done; exit 0" TERM; echo up; while :; do sleep 1000 & wait; done'\nstop_grace_period: 1m\nstartsecs: 0s\n`,
    "young.yaml": "command: sleep 1000\nstartsecs: 1h\nautostart: false\n",
    "web.yaml": SLEEPS,
  });
  await box.says("slow", "up\n");
  const stopping = box.follow(t, "stop", "slow");
  const starting = box.follow(t, "start", "young");
  await box.until("slow", "STOPPING");
  await box.until("young", "STARTING");
  for (const words of [["restart", "web"], ["stop", "web"], ["start", "web"], ["status", "web"], ["update"]]) {
    const { code, stderr } = await box.svctl(...words);
    assert.equal(code, 0, `${words.join(" ")}: ${stderr}`);
  }
  assert.deepEqual([stopping.text, starting.text], ["", ""]);
  assert.deepEqual([(await box.status("slow")).state, (await box.status("young")).state], ["STOPPING", "STARTING"]);
});

test("svctl and svcd of different versions say so, with what to do, when they do not understand each other", async (t) => {
  const box = Box.prepare(t, { "web.yaml": SLEEPS });
  const { version } = JSON.parse(readFileSync(`${box.bin}/../package.json`, "utf8"));
  box.patch("dist/svctl.body.js", `"${version}"`, '"99.0.0"');
  box.patch("dist/svctl.body.js", "encodeURIComponent(name)}/why`", "encodeURIComponent(name)}/explain`");
  await box.start();
  await box.until("web", "RUNNING");
  assert.equal((await box.svctl("status")).code, 0, "what both understand goes on");

  const asked = await box.svctl("why", "web");
  assert.equal(asked.code, 1);
  assert.match(
    asked.stderr,
    new RegExp(`svctl is 99\\.0\\.0, the running svcd ${version}, and it is not understood: `),
  );
  assert.match(asked.stderr, /fix: .*svctl upgrade/);
  const unknown = await box.svctl("stop", "wbe");
  assert.equal(unknown.code, 1);
  assert.doesNotMatch(unknown.stderr, /99\.0\.0/, "a name that is not known is only that");
  assert.match((await box.svctl("version")).stderr, /the versions differ: svctl upgrade/);
  assert.match((await box.svctl("doctor")).stdout, /warn {2}versions: svctl is 99\.0\.0/);
});

test("svcd listens on its own socket and nowhere else: no port, and nothing for a page in a browser", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  const { keeper, core } = await box.control.health();
  const own = new Set([keeper, core].flatMap(socketsOf));
  assert.ok(own.size > 0);
  for (const table of ["tcp", "tcp6", "udp", "udp6", "raw", "packet"]) {
    for (const line of readFileSync(`/proc/${core}/net/${table}`, "utf8").split("\n").slice(1)) {
      const inode = line.trim().split(/\s+/)[table === "packet" ? 8 : 9] ?? "";
      assert.ok(!own.has(inode), `${table}: ${line}`);
    }
  }
  // Only a relay that somebody put before the socket could bring a page's request, with what browsers say of themselves.
  for (const header of ["host: svcd\r\norigin: http://evil.example", "host: svcd\r\norigin: null"]) {
    const heard = await answer(t, box, `POST /v1/services/web/stop HTTP/1.1\r\n${header}\r\nconnection: close\r\n\r\n`);
    assert.match(heard, /^HTTP\/1\.1 4\d\d /);
  }
  await box.until("web", "RUNNING");
});

/** Connects, says this, and then neither says nor reads anything. */
function client(t: TestContext, box: Box, says: string): Promise<Socket> {
  return new Promise((connected, fail) => {
    const socket = connect(box.path("run/svcd.sock"));
    t.after(() => socket.destroy());
    socket.on("error", fail);
    socket.on("connect", () => {
      socket.off("error", fail).on("error", () => {});
      socket.pause();
      socket.write(says);
      connected(socket);
    });
  });
}

async function answer(t: TestContext, box: Box, says: string): Promise<string> {
  const socket = await client(t, box, says);
  let heard = "";
  socket.setEncoding("utf8").on("data", (text: string) => (heard += text));
  socket.resume();
  await new Promise((closed) => socket.on("close", closed));
  return heard;
}

function socketsOf(pid: number): string[] {
  return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      return []; // Closed meanwhile.
    }
  });
}
