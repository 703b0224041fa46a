import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { GpuAsk } from "./ask.ts";
import { type Around, type Choice, choose } from "./choose.ts";
import type { Device, GpuView } from "./device.ts";
import type { Held } from "./lease.ts";
import { ask, device, GIB, holder, holds, seen, uuid } from "./testing.ts";

function chosen(wanted: GpuAsk, view: GpuView, around: Partial<Around> = {}): Choice {
  return choose(wanted, { view, limit: null, held: [], preferred: [], now: 1000, freshSince: 0, ...around });
}

/** The numbers that were given, or what stands in the way. */
function told(choice: Choice): readonly number[] | string {
  switch (choice.kind) {
    case "granted":
      return choice.lease.devices.map(({ index }) => index);
    case "blocked":
      return `waits for ${choice.by.join(" and ")}`;
    case "absent":
    case "impossible":
      return choice.why;
  }
}

const two = seen([device(0), device(1)]);

test("free devices are given, the lowest first", () => {
  assert.deepEqual(told(chosen(ask("all"), two)), [0, 1]);
  assert.deepEqual(told(chosen(ask(1), two)), [0]);
  assert.deepEqual(told(chosen(ask([1]), two)), [1]);
  assert.deepEqual(told(chosen(ask(["GPU-1111", 0]), two)), [0, 1]);
  const busy = seen([device(0, { usedBytes: 0.9 * GIB }), device(1)]);
  assert.deepEqual(told(chosen(ask(1), busy)), [1]);
});

test("whoever comes again gets what it had, if that is free", () => {
  assert.deepEqual(told(chosen(ask(1), two, { preferred: [uuid(1)] })), [1]);
  assert.deepEqual(told(chosen(ask(1), two, { preferred: [uuid(1)], held: [holds("web", [1])] })), [0]);
});

test("a device that is leased is waited for, and who has it is named", () => {
  assert.equal(
    told(chosen(ask(1), seen([device(0)]), { held: [holds("vllm", [0])] })),
    "waits for GPU 0: held by vllm",
  );
  assert.equal(
    told(
      chosen(ask("all"), seen([device(0), device(1), device(2)]), { held: [holds("a", [0, 2]), holds("b/7", [1])] }),
    ),
    "waits for GPU 0 and 2: held by a and GPU 1: held by b/7",
  );
  // One of them is enough.
  assert.equal(
    told(chosen(ask(1), two, { held: [holds("a", [0]), holds("b", [1])] })),
    "waits for GPU 0: held by a, or GPU 1: held by b",
  );
});

test("nobody need look at nvidia-smi to see that a lease ended", () => {
  const waits = chosen(ask(1), seen([device(0)]), { held: [holds("vllm", [0])], now: 1e9, freshSince: 1e9 });
  assert.deepEqual(waits, { kind: "blocked", by: ["GPU 0: held by vllm"], needsLook: false });
});

test("what is shared goes around by its memory", () => {
  const shared = (gib: number) => ask(1, { share: true, memoryBytes: gib * GIB });
  const one = seen([device(0)]);
  assert.deepEqual(told(chosen(shared(20), one, { held: [holds("a", [0], 60)] })), [0]);
  assert.equal(
    told(chosen(shared(21), one, { held: [holds("a", [0], 30), holds("b", [0], 30)] })),
    "waits for GPU 0: 20 GiB of it are left beside a, b",
  );
  assert.equal(told(chosen(shared(20), one, { held: [holds("a", [0])] })), "waits for GPU 0: held by a");
  assert.equal(told(chosen(ask(1), one, { held: [holds("a", [0], 20)] })), "waits for GPU 0: held by a");
  // The least promised first.
  assert.deepEqual(told(chosen(shared(20), two, { held: [holds("a", [0], 20)] })), [1]);
});

test("what others that share were promised counts before they take it, and what a stranger took beside that", () => {
  const shared = (gib: number) => ask(1, { share: true, memoryBytes: gib * GIB });
  const held = [holds("a", [0], 40)];
  const used = (gib: number, byStranger: number) =>
    seen([device(0, { usedBytes: gib * GIB })], { holders: byStranger === 0 ? [] : [holder(0, byStranger)] });
  assert.deepEqual(told(chosen(shared(40), used(30, 0), { held })), [0]);
  assert.equal(
    told(chosen(shared(40), used(10, 10), { held })),
    "waits for GPU 0: 10 GiB still held by pid 4711 (python3)",
  );
  assert.deepEqual(told(chosen(shared(30), used(10, 10), { held })), [0]);
});

test("memory must be back first, and whoever holds it is named", () => {
  const used = (gib: number, ...holders: ReturnType<typeof holder>[]) =>
    seen([device(0, { usedBytes: gib * GIB })], { holders });
  assert.deepEqual(told(chosen(ask(1), used(4))), [0], "5 % may be anybody's");
  const left = holder(0, 60, { pid: 12, command: "VLLM::EngineCore", run: { name: "vllm", run: 3 } });
  assert.equal(
    told(chosen(ask(1), used(60, left))),
    "waits for GPU 0: 60 GiB still held by pid 12 (VLLM::EngineCore, of run 3 of vllm)",
  );
  assert.equal(
    told(chosen(ask(1), used(60))),
    "waits for GPU 0: 60 GiB still held by a process that cannot be seen from here",
  );
  assert.match(
    String(told(chosen(ask(1), used(60, holder(0, 60, { command: null }))))),
    /held by a process that cannot be seen from here \(pid 4711 elsewhere\)$/,
  );
  // So much is asked for, so much must be free: no more and no less.
  assert.deepEqual(told(chosen(ask(1, { memoryBytes: 20 * GIB }), used(60))), [0]);
  assert.match(
    String(told(chosen(ask(1, { memoryBytes: 21 * GIB }), used(60)))),
    /^waits for GPU 0: 60 GiB still held/,
  );
  // A card that does not tell is not waited for.
  assert.deepEqual(told(chosen(ask(1), seen([device(0, { usedBytes: null })]))), [0]);
});

test("a small card of which a desktop holds some counts as empty", () => {
  const small = (gib: number) => seen([device(0, { totalBytes: 8 * GIB, usedBytes: gib * GIB })]);
  assert.deepEqual(told(chosen(ask(1), small(1))), [0]);
  assert.match(String(told(chosen(ask(1), small(1.1)))), /^waits for/);
});

test("wait_for_memory: false starts whatever holds memory, also when nvidia-smi is silent, but never on what is leased", () => {
  const now = ask(1, { waitForMemory: false });
  const full = seen([device(0, { usedBytes: 80 * GIB })]);
  assert.deepEqual(told(chosen(now, full)), [0]);
  const last = full.kind === "seen" ? full.look : null;
  assert.deepEqual(told(chosen(now, { kind: "trouble", why: "x", last }, { now: 1e9 })), [0]);
  assert.equal(told(chosen(now, full, { held: [holds("vllm", [0])] })), "waits for GPU 0: held by vllm");
});

test("only a look that began after the last run gave something back counts, and an old one does not", () => {
  for (const around of [{ freshSince: 901 }, { now: 6001 }]) {
    const waits = chosen(ask(1), two, around);
    assert.deepEqual(waits, { kind: "blocked", by: ["nvidia-smi to tell whether memory is free"], needsLook: true });
  }
  assert.deepEqual(told(chosen(ask(1), two, { freshSince: 900, now: 6000 })), [0]);
});

test("what nvidia-smi's trouble is, is what is waited for", () => {
  const trouble: GpuView = { kind: "trouble", why: "nvidia-smi does not answer, for 10s now", last: null };
  assert.equal(
    told(chosen(ask(1), trouble)),
    "waits for nvidia-smi to tell which GPUs there are (nvidia-smi does not answer, for 10s now)",
  );
  const last = two.kind === "seen" ? two.look : null;
  assert.equal(
    told(chosen(ask(1), { ...trouble, last })),
    "waits for nvidia-smi to tell whether memory is free (nvidia-smi does not answer, for 10s now)",
  );
  assert.equal(told(chosen(ask(1), { kind: "unknown" })), "waits for nvidia-smi to tell which GPUs there are");
});

test("a machine without GPUs does not want it; one with too few can never have it", () => {
  assert.deepEqual(chosen(ask("all"), { kind: "none", why: "nvidia-smi is not installed" }), {
    kind: "absent",
    why: "nvidia-smi is not installed",
  });
  const never: [GpuAsk, string][] = [
    [ask(4), "asks for 4 GPUs, this machine has 2"],
    [ask([2]), "asks for GPU 2, this machine has 2"],
    [ask(["GPU-9"]), "asks for GPU-9, this machine has 2"],
    [ask(1, { memoryBytes: 90 * GIB }), "asks for 1 GPU with 90 GiB, the largest here has 80 GiB"],
    [ask([0], { memoryBytes: 90 * GIB }), "asks for 90 GiB of GPU 0, which has 80 GiB"],
  ];
  for (const [asked, why] of never) assert.deepEqual(chosen(asked, two), { kind: "impossible", why });
  const mixed = seen([device(0), device(1, { totalBytes: 24 * GIB })]);
  assert.deepEqual(told(chosen(ask(1, { memoryBytes: 40 * GIB }), mixed)), [0]);
  assert.equal(
    told(chosen(ask(2, { memoryBytes: 40 * GIB }), mixed)),
    "asks for 2 GPUs with 40 GiB each, only 1 of them have so much",
  );
  assert.equal(
    told(chosen(ask("all", { memoryBytes: 40 * GIB }), mixed)),
    "asks for all GPUs with 40 GiB each, one of them has less",
  );
});

test("a device that is not for use is given to nobody, and says why", () => {
  const split = seen([device(0), device(1, { notForUse: "it is split by MIG" })]);
  assert.deepEqual(told(chosen(ask("all"), split)), [0]);
  assert.equal(
    told(chosen(ask(2), split)),
    "asks for 2 GPUs, this machine has 2, of which GPU 1 may not be used: it is split by MIG",
  );
  assert.equal(told(chosen(ask([1]), split)), "asks for GPU 1: it is split by MIG");
});

test("whoever is limited by CUDA_VISIBLE_DEVICES is given no others", () => {
  const four = seen([0, 1, 2, 3].map((index) => device(index)));
  assert.deepEqual(told(chosen(ask("all"), four, { limit: "1,3" })), [1, 3]);
  assert.deepEqual(told(chosen(ask(1), four, { limit: uuid(2) })), [2]);
  assert.equal(
    told(chosen(ask(3), four, { limit: "1,3" })),
    "asks for 3 GPUs, this machine has 4, of which GPU 0 may not be used: CUDA_VISIBLE_DEVICES=1,3 in its env files leaves it out",
  );
});

test("a device that fell off the bus is waited for, and the others go on", () => {
  const lost = seen([device(0)], { gone: [device(1)] });
  assert.equal(told(chosen(ask(2), lost)), "waits for GPU 1: no longer seen by nvidia-smi");
  assert.equal(told(chosen(ask([1]), lost)), "waits for GPU 1: no longer seen by nvidia-smi");
  assert.deepEqual(told(chosen(ask("all"), lost)), [0]);
  const moved = seen([device(0, { uuid: uuid(1) }), device(1, { uuid: uuid(2) })], { gone: [device(0)] });
  assert.equal(told(chosen(ask([2]), moved)), "waits for GPU 0: no longer seen by nvidia-smi");
  assert.equal(told(chosen(ask(3), lost)), "asks for 3 GPUs, this machine has 1");
});

test("of a run whose lease nobody knows any more every device may be, so none is given", () => {
  const held: Held[] = [{ by: "vllm", lease: null }];
  assert.equal(
    told(chosen(ask(1), two, { held })),
    "waits for GPU 0 and 1: perhaps held by vllm, nobody knows any more what it was given",
  );
});

test("who is about to run again keeps its devices; an older claim yields where nothing else would do", () => {
  const claim = (isClaim: "firm" | "weak"): Held => ({ ...holds("vllm", [0]), isClaim });
  const one = seen([device(0)]);
  assert.equal(
    told(chosen(ask(1), one, { held: [claim("firm")] })),
    "waits for GPU 0: kept for vllm, which is about to start again",
  );
  assert.deepEqual(told(chosen(ask(1), one, { held: [claim("weak")] })), [0]);
  assert.deepEqual(told(chosen(ask(1), two, { held: [claim("weak")] })), [1]);
});

// --- for all ------------------------------------------------------------------------------------------------------------

const someDevice = (index: number): fc.Arbitrary<Device> =>
  fc
    .record({ total: fc.constantFrom(24, 80, null), used: fc.constantFrom(0, 1, 30, null), barred: fc.boolean() })
    .map(({ total, used, barred }) =>
      device(index, {
        totalBytes: total === null ? null : total * GIB,
        usedBytes: used === null ? null : Math.min(used, total ?? 80) * GIB,
        notForUse: barred && index > 0 ? "split" : null,
      }),
    );
const someAsk: fc.Arbitrary<GpuAsk> = fc.record({
  which: fc.oneof(
    fc.constant({ kind: "all" } as const),
    fc.integer({ min: 1, max: 4 }).map((count) => ({ kind: "count", count }) as const),
    fc.uniqueArray(fc.nat(3), { minLength: 1 }).map((devices) => ({ kind: "these", devices }) as const),
  ),
  memoryBytes: fc.constantFrom(10 * GIB, 30 * GIB),
  share: fc.boolean(),
  waitForMemory: fc.boolean(),
});

test("whatever is asked in whatever order, no device is given twice, and what is shared fits", () => {
  fc.assert(
    fc.property(
      fc.tuple(...[0, 1, 2, 3].map(someDevice)),
      fc.array(fc.tuple(someAsk, fc.boolean()), { maxLength: 12 }),
      (devices, steps) => {
        const held: Held[] = [];
        for (const [number, [wanted, gives]] of steps.entries()) {
          if (gives && held.length > 0) held.shift();
          const choice = chosen(wanted, seen(devices), { held: [...held] });
          if (choice.kind !== "granted") {
            assert.notEqual(choice.kind === "blocked" ? choice.by.join("") : choice.why, "");
            continue;
          }
          held.push({ by: `s${number}`, lease: choice.lease });
          for (const { uuid: given } of choice.lease.devices) {
            const real = devices.find((one) => one.uuid === given);
            assert.equal(real?.notForUse, null);
            const here = held.filter(({ lease }) => lease!.devices.some((one) => one.uuid === given));
            if (here.some(({ lease }) => !lease!.isShared)) assert.equal(here.length, 1);
            const promised = here.reduce((sum, { lease }) => sum + (lease!.memoryBytes ?? 0), 0);
            assert.ok(promised <= (real?.totalBytes ?? Number.POSITIVE_INFINITY));
          }
        }
      },
    ),
  );
});

test("whoever waits for leases only starts once they are given back", () => {
  fc.assert(
    fc.property(fc.tuple(...[0, 1, 2, 3].map(someDevice)), someAsk, (devices, wanted) => {
      const view = seen(devices);
      const everything = [holds("x", [0, 1, 2, 3])];
      const alone = chosen(wanted, view);
      const beside = chosen(wanted, view, { held: everything });
      if (alone.kind === "impossible") assert.deepEqual(beside, alone);
      else assert.equal(beside.kind, "blocked");
      if (beside.kind === "blocked" && !wanted.waitForMemory) assert.equal(alone.kind, "granted");
    }),
  );
});
