/**
 * One file over HTTP, whatever the network does. Bytes go to a file beside the place, which the next run finds again; only a
 * whole one, with the right SHA-256 where that is known, is renamed to its place.
 *
 *   dir/.svcd-3f9a….part        what is here
 *   dir/.svcd-3f9a….part.json   what it is a part of: the server's word for the version (ETag), and how long it shall be
 */
import { createHash, type Hash } from "node:crypto";
import { createReadStream, readFileSync, rmSync, statSync } from "node:fs";
import { type FileHandle, mkdir, open, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type Around, delayMs, pause } from "./around.ts";
import { flushFolder, refusedByDisk, replaceFile, tooSmall } from "./disk.ts";
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
export async function download(what: Download, around: Around): Promise<Result> {
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
    const headers: Record<string, string> = {
      "user-agent": "svcd-provision",
      "accept-encoding": "identity",
      ...what.headers,
    };
    if (have > 0) {
      headers["range"] = `bytes=${have}-`;
      const validator = meta?.etag ?? meta?.lastModified ?? null;
      if (validator !== null) headers["if-range"] = validator;
    }
    const response = await fetch(what.url, { headers, signal: connection.signal, redirect: "follow" });
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

function networkFailure(error: unknown, url: string): Failed {
  const cause = (error as Error & { cause?: NodeJS.ErrnoException }).cause;
  const host = URL.canParse(url) ? new URL(url).host : url;
  const code = cause?.code ?? (error as NodeJS.ErrnoException).code ?? "";
  const said = cause?.message || (error as Error).message;
  switch (code) {
    case "ENOTFOUND":
      return failure(`there is no host ${host}`, "correct the URL; see /etc/resolv.conf");
    case "EAI_AGAIN":
      return failure(`the name ${host} cannot be looked up at the moment`, "see /etc/resolv.conf, and the network");
    case "ECONNREFUSED":
      return failure(`${host} refuses connections`);
    case "ECONNRESET":
    case "UND_ERR_SOCKET":
    case "EPIPE":
      return failure(`${host} closed the connection (${said})`);
    default:
      return failure(`${host}: ${said}${code === "" || said.includes(code) ? "" : ` (${code})`}`);
  }
}

/** Aborts a connection on which nothing comes any more. */
class Watchdog {
  readonly #ms: number;
  readonly #connection: AbortController;
  #timer: NodeJS.Timeout;
  hasBarked = false;

  constructor(ms: number, connection: AbortController) {
    this.#ms = ms;
    this.#connection = connection;
    this.#timer = setTimeout(() => this.#bark(), ms);
  }

  feed(): void {
    this.#timer.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #bark(): void {
    this.hasBarked = true;
    this.#connection.abort(new Error(`nothing came for ${this.#ms} ms`));
  }
}

interface Meta {
  readonly etag: string | null;
  readonly lastModified: string | null;
  readonly total: number | null;
  /** How the server calls the file. */
  readonly name: string | null;
  /** So much has been flushed, in this boot; after the next one no more than that is certain. */
  readonly settled?: number;
  readonly boot?: string;
}

/** What a machine that stops may cost: a few seconds of a fast line. */
const SETTLE_EACH_BYTES = 256 * 1024 * 1024;

const BOOT = bootId();

function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

/** What is here of a file. */
class Part {
  readonly path: string;
  readonly #metaPath: string;
  /** Of the first `#hashed` bytes, so that what comes in one go is read only once. */
  #hash: Hash | null;
  #hashed = 0;
  #settled = 0;
  readonly #isHashed: boolean;

  constructor(folder: string, { url, to, sha256 }: Download) {
    const key = createHash("sha256").update(`${url}\n${to}`).digest("hex").slice(0, 16);
    this.path = join(folder, `.svcd-${key}.part`);
    this.#metaPath = `${this.path}.json`;
    this.#isHashed = sha256 !== null;
    this.#hash = null;
  }

  get size(): number {
    return fileSize(this.path) ?? 0;
  }

  /** null: nobody knows what is here, so it is nothing. */
  meta(): Meta | null {
    try {
      const read = JSON.parse(readFileSync(this.#metaPath, "utf8")) as Partial<Meta>;
      const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null);
      const total = typeof read.total === "number" ? read.total : null;
      if (total !== null && this.size > total) return null;
      const settled = typeof read.settled === "number" ? read.settled : 0;
      const { etag, lastModified, name, boot } = read;
      return {
        etag: textOf(etag),
        lastModified: textOf(lastModified),
        total,
        name: textOf(name),
        settled,
        boot: textOf(boot) ?? "",
      };
    } catch {
      return null;
    }
  }

  /** Bytes from the beginning that are certainly what the server sent. */
  usable({ settled = 0, boot }: Meta): number {
    return boot === BOOT ? this.size : Math.min(settled, this.size);
  }

  async settle(file: FileHandle, at: number): Promise<void> {
    if (at - this.#settled < SETTLE_EACH_BYTES) return;
    await file.datasync();
    this.#settled = at;
    const meta = this.meta();
    if (meta !== null) replaceFile(this.#metaPath, JSON.stringify({ ...meta, settled: at }), { durable: false });
  }

  /** What was here is over before the word about the new is there: never do the two belong to different files. */
  begin(meta: Meta): void {
    this.forget();
    replaceFile(this.#metaPath, JSON.stringify({ ...meta, settled: 0, boot: BOOT }), { durable: false });
  }

  forget(): void {
    this.#hash = null;
    this.#hashed = 0;
    this.#settled = 0;
    for (const path of [this.#metaPath, this.path]) rmQuietly(path);
  }

  async openAt(from: number): Promise<FileHandle> {
    const file = await open(this.path, from === 0 ? "w" : "r+", 0o600);
    await file.truncate(from);
    if (from === 0) {
      this.#hash = this.#isHashed ? createHash("sha256") : null;
      this.#hashed = 0;
    }
    return file;
  }

  async write(file: FileHandle, chunk: Uint8Array, at: number): Promise<number> {
    let done = 0;
    while (done < chunk.length) {
      const { bytesWritten } = await file.write(chunk, done, chunk.length - done, at + done);
      done += bytesWritten;
    }
    if (this.#hash !== null && this.#hashed === at) {
      this.#hash.update(chunk);
      this.#hashed += chunk.length;
    }
    return at + done;
  }

  async sha256(around: Around): Promise<string> {
    if (this.#hash !== null && this.#hashed === this.size) return this.#hash.copy().digest("hex");
    return await sha256Of(this.path, around);
  }

  async moveTo(path: string, executable: boolean): Promise<void> {
    const file = await open(this.path, "r+");
    try {
      await file.chmod((executable ? 0o777 : 0o666) & ~process.umask());
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(this.path, path);
    flushFolder(dirname(path));
    await rm(this.#metaPath, { force: true });
  }
}

export async function sha256Of(path: string, { stop }: Pick<Around, "stop">): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
    if (stop.aborted) throw new Interrupted();
    hash.update(chunk as Buffer);
  }
  return hash.digest("hex");
}

function fileSize(path: string): number | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat?.isFile() ? stat.size : null;
}

function rmQuietly(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // What cannot be removed cannot be written either, and that is told.
  }
}
