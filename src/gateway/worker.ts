/**
 * The process that does the work. Its ports come from the holder that started it, which keeps them open when this process is
 * replaced or dies; connections wait there meanwhile.
 */
import { existsSync } from "node:fs";
import type { Server } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { places } from "../places.ts";
import { createLog, openOutput } from "./access-log.ts";
import { Gateway } from "./gateway.ts";
import type { FromHolder, ToHolder } from "./holder-messages.ts";
import { readSettings } from "./settings.ts";
import { GATEWAY_STATE } from "./token-book.ts";

/** On `svctl reload` there is no hurry: the next one works already. */
const LEAVE_MS = 600_000;

export async function runWorker(): Promise<void> {
  const root = process.env["SVCD_ROOT"] || null;
  const where = places({ root, env: process.env, uid: process.getuid?.() ?? 0, exists: existsSync });
  const { settings, remarks } = readSettings(process.env, hostname());
  const log = createLog(openOutput(), settings.accessLog);
  const waiting = new Map<number, { readonly server: Server; done(): void; failed(error: Error): void }>();
  const say = (message: ToHolder): void => void (process.connected && process.send?.(message));
  const gateway = new Gateway({
    settings,
    remarks,
    log,
    socketPath: where.socket,
    stateDir: join(where.state, GATEWAY_STATE),
    runDir: where.run,
    onShut: (port) => say({ is: "shut", port }),
    opening: (server, port) =>
      new Promise((done, failed) => {
        waiting.set(port, { server, done, failed });
        say({ is: "open", port, host: settings.host });
      }),
  });

  process.on("message", (message: FromHolder, handle: unknown) => {
    switch (message.is) {
      case "opened": {
        const asked = waiting.get(message.port);
        waiting.delete(message.port);
        if (asked === undefined) return;
        asked.server.once("error", asked.failed).listen(handle, () => asked.done());
        return;
      }
      case "failed": {
        const asked = waiting.get(message.port);
        waiting.delete(message.port);
        asked?.failed(Object.assign(new Error(message.code), { code: message.code }));
        return;
      }
      case "leave":
        void gateway.leave(message.mostMs ?? LEAVE_MS, message.keepsIdle).then(() => process.exit(0));
        return;
    }
  });
  // Without its holder nobody would ever replace it.
  process.on("disconnect", () => void gateway.leave(5_000, false).then(() => process.exit(1)));
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => {}); // The holder says what to do.
  process.on("uncaughtException", (error) => {
    log.warn(`a bug in the gateway: ${error.stack ?? error}`);
    log.flush();
    process.exit(70);
  });
  await gateway.start();
  log.info(`gateway: ready, /metrics on 127.0.0.1:${gateway.statusPort}; the token: svctl token`);
  say({ is: "ready" });
}
