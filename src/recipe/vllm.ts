/**
 * The recipe for `vllm serve`: variables for the command of a service, made at each start from what the person set, from the GPUs
 * that the service has, and from the model's own configuration.
 *
 *   VLLM_MODEL        the model: VLLM_MODEL, else MODEL_NAME
 *   VLLM_TP_ARGS      --tensor-parallel-size, and Ray as executor where RAY_ADDRESS names a cluster
 *   VLLM_PRESET_ARGS  what a known reranker needs
 *   VLLM_CONF_ARGS    the arguments in /etc/vllm-args.conf
 *   VLLM_ARGS         the person's own; as the last they win
 *   VLLM_HTTP_PORT    where it will listen, for the health check
 *
 * They are for the templates of the service only; the process does not see them. What the person says always wins: nothing is
 * added that VLLM_ARGS or the file decide.
 */
import type { Flaw } from "../plan/flaw.ts";
import type { Lookup } from "../plan/interpolate.ts";
import { quoteWord } from "../plan/words.ts";
import { argumentsIn, flagValue, hasFlag, withoutComments } from "./engine-arguments.ts";
import { rerankerArguments } from "./reranker.ts";
import { tensorParallel } from "./tensor-parallel.ts";

/** What the machine says; read anew at each start. */
export interface VllmFacts {
  /** text null: there is none. */
  readonly conf: { readonly path: string; readonly text: string | null };
  /** The model's config.json; null: not at hand (it is not downloaded yet). */
  readonly model: ModelConfig | null;
  /** Folder of the score templates that come with svcd. */
  readonly templateDir: string;
}

export interface ModelConfig {
  /** Of config.json. */
  readonly path: string;
  readonly architectures: readonly string[];
  readonly heads: number | null;
  readonly keyValueHeads: number | null;
}

export interface RecipeVariable {
  readonly name: string;
  /** As it is put into a command: words are quoted. */
  readonly text: string;
  /** Where it comes from: "MODEL_NAME", "6 GPUs, 32 heads: TP 4, 2 GPUs idle; set VLLM_ARGS to choose". */
  readonly from: string;
}

export interface Recipe {
  readonly variables: readonly RecipeVariable[];
  /** What was decided, a line each. */
  readonly notes: readonly string[];
  /** What will hardly be as it is meant. */
  readonly warnings: readonly string[];
}

export type RecipeAnswer =
  | { readonly ok: true; readonly recipe: Recipe }
  /** `variable`: where the person wrote it. */
  | { readonly ok: false; readonly variable: string; readonly flaw: Flaw };

export const CONF_PATH = "/etc/vllm-args.conf";
const PORT = "18000";

const PARALLEL = {
  tensor: ["tp", "tensor-parallel-size"],
  data: ["dp", "data-parallel-size"],
  pipeline: ["pp", "pipeline-parallel-size"],
};

/** The model that will be served, and the variable that names it; null: none does. */
export function modelOf(lookup: Lookup): { readonly name: string; readonly from: string } | null {
  for (const from of ["VLLM_MODEL", "MODEL_NAME"]) {
    const name = lookup(from)?.trim() ?? "";
    if (name !== "") return { name, from };
  }
  return null;
}

export interface ModelAsked {
  readonly name: string;
  /** `--download-dir` and `--revision`; null: not given. */
  readonly downloadDir: string | null;
  readonly revision: string | null;
}

/** Where the model's configuration may lie; null: no model is named, or the arguments cannot be read. */
export function modelAsked(lookup: Lookup, confText: string | null): ModelAsked | null {
  const model = modelOf(lookup);
  const conf = argumentsIn(withoutComments(confText ?? ""));
  const own = argumentsIn(lookup("VLLM_ARGS") ?? "");
  if (model === null || !conf.ok || !own.ok) return null;
  const said = [...conf.value, ...own.value];
  const value = (flag: string): string | null => flagValue(said, [flag]) || null;
  return { name: model.name, downloadDir: value("download-dir"), revision: value("revision") };
}

/** `lookup`: the environment of the service at this start. GPU_COUNT in it is the number of devices it may use. */
export function vllmRecipe(lookup: Lookup, facts: VllmFacts): RecipeAnswer {
  const model = modelOf(lookup);
  const conf = argumentsIn(withoutComments(facts.conf.text ?? ""));
  if (!conf.ok) return { ok: false, variable: facts.conf.path, flaw: conf.flaw };
  const own = argumentsIn(lookup("VLLM_ARGS") ?? "");
  if (!own.ok) return { ok: false, variable: "VLLM_ARGS", flaw: own.flaw };
  const said = [...conf.value, ...own.value];
  const parallel = parallelArguments(lookup, said, facts.model);
  const preset = rerankerArguments(model?.name ?? "", said, {
    architectures: facts.model?.architectures ?? null,
    templateDir: facts.templateDir,
  });
  const port = flagValue(said, ["port"]) || PORT;
  const variable = (name: string, words: readonly string[], from: string): RecipeVariable => ({
    name,
    text: words.map(quoteWord).join(" "),
    from,
  });
  return {
    ok: true,
    recipe: {
      variables: [
        variable("VLLM_MODEL", model === null ? [] : [model.name], model?.from ?? "neither VLLM_MODEL nor MODEL_NAME"),
        variable("VLLM_TP_ARGS", parallel.words, parallel.why),
        variable("VLLM_PRESET_ARGS", preset.words, preset.note ?? "no known reranker"),
        variable("VLLM_CONF_ARGS", conf.value, facts.conf.text === null ? "there is no such file" : facts.conf.path),
        variable("VLLM_ARGS", own.value, lookup("VLLM_ARGS") === undefined ? "not set" : "VLLM_ARGS"),
        variable("VLLM_HTTP_PORT", [port], port === PORT ? "the usual one" : "--port"),
      ],
      notes: [parallel.why, ...(preset.note === null ? [] : [preset.note])],
      warnings: [...(preset.warning === null ? [] : [preset.warning]), ...warningsOf(lookup, said)],
    },
  };
}

// --- parallel ----------------------------------------------------------------------------------------------------------

interface Parallel {
  readonly words: readonly string[];
  readonly why: string;
}

function parallelArguments(lookup: Lookup, said: readonly string[], model: ModelConfig | null): Parallel {
  const ray = rayArguments(lookup, said);
  const size = sizeArguments(lookup, said, model);
  const words = [...size.words, ...ray.words];
  return { words, why: ray.why === "" ? size.why : `${size.why}; ${ray.why}` };
}

function sizeArguments(lookup: Lookup, said: readonly string[], model: ModelConfig | null): Parallel {
  const none = (why: string): Parallel => ({ words: [], why });
  const chosen = Object.values(PARALLEL)
    .flat()
    .filter((flag) => flagValue(said, [flag]) !== null);
  if (chosen.length > 0) return none(`you chose it: ${chosen.map(dashed).join(", ")}`);
  if (hasFlag(said, ["config"])) return none("--config is given: how the model is spread is left to that file");
  const [wish, from] = wishForAllGpus(lookup);
  if (!wish) return none(`${from}: one GPU`);
  const gpus = gpuCount(lookup);
  if (gpus === null) return none("how many GPUs there are is not known: one is used; set GPU_COUNT, or `gpus:`");
  const heads = model?.heads ?? null;
  const { size, why } = tensorParallel(
    gpus,
    heads === null ? null : { heads, keyValueHeads: model?.keyValueHeads ?? null },
  );
  return { words: size === 1 ? [] : ["--tensor-parallel-size", String(size)], why };
}

function dashed(flag: string): string {
  return flag.length === 2 ? `-${flag}` : `--${flag}`;
}

/** USE_ALL_GPUS is another name for AUTO_PARALLEL, which wins; all GPUs unless somebody says otherwise. */
function wishForAllGpus(lookup: Lookup): readonly [boolean, from: string] {
  for (const name of ["AUTO_PARALLEL", "USE_ALL_GPUS"]) {
    const value = lookup(name)?.trim() ?? "";
    if (value !== "") return [/^(true|1|yes|on)$/i.test(value), `${name}=${value}`];
  }
  return [true, "USE_ALL_GPUS is not set"];
}

function gpuCount(lookup: Lookup): number | null {
  const visible = lookup("CUDA_VISIBLE_DEVICES")?.trim();
  // CUDA itself stops at the first device that it cannot make out, and -1 means none.
  const devices = visible === undefined || visible === "" ? null : visible.split(",").map((one) => one.trim());
  const seen = devices === null ? null : devices.findIndex((one) => one === "-1" || one === "");
  if (devices !== null) return seen === -1 ? devices.length : seen;
  const count = Number(lookup("GPU_COUNT")?.trim() || Number.NaN);
  return Number.isInteger(count) && count >= 0 ? count : null;
}

/** A Ray that vLLM would start for itself on one machine only costs: `mp` is the default there. */
function rayArguments(lookup: Lookup, said: readonly string[]): Parallel {
  const address = lookup("RAY_ADDRESS")?.trim() ?? "";
  if (address === "") return { words: [], why: "" };
  if (hasFlag(said, ["distributed-executor-backend"])) return { words: [], why: "" };
  return { words: ["--distributed-executor-backend", "ray"], why: `RAY_ADDRESS ${address}: runs on that Ray cluster` };
}

// --- warnings ------------------------------------------------------------------------------------------------------------

function warningsOf(lookup: Lookup, said: readonly string[]): string[] {
  const warnings: string[] = [];
  if (hasFlag(said, ["api-key"]) || (lookup("VLLM_API_KEY") ?? "") !== "") {
    warnings.push(
      "vLLM's API key guards /v1 only: /score, /rerank, /tokenize and /metrics stay open to whoever reaches the port",
    );
  }
  const host = flagValue(said, ["host"]);
  if (host !== null && host !== "" && !/^(127\.|localhost$|::1$|\[::1\]$)/.test(host)) {
    warnings.push(`--host ${host}: reachable from outside without authentication; 127.0.0.1 is behind the gateway`);
  }
  if (/^(1|true)$/i.test(lookup("VLLM_KEEP_ALIVE_ON_ENGINE_DEATH")?.trim() ?? "")) {
    warnings.push(
      "VLLM_KEEP_ALIVE_ON_ENGINE_DEATH is set: the server stays when its engine has died, and only the health check finds out",
    );
  }
  if (/^(1|true)$/i.test(lookup("VLLM_SERVER_DEV_MODE")?.trim() ?? "")) {
    warnings.push("VLLM_SERVER_DEV_MODE is set: /sleep, /collective_rpc and others act on the server without a key");
  }
  return warnings;
}
