/**
 * The key `gpus` of services and jobs: `all`, a number, a list of devices, or a map that says more.
 */
import * as v from "valibot";
import type { GpuAsk } from "../gpu/ask.ts";
import { bad, good, quoted, type Reading } from "./flaw.ts";
import type { Complain } from "./service-of.ts";
import { closed, described, either, flag, list, optional, parsed, type Read, size } from "./shape.ts";

/** More than any machine has is a slip of the pen. */
const MOST_GPUS = 64;
const LEAST_MEMORY = 1024 ** 2;

type WrittenCount = number | "all" | "none";

const countLooks = v.union([
  v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MOST_GPUS)),
  v.picklist(["all", "none"]),
  v.pipe(v.string(), v.regex(/\$|^\d{1,2}$/)),
]);
const count = parsed(countLooks, "a number of GPUs, or `all`", (written): Reading<WrittenCount> => {
  const word = written.trim().toLowerCase();
  if (word === "all" || word === "none") return good(word);
  if (/^-1$/.test(word)) return good("all"); // As Docker counts.
  if (/^\d{1,6}$/.test(word) && Number(word) <= MOST_GPUS) return good(Number(word));
  return bad(`${quoted(written)} is not a number of GPUs`, `write all, or a number from 0 to ${MOST_GPUS}`);
});

const deviceLooks = v.union([
  v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(MOST_GPUS - 1)),
  v.pipe(v.string(), v.regex(/\$|^\d{1,2}$|^GPU-[0-9a-fA-F-]+$/)),
]);
const device = parsed(deviceLooks, "the number or the UUID of a GPU", (written): Reading<number | string> => {
  const name = written.trim();
  if (/^\d{1,6}$/.test(name) && Number(name) < MOST_GPUS) return good(Number(name));
  if (/^GPU-[0-9a-f][0-9a-f-]*$/i.test(name)) return good(name);
  if (/^MIG-/i.test(name))
    return bad(
      `${quoted(name)} is a part of a GPU`,
      "svcd gives whole GPUs; for a MIG instance set CUDA_VISIBLE_DEVICES in `environment:`",
    );
  return bad(`${quoted(name)} is no GPU`, "write its number as nvidia-smi counts, or its UUID (GPU-…)");
});

const map = closed(
  {
    count: optional(described("How many, whichever are free; or `all`.", count)),
    devices: optional(described("Which, by number or UUID.", either({ text: device, list: list(device) }))),
    memory: optional(
      described(
        "What must be free on each of them before it starts; of a shared one also what it may take.",
        size(LEAST_MEMORY),
      ),
    ),
    share: optional(
      described(
        "true: others that share may have them too, as long as the `memory` of all fits. false unless said.",
        flag(),
      ),
    ),
    wait_for_memory: optional(
      described(
        "false: start although something outside of svcd still holds memory of them. true unless said.",
        flag(),
      ),
    ),
  },
  {
    instead: {
      device_ids: "write `devices:`",
      ids: "write `devices:`",
      indexes: "write `devices:`",
      n: "write `count:`",
      number: "write `count:`",
      vram: "write `memory:`",
      shared: "write `share:`",
      exclusive: "write `share: true` for the opposite",
      driver: "remove it: only NVIDIA's GPUs are known",
      capabilities: "remove it: a program sees all that the device can do",
      free: "write `memory:` for what must be free",
    },
  },
);

export const gpusShape = either({ text: count, list: list(device), map });

export type WrittenGpus = Read<typeof gpusShape>;

/** null: it asks for none after all (`gpus: ${GPUS:-0}`). */
export function gpuAskOf(written: WrittenGpus | undefined, complain: Complain): GpuAsk | null {
  if (written === undefined) return null;
  if (typeof written !== "object" || Array.isArray(written)) return asked(written, null, false, true);
  const { count: some, devices, memory = null, share = false, wait_for_memory: waits = true } = written;
  if (some === undefined && devices === undefined)
    complain(["gpus"], " does not say how many", "add `count:` or `devices:`", "key");
  if (some !== undefined && devices !== undefined)
    complain(["gpus", "count"], ": `devices` is there too, and one of them decides", "remove one of the two", "key");
  if (share && memory === null)
    complain(
      ["gpus", "share"],
      " needs to know what goes around",
      "add `memory:`, what it takes of each device",
      "key",
    );
  const which = devices === undefined ? (some ?? "all") : typeof devices === "object" ? devices : [devices];
  return asked(which, memory, share, waits);
}

function asked(
  which: WrittenCount | readonly (number | string)[],
  memoryBytes: number | null,
  share: boolean,
  waitForMemory: boolean,
): GpuAsk | null {
  if (which === "none" || which === 0) return null;
  const rest = { memoryBytes, share, waitForMemory };
  if (which === "all") return { which: { kind: "all" }, ...rest };
  if (typeof which === "number") return { which: { kind: "count", count: which }, ...rest };
  return { which: { kind: "these", devices: [...new Set(which)] }, ...rest };
}

/** What the lease says cannot also be written. */
export function checkGpuEnvironment(
  ask: GpuAsk | null,
  environment: Readonly<Record<string, unknown>>,
  complain: Complain,
): void {
  if (ask === null || !Object.hasOwn(environment, "CUDA_VISIBLE_DEVICES")) return;
  const fix = "remove one of the two: with `gpus` svcd says which devices it may use";
  complain(["environment", "CUDA_VISIBLE_DEVICES"], " is set by `gpus`", fix, "key");
}
