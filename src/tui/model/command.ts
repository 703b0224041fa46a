/** What the edge is asked to do. Everything else is decided here and has no other effect. */
import type { Draft } from "./model.ts";

export type Deed =
  | {
      readonly kind: "start" | "stop" | "restart" | "reload" | "kill" | "hard restart" | "enable" | "disable" | "clear";
    }
  | { readonly kind: "signal"; readonly signal: string }
  | { readonly kind: "run"; readonly isForced: boolean }
  | { readonly kind: "pause" | "resume" | "end runs" };

export type Question =
  | { readonly about: "everything" }
  | { readonly about: "detail" | "why" | "runs" | "job why" | "job detail" | "history"; readonly name: string }
  | { readonly about: "routes" }
  | { readonly about: "details"; readonly names: readonly string[] };

export type Command =
  | { readonly do: "ask"; readonly question: Question }
  | { readonly do: "act"; readonly deed: Deed; readonly names: readonly string[] }
  | { readonly do: "edit"; readonly file: string; readonly line: number; readonly subject: string }
  | { readonly do: "edit again" | "install" | "discard"; readonly draft: Draft }
  | { readonly do: "copy"; readonly text: string }
  | { readonly do: "mouse"; readonly on: boolean }
  | { readonly do: "redraw" }
  | { readonly do: "quit" };

/** As a person says it: “web is stopped”. */
export function verbOf(deed: Deed): string {
  switch (deed.kind) {
    case "signal":
      return `SIG${deed.signal}`;
    case "run":
      return "run";
    case "kill":
      return "killed";
    case "hard restart":
      return "restarted hard";
    default:
      return deed.kind;
  }
}
