import assert from "node:assert/strict";
import { test } from "node:test";
import { recognise } from "./causes.ts";

const names: Readonly<Record<number, string>> = { 4711: "service `ollama` (pid 4711, ollama)" };

function findingOf(text: string) {
  const machine = { portHolder: () => null, processName: (pid: number) => names[pid] ?? null };
  return recognise({ service: "vllm", lines: text.split("\n") }, machine);
}

function causeOf(text: string): string | undefined {
  return findingOf(text)?.cause;
}

const OUT_OF_MEMORY =
  "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.69 GiB of which 1.19 GiB is free. Process 4711 has 13.90 GiB memory in use. Process 99 has 512.00 MiB memory in use. Including non-PyTorch memory, this process has 8.58 GiB memory in use. Of the allocated memory 8.10 GiB is allocated by PyTorch, and 98.00 MiB is reserved by PyTorch but unallocated. If reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True to avoid fragmentation.";

test("CUDA out of memory: what was tried, what is free, and who holds the rest", () => {
  assert.equal(
    causeOf(OUT_OF_MEMORY),
    "CUDA out of memory: tried 2.00 GiB, GPU 0 has 1.19 GiB free of 23.69 GiB; 13.90 GiB held by service `ollama` (pid 4711, ollama); 512.00 MiB held by pid 99; 8.58 GiB by itself",
  );
});

test("CUDA out of memory in older words, and with the misspelling that PyTorch 2.1 has", () => {
  assert.equal(
    causeOf(
      "RuntimeError: CUDA out of memory. Tried to allocate 2.26 GiB (GPU 0; 6.00 GiB total capacity; 781.59 MiB already allocated; 3.03 GiB free; 1.24 GiB reserved in total by PyTorch)",
    ),
    "CUDA out of memory: tried 2.26 GiB, GPU 0 has 3.03 GiB free of 6.00 GiB",
  );
  assert.equal(
    causeOf(
      "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 32.00 MiB. GPU 0 has a total capacty of 4.00 GiB of which 41.56 MiB is free. Including non-PyTorch memory, this process has 3.44 GiB memory in use.",
    ),
    "CUDA out of memory: tried 32.00 MiB, GPU 0 has 41.56 MiB free of 4.00 GiB; 3.44 GiB by itself",
  );
});

/** As vLLM 0.11 prints it: worker, engine, API server. */
function engineFails(error: string): string {
  const [engine, api] = ["(EngineCore_DP0 pid=163)", "(APIServer pid=1)"];
  return [
    `${api} INFO 11-24 23:20:00 [api_server.py:1891] vLLM API server version 0.11.2`,
    `${engine} ERROR 11-24 23:26:20 [core.py:842] EngineCore failed to start.`,
    `${engine} ERROR 11-24 23:26:20 [core.py:842] Traceback (most recent call last):`,
    `${engine} ERROR 11-24 23:26:20 [core.py:842]   File "/venv/lib/python3.12/site-packages/vllm/v1/engine/core.py", line 833, in run_engine_core`,
    `${engine} ERROR 11-24 23:26:20 [core.py:842]     engine_core = EngineCoreProc(*args, **kwargs)`,
    `${engine} ERROR 11-24 23:26:20 [core.py:842] ${error}`,
    `${engine} Process EngineCore_DP0:`,
    `${engine} Traceback (most recent call last):`,
    `${engine}   File "/usr/lib/python3.12/multiprocessing/process.py", line 314, in _bootstrap`,
    `${engine} ${error}`,
    `${api} Traceback (most recent call last):`,
    ...Array<string>(40).fill(`${api}   File "/venv/lib/python3.12/site-packages/uvloop/__init__.py", line 96, in run`),
    `${api} RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}`,
  ].join("\n");
}

test("an engine that did not start: the first traceback's last line is the cause", () => {
  assert.equal(
    causeOf(engineFails("ValueError: Unsupported quantization method: fp4")),
    "its engine did not start: ValueError: Unsupported quantization method: fp4",
  );
});

test("where that line is one that is understood, its meaning is told", () => {
  assert.match(causeOf(engineFails(OUT_OF_MEMORY)) ?? "", /^CUDA out of memory: tried 2\.00 GiB/);
  assert.equal(
    causeOf(
      engineFails(
        "ValueError: Free memory on device cuda:0 (1.20/23.69 GiB) on startup is less than desired GPU memory utilization (0.9, 21.32 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes.",
      ),
    ),
    "only 1.20 of 23.69 GiB of GPU memory are free, and vllm is set to use 90 % of it",
  );
});

test("a traceback of the run before is not this one's cause", () => {
  const before = engineFails("ValueError: an earlier mistake");
  assert.match(
    causeOf(`${before}\n${engineFails("KeyError: 'lm_head.weight'")}`) ?? "",
    /KeyError: 'lm_head\.weight'$/,
  );
});

test("a worker's traceback, in vLLM's older words and with several processes, comes before what came of it", () => {
  const text = `INFO 05-10 15:52:16 [api_server.py:1043] vLLM API server version 0.8.5.post1
ERROR 05-10 15:53:00 [multiproc_executor.py:435] WorkerProc failed to start.
ERROR 05-10 15:53:00 [multiproc_executor.py:435] Traceback (most recent call last):
ERROR 05-10 15:53:00 [multiproc_executor.py:435]   File "worker.py", line 1, in init_device
ERROR 05-10 15:53:00 [multiproc_executor.py:435] AssertionError: duplicate GPU detected
ERROR 05-10 15:53:05 [core.py:396] Traceback (most recent call last):
ERROR 05-10 15:53:05 [core.py:396] Exception: WorkerProc initialization failed due to an exception in a background process. See stack trace for root cause.
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {'EngineCore_0': 1}`;
  assert.equal(causeOf(text), "its engine did not start: AssertionError: duplicate GPU detected");
});

test("an engine that died: with a traceback by that, without one as what it is", () => {
  const death = [
    "(APIServer pid=1) ERROR 11-24 23:26:21 [core_client.py:598] Engine core proc EngineCore_DP0 died unexpectedly, shutting down client.",
    "(APIServer pid=1) ERROR 11-24 23:26:21 [async_llm.py:525] AsyncLLM output_handler failed.",
    "(APIServer pid=1) ERROR 11-24 23:26:21 [async_llm.py:525] Traceback (most recent call last):",
    "(APIServer pid=1) ERROR 11-24 23:26:21 [async_llm.py:525] vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace (above) for the root cause.",
    "(APIServer pid=1) INFO:     Shutting down",
  ].join("\n");
  assert.equal(causeOf(death), "its engine died without a word (killed, or a crash below Python)");
  const traceback = [
    "(EngineCore_DP0 pid=163) ERROR 11-24 23:26:20 [core.py:851] EngineCore encountered a fatal error.",
    "(EngineCore_DP0 pid=163) ERROR 11-24 23:26:20 [core.py:851] Traceback (most recent call last):",
    '(EngineCore_DP0 pid=163) ERROR 11-24 23:26:20 [core.py:851]   File "core.py", line 842, in run_engine_core',
    "(EngineCore_DP0 pid=163) ERROR 11-24 23:26:20 [core.py:851] RuntimeError: CUDA error: an illegal memory access was encountered",
  ].join("\n");
  assert.equal(
    causeOf(`${traceback}\n${death}`),
    "its engine died: RuntimeError: CUDA error: an illegal memory access was encountered",
  );
});

test("a gated model: no token, or one whose account may not read it", () => {
  const none = findingOf(`OSError: You are trying to access a gated repo.
Make sure to have access to it at https://huggingface.co/google/gemma-3-4b-pt.
401 Client Error. (Request ID: Root=1-67545d8b;a38b7bcf)

Cannot access gated repo for url https://huggingface.co/google/gemma-3-4b-pt/resolve/main/config.json.
Access to model google/gemma-3-4b-pt is restricted. You must have access to it and be authenticated to access it. Please log in.`);
  assert.equal(
    none?.cause,
    "the model google/gemma-3-4b-pt on Hugging Face is gated, and no token that may read it was sent",
  );
  assert.match(none?.advice ?? "", /accept its licence.*HF_TOKEN/);
  const forbidden = findingOf(`403 Client Error. (Request ID: Root=1-6824e511)

Cannot access gated repo for url https://huggingface.co/google/gemma-3-4b-pt/resolve/main/config.json.
Access to model google/gemma-3-4b-pt is restricted and you are not in the authorized list. Visit https://huggingface.co/google/gemma-3-4b-pt to ask for access.`);
  assert.match(forbidden?.cause ?? "", /gemma-3-4b-pt .* is gated, and the account of the token may not read it/);
  assert.match(forbidden?.advice ?? "", /accept its licence/);
});

const SENTENCES: readonly (readonly [said: string, cause: RegExp, advice: RegExp])[] = [
  [
    "(EngineCore_DP0 pid=163) INFO 11-24 23:26:20 [shm_broadcast.py:466] No available shared memory broadcast block found in 60 seconds. This typically happens when some processes are hanging or doing some time-consuming work (e.g. compilation).",
    /have not answered each other for 60 s: one of them hangs, or \/dev\/shm is too small/,
    /df -h \/dev\/shm/,
  ],
  [
    "ValueError: Total number of attention heads (52) must be divisible by tensor parallel size (8).",
    /52 attention heads cannot be divided among 8 GPUs/,
    /--tensor-parallel-size to one of 4, 2, 1/,
  ],
  [
    "ValueError: Model architectures ['Qwen9ForCausalLM'] are not supported for now. Supported architectures: ['AquilaModel']",
    /architecture Qwen9ForCausalLM is not known to this version/,
    /newer vllm/,
  ],
  [
    "ValueError: The checkpoint you are trying to load has model type `qwen3_moe` but Transformers does not recognize this architecture. This could be because of an issue with the checkpoint, or because your version of Transformers is out of date.",
    /does not know the model type qwen3_moe/,
    /transformers/,
  ],
  ["RuntimeError: can't start new thread", /no more threads.*pids\.max/, /TOKIO_WORKER_THREADS/],
  [
    "OpenBLAS blas_thread_init: pthread_create failed for thread 50 of 64: Resource temporarily unavailable",
    /no more threads/,
    /OMP_NUM_THREADS/,
  ],
  ["libgomp: Thread creation failed: Resource temporarily unavailable", /no more threads/, /ulimit -u/],
  [
    "thread '<unnamed>' panicked at tokio: failed to spawn thread: Os { code: 11, kind: WouldBlock, message: \"Resource temporarily unavailable\" }",
    /no more threads/,
    /pids\.max/,
  ],
  ["OSError: [Errno 28] No space left on device", /a disk is full/, /df -h/],
  [
    "Repository Not Found for url: https://huggingface.co/api/models/Qwen/Qwen3-Rerankr-4B/revision/main.",
    /Hugging Face has no model Qwen\/Qwen3-Rerankr-4B, or it is private/,
    /correct its name/,
  ],
  [
    "ValueError: To serve at least one request with the models's max seq len (40960), (4.38 GiB KV cache is needed, which is larger than the available KV cache memory (2.10 GiB).",
    /too little GPU memory for its cache/,
    /--max-model-len/,
  ],
];

for (const [said, cause, advice] of SENTENCES) {
  test(`"${said.slice(0, 70)}" is understood`, () => {
    const finding = findingOf(`starting\n${said}\nsomething that nobody knows`);
    assert.match(finding?.cause ?? "", cause);
    assert.match(finding?.advice ?? "", advice);
  });
}
