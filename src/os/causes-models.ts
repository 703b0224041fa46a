/**
 * Common causes of failure of model servers (vLLM, SGLang, PyTorch, Hugging Face), in the words that these print: part of the
 * table of `causes.ts`.
 */
import type { Rule } from "./causes.ts";
import { rootCause } from "./root-cause.ts";

/** More of what a program said is not a cause but a novel. */
const LONGEST_QUOTE = 300;

/** From the particular to the general. */
export const MODEL_RULES: readonly Rule[] = [
  {
    // vLLM's API server, after the tracebacks of engine and workers.
    says: /Engine core initialization failed\. See root cause above|WorkerProc initialization failed due to an exception in a background process/,
    means: ({ at, lines, service, understand }) => {
      const root = rootCause(lines, at);
      const advice = `read what stands above it: svctl logs ${service}`;
      if (root === null)
        return { cause: "its engine did not start, and what it said of that is gone from the log", advice };
      const known = understand(root.at);
      return known ?? { cause: `its engine did not start: ${quote(root.text)}`, advice };
    },
  },
  {
    // The server ends after that, with exit 0.
    says: /EngineDeadError|Engine core proc \S+ died unexpectedly|EngineCore encountered (?:an issue|a fatal error)/,
    means: ({ at, lines, service, understand }) => {
      const root = rootCause(lines, firstWordOfDeath(lines, at));
      const known = root === null ? null : understand(root.at);
      if (known !== null) return { ...known, cause: `its engine died: ${known.cause}` };
      return {
        cause:
          root === null
            ? "its engine died without a word (killed, or a crash below Python)"
            : `its engine died: ${quote(root.text)}`,
        advice: `look for its end in the kernel's log (dmesg) and above it in svctl logs ${service}`,
      };
    },
  },
  {
    // PyTorch: "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.69 GiB of which 1.19 GiB is free."
    says: /CUDA out of memory|torch\.(?:cuda\.)?OutOfMemoryError|CUDA_ERROR_OUT_OF_MEMORY|cudaErrorMemoryAllocation|HIP out of memory/,
    means: ({ match, near, service, machine }) => {
      // One line has all of it, unless the words came alone.
      const text = /Tried to allocate/.test(match.input) ? match.input : near.join(" ");
      const wanted = /tried to allocate ([\d.]+ \w+)/i.exec(text)?.[1];
      const gpu = /\bGPU (\d+)\b/.exec(text)?.[1];
      const total =
        /total capaci?ty (?:of )?([\d.]+ \w+)/i.exec(text)?.[1] ?? /; ([\d.]+ \w+) total capacity/.exec(text)?.[1];
      const free = /([\d.]+ \w+) (?:is )?free/i.exec(text)?.[1];
      const own = /this process has ([\d.]+ \w+) memory in use/.exec(text)?.[1];
      const others = [...text.matchAll(/\bProcess (\d+) has ([\d.]+ \w+) memory in use/g)].map(
        ([, pid, size]) => `${size} held by ${machine.processName?.(Number(pid)) ?? `pid ${pid}`}`,
      );
      const device = gpu === undefined ? "the GPU" : `GPU ${gpu}`;
      const facts = [
        wanted && `tried ${wanted}`,
        free && `${device} has ${free} free${total ? ` of ${total}` : ""}`,
      ].filter(Boolean);
      const kind = match[0].startsWith("HIP") ? "HIP out of memory" : "CUDA out of memory";
      const holders = [...others, ...(own ? [`${own} by itself`] : [])];
      const cause = [facts.length === 0 ? kind : `${kind}: ${facts.join(", ")}`, ...holders].join("; ");
      return {
        cause,
        advice: `see who uses it with nvidia-smi; stop that, or let ${service} use less (a smaller model, batch or context)`,
      };
    },
  },
  {
    // When something else already uses the GPU.
    says: /Free memory on device[^(]*\(([\d.]+)\/([\d.]+) GiB\).*less than desired GPU memory utilization \(([\d.]+)/,
    means: ({ match: [, free, total, share], service }) => ({
      cause: `only ${free} of ${total} GiB of GPU memory are free, and ${service} is set to use ${Math.round(Number(share) * 100)} % of it`,
      advice: "see who uses it with nvidia-smi; stop that, or set a lower --gpu-memory-utilization",
    }),
  },
  {
    says: /No available memory for the cache blocks|KV cache.*(larger|more) than the available|max seq len.*larger than the maximum number of tokens/i,
    means: () => ({
      cause: "the model leaves too little GPU memory for its cache",
      advice: "set a lower --max-model-len, or a higher --gpu-memory-utilization",
    }),
  },
  {
    says: /No available shared memory broadcast block found in (\d+) seconds/,
    means: ({ match: [, seconds] }) => ({
      cause: `its processes have not answered each other for ${seconds} s: one of them hangs, or /dev/shm is too small`,
      advice: "see df -h /dev/shm (in a container: --shm-size=8g or --ipc=host) and whether the GPUs work: nvidia-smi",
    }),
  },
  {
    says: /Total number of attention heads \((\d+)\) must be divisible by tensor parallel size \((\d+)\)/,
    means: ({ match: [, heads, size] }) => ({
      cause: `the model's ${heads} attention heads cannot be divided among ${size} GPUs`,
      advice: `set --tensor-parallel-size to one of ${divisors(Number(heads), Number(size)).join(", ")}`,
    }),
  },
  {
    says: /Model architectures? \[([^\]]*)\] (?:are|is) not supported|(?:has )?model type [`'"]?([\w.-]+)[`'"]? but Transformers does not recognize this architecture/,
    means: ({ match: [, architectures, type], service }) => ({
      cause:
        architectures === undefined
          ? `the installed transformers does not know the model type ${type}`
          : `the model's architecture ${architectures.replaceAll(/['"]/g, "")} is not known to this version of ${service}'s server`,
      advice: "install a newer vllm (and transformers), or see in its list of supported models which one it wants",
    }),
  },
  {
    says: /Access to model (\S+) is restricted and you are not in the authorized list|Your request to access model (\S+) is awaiting a review|403 Client Error.*huggingface\.co/,
    means: ({ match: [, restricted, awaiting], service }) => ({
      cause: `${modelNamed(restricted ?? awaiting)} is gated, and the account of the token may not read it`,
      advice: `accept its licence on its page with that account, or give ${service} another HF_TOKEN`,
    }),
  },
  {
    says: /Access to model (\S+) is restricted|GatedRepoError|Cannot access gated repo|You are trying to access a gated repo|is gated\. You must be authenticated|401 Client Error.*huggingface\.co/,
    means: ({ match: [, model], near, service }) => ({
      cause: `${modelNamed(model ?? /huggingface\.co\/(?:api\/models\/)?([\w.-]+\/[\w.-]+)/.exec(near.join(" "))?.[1])} is gated, and no token that may read it was sent`,
      advice: `accept its licence there, and set HF_TOKEN in \`environment:\` or an env file of ${service}`,
    }),
  },
  {
    says: /RepositoryNotFoundError|Repository Not Found for url: (\S+)/,
    means: ({ near, service }) => {
      const model = /huggingface\.co\/(?:api\/models\/)?([\w.-]+\/[\w.-]+)/.exec(near.join(" "))?.[1];
      return {
        cause: `Hugging Face has no ${model === undefined ? "such model" : `model ${model}`}, or it is private and no token was sent`,
        advice: `correct its name, or set HF_TOKEN in \`environment:\` or an env file of ${service}`,
      };
    },
  },
  {
    // Python, OpenBLAS, libgomp, Rust's runtimes (hf-xet): fork and clone said EAGAIN.
    says: /can't start new thread|pthread_create.*Resource temporarily unavailable|Thread creation failed: Resource temporarily unavailable|failed to spawn thread.*(?:WouldBlock|Resource temporarily unavailable)|fork: (?:retry: )?Resource temporarily unavailable|BlockingIOError: \[Errno 11\]/,
    means: ({ service }) => ({
      cause: "it got no more threads or processes: the limit of this container (pids.max) or user (nproc) is reached",
      advice: `see cat /sys/fs/cgroup/pids.max and ulimit -u; set OMP_NUM_THREADS and TOKIO_WORKER_THREADS to a small number in \`environment:\` of ${service}`,
    }),
  },
];

/** Several lines tell of one death; what caused it stands above the first of them. */
function firstWordOfDeath(lines: readonly string[], at: number): number {
  let first = at;
  for (let above = at; above >= Math.max(0, at - 60); above--) {
    if (/died unexpectedly|EngineDeadError|output_handler failed/.test(lines[above] ?? "")) first = above;
  }
  return first;
}

function divisors(heads: number, most: number): number[] {
  const all: number[] = [];
  for (let size = Math.min(most, heads); size >= 1; size--) if (heads % size === 0) all.push(size);
  return all;
}

function modelNamed(model: string | undefined): string {
  return model === undefined ? "the model on Hugging Face" : `the model ${model} on Hugging Face`;
}

function quote(text: string): string {
  return text.length > LONGEST_QUOTE ? `${text.slice(0, LONGEST_QUOTE)}…` : text;
}
