/** What services and jobs may be called. */
import { type Flaw, quoted } from "./flaw.ts";

export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** Why this cannot be the name of a service or a job, or null. */
export function nameFlaw(name: string, kind: "service" | "job" = "service"): Flaw | null {
  const fix = "use letters, digits, `_`, `-` and `.`, at most 100, beginning with a letter or digit";
  if (name.length > 100) return { what: `the name of a ${kind} has ${name.length} characters`, fix };
  if (!NAME_PATTERN.test(name)) return { what: `${quoted(name)} cannot be the name of a ${kind}`, fix };
  if (name.endsWith(".stderr")) {
    return {
      what: `${quoted(name)} cannot be the name of a ${kind}: its log would be the stderr log of another`,
      fix: "choose a name that does not end in .stderr",
    };
  }
  return null;
}
