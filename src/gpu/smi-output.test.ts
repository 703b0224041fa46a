import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { APP_FIELDS, GPU_FIELDS, GPU_FIELDS_OF_OLD_DRIVERS, readDevices, readProcesses } from "./smi-output.ts";

const MIB = 1024 ** 2;
const UUID = "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6";

test("a device is read with all that nvidia-smi tells of it", () => {
  const read = readDevices(
    `0, ${UUID}, 81559, 4, 87, 31, 68.50, 700.00, Disabled, NVIDIA H100 80GB HBM3\n`,
    0,
    GPU_FIELDS,
  );
  assert.deepEqual(read, {
    kind: "devices",
    devices: [
      {
        index: 0,
        uuid: UUID,
        name: "NVIDIA H100 80GB HBM3",
        totalBytes: 81559 * MIB,
        usedBytes: 4 * MIB,
        utilization: 87,
        temperatureC: 31,
        powerW: 68.5,
        powerLimitW: 700,
        notForUse: null,
      },
    ],
  });
});

test("what a card does not tell is not known, in all of nvidia-smi's words", () => {
  for (const word of ["[N/A]", "[Not Supported]", "[Unknown Error]", "[GPU requires reset]", "", "N/A"]) {
    const line = `1, ${UUID}, ${[word, word, word, word, word, word, word].join(", ")}, Tesla, old\n`;
    const read = readDevices(line, 0, GPU_FIELDS);
    assert.equal(read.kind, "devices", word);
    if (read.kind !== "devices") continue;
    const { totalBytes, usedBytes, utilization, temperatureC, powerW, name, notForUse } = read.devices[0]!;
    assert.deepEqual([totalBytes, usedBytes, utilization, temperatureC, powerW, notForUse], Array(6).fill(null));
    assert.equal(name, "Tesla, old", "a name may hold a comma");
  }
});

test("a device that is split by MIG is known, and not for use", () => {
  const read = readDevices(`0, ${UUID}, 1, 1, [N/A], 30, 1, 1, Enabled, A100\n`, 0, GPU_FIELDS);
  assert.match((read.kind === "devices" && read.devices[0]!.notForUse) || "", /MIG/);
});

test("rows between warnings are read, in the order of their numbers", () => {
  const rows = [1, 0].map((index) => `${index}, GPU-0000000${index}-1, 10, 1, x`).join("\n");
  const read = readDevices(
    `WARNING: infoROM is corrupted at gpu 0000:65:00.0\n${rows}\n\n`,
    0,
    GPU_FIELDS_OF_OLD_DRIVERS,
  );
  assert.deepEqual(read.kind === "devices" && read.devices.map(({ index }) => index), [0, 1]);
});

test("no devices, an old driver, a failure and garbage are told apart", () => {
  assert.deepEqual(readDevices("No devices were found\n", 6, GPU_FIELDS), { kind: "none" });
  assert.deepEqual(readDevices('Field "power.draw" is not a valid field to query.\n', 2, GPU_FIELDS), {
    kind: "unknown field",
  });
  const failed = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that …\n";
  const why = (text: string, exit: number | null): string => {
    const read = readDevices(text, exit, GPU_FIELDS);
    return read.kind === "trouble" ? read.why : read.kind;
  };
  assert.match(why(failed, 9), /^nvidia-smi fails \(exit 9\): NVIDIA-SMI has failed because it couldn't communicate/);
  assert.match(why("\x1b[31m\0�", 0), /^nvidia-smi says what nobody understands: /);
  assert.equal(why("", 0), "nvidia-smi says what nobody understands: it said nothing");
  assert.equal(why("", null), "nvidia-smi was killed: it said nothing");
});

test("processes are read; memory that is not told is not known", () => {
  const text = `${UUID}, 4711, 60000, python3, -m x\n${UUID}, 12, [N/A], [Not Found]\nnonsense\n, , ,\n`;
  assert.deepEqual(readProcesses(text), [
    { uuid: UUID, pid: 4711, usedBytes: 60_000 * MIB, name: "python3, -m x" },
    { uuid: UUID, pid: 12, usedBytes: null, name: "[Not Found]" },
  ]);
});

test("whatever it prints is answered, and never with more than any machine has", () => {
  const line = fc.oneof(
    fc.string({ unit: "binary" }),
    fc
      .tuple(fc.nat(5), fc.array(fc.string(), { maxLength: 12 }))
      .map(([index, rest]) => [index, UUID, ...rest].join(", ")),
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 20 }), fc.option(fc.nat(255)), (lines, exit) => {
      const read = readDevices(lines.join("\n"), exit, GPU_FIELDS);
      if (read.kind === "trouble") assert.ok(read.why.length > 0 && read.why.length < 250);
      assert.ok(readProcesses(lines.join("\n")).length <= 20);
    }),
  );
  const many = Array.from({ length: 5000 }, (_, pid) => `${UUID}, ${pid}, 1, x`).join("\n");
  assert.equal(readProcesses(many).length, 4096);
  assert.equal(APP_FIELDS.length, 4);
});
