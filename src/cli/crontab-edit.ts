/**
 * `crontab -e`: a copy in the editor, again and again until it has no mistake or the person has had enough. Whatever goes
 * wrong, what was typed is not lost: the copy stays, and is named.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { accessSync, constants, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LARGEST_CRONTAB_BYTES } from "../plan/cron-directory.ts";
import { type Call, say } from "./call.ts";
import { afterInstalling, sayFindings, saysYes, tooLarge } from "./crontab.ts";
import type { CrontabFile } from "./crontab-file.ts";
import { EXIT, Failure } from "./failure.ts";

/** Who edits for the first time sees how it is done. */
const EMPTY = `# Each line is a job: when it runs, and a command for /bin/sh.
#
# minute hour day month weekday   command
# 30     4    *   *     1-5       backup --all
#
# Also @hourly, @daily, @weekly, @monthly, @reboot. What a job prints: svctl logs JOB. When it runs: svctl jobs.
# Look at a schedule before: svctl explain "30 4 * * 1-5". About the next line only: # svcd: timeout=1h overlap=skip
`;

/** Where $VISUAL and $EDITOR say nothing, the first that is there. */
const EDITORS = ["editor", "sensible-editor", "nano", "vim", "vi", "ed"];

export async function edit(call: Call, file: CrontabFile): Promise<number> {
  const { err } = call.world;
  const began = file.read();
  if (began === null) say(err, `no crontab for ${file.user.name} - using an empty one`);
  const editor = editorOf(call.world.env);
  // Editors know from the name what it is; the folder is for this user alone, whatever the umask says.
  const folder = mkdtempSync(join(tmpdir(), "crontab."));
  const path = join(folder, "crontab");
  const start = began ?? Buffer.from(EMPTY);
  writeFileSync(path, start, { mode: 0o600, flag: "wx" });
  try {
    for (;;) {
      await open(editor, path);
      if (statSync(path).size > LARGEST_CRONTAB_BYTES) throw tooLarge(path);
      const text = readFileSync(path);
      if (text.equals(start)) {
        say(err, "crontab: no changes made");
        break;
      }
      const { jobs, mistakes } = sayFindings(call, file, text, path);
      if (mistakes > 0) {
        if (saysYes(call, "It has mistakes and was not installed. Do you want to retry the same edit? (y/n) "))
          continue;
        throw new Failure(EXIT.failed, "the crontab has mistakes; nothing was installed");
      }
      if (file.replace(text, began) === "changed") {
        throw new Failure(EXIT.failed, "somebody else has changed this crontab meanwhile; nothing was installed", {
          where: file.path,
        });
      }
      say(err, "crontab: installing new crontab");
      await afterInstalling(call, file, began, jobs);
      break;
    }
  } catch (error) {
    throw keepingTheText(error, path, start, folder);
  }
  rmSync(folder, { recursive: true, force: true });
  return EXIT.done;
}

function keepingTheText(error: unknown, path: string, start: Buffer, folder: string): unknown {
  if (!(error instanceof Failure) && (error as NodeJS.ErrnoException).code === undefined) return error; // A bug.
  const text = textAt(path);
  const what = error instanceof Failure ? error.what : `cannot go on: ${(error as Error).message}`;
  const where = error instanceof Failure ? error.where : path;
  if (text === null || text.equals(start)) {
    rmSync(folder, { recursive: true, force: true });
    return new Failure(EXIT.failed, what, { where, fix: error instanceof Failure ? error.fix : null });
  }
  return new Failure(EXIT.failed, what, {
    where,
    fix: `your text is kept in ${path}; when it is as it should be: svctl crontab ${path}`,
  });
}

function textAt(path: string): Buffer | null {
  try {
    return readFileSync(path);
  } catch {
    return null;
  }
}

/** A text for the shell, as $EDITOR may have options. */
function editorOf(env: Call["world"]["env"]): string {
  const asked = env["VISUAL"] || env["EDITOR"];
  if (asked) return asked;
  const path = `${env["PATH"] ?? ""}:/usr/bin:/bin`;
  const found = EDITORS.find((name) => path.split(":").some((folder) => isProgram(join(folder, name))));
  if (found !== undefined) return found;
  throw new Failure(EXIT.failed, "there is no editor", { fix: "set EDITOR, or install one (apt-get install nano)" });
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The terminal is the editor's until it ends; Ctrl-C is for it, too. */
async function open(editor: string, path: string): Promise<void> {
  const ignore = () => {};
  const signals = ["SIGINT", "SIGQUIT"] as const;
  for (const signal of signals) process.on(signal, ignore);
  try {
    const child = spawn("/bin/sh", ["-c", `${editor} "$1"`, "crontab", path], { stdio: "inherit" });
    const [code, signal] = await once(child, "exit");
    if (code === 0) return;
    const how = signal === null ? `exit status ${code}` : `killed by ${signal}`;
    const fix = code === 127 ? "set EDITOR to an editor that is installed" : "see what it said above";
    throw new Failure(EXIT.failed, `the editor failed (${editor}: ${how}); nothing was installed`, { fix });
  } finally {
    for (const signal of signals) process.off(signal, ignore);
  }
}
