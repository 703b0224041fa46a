/**
 * A box with files of services.d and cron.d as they are shipped, in a network of its own, with stand-ins for the programs
 * that a rented box has: each writes down how it was called, says what the real one says, and listens where the real one does.
 */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { TestContext } from "node:test";
import { Box, type Ran } from "./box.ts";
import { IN_OWN_NETWORK, inNetworkOf } from "./net-namespace.ts";

export const PACKAGE = resolve(import.meta.dirname, "../..");
/** Not even this machine's own: a fresh one has nothing of it. */
const PLAIN_PATH = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

export const SHIPPED: readonly string[] = readdirSync(join(PACKAGE, "services.d"));

export interface ShippedOptions {
  /** Above an environment that has nothing of a rented box in it. */
  readonly env?: Readonly<Record<string, string>>;
  /** Programs on PATH, as shell scripts. */
  readonly programs?: Readonly<Record<string, string>>;
  /** Files below the box's root that stand in the place of files of the machine: "/.launch": its text. */
  readonly machine?: Readonly<Record<string, string>>;
}

export class ShippedBox extends Box {
  /** Not started yet. `names`: files of services.d. */
  static shipped(t: TestContext, names: readonly string[], options: ShippedOptions = {}): ShippedBox {
    const box = new ShippedBox({});
    t.after(() => box.destroy());
    box.inside = IN_OWN_NETWORK;
    for (const name of Object.keys(box.env)) if (!KEPT.test(name)) delete box.env[name];
    const programs = box.path("programs");
    Object.assign(box.env, {
      PATH: `${programs}:${PLAIN_PATH}`,
      WORKSPACE: box.path("workspace"),
      HOME: box.path("home"),
    });
    Object.assign(box.env, options.env);
    for (const folder of ["programs", "workspace", "home", "called", "bin", "machine"]) mkdirSync(box.path(folder));
    symlinkSync(join(PACKAGE, "bin/score-cpu"), box.path("bin/score-cpu"));
    for (const [name, script] of Object.entries(options.programs ?? {})) box.program(name, script);
    for (const [path, text] of Object.entries(options.machine ?? {})) box.machineFile(path, text);
    for (const name of names) box.write(name, box.asShipped(name));
    return box;
  }

  /** The file, but files of the machine are those of this box: a test must not write to / . */
  asShipped(name: string): string {
    let text = readFileSync(join(PACKAGE, "services.d", name), "utf8");
    for (const path of MACHINE_FILES)
      text = text.replaceAll(path, this.path("machine", path.slice(1).replaceAll("/", "_")));
    return text;
  }

  machineFile(path: string, text: string): void {
    if (!MACHINE_FILES.includes(path)) throw new Error(`${path} is named by no shipped service`);
    writeFileSync(this.path("machine", path.slice(1).replaceAll("/", "_")), text);
  }

  program(name: string, script: string): void {
    const path = this.path("programs", name);
    writeFileSync(path, `#!/bin/sh\nprintf '%s\\n' "$@" >${this.path("called", name)}\n${script}\n`);
    chmodSync(path, 0o755);
  }

  /** The words after its name, of its last call; null: it was never called. */
  called(name: string): string[] | null {
    if (!existsSync(this.path("called", name))) return null;
    return this.file("called", name).split("\n").slice(0, -1);
  }

  /** Runs a command in the network of the services. */
  async within(file: string, ...args: string[]): Promise<Ran> {
    const { keeper } = await this.control.health();
    return this.run("nsenter", [...inNetworkOf(keeper).slice(1), file, ...args]);
  }

  async skipped(name: string): Promise<string> {
    return (await this.until(name, "SKIPPED")).why;
  }
}

const KEPT = /^(LANG|LC_.*|TMPDIR|TZ|USER|LOGNAME|TERM)$/;
/** Named by shipped services, and not ours to write. */
const MACHINE_FILES = ["/.launch", "/etc/portal.yaml", "/etc/environment", "/run/sshd", "/run/systemd/system"];

/** Goes on until it is told to end, as the child of nobody else. */
export const STAYS = "trap 'exit 0' TERM; while :; do sleep 1000 & wait $!; done";

/** Answers every GET with this, at the port that it was called with (--port=N). */
export function servesHttp(body: string): string {
  const program = `
import http.server, sys
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b'''${body}'''
        self.send_response(200); self.send_header("content-length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words): pass
port = next(int(word[7:]) for word in sys.argv if word.startswith("--port="))
http.server.HTTPServer(("127.0.0.1", port), Answer).serve_forever()
`;
  return `exec python3 -c ${`'${program.replaceAll("'", `'"'"'`)}'`} "$@"`;
}
