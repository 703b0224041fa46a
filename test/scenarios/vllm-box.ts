/**
 * A box with a service `vllm` that runs the stand-in (`test/stand-ins/vllm`) and does what the story tells it, step by step.
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:net";
import { resolve } from "node:path";
import type { TestContext } from "node:test";
import { Box, type BoxOptions, isAlive } from "./box.ts";

export const STAND_IN = resolve(import.meta.dirname, "../stand-ins/vllm");

export interface VllmBox {
  readonly box: Box;
  readonly port: number;
  /** Tells the stand-in what to do next, and waits until it reads. */
  tell(words: string): Promise<void>;
  /** All processes that any of its runs has started, by their role: `API`, `VLLM::EngineCore`, `VLLM::Worker_TP0`. */
  tree(): { readonly pid: number; readonly role: string }[];
  /** Waits for a tree of the given size that is new since `before`. */
  treeOf(run: number, size?: number): Promise<{ readonly pid: number; readonly role: string }[]>;
  living(): number[];
  /** Who got TERM, in order. */
  terms(): string[];
}

export interface Vllm {
  /** More keys of the service. */
  readonly keys?: string;
  readonly args?: string;
  readonly environment?: Record<string, string>;
  readonly options?: BoxOptions;
  readonly startPeriod?: string;
}

/** Started, and waiting for its first word. */
export async function vllmBox(t: TestContext, { keys = "", args = "-tp 2", ...more }: Vllm = {}): Promise<VllmBox> {
  const box = Box.prepare(t, {}, more.options ?? {});
  const port = await freePort();
  await box.fifo("vllm.control");
  const environment = {
    VLLM_STAND_IN: box.root,
    VLLM_STAND_IN_GPUS: box.path("gpus"),
    HF_HOME: box.path("hf"),
    ...more.environment,
  };
  box.write(
    "vllm.yaml",
    `command: ${STAND_IN} serve Qwen/Qwen3-Reranker-0.6B --host 127.0.0.1 --port ${port} ${args}
environment: ${JSON.stringify(environment)}
healthcheck: { http: "http://127.0.0.1:${port}/health", interval: 200ms, timeout: 1s, retries: 2, start_period: ${more.startPeriod ?? "1m"} }
startsecs: 0s
${keys.includes("backoff:") ? "" : "backoff: { first: 1ms, longest: 1ms }\n"}${keys.includes("stop_to") ? "" : "stop_to: main\n"}${keys}
`,
  );
  await box.start();
  const tree = () =>
    box
      .file("vllm.pids")
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => ({ pid: Number(line.split(" ")[0]), role: line.split(" ")[1] as string }));
  return {
    box,
    port,
    tell: (words) => box.put("vllm.control", `${words}\n`),
    tree,
    treeOf: async (run, size = 4) => {
      await box.becomes(
        `run ${run} has all its processes`,
        () => tree().length >= run * size,
        () => box.log("vllm"),
      );
      return tree().slice((run - 1) * size, run * size);
    },
    living: () =>
      tree()
        .map(({ pid }) => pid)
        .filter(isAlive),
    terms: () =>
      box
        .file("vllm.terms")
        .split("\n")
        .filter((line) => line !== ""),
  };
}

/** As the kernel and `ps` show it. */
export function commOf(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, "utf8").trim();
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  return port;
}
