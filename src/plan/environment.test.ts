import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { cleanBase, type Environment, envFilePaths, environmentOf, type FoundEnvFile, resolve } from "./environment.ts";
import type { DaemonSettings, Service } from "./plan.ts";
import { planOf, serviceFrom } from "./testing.ts";

function environment(
  service: Service,
  base: Environment = {},
  daemon: DaemonSettings["environment"] = {},
  files: Record<string, string> = {},
): Environment {
  const made = environmentOf(service, {
    base,
    daemon,
    envFileTexts: Object.entries(files).map(([path, text]): FoundEnvFile => ({ path, text })),
  });
  assert.ok(made.ok, made.ok ? "" : made.problem.what);
  return made.value.env;
}

function problemOf(
  result: { ok: true } | { ok: false; problem: { key: string; file: string; line: number; what: string; fix: string } },
): string {
  assert.ok(!result.ok);
  const { key, file, line, what, fix } = result.problem;
  return `${file}:${line} ${key} | ${what} | ${fix}`;
}

test("each layer wins over the ones below it", () => {
  const service = serviceFrom("command: x\nenv_file: [one, two]\nenvironment: { E: own }");
  const base = { A: "base", B: "base", C: "base", D: "base", E: "base" };
  const daemon = { B: "daemon", C: "daemon", D: "daemon", E: "daemon" };
  assert.deepEqual(environment(service, base, daemon, { one: "C=one\nD=one\nE=one", two: "D=two\nE=two" }), {
    A: "base",
    B: "daemon",
    C: "one",
    D: "two",
    E: "own",
  });
});

test("a layer sees the ones below it, and a later entry the earlier ones", () => {
  const service = serviceFrom(
    "command: x\nenv_file: f\nenvironment:\n  PATH: /opt/bin:${PATH}\n  HOME_OF: ${WORKSPACE}/.hf\n  NESTED: ${HOME_OF}/x",
  );
  const env = environment(service, { PATH: "/bin" }, { WORKSPACE: "${ROOT:-/w}" }, { f: "FROM_FILE=${WORKSPACE}!" });
  assert.deepEqual(env, {
    PATH: "/opt/bin:/bin",
    WORKSPACE: "/w",
    FROM_FILE: "/w!",
    HOME_OF: "/w/.hf",
    NESTED: "/w/.hf/x",
  });
});

test("a variable without a value is svcd's own, or none", () => {
  const service = serviceFrom("command: x\nenv_file: f\nenvironment: [A, B]");
  assert.deepEqual(environment(service, { A: "base" }, {}, { f: "A=file\nB=file" }), { A: "base" });
});

test("REPLICA is the number, also in the other variables", () => {
  const service = planOf({
    "web.yaml": "command: x\nreplicas: 3\nenvironment: { PORT: '800${REPLICA}' }",
  }).services.get("web@2")!;
  assert.deepEqual(environment(service), { REPLICA: "2", PORT: "8002" });
  const stubborn = planOf({ "web.yaml": "command: x\nreplicas: 2\nenvironment: { REPLICA: 7 }" }).services.get(
    "web@1",
  )!;
  assert.equal(environment(stubborn)["REPLICA"], "1");
});

test("a venv comes first on PATH and takes PYTHONHOME away", () => {
  const service = serviceFrom("command: x\nvenv: ${V}/env/\nenvironment: { PATH: '/mine:${PATH}' }");
  assert.deepEqual(environment(service, { V: "/opt", PATH: "/bin", PYTHONHOME: "/usr" }), {
    V: "/opt",
    VIRTUAL_ENV: "/opt/env",
    PATH: "/opt/env/bin:/mine:/bin",
  });
  assert.equal(environment(serviceFrom("command: x\nvenv: /v"))["PATH"], "/v/bin:/usr/local/bin:/usr/bin:/bin");
  assert.deepEqual(environment(serviceFrom("command: x\nvenv: ${V:-}")), {});
});

test("what was asked for in vain is listed", () => {
  const made = environmentOf(serviceFrom("command: x\nenvironment: { A: '${NONE}' }\nenv_file: f"), {
    base: {},
    daemon: { D: "$ALSO" },
    envFileTexts: [{ path: "f", text: "F=$THIRD" }],
  });
  assert.ok(made.ok);
  assert.deepEqual(made.value.unset, ["ALSO", "THIRD", "NONE"]);
});

test("paths of env files are filled in from svcd's environment and svcd.yaml", () => {
  const service = serviceFrom("command: x\nenv_file: ['/etc/environment', '?${WORKSPACE:-/workspace}/.env', '${D}/e']");
  const paths = envFilePaths(service, { base: {}, daemon: { D: "/d" } });
  assert.ok(paths.ok);
  assert.deepEqual(paths.value, [
    { path: "/etc/environment", optional: false },
    { path: "/workspace/.env", optional: true },
    { path: "/d/e", optional: false },
  ]);
});

test("an env file that is missing or wrong says so, unless it may be missing", () => {
  const service = serviceFrom("description: d\ncommand: x\nenv_file:\n  - one\n  - '?two'");
  const layers = { base: {}, daemon: {} };
  const gone = { text: null, missing: true, why: "no such file" } as const;
  const fine = { path: "/one", text: "A=1" };
  assert.ok(environmentOf(service, { ...layers, envFileTexts: [fine, { path: "/two", ...gone }] }).ok);
  assert.equal(
    problemOf(environmentOf(service, { ...layers, envFileTexts: [{ path: "/one", ...gone }] })),
    'web.yaml:3 env_file | `env_file`: cannot read /one: no such file | write the file, or "?/one" if it may be missing',
  );
  assert.match(
    problemOf(
      environmentOf(service, {
        ...layers,
        envFileTexts: [fine, { path: "/two", text: null, missing: false, why: "permission denied" }],
      }),
    ),
    /cannot read \/two: permission denied \| let svcd read/,
  );
  assert.match(
    problemOf(environmentOf(service, { ...layers, envFileTexts: [{ path: "/one", text: "A=1\nB='x" }] })),
    /`env_file`: \/one:2: the value of B has no closing '/,
  );
});

test("a problem at a start names the key, its line, and what to do", () => {
  const service = serviceFrom(
    "description: d\ncommand: vllm serve ${MODEL:?must be set}\nenvironment:\n  A: 1\n  B: ${C:?no C}",
  );
  assert.equal(
    problemOf(resolve(service, {})),
    "web.yaml:2 command | `command`: MODEL is not set: must be set | set MODEL",
  );
  assert.equal(
    problemOf(environmentOf(service, { base: {}, daemon: {}, envFileTexts: [] })),
    "web.yaml:5 environment.B | `environment.B`: C is not set: no C | set C",
  );
  assert.match(
    problemOf(environmentOf(service, { base: {}, daemon: { D: "${E:?no E}" }, envFileTexts: [] })),
    /`environment.D` of svcd.yaml: E is not set: no E/,
  );
  assert.match(
    problemOf(resolve(serviceFrom("command: run ${ARGS}"), { ARGS: "'open" })),
    /the quote ' at character 5 is not closed, after the variables were filled in/,
  );
  assert.equal(
    problemOf(resolve(serviceFrom("command: ${PROGRAM}"), {})),
    "web.yaml:1 command | `command`: nothing is left to run after the variables were filled in | set PROGRAM, or give a default: ${PROGRAM:-…}",
  );
  assert.match(problemOf(resolve(serviceFrom("command: ['${P}', x]"), {})), /nothing is left to run/);
});

test("a command is split after its variables are filled in; a list is taken as it is; a shell gets its text", () => {
  const env = { MODEL: "a/b", ARGS: "--x 1 --y 'two words'", EMPTY: "" };
  const argv = (lines: string): readonly string[] => {
    const resolved = resolve(serviceFrom(lines), env);
    assert.ok(resolved.ok, lines);
    return resolved.value.argv;
  };
  assert.deepEqual(argv('command: vllm serve ${MODEL} $EMPTY ${ARGS} "${MODEL} c"'), [
    "vllm",
    "serve",
    "a/b",
    "--x",
    "1",
    "--y",
    "two words",
    "a/b c",
  ]);
  assert.deepEqual(argv('command: [run, "${ARGS}", "$EMPTY"]'), ["run", "--x 1 --y 'two words'", ""]);
  assert.deepEqual(argv("command: echo $$HOME ${MODEL} | cat\nshell: true"), ["/bin/sh", "-c", "echo $HOME a/b | cat"]);
});

test("folder, user, check and hooks are filled in; empty ones count as not written", () => {
  const service = serviceFrom(
    "command: x\nworking_dir: ${W}\nuser: ${U:-}\ngroup: g\nhealthcheck: { tcp: '${PORT}' }\non: { failed: '${HOOK}', healthy: 'say ${W}', stopped: '${NONE:-}' }",
  );
  const resolved = resolve(service, { W: "/w", PORT: "[::1]:80", HOOK: "https://x/y" });
  assert.deepEqual(resolved, {
    ok: true,
    value: {
      argv: ["x"],
      workingDir: "/w",
      user: null,
      group: "g",
      check: { kind: "tcp", host: "::1", port: 80 },
      smoke: null,
      growths: [],
      hooks: { failed: { kind: "webhook", url: "https://x/y" }, healthy: { kind: "command", argv: ["say", "/w"] } },
      unset: [],
    },
  });
  const check = (lines: string, env: Environment = {}) => {
    const result = resolve(serviceFrom(`command: x\nhealthcheck: ${lines}`), env);
    return result.ok ? result.value.check : problemOf(result);
  };
  assert.deepEqual(check("{ tcp: 8000 }"), { kind: "tcp", host: "127.0.0.1", port: 8000 });
  assert.deepEqual(check("{ exec: [a, '${B}'] }", { B: "b c" }), { kind: "exec", argv: ["a", "b c"] });
  assert.deepEqual(check("{ http: 'http://h:${P}/' }", { P: "1" }), { kind: "http", url: "http://h:1/" });
  assert.deepEqual(check("{ log: 'up$' }"), { kind: "log", pattern: "up$" });
  assert.match(
    String(check("{ http: '${URL}' }")),
    /web.yaml:2 healthcheck.http \| `healthcheck.http`: `` is not an http URL/,
  );
  assert.match(String(check("{ tcp: '${URL}:x' }")), /`:x` is not an address/);
});

test("what belongs to svcd's own start does not reach a service", () => {
  const clean = cleanBase({
    HOME: "/root",
    PATH: "/repo/node_modules/.bin:/usr/lib/node_modules/npm/node_modules/@npmcli/run-script/lib/node-gyp-bin:/usr/bin:/bin",
    LANG: "C",
    npm_config_x: "1",
    npm_execpath: "/npm",
    npm_node_execpath: "/node",
    NODE: "/node",
    COLOR: "1",
    INIT_CWD: "/repo",
    SVCD_ROOT: "/x",
    NODE_CHANNEL_FD: "3",
    NODE_COMPILE_CACHE: "/c",
    NOTIFY_SOCKET: "/n",
    INVOCATION_ID: "i",
    _: "/node",
    PWD: "/repo",
    SHLVL: "2",
    NODE_OPTIONS: "--mine",
    GONE: undefined,
  });
  assert.deepEqual(clean, { HOME: "/root", PATH: "/usr/bin:/bin", LANG: "C", NODE_OPTIONS: "--mine" });
  assert.deepEqual(cleanBase({ NODE: "/mine", COLOR: "1" }), { NODE: "/mine", COLOR: "1" });
});

test("words of a command that are not variables reach the program unchanged, whatever they are", () => {
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 5 }), (list) => {
      const words = ["run", ...list];
      const yaml = `command: ${JSON.stringify(words.map((word) => word.replaceAll("$", "$$$$")))}`;
      const resolved = resolve(serviceFrom(yaml), {});
      assert.ok(resolved.ok);
      assert.deepEqual(resolved.value.argv, words);
    }),
    { numRuns: 2000 },
  );
});
