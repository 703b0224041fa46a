/**
 * Where things are: the table of SURFACE as one pure function. Everybody (daemon, keeper, control command) asks here, so
 * that they cannot disagree about where the socket is.
 */

export interface Places {
  /** What people write. */
  readonly services: string;
  readonly cron: string;
  readonly settings: string;
  /** Must outlive the daemon, not the machine: socket, lock, journals, log pipes. */
  readonly run: string;
  readonly socket: string;
  /** Outlives the machine: what people asked for. */
  readonly state: string;
  readonly log: string;
}

export interface Whereabouts {
  /** `--root` or SVCD_ROOT, absolute; null: the installed places. */
  readonly root: string | null;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  readonly exists: (path: string) => boolean;
}

/**
 * With a root, everything is below it. A root that has a `.svcd/` directory (a clone that was started with `npm start`)
 * keeps run, state and log in there, so that its own files stay clean.
 */
export function places({ root, env, uid, exists }: Whereabouts): Places {
  if (root !== null) {
    const base = root === "/" ? "" : root;
    const data = exists(`${base}/.svcd`) ? `${base}/.svcd` : base;
    return all(base, `${data}/run`, `${data}/state`, `${data}/log`);
  }
  if (uid === 0) return all("/etc/svcd", "/run/svcd", "/var/lib/svcd", "/var/log/svcd");
  const home = env["HOME"] || "/";
  const config = env["XDG_CONFIG_HOME"] || `${home}/.config`;
  const state = `${env["XDG_STATE_HOME"] || `${home}/.local/state`}/svcd`;
  const run = env["XDG_RUNTIME_DIR"] || `/tmp/svcd-${uid}`;
  return all(`${config}/svcd`, `${run}/svcd`, state, `${state}/log`);
}

function all(config: string, run: string, state: string, log: string): Places {
  return {
    services: `${config}/services.d`,
    cron: `${config}/cron.d`,
    settings: `${config}/svcd.yaml`,
    run,
    socket: `${run}/svcd.sock`,
    state,
    log,
  };
}

/** What one run of a job wrote; with `LogSettings.keepHeadBytes` its beginning is in `PATH.head`, and what came before the end in `PATH.1`. */
export function runLogPath(
  logDir: string,
  { job, run }: { readonly job: string; readonly run: number },
  stream: "stdout" | "stderr",
): string {
  return `${logDir}/jobs/${job}/${run}${stream === "stdout" ? ".log" : ".stderr.log"}`;
}

export const RUN_LOG_ENDINGS = ["", ".head", ".1"] as const;
