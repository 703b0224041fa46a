import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { CoreProcess } from "./core-process.ts";
import type { Order, Report } from "./messages.ts";

const ANSWERS = `
  const channel = new (require("node:net").Socket)({ fd: 3 });
  channel.write('{"do":"ready"}\\n');
  channel.on("data", (bytes) => {
    for (const _ of String(bytes).matchAll(/"ping"/g)) channel.write('{"do":"pong"}\\n');
  });
`;
const WITHIN_MS = 200;

/** A keeper's view of a core that is this program. */
class Kept {
  readonly core: CoreProcess;
  readonly file: string;
  readonly said: string[] = [];
  pings = 0;
  pongs = 0;
  #wake: () => void = () => {};

  constructor(t: TestContext, program: string) {
    const directory = mkdtempSync(join(tmpdir(), "svcd-core-process-"));
    this.file = join(directory, "core.cjs");
    writeFileSync(this.file, program);
    const kept = this;
    class Watched extends CoreProcess {
      override tell(report: Report): void {
        super.tell(report);
        if (report.is === "ping") kept.pings++;
        kept.#wake();
      }
    }
    this.core = new Watched({
      execArgv: [],
      file: this.file,
      args: [],
      onStart: () => {},
      onOrders: (orders) => this.#obey(orders),
      onEnd: () => this.#wake(),
      say: (line) => this.said.push(line),
      answersWithinMs: WITHIN_MS,
    });
    t.after(() => {
      this.core.leave(() => {});
      this.core.kill();
      rmSync(directory, { recursive: true });
    });
    this.core.start();
  }

  async until(isSo: () => boolean): Promise<void> {
    while (!isSo()) await new Promise<void>((wake) => (this.#wake = wake));
  }

  #obey(orders: Order[]): void {
    for (const order of orders) {
      if (order.do === "ready") this.core.ready();
      if (order.do === "pong") {
        this.pongs++;
        this.core.answered();
      }
    }
    this.#wake();
  }
}

test("a core that answers is asked again and again, and left alone", async (t) => {
  const kept = new Kept(t, ANSWERS);
  await kept.until(() => kept.pongs >= 5);
  assert.deepEqual([kept.core.starts, kept.said], [1, []]);
});

test("a core that answered once and answers no more is replaced, and so is one that never comes up", async (t) => {
  const once = new Kept(t, `${ANSWERS} channel.on("data", () => { for (;;); });`);
  await once.until(() => once.core.starts >= 2);
  assert.match(once.said[0] ?? "", /the core has not answered for \d+ s \(its process is in state R\); replacing it/);
  const never = new Kept(t, "setInterval(() => {}, 1000);");
  await never.until(() => never.core.starts >= 2);
});

test("an older core, which is in charge and does not know the question, is left alone", async (t) => {
  const kept = new Kept(t, `${ANSWERS} channel.removeAllListeners("data").resume();`);
  await kept.until(() => kept.pings >= 5);
  assert.equal(kept.core.starts, 1);
});

test("a silence in which the keeper did not run either proves nothing", async (t) => {
  const sleeps = `${ANSWERS} let pings = 0;
    channel.prependListener("data", () => { if (++pings === 2) process.kill(process.pid, "SIGSTOP"); });`;
  const kept = new Kept(t, `require("node:fs").writeFileSync(__filename + ".pid", String(process.pid)); ${sleeps}`);
  await kept.until(() => kept.pings === 2);
  // The machine sleeps with a ping under way: nobody answers, and the keeper's own alarm comes late.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WITHIN_MS + 2_200);
  await kept.until(() => kept.pings === 3 || kept.said.length > 0);
  process.kill(Number(readFileSync(`${kept.file}.pid`, "utf8")), "SIGCONT");
  await kept.until(() => kept.pongs >= 3);
  assert.deepEqual([kept.core.starts, kept.said], [1, []]);
});
