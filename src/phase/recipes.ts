/**
 * What is known of programs that take minutes to start, as data; `phases: vllm` in a service file means these rules.
 *
 * Wordings are those of the programs' own logs and move from version to version, so they are matched loosely: by the words that
 * stayed. Each bar is one of tqdm's: `  37%|███▋      | 1.84G/4.96G [00:56<00:20, 30.8MB/s]`.
 */
import type { PhaseRule } from "./rule.ts";

export const PHASE_RECIPES = ["vllm", "sglang", "llama.cpp", "huggingface", "tqdm"] as const;
export type PhaseRecipe = (typeof PHASE_RECIPES)[number];

const says = (name: string, match: string, stallMs: number | null = null): PhaseRule => ({
  name,
  match,
  growth: null,
  stallMs,
});

/** Where huggingface_hub keeps what it loads (its documentation, environment variables). */
const HUB = "${HF_HUB_CACHE:-${HF_HOME:-${HOME:-/root}/.cache/huggingface}/hub}";

/** torch.compile and the capture of graphs say nothing for minutes on a cold cache. */
const SILENT_MS = 30 * 60_000;

const DOWNLOADS: readonly PhaseRule[] = [
  // What stands in front of a name keeps the patterns from trying each letter of a long word.
  // Of a model in parts the bars say how many there are: "model-00002-of-00009.safetensors: 100%|…".
  says(
    "download",
    String.raw`(?<![\w.-])(?<bar>[\w.-]*\d+)-of-(?<bars>\d+)\.(?:safetensors|bin|gguf|pt|pth): +(?<percent>\d+)%\|`,
  ),
  // Small files (config.json) are done at once and would make the whole look half done.
  says("download", String.raw`(?<![\w.-])(?<bar>[\w.-]+\.(?:safetensors|bin|gguf|pt|pth)): +(?<percent>\d+)%\|`),
  says("download", String.raw`^Downloading [^:]*: +(?<percent>\d+)%\|`),
  says("download", String.raw`Fetching \d+ files: +\d+%\||Time spent downloading weights`),
  { name: "download", match: null, growth: HUB, stallMs: null },
];

/** "Loading safetensors checkpoint shards:  56% Completed | 5/9 [00:13<00:11,  2.87s/it]" (also pt, bitsandbytes, runai). */
const SHARDS = String.raw`Loading .*(?:checkpoint shards|shards|Tensors).*?: +\d+% Completed \| (?<done>\d+)/(?<total>\d+) `;

const RULES: Readonly<Record<PhaseRecipe, readonly PhaseRule[]>> = {
  vllm: [
    // "Starting to load model" comes before its download.
    says(
      "preparing",
      "vLLM API server version|Resolved architecture|Initializing a V1 LLM engine|Starting to load model",
    ),
    ...DOWNLOADS,
    says("loading shards", SHARDS),
    says("loading shards", "Loading weights took|Model loading took"),
    says(
      "compiling",
      String.raw`torch_compile_cache|Dynamo bytecode transform time|Compiling a graph|Directly load the compiled graph|torch\.compile took|torch\.compile takes`,
      SILENT_MS,
    ),
    says(
      "profiling",
      "Initial profiling/warmup run took|Available KV cache memory|GPU KV cache size|Maximum concurrency for|Memory profiling takes",
      SILENT_MS,
    ),
    says(
      "capturing graphs",
      String.raw`Capturing (?:CUDA|cudagraph|cuda|HPU|ACL).*?(?:\((?<bar>[^)]*)\))?: +\d+%\|.*?\| (?<done>\d+)/(?<total>\d+) `,
      SILENT_MS,
    ),
    says("capturing graphs", "Graph capturing finished|Capturing the model for CUDA graphs", SILENT_MS),
    says(
      "starting to serve",
      "init engine .*took|Supported tasks:|Starting vLLM API server|Application startup complete",
    ),
  ],
  sglang: [
    says("preparing", "server_args=ServerArgs|Init torch distributed|Load weight begin"),
    ...DOWNLOADS,
    says("loading shards", SHARDS),
    says("loading shards", "Using model weights format|Load weight end"),
    says("allocating cache", "KV Cache is allocated|Memory pool end"),
    says(
      "capturing graphs",
      String.raw`Capturing (?:batches|num tokens).*?: +\d+%\|.*?\| (?<done>\d+)/(?<total>\d+) `,
      SILENT_MS,
    ),
    says("capturing graphs", "Capture (?:piecewise )?cuda graph (?:begin|end)", SILENT_MS),
    says(
      "starting to serve",
      "Application startup complete|The server is fired up and ready to roll|Uvicorn running on",
    ),
  ],
  "llama.cpp": [
    says(
      "download",
      String.raw`(?<percent>\d+)(?:\.\d+)?% *\|? *(?:\[|$)|common_download_file|trying to download model`,
    ),
    says("loading the model", "loading model|llama_model_loader: loaded meta data|load_tensors: loading model tensors"),
    says("loading the model", "load_tensors: +.*(?:buffer size|offloaded)"),
    says("preparing the cache", "llama_context: constructing|llama_kv_cache|common_init_from_params: warming up"),
    says("starting to serve", "main: model loaded|server is listening|all slots are idle"),
  ],
  huggingface: DOWNLOADS,
  tqdm: [
    // "Loading pipeline components...:  43%|████▎     | 3/7 [00:01<00:01,  2.01it/s]": the words in front are not told apart.
    says("working", String.raw`\d+%\|.*?\| (?<done>\d+)/(?<total>\d+) \[`),
    says("working", String.raw`(?<percent>\d+)%\|.*?\|`),
  ],
};

export function recipe(name: PhaseRecipe): readonly PhaseRule[] {
  return RULES[name];
}
