/** The terminal UI on streams, as a server of sessions has them: no terminal of its own, many at once, some of them slow or gone. */
import assert from "node:assert/strict";
import { PassThrough, Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { control } from "../../src/control/client.ts";
import { openTui, type Tui, type TuiOptions } from "../../src/tui/open.ts";
import { Box } from "./box.ts";

const SLEEPS = "command: sleep 1000\nstartsecs: 0s\n";

interface Session {
  readonly tui: Tui;
  readonly input: PassThrough;
  text: string;
}

function session(t: TestContext, box: Box, options: Partial<TuiOptions> = {}): Session {
  const input = new PassThrough();
  const heard = { text: "" };
  const output = new Writable({
    write: (chunk, _encoding, done) => {
      heard.text += chunk;
      done();
    },
  });
  const client = control(box.path("run/svcd.sock"), { patienceMs: 500 });
  const tui = openTui({
    input,
    output,
    columns: 80,
    rows: 24,
    term: "xterm",
    env: { LANG: "C.UTF-8" },
    client,
    ...options,
  });
  assert.ok(typeof tui !== "string");
  t.after(() => tui.close());
  return Object.assign(heard, { tui, input });
}

test("twenty sessions of their own sizes and terminals run in one process; one that leaves disturbs no other", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS, "db.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  const sessions = Array.from({ length: 20 }, (_, index) =>
    session(t, box, { columns: 80 + index * 5, rows: 24 + index, term: index % 2 === 0 ? "xterm-256color" : "linux" }),
  );
  await box.becomes("all show it", () => sessions.every(({ text }) => /web/.test(text) && /RUNNING/.test(text)));
  const [first, second, ...others] = sessions;
  first!.input.write("q");
  assert.equal(await first!.tui.ended, null);
  assert.match(first!.text, /\x1b\[\?1049l/);
  second!.input.end(); // The line is cut.
  assert.equal(await second!.tui.ended, null);
  for (const one of others) one.text = "";
  others[0]!.tui.resize(100, 30);
  await box.svctl("stop", "web");
  await box.becomes("all others show it", () => others.every(({ text }) => /STOPPED/.test(text)));
});

test("a session that may only look can do nothing, and one without an editor says so", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  await box.until("web", "RUNNING");
  const looker = session(t, box, { isReadOnly: true });
  await box.becomes("it shows it", () => /RUNNING/.test(looker.text));
  looker.input.write("r");
  await box.becomes("it says so", () => /you.*may.*only.*look/s.test(looker.text));
  assert.equal((await box.status("web")).run, 1);
  const doer = session(t, box);
  await box.becomes("it shows it", () => /RUNNING/.test(doer.text));
  doer.input.write("e");
  await box.becomes("it says so", () => /no.*editor.*can/s.test(doer.text));
  doer.input.write("r");
  await box.until("web", ({ run, state }) => run === 2 && state === "RUNNING");
});

test("where nothing can be drawn a session is told why, and nothing is left open", async (t) => {
  const box = await Box.open(t, { "web.yaml": SLEEPS });
  const client = control(box.path("run/svcd.sock"));
  const streams = { input: new PassThrough(), output: new PassThrough() };
  const why = openTui({ ...streams, columns: 80, rows: 24, term: "dumb", env: {}, client });
  assert.equal(why, "nothing can be drawn on a terminal of the kind “dumb”");
  assert.equal(streams.input.listenerCount("data"), 0);
});
