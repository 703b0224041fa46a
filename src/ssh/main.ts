/**
 * The program of services.d/ssh.yaml: svcd over SSH. It knows svcd by its control socket only, and runs svctl for commands; it
 * may be killed and started anew at any time without a word lost but the connections.
 */

import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { places } from "../places.ts";
import { Admission } from "./admission.ts";
import { hostKey } from "./host-key.ts";
import type { House } from "./house.ts";
import { KeyRing } from "./key-ring.ts";
import { StrangerLog } from "./log-line.ts";
import { SshServer } from "./server.ts";
import { type Mistake, readSettings } from "./settings.ts";

/** What svctl needs to find svcd, and to speak as people here do. Above all not the token. */
const FOR_SVCTL = [
  ...["PATH", "HOME", "USER", "LOGNAME", "TZ", "LANG", "LC_ALL", "LC_CTYPE", "TMPDIR"],
  ...["SVCD_ROOT", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"],
];
/** Less than svcd's patience at a stop. */
const LEAVE_WITHIN_MS = 2_000;

const say = (line: string): void => void process.stdout.write(`svcd-ssh: ${line}\n`);
const uid = process.getuid!();
const root = process.env["SVCD_ROOT"] ? resolve(process.env["SVCD_ROOT"]) : null;
const where = places({ root, env: process.env, uid, exists: existsSync });
const { settings, mistakes } = readSettings(process.env, where);
if (mistakes.length > 0) giveUp(mistakes);
const key = hostKey(settings.hostKey, uid);
if (!("privateKey" in key)) giveUp([key]);
if (key.isNew) say(`made a host key: ${settings.hostKey}`);

const env: Record<string, string> = { VISUAL: "false", EDITOR: "false" }; // An editor would be a shell.
for (const name of FOR_SVCTL) if (process.env[name] !== undefined) env[name] = process.env[name];

let running = 0;
const house: House = {
  settings,
  ring: new KeyRing(settings.authorizedKeys, uid, say),
  admission: new Admission(settings.limits),
  say,
  strangers: new StrangerLog(say),
  svctl: resolve(import.meta.dirname, "../bin/svctl"), // From dist/.
  socketPath: where.socket,
  env,
  takePlace() {
    if (running >= settings.sessions) return null;
    running++;
    let isTaken = true;
    return () => {
      if (isTaken) running--;
      isTaken = false;
    };
  },
  now: () => performance.now(),
};
if (house.ring.size === 0 && settings.token === null)
  say(`nobody can sign in yet: ${settings.authorizedKeys} has no key that counts, and SSH_SERVER_TOKEN is not set`);

const server = new SshServer(house, key.privateKey);
server.listen(settings.port, settings.host).then(
  // services.d/ssh.yaml waits for this line and shows it in `svctl status`.
  (port) => say(`${key.fingerprint} is the host key, listening on ${settings.host ?? "all addresses"}, port ${port}`),
  cannotListen,
);

function cannotListen({ code, message }: NodeJS.ErrnoException): never {
  const fixes: Readonly<Record<string, string>> = {
    EADDRINUSE: `ss -ltnp 'sport = :${settings.port}' names who has it; SSH_SERVER_PORT names another port`,
    EACCES: "ports below 1024 need root; SSH_SERVER_PORT names another port",
  };
  const fix = fixes[code ?? ""] ?? "set SSH_SERVER_HOST to an address of this machine, or leave it out for all";
  giveUp([{ what: `cannot listen: ${message}`, where: "SSH_SERVER_HOST, SSH_SERVER_PORT", fix }]);
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, () => {
    say(`${signal}, everybody is sent away`);
    server.close("the server stops");
    setTimeout(() => process.exit(0), LEAVE_WITHIN_MS).unref();
  });
}

function giveUp(mistakes: readonly Mistake[]): never {
  for (const { what, where, fix } of mistakes)
    process.stderr.write(`svcd-ssh: ${what}\n  where: ${where}\n  fix:   ${fix}\n`);
  process.exit(1);
}
