/**
 * What must be true of a process before its first instruction and that Node cannot set, done by util-linux: each tool
 * changes one thing of itself and then becomes the next, so the pid stays the program's.
 *
 *   choom -n 500 -- prlimit --nofile=4096:4096 nice -n 5 setpriv --reuid=… --regid=… --init-groups env LD_…=… PROGRAM …
 *
 * Limits and priorities come first, while we still may; the user last. A tool is there only when something needs it.
 * What would fail inside the chain, as an exit status nobody understands, is refused before.
 */
import { accessSync, constants } from "node:fs";
import type { Limits, Rlimit } from "../plan/plan.ts";
import type { IdentityChange } from "./identity.ts";
import type { OwnRights } from "./own-rights.ts";

export interface Before {
  readonly service: string;
  readonly limits: Limits;
  readonly identity: IdentityChange | null;
  readonly env: Readonly<Record<string, string>>;
  /** By which the keeper knows the processes of the run (`runTag`); null: it needs none. */
  readonly tag: number | null;
}

export type Chain =
  | {
      readonly ok: true;
      /** What stands before the program, the first by its absolute path; empty when nothing is needed. */
      readonly argv: readonly string[];
      /** The environment to start the chain with. */
      readonly env: Readonly<Record<string, string>>;
    }
  | { readonly ok: false; readonly cause: string };

export function execChain(before: Before, own: OwnRights, toolPath: (name: string) => string | null): Chain {
  const cause = limitsFlaw(before, own);
  if (cause !== null) return { ok: false, cause };
  const { env, afterwards } = withoutLoaderTricks(before, own);
  const links = [
    ...outOfMemoryLink(before.limits),
    ...limitsLink(before, own),
    ...niceLink(before.limits, own),
    ...identityLink(before.identity),
    ...(afterwards.length === 0 ? [] : [{ tool: "env", arguments: afterwards, key: "user" }]),
  ];
  const argv: string[] = [];
  for (const { tool, arguments: words, key } of links) {
    const path = toolPath(tool);
    if (path === null) {
      const from = tool === "nice" || tool === "env" ? "coreutils" : "util-linux";
      return {
        ok: false,
        cause: `${tool} (${from}) is needed for \`${key}:\` of ${before.service} but is not installed`,
      };
    }
    argv.push(path, ...words);
  }
  return { ok: true, argv, env };
}

/** Never the PATH of a service: what stands on it may belong to the user that the chain is about to become. */
export function systemTool(name: string, ownPath: string): string | null {
  for (const folder of [...ownPath.split(":"), "/usr/bin", "/bin", "/usr/sbin", "/sbin"]) {
    if (!folder.startsWith("/")) continue;
    try {
      accessSync(`${folder}/${name}`, constants.X_OK);
      return `${folder}/${name}`;
    } catch {
      // Not there: the next one.
    }
  }
  return null;
}

interface Link {
  readonly tool: string;
  readonly arguments: readonly string[];
  /** The key that needs it, for whom it may concern when the tool is missing. */
  readonly key: "limits" | "user";
}

function outOfMemoryLink({ oomScoreAdj }: Limits): Link[] {
  return oomScoreAdj === null ? [] : [{ tool: "choom", arguments: ["-n", String(oomScoreAdj), "--"], key: "limits" }];
}

/** As prlimit(1) calls them. */
const OPTIONS: Readonly<Record<Rlimit, string>> = {
  nofile: "nofile",
  nproc: "nproc",
  core: "core",
  memory: "as",
  cpu: "cpu",
  stack: "stack",
  fsize: "fsize",
  memlock: "memlock",
};

function limitsLink({ limits, tag }: Before, own: OwnRights): Link[] {
  const words = limitsIn(limits.rlimits).map(([limit, value]) => {
    const soft = valueFor(limit, value, own);
    return `--${OPTIONS[limit]}=${shown(soft)}:${shown(hardFor(limit, soft, own))}`;
  });
  if (tag !== null) words.push(`--locks=${tag}:`); // The soft limit only: nothing is taken from the program.
  return words.length === 0 ? [] : [{ tool: "prlimit", arguments: words, key: "limits" }];
}

function limitsIn(rlimits: Limits["rlimits"]): [Rlimit, number | null][] {
  return (Object.entries(rlimits) as [Rlimit, number | null | undefined][]).filter(
    (entry): entry is [Rlimit, number | null] => entry[1] !== undefined,
  );
}

/** The kernel knows no unlimited number of open files; the most that it gives is what was meant. */
function valueFor(limit: Rlimit, value: number | null, own: OwnRights): number | null {
  return limit === "nofile" && value === null ? own.mostOpenFiles : value;
}

/** Processor time: at the soft limit comes SIGXCPU, which says what happened; at the hard one KILL, which does not. */
function hardFor(limit: Rlimit, soft: number | null, own: OwnRights): number | null {
  if (limit !== "cpu" || soft === null) return soft;
  const later = soft + 5;
  const most = own.hardLimits.cpu;
  return most === null || own.raisesLimits ? later : Math.min(later, most);
}

function shown(limit: number | null): string {
  return limit === null ? "unlimited" : String(limit);
}

/** nice(1) adds to the value it finds. */
function niceLink({ nice }: Limits, own: OwnRights): Link[] {
  if (nice === null || nice === own.nice) return [];
  return [{ tool: "nice", arguments: ["-n", String(nice - own.nice)], key: "limits" }];
}

function identityLink(change: IdentityChange | null): Link[] {
  if (change === null) return [];
  const groups = `--${change.supplementary}-groups`;
  return [{ tool: "setpriv", arguments: [`--reuid=${change.uid}`, `--regid=${change.gid}`, groups], key: "user" }];
}

function limitsFlaw({ service, limits }: Before, own: OwnRights): string | null {
  for (const [limit, written] of limitsIn(limits.rlimits)) {
    const value = valueFor(limit, written, own);
    if (limit === "nofile" && value !== null && value > own.mostOpenFiles) {
      return `\`limits.nofile: ${value}\` of ${service} is more than the kernel gives to anybody (fs.nr_open is ${own.mostOpenFiles})`;
    }
    const most = own.hardLimits[limit];
    if (own.raisesLimits || most === null || (value !== null && value <= most)) continue;
    return `\`limits.${limit}: ${shown(written)}\` of ${service} is above svcd's own hard limit (${most}), which only root with CAP_SYS_RESOURCE may raise`;
  }
  const { nice, oomScoreAdj } = limits;
  if (nice !== null && nice < own.nice && nice < own.lowestNice && !own.raisesPriority) {
    return `\`limits.nice: ${nice}\` of ${service} is below svcd's own (${own.nice}), which only root with CAP_SYS_NICE may do`;
  }
  if (oomScoreAdj !== null && oomScoreAdj < own.oomScoreAdj && !own.raisesLimits) {
    return `\`limits.oom_score_adj: ${oomScoreAdj}\` of ${service} is below svcd's own (${own.oomScoreAdj}), which only root with CAP_SYS_RESOURCE may do`;
  }
  return null;
}

/**
 * Variables with which a loader or C library runs code of its owner's choice. While the chain still has svcd's rights they
 * must not be there: an env file may belong to the user that the chain becomes. `env` gives them to the program at the end.
 */
const LOADER_TRICKS =
  /^(LD_|GCONV_PATH$|GETCONF_DIR$|GLIBC_TUNABLES$|LOCPATH$|MALLOC_|NLSPATH$|RES_OPTIONS$|HOSTALIASES$)/;

function withoutLoaderTricks({ env, identity }: Before, own: OwnRights): { env: Before["env"]; afterwards: string[] } {
  if (identity === null || identity.uid === own.uid) return { env, afterwards: [] };
  const entries = Object.entries(env);
  const tricks = entries.filter(([name]) => LOADER_TRICKS.test(name));
  if (tricks.length === 0) return { env, afterwards: [] };
  return {
    env: Object.fromEntries(entries.filter(([name]) => !LOADER_TRICKS.test(name))),
    afterwards: tricks.map(([name, value]) => `${name}=${value}`),
  };
}
