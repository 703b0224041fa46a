/** The person's editor, on the terminal of this process. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants } from "node:fs";
import { basename, join } from "node:path";

/** Where $VISUAL and $EDITOR say nothing, the first that is there. */
const EDITORS = ["editor", "sensible-editor", "nano", "vim", "vi", "ed"];
/** They take `+LINE` before the file. */
const KNOW_LINES = /^(vi|vim|nvim|view|nano|pico|emacs|micro|joe|jed|ne|mcedit|editor|sensible-editor)$/;

type Env = Readonly<Record<string, string | undefined>>;

/** The terminal is the editor's until it ends; Ctrl-C is for it, too. Throws with a sentence. */
export async function editHere(path: string, line: number, env: Env): Promise<void> {
  const editor = editorOf(env);
  if (editor === null) throw new Error("there is no editor: set EDITOR, or install one (apt-get install nano)");
  const ignore = (): void => {};
  const signals = ["SIGINT", "SIGQUIT"] as const;
  for (const signal of signals) process.on(signal, ignore);
  try {
    const [program = ""] = editor.split(" ");
    const at = KNOW_LINES.test(basename(program)) && line > 1 ? `+${line} ` : "";
    // Through the shell, as $EDITOR may have options.
    const child = spawn("/bin/sh", ["-c", `${editor} ${at}"$1"`, "svctl", path], { stdio: "inherit" });
    const [code, signal] = await once(child, "exit");
    if (code !== 0)
      throw new Error(`the editor (${editor}) ended with ${signal ?? `exit ${code}`}; nothing was changed`);
  } finally {
    for (const signal of signals) process.off(signal, ignore);
  }
}

function editorOf(env: Env): string | null {
  const asked = env["VISUAL"] || env["EDITOR"];
  if (asked) return asked;
  const path = `${env["PATH"] ?? ""}:/usr/bin:/bin`;
  return EDITORS.find((name) => path.split(":").some((folder) => isProgram(join(folder, name)))) ?? null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
