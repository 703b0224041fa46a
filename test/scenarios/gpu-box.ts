/** A box with GPUs that are not there: the stand-in nvidia-smi on svcd's PATH. */
import type { TestContext } from "node:test";
import type { StandInGpu } from "../stand-ins/nvidia-smi.ts";
import { StandInGpus } from "../stand-ins/stand-in-gpus.ts";
import { Box, type BoxOptions } from "./box.ts";

export interface GpuBox {
  readonly box: Box;
  readonly gpus: StandInGpus;
}

export async function gpuBox(
  t: TestContext,
  devices: readonly StandInGpu[],
  files: Record<string, string>,
  options: BoxOptions & { readonly before?: (given: GpuBox) => void } = {},
): Promise<GpuBox> {
  const box = Box.prepare(t, {}, options);
  const gpus = new StandInGpus(box.path("stand-in"), devices);
  Object.assign(box.env, gpus.env);
  for (const [name, text] of Object.entries(files)) box.write(name, text);
  options.before?.({ box, gpus });
  await box.start();
  return { box, gpus };
}
