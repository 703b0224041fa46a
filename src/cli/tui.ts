/** `svctl tui`: the terminal UI, on this terminal. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Call, say } from "./call.ts";
import { EXIT, Failure } from "./failure.ts";

export const details = `
Services, jobs, logs, GPUs and machine, events, tunnels: by the number keys. ? shows every key, : every action, q leaves
and services stay. Keys and colours are kept in tui.yaml, in $XDG_CONFIG_HOME/svcd or ~/.config/svcd.`;

export async function run(call: Call): Promise<number> {
  const { world } = call;
  if (!world.out.isTTY || !world.input.isTTY) {
    throw new Failure(EXIT.failed, "svctl tui needs a terminal", {
      fix: "svctl status, svctl logs -f and --json work without one",
    });
  }
  await call.daemon.health(); // Whoever is not there is told so before the screen changes.
  const { openTui, settingsReader, editHere } = await world.tui();
  const file = settingsFile(world.env);
  const settings = existsSync(file) ? (await settingsReader()).readSettings(file, readFileSync(file, "utf8")) : null;
  const { input, output } = world.terminal();
  const tui = openTui({
    input,
    output,
    columns: output.columns,
    rows: output.rows,
    term: world.env["TERM"] ?? "",
    env: call.options["no-color"] === undefined ? world.env : { ...world.env, NO_COLOR: "1" },
    client: call.daemon,
    runEditor: (path: string, line: number) => editHere(path, line, world.env),
    ...(settings === null ? {} : { settings }),
  });
  if (typeof tui === "string") {
    throw new Failure(EXIT.failed, tui, {
      fix: "set TERM to what the terminal is, or use svctl status and svctl logs -f",
    });
  }
  const onResize = (): void => tui.resize(output.columns, output.rows);
  output.on("resize", onResize);
  const leave = (): void => tui.close();
  const signals = ["SIGTERM", "SIGHUP", "SIGINT"] as const;
  for (const signal of signals) process.on(signal, leave);
  const why = await tui.ended;
  output.off("resize", onResize);
  for (const signal of signals) process.off(signal, leave);
  if (why !== null) throw new Failure(EXIT.unreachable, why, { where: call.places.socket });
  say(world.out, "Services go on. svctl status shows them; svctl tui comes back.");
  return EXIT.done;
}

function settingsFile(env: Readonly<Record<string, string | undefined>>): string {
  return join(env["XDG_CONFIG_HOME"] || join(env["HOME"] || "/", ".config"), "svcd/tui.yaml");
}
