/**
 * The kill loop: deeds by chance at a steady rate, rest in between to see that everything is as promised, an orderly end,
 * and then the logs against what the writers know they wrote.
 *
 * What may be lost, and only that: with the keeper, the one piece of output that it had read and not yet written, and the
 * last words of a service that ends while no keeper is there. With the core nothing.
 */
import { monotonicMs } from "../../src/keeper/process-identity.ts";
import { isAlive, processesOf } from "../scenarios/box.ts";
import { anyDeed } from "./deeds.ts";
import { Ledger } from "./ledger.ts";
import { pause } from "./pause.ts";
import { RotatingLog } from "./rotating-log.ts";
import { type Hardship, Scene } from "./scene.ts";
import { progressOf, type Writer, writers } from "./writers.ts";
import { WrittenOrder } from "./written-order.ts";

export interface Torture extends Hardship {
  readonly seconds: number;
  /** Deeds a second. */
  readonly rate: number;
  /** Deeds with this in their name; "" for all. */
  readonly only: string;
  readonly onProgress: (line: string) => void;
}

const REST_EVERY_MS = 8_000;
const READ_LOGS_EVERY_MS = 100;
/** What the keeper reads at once; it is written before the next piece is read. */
const ONE_PIECE_BYTES = 65_536;

interface Reading {
  readonly writer: Writer;
  readonly log: RotatingLog;
  readonly order: WrittenOrder;
}

export async function torture(options: Torture): Promise<Ledger> {
  const ledger = new Ledger();
  const scene = new Scene(writers(options.services), options, ledger);
  const readings = scene.writers.map((writer) => ({
    writer,
    log: new RotatingLog(scene.box.path("log", `${writer.name}.log`)),
    order: new WrittenOrder(writer.name),
  }));
  const reading = setInterval(() => readAll(readings, ledger), READ_LOGS_EVERY_MS);
  try {
    await scene.begin();
    await doDeeds(scene, options);
    await endInOrder(scene);
    clearInterval(reading);
    readAll(readings, ledger);
    for (const each of readings) judge(each, scene);
    const { holes } = ledger.lostByKeeper;
    if (holes > ledger.kills.keeper)
      ledger.breaks(`${holes} holes, and only ${ledger.kills.keeper} kills of the keeper`);
  } catch (error) {
    ledger.breaks(`the torture cannot go on: ${(error as Error).message}`);
  } finally {
    clearInterval(reading);
    const said = `${scene.box.file("log", "svcd.log")}${scene.box.terminal}`;
    ledger.story.push(...said.split("\n").filter((line) => /^\d{4}-/.test(line)));
    ledger.story.sort();
    for (const { log } of readings) log.close();
    await scene.close();
  }
  return ledger;
}

async function doDeeds(scene: Scene, { seconds, rate, only, onProgress }: Torture): Promise<void> {
  const { ledger, random } = scene;
  const begun = monotonicMs();
  const until = begun + seconds * 1000;
  let restAt = begun + REST_EVERY_MS;
  while (monotonicMs() < until) {
    const deed = anyDeed(scene, only);
    ledger.note(deed.name);
    await deed.act(scene);
    await pause(random.between(0, 2000 / rate));
    if (monotonicMs() >= restAt) {
      await scene.comeToRest();
      await scene.measureFloor();
      restAt = monotonicMs() + REST_EVERY_MS;
    }
    const { kills, lines, brokenAll } = ledger;
    const killed = `core ${kills.core}, keeper ${kills.keeper}, services ${kills.service} killed`;
    onProgress(`${Math.round((monotonicMs() - begun) / 1000)} s: ${killed}, ${lines} lines, ${brokenAll} broken`);
  }
  await scene.comeToRest();
}

async function endInOrder(scene: Scene): Promise<void> {
  const { box, ledger } = scene;
  const status = await scene.shutDown();
  if (status !== 0) ledger.breaks(`svcd ended with ${status}`);
  // The core leaves a moment after its keeper.
  const until = monotonicMs() + 5_000;
  while (processesOf(box.root).length > 0 && monotonicMs() < until) await pause(20);
  for (const pid of processesOf(box.root)) if (isAlive(pid)) ledger.breaks(`pid ${pid} is left after svctl shutdown`);
}

function readAll(readings: readonly Reading[], ledger: Ledger): void {
  let lines = 0;
  let bytes = 0;
  for (const { log, order } of readings) {
    log.read((text) => order.feed(text));
    lines += order.lines;
    bytes += order.bytes;
  }
  Object.assign(ledger, { lines, bytes });
}

function judge({ writer: { name }, order }: Reading, scene: Scene): void {
  const { ledger } = scene;
  for (const damage of order.damages) {
    if (damage.kind === "disorder") {
      ledger.breaks(`${name} run ${damage.run}: out of order: ${JSON.stringify(damage.line)}`);
      continue;
    }
    ledger.lostByKeeper.holes++;
    ledger.lostByKeeper.bytes += damage.bytes;
    if (damage.bytes > ONE_PIECE_BYTES)
      ledger.breaks(`${name} run ${damage.run}: ${damage.bytes} bytes before line ${damage.to} are missing`);
  }
  const progress = progressOf(scene.box, name);
  ledger.runs += progress.size;
  for (const [run, certain] of progress) {
    const last = order.lastOf.get(run) ?? 0;
    if (certain <= last) continue;
    const bytes = order.bytesBetween(run, last + 1, certain + 1);
    // What the keeper had read, and what was in the pipe.
    if (!scene.diedWithoutKeeper(name, run) || bytes > 2 * ONE_PIECE_BYTES) {
      ledger.breaks(`${name} run ${run} wrote ${certain} lines, ${last} are in its log (${bytes} bytes are missing)`);
      continue;
    }
    ledger.lostByKeeper.ends++;
    ledger.lostByKeeper.bytes += bytes;
  }
}
