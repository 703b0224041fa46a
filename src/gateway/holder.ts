/**
 * The process that holds the ports and does nothing else, so that the one that works can be replaced without a connection
 * being refused: it dies, or `svctl reload gateway` (SIGHUP) starts the next one, and whoever connects meanwhile waits in the
 * queue of a port that was never closed.
 *
 * A port is bound here and listened on there: this process never accepts anything.
 */
import { type ChildProcess, fork } from "node:child_process";
import net from "node:net";
import type { FromHolder, ToHolder } from "./holder-messages.ts";

/** Bound, and not listened on. Undocumented, and what node:cluster opens its ports with. */
interface Handle {
  close(): void;
  getsockname(into: { port?: number }): number;
}
type CreateHandle = (host: string, port: number, type: 4 | 6, fd: number, flags: number) => Handle | number;
const createHandle = (net as unknown as { _createServerHandle: CreateHandle })._createServerHandle;

const START_MS = 30_000;
const AGAIN_MS = 200;
const AGAIN_AT_MOST_MS = 5_000;
/** Below the `stop_grace_period` of services.d/gateway.yaml. */
const DRAIN_MS = 20_000;

export function runHolder(program: string): void {
  const handles = new Map<number, Handle>();
  const workers = new Set<ChildProcess>();
  let current: ChildProcess | null = null;
  let failures = 0;
  let isLeaving = false;

  const tell = (worker: ChildProcess, message: FromHolder, handle?: Handle): void => {
    if (worker.connected) worker.send(message, handle as never, { keepOpen: true }, () => {});
  };

  const open = (worker: ChildProcess, port: number, host: string): void => {
    let handle = handles.get(port);
    if (handle === undefined) {
      const made = createHandle(host, port, host.includes(":") ? 6 : 4, -1, 0);
      if (typeof made === "number") return tell(worker, { is: "failed", port, code: codeOf(made) });
      // A port that is taken shows only in that it was not bound, and who listens then gets any other one.
      const bound: { port?: number } = {};
      made.getsockname(bound);
      if (bound.port !== port) {
        made.close();
        return tell(worker, { is: "failed", port, code: "EADDRINUSE" });
      }
      handle = made;
      handles.set(port, handle);
    }
    tell(worker, { is: "opened", port }, handle);
  };

  const start = (): void => {
    const worker = fork(program, ["--worker"], {
      stdio: ["ignore", "inherit", "inherit", "ipc"],
      execArgv: WORKER_FLAGS,
      env: { ...process.env, ...WORKER_MALLOC },
    });
    workers.add(worker);
    const tooLate = setTimeout(() => {
      console.error("gateway: the new worker does not become ready; it is ended");
      worker.kill("SIGKILL");
    }, START_MS);
    worker.on("message", (message: ToHolder) => {
      switch (message.is) {
        case "open":
          return open(worker, message.port, message.host);
        case "shut":
          // The older of two must not close what the newer has just opened.
          if (worker !== current) return;
          handles.get(message.port)?.close();
          handles.delete(message.port);
          return;
        case "ready": {
          clearTimeout(tooLate);
          failures = 0;
          const before = current;
          current = worker;
          if (before !== null && before !== worker) tell(before, { is: "leave", mostMs: null, keepsIdle: true });
        }
      }
    });
    worker.on("error", () => {}); // `exit` follows, or it never began.
    worker.on("exit", (code, signal) => {
      clearTimeout(tooLate);
      workers.delete(worker);
      const wasCurrent = current === worker || current === null;
      if (current === worker) current = null;
      if (isLeaving) {
        if (workers.size === 0) process.exit(0);
        return;
      }
      if (!wasCurrent) return; // It was replaced, or never took over.
      failures++;
      console.error(`gateway: the worker ended (${signal ?? code}); the next one is started, connections wait`);
      if (failures > MOST_FAILURES) process.exit(1);
      setTimeout(start, Math.min(AGAIN_AT_MOST_MS, AGAIN_MS * 2 ** (failures - 1)));
    });
  };

  const leave = (): void => {
    if (isLeaving) return;
    isLeaving = true;
    // Refused at once is better than taken and never answered.
    for (const handle of handles.values()) handle.close();
    for (const worker of workers) tell(worker, { is: "leave", mostMs: DRAIN_MS, keepsIdle: false });
    if (workers.size === 0) process.exit(0);
    setTimeout(() => {
      for (const worker of workers) worker.kill("SIGKILL");
      process.exit(0);
    }, DRAIN_MS + 3_000);
  };

  process.on("SIGTERM", leave);
  process.on("SIGINT", leave);
  process.on("SIGHUP", () => isLeaving || start());
  start();
}

/** Its garbage is young: with room for 2 MB of it half as much grows old as with 1 (measured, scripts/bench-gateway.mjs). */
const WORKER_FLAGS = ["--max-semi-space-size=2"];
/** Buffers of bodies come and go; glibc shall give them back. It takes a sixth off the memory after large bodies. */
const WORKER_MALLOC = { MALLOC_ARENA_MAX: "1", MALLOC_TRIM_THRESHOLD_: "131072", MALLOC_MMAP_THRESHOLD_: "32768" };

/** Then svcd shall know that it does not work. */
const MOST_FAILURES = 8;

function codeOf(error: number): string {
  try {
    return process.getBuiltinModule("node:util").getSystemErrorName(error);
  } catch {
    return String(error);
  }
}
