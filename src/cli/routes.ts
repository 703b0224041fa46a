/** `svctl routes`: what the gateway opens, where it leads, and what is wrong with it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROUTES_FILE, type RoutesReport } from "../gateway/routes-report.ts";
import { type Call, say, sayJson } from "./call.ts";
import { EXIT, Failure } from "./failure.ts";
import { table } from "./table.ts";
import { plain } from "./text.ts";

export const details = `
A service is opened by \`expose:\` in its file. What svcd knows of that is at /v1/routes; this is what the gateway made of it.`;

export async function run(call: Call): Promise<number> {
  const path = join(call.places.run, ROUTES_FILE);
  let report: RoutesReport;
  try {
    report = JSON.parse(readFileSync(path, "utf8")) as RoutesReport;
  } catch {
    throw new Failure(EXIT.notRunning, "the gateway has opened nothing yet", {
      where: path,
      fix: "svctl status gateway",
    });
  }
  if (call.json) {
    sayJson(call, report);
    return EXIT.done;
  }
  const { out, err } = call.world;
  const { routes, https, mistakes } = report;
  if (routes.length === 0)
    say(out, "Nothing is exposed: write `expose: { port: 8000, to: 18000 }` into the file of a service");
  else {
    const scheme = https.active ? "https" : "http";
    const head = ["PORT", "NAME", "LEADS TO", "AUTH", "WRITTEN IN"].map((text) => ({ text }));
    const rows = routes.map(({ port, name, targets, auth, from, isOpen }) =>
      [
        `${scheme} ${port}${isOpen ? "" : " (taken)"}`,
        plain(name),
        plain(targets.map(({ host, port: to }) => `${host}:${to}`).join(", ")),
        auth,
        plain(from),
      ].map((text) => ({ text })),
    );
    for (const line of table([head, ...rows], out.isTTY ? out.columns() : null)) say(out, line);
  }
  if (https.certificate !== null) {
    const { from, expiresAt, selfSigned } = https.certificate;
    say(out, `HTTPS: ${plain(from)}, ${selfSigned ? "self-signed, " : ""}until ${expiresAt.slice(0, 10)}`);
  }
  for (const { where, what, fix } of mistakes) say(err, plain(`${where}: ${what}; ${fix}`));
  if (https.certificate?.trouble) say(err, plain(`HTTPS: ${https.certificate.trouble}`));
  return EXIT.done;
}
