/** The small words that all definitions of the wire are made of. */
import * as v from "valibot";

export const text = (description: string) => v.pipe(v.string(), v.description(description));
export const moment = (description: string) => text(`${description} (ISO 8601)`);
export const count = (description: string) => v.pipe(v.number(), v.description(description));
export const names = (description: string) => v.pipe(v.array(v.string()), v.description(description));

/** Parameters arrive as text. Seven digits: more lines than any log keeps, and no number that loses its last digits. */
export const wholeNumber = (description: string) =>
  v.pipe(v.string(), v.regex(/^\d{1,7}$/, "a whole number from 0 to 9999999"), v.description(description));
