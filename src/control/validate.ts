/**
 * A request against its definition: the value, or a Refusal that says which part is wrong and what to write instead.
 */
import * as v from "valibot";
import { suggestion } from "../plan/suggest.ts";
import { printable, Refusal } from "./refusal.ts";

const WRITE_OBJECT = "write an object, such as {}, or no body";

/** `part` is "parameter" or "field", as a person would call a member of it. */
export function validated<Output>(schema: v.GenericSchema<unknown, Output>, value: unknown, part: string): Output {
  // Valibot takes a list for an object without keys.
  if (Array.isArray(value)) throw new Refusal(400, "bad_request", "the body is a list, not an object", WRITE_OBJECT);
  const result = v.safeParse(schema, value, { abortEarly: true });
  if (result.success) return result.output;
  throw complaint(schema, result.issues[0], part);
}

function complaint(schema: v.GenericSchema, issue: v.BaseIssue<unknown>, part: string): Refusal {
  const path = v.getDotPath(issue);
  const refuse = (what: string, fix: string) => new Refusal(400, "bad_request", what, fix);
  if (path === null) return refuse("the body is not a JSON object", WRITE_OBJECT);
  if (issue.type === "strict_object" && issue.expected === "never") {
    const known = keysOf(schema);
    const otherwise = known.length === 0 ? `leave it out: no ${part} is known here` : `known: ${known.join(", ")}`;
    return refuse(`unknown ${part} \`${printable(path)}\``, suggestion(path, known, otherwise));
  }
  if (issue.type === "strict_object") return refuse(`the ${part} \`${path}\` is missing`, "add it");
  const expected =
    issue.kind === "validation" ? issue.message : (issue.expected ?? "something else").replace(/[()]/g, "");
  return refuse(`\`${path}\` is ${printable(issue.received, 60)}`, `write ${expected.replaceAll(" | ", " or ")}`);
}

function keysOf(schema: v.GenericSchema): readonly string[] {
  return "entries" in schema ? Object.keys(schema.entries as object) : [];
}
