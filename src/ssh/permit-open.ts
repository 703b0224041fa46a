/**
 * Where `ssh -L` may lead: a list like `localhost:18000, localhost:8080`, and nothing that is not in it. `localhost`, 127.0.0.1
 * and ::1 are one machine to whoever forwards a port, so they count as one.
 */
export interface Target {
  /** In lower case; `localhost` for this machine. */
  readonly host: string;
  readonly port: number;
}

export interface ReadTargets {
  readonly targets: readonly Target[];
  /** What was written and is no target. */
  readonly mistakes: readonly string[];
}

export function readTargets(text: string): ReadTargets {
  const targets: Target[] = [];
  const mistakes: string[] = [];
  for (const written of text.split(/[\s,]+/).filter((word) => word !== "" && word !== "none")) {
    const target = targetOf(written);
    if (target === null) mistakes.push(written);
    else targets.push(target);
  }
  return { targets, mistakes };
}

export function isPermitted(targets: readonly Target[], host: string, port: number): boolean {
  const name = canonical(host);
  return targets.some((target) => target.host === name && target.port === port);
}

export function canonical(host: string): string {
  const name = host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
  return name === "127.0.0.1" || name === "::1" ? "localhost" : name;
}

function targetOf(written: string): Target | null {
  const [, host = "", port = ""] = /^(\[[\da-fA-F:.]+\]|[^:[\]/]+):(\d{1,5})$/.exec(written) ?? [];
  if (host === "" || Number(port) < 1 || Number(port) > 65_535) return null;
  return { host: canonical(host), port: Number(port) };
}
