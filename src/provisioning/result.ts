/** How a step ended. What the world may do is a value: nothing of it is thrown. */
export type Result =
  | {
      readonly ok: true;
      /** It had nothing to do. */
      readonly skipped?: boolean;
      readonly bytes?: number | null;
      readonly note?: string | null;
      /** SHA-256 of a script. */
      readonly content?: string;
    }
  | Failed;

export interface Failed {
  readonly ok: false;
  /** In one line, with the real names and numbers. */
  readonly cause: string;
  /** What a person can do; null: nobody knows. */
  readonly fix: string | null;
  /** Another try now would end the same way. */
  readonly permanent: boolean;
}

export function failure(cause: string, fix: string | null = null, permanent = false): Failed {
  return { ok: false, cause, fix, permanent };
}

/** Thrown when provisioning itself is asked to end: it is no failure of the step. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
}
