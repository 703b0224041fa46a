/**
 * A clone, and what is there brought to a branch, tag or commit.
 */
import { existsSync, mkdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Around } from "./around.ts";
import { refusedByDisk } from "./disk.ts";
import { onPath } from "./on-path.ts";
import { describeFailure, type Ended, runProgram, tellingLine } from "./program.ts";
import { failure, type Result } from "./result.ts";
import type { Step, Work } from "./step.ts";

type Of = Extract<Work, { kind: "git" }>;
type Env = Step["env"];

/**
 * A clone is made beside its place and renamed into it once it is whole. What is there is brought to `ref`; a person's changes
 * are not thrown away unless `force` says so.
 */
export async function git(work: Of, env: Env, around: Around): Promise<Result> {
  if (onPath("git", env) === null) return failure("git is not on PATH", "put `apt: git` before it", true);
  const quiet = { ...env, GIT_TERMINAL_PROMPT: "0", GIT_SSH_COMMAND: env["GIT_SSH_COMMAND"] ?? "ssh -o BatchMode=yes" };
  const run = (args: readonly string[], onLine?: () => void): Promise<Ended> =>
    runProgram({ argv: ["git", ...args], env: quiet, cwd: "/", ...(onLine === undefined ? {} : { onLine }) }, around);
  const depth = work.depth === null ? [] : ["--depth", String(work.depth)];
  try {
    if (!existsSync(work.to)) return await clone(work, depth, run);
    if (!existsSync(join(work.to, ".git"))) {
      if (!removedEmptyFolder(work.to)) {
        return failure(`${work.to} is there already, and is no clone`, "move it away, or name another `to:`", true);
      }
      return await clone(work, depth, run);
    }
    return await update(work, depth, run, around);
  } catch (error) {
    const disk = refusedByDisk(error, work.to);
    if (disk !== null) return disk;
    throw error;
  }
}

type RunGit = (args: readonly string[], onLine?: () => void) => Promise<Ended>;

async function clone(work: Of, depth: readonly string[], run: RunGit): Promise<Result> {
  mkdirSync(dirname(work.to), { recursive: true });
  const beside = join(dirname(work.to), `.svcd-${basename(work.to)}.clone`);
  rmSync(beside, { recursive: true, force: true }); // Of a run that was cut off.
  const started = await run(["init", "--quiet", beside]);
  if (started.code !== 0) return gitFailure("git init", started);
  const added = await run(["-C", beside, "remote", "add", "origin", work.url]);
  if (added.code !== 0) return gitFailure("git remote add", added);
  const at = await bringTo(work, beside, depth, run, true);
  if (at !== null) {
    rmSync(beside, { recursive: true, force: true });
    return at;
  }
  renameSync(beside, work.to);
  return { ok: true, note: await head(work.to, run) };
}

async function update(work: Of, depth: readonly string[], run: RunGit, around: Around): Promise<Result> {
  if (around.wasCutOff) rmSync(join(work.to, ".git/index.lock"), { force: true }); // Its git has ended with that run.
  const origin = await run(["-C", work.to, "remote", "set-url", "origin", work.url]);
  if (origin.code !== 0) {
    const added = await run(["-C", work.to, "remote", "add", "origin", work.url]);
    if (added.code !== 0) return gitFailure("git remote add", added);
  }
  // Cut off in the middle of a checkout: what looks like somebody's changes is its half.
  const unfinished = join(work.to, ".git/svcd-unfinished");
  const isHalf = existsSync(unfinished);
  if (!work.force && !isHalf) {
    const changed = await run(["-C", work.to, "status", "--porcelain", "--untracked-files=no"], () => {});
    if (changed.code !== 0) return gitFailure("git status", changed);
    const files = changed.lines.filter((line) => line.trim() !== "");
    if (files.length > 0) {
      const cause = `${work.to} has local changes (${files[0]!.slice(3)}${files.length > 1 ? ` and ${files.length - 1} more` : ""})`;
      return failure(cause, "commit or undo them, or say `force: true` to throw them away", true);
    }
  }
  writeFileSync(unfinished, "");
  const failed = await bringTo(work, work.to, depth, run, work.force || isHalf);
  // A fetch that failed has changed no file; a checkout that did may have.
  if (failed === null || !failed.cause.startsWith("git checkout")) rmSync(unfinished, { force: true });
  return failed ?? { ok: true, note: await head(work.to, run) };
}

/**
 * null: it is there. A branch is checked out as such and follows the remote's, so that a person can go on with `git pull`; a tag or a
 * commit is what it is. Commits that somebody made on the branch are not lost: they only let it move forward.
 */
async function bringTo(
  work: Of,
  folder: string,
  depth: readonly string[],
  run: RunGit,
  force: boolean,
): Promise<Extract<Result, { ok: false }> | null> {
  const git = (args: readonly string[], onLine?: () => void): Promise<Ended> => run(["-C", folder, ...args], onLine);
  const commitOf = async (name: string): Promise<string | null> =>
    (await git(["rev-parse", "--verify", "--quiet", `${name}^{commit}`], () => {})).lines[0] ?? null;
  const branch = await branchMeant(work, git);
  const tracked = `refs/remotes/origin/${branch}`;
  const mine = branch === null ? null : await commitOf(`refs/heads/${branch}`);
  const hasOwnCommits = mine !== null && mine !== (await commitOf(tracked)) && !force;

  const fetch = ["fetch", "--progress", "--force", ...(depth.length > 0 ? depth : ["--tags"]), "origin"];
  const ref = work.ref ?? "HEAD";
  let fetched = await git([...fetch, branch === null ? ref : `+refs/heads/${branch}:${tracked}`]);
  let target = "FETCH_HEAD";
  if (fetched.code !== 0 && branch === null && /^[0-9a-f]{7,40}$/i.test(ref)) {
    // Not every server gives single commits, and none gives shortened ones: all branches have them.
    fetched = await git(["fetch", "--progress", "--tags", "--force", "origin", "+refs/heads/*:refs/remotes/origin/*"]);
    target = ref;
  }
  if (fetched.code !== 0) return gitFailure("git fetch", fetched);

  const checkout = ["checkout", "--quiet", ...(force ? ["--force"] : [])];
  const checkedOut = await git(
    branch === null
      ? [...checkout, "--detach", target]
      : hasOwnCommits
        ? [...checkout, branch]
        : [...checkout, "-B", branch, "--track", `origin/${branch}`],
  );
  if (checkedOut.code !== 0) return gitFailure("git checkout", checkedOut);
  if (hasOwnCommits && (await git(["merge", "--ff-only", "--quiet", tracked])).code !== 0) {
    const cause = `the branch ${branch} in ${folder} has commits of its own`;
    return failure(cause, "push them or move them to another branch, or say `force: true` to give them up", true);
  }
  if (!work.submodules) return null;
  const submodules = await git(["submodule", "update", "--init", "--recursive", "--progress", ...depth]);
  return submodules.code === 0 ? null : gitFailure("git submodule update", submodules);
}

/** The branch of the remote that `ref` names, or its main one; null: it is none, or the remote does not answer now. */
async function branchMeant({ ref }: Of, git: RunGit): Promise<string | null> {
  const listed = await git(["ls-remote", "--symref", "origin", ref ?? "HEAD"], () => {});
  if (listed.code !== 0) return null; // The fetch tells why.
  if (ref === null) {
    const head = listed.lines.map((line) => /^ref: refs\/heads\/(\S+)\tHEAD$/.exec(line)?.[1]);
    return head.find((name) => name !== undefined) ?? null;
  }
  return listed.lines.some((line) => line.endsWith(`\trefs/heads/${ref}`)) ? ref : null;
}

async function head(folder: string, run: RunGit): Promise<string | null> {
  const { lines } = await run(["-C", folder, "log", "-1", "--format=%h %s"], () => {});
  return lines[0] === undefined ? null : `at ${lines[0].slice(0, 80)}`;
}

function gitFailure(name: string, ended: Ended): Extract<Result, { ok: false }> {
  const said = ended.lines.join("\n");
  const cause = describeFailure(name, ended);
  if (/Authentication failed|could not read (Username|Password)|Permission denied \(publickey/i.test(said)) {
    return failure(
      cause,
      "the repository is not public: put a token into its URL (it is not shown), or use an SSH key",
      true,
    );
  }
  if (/couldn't find remote ref|did not match any|unable to read tree|not a valid ref/i.test(said)) {
    return failure(cause, "correct `ref:`: the repository has no such branch, tag or commit", true);
  }
  if (/Repository not found|does not appear to be a git repository|does not exist/i.test(said)) {
    return failure(cause, "correct the URL; a private repository looks like none", true);
  }
  if (/No space left on device/.test(said)) return failure(cause, "free some space: df -h", true);
  return failure(cause, tellingLine(ended.lines) === null ? "see the lines above" : null, ended.refused !== null);
}

/** The kernel itself knows whether a folder is empty. */
function removedEmptyFolder(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}
