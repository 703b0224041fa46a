/** A box with jobs in cron.d, and what became of their runs as the disk tells it. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import type { TestContext } from "node:test";
import { readCheckedLines } from "../../src/checked-journal.ts";
import type { RunRecord } from "../../src/schedule/run-record.ts";
import { Box, isAlive, kill } from "./box.ts";

/** Not started yet. `services`: files of services.d. */
export function cronBox(t: TestContext, jobs: Record<string, string>, services: Record<string, string> = {}): Box {
  const box = Box.prepare(t, services);
  mkdirSync(box.path("cron.d"), { mode: 0o700 });
  for (const [name, text] of Object.entries(jobs)) writeJobs(box, name, text);
  return box;
}

/** Beside and then over it, as an editor does it well. */
export function writeJobs(box: Box, name: string, text: string | Buffer): void {
  const path = box.path("cron.d", name);
  writeFileSync(`${path}~`, text, { mode: 0o600 });
  renameSync(`${path}~`, path);
}

/** Oldest first. */
export function records(box: Box, job: string): RunRecord[] {
  return readCheckedLines<RunRecord>(box.file("state/jobs", `${job}.records`));
}

/** Waits until so many are there, and answers with all of them. */
export async function recorded(
  box: Box,
  job: string,
  count: number,
  which: (record: RunRecord) => boolean = () => true,
): Promise<RunRecord[]> {
  await box.becomes(
    `${count} records of ${job}`,
    () => records(box, job).filter(which).length >= count,
    () => JSON.stringify(records(box, job)),
  );
  return records(box, job).filter(which);
}

export function runLog(box: Box, job: string, run: number): string {
  return box.file("log/jobs", job, `${run}.log`);
}

/** The lines of a file of the root that are whole. */
export function linesOf(box: Box, file: string): string[] {
  return box.file(file).split("\n").slice(0, -1);
}

export async function killCore(box: Box): Promise<void> {
  const { core } = await box.control.health();
  kill(core, "SIGKILL");
  await box.becomes("another core is in charge", async () => (await box.control.health()).core !== core);
}

/** svcd is gone, its services and jobs are not: nobody asked them to end. */
export async function killSvcd(box: Box): Promise<void> {
  const { core, keeper } = await box.control.health();
  kill(keeper, "SIGKILL");
  kill(core, "SIGKILL");
  await box.ended();
  await box.becomes("both are gone", () => !isAlive(core) && !isAlive(keeper));
}
