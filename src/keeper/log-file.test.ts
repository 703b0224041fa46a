import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs, {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { syncBuiltinESMExports } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { mock, test } from "node:test";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { LogFile } from "./log-file.ts";
import type { LogSettings } from "./messages.ts";

function inDirectory(act: (directory: string) => void | Promise<void>): () => Promise<void> {
  return async () => {
    const directory = mkdtempSync(join(tmpdir(), "svcd-log-"));
    try {
      await act(directory);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  };
}

function settingsOf(directory: string, changes: Partial<LogSettings> = {}): LogSettings {
  const path = join(directory, "web.log");
  return { path, maxSizeBytes: 1_000, keep: 3, timestamps: false, compress: false, ...changes };
}

function open(directory: string, changes: Partial<LogSettings> = {}): LogFile {
  return new LogFile(settingsOf(directory, changes), 0o600, () => {});
}

/** Everything that is kept, oldest first. */
function kept(directory: string, keep = 50): string {
  const names = Array.from({ length: keep }, (_, index) => `web.log.${keep - index}`);
  return [...names, "web.log"]
    .map((name) => join(directory, name))
    .filter(existsSync)
    .map((path) => readFileSync(path, "latin1"))
    .join("");
}

test(
  "bytes arrive as they were, the last line without a newline included",
  inDirectory((directory) => {
    const log = open(directory, { maxSizeBytes: 1e9 });
    const bytes = Buffer.from([0, 255, 10, 13, 27, 91, 128, 195, 10, 120]);
    log.write(bytes);
    log.write(Buffer.from("no newline"));
    assert.deepEqual(readFileSync(join(directory, "web.log")), Buffer.concat([bytes, Buffer.from("no newline")]));
  }),
);

test(
  "whatever is written in whatever pieces: all of it is there, in order, and files begin at line beginnings",
  inDirectory((directory) => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 90 }), { maxLength: 60 }),
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 400 }),
        (lines, cuts, maxSizeBytes) => {
          for (const name of readdirSync(directory)) rmSync(join(directory, name));
          const all = Buffer.from(lines.map((line) => `${line.replaceAll("\n", " ")}\n`).join(""));
          const log = open(directory, { maxSizeBytes, keep: 500 });
          let from = 0;
          for (let cut = 0; from < all.length; cut++) {
            const to = Math.min(from + cuts[cut % cuts.length]!, all.length);
            log.write(all.subarray(from, to));
            from = to;
          }
          log.close();
          assert.equal(Buffer.from(kept(directory, 500), "latin1").toString("hex"), all.toString("hex"));
          assert.equal(log.position, all.length);
          for (const name of readdirSync(directory)) {
            const text = readFileSync(join(directory, name), "latin1");
            if (name !== "web.log") assert.ok(text.endsWith("\n"), "a file ends within a line");
            // Only the line under way may lead beyond the limit.
            const before = text.lastIndexOf("\n", text.length - 2) + 1;
            assert.ok(before <= maxSizeBytes, `${name} has ${text.length} of ${maxSizeBytes} bytes`);
          }
        },
      ),
      { numRuns: 400 },
    );
  }),
);

test(
  "at most `keep` rotated files stay, the newest is .1",
  inDirectory((directory) => {
    const log = open(directory, { maxSizeBytes: 20, keep: 2 });
    for (let n = 0; n < 10; n++) log.write(Buffer.from(`line ${n} is this one\n`));
    assert.deepEqual(readdirSync(directory).sort(), ["web.log", "web.log.1", "web.log.2"]);
    assert.equal(readFileSync(join(directory, "web.log"), "utf8"), "line 9 is this one\n");
    assert.equal(readFileSync(join(directory, "web.log.1"), "utf8"), "line 8 is this one\n");
  }),
);

test(
  "keep: 0 keeps only the current file",
  inDirectory((directory) => {
    const log = open(directory, { maxSizeBytes: 20, keep: 0 });
    for (let n = 0; n < 10; n++) log.write(Buffer.from(`line ${n} is this one\n`));
    assert.deepEqual(readdirSync(directory), ["web.log"]);
  }),
);

test(
  "a line longer than the limit stays whole",
  inDirectory((directory) => {
    const log = open(directory, { maxSizeBytes: 100 });
    log.write(Buffer.from("short\n"));
    for (let piece = 0; piece < 50; piece++) log.write(Buffer.from("x".repeat(100)));
    log.write(Buffer.from("\nafter\n"));
    assert.equal(readFileSync(join(directory, "web.log.1"), "utf8"), `${"x".repeat(5_000)}\n`);
    assert.equal(readFileSync(join(directory, "web.log"), "utf8"), "after\n");
  }),
);

test(
  "a line that never ends goes on in the next file, so that it cannot fill the disk, and no byte of it is lost",
  inDirectory((directory) => {
    const log = open(directory, { maxSizeBytes: 1_000_000, keep: 9 });
    const piece = Buffer.alloc(65_536, "x");
    for (let n = 0; n < 1_000; n++) log.write(piece);
    log.write(Buffer.from("\nafter\n"));
    const sizes = readdirSync(directory).map((name) => statSync(join(directory, name)).size);
    assert.ok(Math.max(...sizes) <= 1_000_000 + 16 * 1_048_576 + piece.length, `${sizes}`);
    assert.equal(kept(directory), `${"x".repeat(65_536_000)}\nafter\n`);
  }),
);

test(
  "a new keeper goes on where the file ends, and knows whether that is within a line",
  inDirectory((directory) => {
    writeFileSync(join(directory, "web.log"), "half a line");
    const log = open(directory, { maxSizeBytes: 12 });
    assert.equal(log.position, 11);
    log.write(Buffer.from(" and its end\nnext\n"));
    assert.equal(readFileSync(join(directory, "web.log.1"), "utf8"), "half a line and its end\n");
    assert.equal(readFileSync(join(directory, "web.log"), "utf8"), "next\n");
  }),
);

test(
  "timestamps stand before each line, once, however it arrives",
  inDirectory((directory) => {
    const log = open(directory, { maxSizeBytes: 1e6, timestamps: true });
    for (const piece of ["a", "b\nc", "\n", "d\n", "e"]) log.write(Buffer.from(piece));
    const lines = readFileSync(join(directory, "web.log"), "utf8").split("\n");
    assert.equal(lines.length, 4);
    for (const line of lines) assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (ab|c|d|e)$/);
  }),
);

test(
  "a log that was deleted or moved away is opened anew",
  inDirectory((directory) => {
    const log = open(directory);
    log.write(Buffer.from("one\n"));
    rmSync(join(directory, "web.log"));
    lookAgain(log);
    log.write(Buffer.from("two\n"));
    assert.equal(readFileSync(join(directory, "web.log"), "utf8"), "two\n");
    renameSync(join(directory, "web.log"), join(directory, "moved"));
    lookAgain(log);
    log.write(Buffer.from("three\n"));
    assert.equal(readFileSync(join(directory, "web.log"), "utf8"), "three\n");
    assert.equal(log.position, 14);
  }),
);

test(
  "a log directory that vanished is made again",
  inDirectory((directory) => {
    const log = open(join(directory, "log"));
    rmSync(join(directory, "log"), { recursive: true });
    lookAgain(log);
    log.write(Buffer.from("two\n"));
    assert.equal(readFileSync(join(directory, "log", "web.log"), "utf8"), "two\n");
  }),
);

/** The file at the path is looked at once a second; a test does not wait for that. */
function lookAgain(log: LogFile): void {
  log.lookSoon();
}

test(
  "a link that stands where the log belongs is not followed",
  inDirectory((directory) => {
    const victim = join(directory, "victim");
    writeFileSync(victim, "mine\n");
    symlinkSync(victim, join(directory, "web.log"));
    const log = open(directory);
    log.write(Buffer.from("hello\n"));
    assert.equal(readFileSync(victim, "utf8"), "mine\n");
    assert.equal(log.droppedBytes, 6);
  }),
);

test(
  "clear empties the log, removes what was rotated, and positions go on",
  inDirectory((directory) => {
    const log = open(directory, { maxSizeBytes: 10 });
    log.write(Buffer.from("1234567\n1234567\n1234567\n"));
    log.clear();
    assert.deepEqual(readdirSync(directory), ["web.log"]);
    log.write(Buffer.from("x\n"));
    assert.equal(readFileSync(join(directory, "web.log"), "utf8"), "x\n");
    assert.equal(log.position, 26);
    assert.equal(log.base, 24);
  }),
);

test(
  "clear removes also what a larger `keep` and a compression that was cut short left, and nothing that is not ours",
  inDirectory((directory) => {
    const others = ["web.log.20260131", "web.log.bak", "web.log2.1", "web.log.0"];
    const ours = ["web.log.1", "web.log.7", "web.log.12.gz", "web.log.gz-half"];
    for (const name of [...others, ...ours]) writeFileSync(join(directory, name), "old\n");
    open(directory, { keep: 3 }).clear();
    assert.deepEqual(readdirSync(directory).sort(), ["web.log", ...others].sort());
  }),
);

test(
  "a smaller `keep` removes at once the files beyond it",
  inDirectory((directory) => {
    const log = open(directory, { maxSizeBytes: 8, keep: 9 });
    for (let n = 0; n < 6; n++) log.write(Buffer.from(`line ${n}\n`));
    writeFileSync(join(directory, "web.log.9.gz"), "");
    log.settings = { ...log.settings, keep: 2 };
    assert.deepEqual(readdirSync(directory).sort(), ["web.log", "web.log.1", "web.log.2"]);
    assert.equal(kept(directory), "line 3\nline 4\nline 5\n");
    assert.deepEqual(log.rotated, [28, 21]);
  }),
);

test(
  "a directory that stands where a rotated file belongs is removed",
  inDirectory((directory) => {
    mkdirSync(join(directory, "web.log.1", "full"), { recursive: true });
    const log = open(directory, { maxSizeBytes: 10, keep: 1 });
    log.write(Buffer.from("1234567\n1234567\n"));
    assert.equal(kept(directory), "1234567\n1234567\n");
    log.clear();
    mkdirSync(join(directory, "web.log.2", "full"), { recursive: true });
    log.clear();
    assert.deepEqual(readdirSync(directory), ["web.log"]);
  }),
);

test(
  "where no rotated file can be made, the log grows on and loses nothing",
  inDirectory((directory) => {
    const path = join(directory, "x".repeat(255)); // The longest name there is: `.1` does not fit behind it.
    const log = open(directory, { path, maxSizeBytes: 20 });
    const lines = Array.from({ length: 100 }, (_, n) => `line ${n} is this one\n`);
    for (const line of lines) log.write(Buffer.from(line));
    log.write(Buffer.from(lines.join("")));
    assert.equal(readFileSync(path, "utf8"), lines.join("") + lines.join(""));
    assert.deepEqual([log.base, log.droppedBytes], [0, 0]);
    log.clear();
    assert.equal(readFileSync(path, "utf8"), "");
  }),
);

test(
  "a rotation that fails leaves all names as they were, and a later one works",
  inDirectory((directory) => {
    const log = open(directory, { maxSizeBytes: 8 });
    log.write(Buffer.from("line 1\nline 2\nline 3\n"));
    const { renameSync: rename } = fs;
    mocked("renameSync", (from: string, to: string) => {
      if (from === join(directory, "web.log")) throw new Error("EROFS: read-only file system");
      rename(from, to);
    });
    try {
      log.write(Buffer.from("line 4\n"));
    } finally {
      unmocked();
    }
    assert.deepEqual(readdirSync(directory).sort(), ["web.log", "web.log.1", "web.log.2"]);
    assert.equal(readFileSync(join(directory, "web.log"), "utf8"), "line 3\nline 4\n");
    lookAgain(log);
    log.write(Buffer.from("line 5\n"));
    assert.equal(readFileSync(join(directory, "web.log.1"), "utf8"), "line 3\nline 4\n");
    assert.equal(kept(directory), "line 1\nline 2\nline 3\nline 4\nline 5\n");
    assert.deepEqual(log.rotated, [14, 7, 0]);
  }),
);

test(
  "a log that cannot be read at its end costs no file descriptors, however often it is tried",
  inDirectory((directory) => {
    writeFileSync(join(directory, "web.log"), "half a line");
    mocked("readSync", () => {
      throw new Error("EIO: i/o error, read");
    });
    const before = readdirSync("/proc/self/fd").length;
    try {
      const log = open(directory);
      for (let n = 0; n < 10; n++) log.write(Buffer.from("hello\n"));
      assert.equal(log.droppedBytes, 60);
    } finally {
      unmocked();
    }
    assert.equal(readdirSync("/proc/self/fd").length, before);
  }),
);

function mocked(name: "renameSync" | "readSync", does: (from: string, to: string) => void): void {
  mock.method(fs, name, does as never);
  syncBuiltinESMExports();
}

function unmocked(): void {
  mock.restoreAll();
  syncBuiltinESMExports();
}

test(
  "a full disk costs the bytes it refuses, which are counted and told in the log when it takes bytes again",
  { skip: cannotMount() },
  inDirectory((directory) => {
    assert.equal(spawnSync("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", directory]).status, 0);
    let heard = 0;
    const log = new LogFile(settingsOf(directory, { maxSizeBytes: 1e9 }), 0o600, () => heard++);
    try {
      writeFileSync(join(directory, "ballast"), Buffer.alloc(40_000));
      for (let n = 0; n < 500; n++) log.write(Buffer.from(`${"x".repeat(99)}\n`));
      assert.ok(log.droppedBytes > 0);
      assert.match(log.dropping ?? "", /ENOSPC/);
      assert.equal(heard, 1, "once, not for each write");
      rmSync(join(directory, "ballast"));
      log.write(Buffer.from("after\n"));
      assert.equal(log.dropping, null);
      assert.equal(heard, 2);
      const text = readFileSync(join(directory, "web.log"), "utf8");
      const told = /svcd: (\d+) bytes of output are missing here: ENOSPC/.exec(text);
      assert.equal(Number(told?.[1]), log.droppedBytes);
      assert.ok(text.endsWith("after\n"));
      const written = text.replace(/\n?svcd: .*\n/, "").replace("after\n", "").length;
      assert.ok(Math.abs(written + log.droppedBytes - 50_000) <= 1, "no byte is neither there nor counted");
    } finally {
      log.close();
      assert.equal(spawnSync("umount", [directory]).status, 0);
    }
  }),
);

test(
  "rotated files from .2 on become .gz, and .1 stays plain for readers that are a moment behind",
  inDirectory(async (directory) => {
    const log = open(directory, { maxSizeBytes: 30, keep: 4, compress: true });
    for (let n = 0; n < 4; n++) log.write(Buffer.from(`this is line number ${n} of some\n`));
    await until(() => existsSync(join(directory, "web.log.2.gz")) && existsSync(join(directory, "web.log.3.gz")));
    await until(() => !existsSync(join(directory, "web.log.2")) && !existsSync(join(directory, "web.log.3")));
    assert.ok(existsSync(join(directory, "web.log.1")));
    assert.equal(
      gunzipSync(readFileSync(join(directory, "web.log.3.gz"))).toString(),
      "this is line number 0 of some\n",
    );
  }),
);

test(
  "a file that is rotated on while it is compressed keeps its place",
  inDirectory(async (directory) => {
    const log = open(directory, { maxSizeBytes: 40, keep: 30, compress: true });
    for (let n = 10; n < 35; n++) {
      log.write(Buffer.from(`this is line number ${n} of some\n`));
      await new Promise((resolve) => setImmediate(resolve));
    }
    const isSettled = (): boolean => readdirSync(directory).every((name) => /^web\.log(\.1|\.\d+\.gz)?$/.test(name));
    await until(isSettled);
    for (let n = 2; n <= 24; n++) {
      const text = gunzipSync(readFileSync(join(directory, `web.log.${n}.gz`))).toString();
      assert.equal(text, `this is line number ${34 - n} of some\n`);
    }
  }),
);

test(
  "what is cleared while it is compressed does not come back in the place of a younger file",
  inDirectory(async (directory) => {
    const log = open(directory, { maxSizeBytes: 8, keep: 4, compress: true });
    log.write(Buffer.from("line 1\nline 2\nline 3\n"));
    log.clear();
    log.write(Buffer.from("line 4\nline 5\nline 6\n"));
    await until(() => existsSync(join(directory, "web.log.2.gz")) && !existsSync(join(directory, "web.log.2")));
    assert.equal(gunzipSync(readFileSync(join(directory, "web.log.2.gz"))).toString(), "line 4\n");
    assert.ok(!existsSync(join(directory, "web.log.gz-half")));
  }),
);

test(
  "output that others append to the file does not disturb",
  inDirectory((directory) => {
    const log = open(directory);
    log.write(Buffer.from("one\n"));
    appendFileSync(join(directory, "web.log"), "from somebody else\n");
    log.write(Buffer.from("two\n"));
    assert.equal(readFileSync(join(directory, "web.log"), "utf8"), "one\nfrom somebody else\ntwo\n");
  }),
);

/** A log whose beginning is kept, and what is there of it. */
function longOutput(directory: string, changes: Partial<LogSettings> = {}) {
  const settings = { maxSizeBytes: 80, keep: 1, keepHeadBytes: 50, ...changes };
  return {
    open: () => open(directory, settings),
    parts() {
      const [head, before, last] = ["web.log.head", "web.log.1", "web.log"].map((name) => {
        const path = join(directory, name);
        return existsSync(path) ? readFileSync(path, "latin1") : "";
      }) as [string, string, string];
      const [line = "", leftOut = "0"] = /\n?svcd: (\d+) bytes of output are left out here\n$/.exec(head) ?? [];
      const isOwnLine = line.startsWith("\n") && !head.slice(0, -line.length + 1).endsWith("\n\n");
      const beginning = line === "" ? head : head.slice(0, head.length - line.length + (isOwnLine ? 1 : 0));
      return { head, beginning, leftOut: Number(leftOut), end: before + last };
    },
  };
}

test(
  "of a long output the beginning and the end are kept, and what lies between is counted, whichever keeper writes it",
  inDirectory((directory) => {
    const lines = fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 60 });
    fc.assert(
      fc.property(lines, fc.integer({ min: 0, max: 60 }), (lengths, restart) => {
        for (const name of readdirSync(directory)) rmSync(join(directory, name));
        const { open: openLog, parts } = longOutput(directory);
        let log = openLog();
        const all = lengths.map((length, n) => `${`${n} `.padEnd(length, "x")}\n`);
        for (const [n, line] of all.entries()) {
          if (n === restart) {
            log.close();
            log = openLog();
          }
          log.write(Buffer.from(line));
        }
        log.close();
        const { beginning, leftOut, end } = parts();
        const text = all.join("");
        assert.equal(text.slice(0, beginning.length), beginning);
        assert.ok(text.endsWith(end));
        assert.equal(beginning.length + leftOut + end.length, text.length);
        assert.ok(beginning.length <= 50 && end.length <= 160);
        assert.ok(text.length <= 130 || beginning.length > 9); // Room for one line at least.
      }),
    );
  }),
);

test(
  "a short output is one file, and one that fits beginning and end loses nothing",
  inDirectory((directory) => {
    const { open: openLog, parts } = longOutput(directory);
    const log = openLog();
    log.write(Buffer.from("12345678\n".repeat(5)));
    assert.deepEqual(readdirSync(directory), ["web.log"]);
    log.write(Buffer.from("12345678\n".repeat(13)));
    const { head, end } = parts();
    assert.equal(head + end, "12345678\n".repeat(18));
    assert.deepEqual([log.base, log.rotated, log.position], [45 + 72, [45], 18 * 9]);
    log.clear();
    assert.deepEqual(readdirSync(directory), ["web.log"]);
    log.write(Buffer.from("12345678\n".repeat(6)));
    assert.equal(parts().head, "12345678\n".repeat(5));
    assert.deepEqual(log.rotated, []); // It has no number: PATH.1 is not there.
  }),
);

test(
  "a line that never ends is cut where the beginning ends, and nothing of it is counted twice",
  inDirectory((directory) => {
    const { open: openLog, parts } = longOutput(directory);
    const log = openLog();
    for (let n = 0; n < 100; n++) log.write(Buffer.alloc(1_000, "."));
    const { head, end } = parts();
    assert.ok(head.length >= 65_536 && head.length < 68_000, `${head.length}`);
    assert.equal(head.length + end.length, 100_000);
  }),
);

test(
  "who keeps nothing of the beginning is told all the same how much is gone",
  inDirectory((directory) => {
    const { open: openLog, parts } = longOutput(directory, { keepHeadBytes: 0 });
    openLog().write(Buffer.from("12345678\n".repeat(40)));
    const { head, end, leftOut } = parts();
    assert.equal(head, `svcd: ${leftOut} bytes of output are left out here\n`);
    assert.equal(end.length + leftOut, 360);
  }),
);

function cannotMount(): string | false {
  const directory = mkdtempSync(join(tmpdir(), "svcd-mount-"));
  const can = spawnSync("mount", ["-t", "tmpfs", "tmpfs", directory]).status === 0;
  if (can) spawnSync("umount", [directory]);
  rmSync(directory, { recursive: true, force: true });
  return can ? false : "needs the right to mount a small tmpfs (root)";
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; tries < 2_000; tries++) {
    if (isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.fail(`it never became so: ${isSo}`);
}
