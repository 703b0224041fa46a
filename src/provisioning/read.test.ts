import assert from "node:assert/strict";
import { test } from "node:test";
import { readSteps, type Steps } from "./read.ts";

const read = (files: Record<string, string>, env: Record<string, string> = {}): Steps =>
  readSteps({
    files: Object.entries(files).map(([path, text]) => ({ path, text })),
    env,
    rootDir: "/box",
    readEnvFile: (path) =>
      path === "/box/my.env"
        ? { path, text: "MODEL=qwen\n" }
        : { path, text: null, missing: true, why: "no such file" },
    hasCommand: (name) => name === "nvidia-smi",
    fileExists: () => false,
    machine: { textOf: () => "", isListening: (port) => port === 22, isRunning: () => false, user: () => "root" },
  });

const wrong = (text: string, env: Record<string, string> = {}): string[] =>
  read({ "a.yaml": text }, env).mistakes.map(({ line, column, what, fix }) => `${line}:${column} ${what} (${fix})`);

test("steps come in one order: packages of variables, files by name, downloads and the script of variables", () => {
  const { steps, mistakes } = read(
    { "10.yaml": "steps:\n- run: first", "20.yaml": "steps:\n- run: second\n- run: second" },
    {
      PROVISIONING_SCRIPT: "https://example.org/setup.sh",
      APT_PACKAGES: "ffmpeg git-lfs",
      PIP_PACKAGES: "vllm 'numpy < 3'",
      PROVISIONING_DOWNLOADS: "https://h/a.bin|models/; https://h/b.bin | /x/c.bin",
    },
  );
  assert.deepEqual(mistakes, []);
  assert.deepEqual(
    steps.map(({ name }) => name),
    [
      ...["apt ffmpeg git-lfs", "pip vllm numpy < 3", "run first", "run second", "run second (2)"],
      ...["download a.bin", "download c.bin", "script setup.sh"],
    ],
  );
  assert.deepEqual(steps.map(({ where }) => where).slice(2, 6), [
    "10.yaml:2",
    "20.yaml:2",
    "20.yaml:3",
    "PROVISIONING_DOWNLOADS",
  ]);
});

test("every kind is read with its keys, and what is relative starts at the folder that holds provisioning.d", () => {
  const { steps, mistakes } = read({
    "a.yaml": `
environment: { W: /data }
steps:
  - apt: [ffmpeg]
    update: false
  - pip: [ vllm >= 0.11, -r req.txt ]
    venv: $W/venv
  - { git: "https://h/o/r.git", to: "\${W}/r/", ref: v1, depth: 1, submodules: true }
  - { download: "https://h/m.safetensors", to: models/, sha256: ${"A".repeat(64)}, headers: { Authorization: "Bearer \${T:-x}" } }
  - { huggingface: Qwen/Qwen3-Reranker-0.6B, include: "*.json", exclude: [a, b/] }
  - { run: "sh -c 'a b'", creates: done, unless: test -e x, tries: 3, retry_delay: 5s, timeout: 1h }
  - { run: "for i in 1; do echo $$i; done", shell: true, working_dir: sub }`,
  });
  assert.deepEqual(mistakes, []);
  const works = steps.map(({ work }) => work);
  assert.deepEqual(works[0], { kind: "apt", packages: ["ffmpeg"], update: false, recommends: false });
  assert.deepEqual(works[1], { kind: "pip", words: ["vllm >= 0.11", "-r", "req.txt"], venv: "/data/venv" });
  assert.deepEqual(works[2], {
    kind: "git",
    url: "https://h/o/r.git",
    to: "/data/r",
    ref: "v1",
    depth: 1,
    submodules: true,
    force: false,
  });
  assert.deepEqual(works[3], {
    kind: "download",
    url: "https://h/m.safetensors",
    to: "/box/models/",
    sha256: "a".repeat(64),
    headers: { Authorization: "Bearer x" },
    html: false,
    executable: false,
  });
  assert.deepEqual(works[5], { kind: "run", argv: ["sh", "-c", "a b"], cwd: "/box" });
  assert.deepEqual(works[6], {
    kind: "run",
    argv: ["/bin/sh", "-c", "for i in 1; do echo $i; done"],
    cwd: "/box/sub",
  });
  const { tries, retryDelayMs, timeoutMs, creates, unless } = steps[5]!;
  assert.deepEqual(
    [tries, retryDelayMs, timeoutMs, creates, unless],
    [3, 5000, 3_600_000, "/box/done", ["test", "-e", "x"]],
  );
});

test("every mistake is told with its place and what to write", () => {
  assert.deepEqual(wrong("steps:\n  - downlod: x\n"), [
    "2:5 unknown key `downlod` in `steps` (item 1) (did you mean `download`?)",
  ]);
  assert.match(wrong("steps:\n  - name: x\n")[0]!, /2:5 this step does nothing \(add one of `apt`, `pip`/);
  assert.match(wrong("steps:\n  - { download: 'ftp://h/x', to: y }")[0]!, /2:17 .*not an http URL/);
  assert.match(wrong("steps:\n  - { download: 'http://h/x' }")[0]!, /`to` is missing/);
  assert.match(wrong("steps:\n  - { apt: x, sha256: y }").join(), /`steps.sha256`: `y` is not a SHA-256/);
  assert.match(wrong("steps:\n  - { apt: x, ref: y }")[0]!, /2:15 `ref` has no meaning for `apt` .*`git`/);
  assert.match(wrong("steps:\n  - { apt: x, pip: y }")[0]!, /are two steps/);
  assert.match(
    wrong("steps:\n  - { run: x, name: a }\n  - { run: y, name: a }")[0]!,
    /3:21 there is a step `a` already/,
  );
  assert.match(wrong("steps:\n  - { git: x, to: y, branch: z }")[0]!, /write `ref:`/);
  assert.match(wrong("step: []")[0]!, /steps/);
  assert.match(wrong("steps:\n  - { huggingface: 'https://huggingface.co/a/b' }")[0]!, /not the name of a repository/);
});

test("a variable that nobody has set is told, unless a step says that it is not wanted then", () => {
  assert.match(
    wrong("steps:\n  - { download: 'http://h/${M}', to: '${DIR}/x' }").join("\n"),
    /M is not set[\s\S]*DIR is not set/,
  );
  const { steps, mistakes } = read({ "a.yaml": "steps:\n  - { huggingface: '${MODEL}', when: { env: MODEL } }" });
  assert.deepEqual(mistakes, []);
  assert.deepEqual([steps[0]?.work, steps[0]?.unwanted], [null, "MODEL is not set"]);
  const wanted = read({ "a.yaml": "env_file: my.env\nsteps:\n  - { huggingface: '${MODEL}', when: { env: MODEL } }" });
  assert.equal(wanted.steps[0]?.name, "huggingface qwen");
  assert.match(wrong("env_file: other.env\nsteps:\n  - run: x")[0]!, /cannot read .*other.env: no such file/);
  assert.match(wrong("steps: [{ run: x }]", { PROVISIONING_SCRIPT: "gopher://x" })[0]!, /not an http URL/);
});

test("`when:` asks of a step what it asks of a service", () => {
  const { steps } = read({
    "a.yaml": "steps:\n  - { run: x, when: { not: { port: 22 } } }\n  - { run: y, when: { command: nvidia-smi } }",
  });
  assert.deepEqual(
    steps.map(({ unwanted }) => unwanted),
    ["port 22 is in use", null],
  );
});

test("secrets are hidden wherever they turn up, and are no part of what a step is", () => {
  const text =
    "steps:\n  - { download: 'https://me:hunter22@h/m?token=abcdefgh&x=1', to: m, headers: { Authorization: 'Bearer ${T}' } }";
  const one = read({ "a.yaml": text }, { T: "tok-123456", HF_TOKEN: "hf_secretsecret" });
  const shown = one.redact("get https://me:hunter22@h/m?token=abcdefgh&x=1 with tok-123456 and hf_secretsecret");
  assert.equal(shown, "get https://(hidden)@h/m?token=(hidden)&x=1 with (hidden) and (hidden)");
  const two = read({ "a.yaml": text.replace("hunter22", "swordfish") }, { T: "tok-654321" });
  assert.equal(one.steps[0]?.hash, two.steps[0]?.hash);
  assert.notEqual(
    one.steps[0]?.hash,
    read({ "a.yaml": text.replace("x=1", "x=2") }, { T: "tok-123456" }).steps[0]?.hash,
  );
});
