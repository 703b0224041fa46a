/** The GPUs on the wire: a part of `wire.ts`, which holds it against the daemon's types. */
import * as v from "valibot";
import { count, text } from "./wire-words.ts";

const nullable = <Schema extends v.GenericSchema>(schema: Schema, description: string) =>
  v.pipe(v.nullable(schema), v.description(description));

export const GpuLease = v.object({
  by: text("a service, or a run of a job as JOB/RUN"),
  memoryBytes: nullable(v.number(), "what is promised to it; null: the whole device"),
  shared: v.boolean(),
});

export const GpuHolder = v.object({
  pid: count("as nvidia-smi says it"),
  command: nullable(v.string(), "null: it cannot be seen from here (it is outside of this container)"),
  memoryBytes: nullable(v.number(), "null: not told"),
  name: nullable(v.string(), "the service or job that it is of, also of a run that is over; null: none of svcd's"),
  run: v.nullable(v.number()),
});

export const GpuDevice = v.object({
  index: count("nvidia-smi's number, by PCI bus"),
  uuid: v.string(),
  name: v.string(),
  memoryTotalBytes: nullable(v.number(), "null: not told, here and below"),
  memoryUsedBytes: v.nullable(v.number()),
  utilization: nullable(v.number(), "percent"),
  temperatureC: v.nullable(v.number()),
  powerW: v.nullable(v.number()),
  powerLimitW: v.nullable(v.number()),
  notForUse: nullable(v.string(), "why svcd gives it to nobody; null: it does"),
  isGone: v.pipe(v.boolean(), v.description("it was there before, and nvidia-smi lists it no longer")),
  leases: v.array(GpuLease),
  holders: v.array(GpuHolder),
});

export const GpuReport = v.object({
  state: v.pipe(
    v.picklist(["seen", "none", "trouble"]),
    v.description("none: this machine has no GPU. trouble: nvidia-smi does not answer; devices are as seen before"),
  ),
  why: nullable(v.string(), "why there are none, or what the trouble is"),
  at: nullable(v.string(), "when nvidia-smi was last heard (ISO 8601); null: never"),
  devices: v.array(GpuDevice),
});
