/**
 * Editing a file of services.d or cron.d: a copy in the person's editor, checked by svcd before it is put into its place, because
 * what is in its place is taken up at once. Whatever goes wrong, what was typed is not lost.
 */
import { chmodSync, chownSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { Control } from "../../control/client.ts";
import type { PlanReport } from "../../control/daemon.ts";
import type { Draft } from "../model/model.ts";
import { sentence } from "./errors.ts";

/** Shows the file in an editor, and resolves when it is closed; throws with a sentence when there is none. */
export type RunEditor = (path: string, line: number) => Promise<void>;

type Client = Pick<Control, "planWith" | "apply">;

export class Drafts {
  readonly #client: Client;
  readonly #runEditor: RunEditor;
  /** By copy: what the file was when it was copied. */
  readonly #began = new Map<string, string>();

  constructor(client: Client, runEditor: RunEditor) {
    this.#client = client;
    this.#runEditor = runEditor;
  }

  /** null: nothing was changed. Throws with a sentence. */
  async edit(file: string, line: number, subject: string): Promise<Draft | null> {
    const text = readFileSync(file, "utf8");
    // Editors know from the name what it is; the folder is for this user alone.
    const copy = join(mkdtempSync(join(tmpdir(), "svctl-tui-")), basename(file));
    writeFileSync(copy, text, { mode: 0o600 });
    this.#began.set(copy, text);
    return this.again({ file, line, subject, copy, report: null, flaw: null });
  }

  async again(draft: Draft): Promise<Draft | null> {
    await this.#runEditor(draft.copy, draft.line);
    const text = readFileSync(draft.copy, "utf8");
    if (text === this.#began.get(draft.copy)) {
      this.discard(draft);
      return null;
    }
    try {
      return { ...draft, report: await this.#client.planWith(draft.file, text), flaw: null };
    } catch (error) {
      return { ...draft, report: null, flaw: sentence(error) };
    }
  }

  discard({ copy }: Draft): void {
    this.#began.delete(copy);
    rmSync(dirname(copy), { recursive: true, force: true });
  }

  /** Into its place in one step, with the rights it had, and taken up. */
  async install(draft: Draft): Promise<PlanReport> {
    const { file, copy } = draft;
    const text = readFileSync(copy, "utf8");
    if (readFileSync(file, "utf8") !== this.#began.get(copy)) {
      throw new Error(`somebody else has changed ${file} meanwhile; yours is in ${copy}`);
    }
    const { mode, uid, gid } = statSync(file);
    const beside = join(dirname(file), `.${basename(file)}.${process.pid}.tmp`);
    try {
      writeFileSync(beside, text, { mode: 0o600, flag: "wx" });
      chmodSync(beside, mode & 0o7777);
      if (process.getuid?.() === 0) chownSync(beside, uid, gid);
      renameSync(beside, file);
    } catch (error) {
      rmSync(beside, { force: true });
      throw new Error(`cannot write ${file}: ${(error as Error).message}; yours is in ${copy}`);
    }
    this.discard(draft);
    const names = namesIn(draft.report);
    return this.#client.apply(names.length === 0 ? null : names);
  }
}

/** Only what the file is about: what others have written and not taken up stays theirs. */
function namesIn(report: PlanReport | null): readonly string[] {
  if (report === null) return [];
  const { added, changed, removed, jobs } = report;
  return [
    ...added,
    ...changed.map(({ name }) => name),
    ...removed,
    ...jobs.added,
    ...jobs.changed.map(({ name }) => name),
    ...jobs.removed,
  ];
}
