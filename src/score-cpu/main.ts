/**
 * The program: HOST and PORT in, one line when it starts to listen and one when it ends. SIGTERM or SIGINT: no new
 * connections, running requests are finished, exit 0.
 */
import { MODEL } from "./request.ts";
import { scoreServer } from "./server.ts";

/** Longer than any request may take to be answered, shorter than svcd's default patience at a stop (10 s). */
const DRAIN_MS = 8_000;

const host = process.env["HOST"] || "127.0.0.1";
const portText = process.env["PORT"] || "18000";
const port = /^\d{1,5}$/.test(portText) ? Number(portText) : Number.NaN;
if (!(port <= 65535)) giveUp(`PORT is "${portText}"`, "set PORT to a number from 0 to 65535, for example 18000");

const server = scoreServer();
server.on("error", (error: NodeJS.ErrnoException) => {
  const at = `cannot listen on ${host}:${port}`;
  switch (error.code) {
    case "EADDRINUSE":
      return giveUp(
        `${at}: the port is in use`,
        `stop the program that has it (ss -ltnp 'sport = :${port}' names it), or choose another port: set PORT ` +
          "(SCORE_PORT for the shipped services.d/score-cpu.yaml)",
      );
    case "EACCES":
      return giveUp(`${at}: ports below 1024 need root`, "set PORT to 1024 or higher");
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return giveUp(
        `${at}: this machine has no such address`,
        "set HOST to 127.0.0.1, or to 0.0.0.0 for all addresses",
      );
    default:
      return giveUp(`${at}: ${error.message}`, "set HOST and PORT to an address that is free");
  }
});
server.listen(port, host, () => {
  const address = server.address();
  const actual = typeof address === "object" && address !== null ? address.port : port;
  console.log(`score-cpu: listening on http://${host}:${actual} with ${MODEL} (counts words, no neural model)`);
});

process.once("SIGTERM", drain);
process.once("SIGINT", drain);

function drain(signal: NodeJS.Signals): void {
  console.log(`score-cpu: ${signal}, finishing running requests`);
  server.close(() => process.exit(0)); // Idle connections are closed at once.
  setTimeout(() => {
    console.log("score-cpu: some requests did not finish in time and are cut off");
    process.exit(0);
  }, DRAIN_MS);
}

function giveUp(what: string, fix: string): never {
  console.error(`score-cpu: ${what}\n  fix:   ${fix}`);
  process.exit(1);
}
