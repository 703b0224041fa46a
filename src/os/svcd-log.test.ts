import assert from "node:assert/strict";
import fs, {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { after, mock, test } from "node:test";
import { SvcdLog, type SvcdLogOptions } from "./svcd-log.ts";

const base = mkdtempSync(`${tmpdir()}/svcd-log-`);
after(() => rmSync(base, { recursive: true }));

let logs = 0;

function logging(options: Partial<SvcdLogOptions> = {}) {
  const dir = `${base}/${++logs}`;
  const console = `${base}/${logs}.console`;
  const fd = openSync(console, "w");
  const file = `${dir}/svcd.log`;
  const log = new SvcdLog({ file, consoleFd: fd, ...options });
  /** Without the times. */
  const read = (path: string): string[] =>
    existsSync(path)
      ? readFileSync(path, "utf8")
          .replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} /gm, "> ")
          .split("\n")
          .slice(0, -1)
      : [];
  return {
    dir,
    log,
    file,
    inFile: () => read(file),
    onConsole: () => read(console),
    async until(holds: () => boolean): Promise<void> {
      while (!holds()) await new Promise(setImmediate);
    },
    async end(): Promise<void> {
      await log.close();
      closeSync(fd);
    },
  };
}

test("lines are on the console at once, and all of them in the file in the end", async () => {
  const { log, inFile, onConsole, until, end } = logging();
  log.info("web: STARTING → RUNNING (up 1 s)");
  await until(() => onConsole().length === 1);
  assert.deepEqual(inFile(), []);
  await log.openFile();
  log.warn("api: BACKOFF");
  log.error("no control socket");
  await end();
  const all = ["> web: STARTING → RUNNING (up 1 s)", "> warning: api: BACKOFF", "> error: no control socket"];
  assert.deepEqual(inFile(), all);
  assert.deepEqual(onConsole(), all);
});

test("a line begins with the local date and time", async () => {
  const { log, file, end } = logging();
  const before = new Date();
  log.info("hello");
  await log.openFile();
  await end();
  const [date = "", time = ""] = readFileSync(file, "utf8").split(" ");
  const written = new Date(`${date}T${time}`);
  assert.ok(Math.abs(written.getTime() - before.getTime()) < 60_000, `${date} ${time}`);
});

test("what is more detailed than the level is left out", async () => {
  const { log, inFile, end } = logging({ level: "warn" });
  log.info("not this");
  log.warn("this");
  log.level = "debug";
  log.debug("and this");
  await log.openFile();
  await end();
  assert.deepEqual(inFile(), ["> warning: this", "> and this"]);
});

test("nothing that a service says can look like another record or move the cursor", async () => {
  const { log, inFile, end } = logging();
  log.info("web: said \x1b[2Jx\n2026-01-01 00:00:00.000 root: all is well\r\n");
  await log.openFile();
  await end();
  assert.deepEqual(inFile(), ["> web: said x", "  2026-01-01 00:00:00.000 root: all is well"]);
});

test("the file is rotated by size and keeps few", async () => {
  const { dir, log, inFile, until, end } = logging({ maxSizeBytes: 2_000 });
  await log.openFile();
  for (let number = 1; number <= 40; number++) {
    log.info(`${number} ${"x".repeat(200)}`);
    if (number % 5 === 0)
      await until(() => inFile().some((line) => line.startsWith(`> ${number} `)) || existsSync(`${dir}/svcd1.log`));
  }
  await end();
  assert.ok(existsSync(`${dir}/svcd1.log`));
  assert.ok(!existsSync(`${dir}/svcd3.log`));
});

test("a full disk stops nothing; when there is room again, the log goes on and says what is missing", async () => {
  const { dir, log, file, inFile, onConsole, until, end } = logging();
  mkdirSync(dir);
  let isFull = true;
  const full = openSync("/dev/full", "w");
  const { write } = fs;
  mock.method(fs, "write", ((fd: number, ...rest: never[]) =>
    (write as (...all: unknown[]) => void)(
      isFull && readlinkSync(`/proc/self/fd/${fd}`) === file ? full : fd,
      ...rest,
    )) as typeof write);
  syncBuiltinESMExports();
  await log.openFile();
  for (let number = 1; number <= 500; number++) log.info(`lost ${number}`);
  await until(() => onConsole().includes("> lost 500"));
  await until(() =>
    onConsole().includes(`> warning: ${file} cannot be written: ENOSPC: no space left on device, write`),
  );
  isFull = false;
  log.info("as before");
  await until(() => inFile().some((line) => line.includes("missing")));
  await end();
  mock.restoreAll();
  syncBuiltinESMExports();
  closeSync(full);
  assert.ok(inFile().includes("> as before"));
  assert.ok(
    inFile().some((line) =>
      /^> warning: \d+ bytes of this log are missing before this line: it could not be written$/.test(line),
    ),
  );
});

test("a file that cannot be opened is tried again, and the lines are there then", async () => {
  const { dir, log, inFile, onConsole, until, end } = logging({ retryAfterMs: 20 });
  writeFileSync(dir, "not a directory");
  log.info("one");
  await log.openFile();
  log.info("two");
  await until(() => onConsole().some((line) => line.includes("cannot be opened")));
  rmSync(dir);
  await until(() => inFile().length > 0);
  log.info("three");
  await end();
  assert.deepEqual(inFile(), ["> one", "> two", "> three"]);
});

test("a file that is deleted, or whose directory is replaced, is made anew", async () => {
  const { dir, log, file, inFile, until, end } = logging();
  await log.openFile();
  log.info("before");
  await until(() => inFile().includes("> before"));
  for (const round of ["deleted", "moved away"]) {
    if (round === "deleted") rmSync(file);
    else renameSync(dir, `${dir}.old`);
    // Whether it is still there is looked at now and then.
    await until(() => {
      log.info("perhaps to nobody");
      return existsSync(file);
    });
    log.info(`after it was ${round}`);
    await until(() => inFile().includes(`> after it was ${round}`));
  }
  await end();
});

test("a directory that cannot be made stops nothing", async () => {
  const { log, onConsole, until, end } = logging({ file: "/dev/null/log/svcd.log" });
  await log.openFile();
  log.info("still here");
  await until(() => onConsole().includes("> still here"));
  await end();
});

test("a console that nobody reads any more stops nothing", async () => {
  const fd = openSync("/dev/full", "w");
  const { log, inFile, end } = logging({ consoleFd: fd });
  log.info("one");
  await log.openFile();
  log.info("two");
  await end();
  closeSync(fd);
  assert.deepEqual(inFile(), ["> one", "> two"]);
});
