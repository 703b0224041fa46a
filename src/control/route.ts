/**
 * What a route is made of: a path, what a request may hold, what is answered, and the call in between.
 */
import type { Writable } from "node:stream";
import type * as v from "valibot";
import type { Daemon } from "./daemon.ts";
import type { streamEvents } from "./event-stream.ts";
import type { streamLog } from "./log-stream.ts";
import type { RunCounts } from "./run-counts.ts";
import * as wire from "./wire.ts";

export interface House {
  readonly daemon: Daemon;
  /** OpenAPI as text, made when svcd is built; null: this one was built without. */
  readonly openapi: string | null;
  readonly now: () => Date;
  readonly runCounts: RunCounts;
  readonly patience: {
    readonly log: Parameters<typeof streamLog>[4];
    readonly events: Parameters<typeof streamEvents>[3];
  };
}

export type Answer =
  /** `afterwards` runs once the answer has been handed over. */
  | {
      readonly is: "json";
      readonly status: number;
      readonly body: unknown;
      readonly headers?: Readonly<Record<string, string>>;
      readonly afterwards?: () => void;
    }
  | { readonly is: "text"; readonly type: string; readonly text: string }
  | { readonly is: "stream"; readonly run: (client: Client) => Running };

/** The client of an answer that goes on. Nothing may be written before `head` was called. */
export interface Client {
  readonly out: Writable;
  head(headers: Readonly<Record<string, string>>): void;
}

export interface Running {
  /** false: there was nothing to stream, and nothing was sent. */
  readonly done: Promise<unknown>;
  stop(): void;
}

export interface Asked<Query, Body> {
  /** The captured parts of the path, decoded; empty where the path has none. */
  readonly name: string;
  readonly run: string;
  readonly query: Query;
  readonly body: Body;
  readonly lastEventId: string | null;
  readonly house: House;
}

export type Schema<Output> = v.GenericSchema<unknown, Output>;

export type Answers =
  | { readonly type: "application/json"; readonly schema: v.GenericSchema; readonly status: 200 | 202 }
  | { readonly type: "text/event-stream"; readonly schema: v.GenericSchema }
  | { readonly type: "text/plain" };

export interface Route {
  readonly method: "GET" | "POST";
  /** Segments; `{…}` captures one. */
  readonly path: string;
  /** One sentence. */
  readonly does: string;
  readonly query: v.GenericSchema;
  /** null: the request has no body. */
  readonly body: v.GenericSchema | null;
  readonly answers: Answers;
  readonly answer: (asked: Asked<unknown, unknown>) => Answer | Promise<Answer>;
}

export function get<Query>(
  path: string,
  does: string,
  query: Schema<Query>,
  answers: Answers,
  answer: (asked: Asked<Query, null>) => Answer | Promise<Answer>,
): Route {
  return { method: "GET", path, does, query, body: null, answers, answer: answer as Route["answer"] };
}

export function post<Body>(
  path: string,
  does: string,
  body: Schema<Body>,
  answers: Answers,
  answer: (asked: Asked<unknown, Body>) => Answer | Promise<Answer>,
): Route {
  return { method: "POST", path, does, query: wire.NoQuery, body, answers, answer: answer as Route["answer"] };
}

export const json = (schema: v.GenericSchema, status: 200 | 202 = 200): Answers => ({
  type: "application/json",
  schema,
  status,
});
export const TEXT: Answers = { type: "text/plain" };

export function ok(body: unknown): Extract<Answer, { is: "json" }> {
  return { is: "json", status: 200, body };
}
