/**
 * A machine with svcd and its SSH server, as services.d/ssh.yaml is shipped, and the real `ssh` as people have it. Keys are made
 * for each story; nothing of whoever runs the tests is read.
 */
import assert from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import type { TestContext } from "node:test";
import { Box, type Ran } from "./box.ts";

const PACKAGE = resolve(import.meta.dirname, "../..");

/** `test(title, NEEDS_SSH, …)`: loudly skipped where there is no ssh. */
export const NEEDS_SSH = { skip: hasSsh() ? false : "no `ssh` on PATH (Debian: apt-get install openssh-client)" };

export interface SshBoxOptions {
  /** SSH_SERVER_… */
  readonly env?: Record<string, string>;
  /** More files for services.d. */
  readonly files?: Record<string, string>;
  /** The text of authorized_keys; `KEY` stands for the public key `id`. null: there is none. */
  readonly authorized?: string | null;
}

export class SshBox {
  readonly box: Box;
  readonly port: number;
  readonly #t: TestContext;

  private constructor(t: TestContext, box: Box, port: number) {
    this.#t = t;
    this.box = box;
    this.port = port;
  }

  /** Its server listens, unless nobody may sign in. */
  static async open(
    t: TestContext,
    { env = {}, files = {}, authorized = "KEY\n" }: SshBoxOptions = {},
  ): Promise<SshBox> {
    const port = await freePort();
    const box = Box.prepare(t, files, {
      env: { SSH_SERVER_PORT: String(port), SSH_SERVER_HOST: "127.0.0.1", ...env },
    });
    const shipped = readFileSync(join(PACKAGE, "services.d/ssh.yaml"), "utf8");
    const text = shipped.replace("bin/svcd-ssh", join(PACKAGE, "bin/svcd-ssh"));
    box.write("ssh.yaml", `${text}startsecs: 0s\nbackoff: { first: 1ms, longest: 1ms }\n`);
    const here = new SshBox(t, box, port);
    here.makeKey("id");
    if (authorized !== null) here.authorize(authorized);
    await box.start();
    if (authorized !== null || env["SSH_SERVER_TOKEN"] !== undefined) await box.until("ssh", "RUNNING");
    return here;
  }

  /** Its public half. */
  makeKey(name: string, ...options: string[]): string {
    const file = this.box.path(name);
    execFileSync("ssh-keygen", [
      "-q",
      "-N",
      "",
      "-C",
      `${name}@laptop`,
      "-f",
      file,
      ...(options.length ? options : ["-t", "ed25519"]),
    ]);
    return this.box.file(`${name}.pub`).trim();
  }

  /** `KEY` in it stands for the public key `id`. */
  authorize(text: string, mode = 0o600): void {
    writeFileSync(
      this.box.path("authorized_keys"),
      text.replaceAll("KEY", () => this.box.file("id.pub").trim()),
      { mode },
    );
  }

  /** `ssh … HOST WORDS`; options come before the first word that is none. */
  arguments(words: readonly string[], key = "id"): string[] {
    const known = this.box.path("known_hosts");
    return [
      ...["-F", "none", "-p", String(this.port), "-i", this.box.path(key), "-o", "IdentitiesOnly=yes"],
      ...["-o", "StrictHostKeyChecking=accept-new", "-o", `UserKnownHostsFile=${known}`, "-o", "LogLevel=ERROR"],
      ...["-o", "ControlPath=none", "-l", "somebody"],
      ...words,
    ];
  }

  /** With the key `id`. */
  ssh(...words: string[]): Promise<Ran> {
    return this.run(words, {});
  }

  run(
    words: readonly string[],
    { key = "id", stdin, env = {} }: { key?: string; stdin?: string; env?: Record<string, string> },
  ): Promise<Ran> {
    return new Promise((done, fail) => {
      const child = this.spawn(words, { key, env });
      const heard = hear(child);
      child.stdin?.end(stdin ?? "");
      child.on("error", fail);
      child.on("close", (code) => done({ code: code ?? -1, ...heard }));
    });
  }

  /** Ended after the story, at the latest. stdin stays open. */
  spawn(
    words: readonly string[],
    { key = "id", env = {} }: { key?: string; env?: Record<string, string> } = {},
  ): ChildProcess {
    const hasHost = words.includes("127.0.0.1");
    const batch = env["SSH_ASKPASS"] === undefined ? ["-o", "BatchMode=yes"] : [];
    const child = spawn("ssh", this.arguments([...batch, ...(hasHost ? [] : ["127.0.0.1"]), ...words], key), {
      env: { PATH: process.env["PATH"], HOME: this.box.root, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    child.stdin?.on("error", () => {});
    this.#t.after(() => child.kill("SIGKILL"));
    return child;
  }

  /** Waits until the log of the service has it. */
  async logSays(pattern: RegExp): Promise<void> {
    await this.box.becomes(
      `the log of ssh has ${pattern}`,
      () => pattern.test(this.box.log("ssh")),
      () => this.box.log("ssh"),
    );
  }
}

/** What a child says; grows. */
export function hear(child: ChildProcess): { stdout: string; stderr: string } {
  const heard = { stdout: "", stderr: "" };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (heard.stdout += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (heard.stderr += text));
  return heard;
}

export function freePort(): Promise<number> {
  return new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      assert.ok(typeof address === "object" && address !== null);
      server.close(() => done(address.port));
    });
  });
}

function hasSsh(): boolean {
  try {
    execFileSync("ssh", ["-V"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
