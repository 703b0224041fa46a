/**
 * Runs a program of dist/ once, and keeps the compiled form of all functions that were used:
 *
 *   node scripts/compile-ahead.cjs BODY CACHE WORD…
 *
 * What is in CACHE already stays in it, so several runs add up. Node's own compile cache keeps only what is compiled while
 * a file is loaded, which leaves out every function that is called later.
 */
const { existsSync, readFileSync, writeFileSync } = require("node:fs");
const { dirname } = require("node:path");
const { Script } = require("node:vm");

const [node, , body, cache, ...words] = process.argv;
process.argv = [node, body, ...words];
const cachedData = existsSync(cache) ? readFileSync(cache) : undefined;
const script = new Script(readFileSync(body, "latin1"), { filename: body, cachedData });
process.on("exit", () => writeFileSync(cache, script.createCachedData()));
script.runInThisContext()(exports, require, module, body, dirname(body));
