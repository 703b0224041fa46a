/**
 * GPUs for a test on a machine that has none: a folder with the stand-in nvidia-smi, to be put on PATH, and its state.
 *
 *     const gpus = new StandInGpus(folder, [{}, { memoryTotalMiB: 24576 }]);
 *     spawn("svcd", { env: gpus.env });
 *     gpus.change((state) => { state.hangs = true; });
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StandInGpu, StandInHolder, StandInState } from "./nvidia-smi.ts";

export class StandInGpus {
  readonly stateFile: string;
  readonly #bin: string;

  /** `folder` need not exist. */
  constructor(folder: string, gpus: readonly StandInGpu[]) {
    this.#bin = join(folder, "bin");
    this.stateFile = join(folder, "gpus.json");
    mkdirSync(this.#bin, { recursive: true });
    this.#write({ gpus: [...gpus] });
    writeFileSync(`${this.stateFile}.calls`, "");
    this.install();
  }

  install(): void {
    const program = join(import.meta.dirname, "nvidia-smi.ts");
    const path = join(this.#bin, "nvidia-smi");
    // Node says on stderr, and in some versions only, that it strips types.
    const text = `#!/bin/sh\nexec '${process.execPath}' --no-warnings '${program}' '${this.stateFile}' "$@"\n`;
    writeFileSync(`${path}.tmp`, text);
    chmodSync(`${path}.tmp`, 0o755);
    renameSync(`${path}.tmp`, path);
  }

  /** A machine without it. */
  uninstall(): void {
    rmSync(join(this.#bin, "nvidia-smi"));
  }

  /** For svcd: nvidia-smi and `hold-gpu-memory` on PATH, and where the latter registers. */
  get env(): Record<string, string> {
    const path = `${this.#bin}:${import.meta.dirname}:${process.env["PATH"] ?? "/usr/bin:/bin"}`;
    return { PATH: path, GPU_STAND_IN: this.stateFile };
  }

  change(change: (state: StandInState) => void): void {
    const state = JSON.parse(readFileSync(this.stateFile, "utf8")) as StandInState;
    change(state);
    this.#write(state);
  }

  /** Somebody holds memory from now on, as nobody's child. */
  hold(...holders: StandInHolder[]): void {
    this.change((state) => {
      state.processes = [...(state.processes ?? []), ...holders];
    });
  }

  free(): void {
    this.change((state) => {
      state.processes = [];
    });
  }

  /** What nvidia-smi was asked so far, a line each: pid and arguments. */
  calls(): string[] {
    return readFileSync(`${this.stateFile}.calls`, "utf8").split("\n").slice(0, -1);
  }

  #write(state: StandInState): void {
    writeFileSync(`${this.stateFile}.tmp`, JSON.stringify(state));
    renameSync(`${this.stateFile}.tmp`, this.stateFile);
  }
}
