/**
 * A core that takes over cannot open one of its files, or of Node's: each of them once, first to last.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Box, kill } from "./box.ts";
import { interfere, noInterference } from "./interference.ts";

/** Before that Node.js opens its libraries and its program. */
const FIRST = 19;
/** Far more than a core opens until it has read its files. */
const LAST = 100;
/** What it reads last of all that matters here. */
const LAST_FILE = "/services.d/all.yaml";

test("whichever of its files a core cannot open while it takes over, no service notices, nobody's word is lost, and one is in charge in the end", {
  skip: noInterference,
}, async (t) => {
  const one = "{ command: sleep 1001, startsecs: 0s }";
  const box = await Box.open(t, { "all.yaml": `services: { web: ${one}, db: ${one}, cache: ${one} }\n` });
  assert.equal((await box.svctl("stop", "db")).code, 0);
  assert.equal((await box.svctl("disable", "cache")).code, 0);
  const { pid } = await box.until("web", "RUNNING");
  const { keeper } = await box.control.health();
  const met: string[] = [];
  for (let nth = FIRST; nth < LAST && met.at(-1) !== LAST_FILE; nth++) {
    const { core } = await box.control.health();
    const isAnother = async () => (await box.control.health()).core !== core;
    const mend = await interfere(t, box, keeper, "openat", "EIO", nth, ["-f"]);
    kill(core, "SIGKILL");
    await box.becomes("it has met the fault", () => failed(box) !== "");
    const file = failed(box);
    await mend();
    met.push(file.replace(box.root, ""));
    await box.becomes("a core is in charge", isAnother);
    assert.deepEqual(
      (await box.control.services()).map(({ name, state, run, pid, enabled }) => ({ name, state, run, pid, enabled })),
      [
        { name: "cache", state: "STOPPED", run: 1, pid: null, enabled: false },
        { name: "db", state: "STOPPED", run: 1, pid: null, enabled: true },
        { name: "web", state: "RUNNING", run: 1, pid, enabled: true },
      ],
      file,
    );
  }
  t.diagnostic(`could not be opened: ${met.join(", ")}`);
  for (const file of ["/run/core.journal", "/state/wishes.json", "/services.d", LAST_FILE])
    assert.ok(met.includes(file), file);
});

/** The file that could not be opened; empty: none yet. */
function failed(box: Box): string {
  return /openat\(\w+, "([^"]*)"[^\n]*INJECTED/.exec(box.file("strace"))?.[1] ?? "";
}
