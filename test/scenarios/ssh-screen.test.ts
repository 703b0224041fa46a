/**
 * Somebody with a terminal and no command: the screen, in the size of their terminal, over the real `ssh` in a real tmux.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { type TestContext, test } from "node:test";
import { hear, NEEDS_SSH, SshBox } from "./ssh-box.ts";

const HAS_SCREEN = existsSync(resolve(import.meta.dirname, "../../dist/tui.js"));
const NEEDS_TMUX = {
  skip:
    NEEDS_SSH.skip ||
    (hasTmux() ? false : "no `tmux` on PATH (Debian: apt-get install tmux)") ||
    (HAS_SCREEN ? false : "this build has no screen (dist/tui.js)"),
};

/** A terminal that somebody sits at, with ssh in it. */
class Terminal {
  readonly #socket: string;

  constructor(t: TestContext, here: SshBox, columns: number, rows: number, key = "id") {
    this.#socket = here.box.path(`tmux-${key}`);
    const ssh = ["ssh", ...here.arguments(["-o", "BatchMode=yes", "127.0.0.1"], key)]
      .map((word) => `'${word}'`)
      .join(" ");
    const size = ["-x", String(columns), "-y", String(rows)];
    this.#tmux("-f", "/dev/null", "new-session", "-d", ...size, `LANG=C.UTF-8 exec ${ssh} -o SendEnv=LANG`);
    t.after(() => {
      try {
        this.#tmux("kill-server");
      } catch {
        // It has ended by itself.
      }
    });
  }

  get text(): string {
    try {
      return this.#tmux("capture-pane", "-p");
    } catch {
      return "(gone)";
    }
  }

  type(...keys: string[]): void {
    this.#tmux("send-keys", ...keys);
  }

  resize(columns: number, rows: number): void {
    this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  #tmux(...words: string[]): string {
    return execFileSync("tmux", ["-S", this.#socket, ...words], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env["PATH"], LANG: "C.UTF-8", TERM: "xterm-256color" },
    });
  }
}

test(
  "ssh without a command opens the screen in the terminal's size, follows it, and leaves no trace",
  NEEDS_TMUX,
  async (t) => {
    const here = await SshBox.open(t, { files: { "web.yaml": "command: sleep 1001\nstartsecs: 0s\n" } });
    const { box } = here;
    await box.until("web", "RUNNING");
    const terminal = new Terminal(t, here, 100, 30);
    const shows = (pattern: RegExp) =>
      box.becomes(
        `the screen shows ${pattern}`,
        () => pattern.test(terminal.text),
        () => terminal.text,
      );
    await shows(/web\s.*RUNNING/);
    const widest = () => Math.max(...terminal.text.split("\n").map((line) => line.trimEnd().length));
    await box.becomes("it fills the terminal", () => widest() > 90);

    await t.test("a terminal that changes its size", async () => {
      terminal.resize(70, 20);
      await box.becomes("it is narrower", () => widest() <= 70 && /web\s/.test(terminal.text));
      assert.ok(terminal.text.split("\n").length <= 21);
    });

    await t.test("the core may be killed meanwhile: the screen is there again", async () => {
      const before = await box.control.health();
      process.kill(before.core, "SIGKILL");
      await box.becomes("the next core answers", async () => (await box.control.health()).core !== before.core);
      await box.svctl("stop", "web");
      await shows(/web\s.*STOPPED/);
    });

    await t.test("leaving it ends the connection", async () => {
      terminal.type("q");
      await here.logSays(/127\.0\.0\.1: left\n/);
      assert.equal((await box.status("ssh")).state, "RUNNING");
    });
  },
);

test("twenty screens at once; one that is stopped holds up none of the others", NEEDS_TMUX, async (t) => {
  const here = await SshBox.open(t, { files: { "web.yaml": "command: sleep 1001\nstartsecs: 0s\n" } });
  const { box } = here;
  await box.until("web", "RUNNING");
  const people = Array.from({ length: 20 }, () => here.spawn(["-tt"], { env: { TERM: "xterm", LANG: "C" } }));
  const heard = people.map(hear);
  await box.becomes("all of them see it", () => heard.every(({ stdout }) => stdout.includes("RUNNING")));
  people[0]!.kill("SIGSTOP");
  for (const one of heard) one.stdout = "";
  await box.svctl("stop", "web");
  await box.becomes("the others see more", () => heard.slice(1).every(({ stdout }) => stdout.includes("STOPPED")));
  people[0]!.kill("SIGCONT");
  await box.becomes("and it does, too", () => heard[0]!.stdout.includes("STOPPED"));
});

test("with a key that may look the screen changes nothing", NEEDS_TMUX, async (t) => {
  const here = await SshBox.open(t, { files: { "web.yaml": "command: sleep 1001\nstartsecs: 0s\n" } });
  const { box } = here;
  const view = here.makeKey("view");
  here.authorize(`permit="view" ${view}\n`);
  const { pid } = await box.until("web", "RUNNING");
  const terminal = new Terminal(t, here, 100, 30, "view");
  await box.becomes(
    "the screen is there",
    () => /web\s.*RUNNING/.test(terminal.text),
    () => terminal.text,
  );
  terminal.type("G");
  for (const key of ["x", "r", "X"]) {
    terminal.type(key);
    await box.becomes(
      `${key} is refused`,
      () => /you may only look here/.test(terminal.text),
      () => terminal.text,
    );
    terminal.type("j"); // The message is gone.
    await box.becomes("it goes on", () => !/you may only look here/.test(terminal.text));
  }
  assert.equal((await box.status("web")).pid, pid);
});

test(
  "where there is no screen, or the terminal can show none, ssh is told what to do instead",
  NEEDS_SSH,
  async (t) => {
    const here = await SshBox.open(t);
    const { code, stdout } = await here.run(["-tt"], { env: { TERM: "dumb" } });
    assert.equal(code, 1);
    assert.match(stdout, /svcd-ssh: .+\r\n {2}fix: {3}ask for what you want to see: ssh HOST status/);
  },
);

function hasTmux(): boolean {
  try {
    execFileSync("tmux", ["-V"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
