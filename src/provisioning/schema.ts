/**
 * Every key that a file of provisioning.d may hold. One set of definitions serves reading (`read.ts`), the messages about what is
 * wrong, and the JSON Schema for editors.
 */
import * as v from "valibot";
import { bad, good, quoted, type Reading } from "../plan/flaw.ts";
import { command, conditionShape, envFile, environment, oneOrMore } from "../plan/schema.ts";
import {
  argument,
  closed,
  described,
  duration,
  either,
  flag,
  integer,
  list,
  optional,
  parsed,
  parsedTemplate,
  type Read,
  table,
  template,
  word,
} from "../plan/shape.ts";
import type { Kind } from "./step.ts";

/** What each kind of step knows besides what all know. A key of another kind is a mistake. */
export const KEYS_OF: Readonly<Record<Exclude<Kind, "script">, readonly string[]>> = {
  apt: ["update", "recommends"],
  pip: ["venv"],
  git: ["to", "ref", "depth", "submodules", "force"],
  download: ["to", "sha256", "headers", "html", "executable"],
  huggingface: ["to", "revision", "repo_type", "include", "exclude"],
  run: ["shell", "working_dir"],
};

const packages = either({ text: template(), list: list(argument()) });

const stepName = parsed(v.pipe(v.string(), v.minLength(1), v.maxLength(80)), "a name", (written): Reading<string> => {
  const name = written.trim();
  return name === "" || name.length > 80 || /[\r\n]/.test(name)
    ? bad(`${quoted(written)} is not a name for a step`, "write one line of at most 80 characters")
    : good(name);
});

const sha256 = parsedTemplate(v.pipe(v.string(), v.regex(/^[0-9a-fA-F]{64}$|\$/)), "a SHA-256", (written) =>
  written.includes("$") || /^[0-9a-f]{64}$/i.test(written.trim())
    ? good(written)
    : bad(`${quoted(written)} is not a SHA-256`, "write its 64 hexadecimal digits, as `sha256sum FILE` prints them"),
);

const header = (name: string) =>
  /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(name)
    ? null
    : { what: `${quoted(name)} cannot be the name of a header`, fix: "write it like Authorization" };

export const stepShape = closed(
  {
    apt: optional(described("Debian packages to install.", packages)),
    pip: optional(described("What pip or uv shall install: packages, or options such as `-r FILE`.", packages)),
    git: optional(described("A repository to clone, or to bring up to `ref`.", template())),
    download: optional(described("A URL (http, https) to download to `to`.", template())),
    huggingface: optional(described("A repository on Hugging Face, such as Qwen/Qwen3-Reranker-0.6B.", template())),
    run: optional(described("A command; with `shell: true` a script for /bin/sh.", command)),

    name: optional(described("How it is called in status; each name once.", stepName)),
    when: optional(described("Not wanted on this machine unless this holds: the step is skipped.", conditionShape)),
    creates: optional(described("A file or folder: if it is there, the step has nothing to do.", template())),
    unless: optional(described("A command: if it exits with 0, the step has nothing to do.", command)),
    on_failure: optional(
      described("stop: provisioning has failed. continue: with the next step.", word(["stop", "continue"]), "stop"),
    ),
    tries: optional(described("How often in a row it may get nowhere.", integer(1, 100))),
    retry_delay: optional(described("Before the second try; doubles with each further one.", duration(1), "2s")),
    timeout: optional(described("A step that takes longer has failed.", duration(1000))),
    environment: optional(described("Variables for this step.", environment)),

    to: optional(described("Where it goes: a file, or (git, huggingface, with / at the end) a folder.", template())),
    update: optional(described("apt: `apt-get update` first.", flag(), true)),
    recommends: optional(described("apt: what the packages recommend, too.", flag(), false)),
    venv: optional(described("pip: the Python environment; made if it is not there.", template())),
    ref: optional(described("git: branch, tag or commit.", template())),
    depth: optional(described("git: so many commits of history.", integer(1, 1_000_000))),
    submodules: optional(described("git: the submodules, too.", flag(), false)),
    force: optional(described("git: throw local changes away.", flag(), false)),
    sha256: optional(described("download: what the file's SHA-256 must be.", sha256)),
    headers: optional(described("download: headers of the request.", table(template(), header))),
    html: optional(described("download: a page of HTML is what is wanted.", flag(), false)),
    executable: optional(described("download: the file may be executed.", flag(), false)),
    revision: optional(described("huggingface: branch, tag or commit.", template(), "main")),
    repo_type: optional(described("huggingface: what kind.", word(["model", "dataset", "space"]), "model")),
    include: optional(described("huggingface: only files that one of these patterns fits.", oneOrMore(template()))),
    exclude: optional(described("huggingface: no file that one of these patterns fits.", oneOrMore(template()))),
    shell: optional(described("run: give the text to /bin/sh -c.", flag(), false)),
    working_dir: optional(described("run: the folder it runs in.", template())),
  },
  {
    instead: {
      command: "write `run:`",
      url: "write `download: URL`",
      repo: "write `git: URL`, or `huggingface: NAME`",
      path: "write `to:`",
      dest: "write `to:`",
      destination: "write `to:`",
      packages: "write them behind `apt:` or `pip:`",
      retries: "write `tries:`",
      env: "write `environment:`",
      cwd: "write `working_dir:`",
      branch: "write `ref:`",
      token: "set HF_TOKEN in `environment:` or an env file",
      checksum: "write `sha256:`",
      hf: "write `huggingface:`",
      if: "write `when:`",
      requirements: 'write `pip: ["-r", FILE]`',
    },
  },
);

export const provisioningShape = closed(
  {
    steps: described("What is done, in this order.", list(stepShape)),
    environment: optional(described("Variables for all steps of this file.", environment)),
    env_file: optional(
      described(
        "Files with KEY=value lines. A leading ? lets one be missing.",
        either({ text: template(), list: list(envFile) }),
      ),
    ),
  },
  {
    missing: { steps: "add `steps:` with a list below it, such as `  - apt: ffmpeg`" },
    instead: { env: "write `environment:`", services: "services belong into services.d" },
  },
);

export type WrittenStep = Read<typeof stepShape>;
export type WrittenFile = Read<typeof provisioningShape>;
