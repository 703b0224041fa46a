/** `svctl tunnels`: the public addresses of quick tunnels, as the tunnels service publishes them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { TUNNELS_FILE, type TunnelReport } from "../gateway/tunnel-report.ts";
import { type Call, say, sayJson } from "./call.ts";
import { EXIT } from "./failure.ts";
import { table } from "./table.ts";
import { plain } from "./text.ts";

export const details = `
A service has one when its file says \`expose: { …, tunnel: quick }\` and cloudflared is installed. It leads to the gateway, which asks
for a token. What keeps it: svctl logs tunnels`;

export async function run(call: Call): Promise<number> {
  const tunnels = read(join(call.places.run, TUNNELS_FILE));
  if (call.json) {
    sayJson(call, tunnels);
    return EXIT.done;
  }
  if (tunnels.length === 0) {
    say(call.world.out, "There are no tunnels: no service says `tunnel: quick`, or the service `tunnels` does not run");
    return EXIT.done;
  }
  const head = ["NAME", "PORT", "STATE", "URL", "WHY"].map((text) => ({ text }));
  const rows = tunnels.map(({ name, port, state, url, why, next }) =>
    [plain(name), String(port), state, url === null ? "-" : plain(url), plain(`${why}; ${next}`)].map((text) => ({
      text,
    })),
  );
  const { out } = call.world;
  for (const line of table([head, ...rows], out.isTTY ? out.columns() : null)) say(out, line);
  return EXIT.done;
}

function read(path: string): readonly TunnelReport[] {
  try {
    const { tunnels } = JSON.parse(readFileSync(path, "utf8")) as { tunnels: readonly TunnelReport[] };
    return tunnels;
  } catch {
    return []; // The service has never run here.
  }
}
