/**
 * Runs the tests: the pure ones together in this process (a thousand in a blink), then those that touch the machine,
 * each file in a process of its own. Ends with one line that counts both: `N passed, N failed, N skipped`.
 */
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { relative } from "node:path";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { parseArgs } from "node:util";

process.chdir(`${import.meta.dirname}/..`);

/** No file here opens a socket, starts a process or waits for time, so they cannot disturb one another. */
const PURE =
  /^(src\/(plan|service|probe|phase|schedule|gpu|supervisor|sim)\/|src\/tui\/(text|model|view)\/|src\/[^/]+$|test\/(floors|faults-page))/;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { name: { type: "string", short: "t" }, missing: { type: "string" } },
});

const files = ["src/**/*.test.ts", "test/**/*.test.ts"].flatMap((pattern) => globSync(pattern).sort());
const asked = positionals.map((path) => path.replace(/^\.\//, "").replace(/\/+$/, ""));
for (const path of asked) {
  if (!files.some((file) => isBelow(path, file))) {
    console.error(
      `npm test: no test file (*.test.ts) is at or below ${path}\n  fix:   give paths like src/plan or test/floors.test.ts`,
    );
    process.exit(2);
  }
}
const chosen = asked.length === 0 ? files : files.filter((file) => asked.some((path) => isBelow(path, file)));

const total = { passed: 0, failed: 0, skipped: 0 };
const failed = [];
const startedAt = performance.now();
await runAll({ files: chosen.filter((file) => PURE.test(file)), isolation: "none", timeout: 120_000 });
await runAll({
  files: chosen.filter((file) => !PURE.test(file)),
  isolation: "process",
  // Stories wait for real processes and so leave a core idle most of the time, but they must not crowd each other.
  concurrency: Math.max(2, Math.floor(availableParallelism() / 2)),
  timeout: 180_000, // For a whole file, as Node counts it.
});

for (const name of failed) console.log(`FAILED: ${name}`);
if (values.missing !== undefined) {
  const packages = values.missing.trim().split(" ");
  console.log(
    `NOTICE: ${packages.length} Debian package(s) missing, tests that need them were skipped: ${packages.join(", ")}`,
  );
  console.log(`  fix:   apt-get install ${packages.join(" ")}`);
}
console.log(`${chosen.length} files in ${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
console.log(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped`);
if (total.passed + total.failed + total.skipped === 0) console.log(`npm test: no title matches ${values.name}`);
process.exit(total.failed === 0 && total.passed + total.skipped > 0 ? 0 : 1);

/** Resolves when the last line of its report is written. */
function runAll(options) {
  if (options.files.length === 0) return;
  const stream = run({ ...options, ...(values.name !== undefined && { testNamePatterns: [new RegExp(values.name)] }) });
  stream.on("test:summary", ({ file, counts }) => {
    if (file !== undefined) return; // One of the files; the one without a name counts them all.
    total.passed += counts.passed;
    total.failed += counts.failed + counts.cancelled;
    total.skipped += counts.skipped + counts.todo;
  });
  stream.on("test:fail", ({ name, file, line, details }) => {
    // A test is named by its part that failed, a file by its tests.
    if (details.error?.failureType !== "subtestsFailed")
      failed.push(`${name} (${relative(".", file ?? "")}:${line ?? ""})`);
  });
  return new Promise((resolve) => {
    stream.compose(spec).on("end", resolve).pipe(process.stdout, { end: false });
  });
}

function isBelow(path, file) {
  return path === "." || file === path || file.startsWith(`${path}/`);
}
