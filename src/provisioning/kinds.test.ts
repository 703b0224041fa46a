/** The kinds of steps with the programs and servers that they need: real git, stand-ins on PATH for apt, pip and hf. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { redactor } from "../plan/secrets.ts";
import type { Around } from "./around.ts";
import { FakeServer } from "./fake-server.ts";
import { Part } from "./part.ts";
import { perform } from "./perform.ts";
import { preflight } from "./preflight.ts";
import { runProgram } from "./program.ts";
import { Interrupted, type Result } from "./result.ts";
import type { Step, Work } from "./step.ts";

/** A folder whose `bin` comes first on PATH; each stand-in writes its words to `calls`. */
class Bench {
  readonly dir = mkdtempSync(join(tmpdir(), "svcd-kinds-"));
  readonly said: string[] = [];
  readonly stop = new AbortController();
  readonly seen: { bytes: number; total: number | null }[] = [];
  env: Record<string, string>;

  constructor(env: Record<string, string> = {}) {
    mkdirSync(join(this.dir, "bin"));
    this.env = { PATH: `${this.dir}/bin:/usr/bin:/bin`, HOME: this.dir, ...env };
  }

  program(name: string, script = ""): void {
    const text = `#!/bin/sh\nprintf '%s\\n' "${name} $*" >> ${this.dir}/calls\n${script}\n`;
    writeFileSync(join(this.dir, "bin", name), text, { mode: 0o755 });
  }

  get calls(): string[] {
    return existsSync(join(this.dir, "calls")) ? readFileSync(join(this.dir, "calls"), "utf8").trim().split("\n") : [];
  }

  around(changes: Partial<Around> = {}): Around {
    return {
      say: (line) => this.said.push(line),
      progress: (amount) => this.seen.push(amount),
      redact: redactor(this.env),
      stop: this.stop.signal,
      stateDir: join(this.dir, "state"),
      wasCutOff: false,
      isAskedFor: false,
      ...changes,
    };
  }

  step(work: Work, changes: Partial<Step> = {}): Step {
    return {
      name: "x",
      where: "a.yaml:1",
      work,
      unwanted: null,
      hash: "h",
      env: this.env,
      onFailure: "stop",
      tries: 1,
      retryDelayMs: 1,
      timeoutMs: null,
      creates: null,
      unless: null,
      ...changes,
    };
  }

  do(
    work: Work,
    changes: Partial<Step> = {},
    around: Partial<Around> = {},
    doneBefore: string | null = null,
  ): Promise<Result> {
    return perform(this.step(work, changes), work, doneBefore, this.around(around));
  }
}

const causeOf = (result: Result): string => (result.ok ? "" : `${result.cause} | ${result.fix}`);

// --- apt ---------------------------------------------------------------------------------------------------------------

const APT: Work = { kind: "apt", packages: ["ffmpeg", "git-lfs"], update: true, recommends: false };

test("apt updates its lists, then installs without asking anybody anything", async () => {
  const bench = new Bench();
  bench.program("dpkg-query", "exit 1");
  bench.program("apt-get", 'echo "$DEBIAN_FRONTEND" >> $HOME/frontend');
  assert.ok((await bench.do(APT)).ok);
  const [query, update, install] = bench.calls;
  assert.match(query!, /^dpkg-query .* ffmpeg git-lfs$/);
  assert.match(update!, /^apt-get -o DPkg::Lock::Timeout=300 .* update$/);
  assert.match(install!, /^apt-get .* install --yes --no-install-recommends -- ffmpeg git-lfs$/);
  assert.equal(readFileSync(join(bench.dir, "frontend"), "utf8"), "noninteractive\nnoninteractive\n");
});

test("what is installed is left alone; a dpkg that was cut off is set right first", async () => {
  const bench = new Bench();
  bench.program("dpkg-query", "printf 'ii \\nii \\n'");
  bench.program("apt-get");
  bench.program("dpkg");
  assert.match(String(((await bench.do(APT)) as { note?: string }).note), /installed already/);
  assert.equal(bench.calls.length, 1);
  await bench.do(APT, {}, { wasCutOff: true, isAskedFor: true });
  assert.match(bench.calls[1]!, /^dpkg .*--configure -a$/);
});

test("a package that apt does not know is named and not tried again; a mirror that is away is", async () => {
  const bench = new Bench();
  bench.program("dpkg-query", "exit 1");
  bench.program("apt-get", 'case "$*" in *install*) echo "E: Unable to locate package git-lfs"; exit 100;; esac');
  assert.match(causeOf(await bench.do(APT, { tries: 3 })), /^apt knows no package git-lfs/);
  assert.equal(bench.calls.filter((call) => call.includes("install")).length, 1);
  bench.program("apt-get", 'case "$*" in *install*) echo "E: Failed to fetch http://m/x"; exit 100;; esac');
  assert.match(
    causeOf(await bench.do(APT, { tries: 3 })),
    /exited with 100: E: Failed to fetch http:\/\/m\/x \(after 3 tries\)/,
  );
});

// --- pip ---------------------------------------------------------------------------------------------------------------

test("uv is taken where it is, and makes the environment that is not there", async () => {
  const bench = new Bench();
  const venv = join(bench.dir, "venv");
  bench.program("uv", `case "$1" in venv) mkdir -p ${venv}/bin; touch ${venv}/bin/python;; esac`);
  const work: Work = { kind: "pip", words: ["vllm==0.11.0", "-r", "r.txt"], venv };
  assert.ok((await bench.do(work)).ok);
  assert.ok((await bench.do(work)).ok);
  assert.deepEqual(
    bench.calls.map((call) => call.replaceAll(bench.dir, "")),
    [
      "uv venv --seed /venv",
      "uv pip install --python /venv/bin/python vllm==0.11.0 -r r.txt",
      "uv pip install --python /venv/bin/python vllm==0.11.0 -r r.txt",
    ],
  );
});

test("without uv it is the pip of the environment; without an environment that of the system", async () => {
  const bench = new Bench();
  const venv = join(bench.dir, "venv");
  bench.env["PATH"] = `${bench.dir}/bin`;
  const make = `mkdir -p ${venv}/bin; cp ${bench.dir}/bin/python3 ${venv}/bin/python`;
  bench.program("python3", `export PATH=/usr/bin:/bin; case "$*" in *"-m venv"*) ${make};; esac`);
  assert.ok((await bench.do({ kind: "pip", words: ["numpy"], venv })).ok);
  assert.ok((await bench.do({ kind: "pip", words: ["numpy"], venv: null })).ok);
  assert.deepEqual(
    bench.calls.map((call) => call.replaceAll(bench.dir, "")),
    [
      "python3 -m venv /venv",
      "python3 -m pip install --no-input --disable-pip-version-check numpy",
      "python3 -m pip install --no-input --disable-pip-version-check numpy",
    ],
  );
});

test("a folder that is no environment is never cleared to make one; a half-made one is", async () => {
  const bench = new Bench();
  const venv = join(bench.dir, "work");
  mkdirSync(venv);
  writeFileSync(join(venv, "thesis.txt"), "years");
  bench.program(
    "uv",
    `case "$1" in venv) mkdir -p ${venv}/bin; test -e ${bench.dir}/go || exit 1; touch ${venv}/bin/python;; esac`,
  );
  const work: Work = { kind: "pip", words: ["x"], venv };
  assert.match(causeOf(await bench.do(work)), /work is there, and is no Python environment/);
  assert.equal(readFileSync(join(venv, "thesis.txt"), "utf8"), "years");
  rmSync(join(venv, "thesis.txt"));
  assert.equal((await bench.do(work)).ok, false);
  writeFileSync(join(venv, "bin/half"), "");
  writeFileSync(join(bench.dir, "go"), "");
  assert.ok((await bench.do(work)).ok);
  assert.equal(existsSync(join(venv, "bin/half")), false);
});

test("a Python that belongs to the system is told apart from a package that does not exist", async () => {
  const bench = new Bench();
  bench.program("uv", 'echo "error: The interpreter at /usr is externally managed"; exit 2');
  assert.match(
    causeOf(await bench.do({ kind: "pip", words: ["x"], venv: null })),
    /belongs to the system \| give the step a `venv:`/,
  );
  bench.program("uv", 'echo "ERROR: No matching distribution found for nupmy"; exit 1');
  assert.match(
    causeOf(await bench.do({ kind: "pip", words: ["x"], venv: null })),
    /No matching distribution found for nupmy \| correct its name/,
  );
});

/** A package without anything to build, so that nothing has to be fetched. */
const WHEEL = `
import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + "/hello-1.0-py3-none-any.whl", "w") as wheel:
    wheel.writestr("hello.py", "WORD = 'hello'")
    wheel.writestr("hello-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: hello\\nVersion: 1.0\\n")
    wheel.writestr("hello-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr("hello-1.0.dist-info/RECORD", "hello.py,,\\nhello-1.0.dist-info/METADATA,,\\nhello-1.0.dist-info/WHEEL,,\\nhello-1.0.dist-info/RECORD,,\\n")
`;

test("the real Python makes an environment and installs into it, without a network", async (t) => {
  const bench = new Bench();
  bench.env["PATH"] = process.env["PATH"] ?? "";
  const venv = join(bench.dir, "venv");
  const made = spawnSync("python3", ["-c", `import ensurepip\n${WHEEL}`, bench.dir], { encoding: "utf8" });
  if (made.status !== 0) return t.skip("no Python with venv here");
  const words = ["--no-index", "--find-links", bench.dir, "hello"];
  const result = await bench.do({ kind: "pip", words, venv });
  assert.ok(result.ok, bench.said.join("\n"));
  const { stdout } = spawnSync(join(venv, "bin/python"), ["-c", "import hello; print(hello.WORD)"], {
    encoding: "utf8",
  });
  assert.equal(stdout, "hello\n");
  const unknown = await bench.do({ kind: "pip", words: [...words.slice(0, 3), "nupmy"], venv });
  assert.match(causeOf(unknown), /No matching distribution found for nupmy \| correct its name/);
});

// --- git ---------------------------------------------------------------------------------------------------------------

function repository(): {
  url: string;
  commit: (text: string) => string;
  git: (...args: string[]) => string;
  dir: string;
} {
  const dir = mkdtempSync(join(tmpdir(), "svcd-repo-"));
  const git = (...args: string[]): string => {
    const env = {
      ...process.env,
      GIT_AUTHOR_NAME: "a",
      GIT_AUTHOR_EMAIL: "a@b",
      GIT_COMMITTER_NAME: "a",
      GIT_COMMITTER_EMAIL: "a@b",
    };
    const { status, stdout, stderr } = spawnSync("git", ["-C", dir, ...args], { encoding: "utf8", env });
    assert.equal(status, 0, stderr);
    return stdout.trim();
  };
  git("init", "-q", "-b", "main");
  const commit = (text: string): string => {
    writeFileSync(join(dir, "file"), text);
    git("add", "file");
    git("commit", "-q", "-m", text);
    return git("rev-parse", "HEAD");
  };
  return { url: `file://${dir}`, commit, git, dir };
}

const clone = (url: string, to: string, changes: object = {}): Work =>
  ({ kind: "git", url, to, ref: null, depth: null, submodules: false, force: false, ...changes }) as Work;

test("a repository is cloned, brought up to date, and to any branch, tag or commit", async () => {
  const bench = new Bench();
  const { url, commit, git } = repository();
  const to = join(bench.dir, "deep/clone");
  const fileOf = (): string => readFileSync(join(to, "file"), "utf8");
  const one = commit("one");
  git("tag", "v1");
  assert.ok((await bench.do(clone(url, to))).ok, bench.said.join("\n"));
  assert.equal(fileOf(), "one");
  commit("two");
  assert.match(String(((await bench.do(clone(url, to))) as { note?: string }).note), /^at [0-9a-f]+ two$/);
  assert.equal(fileOf(), "two");
  for (const ref of ["v1", one, one.slice(0, 10)]) {
    await bench.do(clone(url, to, { ref: "main" }));
    assert.equal(fileOf(), "two");
    assert.ok((await bench.do(clone(url, to, { ref }))).ok, `${ref}\n${bench.said.join("\n")}`);
    assert.equal(fileOf(), "one", ref);
  }
  const shallow = join(bench.dir, "shallow");
  assert.ok((await bench.do(clone(url, shallow, { depth: 1 }))).ok);
  assert.equal(spawnSync("git", ["-C", shallow, "rev-list", "--count", "HEAD"], { encoding: "utf8" }).stdout, "1\n");
});

test("a clone that fails or is cut off leaves nothing at its place, and the next one succeeds", async () => {
  const bench = new Bench();
  const { url, commit } = repository();
  commit("one");
  const to = join(bench.dir, "clone");
  assert.match(causeOf(await bench.do(clone(`${url}-none`, to))), /git fetch exited with 128.*correct the URL/);
  assert.match(causeOf(await bench.do(clone(url, to, { ref: "v9" }))), /correct `ref:`/);
  assert.equal(existsSync(to), false);
  mkdirSync(join(bench.dir, ".svcd-clone.clone"));
  writeFileSync(join(bench.dir, ".svcd-clone.clone/half"), "");
  assert.ok((await bench.do(clone(url, to))).ok);
});

test("a person's changes are not thrown away, also not at the second try, unless the step says so", async () => {
  const bench = new Bench();
  const { url, commit } = repository();
  commit("one");
  const to = join(bench.dir, "clone");
  await bench.do(clone(url, to));
  commit("two");
  writeFileSync(join(to, "file"), "mine");
  for (const around of [{}, { wasCutOff: true }]) {
    assert.match(causeOf(await bench.do(clone(url, to), {}, around)), /has local changes \(file\) \| .*`force: true`/);
    assert.equal(readFileSync(join(to, "file"), "utf8"), "mine");
  }
  assert.ok((await bench.do(clone(url, to, { force: true }))).ok);
  assert.equal(readFileSync(join(to, "file"), "utf8"), "two");
  writeFileSync(join(bench.dir, "file"), "x");
  mkdirSync(join(bench.dir, "full"));
  writeFileSync(join(bench.dir, "full/x"), "");
  assert.match(causeOf(await bench.do(clone(url, join(bench.dir, "full")))), /is there already, and is no clone/);
});

test("a branch is one that a person can go on with, and commits made on it are not lost", async () => {
  const bench = new Bench();
  const { url, commit } = repository();
  commit("one");
  const to = join(bench.dir, "clone");
  for (const changes of [{}, { ref: "main", depth: 1 }]) {
    rmSync(to, { recursive: true, force: true });
    await bench.do(clone(url, to, changes));
    const two = commit(`two ${JSON.stringify(changes)}`);
    const inClone = (...args: string[]): string =>
      spawnSync("git", ["-C", to, "-c", "user.name=a", "-c", "user.email=a@b", ...args], {
        encoding: "utf8",
      }).stdout.trim();
    assert.equal(inClone("rev-parse", "--abbrev-ref", "HEAD@{upstream}"), "origin/main");
    assert.ok((await bench.do(clone(url, to, changes))).ok, bench.said.join("\n"));
    assert.equal(inClone("rev-parse", "main"), two);
    inClone("commit", "--allow-empty", "-m", "mine");
    const mine = inClone("rev-parse", "main");
    assert.ok((await bench.do(clone(url, to))).ok, "there is nothing new: what is mine stays on top");
    commit(`three ${JSON.stringify(changes)}`);
    assert.match(
      causeOf(await bench.do(clone(url, to, changes))),
      /the branch main in .* has commits of its own \| .*`force: true`/,
    );
    assert.equal(inClone("rev-parse", "main"), mine);
    assert.ok((await bench.do(clone(url, to, { ...changes, force: true }))).ok);
    assert.notEqual(inClone("rev-parse", "main"), mine);
  }
});

test("a checkout that was cut off, with its lock left behind, is gone on with", async () => {
  const bench = new Bench();
  const { url, commit } = repository();
  commit("one");
  const to = join(bench.dir, "clone");
  await bench.do(clone(url, to));
  commit("two");
  writeFileSync(join(to, "file"), "ha");
  writeFileSync(join(to, ".git/index.lock"), "");
  writeFileSync(join(to, ".git/svcd-unfinished"), "");
  assert.ok((await bench.do(clone(url, to), {}, { wasCutOff: true })).ok, bench.said.join("\n"));
  assert.equal(readFileSync(join(to, "file"), "utf8"), "two");
  assert.equal(existsSync(join(to, ".git/svcd-unfinished")), false);
});

test("the password in a repository's URL is in no line and no cause", async () => {
  const bench = new Bench();
  await using server = await FakeServer.open();
  server.on("/r.git/info/refs?service=git-upload-pack", { status: 401, headers: { "www-authenticate": "Basic" } });
  const url = `${server.origin}/r.git`.replace("://", "://me:hunter22@");
  const result = await bench.do(clone(url, join(bench.dir, "r")));
  assert.ok(!result.ok);
  assert.doesNotMatch(bench.said.join("\n"), /hunter22/);
  assert.doesNotMatch(bench.around().redact(causeOf(result)), /hunter22/);
});

// --- Hugging Face --------------------------------------------------------------------------------------------------------

const MODEL: Work = {
  kind: "huggingface",
  repo: "o/m",
  type: "model",
  revision: "main",
  include: [],
  exclude: [],
  to: null,
};
const COMMIT = "c".repeat(40);
const WEIGHTS = Buffer.alloc(200_000, "w");
const CONFIG = Buffer.from('{"a":1}');
const gitName = (bytes: Buffer): string =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

function hub(server: FakeServer, changes: object = {}): void {
  const siblings = [
    { rfilename: "config.json", size: CONFIG.length, blobId: gitName(CONFIG) },
    {
      rfilename: "sub/model.safetensors",
      size: WEIGHTS.length,
      blobId: "b".repeat(40),
      lfs: { sha256: createHash("sha256").update(WEIGHTS).digest("hex"), size: WEIGHTS.length },
    },
  ];
  const body = JSON.stringify({ sha: COMMIT, gated: false, siblings, ...changes });
  server.on("/api/models/o/m/revision/main?blobs=true", { body, type: "application/json" });
  server.on(`/o/m/resolve/${COMMIT}/config.json`, { body: CONFIG });
  server.on(`/o/m/resolve/${COMMIT}/sub/model.safetensors`, { body: WEIGHTS, etag: '"w"', cutAfter: 120_000 });
}

test("a model comes whole into the cache of Hugging Face, in the form its libraries read", async () => {
  await using server = await FakeServer.open();
  hub(server);
  const bench = new Bench({ HF_ENDPOINT: server.origin });
  bench.env["HF_HOME"] = join(bench.dir, "hf");
  const result = await bench.do(MODEL, { tries: 5 });
  assert.ok(result.ok, JSON.stringify(result));
  const folder = join(bench.dir, "hf/hub/models--o--m");
  assert.equal(readFileSync(join(folder, "refs/main"), "utf8"), COMMIT);
  assert.deepEqual(readFileSync(join(folder, "snapshots", COMMIT, "sub/model.safetensors")), WEIGHTS);
  assert.match(
    readlinkSync(join(folder, "snapshots", COMMIT, "sub/model.safetensors")),
    /^\.\.\/\.\.\/\.\.\/blobs\/[0-9a-f]{64}$/,
  );
  assert.equal(readlinkSync(join(folder, "snapshots", COMMIT, "config.json")), `../../blobs/${gitName(CONFIG)}`);
  assert.equal(bench.seen.at(-1)?.bytes, WEIGHTS.length + CONFIG.length);
  const asked = server.asked.length;
  assert.ok((await bench.do(MODEL)).ok);
  assert.equal(server.asked.length, asked + 1, "what is there is not fetched again");
});

test("a file that is not what its repository says is not taken", async () => {
  await using server = await FakeServer.open();
  hub(server);
  server.on(`/o/m/resolve/${COMMIT}/config.json`, { body: '{"b":1}' });
  const bench = new Bench({ HF_ENDPOINT: server.origin });
  const result = await bench.do({ ...MODEL, to: join(bench.dir, "m") } as Work);
  assert.match(causeOf(result), /^config\.json: the file has another content/);
  assert.equal(existsSync(join(bench.dir, "m/config.json")), false);
});

test("a gated model says whose licence to accept and where, before anything is done, and shows no token", async () => {
  await using server = await FakeServer.open();
  hub(server, { gated: "manual" });
  const gated = { status: 403, headers: { "x-error-code": "GatedRepo" } };
  server.on(`/o/m/resolve/${COMMIT}/config.json`, gated);
  const bench = new Bench({ HF_ENDPOINT: server.origin, HF_TOKEN: "hf_verysecret1" });
  const ahead = await preflight(
    [bench.step({ kind: "run", argv: ["false"], cwd: "/" }), bench.step(MODEL)],
    bench.around(),
  );
  assert.match(ahead?.failed.cause ?? "", /^o\/m is gated, and the account of HF_TOKEN was not let in \(HTTP 403\)$/);
  assert.match(ahead?.failed.fix ?? "", /accept the licence at http.*\/o\/m, with the account of HF_TOKEN/);
  assert.equal(server.asked[0]?.authorization, "Bearer hf_verysecret1");
  assert.doesNotMatch(JSON.stringify([ahead?.failed, bench.said]), /verysecret/);

  delete bench.env["HF_TOKEN"];
  server.on("/api/models/o/m/revision/main?blobs=true", { status: 401, headers: { "x-error-code": "GatedRepo" } });
  assert.match(causeOf(await bench.do(MODEL)), /no HF_TOKEN is set.*then set HF_TOKEN/);
  server.on("/api/models/o/m/revision/main?blobs=true", { status: 401, headers: { "x-error-code": "RepoNotFound" } });
  assert.match(causeOf(await bench.do(MODEL)), /there is no model o\/m, or it is private/);
});

test("`hf` fetches where it is, with the words that were written, and the growth of the cache is its progress", async () => {
  await using server = await FakeServer.open();
  hub(server);
  const bench = new Bench({ HF_ENDPOINT: server.origin });
  bench.env["HF_HOME"] = join(bench.dir, "hf");
  const folder = join(bench.dir, "hf/hub/models--o--m/blobs");
  bench.program("hf", `mkdir -p ${folder}; head -c 150000 /dev/zero > ${folder}/x; sleep 1.3; echo ${folder}`);
  const work = { ...MODEL, include: ["*.json", "sub/*"] } as Work;
  assert.ok((await bench.do(work)).ok);
  assert.deepEqual(bench.calls, ["hf download o/m --revision main --repo-type model --include *.json --include sub/*"]);
  assert.ok(bench.seen.some(({ bytes, total }) => bytes >= 150_000 && total === WEIGHTS.length + CONFIG.length));
});

test("offline, what is in the cache is taken, and what is not is told", async () => {
  await using server = await FakeServer.open();
  hub(server);
  const bench = new Bench({ HF_ENDPOINT: server.origin, HF_HUB_OFFLINE: "1" });
  bench.env["HF_HOME"] = join(bench.dir, "hf");
  assert.match(causeOf(await bench.do(MODEL)), /HF_HUB_OFFLINE is set, and .*snapshots\/main is not there/);
  assert.ok((await bench.do(MODEL, { tries: 3, env: { ...bench.env, HF_HUB_OFFLINE: "" } })).ok);
  const asked = server.asked.length;
  assert.ok((await bench.do(MODEL)).ok);
  assert.equal(server.asked.length, asked);
});

test("what is half here is not counted as missing when the disk is measured", async () => {
  await using server = await FakeServer.open();
  const bench = new Bench();
  const free = statfsSync(bench.dir);
  // A file that fits only because most of it is here (a sparse part: its length is what counts).
  const size = free.bavail * free.bsize + 1_000_000_000;
  const url = server.on("/m", { headers: { "content-length": String(size) } });
  const work = {
    kind: "download",
    url,
    to: join(bench.dir, "m"),
    sha256: null,
    headers: {},
    html: false,
    executable: false,
  } as const;
  assert.match((await preflight([bench.step(work)], bench.around()))?.failed.cause ?? "", /disk is too small/);
  truncateTo(new Part(bench.dir, work).path, size - 1_000_000);
  assert.equal(await preflight([bench.step(work)], bench.around()), null);
});

function truncateTo(path: string, bytes: number): void {
  writeFileSync(path, "");
  truncateSync(path, bytes);
}

// --- run and script --------------------------------------------------------------------------------------------------------

test("`creates` and `unless` spare a command; a limit of time ends all of it", async () => {
  const bench = new Bench();
  const work: Work = { kind: "run", argv: ["/bin/sh", "-c", `echo ran; touch ${bench.dir}/made`], cwd: "/" };
  assert.ok((await bench.do(work, { creates: join(bench.dir, "made") })).ok);
  assert.equal(((await bench.do(work, { creates: join(bench.dir, "made") })) as { skipped?: boolean }).skipped, true);
  assert.equal(((await bench.do(work, { unless: ["true"] })) as { skipped?: boolean }).skipped, true);
  assert.deepEqual(bench.said, ["ran"]);
  const slow: Work = {
    kind: "run",
    argv: ["/bin/sh", "-c", `sleep 1002 & echo $! > ${bench.dir}/pid; wait`],
    cwd: "/",
  };
  assert.match(causeOf(await bench.do(slow, { timeoutMs: 300 })), /^it took longer than 300ms/);
  const pid = Number(readFileSync(join(bench.dir, "pid"), "utf8"));
  const state = (): string => {
    try {
      return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, "latin1"))?.[1] ?? "gone";
    } catch {
      return "gone";
    }
  };
  while (!["Z", "X", "gone"].includes(state())) await new Promise((again) => setTimeout(again, 10));
});

test("the last line that calls itself an error is the cause; secrets are hidden, and a bar does not fill the log", async () => {
  const bench = new Bench({ HF_TOKEN: "hf_verysecret1" });
  const lines = "echo token hf_verysecret1; echo 'ValueError: no model'; echo bye >&2; exit 4";
  const result = await bench.do({ kind: "run", argv: ["/bin/sh", "-c", lines], cwd: "/" });
  assert.match(causeOf(result), /^the script exited with 4: ValueError: no model/);
  assert.deepEqual(bench.said, ["token (hidden)", "ValueError: no model", "bye"]);
  bench.said.length = 0;
  const bar = "i=0; while [ $i -lt 5000 ]; do printf '\\rat %s' $i; i=$((i+1)); done; printf '\\nend'";
  await bench.do({ kind: "run", argv: ["/bin/sh", "-c", bar], cwd: "/" });
  assert.ok(bench.said.length <= 10, String(bench.said.length));
  assert.deepEqual(bench.said.slice(-2), ["at 4999", "end"]);
});

test("asked to end, a program gets TERM and time, and the step is neither done nor failed", async () => {
  const bench = new Bench();
  const script = `trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done`;
  const said: string[] = [];
  const running = runProgram(
    { argv: ["/bin/sh", "-c", script], env: bench.env, cwd: "/" },
    {
      ...bench.around(),
      say: (line) => {
        said.push(line);
        if (line === "up") bench.stop.abort();
      },
    },
  );
  await assert.rejects(running, Interrupted);
  assert.deepEqual([said[0], said.at(-1)], ["up", "bye"]); // Between them the shell may tell of its own child.
});

test("a program that leaves something in the background ends all the same", async () => {
  const bench = new Bench();
  const result = await bench.do({ kind: "run", argv: ["/bin/sh", "-c", "sleep 1003 & echo up"], cwd: "/" });
  assert.ok(result.ok);
  assert.deepEqual(bench.said, ["up"]);
});

const scriptOf = (source: string): Work => ({ kind: "script", source, cwd: "/" });

test("a script from a URL runs with the interpreter that it names, with its output told", async () => {
  await using server = await FakeServer.open();
  const bench = new Bench();
  const url = server.on(
    "/s.sh",
    { status: 503 },
    { body: "#!/bin/sh -e\necho from $0 | sed 's/.*script-/script-/'\n" },
  );
  const result = await bench.do(scriptOf(url));
  assert.ok(result.ok && result.content?.length === 64);
  assert.match(bench.said.at(-1) ?? "", /^script-[0-9a-f]{16}$/);
});

test("what is no script is refused: a page, nothing, binary, endless", async () => {
  await using server = await FakeServer.open();
  const bench = new Bench();
  const page = server.on("/blob", { body: "<!doctype html><html>", type: "text/plain" });
  assert.match(causeOf(await bench.do(scriptOf(page))), /a page of HTML instead of the file/);
  assert.match(causeOf(await bench.do(scriptOf(server.on("/none", { body: " \n" })))), /is empty/);
  assert.match(causeOf(await bench.do(scriptOf(server.on("/bin", { body: "\x7fELF\0\0" })))), /binary data/);
  const endless = server.on("/big", { body: Buffer.alloc(9_000_000, "x"), chunked: true });
  assert.match(causeOf(await bench.do(scriptOf(endless))), /it is larger than 8\.4 MB/);
  assert.match(causeOf(await bench.do(scriptOf("/no/such"))), /\/no\/such is not there/);
  assert.deepEqual(bench.calls, []);
});

test("a script whose content is as it was does not run again; one that changed does", async () => {
  const bench = new Bench();
  const path = join(bench.dir, "s.sh");
  writeFileSync(path, "echo one");
  const first = await bench.do(scriptOf(path));
  assert.ok(first.ok && first.content !== undefined);
  const same = await bench.do(scriptOf(path), {}, {}, first.content);
  assert.ok(same.ok && same.skipped);
  writeFileSync(path, "echo two");
  await bench.do(scriptOf(path), {}, {}, first.content);
  assert.deepEqual(
    bench.said.filter((line) => !line.startsWith("running")),
    ["one", "two"],
  );
});
