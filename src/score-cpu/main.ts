/**
 * The program: HOST and PORT in, and MODEL_NAME for a real model; one line when it starts to listen and one when it ends.
 * SIGTERM or SIGINT: no new connections, running requests are finished, exit 0.
 */
import { type Chosen, chooseRanker } from "./choose.ts";
import { ModelProblem } from "./onnx.ts";
import { scoreServer } from "./server.ts";

/** Longer than any request may take to be answered, shorter than svcd's default patience at a stop (10 s). */
const DRAIN_MS = 8_000;

const host = process.env["HOST"] || "127.0.0.1";
const portText = process.env["PORT"] || "18000";
const port = /^\d{1,5}$/.test(portText) ? Number(portText) : Number.NaN;
if (!(port <= 65535)) giveUp(`PORT is "${portText}"`, "set PORT to a number from 0 to 65535, for example 18000");

const leaveAtOnce = (): never => process.exit(0);
process.once("SIGTERM", leaveAtOnce).once("SIGINT", leaveAtOnce); // A model that is being loaded has nothing to finish.
chooseRanker(process.env).then(serve, (error: unknown) => {
  if (error instanceof ModelProblem) giveUp(error.message, error.fix);
  throw error;
});

function serve({ ranker, remark }: Chosen): void {
  const server = scoreServer(ranker);
  server.on("error", (error: NodeJS.ErrnoException) => giveUp(...cannotListen(error)));
  server.listen(port, host, () => {
    const address = server.address();
    const actual = typeof address === "object" && address !== null ? address.port : port;
    if (remark !== null) console.log(`score-cpu: ${remark}`);
    console.log(`score-cpu: listening on http://${host}:${actual} with ${ranker.model}. ${ranker.description}`);
  });

  const drain = (signal: NodeJS.Signals): void => {
    console.log(`score-cpu: ${signal}, finishing running requests`);
    server.close(() => process.exit(0)); // Idle connections are closed at once.
    setTimeout(() => {
      console.log("score-cpu: some requests did not finish in time and are cut off");
      process.exit(0);
    }, DRAIN_MS);
  };
  process.off("SIGTERM", leaveAtOnce).off("SIGINT", leaveAtOnce);
  process.once("SIGTERM", drain).once("SIGINT", drain);
}

function cannotListen(error: NodeJS.ErrnoException): [what: string, fix: string] {
  const at = `cannot listen on ${host}:${port}`;
  switch (error.code) {
    case "EADDRINUSE":
      return [
        `${at}: the port is in use`,
        `stop the program that has it (ss -ltnp 'sport = :${port}' names it), or choose another port: set PORT ` +
          "(SCORE_PORT for the shipped services.d/score-cpu.yaml)",
      ];
    case "EACCES":
      return [`${at}: ports below 1024 need root`, "set PORT to 1024 or higher"];
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return [`${at}: this machine has no such address`, "set HOST to 127.0.0.1, or to 0.0.0.0 for all addresses"];
    default:
      return [`${at}: ${error.message}`, "set HOST and PORT to an address that is free"];
  }
}

function giveUp(what: string, fix: string): never {
  console.error(`score-cpu: ${what}\n  fix:   ${fix}`);
  process.exit(1);
}
