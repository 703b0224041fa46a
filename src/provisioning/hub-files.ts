/**
 * What a repository on Hugging Face holds, of that what is wanted, and where it goes. Pure: lists of names and numbers.
 *
 * The cache has the form that every library of Hugging Face reads: contents once in `blobs/`, named by their digest, and for each
 * commit a folder of links to them in `snapshots/`; `refs/main` says which commit `main` was.
 */
import { join } from "node:path";
import type { Work } from "./step.ts";

type Hub = Extract<Work, { kind: "huggingface" }>;

export interface HubFile {
  readonly name: string;
  readonly size: number | null;
  /** SHA-256 of the content, for large files. */
  readonly sha256: string | null;
  /** As git names the content (SHA-1 of a header and the bytes), for the others. */
  readonly blob: string | null;
}

export interface Snapshot {
  readonly commit: string;
  readonly files: readonly HubFile[];
  readonly isGated: boolean;
}

/** The answer to `/api/models/REPO/revision/REV?blobs=true`; null: it is something else. */
export function snapshotIn(answer: unknown): Snapshot | null {
  if (typeof answer !== "object" || answer === null) return null;
  const { sha, siblings, gated } = answer as Record<string, unknown>;
  if (typeof sha !== "string" || !/^[0-9a-f]{40}$/.test(sha) || !Array.isArray(siblings)) return null;
  const files: HubFile[] = [];
  for (const one of siblings as Record<string, unknown>[]) {
    const name = one?.["rfilename"];
    if (typeof name !== "string" || !isPlainPath(name)) return null;
    const lfs = one["lfs"] as Record<string, unknown> | undefined;
    const text = (value: unknown, pattern: RegExp): string | null =>
      typeof value === "string" && pattern.test(value) ? value : null;
    const size = lfs?.["size"] ?? one["size"];
    files.push({
      name,
      size: typeof size === "number" && size >= 0 ? size : null,
      sha256: text(lfs?.["sha256"], /^[0-9a-f]{64}$/),
      blob: lfs === undefined ? text(one["blobId"], /^[0-9a-f]{40}$/) : null,
    });
  }
  return { commit: sha, files, isGated: gated !== undefined && gated !== false };
}

/** A name from somewhere else that becomes a path here: it must stay inside of its folder. */
function isPlainPath(name: string): boolean {
  return name !== "" && !name.includes("\0") && name.split("/").every((part) => !["", ".", ".."].includes(part));
}

/** Patterns as the libraries take them: `*` fits any characters, also `/`; a folder's name with `/` fits what is in it. */
export function wantedFiles(
  files: readonly HubFile[],
  { include, exclude }: Pick<Hub, "include" | "exclude">,
): HubFile[] {
  const fits = (patterns: readonly string[], name: string): boolean =>
    patterns.some((pattern) => asRegExp(pattern.endsWith("/") ? `${pattern}*` : pattern).test(name));
  return files.filter(({ name }) => (include.length === 0 || fits(include, name)) && !fits(exclude, name));
}

function asRegExp(pattern: string): RegExp {
  const source = pattern.replace(/\[!/g, "[^").replace(/[.+^$(){}|\\]|\*|\?/g, (sign) => {
    if (sign === "*") return "[\\s\\S]*";
    if (sign === "?") return "[\\s\\S]";
    return sign === "^" ? "^" : `\\${sign}`;
  });
  try {
    return new RegExp(`^(?:${source})$`);
  } catch {
    return /^$(?!)/;
  }
}

/** Where the libraries look, in their order of variables. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>>): string {
  if (env["HF_HUB_CACHE"]) return env["HF_HUB_CACHE"];
  if (env["HUGGINGFACE_HUB_CACHE"]) return env["HUGGINGFACE_HUB_CACHE"];
  return join(homeOfHub(env), "hub");
}

export function homeOfHub(env: Readonly<Record<string, string | undefined>>): string {
  if (env["HF_HOME"]) return env["HF_HOME"];
  return join(env["XDG_CACHE_HOME"] || join(env["HOME"] || "/root", ".cache"), "huggingface");
}

/** `models--Qwen--Qwen3-Reranker-0.6B` */
export function repoFolder({ repo, type }: Pick<Hub, "repo" | "type">): string {
  return [`${type}s`, ...repo.split("/")].join("--");
}

/** What stands before the name in URLs: models have none. */
export function repoPath({ repo, type }: Pick<Hub, "repo" | "type">): string {
  return type === "model" ? repo : `${type}s/${repo}`;
}
