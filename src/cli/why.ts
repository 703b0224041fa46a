/** `svctl why`: the page of evidence, of services and jobs. */
import type { JobWhyReport, WhyReport } from "../control/daemon.ts";
import { type Call, say, sayJson } from "./call.ts";
import { isAboutAJob } from "./daemon.ts";
import { EXIT } from "./failure.ts";
import { asked, isAll } from "./names.ts";
import { whyPage } from "./why-page.ts";

export const details = `
Shows how the last run ended and what the system says about it (an OOM kill, a core dump), the last lines of output, what
the service waits for, what changed since it last ran well, what svcd will do next, and what you can do.`;

export async function run(call: Call): Promise<number> {
  const reports: (WhyReport | JobWhyReport)[] = [];
  for (const name of await namesOf(call)) reports.push(await reportOf(call, name));
  if (call.json) {
    sayJson(call, reports.length === 1 ? reports[0] : reports);
    return EXIT.done;
  }
  for (const [index, report] of reports.entries()) {
    if (index > 0) say(call.world.out, "");
    for (const line of await pageOf(call, report)) say(call.world.out, line);
  }
  return EXIT.done;
}

async function reportOf({ daemon }: Call, name: string): Promise<WhyReport | JobWhyReport> {
  try {
    return await daemon.why(name);
  } catch (error) {
    if (!isAboutAJob(error)) throw error;
    return daemon.whyJob(name);
  }
}

async function pageOf(call: Call, report: WhyReport | JobWhyReport): Promise<string[]> {
  const { out, now } = call.world;
  if (!("history" in report)) return whyPage(report, call.ink, now());
  const { jobWhyPage } = await import("./job-why-page.ts");
  return jobWhyPage(report, { ink: call.ink, now: now(), columns: out.isTTY ? out.columns() : null });
}

/** Plain names need no second question. */
async function namesOf({ words, daemon }: Call): Promise<readonly string[]> {
  if (!isAll(words) && words.every((word) => !/[*?[:]/.test(word))) return words;
  return (await daemon.services(asked(words))).map(({ name }) => name);
}
