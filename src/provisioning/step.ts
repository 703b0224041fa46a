/**
 * What provisioning is made of: steps in one order, each a piece of work that can be done again without harm. Everything that
 * depends on variables is filled in here; a step that this machine does not want says why not.
 */
export type Work =
  | {
      readonly kind: "apt";
      readonly packages: readonly string[];
      readonly update: boolean;
      readonly recommends: boolean;
    }
  /** `words`: what pip and uv take after `install`: packages, and options such as `-r FILE`. */
  | { readonly kind: "pip"; readonly words: readonly string[]; readonly venv: string | null }
  | {
      readonly kind: "git";
      readonly url: string;
      readonly to: string;
      /** Branch, tag or commit; null: what the remote calls HEAD. */
      readonly ref: string | null;
      readonly depth: number | null;
      readonly submodules: boolean;
      /** Local changes are thrown away. */
      readonly force: boolean;
    }
  | {
      readonly kind: "download";
      readonly url: string;
      /** A file; with `/` at the end a folder, and the server or the URL names the file. */
      readonly to: string;
      readonly sha256: string | null;
      readonly headers: Readonly<Record<string, string>>;
      /** A page of HTML is what is wanted. */
      readonly html: boolean;
      readonly executable: boolean;
    }
  | {
      readonly kind: "huggingface";
      readonly repo: string;
      readonly type: "model" | "dataset" | "space";
      readonly revision: string;
      readonly include: readonly string[];
      readonly exclude: readonly string[];
      /** A folder of plain files; null: the cache below HF_HOME, where every library looks. */
      readonly to: string | null;
    }
  | { readonly kind: "run"; readonly argv: readonly string[]; readonly cwd: string }
  /** A whole script, from a URL or a path. */
  | { readonly kind: "script"; readonly source: string; readonly cwd: string };

export type Kind = Work["kind"];

export interface Step {
  /** Unique: the state of a step goes by its name. */
  readonly name: string;
  /** `provisioning.d/10-model.yaml:4`, or the variable it comes from. */
  readonly where: string;
  /** null: not wanted on this machine. */
  readonly work: Work | null;
  /** Why it is not wanted. */
  readonly unwanted: string | null;
  /** Of what it does and how, without secrets: another hash is another step. */
  readonly hash: string;
  readonly env: Readonly<Record<string, string>>;
  readonly onFailure: "stop" | "continue";
  /** In a row without getting any further. */
  readonly tries: number;
  /** From the first failure to the next try; doubles each time. */
  readonly retryDelayMs: number;
  readonly timeoutMs: number | null;
  /** There already: the step has nothing to do. */
  readonly creates: string | null;
  /** Exits with 0: the step has nothing to do. */
  readonly unless: readonly string[] | null;
}

/** The word in front of its subject: `download model.safetensors`. Names that people gave stand alone. */
export function defaultName(work: Work): string {
  switch (work.kind) {
    case "apt":
      return short(`apt ${work.packages.join(" ")}`);
    case "pip":
      return short(`pip ${work.words.join(" ")}`);
    case "git":
      return short(`git ${lastPart(work.url).replace(/\.git$/, "")}`);
    case "download":
      return short(`download ${work.to.endsWith("/") ? lastPart(work.url) : lastPart(work.to)}`);
    case "huggingface":
      return short(`huggingface ${work.repo}`);
    case "run":
      return short(`run ${work.argv[0] === "/bin/sh" ? (work.argv[2] ?? "") : work.argv.join(" ")}`);
    case "script":
      return short(`script ${lastPart(work.source)}`);
  }
}

/** Of a URL or path: its last part, as a name for a file. `https://h/a/b.bin?x=1` is `b.bin`. */
export function lastPart(source: string): string {
  const path = /^[a-z+]+:\/\//i.test(source) && URL.canParse(source) ? new URL(source).pathname : source;
  const part = path.replace(/\/+$/, "").split("/").at(-1) ?? "";
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const LONGEST_NAME = 60;

function short(name: string): string {
  const line = name.replace(/\s+/g, " ").trim();
  return line.length > LONGEST_NAME ? `${line.slice(0, LONGEST_NAME - 1)}…` : line;
}
