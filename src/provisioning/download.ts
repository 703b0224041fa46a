/**
 * One file over HTTP, whatever the network does. Bytes go to a file beside the place, which the next run finds again; only a
 * whole one, with the right SHA-256 where that is known, is renamed to its place.
 */
import { statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Around, delayMs, pause } from "./around.ts";
import { networkFailure, requestFor, Watchdog } from "./connection.ts";
import { refusedByDisk, tooSmall } from "./disk.ts";
import { fileSize, Part, sha256Of } from "./part.ts";
import { isHtmlPage, judge, looksLikeHtml } from "./reply.ts";
import { type Failed, failure, Interrupted, type Result } from "./result.ts";
import { inBytes, inTime } from "./sizes.ts";
import { lastPart } from "./step.ts";

export interface Download {
  readonly url: string;
  /** With `/` at the end: a folder. */
  readonly to: string;
  readonly sha256: string | null;
  /** Another digest that is known: of git's blobs. */
  readonly isRight?: ((path: string) => Promise<boolean>) | null;
  readonly headers: Readonly<Record<string, string>>;
  readonly html: boolean;
  readonly executable: boolean;
  readonly tries: number;
  readonly retryDelayMs: number;
  /** Nothing came for so long: the connection is given up. */
  readonly stallMs?: number;
  /** More than this is not what is meant. */
  readonly mostBytes?: number;
}

const STALL_MS = 60_000;
/** A try that brought this much counts as progress: a line that breaks each gigabyte ends some day. */
const WORTHWHILE_BYTES = 1024 * 1024;

/** Throws `Interrupted` only. */
export async function download(written: Download, around: Around): Promise<Result> {
  const isFolder = !written.to.endsWith("/") && statSync(written.to, { throwIfNoEntry: false })?.isDirectory();
  const what = isFolder ? { ...written, to: `${written.to}/` } : written;
  const folder = what.to.endsWith("/") ? what.to.replace(/(?<=.)\/+$/, "") : dirname(what.to);
  try {
    await mkdir(folder, { recursive: true });
  } catch (error) {
    return refusedByDisk(error, folder) ?? failure(`${folder} cannot be made: ${(error as Error).message}`, null, true);
  }
  const there = await isThereAlready(what, folder, around);
  if (there !== null) return there;
  const part = new Part(folder, what);
  let failures = 0;
  let last: Failed = failure("nothing was tried", null, true);
  while (failures < what.tries) {
    if (around.stop.aborted) throw new Interrupted();
    const before = part.size;
    const tried = await oneTry(what, folder, part, around);
    if (!("failed" in tried)) return tried;
    last = tried.failed;
    if (last.permanent) return last;
    if (part.size - before >= WORTHWHILE_BYTES) failures = 0;
    failures++;
    if (failures >= what.tries) break;
    const waitMs = tried.afterMs ?? delayMs(what.retryDelayMs, failures);
    around.say(`${last.cause}; try ${failures + 1} of ${what.tries} in ${inTime(waitMs)}`);
    await pause(waitMs, around);
  }
  const kept = part.size > 0 ? `; ${inBytes(part.size)} are kept for the next time` : "";
  return { ...last, cause: `${last.cause} (after ${what.tries} tries${kept})` };
}

/** What is at its place already, if that can be told. */
async function isThereAlready(what: Download, folder: string, around: Around): Promise<Result | null> {
  if (what.sha256 === null) return null;
  const path = what.to.endsWith("/") ? join(folder, lastPart(what.url)) : what.to;
  const size = fileSize(path);
  if (size === null || !path.startsWith(`${folder}/`)) return null;
  around.say(`checking ${path}, which is there already`);
  const digest = await sha256Of(path, around);
  return digest === what.sha256 ? { ok: true, bytes: size, note: "was there already, with this SHA-256" } : null;
}

type Tried = Extract<Result, { ok: true }> | { readonly failed: Failed; readonly afterMs?: number | null };

async function oneTry(what: Download, folder: string, part: Part, around: Around): Promise<Tried> {
  const meta = part.meta();
  const have = meta === null ? 0 : part.usable(meta);
  const connection = new AbortController();
  const giveUp = new Watchdog(what.stallMs ?? STALL_MS, connection);
  const onStop = (): void => connection.abort(new Interrupted());
  around.stop.addEventListener("abort", onStop);
  try {
    const { url, headers } = requestFor(what);
    if (have > 0) {
      headers["range"] = `bytes=${have}-`;
      const validator = meta?.etag ?? meta?.lastModified ?? null;
      if (validator !== null) headers["if-range"] = validator;
    }
    const response = await fetch(url, { headers, signal: connection.signal, redirect: "follow" });
    giveUp.feed();
    const reply = {
      status: response.status,
      statusText: response.statusText,
      header: (name: string) => response.headers.get(name),
    };
    const verdict = judge(reply, { url: around.redact(what.url), have, total: meta?.total ?? null, html: what.html });
    switch (verdict.kind) {
      case "failed": {
        await response.body?.cancel();
        const { cause, fix, permanent, afterMs } = verdict;
        return { failed: failure(cause, fix, permanent), afterMs };
      }
      case "start over":
        await response.body?.cancel();
        part.forget();
        return { failed: failure("what is here is no part of what the server has now: it is fetched anew") };
      case "complete":
        await response.body?.cancel();
        return await finish(what, part, nameOf(what, folder, meta?.name ?? null), have > 0, around);
      case "body": {
        const { from, total } = verdict;
        const lacks = total === null ? null : tooSmall(folder, total - from);
        if (lacks !== null) {
          await response.body?.cancel();
          return { failed: lacks };
        }
        const place = nameOf(what, folder, null);
        if (from === 0 && total !== null && what.sha256 === null && !around.isAskedFor && place !== null) {
          if (fileSize(place) === total && (!what.isRight || (await what.isRight(place)))) {
            await response.body?.cancel();
            part.forget();
            return { ok: true, bytes: total, note: `was there already, with as many bytes: ${place}` };
          }
        }
        const name = from > 0 ? (meta?.name ?? null) : fileNameIn(response.headers.get("content-disposition"));
        if (from === 0) {
          const strong = /^"/.test(response.headers.get("etag") ?? "") ? response.headers.get("etag") : null;
          part.begin({ etag: strong, lastModified: response.headers.get("last-modified"), total, name });
        }
        const cut = await write(response, part, { from, total, what }, giveUp, around);
        if (cut !== null) return { failed: cut };
        return await finish(what, part, nameOf(what, folder, name), from > 0, around);
      }
    }
  } catch (error) {
    if (around.stop.aborted) throw new Interrupted();
    const disk = refusedByDisk(error, part.path);
    if (disk !== null) return { failed: disk };
    if (giveUp.hasBarked) return { failed: failure(`nothing came for ${inTime(what.stallMs ?? STALL_MS)}`) };
    return { failed: networkFailure(error, around.redact(what.url)) };
  } finally {
    giveUp.end();
    around.stop.removeEventListener("abort", onStop);
  }
}

/** null: all of it came. Throws what the network or the disk throws. */
async function write(
  response: Response,
  part: Part,
  { from, total, what }: { readonly from: number; readonly total: number | null; readonly what: Download },
  giveUp: Watchdog,
  around: Around,
): Promise<Failed | null> {
  const file = await part.openAt(from);
  let at = from;
  try {
    for await (const chunk of response.body ?? []) {
      giveUp.feed();
      if (at === 0 && !what.html && looksLikeHtml(chunk)) {
        part.forget();
        const page = isHtmlPage(around.redact(what.url));
        return failure(page.cause, page.fix, true);
      }
      if (what.mostBytes !== undefined && at + chunk.length > what.mostBytes) {
        part.forget();
        return failure(`it is larger than ${inBytes(what.mostBytes)}`, "correct the URL", true);
      }
      if (total !== null && at + chunk.length > total) return failure("the server sends more than it announced");
      at = await part.write(file, chunk, at);
      await part.settle(file, at);
      around.progress({ bytes: at, total });
    }
    if (total !== null && at < total) {
      return failure(`the connection ended after ${inBytes(at)} of ${inBytes(total)}`);
    }
    await file.sync();
    return null;
  } finally {
    await file.close();
  }
}

async function finish(
  what: Download,
  part: Part,
  path: string | null,
  resumed: boolean,
  around: Around,
): Promise<Tried> {
  if (path === null) {
    return { failed: failure(`neither the URL nor the server names the file`, "name it in `to:`", true) };
  }
  const { size } = part;
  const digest = what.sha256 === null ? null : await part.sha256(around);
  const isWrong = digest !== what.sha256 || (what.isRight && !(await what.isRight(part.path)));
  if (isWrong) {
    part.forget();
    const cause =
      digest === null
        ? "the file has another content than it shall have"
        : `the file has the SHA-256 ${digest}, and shall have ${what.sha256}`;
    // Two halves of two versions make neither: from the beginning it may fit.
    const fix = "correct `sha256:` if the file was meant to change; otherwise do not trust it";
    return { failed: failure(cause, fix, !resumed) };
  }
  await part.moveTo(path, what.executable);
  return { ok: true, bytes: size, note: path };
}

function nameOf(what: Download, folder: string, announced: string | null): string | null {
  if (!what.to.endsWith("/")) return what.to;
  const name = announced ?? lastPart(what.url);
  return name === "" || name === "." || name === ".." || name.includes("/") || name.includes("\0")
    ? null
    : join(folder, name);
}

/** `attachment; filename="a.bin"`: only a plain name, never a way out of the folder. */
export function fileNameIn(disposition: string | null): string | null {
  if (disposition === null) return null;
  const extended = /filename\*\s*=\s*UTF-8''([^;\s]+)/i.exec(disposition)?.[1];
  const plain = /filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]+))/i.exec(disposition);
  let name = plain?.[1]?.replace(/\\(.)/g, "$1") ?? plain?.[2] ?? null;
  try {
    if (extended !== undefined) name = decodeURIComponent(extended);
  } catch {
    // The plain one counts.
  }
  const last = name?.split(/[/\\]/).at(-1)?.trim() ?? "";
  return last === "" || last === "." || last === ".." || last.includes("\0") ? null : last;
}
