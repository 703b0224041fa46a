/**
 * What is cheaper to know before the first step than after an hour: that a token may read the model, and that all that is to come
 * fits on the disk. Only what is certain stops anything; a server that does not answer now is asked again by its step.
 */
import { statSync } from "node:fs";
import { dirname } from "node:path";
import type { Around } from "./around.ts";
import { requestFor } from "./connection.ts";
import { freeBytes, LEFT_TO_OTHERS } from "./disk.ts";
import { nearestFolder, snapshotOf } from "./hub.ts";
import { Part } from "./part.ts";
import { type Failed, failure, Interrupted } from "./result.ts";
import { inBytes } from "./sizes.ts";
import type { Step } from "./step.ts";

/** Sizes are asked for side by side, or fifty downloads would wait for their sum. */
const AT_ONCE = 8;
const ASK_WITHIN_MS = 10_000;

/** The step that cannot succeed, and why. */
export async function preflight(
  steps: readonly Step[],
  around: Around,
): Promise<{ readonly step: Step; readonly failed: Failed } | null> {
  const careful = steps.filter(({ onFailure, creates }) => onFailure === "stop" && creates === null);
  for (const step of careful) {
    if (step.work?.kind !== "huggingface" || step.env["HF_HUB_OFFLINE"]) continue;
    const asked = await snapshotOf(step.work, { ...step, tries: 1 }, around);
    if ("ok" in asked && asked.permanent) return { step, failed: asked };
  }
  return await whatDoesNotFit(careful, around);
}

async function whatDoesNotFit(steps: readonly Step[], around: Around) {
  const downloads = steps.filter((step) => step.work?.kind === "download");
  const needs = new Map<number, { bytes: number; count: number; folder: string }>();
  for (let i = 0; i < downloads.length; i += AT_ONCE) {
    const some = downloads.slice(i, i + AT_ONCE);
    const sizes = await Promise.all(some.map((step) => sizeOf(step, around)));
    for (const [at, step] of some.entries()) {
      const size = sizes[at];
      if (size === null || size === undefined || step.work?.kind !== "download") continue;
      const folder = nearestFolder(folderOf(step.work.to));
      const { dev } = statSync(folder);
      const need = needs.get(dev) ?? { bytes: 0, count: 0, folder };
      needs.set(dev, { ...need, bytes: need.bytes + size, count: need.count + 1 });
      const free = freeBytes(folder);
      const { bytes, count } = needs.get(dev)!;
      if (free === null || bytes + LEFT_TO_OTHERS <= free) continue;
      const what = count === 1 ? "it needs" : `the downloads up to this one need`;
      const cause = `the disk is too small: ${what} ${inBytes(bytes)} in ${folder}, and ${inBytes(free)} are free there`;
      return { step, failed: failure(cause, "free some space (df -h), or name a place on another disk", true) };
    }
  }
  return null;
}

function folderOf(to: string): string {
  return to.endsWith("/") ? to.replace(/(?<=.)\/+$/, "") : dirname(to);
}

/** What it will still write; null: nobody knows, or it is there already. */
async function sizeOf({ work }: Step, around: Around): Promise<number | null> {
  if (work?.kind !== "download") return null;
  const at = work.to.endsWith("/") ? undefined : statSync(work.to, { throwIfNoEntry: false });
  try {
    const signal = AbortSignal.any([around.stop, AbortSignal.timeout(ASK_WITHIN_MS)]);
    const { url, headers } = requestFor(work);
    const { status, headers: found } = await fetch(url, { method: "HEAD", signal, headers });
    const size = Number(found.get("content-length") ?? Number.NaN);
    if (status !== 200 || !Number.isSafeInteger(size) || at?.size === size) return null;
    // What is here of it is on the disk already.
    return Math.max(0, size - new Part(folderOf(work.to), work).size);
  } catch {
    if (around.stop.aborted) throw new Interrupted();
    return null;
  }
}
