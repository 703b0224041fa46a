/** The services that are shipped, on the machines that want them and on those that do not. Programs are stand-ins. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { writeTinyModel } from "../../src/score-cpu/tiny-model.ts";
import { noNetworks } from "./net-namespace.ts";
import { PACKAGE, SHIPPED, ShippedBox, STAYS, servesHttp } from "./shipped-box.ts";

const skip = noNetworks;
const isRoot = process.getuid?.() === 0;
const PORTAL =
  "localhost:1111:11111:/:Instance Portal|localhost:8080:18080:/:Jupyter|localhost:6006:16006:/:TensorBoard";
const BOX_PROGRAMS = {
  jupyter: servesHttp('{"version": "2", "kernelspecs": {}}'),
  tensorboard: servesHttp("<title>TensorBoard</title>"),
  ray: `echo "Ray runtime started."\n${STAYS}`,
  cron: STAYS,
};

test("a machine that has none of it: everything but the scoring is SKIPPED, each with its reason", {
  skip,
}, async (t) => {
  const box = ShippedBox.shipped(t, SHIPPED);
  const bare = box.path("bare"); // Whatever this machine has installed.
  mkdirSync(bare);
  spawnSync("sh", [
    "-c",
    `ln -s /usr/bin/* /bin/* ${bare}/ 2>/dev/null; cd ${bare} && rm -f ray jupyter tensorboard vllm`,
  ]);
  box.env["PATH"] = bare;
  await box.start();
  await box.until("score-cpu", "RUNNING");
  await box.until("score-check", "RUNNING");
  assert.match(await box.skipped("ray"), /no program `ray` on PATH/);
  assert.match(await box.skipped("jupyter"), /no program `jupyter` on PATH/);
  assert.match(await box.skipped("tensorboard"), /no program `tensorboard` on PATH/);
  assert.match(await box.skipped("cron"), /CONTAINER_ID is not set/);
  assert.equal((await box.until("sshd", "SKIPPED")).state, "SKIPPED");
  const { stdout } = await box.svctl("status");
  assert.match(stdout, /jupyter +SKIPPED .*no program `jupyter` on PATH/);
});

test("plan and lint have nothing to say about what is shipped", { skip }, async (t) => {
  const box = ShippedBox.shipped(t, SHIPPED);
  cpSync(join(PACKAGE, "cron.d"), box.path("cron.d"), { recursive: true });
  const before = await box.svctl("plan");
  assert.match(before.stdout, /\d+ services; .* 6 jobs, no mistakes/);
  for (const words of [["plan"], ["lint"]]) {
    const { code, stdout, stderr } = await box.svctl(...words);
    assert.deepEqual([code, stderr.replace(/^\(no svcd runs .*\)\n$/, "")], [0, ""], stdout);
  }
});

// --- Ray -----------------------------------------------------------------------------------------------------------

test("ray is a head when RAY_HEAD is true, and ready once its runtime has started", { skip }, async (t) => {
  const programs = { ray: `read -r _ <>${"$WORKSPACE"}/go\necho "Ray runtime started."\n${STAYS}` };
  const box = ShippedBox.shipped(t, ["ray.yaml"], {
    programs,
    env: { RAY_HEAD: "True", RAY_ADDRESS: "10.0.0.1:6379", RAY_ARGS: "--num-gpus=2  --node-ip-address=10.0.0.1 *" },
  });
  await box.fifo("workspace/go");
  await box.start();
  await box.until("ray", (status) => status.state === "STARTING" && box.called("ray") !== null);
  await box.put("workspace/go", "\n");
  await box.until("ray", "RUNNING");
  assert.deepEqual(box.called("ray"), [
    ...["start", "--head", "--port=6379", "--dashboard-host=127.0.0.1", "--dashboard-port=28265"],
    ...["--block", "--disable-usage-stats", "--num-gpus=2", "--node-ip-address=10.0.0.1", "*"],
  ]);
});

test("ray joins the cluster of RAY_ADDRESS as a worker, with variables that the box's own files say anew", {
  skip,
}, async (t) => {
  const box = ShippedBox.shipped(t, ["ray.yaml"], { programs: BOX_PROGRAMS });
  box.machineFile("/etc/environment", "RAY_ADDRESS=10.0.0.1:6379\n");
  await box.start();
  await box.until("ray", "RUNNING");
  const joins = (address: string) => ["start", `--address=${address}`, "--block", "--disable-usage-stats"];
  assert.deepEqual(box.called("ray"), joins("10.0.0.1:6379"));

  writeFileSync(box.path("workspace/.env"), "RAY_ADDRESS=10.0.0.2:6379\n");
  assert.equal((await box.svctl("restart", "ray")).code, 0);
  assert.deepEqual(box.called("ray"), joins("10.0.0.2:6379"));
});

test("ray is SKIPPED unless it was asked for, and where RAY_ADDRESS names no head", { skip }, async (t) => {
  for (const [address, reason] of [
    [null, /RAY_HEAD is not set and RAY_ADDRESS is not set/],
    ["auto", /RAY_HEAD is not set and RAY_ADDRESS is auto/],
    ["ray://10.0.0.1:10001", /RAY_ADDRESS matches ray:/],
  ] as const) {
    const env = address === null ? {} : { RAY_ADDRESS: address };
    const box = ShippedBox.shipped(t, ["ray.yaml"], { programs: BOX_PROGRAMS, env });
    await box.start();
    assert.match(await box.skipped("ray"), reason);
    assert.equal(box.called("ray"), null);
  }
});

// --- Jupyter and TensorBoard ---------------------------------------------------------------------------------------

test("jupyter listens on this machine alone, where the gateway finds it, and asks no password", { skip }, async (t) => {
  const box = ShippedBox.shipped(t, ["jupyter.yaml"], {
    programs: BOX_PROGRAMS,
    env: { PORTAL_CONFIG: PORTAL, JUPYTER_TYPE: "lab" },
  });
  await box.start();
  await box.until("jupyter", "RUNNING");
  assert.deepEqual(box.called("jupyter"), [
    ...["lab", "--ip=127.0.0.1", "--port=18080", "--ServerApp.port_retries=0", "--no-browser", "--allow-root"],
    ...["--IdentityProvider.token=", "--ServerApp.token=", "--ServerApp.password="],
    "--ServerApp.allow_remote_access=True",
    ...["--ServerApp.trust_xheaders=True", "--ServerApp.root_dir=/"],
    ...[`--ServerApp.preferred_dir=${box.path("workspace")}`, "--ContentsManager.allow_hidden=True"],
  ]);
});

test("jupyter is left to the platform where /.launch mentions it, unless JUPYTER_OVERRIDE is true", {
  skip,
}, async (t) => {
  const launched = { machine: { "/.launch": "#!/bin/bash\nJUPYTER notebook --port 8080\n" }, programs: BOX_PROGRAMS };
  const left = ShippedBox.shipped(t, ["jupyter.yaml"], { ...launched, env: { PORTAL_CONFIG: PORTAL } });
  await left.start();
  assert.match(await left.skipped("jupyter"), /JUPYTER_OVERRIDE is not set and \S+launch mentions jupyter/);

  const ours = ShippedBox.shipped(t, ["jupyter.yaml"], { ...launched, env: { JUPYTER_OVERRIDE: "true" } });
  await ours.start();
  await ours.until("jupyter", "RUNNING");
});

test("tensorboard shows TENSORBOARD_LOG_DIR, or the workspace where the portal lists it", { skip }, async (t) => {
  for (const [env, logdir] of [
    [{ TENSORBOARD_LOG_DIR: "/runs of today" }, () => "/runs of today"],
    [{ PORTAL_CONFIG: PORTAL }, (box: ShippedBox) => box.path("workspace")],
  ] as const) {
    const box = ShippedBox.shipped(t, ["tensorboard.yaml"], { programs: BOX_PROGRAMS, env: { ...env } });
    await box.start();
    await box.until("tensorboard", "RUNNING");
    assert.deepEqual(box.called("tensorboard"), ["--host=127.0.0.1", "--port=16006", `--logdir=${logdir(box)}`]);
  }
});

// --- sshd ----------------------------------------------------------------------------------------------------------

const SSHD = { sshd: `echo "Server listening on 0.0.0.0 port 22."\n${STAYS}`, "ssh-keygen": "" };

test("sshd is started where keys are and nobody listens, by its full path, for keys alone", {
  skip: skip || !isRoot,
}, async (t) => {
  const box = ShippedBox.shipped(t, ["sshd.yaml"], { programs: SSHD });
  await box.start();
  assert.match(await box.skipped("sshd"), /authorized_keys does not exist/);
  mkdirSync(box.path("home/.ssh"));
  writeFileSync(box.path("home/.ssh/authorized_keys"), "ssh-ed25519 AAAA\n");
  await box.until("sshd", "RUNNING");
  assert.deepEqual(box.called("sshd"), [
    ...["-D", "-e", "-p", "22", "-o", "PasswordAuthentication=no", "-o", "KbdInteractiveAuthentication=no"],
  ]);
  assert.deepEqual(box.called("ssh-keygen"), ["-A"]);
  assert.ok(existsSync(box.path("machine/run_sshd")));
});

test("sshd leaves a port alone on which another one listens, and takes over when that is gone", {
  skip: skip || !isRoot,
}, async (t) => {
  const box = ShippedBox.shipped(t, ["sshd.yaml"], { programs: SSHD });
  mkdirSync(box.path("home/.ssh"));
  writeFileSync(box.path("home/.ssh/authorized_keys"), "ssh-ed25519 AAAA\n");
  box.write(
    "other.yaml",
    `command: python3 -m http.server --bind 0.0.0.0 22\nhealthcheck: { tcp: 22, interval: 100ms }\n`,
  );
  box.write("sshd.yaml", `${box.asShipped("sshd.yaml")}depends_on: { other: ready }\n`);
  await box.start();
  assert.match(await box.skipped("sshd"), /port 22 is in use/);
  assert.equal(box.called("sshd"), null);
  box.write("sshd.yaml", box.asShipped("sshd.yaml"));
  box.remove("other.yaml");
  await box.until("sshd", "RUNNING");
});

// --- which of the two scores ---------------------------------------------------------------------------------------

test("score-cpu is SKIPPED where a real vLLM serves, and only there", { skip }, async (t) => {
  const programs = { vllm: STAYS, "nvidia-smi": "echo GPU" };
  const gpu = ShippedBox.shipped(t, ["score-cpu.yaml", "score-check.yaml", "machine-report.yaml"], {
    programs,
    env: { MODEL_NAME: "Qwen/Qwen3-Reranker-0.6B" },
  });
  await gpu.start();
  const reason = /MODEL_NAME is set and there is a program `vllm` on PATH/;
  assert.match(await gpu.skipped("score-cpu"), reason);
  assert.match(await gpu.skipped("score-check"), reason);

  const idle = ShippedBox.shipped(t, ["score-cpu.yaml"], { programs });
  await idle.start();
  await idle.until("score-cpu", "RUNNING");
});

const modules = join(PACKAGE, "node_modules/.score-modules");
const noModules =
  !existsSync(join(modules, "node_modules")) && "@huggingface/transformers is not in node_modules/.score-modules";

test("MODEL_NAME that is a directory with an ONNX reranker is what score-cpu serves, under that name", {
  skip: skip || noModules,
}, async (t) => {
  const box = ShippedBox.shipped(t, ["score-cpu.yaml"], { env: { SCORE_MODULES: modules } });
  const model = box.path("model");
  writeTinyModel(model);
  box.env["MODEL_NAME"] = model;
  await box.start();
  await box.until("score-cpu", "RUNNING");
  const request = { model, query: "the capital of france", documents: ["bread", "paris is the capital of france"] };
  const { stdout } = await box.within(
    ...(["curl", "-sS", "http://127.0.0.1:18000/v2/rerank", "-H", "content-type: application/json"] as const),
    ...["-d", JSON.stringify(request)],
  );
  const answer = JSON.parse(stdout) as { model: string; results: { index: number; relevance_score: number }[] };
  assert.equal(answer.model, model);
  assert.deepEqual(
    answer.results.map(({ index }) => index),
    [1, 0],
  );
  assert.ok(answer.results[0]!.relevance_score > 0.9);
});

test("without the package that runs an ONNX model score-cpu does not start, and status says what to install", {
  skip,
}, async (t) => {
  const box = ShippedBox.shipped(t, ["score-cpu.yaml"]);
  writeTinyModel(box.path("model"));
  box.env["MODEL_NAME"] = box.path("model");
  await box.start();
  await box.becomes("it says what to install", () => box.log("score-cpu").includes("npm install --prefix"));
  assert.match((await box.until("score-cpu", "BACKOFF")).why, /exit/i);
});

// --- what a box that runs without svcd must show, and so must this (numbers of the template's own tests) ---------------

test("65: jupyter and tensorboard run exactly when the portal names them, and their ports are open accordingly", {
  skip,
}, async (t) => {
  const cases: [named: string, env: Record<string, string>, machine: Record<string, string>][] = [
    ["both", { PORTAL_CONFIG: PORTAL }, {}],
    ["none", { PORTAL_CONFIG: "localhost:1111:11111:/:Instance Portal" }, {}],
    [
      "tensorboard",
      { PORTAL_CONFIG: PORTAL },
      { "/etc/portal.yaml": "applications:\n  Tensor Board: {}\n  # Jupyter: {}\n" },
    ],
    ["none", {}, {}],
  ];
  for (const [named, env, machine] of cases) {
    const box = ShippedBox.shipped(t, ["jupyter.yaml", "tensorboard.yaml"], { programs: BOX_PROGRAMS, env, machine });
    await box.start();
    for (const [service, port] of [
      ["jupyter", 18080],
      ["tensorboard", 16006],
    ] as const) {
      const isNamed = named === "both" || named === service;
      await box.until(service, isNamed ? "RUNNING" : "SKIPPED");
      const { code } = await box.within("curl", "-s", "-o", "/dev/null", `http://127.0.0.1:${port}/`);
      assert.equal(code === 0, isNamed, `${service} on ${port}, of ${named}`);
    }
  }
});

test("67: tensorboard and jupyter's kernelspecs answer where they are RUNNING", { skip }, async (t) => {
  const box = ShippedBox.shipped(t, ["jupyter.yaml", "tensorboard.yaml"], {
    programs: BOX_PROGRAMS,
    env: { PORTAL_CONFIG: PORTAL },
  });
  await box.start();
  await box.until("jupyter", "RUNNING");
  await box.until("tensorboard", "RUNNING");
  const get = async (url: string) => (await box.within("curl", "-fsS", url)).stdout;
  assert.ok("kernelspecs" in (JSON.parse(await get("http://127.0.0.1:18080/api/kernelspecs")) as object));
  assert.match(await get("http://127.0.0.1:16006/"), /TensorBoard/);
});

const aCronRuns = spawnSync("pidof", ["cron"]).status === 0 && "this machine runs a cron of its own";

test("75: on a rented box cron is RUNNING, pidof finds a process `cron`, and there is a crontab command", {
  skip: skip || !isRoot || aCronRuns,
}, async (t) => {
  const box = ShippedBox.shipped(t, ["cron.yaml"], { env: { CONTAINER_ID: "4242" } });
  copyFileSync("/usr/bin/tail", box.path("programs/cron")); // It stays with -f, and pidof knows no scripts.
  await box.start();
  const { pid } = await box.until("cron", "RUNNING");
  assert.ok((await box.run("pidof", ["cron"])).stdout.split(/\s+/).includes(String(pid)));
  assert.match(readFileSync(`/proc/${pid}/cmdline`, "latin1"), /cron\0-f\0$/);
  assert.equal((await box.run(join(PACKAGE, "bin/crontab"), ["-n", "/dev/null"])).code, 0);
});

test("85: with SERVERLESS=true the services of the portal are not there, their ports are closed, and svcd answers", {
  skip,
}, async (t) => {
  const box = ShippedBox.shipped(t, SHIPPED, {
    programs: BOX_PROGRAMS,
    env: { SERVERLESS: "TRUE", PORTAL_CONFIG: PORTAL, RAY_HEAD: "true", JUPYTER_OVERRIDE: "true" },
  });
  await box.start();
  await box.until("ray", "RUNNING"); // What serves models runs, …
  await box.until("score-cpu", "RUNNING");
  assert.match(await box.skipped("jupyter"), /SERVERLESS is true/); // … what people look at does not.
  assert.match(await box.skipped("tensorboard"), /SERVERLESS is true/);
  for (const port of [11111, 11112, 18080, 16006]) {
    assert.equal((await box.within("curl", "-s", `http://127.0.0.1:${port}/`)).code, 7, `port ${port} is open`);
  }
  assert.ok([0, 3].includes((await box.svctl("status")).code));
});
