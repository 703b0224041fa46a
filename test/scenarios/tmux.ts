/**
 * A terminal that a story types into and reads from: a tmux of its own, so that nobody's settings or sessions are touched. What
 * stands on the screen is waited for, never a time.
 */
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { Box } from "./box.ts";

export const noTmux = spawnSync("tmux", ["-V"]).status !== 0 && "tmux is not installed";

const PATIENCE_MS = 30_000;
/** Escape and a key at once are Alt and that key, for every program. */
const AFTER_ESCAPE_MS = 120;

export interface TerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** In the place of `svctl tui`. */
  readonly command?: string;
}

export class Tmux {
  readonly #folder: string;
  readonly #env: NodeJS.ProcessEnv;

  /** `svctl tui` of this box on a terminal. It is gone when the test is. */
  static async open(t: TestContext, box: Box, options: TerminalOptions = {}): Promise<Tmux> {
    const tmux = new Tmux();
    t.after(() => tmux.close());
    const { columns = 80, rows = 24, env = {}, command = `${box.bin}/svctl --root ${box.root} tui` } = options;
    const all = { LC_ALL: "C.UTF-8", HOME: box.root, XDG_CONFIG_HOME: "", NO_COLOR: "", COLORTERM: "", ...env };
    const words = Object.entries(all).map(([name, value]) => `${name}='${value}'`);
    tmux.run(
      "new-session",
      "-d",
      "-s",
      "story",
      "-x",
      String(columns),
      "-y",
      String(rows),
      `env ${words.join(" ")} sh -c '${command}; echo left with $?; exec sleep 1000'`,
    );
    return tmux;
  }

  private constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), "svcd-tmux-"));
    this.#env = { ...process.env, TMUX: "", TMUX_TMPDIR: this.#folder, LC_ALL: "C.UTF-8", TERM: "xterm-256color" };
  }

  run(...words: readonly string[]): string {
    return execFileSync("tmux", ["-f", "/dev/null", ...words], { env: this.#env, encoding: "utf8" });
  }

  /** Keys as tmux names them (`Enter`, `Escape`, `C-l`), or single characters. */
  async press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      this.run("send-keys", "-t", "story", ...(key.length === 1 ? ["-l", key] : [key]));
      if (key === "Escape") await new Promise((done) => setTimeout(done, AFTER_ESCAPE_MS));
    }
  }

  async type(text: string): Promise<void> {
    this.run("send-keys", "-t", "story", "-l", text);
  }

  /** As bytes of a terminal: a mouse, or a sequence in pieces. */
  async sendBytes(...bytes: readonly string[]): Promise<void> {
    for (const part of bytes) {
      const hex = [...Buffer.from(part)].map((byte) => byte.toString(16).padStart(2, "0"));
      this.run("send-keys", "-t", "story", "-H", ...hex);
    }
  }

  screen(): string {
    return this.run("capture-pane", "-p", "-t", "story");
  }

  lines(): string[] {
    return this.screen().split("\n");
  }

  resize(columns: number, rows: number): void {
    this.run("resize-window", "-t", "story", "-x", String(columns), "-y", String(rows));
  }

  /** The pid of the shell that `svctl tui` is a child of. */
  shellPid(): number {
    return Number(this.run("display-message", "-p", "-t", "story", "#{pane_pid}"));
  }

  /** Waits until the screen is so, and answers with it. */
  async shows(what: RegExp | ((screen: string) => boolean)): Promise<string> {
    const until = performance.now() + PATIENCE_MS;
    let screen = "";
    while (performance.now() < until) {
      screen = this.screen();
      if (typeof what === "function" ? what(screen) : what.test(screen)) return screen;
      await new Promise((again) => setTimeout(again, 25));
    }
    assert.fail(`the screen did not become so within ${PATIENCE_MS / 1000} s: ${what}\n${screen}`);
  }

  async loses(what: RegExp): Promise<string> {
    return this.shows((screen) => !what.test(screen));
  }

  close(): void {
    spawnSync("tmux", ["-f", "/dev/null", "kill-server"], { env: this.#env });
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
