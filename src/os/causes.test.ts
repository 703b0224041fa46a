import assert from "node:assert/strict";
import { test } from "node:test";
import { recognise } from "./causes.ts";
import type { PortHolder } from "./port-holder.ts";

const PYTHON: PortHolder = { pid: 4121, program: "python3", service: null };

function causeOf(text: string, holders: Readonly<Record<number, PortHolder>> = {}) {
  return recognise({ service: "web", lines: text.split("\n") }, { portHolder: (port) => holders[port] ?? null });
}

/** As the programs themselves print it. */
const ADDRESS_IN_USE = {
  Node: "Error: listen EADDRINUSE: address already in use :::8000",
  "Node's details":
    "Error: listen EADDRINUSE: address already in use\n  code: 'EADDRINUSE',\n  errno: -98,\n  syscall: 'listen',\n  address: '::',\n  port: 8000\n}\n\nNode.js v24.21.0",
  uvicorn: "ERROR:    [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use",
  Go: "listen tcp 127.0.0.1:8000: bind: address already in use",
  "Go on all addresses": "listen tcp :8000: bind: address already in use",
  nginx: "nginx: [emerg] bind() to 0.0.0.0:8000 failed (98: Address already in use)",
  Python: "  server.bind(('127.0.0.1', 8000))\nOSError: [Errno 98] Address already in use",
  Flask: "Address already in use\nPort 8000 is in use by another program.",
};

for (const [who, text] of Object.entries(ADDRESS_IN_USE)) {
  test(`a port that is taken is named with its holder, as ${who} says it`, () => {
    assert.deepEqual(causeOf(text, { 8000: PYTHON }), {
      cause: "port 8000 is held by pid 4121 (python3)",
      advice: "stop pid 4121, or give web another port",
    });
  });
}

test("a port held by another service of svcd is a matter between the two", () => {
  const finding = causeOf(ADDRESS_IN_USE.Node, { 8000: { ...PYTHON, service: "api" } });
  assert.equal(finding?.cause, "port 8000 is held by service `api` (pid 4121, python3)");
  assert.equal(finding?.advice, "give web or api another port");
});

test("a port that is free again needs only another start", () => {
  assert.deepEqual(causeOf(ADDRESS_IN_USE.Go), {
    cause: "port 8000 was in use when it started; nobody holds it now",
    advice: "svctl start web",
  });
});

test("GPU memory is told with its numbers", () => {
  const text =
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.69 GiB of which 1.19 GiB is free.";
  assert.equal(causeOf(text)?.cause, "CUDA out of memory: tried 2.00 GiB, GPU 0 has 1.19 GiB free of 23.69 GiB");
});

test("GPU memory without numbers is told without", () => {
  assert.equal(causeOf("RuntimeError: CUDA_ERROR_OUT_OF_MEMORY")?.cause, "CUDA out of memory");
});

test("vLLM on a GPU that is in use", () => {
  const text =
    "ValueError: Free memory on device cuda:0 (12.31/79.15 GiB) on startup is less than desired GPU memory utilization (0.9, 71.24 GiB).";
  assert.equal(
    causeOf(text)?.cause,
    "only 12.31 of 79.15 GiB of GPU memory are free, and web is set to use 90 % of it",
  );
});

const SENTENCES: readonly [said: string, cause: string][] = [
  ["ModuleNotFoundError: No module named 'uvicorn'", "the Python module uvicorn is not installed where web runs"],
  ["Error: Cannot find module '/srv/app/server.js'", "Node finds no module /srv/app/server.js"],
  [
    "./app: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.38' not found (required by ./app)",
    "./app was built for a newer system: it needs GLIBC_2.38",
  ],
  [
    "./app: error while loading shared libraries: libcudart.so.12: cannot open shared object file: No such file or directory",
    "the shared library libcudart.so.12 is not installed, or not where the loader looks",
  ],
  ["OSError: [Errno 28] No space left on device: '/data/model.bin'", "the disk that holds /data/model.bin is full"],
  ["PermissionError: [Errno 13] Permission denied: '/srv/secret.pem'", "it may not use /srv/secret.pem"],
  ["sh: 1: /srv/run.sh: Permission denied", "it may not use /srv/run.sh"],
  [
    "nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)",
    "it may not listen on port 80: ports below 1024 are for root",
  ],
  [
    "Error: listen EACCES: permission denied 0.0.0.0:443",
    "it may not listen on port 443: ports below 1024 are for root",
  ],
  ["listen tcp :80: bind: permission denied", "it may not listen on port 80: ports below 1024 are for root"],
  [
    "/bin/sh: 1: exec: ./server: Exec format error",
    "a program was built for another kind of machine, or is a script without a #! line",
  ],
  ["accept4: too many open files: Too many open files", "web may not open more files"],
  [
    "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
    "it used up the memory that Node gives to JavaScript",
  ],
  ["MemoryError", "it got no more memory from the system"],
  ["Error: connect ECONNREFUSED 127.0.0.1:5432", "what it needs at 127.0.0.1:5432 does not answer"],
  [
    'connection to server at "127.0.0.1", port 5432 failed: Connection refused',
    "what it needs at 127.0.0.1:5432 does not answer",
  ],
  ["/bin/sh: 1: gunicorn: not found", "the program gunicorn was not found"],
  ["bash: line 1: gunicorn: command not found", "the program gunicorn was not found"],
  ["RuntimeError: No CUDA GPUs are available", "it found no GPU"],
  [
    "RuntimeError: unable to open shared memory object </torch_123> in read-write mode",
    "/dev/shm is too small for what its processes share",
  ],
];

for (const [said, cause] of SENTENCES) {
  test(`"${said.slice(0, 60)}" is understood`, () => {
    const finding = causeOf(`starting\n${said}\n    at some/place.js:12`);
    assert.equal(finding?.cause, cause);
    assert.ok((finding?.advice ?? "").length > 10);
  });
}

test("the newest words count", () => {
  const finding = causeOf("Error: connect ECONNREFUSED 127.0.0.1:5432\nretrying\nMemoryError");
  assert.equal(finding?.cause, "it got no more memory from the system");
});

test("a program that says something else is not guessed at", () => {
  assert.equal(causeOf("INFO: 127.0.0.1:51234 GET /found 200 OK\nTypeError: x is undefined"), null);
  assert.equal(recognise({ service: "web", lines: [] }), null);
});
