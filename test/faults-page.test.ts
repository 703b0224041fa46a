/** The page of faults promises tests by file and title; whoever renames a test is told here. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { test } from "node:test";

const PROJECT = resolve(import.meta.dirname, "..");
const page = readFileSync(join(PROJECT, "docs/faults.md"), "utf8");

interface Row {
  readonly number: number;
  readonly tests: readonly { readonly file: string; readonly title: string }[];
}

function rowsOf(heading: string, testsColumn: number): Row[] {
  const table = page.slice(page.indexOf(heading)).split("\n## ")[0] ?? "";
  return table.split("\n").flatMap((line) => {
    const cells = line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, ""));
    if (!/^\d+$/.test(cells[0] ?? "")) return [];
    const tests = (cells[testsColumn] ?? "").split("<br>").flatMap((cell) => {
      const [, file, title] = /^(\S+\.test\.ts): (.+)$/.exec(cell.trim()) ?? [];
      return file === undefined || title === undefined ? [] : [{ file, title }];
    });
    return [{ number: Number(cells[0]), tests }];
  });
}

const faults = rowsOf("# Faults and traps", 3);
const traps = rowsOf("## Traps", 3);

test("all 75 faults and all 20 traps have their row; at least 60 faults and every trap have a test", () => {
  assert.deepEqual(
    faults.map(({ number }) => number),
    Array.from({ length: 75 }, (_, index) => index + 1),
  );
  assert.deepEqual(
    traps.map(({ number }) => number),
    Array.from({ length: 20 }, (_, index) => index + 1),
  );
  assert.ok(faults.filter(({ tests }) => tests.length > 0).length >= 60);
  assert.deepEqual(
    traps.filter(({ tests }) => tests.length === 0),
    [],
  );
});

test("every test that the page names is there under that title", () => {
  const missing = [...faults, ...traps].flatMap(({ number, tests }) =>
    tests.filter(({ file, title }) => !isThere(file, title)).map(({ file, title }) => `${number}: ${file}: ${title}`),
  );
  assert.deepEqual(missing, []);
});

function isThere(file: string, title: string): boolean {
  const path = [file, `test/scenarios/${file}`].map((name) => join(PROJECT, name)).find((name) => existsSync(name));
  if (path === undefined) return false;
  const text = readFileSync(path, "utf8");
  // Titles stand there as strings; some have parts that are filled in: `${way}: after a crash …`.
  return [...text.matchAll(/"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\\n]|\\.)*)`/g)].some((found) => {
    const written = (found[1] ?? found[2] ?? "").replaceAll(/\\(.)/g, "$1");
    if (written.length < 10) return false;
    const pattern = written.split(/\$\{[^}]*\}/).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return new RegExp(`^${pattern.join(".+")}$`).test(title);
  });
}
