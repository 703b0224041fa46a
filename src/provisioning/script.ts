/**
 * A whole script from a URL or a path, as rented machines are set up with. Once it has run to its end it is not run again: what
 * decides is its content, not where it comes from. What is no script (a page of HTML, something binary) is refused.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Around } from "./around.ts";
import { replaceFile } from "./disk.ts";
import { download } from "./download.ts";
import { describeFailure, runProgram } from "./program.ts";
import { isHtmlPage, looksLikeHtml } from "./reply.ts";
import { type Failed, failure, type Result } from "./result.ts";
import { lastPart, type Step, type Work } from "./step.ts";

type Script = Extract<Work, { kind: "script" }>;

/** A script of a person is a few kilobytes. */
const LARGEST_BYTES = 8 * 1024 * 1024;

/** `doneBefore`: the content that need not run again; null: whatever it is, it runs. */
export async function script(work: Script, step: Step, doneBefore: string | null, around: Around): Promise<Result> {
  const fetched = work.source.startsWith("/") ? fromPath(work.source) : await fromUrl(work, step, around);
  if (!Buffer.isBuffer(fetched)) return fetched;
  const flaw = flawOf(fetched, around.redact(work.source));
  if (flaw !== null) return flaw;
  const content = createHash("sha256").update(fetched).digest("hex");
  if (doneBefore === content)
    return { ok: true, skipped: true, content, note: "its content is as it was when it was done" };
  const path = join(around.stateDir, `script-${content.slice(0, 16)}`);
  replaceFile(path, fetched, { mode: 0o700 });
  const argv = [...interpreterOf(fetched), path];
  around.say(`running ${lastPart(work.source)} (SHA-256 ${content.slice(0, 16)}…) with ${argv[0]}`);
  const ended = await runProgram({ argv, env: step.env, cwd: work.cwd }, around);
  if (ended.code === 0) return { ok: true, bytes: fetched.length, content };
  return failure(describeFailure("the script", ended), "see its output above; a corrected one is fetched anew", false);
}

function fromPath(path: string): Buffer | Failed {
  try {
    const { size } = statSync(path);
    return size > LARGEST_BYTES ? tooLarge(path) : readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const what = code === "ENOENT" ? "is not there" : code === "EACCES" ? "may not be read" : message;
    return failure(`the script ${path} ${what}`, "correct PROVISIONING_SCRIPT", true);
  }
}

async function fromUrl(work: Script, step: Step, around: Around): Promise<Buffer | Failed> {
  const folder = join(around.stateDir, "fetched");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const to = join(folder, createHash("sha256").update(work.source).digest("hex").slice(0, 16));
  const result = await download(
    {
      url: work.source,
      to,
      sha256: null,
      headers: {},
      html: false,
      executable: false,
      // A script is run once, and fetched as often as a download.
      tries: Math.max(step.tries, FETCH_TRIES),
      retryDelayMs: step.retryDelayMs,
      mostBytes: LARGEST_BYTES,
    },
    // Its content may be another of the same length.
    { ...around, isAskedFor: true, progress: () => {} },
  );
  if (!result.ok) return result;
  return fromPath(to);
}

const FETCH_TRIES = 5;

function flawOf(bytes: Buffer, source: string): Failed | null {
  if (bytes.length > LARGEST_BYTES) return tooLarge(source);
  if (bytes.toString("latin1").trim() === "")
    return failure(`the script ${source} is empty`, "correct PROVISIONING_SCRIPT", true);
  if (looksLikeHtml(bytes)) {
    const page = isHtmlPage(source);
    return failure(`${page.cause}: ${source}`, page.fix, true);
  }
  if (bytes.subarray(0, 4096).includes(0)) {
    return failure(`${source} is no script: it holds binary data`, "name a text file", true);
  }
  return null;
}

function tooLarge(source: string): Failed {
  return failure(
    `${source} is larger than ${LARGEST_BYTES / 1024 / 1024} MB: no script is`,
    "name the script itself",
    true,
  );
}

/** As the kernel reads its first line; without one, the shell that most such scripts are written for. */
function interpreterOf(bytes: Buffer): string[] {
  const first = bytes.subarray(0, 256).toString("latin1").split(/\r?\n/, 1)[0] ?? "";
  const named = /^#!\s*(\S+)(?:\s+(.*\S))?\s*$/.exec(first);
  if (named !== null) return [named[1]!, ...(named[2] === undefined ? [] : [named[2]])];
  return [existsSync("/bin/bash") ? "/bin/bash" : "/bin/sh"];
}
