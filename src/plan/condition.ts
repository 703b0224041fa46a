/**
 * Whether this machine wants a service, and if not, why: the sentence behind `SKIPPED (…)`.
 *
 * Facts come in as functions, so the same condition can be asked of a real machine, a simulated one, or the one that
 * `svctl plan` imagines. What stands first is asked first, and of `all` and `any` no more than the answer needs: what costs
 * more to find out (who listens, what runs) is best written last.
 */
import { interpolate } from "./interpolate.ts";
import type { Condition } from "./plan.ts";

export interface Facts {
  /** The environment that the service would have. */
  readonly env: Readonly<Record<string, string | undefined>>;
  hasCommand(name: string): boolean;
  fileExists(path: string): boolean;
  /** Its beginning, as far as it is reasonable to look; empty for what cannot be read. */
  textOf(path: string): string;
  isListening(port: number): boolean;
  /** By the name of the process, as pidof(1) knows it. */
  isRunning(program: string): boolean;
  /** As whom svcd runs. */
  user(): string;
}

/** null when the condition holds, else the reason: "MODEL_NAME is not set". */
export function unmet(condition: Condition, facts: Facts): string | null {
  return reasonAgainst(condition, true, facts);
}

/** Why it is not as wanted (that the condition holds, or under `not` that it does not); null when it is. */
function reasonAgainst(condition: Condition, wanted: boolean, facts: Facts): string | null {
  switch (condition.kind) {
    case "not":
      return reasonAgainst(condition.condition, !wanted, facts);
    case "all":
    case "any": {
      // That not all hold is the same as that any does not: under `not` each of the two becomes the other.
      const needsEach = (condition.kind === "all") === wanted;
      const reasons: string[] = [];
      for (const one of condition.conditions) {
        const reason = reasonAgainst(one, wanted, facts);
        if (needsEach && reason !== null) return reason;
        if (!needsEach && reason === null) return null;
        if (reason !== null && !reasons.includes(reason)) reasons.push(reason);
      }
      return needsEach ? null : reasons.join(" and ");
    }
    default: {
      const fact = factOf(condition, facts);
      return fact.holds === wanted ? null : fact.sentence;
    }
  }
}

/** Who switches an entry of a file off writes # in front of it. */
const COMMENT = /^\s*#/;

interface Fact {
  readonly holds: boolean;
  readonly sentence: string;
}

function factOf(condition: Exclude<Condition, { kind: "not" | "all" | "any" }>, facts: Facts): Fact {
  const lookup = (name: string) => (Object.hasOwn(facts.env, name) ? facts.env[name] : undefined);
  const fact = (holds: boolean, yes: string, no: string): Fact => ({ holds, sentence: holds ? yes : no });
  /** What is written with its variables filled in, or why that cannot be. */
  const withText = (template: string, what: string, then: (text: string) => Fact): Fact => {
    const filled = interpolate(template, lookup);
    if (!filled.ok) return { holds: false, sentence: filled.flaw.what };
    return filled.value.text === "" ? { holds: false, sentence: `${template} ${what}` } : then(filled.value.text);
  };

  switch (condition.kind) {
    case "env":
    case "value": {
      const { name } = condition;
      const value = lookup(name);
      if (value === undefined) return { holds: false, sentence: `${name} is not set` };
      if (condition.kind === "env") return fact(value !== "", `${name} is set`, `${name} is empty`);
      const wanted = interpolate(condition.value, lookup);
      if (!wanted.ok) return { holds: false, sentence: wanted.flaw.what };
      const { text } = wanted.value;
      // The value itself may be a secret; what it is compared with stands in a file that everybody here reads.
      const [is, isNot] = text.includes("*") ? ["matches", "does not match"] : ["is", "is not"];
      return fact(matches(value, text), `${name} ${is} ${text}`, `${name} ${isNot} ${text}`);
    }
    case "command": {
      const { program } = condition;
      const holds = facts.hasCommand(program);
      return fact(holds, `there is a program \`${program}\` on PATH`, `no program \`${program}\` on PATH`);
    }
    case "file":
      return withText(condition.path, "names no file", (path) =>
        fact(facts.fileExists(path), `${path} exists`, `${path} does not exist`),
      );
    case "mention":
      return withText(condition.path, "names no file", (path) =>
        withText(condition.text, "is no text to look for", (text) => {
          if (!facts.fileExists(path)) return { holds: false, sentence: `${path} does not exist` };
          const holds = facts
            .textOf(path)
            .split("\n")
            .some((line) => !COMMENT.test(line) && matches(line, `*${text}*`));
          return fact(holds, `${path} mentions ${text}`, `${path} does not mention ${text}`);
        }),
      );
    case "port":
      return withText(condition.port, "names no port", (text) => {
        const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
        if (port < 1 || port > 65535)
          return { holds: false, sentence: `${condition.port} is ${text}, which is no port` };
        return fact(facts.isListening(port), `port ${port} is in use`, `nobody listens on port ${port}`);
      });
    case "process": {
      const { program } = condition;
      const holds = facts.isRunning(program);
      return fact(holds, `a process \`${program}\` is running`, `no process \`${program}\` is running`);
    }
    case "user": {
      const user = facts.user();
      const { name } = condition;
      return fact(user === name, `svcd runs as ${name}`, `svcd runs as ${user}, not as ${name}`);
    }
  }
}

/** `*` is any characters, all others are themselves, in capitals or not. Time grows with the product of both lengths at most. */
function matches(value: string, pattern: string): boolean {
  const text = value.toLowerCase();
  const parts = pattern.toLowerCase().split("*");
  const first = parts[0]!;
  const last = parts.at(-1)!;
  if (parts.length === 1) return text === first;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return at <= text.length - last.length;
}
