/**
 * Whether this machine wants a service, and if not, why: the sentence behind `SKIPPED (…)`.
 *
 * Facts come in as functions, so the same condition can be asked of a real machine, a simulated one, or the one that
 * `svctl plan` imagines.
 */
import { interpolate } from "./interpolate.ts";
import type { Condition } from "./plan.ts";

export interface Facts {
  /** The environment that the service would have. */
  readonly env: Readonly<Record<string, string | undefined>>;
  hasCommand(name: string): boolean;
  fileExists(path: string): boolean;
}

/** null when the condition holds, else the reason: "MODEL_NAME is not set". */
export function unmet(condition: Condition, facts: Facts): string | null {
  switch (condition.kind) {
    case "env":
    case "command":
    case "file": {
      const fact = factOf(condition, facts);
      return fact.holds ? null : fact.sentence;
    }
    case "not":
      return met(condition.condition, facts);
    case "all":
      return condition.conditions.map((one) => unmet(one, facts)).find((reason) => reason !== null) ?? null;
    case "any": {
      const reasons = condition.conditions.map((one) => unmet(one, facts));
      return reasons.includes(null) ? null : reasons.join(" and ");
    }
  }
}

/** The other way round, for `not`: null when the condition does not hold, else why it does: "MODEL_NAME is set". */
function met(condition: Condition, facts: Facts): string | null {
  switch (condition.kind) {
    case "env":
    case "command":
    case "file": {
      const fact = factOf(condition, facts);
      return fact.holds ? fact.sentence : null;
    }
    case "not":
      return unmet(condition.condition, facts);
    case "all": {
      const reasons = condition.conditions.map((one) => met(one, facts));
      return reasons.includes(null) ? null : reasons.join(" and ");
    }
    case "any":
      return condition.conditions.map((one) => met(one, facts)).find((reason) => reason !== null) ?? null;
  }
}

function factOf(
  condition: Extract<Condition, { kind: "env" | "command" | "file" }>,
  facts: Facts,
): { holds: boolean; sentence: string } {
  switch (condition.kind) {
    case "env": {
      const value = Object.hasOwn(facts.env, condition.name) ? facts.env[condition.name] : undefined;
      if (value === undefined) return { holds: false, sentence: `${condition.name} is not set` };
      return value === ""
        ? { holds: false, sentence: `${condition.name} is empty` }
        : { holds: true, sentence: `${condition.name} is set` };
    }
    case "command": {
      const holds = facts.hasCommand(condition.program);
      return {
        holds,
        sentence: holds
          ? `there is a program \`${condition.program}\` on PATH`
          : `no program \`${condition.program}\` on PATH`,
      };
    }
    case "file": {
      const path = interpolate(condition.path, (name) =>
        Object.hasOwn(facts.env, name) ? facts.env[name] : undefined,
      );
      if (!path.ok) return { holds: false, sentence: path.flaw.what };
      if (path.value.text === "") return { holds: false, sentence: `${condition.path} names no file` };
      const holds = facts.fileExists(path.value.text);
      return { holds, sentence: holds ? `${path.value.text} exists` : `${path.value.text} does not exist` };
    }
  }
}
