/**
 * A request that is answered with an error: the status of HTTP, and the four words of `{"error": …}` that tell a person
 * what happened, where, and what to do. Routes throw it; the server writes it down.
 */
import type { OperatorError } from "../ports.ts";

/** `{"error": …}` on the wire. */
export interface ErrorBody {
  readonly error: {
    /** For programs: stays the same when the words change. */
    readonly code: string;
    readonly what: string;
    readonly where: string;
    readonly fix: string;
  };
}

export class Refusal extends Error {
  override readonly name = "Refusal";
  readonly status: number;
  readonly code: string;
  readonly what: string;
  readonly fix: string;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, code: string, what: string, fix: string, headers: Readonly<Record<string, string>> = {}) {
    super(what);
    this.status = status;
    this.code = code;
    this.what = what;
    this.fix = fix;
    this.headers = headers;
  }

  /** `where` is the request, as a person would write it. */
  body(where: string): ErrorBody {
    return { error: { code: this.code, what: this.what, where, fix: this.fix } };
  }
}

/** The daemon's own words, when it cannot do what was asked. */
export function bodyOf(error: OperatorError): ErrorBody {
  return { error: { code: "cannot_be_done", what: error.what, where: error.where, fix: error.fix } };
}

/** A bug in svcd: the details stay in svcd's log, found again by the reference. */
export function bodyOfBug(reference: string, where: string): ErrorBody {
  return {
    error: {
      code: "internal",
      what: `svcd made a mistake of its own while answering (reference ${reference})`,
      where,
      fix: `look for ${reference} in svcd's log and report what it says there; services are not affected`,
    },
  };
}

/** What a client wrote, fit for a message that ends up on a terminal: on one line, not endless, no escape sequences. */
export function printable(text: string, longest = 100): string {
  const plain = text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, "?");
  return plain.length > longest ? `${plain.slice(0, longest - 1)}…` : plain;
}
