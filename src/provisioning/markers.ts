/**
 * The files by which images and scripts have always told whether provisioning runs, is done, or has failed: empty, in the state
 * directory, and at the root of the file system where svcd is installed as root.
 *
 * `.provisioning` is there from before the first step until after the last word about the end, so that whoever sees it gone finds one
 * of the other two.
 */
import { closeSync, mkdirSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";

export type Outcome = "complete" | "failed";

/** `root`: everything of svcd is below it; null: the installed places. */
export function markerFolders(stateDir: string, root: string | null, uid: number): string[] {
  return root === null && uid === 0 ? [stateDir, "/"] : [stateDir];
}

export class Markers {
  readonly #folders: readonly string[];

  constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  begin(): void {
    this.#each((folder) => {
      touch(join(folder, ".provisioning"));
      for (const outcome of ["complete", "failed"]) rmSync(join(folder, `.provisioning_${outcome}`), { force: true });
    });
  }

  end(outcome: Outcome): void {
    const other = outcome === "complete" ? "failed" : "complete";
    this.#each((folder) => {
      touch(join(folder, `.provisioning_${outcome}`));
      rmSync(join(folder, `.provisioning_${other}`), { force: true });
      rmSync(join(folder, ".provisioning"), { force: true });
    });
  }

  /** A full or read-only disk costs the marker, not the work. */
  #each(act: (folder: string) => void): void {
    for (const folder of this.#folders) {
      try {
        act(folder);
      } catch {
        // The state of the steps, and the exit code, say the same.
      }
    }
  }
}

function touch(path: string): void {
  mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
  closeSync(openSync(path, "a", 0o644));
}
