/**
 * What the control client throws, told by name: the client may come from another file of dist/ than this code, and then its classes
 * are others.
 */
import type { Refused, Unreachable } from "../../control/client.ts";

export function isRefused(error: unknown): error is Refused {
  return error instanceof Error && error.name === "Refused";
}

export function isUnreachable(error: unknown): error is Unreachable {
  return error instanceof Error && error.name === "Unreachable";
}

/** For the line at the foot of the screen. */
export function sentence(error: unknown): string {
  if (isRefused(error)) return error.fix === "" ? error.what : `${error.what}; ${error.fix}`;
  if (isUnreachable(error)) return "svcd cannot be reached now";
  return error instanceof Error ? error.message : String(error);
}
