/** What all connections share. */
import type { Admission } from "./admission.ts";
import type { KeyRing } from "./key-ring.ts";
import type { Say, StrangerLog } from "./log-line.ts";
import type { Settings } from "./settings.ts";

export interface House {
  readonly settings: Settings;
  readonly ring: KeyRing;
  readonly admission: Admission;
  readonly say: Say;
  readonly strangers: StrangerLog;
  /** The program. */
  readonly svctl: string;
  /** Of svcd. */
  readonly socketPath: string;
  /** For svctl. */
  readonly env: Readonly<Record<string, string>>;
  /** A place among all commands and screens that run; null: there is none. */
  takePlace(): (() => void) | null;
  /** Milliseconds that only go forward. */
  now(): number;
}
