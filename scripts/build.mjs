/**
 * Builds dist/: one CommonJS file for each program, because on Node 22 and later an ESM `import "node:http"` costs 26 ms
 * and 13 MB at every start. What a program imports with `await import()` stays lazy inside its file. Without blanks and
 * comments, and in ASCII only: the source stays in the memory of whoever runs it, two bytes a character if one is not ASCII.
 *
 * Each file is written beside its place and renamed into it, so that a program that starts meanwhile never reads half.
 */
import { execFile, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";

process.chdir(`${import.meta.dirname}/..`);

const PROGRAMS = [
  ["src/svcd.ts", "svcd"], // The keeper. It must stay tiny: node: modules only.
  ["src/core.ts", "core"],
  ["src/check.ts", "check"], // What `svcd --check` loads.
  ["src/svctl.ts", "svctl"],
  ["src/score-cpu/main.ts", "score-cpu"],
  ["src/provisioning/main.ts", "provision"],
  ["src/gateway.ts", "gateway"],
  ["src/tunnels.ts", "tunnels"],
  ["src/tui/main.ts", "tui"], // What `svctl tui` loads, and no other command.
  ["src/ssh/main.ts", "ssh"],
];

const FILE_URL = 'const __fileUrl = require("node:url").pathToFileURL(__filename).href;';

/** svctl finds the terminal UI beside itself. */
const BESIDE = {
  name: "beside",
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/tui\/main\.ts$/ }, () => ({ path: "./tui.js", external: true }));
  },
};

/** blessed loads all its widgets by name when its front door is used; one of its files does that for the width of a tab. */
const ONLY_THE_SCREEN = {
  name: "only-the-screen",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\.\/$/ }, ({ importer }) =>
      importer.endsWith("/blessed/lib/unicode.js") ? { path: "blessed", namespace: "no-widgets" } : null,
    );
    onLoad({ filter: /.*/, namespace: "no-widgets" }, () => ({ contents: "exports.screen = {};", loader: "js" }));
  },
};

const startedAt = new Date(); // What is edited from now on is newer than this build.
const { version } = JSON.parse(readFileSync("package.json", "utf8"));

mkdirSync("dist", { recursive: true });
rmSync("dist/.built", { force: true });
put("dist/package.json", `{ "type": "commonjs" }\n`); // The package itself is "type": "module".

const built = [];
const broken = [];
await Promise.all(PROGRAMS.map(([source, name]) => bundle(source, name)));
if (broken.length === 0) {
  await compileControlCommandAhead();
  await compileDaemonAhead();
}

const { jobsJsonSchema, servicesJsonSchema, settingsJsonSchema } = await import("../src/plan/json-schema.ts");
put("dist/services.schema.json", `${JSON.stringify(servicesJsonSchema(), null, 2)}\n`); // Shipped services.d files point there.
put("dist/jobs.schema.json", `${JSON.stringify(jobsJsonSchema(), null, 2)}\n`);
put("dist/settings.schema.json", `${JSON.stringify(settingsJsonSchema(), null, 2)}\n`);
const { provisioningJsonSchema } = await import("../src/provisioning/json-schema.ts");
put("dist/provisioning.schema.json", `${JSON.stringify(provisioningJsonSchema(), null, 2)}\n`);
const { openapi } = await import("../src/control/openapi.ts");
put("dist/openapi.json", openapi(version));
built.push(
  "services.schema.json",
  "jobs.schema.json",
  "settings.schema.json",
  "provisioning.schema.json",
  "openapi.json",
);

if (broken.length > 0) {
  console.error(`build: ${broken.join(" and ")} could not be built, see above`);
  process.exit(1);
}
put("dist/.built", "");
utimesSync("dist/.built", startedAt, startedAt);
console.error(`build: dist/ has ${built.join(", ")}`);

async function bundle(source, name) {
  try {
    const { outputFiles } = await build({
      entryPoints: [source],
      outfile: `dist/${name}.js`,
      bundle: true,
      write: false,
      platform: "node",
      format: "cjs",
      target: "node22",
      define: {
        SVCD_VERSION: JSON.stringify(version),
        "import.meta.dirname": "__dirname",
        "import.meta.filename": "__filename",
        "import.meta.url": "__fileUrl", // node-cron asks for it as soon as it is loaded.
      },
      // A part of svctl in a file of its own: svctl.js runs from its compiled form, where only `require` works.
      ...(name === "svctl" ? { supported: { "dynamic-import": false } } : {}),
      plugins: [BESIDE, ONLY_THE_SCREEN],
      ...(name === "svcd" ? {} : { banner: { js: FILE_URL } }),
      external: ["*.node", "cpu-features"], // ssh2 does without, and they would have to be compiled on each machine.
      minifyWhitespace: true, // Names stay, for the stack of a bug.
      lineLimit: 120,
      charset: "ascii",
      legalComments: "none",
      logLevel: "warning",
      logLimit: 5,
    });
    const [{ contents }] = outputFiles;
    if (contents.some((byte) => byte > 127)) {
      console.error(`${source}: its bundle is not ASCII: write \\u2018 and the like in regular expressions`);
      throw new Error();
    }
    put(`dist/${name}.js`, contents);
    built.push(`${name}.js (${Math.ceil(contents.length / 1024)} kB)`);
  } catch {
    broken.push(source); // Why has been said.
  }
}

/**
 * A person waits for each start of svctl, so what its usual commands use is compiled here and not there: each is run once
 * against a stand-in for svcd. The file is then loaded by a few lines in its place. Another Node than this one, or one that
 * was given options for V8, finds no compiled form that fits, and compiles by itself.
 */
async function compileControlCommandAhead() {
  const body = "dist/svctl.body.js";
  const cache = `dist/svctl.${process.version}-${process.arch}.cache`;
  const { FakeDaemon, plan, service } = await import("../src/cli/fake-daemon.ts");
  await using daemon = await new FakeDaemon().open();
  daemon.services = [service({ name: "web" })];
  let run = 1;
  const comesUp = () => void setTimeout(() => daemon.becomes({ name: "web", run: ++run }), 10);
  daemon.on("POST", "/v1/services/web/restart", () => {
    comesUp();
    return [{ name: "web", outcome: "done", what: "restarted", runBefore: run }];
  });
  daemon.on("POST", "/v1/plan/apply", () => {
    comesUp();
    return plan({ added: ["web"] });
  });
  // The body before the form that belongs to it: never may a form of another body lie beside it.
  for (const old of globSync("dist/svctl.*.cache")) rmSync(old);
  const source = readFileSync("dist/svctl.js", "latin1");
  put(body, `(function (exports, require, module, __filename, __dirname) {${source}})`);
  const made = `dist/.${process.pid}.cache`;
  const env = { ...process.env, SVCD_ROOT: daemon.root, NODE_OPTIONS: "" };
  for (const words of [["status"], ["restart", "web"], ["apply"]]) {
    await promisify(execFile)(process.execPath, ["scripts/compile-ahead.cjs", body, made, ...words], {
      env,
      timeout: 20_000,
    });
  }
  renameSync(made, cache);
  put(
    "dist/svctl.js",
    `// Runs svctl.body.js in the compiled form that was made of it when it was built, if this is the Node that made it.
const { readFileSync } = require("node:fs");
const { Script } = require("node:vm");
const body = \`\${__dirname}/svctl.body.js\`;
const source = readFileSync(body, "latin1");
let cachedData;
try {
  cachedData = readFileSync(\`\${__dirname}/svctl.\${process.version}-\${process.arch}.cache\`);
} catch {}
const script = new Script(source, { filename: body, cachedData });
script.runInThisContext()(exports, require, module, __filename, __dirname);
`,
  );
}

/**
 * svcd loses money for whoever waits for its services, so both its processes find their compiled form in dist/compiled (bin/svcd
 * says so to Node, which checks that it fits): one start and one end of a real svcd in an empty folder make it. Where no svcd
 * can run, nothing is lost but a sixth of the time to the first service.
 */
async function compileDaemonAhead() {
  rmSync("dist/compiled", { recursive: true, force: true });
  mkdirSync("dist/compiled");
  const root = mkdtempSync(`${tmpdir()}/svcd-build-`);
  mkdirSync(`${root}/services.d`);
  mkdirSync(`${root}/cron.d`);
  writeFileSync(`${root}/services.d/web.yaml`, "command: sleep 60\nhealthcheck: { exec: 'true', interval: 1s }\n");
  writeFileSync(`${root}/cron.d/job`, "0 4 * * 1 true\n");
  const daemon = spawn("bin/svcd", ["--root", root], { stdio: "ignore", env: { ...process.env, SVCD_ROOT: "" } });
  const ended = new Promise((done) => daemon.once("exit", done).once("error", done));
  const limit = setTimeout(() => daemon.kill("SIGKILL"), 20_000);
  for (let tries = 0; tries < 100 && !existsSync(`${root}/run/svcd.sock`); tries++) {
    await Promise.race([ended, new Promise((again) => setTimeout(again, 100))]);
  }
  daemon.kill("SIGTERM");
  await ended;
  clearTimeout(limit);
  for (const file of globSync("dist/compiled/*/*")) chmodSync(file, 0o644); // Whoever runs svcd may read it.
  rmSync(root, { recursive: true, force: true });
}

function put(path, contents) {
  const beside = `dist/.${process.pid}.${basename(path)}`;
  writeFileSync(beside, contents);
  renameSync(beside, path);
}
