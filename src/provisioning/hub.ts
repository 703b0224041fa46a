/**
 * A snapshot of a repository on Hugging Face. First it is asked whether we may have it: a gated model and a wrong token cost a
 * second then, not an hour. Then `hf` (or `huggingface-cli`) fetches it where that is on PATH, because it knows the faster ways;
 * else we do, into the same form, each file whole and with its digest or not at all.
 */
import { createHash } from "node:crypto";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { rename } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { type Around, delayMs, pause } from "./around.ts";
import { refusedByDisk, replaceFile, tooSmall } from "./disk.ts";
import { download } from "./download.ts";
import {
  cacheFolder,
  type HubFile,
  homeOfHub,
  repoFolder,
  repoPath,
  type Snapshot,
  snapshotIn,
  wantedFiles,
} from "./hub-files.ts";
import { onPath } from "./on-path.ts";
import { describeFailure, runProgram } from "./program.ts";
import { type Failed, failure, Interrupted, type Result } from "./result.ts";
import { inBytes } from "./sizes.ts";
import type { Step, Work } from "./step.ts";

type Hub = Extract<Work, { kind: "huggingface" }>;
type Env = Step["env"];

const ASK_WITHIN_MS = 30_000;

export async function huggingface(work: Hub, step: Step, around: Around): Promise<Result> {
  const { env } = step;
  if (/^(1|true|yes|on)$/i.test(env["HF_HUB_OFFLINE"] ?? "")) return offline(work, env);
  const asked = await snapshotOf(work, step, around);
  if ("ok" in asked) return asked;
  const files = wantedFiles(asked.files, work);
  if (files.length === 0) {
    return failure(`no file of ${work.repo} fits \`include:\` and \`exclude:\``, "correct the patterns", true);
  }
  const missing = missingOf(files, asked, work, env);
  const total = sizeOf(files);
  const begun = halvesIn(work.to === null ? join(rootOf(work, env), "blobs") : work.to);
  const lacks = tooSmall(nearestFolder(rootOf(work, env)), Math.max(0, missing.bytes - begun));
  if (lacks !== null) return lacks;
  if (missing.files.length > 0) {
    around.say(`${missing.files.length} of ${files.length} files are missing, ${inBytes(missing.bytes)}`);
  }
  const tool = onPath("hf", env) ?? onPath("huggingface-cli", env);
  try {
    const result =
      tool !== null && missing.files.length > 0
        ? await byTool(tool, work, { step, total, missing: missing.bytes }, around)
        : await byHttp(work, asked, files, step, around);
    return result.ok ? { ...result, bytes: total } : result;
  } catch (error) {
    const disk = refusedByDisk(error, rootOf(work, env));
    if (disk !== null) return disk;
    throw error;
  }
}

/** Nobody is asked: what is in the cache is what there is. */
function offline(work: Hub, env: Env): Result {
  const ref = join(rootOf(work, env), "refs", work.revision);
  const commit = existsSync(ref) ? readFileSync(ref, "utf8").trim() : work.revision;
  const place = work.to ?? join(rootOf(work, env), "snapshots", commit);
  if (existsSync(place)) return { ok: true, note: `HF_HUB_OFFLINE is set: ${place} is taken as it is` };
  return failure(`HF_HUB_OFFLINE is set, and ${place} is not there`, "unset it for the first download", true);
}

/** What is to come, and that we may have it. Of use before anything else is done, too. */
export async function snapshotOf(work: Hub, step: Step, around: Around): Promise<Snapshot | Failed> {
  let last: Failed = failure("nobody was asked");
  for (let failures = 0; failures < step.tries; ) {
    const answer = await ask(work, step.env, around);
    if (!("ok" in answer) || answer.permanent) return answer;
    last = answer;
    failures++;
    if (failures < step.tries) await pause(delayMs(step.retryDelayMs, failures), around);
  }
  return last;
}

async function ask(work: Hub, env: Env, around: Around): Promise<Snapshot | Failed> {
  const at = `${endpoint(env)}/api/${work.type}s/${work.repo}/revision/${encodeURIComponent(work.revision)}?blobs=true`;
  const info = await request(at, env, around);
  if (info instanceof Error) return failure(`${hostOf(env)}: ${info.message}`);
  if (info.status !== 200) return refusal(info, work, env);
  const snapshot = snapshotIn(await info.json().catch(() => null));
  if (snapshot === null) return failure(`${hostOf(env)} gave an answer about ${work.repo} that is not understood`);
  const [first] = snapshot.files;
  if (!snapshot.isGated || first === undefined) return snapshot;
  // Everybody may read about a gated repository; what is in it only who was let in.
  const access = await request(fileUrl(work, snapshot.commit, first.name, env), env, around, "HEAD");
  if (access instanceof Error) return failure(`${hostOf(env)}: ${access.message}`);
  return access.status < 400 ? snapshot : refusal(access, work, env);
}

async function request(url: string, env: Env, around: Around, method = "GET"): Promise<Response | Error> {
  const signal = AbortSignal.any([around.stop, AbortSignal.timeout(ASK_WITHIN_MS)]);
  try {
    return await fetch(url, {
      method,
      signal,
      redirect: method === "HEAD" ? "manual" : "follow",
      headers: headersOf(env),
    });
  } catch (error) {
    if (around.stop.aborted) throw new Interrupted();
    const { cause, message } = error as Error & { cause?: Error };
    return new Error(around.redact(cause?.message || message));
  }
}

/** The causes that cost people most, each with what to do. */
function refusal({ status, headers }: Response, work: Hub, env: Env): Failed {
  const page = `${endpoint(env)}/${repoPath(work)}`;
  const code = headers.get("x-error-code");
  const hasToken = tokenOf(env) !== null;
  if (code === "RevisionNotFound" || (status === 404 && code !== "RepoNotFound" && code !== null)) {
    return failure(`${work.repo} has no revision ${work.revision}`, "correct `revision:`", true);
  }
  if (code === "GatedRepo" || (status === 403 && code === null)) {
    const cause = `${work.repo} is gated, and ${hasToken ? "the account of HF_TOKEN was not let in" : "no HF_TOKEN is set"} (HTTP ${status})`;
    const set = hasToken ? "with the account of HF_TOKEN" : "then set HF_TOKEN in svcd's environment or an env file";
    return failure(cause, `accept the licence at ${page}, ${set}`, true);
  }
  if (status === 401 || status === 404) {
    const cause = `there is no ${work.type} ${work.repo}, or ${hasToken ? "HF_TOKEN may not read it or is not valid" : "it is private and no HF_TOKEN is set"} (HTTP ${status})`;
    return failure(cause, `look at ${page}; a token is made at ${endpoint(env)}/settings/tokens`, true);
  }
  const permanent = status >= 400 && status < 500 && status !== 408 && status !== 429;
  return failure(`${hostOf(env)} answers with HTTP ${status} about ${work.repo}`, null, permanent);
}

// --- by the tool of Hugging Face ---------------------------------------------------------------------------------------

async function byTool(
  tool: string,
  work: Hub,
  { step, total, missing }: { readonly step: Step; readonly total: number; readonly missing: number },
  around: Around,
): Promise<Result> {
  const many = (option: string, patterns: readonly string[]): string[] => patterns.flatMap((one) => [option, one]);
  const argv = [
    ...[tool, "download", work.repo, "--revision", work.revision, "--repo-type", work.type],
    ...many("--include", work.include),
    ...many("--exclude", work.exclude),
    ...(work.to === null ? [] : ["--local-dir", work.to]),
  ];
  const env = { HF_HUB_DISABLE_PROGRESS_BARS: "1", HF_HUB_DISABLE_TELEMETRY: "1", ...step.env };
  const folder = rootOf(work, step.env);
  const before = bytesIn(folder);
  // It tells nothing that could be read on a pipe; what it has written tells.
  const look = setInterval(() => {
    const bytes = total - missing + Math.max(0, bytesIn(folder) - before);
    around.progress({ bytes: Math.min(bytes, total), total });
  }, LOOK_EACH_MS);
  try {
    for (let failures = 0; ; ) {
      const ended = await runProgram({ argv, env, cwd: "/" }, around);
      if (ended.code === 0) return { ok: true, note: ended.lines.at(-1) ?? null };
      const cause = describeFailure("hf download", ended);
      failures++;
      if (failures >= step.tries) return failure(`${cause} (after ${step.tries} tries)`, null, ended.refused !== null);
      around.say(`${cause}; again`);
      await pause(delayMs(step.retryDelayMs, failures), around);
    }
  } finally {
    clearInterval(look);
  }
}

const LOOK_EACH_MS = 1_000;
/** A cache of models has hundreds of files, and each look reads all their sizes. */
const MOST_FILES = 20_000;

function bytesIn(folder: string): number {
  let bytes = 0;
  let seen = 0;
  const walk = (path: string): void => {
    for (const entry of readdirQuietly(path)) {
      if (++seen > MOST_FILES) return;
      const inside = join(path, entry.name);
      if (entry.isDirectory()) walk(inside);
      // Blocks, not length: a file that is made full length first grows only as it is filled.
      else if (entry.isFile()) bytes += (statSync(inside, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
    }
  };
  walk(folder);
  return bytes;
}

function readdirQuietly(path: string) {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    return [];
  }
}

// --- by ourselves ------------------------------------------------------------------------------------------------------

async function byHttp(
  work: Hub,
  { commit }: Snapshot,
  files: readonly HubFile[],
  step: Step,
  around: Around,
): Promise<Result> {
  const total = sizeOf(files);
  let done = 0;
  for (const file of files) {
    const place = placeOf(file, work, step.env);
    if (!isWhole(place, file)) {
      const before = done;
      const inAll: Around = { ...around, progress: ({ bytes }) => around.progress({ bytes: before + bytes, total }) };
      const result = await download(
        {
          url: fileUrl(work, commit, file.name, step.env),
          to: place,
          sha256: file.sha256,
          isRight: file.blob === null ? null : async (path) => (await gitBlobName(path)) === file.blob,
          headers: headersOf(step.env),
          html: true, // Model cards may be anything; the digest tells what is right.
          executable: false,
          tries: step.tries,
          retryDelayMs: step.retryDelayMs,
        },
        inAll,
      );
      if (!result.ok) return { ...result, cause: `${file.name}: ${result.cause}` };
    }
    if (work.to === null) await link(work, commit, file, place, step.env);
    done += file.size ?? 0;
    around.progress({ bytes: done, total });
  }
  if (work.to !== null) return { ok: true, note: `${work.to} is ${commit.slice(0, 12)}` };
  const folder = rootOf(work, step.env);
  // Last: until here nobody takes this snapshot for whole.
  if (!/^[0-9a-f]{40}$/.test(work.revision)) {
    replaceFile(join(folder, "refs", work.revision), commit, { mode: 0o644 });
  }
  return { ok: true, note: join(folder, "snapshots", commit) };
}

async function link(work: Hub, commit: string, file: HubFile, blob: string, env: Env): Promise<void> {
  const path = join(rootOf(work, env), "snapshots", commit, file.name);
  mkdirSync(dirname(path), { recursive: true });
  const next = join(dirname(path), `.svcd-${process.pid}.link`);
  rmSync(next, { force: true });
  symlinkSync(relative(dirname(path), blob), next);
  await rename(next, path);
}

/** Git's name for what is in a file. */
async function gitBlobName(path: string): Promise<string> {
  const hash = createHash("sha1").update(`blob ${statSync(path).size}\0`);
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest("hex");
}

// --- places ------------------------------------------------------------------------------------------------------------

function rootOf(work: Hub, env: Env): string {
  return work.to ?? join(cacheFolder(env), repoFolder(work));
}

function placeOf(file: HubFile, work: Hub, env: Env): string {
  if (work.to !== null) return join(work.to, file.name);
  const name = file.sha256 ?? file.blob ?? createHash("sha256").update(file.name).digest("hex");
  return join(rootOf(work, env), "blobs", name);
}

/** In the cache the name is the digest, and only whole files get it. */
function isWhole(place: string, file: HubFile): boolean {
  const stat = statSync(place, { throwIfNoEntry: false });
  return stat?.isFile() === true && file.size !== null && stat.size === file.size;
}

function missingOf(files: readonly HubFile[], _: Snapshot, work: Hub, env: Env): { files: HubFile[]; bytes: number } {
  const missing = files.filter((file) => !isWhole(placeOf(file, work, env), file));
  return { files: missing, bytes: sizeOf(missing) };
}

/** Bytes of what was begun, by us or by the tool of Hugging Face: they are on the disk already. */
function halvesIn(folder: string): number {
  const halves = readdirQuietly(folder).filter(({ name }) => /\.(part|incomplete)$/.test(name));
  return halves.reduce(
    (sum, { name }) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.blocks ?? 0) * 512,
    0,
  );
}

function sizeOf(files: readonly HubFile[]): number {
  return files.reduce((sum, { size }) => sum + (size ?? 0), 0);
}

/** The folder itself may not be there yet; its disk is. */
export function nearestFolder(path: string): string {
  let here = path;
  while (!existsSync(here) && dirname(here) !== here) here = dirname(here);
  return here;
}

function endpoint(env: Env): string {
  return (env["HF_ENDPOINT"] || "https://huggingface.co").replace(/\/+$/, "");
}

function hostOf(env: Env): string {
  const at = endpoint(env);
  return URL.canParse(at) ? new URL(at).host : at;
}

function fileUrl(work: Hub, commit: string, name: string, env: Env): string {
  return `${endpoint(env)}/${repoPath(work)}/resolve/${commit}/${name.split("/").map(encodeURIComponent).join("/")}`;
}

function headersOf(env: Env): Record<string, string> {
  const token = tokenOf(env);
  return { "user-agent": "svcd-provision", ...(token === null ? {} : { authorization: `Bearer ${token}` }) };
}

/** As the libraries find it: two variables, then the file that `hf auth login` writes. */
export function tokenOf(env: Env): string | null {
  const set = env["HF_TOKEN"] || env["HUGGING_FACE_HUB_TOKEN"];
  if (set) return set.trim();
  try {
    const file = env["HF_TOKEN_PATH"] || join(homeOfHub(env), "token");
    return readFileSync(file, "utf8").trim() || null;
  } catch {
    return null;
  }
}
