/**
 * Builds dist/: one CommonJS file for each program, because on Node 22 and later an ESM `import "node:http"` costs 26 ms
 * and 13 MB at every start. What a program imports with `await import()` stays lazy inside its file.
 *
 * Each file is written beside its place and renamed into it, so that a program that starts meanwhile never reads half.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { build } from "esbuild";

process.chdir(`${import.meta.dirname}/..`);

const PROGRAMS = [
  ["src/svcd.ts", "svcd"], // The keeper. It must stay tiny: node: modules only.
  ["src/core.ts", "core"],
  ["src/check.ts", "check"], // What `svcd --check` loads.
  ["src/svctl.ts", "svctl"],
  ["src/score-cpu/main.ts", "score-cpu"],
];

const startedAt = new Date(); // What is edited from now on is newer than this build.
const { version } = JSON.parse(readFileSync("package.json", "utf8"));

mkdirSync("dist", { recursive: true });
rmSync("dist/.built", { force: true });
put("dist/package.json", `{ "type": "commonjs" }\n`); // The package itself is "type": "module".

const built = [];
const broken = [];
await Promise.all(PROGRAMS.map(([source, name]) => bundle(source, name)));

const { servicesJsonSchema, settingsJsonSchema } = await import("../src/plan/json-schema.ts");
put("dist/services.schema.json", `${JSON.stringify(servicesJsonSchema(), null, 2)}\n`); // Shipped services.d files point there.
put("dist/settings.schema.json", `${JSON.stringify(settingsJsonSchema(), null, 2)}\n`);
const { openapi } = await import("../src/control/openapi.ts");
put("dist/openapi.json", openapi(version));
built.push("services.schema.json", "settings.schema.json", "openapi.json");

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
        "import.meta.url": "__fileUrl",
      },
      banner: { js: `const __fileUrl = require("node:url").pathToFileURL(__filename).href;` },
      legalComments: "none",
      logLevel: "warning",
      logLimit: 5,
    });
    const [{ contents }] = outputFiles;
    put(`dist/${name}.js`, contents);
    built.push(`${name}.js (${Math.ceil(contents.length / 1024)} kB)`);
  } catch {
    broken.push(source); // esbuild has said why.
  }
}

function put(path, contents) {
  const beside = `dist/.${process.pid}.${basename(path)}`;
  writeFileSync(beside, contents);
  renameSync(beside, path);
}
