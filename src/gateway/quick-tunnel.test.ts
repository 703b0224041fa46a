import assert from "node:assert/strict";
import { test } from "node:test";
import { deadline, type Happening, newTunnel, step, type Tunnel } from "./quick-tunnel.ts";

/** A tunnel, and what was done for it. */
function live() {
  let tunnel: Tunnel = newTunnel(0);
  let now = 0;
  const did: string[] = [];
  return {
    did,
    tunnel: (): Tunnel => tunnel,
    is(happening: Happening) {
      const [next, deeds] = step(tunnel, happening, now);
      tunnel = next;
      did.push(...deeds);
    },
    passes(ms: number) {
      for (const end = now + ms; ; ) {
        const at = deadline(tunnel);
        if (at === null || at > end) {
          now = end;
          return;
        }
        now = Math.max(now, at);
        this.is({ type: "tick" });
      }
    },
    pauseMs: () => (tunnel.at === "resting" ? tunnel.until - now : -1),
  };
}

const BOX = `2026-11-24T10:00:00Z INF +-------------------------------------------------------------+
2026-11-24T10:00:00Z INF |  Your quick Tunnel has been created! Visit it at (it may take some time to be reachable):  |
2026-11-24T10:00:00Z INF |  https://seed-rank-words-box.trycloudflare.com                                               |`;

test("the address is found in what cloudflared prints, and published once", () => {
  const one = live();
  one.is({ type: "line", text: "INF Requesting new quick Tunnel on https://api.trycloudflare.com..." });
  assert.equal(one.tunnel().at, "starting");
  for (const text of BOX.split("\n")) one.is({ type: "line", text });
  const up = one.tunnel();
  assert.ok(up.at === "up" && up.url === "https://seed-rank-words-box.trycloudflare.com");
  assert.deepEqual(one.did, ["publish"]);
});

test("one that ends comes back, each time a little later; one that gets no address is ended", () => {
  const one = live();
  const pauses: number[] = [];
  for (let i = 0; i < 4; i++) {
    one.is({ type: "ended", how: "exit 1" });
    pauses.push(one.pauseMs());
    one.passes(one.pauseMs());
  }
  assert.deepEqual(pauses, [2_000, 4_000, 8_000, 16_000]);
  one.did.length = 0;
  one.passes(45_000);
  assert.deepEqual(one.did, ["end", "publish"]);
});

test("when Cloudflare says that there are too many, a minute is the least pause", () => {
  const one = live();
  const pauses: number[] = [];
  for (let i = 0; i < 8; i++) {
    one.is({
      type: "line",
      text: 'ERR Error unmarshaling QuickTunnel response: error code: 1015 status_code="429 Too Many Requests"',
    });
    one.is({ type: "ended", how: "exit 1" });
    pauses.push(one.pauseMs() / 60_000);
    one.passes(one.pauseMs());
  }
  assert.deepEqual(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
});

test("one through which nothing arrives any more is made anew; one that was never reached is left to its time", () => {
  const one = live();
  one.is({ type: "line", text: BOX });
  for (let i = 0; i < 20; i++) one.is({ type: "probed", reached: false });
  assert.equal(one.tunnel().at, "up");
  one.is({ type: "probed", reached: true });
  for (let i = 0; i < 4; i++) one.is({ type: "probed", reached: false });
  assert.equal(one.tunnel().at, "up");
  one.is({ type: "probed", reached: false });
  assert.equal(one.tunnel().at, "resting");
  assert.ok(one.did.includes("end"));
});
