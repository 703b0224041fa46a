/**
 * Asks a service over the network whether it is well, once: a GET that must be answered with 200 to 399, or a connection
 * that must be accepted. Every question has its own connection and its own time limit, and gets exactly one answer.
 */
import { type IncomingMessage, request as requestHttp } from "node:http";
import { connect } from "node:net";
import { formatDuration } from "../plan/units.ts";
import type { ProbeResult } from "../probe/health.ts";
import { timeLimit } from "./time-limit.ts";

type OnAnswer = (result: ProbeResult) => void;

/** Politeness: a body cut off shows up in the server's log. More than this is no health answer. */
const MOST_BODY = 64 * 1024;

/** The function that is returned ends it without an answer. */
export function probeHttp(url: string, timeoutMs: number, onAnswer: OnAnswer): () => void {
  const target = new URL(url);
  const place = placeOf(target);
  const ask = once(onAnswer, timeoutMs, () => request.destroy());
  const isSecure = target.protocol === "https:";
  // Most checks are plain: TLS is loaded by the first that is not.
  const start = isSecure ? process.getBuiltinModule("node:https").request : requestHttp;
  const request = start(target, {
    agent: false, // No connection is kept: a new one is part of the question.
    headers: { "user-agent": "svcd", accept: "*/*", connection: "close" },
    ...(isSecure && { rejectUnauthorized: !isLoopback(target.hostname) }),
  });
  request.on("response", (response: IncomingMessage) => {
    const status = response.statusCode ?? 0;
    ask.answer({ passed: status >= 200 && status < 400, detail: `HTTP ${status}` });
    discard(response);
  });
  request.on("error", (error) => ask.answer({ passed: false, detail: describeFailure(error, place) }));
  request.on("close", () => ask.over()); // Until then, or the time limit, the body may go on.
  request.end();
  return ask.cancel;
}

export function probeTcp(host: string, port: number, timeoutMs: number, onAnswer: OnAnswer): () => void {
  const place = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const ask = once(onAnswer, timeoutMs, () => socket.destroy());
  const socket = connect({ host, port });
  socket.on("connect", () => {
    ask.answer({ passed: true, detail: `${place} accepts connections` });
    socket.destroy();
  });
  socket.on("error", (error) => ask.answer({ passed: false, detail: describeFailure(error, place) }));
  socket.on("close", () => ask.over());
  return ask.cancel;
}

interface Question {
  /** Only the first answer counts. */
  answer(result: ProbeResult): void;
  /** The connection is closed: nothing more can come. */
  over(): void;
  cancel(): void;
}

function once(onAnswer: OnAnswer, timeoutMs: number, close: () => void): Question {
  let answered = false;
  const answer = (result: ProbeResult): void => {
    if (answered) return;
    answered = true;
    onAnswer(result);
  };
  const endLimit = timeLimit(timeoutMs, () => {
    close();
    answer({ passed: false, detail: `no answer within ${formatDuration(timeoutMs)}` });
  });
  const cancel = (): void => {
    answered = true;
    endLimit();
    close();
  };
  const over = (): void => {
    endLimit();
    answer({ passed: false, detail: "the connection was closed without an answer" });
  };
  return { answer, over, cancel };
}

function discard(response: IncomingMessage): void {
  let read = 0;
  response.on("data", (bytes: Buffer) => {
    read += bytes.length;
    if (read > MOST_BODY) response.destroy();
  });
  response.on("error", () => {}); // It has answered; how it ends does not matter.
}

export function placeOf({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
}

/** A certificate for 127.0.0.1 is nearly always one that its owner signed. */
export function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);
}

const FAILURES: Readonly<Record<string, string>> = {
  ECONNREFUSED: "connection refused",
  ECONNRESET: "the connection was closed without an answer",
  EPIPE: "the connection was closed without an answer",
  ENOTFOUND: "no such host",
  EAI_AGAIN: "the name of the host cannot be looked up now",
  EHOSTUNREACH: "no route to the host",
  ENETUNREACH: "no route to the network",
  ETIMEDOUT: "no answer from the network",
  EPROTO: "it answers, but not in TLS",
};

export function describeFailure(error: NodeJS.ErrnoException, place: string): string {
  // `localhost` has two addresses; what each of them said stands in `errors`.
  const [first] = error instanceof AggregateError ? (error.errors as NodeJS.ErrnoException[]) : [error];
  const { code = "", message } = first ?? error;
  if (code.startsWith("HPE_")) return `it answers, but not in HTTP (${place})`;
  if (/CERT|SIGNATURE|ISSUER/.test(code)) return `its certificate is not accepted: ${message} (${place})`;
  return `${FAILURES[code] ?? message} (${place})`;
}
