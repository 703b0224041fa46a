/**
 * What a service's recipe comes to on this machine now: the pure recipe (`src/recipe/`), and the files that it wants to know about.
 */
import { resolve } from "node:path";
import type { Environment } from "../plan/environment.ts";
import { interpolate } from "../plan/interpolate.ts";
import type { Service } from "../plan/plan.ts";
import { CONF_PATH, modelAsked, type RecipeAnswer, vllmRecipe } from "../recipe/vllm.ts";
import { modelConfig, smallFile } from "./model-files.ts";

export interface RecipePlaces {
  /** Where relative paths begin. */
  readonly rootDir: string;
  /** Folder of the score templates that come with svcd. */
  readonly templateDir: string;
}

/** null: the service has no recipe. */
export function recipeOf(
  service: Service,
  env: Environment,
  { rootDir, templateDir }: RecipePlaces,
): RecipeAnswer | null {
  if (service.recipe === undefined) return null;
  const lookup = (name: string): string | undefined => (Object.hasOwn(env, name) ? env[name] : undefined);
  const path = lookup("VLLM_ARGS_FILE") || CONF_PATH;
  const text = smallFile(resolve(rootDir, path));
  const asked = modelAsked(lookup, text);
  const folder = interpolate(service.workingDir ?? "", lookup);
  const cwd = resolve(rootDir, folder.ok ? folder.value.text : "");
  const model = asked === null ? null : modelConfig({ ...asked, env, cwd });
  return vllmRecipe(lookup, { conf: { path, text }, model, templateDir });
}
