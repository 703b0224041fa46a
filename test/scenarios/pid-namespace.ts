/**
 * A machine within the machine: process numbers of its own, a /proc of its own, and an init of our choosing as process 1.
 * When that ends, everything in it ends. Numbers that svcd tells from inside are not those that a test sees outside.
 */
import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { TestContext } from "node:test";
import type { Box } from "./box.ts";

/** What starts a command as process 1 of a namespace that dies with whoever started it. */
export const AS_PROCESS_1 = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"] as const;

/** Why there are none here, or false; for `skip`. */
export const noNamespaces: string | false =
  spawnSync(AS_PROCESS_1[0], [...AS_PROCESS_1.slice(1), "true"]).status === 0
    ? false
    : "this machine lets us have no process namespace";

export class PidNamespace {
  /** Process 1, as it is numbered outside. */
  readonly init: number;

  constructor(init: number) {
    this.init = init;
  }

  /** A namespace with this command as its process 1; svcd of the box is started inside. */
  static async around(t: TestContext, box: Box, init: readonly string[]): Promise<PidNamespace> {
    const [file, ...args] = AS_PROCESS_1;
    const unshare = spawn(file, [...args, ...init], { stdio: "ignore" });
    t.after(() => unshare.kill("SIGKILL"));
    const namespace = await PidNamespace.below(box, unshare.pid as number);
    box.inside = namespace.entering();
    return namespace;
  }

  /** The one that a process has just made, once its process 1 has become what it is for. */
  static async below(box: Box, maker: number): Promise<PidNamespace> {
    let init: number | undefined;
    await box.becomes("there is a process 1", () => {
      init = childrenOf(maker).find((pid) => inside(pid) === 1);
      return init !== undefined && !/unshare/.test(readFileSync(`/proc/${init}/cmdline`, "latin1"));
    });
    return new PidNamespace(init as number);
  }

  entering(): string[] {
    return ["nsenter", "--target", String(this.init), "--pid", "--mount"];
  }

  /** Runs a shell script inside and answers with its output. */
  run(script: string): string {
    const [file = "", ...args] = [...this.entering(), "sh", "-c", script];
    return spawnSync(file, args, { encoding: "utf8" }).stdout.trim();
  }

  /** The number outside of a process that is numbered so inside; null: there is none. */
  outside(pid: number): number | null {
    return this.#all().find((candidate) => inside(candidate) === pid) ?? null;
  }

  /** Numbers inside of all zombies. */
  zombies(): number[] {
    return this.#all()
      .filter((pid) => / Z /.test(stat(pid)))
      .map((pid) => inside(pid) as number);
  }

  /** The next process that is started inside gets this number. */
  nextPid(pid: number): string {
    return `echo ${pid - 1} > /proc/sys/kernel/ns_last_pid`;
  }

  #all(): number[] {
    const own = namespaceOf(this.init);
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => namespaceOf(pid) === own);
  }
}

function namespaceOf(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`);
  } catch {
    // A zombie has none any more; it is told by its parent's.
    const parent = Number(/^PPid:\t(\d+)$/m.exec(statusText(pid))?.[1] ?? 0);
    return parent > 1 && / Z /.test(stat(pid)) ? namespaceOf(parent) : null;
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1").trim().split(" ").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** The number that a process has in its innermost namespace. */
function inside(pid: number): number | null {
  const numbers = /^NSpid:\t(.*)$/m.exec(statusText(pid))?.[1]?.split("\t").map(Number);
  return numbers?.at(-1) ?? null;
}

function statusText(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/status`, "latin1");
  } catch {
    return "";
  }
}

function stat(pid: number): string {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    return text.slice(text.lastIndexOf(")") + 1);
  } catch {
    return "";
  }
}
