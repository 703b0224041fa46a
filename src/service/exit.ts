/**
 * How a run ended, as the parent learned it from wait(2), and how people read it.
 */
import { SIGNAL_NUMBERS, type Signal } from "./policy.ts";

export type Exit =
  | { readonly kind: "code"; readonly code: number }
  | { readonly kind: "signal"; readonly signal: Signal }
  /** It died while nobody who could ask the kernel was there. */
  | { readonly kind: "unknown" };

export function isSuccess(exit: Exit, successExitCodes: readonly number[]): boolean {
  return exit.kind === "code" && successExitCodes.includes(exit.code);
}

/** As a shell tells it in `$?`: 128 and the signal's number for a signal; 1 where nothing is known. */
export function exitStatus(exit: Exit): number {
  switch (exit.kind) {
    case "code":
      return exit.code;
    case "signal":
      return 128 + (SIGNAL_NUMBERS[exit.signal] ?? 0);
    case "unknown":
      return 1;
  }
}

/** "exit 3", "killed by SIGSEGV"; unknown is how a process ends that another svcd started, or while none was there. */
export function describeExit(exit: Exit): string {
  switch (exit.kind) {
    case "code":
      return `exit ${exit.code}`;
    case "signal":
      return `killed by ${exit.signal}`;
    case "unknown":
      return "ended, exit status unknown";
  }
}
