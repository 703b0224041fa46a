/**
 * How a service would be started now, for people: every word of its command and every variable, and where each came from.
 * Secrets are hidden; nothing is started.
 */
import { argvSources } from "../plan/argv-sources.ts";
import { OWN_ENVIRONMENT } from "../plan/environment.ts";
import { variablesIn } from "../plan/interpolate.ts";
import type { Service } from "../plan/plan.ts";
import { HIDDEN, isSecret, redactor, secretArguments } from "../plan/secrets.ts";
import type { LaunchReport } from "../ports.ts";
import type { Setting, SettingAnswer } from "./launcher.ts";

/** `unmet`: why this machine does not want it; null: it does. */
export function launchReport(service: Service, unmet: string | null, answer: SettingAnswer): LaunchReport {
  const { name } = service;
  if (!answer.ok) {
    return {
      name,
      refusal: answer.cause,
      argv: [],
      cwd: null,
      user: null,
      variables: [],
      environment: [],
      notes: [],
      warnings: [],
    };
  }
  const { setting } = answer;
  const { env, resolved, recipe, cwd } = setting;
  const made = new Map(recipe?.variables.map((variable) => [variable.name, variable]));
  const lookup = (variable: string): string | undefined =>
    made.get(variable)?.text ?? (Object.hasOwn(env, variable) ? env[variable] : undefined);
  const masked = redactor(env, secretArguments(resolved.argv));
  const sources = argvSources(service.command, lookup, resolved.argv);
  return {
    name,
    refusal: null,
    argv: resolved.argv.map((word, index) => ({ word: masked(word), from: sources[index] ?? [] })),
    cwd,
    user: resolved.user,
    variables: namesIn(service.command).map((variable) => ({
      name: variable,
      value: shown(variable, lookup(variable) ?? null, masked),
      from: originOf(variable, setting, made.get(variable)?.from),
    })),
    environment: Object.keys(env)
      .sort()
      .map((variable) => ({
        name: variable,
        value: shown(variable, env[variable]!, masked) ?? "",
        from: originOf(variable, setting, undefined),
      })),
    notes: recipe?.notes ?? [],
    warnings: [...(unmet === null ? [] : [`it is SKIPPED on this machine: ${unmet}`]), ...(recipe?.warnings ?? [])],
  };
}

function namesIn(command: Service["command"]): string[] {
  const texts = command.kind === "words" ? command.words : [command.text];
  return [...new Set(texts.flatMap(variablesIn))];
}

function shown(name: string, value: string | null, masked: (text: string) => string): string | null {
  if (value === null) return null;
  return isSecret(name) && value !== "" ? HIDDEN : masked(value);
}

/** A recipe names the variable that decided; where that one was written is told too. */
function originOf(variable: string, { env, origins }: Setting, from: string | undefined): string {
  const origin = (name: string): string => origins.get(name) ?? OWN_ENVIRONMENT;
  if (from === undefined) return Object.hasOwn(env, variable) ? origin(variable) : "not set";
  return Object.hasOwn(env, from) ? `${from === variable ? "" : `${from}, `}${origin(from)}` : from;
}
