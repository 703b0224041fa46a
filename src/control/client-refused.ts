/**
 * svcd answered, and the answer is an error: its four words as a thrown value.
 */
import type { ErrorBody } from "./refusal.ts";

export class Refused extends Error {
  override readonly name = "Refused";
  readonly status: number;
  /** "unknown_service", "bad_request", "cannot_be_done" … */
  readonly code: string;
  readonly what: string;
  readonly where: string;
  readonly fix: string;

  constructor(status: number, { code, what, where, fix }: ErrorBody["error"]) {
    super(`${what}\n  where: ${where}\n  fix:   ${fix}`);
    this.status = status;
    this.code = code;
    this.what = what;
    this.where = where;
    this.fix = fix;
  }
}

export function refusedBy(status: number, text: string): Refused {
  try {
    const { error } = JSON.parse(text) as ErrorBody;
    if (typeof error.what === "string") return new Refused(status, error);
  } catch {
    // Not one of svcd's; said below.
  }
  const what = `svcd answered ${status} without a reason`;
  const fix = "this svctl and svcd may be of different versions: compare `svctl version` with `svctl avail`";
  return new Refused(status, { code: "no_reason", what, where: "the control socket", fix });
}
