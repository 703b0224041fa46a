/**
 * The question that a start must answer well before it counts as ready: `smoke:` in a service file. A model server whose
 * health is fine can still rank nonsense, because an override or a template is missing; nobody but a question finds out.
 *
 * The whole of it has one time limit, and exactly one answer.
 */
import { type IncomingMessage, request as requestHttp } from "node:http";
import type { ResolvedSmoke } from "../plan/environment.ts";
import { formatDuration } from "../plan/units.ts";
import type { ProbeResult } from "../probe/health.ts";
import { withinTime } from "./bounded-match.ts";
import { describeFailure, isLoopback, placeOf } from "./network-probe.ts";
import { timeLimit } from "./time-limit.ts";

/** The function that is returned ends it without an answer. */
export function askSmoke(smoke: ResolvedSmoke, timeoutMs: number, onAnswer: (result: ProbeResult) => void): () => void {
  const abort = new AbortController();
  let isOver = false;
  const answer = (result: ProbeResult): void => {
    if (isOver) return;
    isOver = true;
    endLimit();
    onAnswer({ ...result, smoke: true });
  };
  const endLimit = timeLimit(timeoutMs, () => {
    answer(failed(`no answer from ${smoke.url} within ${formatDuration(timeoutMs)}`));
    abort.abort();
  });
  const asked = smoke.kind === "score" ? askScores(smoke, abort.signal) : askOnce(smoke, abort.signal);
  asked.then(answer, (error: Error) => answer(failed(`${smoke.url}: ${error.message}`)));
  return () => {
    isOver = true;
    endLimit();
    abort.abort();
  };
}

type Score = Extract<ResolvedSmoke, { kind: "score" }>;
type Once = Extract<ResolvedSmoke, { kind: "http" }>;

/** Both pairs in one request, as vLLM's `/score` takes them (1:N), and in two where a server takes only one. */
async function askScores({ url, query, matching, unrelated }: Score, signal: AbortSignal): Promise<ProbeResult> {
  const model = await modelOf(url, signal);
  const ask = (text: string | string[]): Promise<Answer> => {
    const body = { ...(model !== null && { model }), text_1: query, text_2: text };
    return send("POST", url, JSON.stringify(body), signal);
  };
  const { status, text } = await ask([matching, unrelated]);
  if (status === 404) {
    return failed(
      `${url} is not there (HTTP 404): the model was loaded for another task, so a runner or an override is missing`,
    );
  }
  if (status !== 200) return failed(`${url}: HTTP ${status}${said(text)}`);
  const [good, bad] = scoresIn(text);
  if (good === undefined || bad === undefined) return failed(`${url} answers without two scores${said(text)}`);
  if (!(good > bad)) {
    const how =
      good === bad ? `both texts alike (${short(good)})` : `an unrelated text higher (${short(bad)} > ${short(good)})`;
    return failed(`scores ${how}: wrong overrides or template`);
  }
  return { passed: true, detail: `scores in order (${short(good)} > ${short(bad)})` };
}

/** As vLLM names it itself; older versions want it. Null: it does not say (another server, or its list is guarded by a key). */
async function modelOf(url: string, signal: AbortSignal): Promise<string | null> {
  const { status, text } = await send("GET", new URL("/v1/models", url).href, null, signal);
  if (status !== 200) return null;
  try {
    const { data } = JSON.parse(text) as { data?: { id?: unknown }[] };
    const id = data?.[0]?.id;
    return typeof id === "string" ? id : null;
  } catch {
    return null;
  }
}

function scoresIn(text: string): number[] {
  try {
    const { data } = JSON.parse(text) as { data?: { index?: number; score?: unknown }[] };
    const inOrder = [...(data ?? [])].sort((a, b) => (a.index ?? 0) - (b.index ?? 0));
    return inOrder.map(({ score }) => score).filter((score) => typeof score === "number");
  } catch {
    return [];
  }
}

async function askOnce({ url, method, body, expect }: Once, signal: AbortSignal): Promise<ProbeResult> {
  const { status, text } = await send(method, url, body, signal);
  if (status < 200 || status >= 400) return failed(`${url}: HTTP ${status}${said(text)}`);
  if (expect === null) return { passed: true, detail: `HTTP ${status}` };
  const matches = withinTime(() => new RegExp(expect).test(text));
  if (matches === undefined)
    return failed(`/${expect}/ takes too long on the answer of ${url}: write a simpler pattern`);
  return matches
    ? { passed: true, detail: `HTTP ${status}, as expected` }
    : failed(`${url} answers something else than /${expect}/${said(text)}`);
}

function failed(detail: string): ProbeResult {
  return { passed: false, detail };
}

// One request.

interface Answer {
  readonly status: number;
  readonly text: string;
}

/** What is beyond it is no answer that a smoke test is about. */
const MOST_BODY = 1_048_576;
const SAID = 160;

function send(method: string, url: string, body: string | null, signal: AbortSignal): Promise<Answer> {
  const target = new URL(url);
  const isSecure = target.protocol === "https:";
  const start = isSecure ? process.getBuiltinModule("node:https").request : requestHttp;
  return new Promise((resolve, reject) => {
    const request = start(target, {
      method,
      agent: false,
      signal,
      headers: {
        "user-agent": "svcd",
        accept: "*/*",
        connection: "close",
        ...(body !== null && { "content-type": typeOf(body), "content-length": Buffer.byteLength(body) }),
      },
      ...(isSecure && { rejectUnauthorized: !isLoopback(target.hostname) }),
    });
    request.on("response", (response: IncomingMessage) => {
      const pieces: Buffer[] = [];
      let length = 0;
      response.on("data", (piece: Buffer) => {
        length += piece.length;
        if (length <= MOST_BODY) pieces.push(piece);
        else request.destroy(new Error("the answer is larger than 1 MiB"));
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(pieces).toString("utf8") }),
      );
      response.on("error", reject);
    });
    request.on("error", (error) => reject(new Error(describeFailure(error, placeOf(target)))));
    request.end(body ?? undefined);
  });
}

function typeOf(body: string): string {
  try {
    JSON.parse(body);
    return "application/json";
  } catch {
    return "text/plain; charset=utf-8";
  }
}

function said(text: string): string {
  const line = text.replaceAll(/\s+/g, " ").trim();
  if (line === "") return "";
  return `: ${line.length > SAID ? `${line.slice(0, SAID)}…` : line}`;
}

function short(score: number): string {
  return String(Number(score.toPrecision(3)));
}
