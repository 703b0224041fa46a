/**
 * nvidia-smi as a program that may be missing, slow, or hang for ever: asked one question at a time, for a limited time.
 *
 * With a wedged driver it sits in the kernel (state D) and no signal ends it. Then no other is started beside it: the answer
 * is "silent" at once, until the kernel has let it go.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { asGiven } from "../own-priority.ts";
import { DEFAULT_PATH, hasProgram } from "./program.ts";
import { timeLimit } from "./time-limit.ts";

export type SmiAnswer =
  /** `exit` null: a signal ended it. */
  | { readonly kind: "said"; readonly text: string; readonly exit: number | null }
  /** It is there, and has not answered. */
  | { readonly kind: "silent" }
  /** The machine cannot start it now. */
  | { readonly kind: "refused"; readonly why: string };

export interface SmiOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
  /** Another in tests. */
  readonly start?: (args: readonly string[]) => ChildProcess;
}

/** Without persistence mode each call wakes the driver up: seconds on a box with eight devices. */
const TIMEOUT_MS = 10_000;
/** A line for each device and process, many times over. */
const MOST_BYTES = 1024 ** 2;
/** Where drivers of containers and of WSL put it. */
const MORE_FOLDERS = "/usr/local/nvidia/bin:/usr/lib/wsl/lib";

export class NvidiaSmi {
  readonly #options: SmiOptions;
  readonly #path: string;
  /** It has not ended, whatever became of its answer. */
  #child: ChildProcess | null = null;

  constructor(options: SmiOptions) {
    this.#options = options;
    this.#path = `${options.env["PATH"] ?? DEFAULT_PATH}:${MORE_FOLDERS}`;
  }

  get isInstalled(): boolean {
    return hasProgram("nvidia-smi", { path: this.#path, cwd: "/" });
  }

  /** Answers within the time limit. One question at a time: who asks another while one is under way is a bug. */
  ask(args: readonly string[]): Promise<SmiAnswer> {
    if (this.#child !== null) return Promise.resolve({ kind: "silent" });
    return new Promise((answer) => {
      let child: ChildProcess;
      try {
        child = this.#start(args);
      } catch (error) {
        answer({ kind: "refused", why: (error as Error).message });
        return;
      }
      this.#child = child;
      let text = "";
      const endLimit = timeLimit(this.#options.timeoutMs ?? TIMEOUT_MS, () => {
        this.#kill();
        answer({ kind: "silent" });
      });
      const isGone = (last: SmiAnswer): void => {
        if (this.#child === child) this.#child = null;
        endLimit();
        answer(last);
      };
      child.stdout?.setEncoding("utf8").on("data", (piece: string) => {
        text = (text + piece).slice(0, MOST_BYTES);
      });
      child.on("error", (error) => isGone({ kind: "refused", why: error.message }));
      child.on("close", (code) => isGone({ kind: "said", text, exit: code }));
    });
  }

  /** What is under way is not waited for. */
  close(): void {
    this.#kill();
  }

  #start(args: readonly string[]): ChildProcess {
    if (this.#options.start !== undefined) return this.#options.start(args);
    return asGiven(() =>
      spawn("nvidia-smi", args, {
        env: { ...this.#options.env, PATH: this.#path, LC_ALL: "C" },
        cwd: "/",
        detached: true,
        stdio: ["ignore", "pipe", "ignore"],
      }),
    );
  }

  #kill(): void {
    const { pid, exitCode = 0, signalCode = null } = this.#child ?? {};
    if (pid === undefined || exitCode !== null || signalCode !== null) return;
    this.#child?.stdout?.destroy();
    try {
      process.kill(-pid, "SIGKILL"); // It is not reaped, so the number is its own.
    } catch {
      // It ended in this moment.
    }
  }
}
