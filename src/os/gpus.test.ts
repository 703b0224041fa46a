import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as later } from "node:timers/promises";
import { LinuxGpus } from "./gpus.ts";
import type { SmiAnswer } from "./nvidia-smi.ts";

const UUIDS = ["GPU-00000000-1", "GPU-11111111-1"] as const;
const ROWS = UUIDS.map((uuid, index) => `${index}, ${uuid}, 100, 5, 0, 30, 70.00, 700.00, Disabled, H100`);

const said = (text: string, exit = 0): SmiAnswer => ({ kind: "said", text, exit });

/** An nvidia-smi that says what the test wants, and a LinuxGpus that asks it without pauses. */
function machine(env: Record<string, string> = {}) {
  const smi = {
    isInstalled: true,
    asked: [] as string[],
    devices: (): SmiAnswer | Promise<SmiAnswer> => said(`${ROWS.join("\n")}\n`),
    apps: (): SmiAnswer | Promise<SmiAnswer> => said(""),
    ask: async (args: readonly string[]): Promise<SmiAnswer> => {
      smi.asked.push(args[0]!);
      return args[0]!.startsWith("--query-gpu") ? smi.devices() : smi.apps();
    },
    close: () => {},
  };
  let seen = 0;
  const clock = { now: 1000 };
  const gpus = new LinuxGpus({
    env,
    runDir: "/run/svcd",
    mains: () => [],
    onSeen: () => seen++,
    now: () => clock.now,
    smi,
    pace: { firstMs: 0, longestMs: 0, longestTroubleMs: 0, noneMs: 0 },
  });
  const look = async () => {
    clock.now += 20_000;
    return gpus.refresh(60_000);
  };
  return { smi, gpus, clock, look, seen: () => seen };
}

test("nobody asks before somebody waits or looks; what was asked while a look is under way joins it", async () => {
  const { smi, gpus, seen } = machine();
  assert.deepEqual(gpus.view(), { kind: "unknown" });
  assert.equal(smi.asked.length, 0);
  gpus.look();
  gpus.look();
  await Promise.all([gpus.refresh(60_000), gpus.refresh(60_000)]);
  await later(20);
  assert.equal(smi.asked.length, 2, smi.asked.join("\n"));
  assert.equal(seen(), 1);
  assert.equal(gpus.view().kind, "seen");
});

test("without nvidia-smi that is known at once, and noticed when it comes", async () => {
  const { smi, gpus, look } = machine();
  smi.isInstalled = false;
  assert.deepEqual(gpus.view(), { kind: "none", why: "nvidia-smi is not installed" });
  assert.equal((await look()).kind, "none");
  assert.equal(smi.asked.length, 0);
  smi.isInstalled = true;
  assert.equal((await look()).kind, "seen");
});

test("an old driver that does not know all fields is asked for those that matter, from then on", async () => {
  const { smi, look } = machine();
  smi.devices = () =>
    smi.asked.at(-1)!.includes("power")
      ? said('Field "power.draw" is not a valid field to query.\n', 2)
      : said(`0, ${UUIDS[0]}, 100, 5, K80\n`);
  const view = await look();
  assert.equal(view.kind === "seen" && view.look.devices[0]?.name, "K80");
  await look();
  assert.deepEqual(
    smi.asked.map((question) => question.includes("power")),
    [true, false, false, false, false],
  );
});

test("what fails keeps what was seen before, and says for how long nvidia-smi has been silent", async () => {
  const { smi, clock, look } = machine();
  await look();
  const silent = (): Promise<SmiAnswer> => {
    clock.now += 10_000;
    return Promise.resolve({ kind: "silent" });
  };
  smi.devices = silent;
  const whys: string[] = [];
  for (let round = 0; round < 4; round++) {
    const view = await look();
    assert.equal(view.kind === "trouble" && view.last?.devices.length, 2);
    whys.push(view.kind === "trouble" ? view.why : "");
  }
  assert.deepEqual(
    whys.map((why) => /for (\w+) now$/.exec(why)?.[1]),
    ["10s", "30s", "1m", "1m"],
  );
  smi.devices = () => said("Failed to initialize NVML: Driver/library version mismatch\n", 18);
  const failing = await look();
  assert.match(failing.kind === "trouble" ? failing.why : "", /^nvidia-smi fails \(exit 18\): Failed to initialize/);
  smi.devices = () => said(`${ROWS[0]}\n`);
  const seen = await look();
  assert.deepEqual(seen.kind === "seen" && seen.look.gone.map(({ uuid }) => uuid), [UUIDS[1]]);
});

test("whoever looks is answered in time, however long nvidia-smi takes", async () => {
  const { smi, gpus } = machine();
  smi.devices = () => new Promise(() => {});
  assert.deepEqual(await gpus.refresh(20), {
    kind: "trouble",
    why: "nvidia-smi has not answered for 20ms",
    last: null,
  });
});

test("svcd's own CUDA_VISIBLE_DEVICES leaves devices out", async () => {
  const view = await machine({ CUDA_VISIBLE_DEVICES: "1" }).look();
  assert.ok(view.kind === "seen");
  assert.deepEqual(
    view.look.devices.map(({ notForUse }) => notForUse === null),
    [false, true],
  );
});

test("who holds memory is named: somebody of this machine, and somebody outside", async () => {
  const { smi, look } = machine();
  smi.apps = () => said(`${UUIDS[0]}, ${process.pid}, 50, node\n${UUIDS[0]}, 999999999, 50, python\n`);
  const view = await look();
  const holders = view.kind === "seen" ? view.look.holders : [];
  assert.match(holders[0]?.command ?? "", /^node/);
  assert.equal(holders[0]?.run, null);
  assert.equal(holders[1]?.command, null);
});
