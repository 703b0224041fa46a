/**
 * Steps that stand in variables, as images for rented machines have them: lists in APT_PACKAGES and PIP_PACKAGES, entries
 * `URL|PATH` between semicolons in PROVISIONING_DOWNLOADS, a URL or path in PROVISIONING_SCRIPT.
 */
import { resolve } from "node:path";
import type { Flaw } from "../plan/flaw.ts";
import { urlFlaw } from "../plan/schema.ts";
import { splitWords } from "../plan/words.ts";
import type { Draft } from "./read.ts";
import type { Work } from "./step.ts";

type Env = Readonly<Record<string, string>>;

export interface StepsOfVariables {
  /** What the steps of files may need. */
  readonly before: readonly Draft[];
  /** What may need the steps of files. */
  readonly after: readonly Draft[];
  readonly flaws: readonly { readonly variable: string; readonly flaw: Flaw }[];
}

export function stepsOfVariables(env: Env, rootDir: string): StepsOfVariables {
  const flaws: { variable: string; flaw: Flaw }[] = [];
  const words = (variable: string): readonly string[] => {
    const read = splitWords(env[variable] ?? "");
    if (read.ok) return read.value;
    flaws.push({ variable, flaw: read.flaw });
    return [];
  };
  const before: Draft[] = [];
  const packages = words("APT_PACKAGES");
  if (packages.length > 0) {
    before.push(draft("APT_PACKAGES", { kind: "apt", packages, update: true, recommends: false }, env, 3));
  }
  const pip = words("PIP_PACKAGES");
  if (pip.length > 0) before.push(draft("PIP_PACKAGES", { kind: "pip", words: pip, venv: null }, env, 3));

  const after: Draft[] = [];
  for (const entry of (env["PROVISIONING_DOWNLOADS"] ?? "").split(";").map((one) => one.trim())) {
    if (entry === "") continue;
    const [url = "", to = ""] = entry.split("|").map((part) => part.trim());
    const flaw = urlFlaw(url) ?? (to === "" ? { what: `no path stands behind ${url}`, fix: "write URL|PATH" } : null);
    if (flaw !== null) {
      flaws.push({ variable: "PROVISIONING_DOWNLOADS", flaw });
      continue;
    }
    const path = resolve(rootDir, to) + (/[^/]\/+$/.test(to) ? "/" : "");
    const rest = { sha256: null, headers: {}, html: false, executable: false };
    after.push(draft("PROVISIONING_DOWNLOADS", { kind: "download", url, to: path, ...rest }, env, 5));
  }
  const script = (env["PROVISIONING_SCRIPT"] ?? "").trim();
  if (script !== "") {
    const source = /^[a-z][a-z0-9+.-]*:\/\//i.test(script) ? script : resolve(rootDir, script);
    const flaw = source.startsWith("/") ? null : urlFlaw(source);
    if (flaw === null) after.push(draft("PROVISIONING_SCRIPT", { kind: "script", source, cwd: rootDir }, env, 1));
    else
      flaws.push({ variable: "PROVISIONING_SCRIPT", flaw: { ...flaw, fix: "write an http or https URL, or a path" } });
  }
  return { before, after, flaws };
}

function draft(variable: string, work: Work, env: Env, tries: number): Draft {
  return {
    name: null,
    kind: work.kind,
    own: {},
    where: variable,
    work,
    unwanted: null,
    env,
    onFailure: "stop",
    tries,
    retryDelayMs: 2000,
    timeoutMs: null,
    creates: null,
    unless: null,
  };
}
