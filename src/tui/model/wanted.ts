/** What the screen needs to be told from now on; the edge begins and ends streams and looks until it is so. */
import { isTooSmall } from "../view/layout.ts";
import { logNow, partKey } from "./logs.ts";
import type { Beginning, Model } from "./model.ts";

export interface LogWish {
  readonly key: string;
  readonly source:
    | { readonly kind: "service"; readonly name: string; readonly begin: Beginning; readonly until: number | null }
    | { readonly kind: "job"; readonly name: string; readonly run: number };
  /** Where it was read to; null: not at all. */
  readonly position: number | null;
}

export interface Wanted {
  readonly logs: readonly LogWish[];
  /** Use of services and machine, this often; null: nobody looks. */
  readonly sampleEveryMs: number | null;
  readonly gpus: boolean;
  readonly past: boolean;
  /** Something moves that is no fact: a spinner. */
  readonly animates: boolean;
}

const LOOKED_AT_MS = 2_000;
/** Only the header shows something of it. */
const BESIDE_MS = 10_000;
/** Merged logs begin with so many lines of each. */
const MERGED_LINES = 20;

export function wanted(model: Model): Wanted {
  const isThere = model.connection === "there" && !isTooSmall(model);
  return {
    logs: isThere ? logsWanted(model) : [],
    sampleEveryMs: !isThere ? null : model.view === "services" || model.view === "machine" ? LOOKED_AT_MS : BESIDE_MS,
    // Beside services only where there are some: a machine without GPUs is asked once.
    gpus: isThere && (model.view === "machine" || (model.view === "services" && typeof model.gpus !== "string")),
    past: model.view === "events" || model.pane === "why",
    animates: model.pending.size > 0 && !isTooSmall(model),
  };
}

function logsWanted(model: Model): readonly LogWish[] {
  const log = logNow(model);
  if (log === null || log.isOver) return [];
  const { key, source, position } = log;
  switch (source.kind) {
    case "service":
      return [{ key, source, position }];
    case "job":
      return [{ key, source, position }];
    case "merged":
      return source.names.map((name) => ({
        key: partKey(key, name),
        source: { kind: "service", name, begin: { lines: MERGED_LINES }, until: null },
        position: model.parts.get(partKey(key, name))?.position ?? null,
      }));
  }
}
