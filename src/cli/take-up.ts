/**
 * Taking the files up, and waiting until what they say is so. Shared by apply, update and add.
 */
import type { PlanReport } from "../control/daemon.ts";
import { nearest } from "../plan/suggest.ts";
import { type AwaitedResult, settleAll, Teller, timeoutOf, wantsToWait } from "./act.ts";
import { type Call, say, sayJson } from "./call.ts";
import { EXIT, Failure } from "./failure.ts";
import { asked, isAll } from "./names.ts";
import { appliedLines, isEmpty, mistakeLines } from "./plan-page.ts";
import { watch } from "./wait.ts";

export async function takeUp(call: Call, words: readonly string[]): Promise<number> {
  const timeoutMs = timeoutOf(call);
  const open = wantsToWait(call) ? watch(call) : null;
  try {
    const runs = new Map((await call.daemon.services()).map(({ name, run }) => [name, run]));
    if (!isAll(words)) requireKnown(call, words, await call.daemon.plan(), new Set(runs.keys()));
    const plan = await call.daemon.apply(asked(words) ?? null);
    print(call, plan);
    const awaited = open === null ? [] : toAwait(plan, runs);
    // In JSON the report is the answer; a list of what came true would be a second document.
    const teller = new Teller(call, call.json ? "silent" : "lines");
    const ended = open === null ? EXIT.done : await settleAll(call, open, awaited, { teller, timeoutMs });
    return ended === EXIT.done && plan.mistakes.length > 0 ? EXIT.failed : ended;
  } finally {
    open?.close();
  }
}

/** Each word names a service that svcd has, or a service or job that is new or another in the files. */
export function requireKnown(
  { places }: Call,
  words: readonly string[],
  plan: PlanReport,
  active: ReadonlySet<string>,
): void {
  const { added, changed, removed, kept } = plan.jobs;
  const known = new Set([...plan.added, ...active, ...added, ...removed, ...kept, ...changed.map(({ name }) => name)]);
  const unknown = words.find((word) => !known.has(word));
  if (unknown === undefined) return;
  const near = nearest(unknown, [...known]);
  const broken = [...new Set(plan.mistakes.map(({ file }) => file))];
  const hidden = broken.length === 0 ? "" : `; mistakes hide services in ${broken.join(", ")} (svctl plan)`;
  throw new Failure(EXIT.failed, `no service \`${unknown}\` in the files${hidden}`, {
    where: places.services,
    fix: near === null ? "write its file there; svctl reread lists what is new" : `did you mean \`${near}\`?`,
  });
}

function print(call: Call, plan: PlanReport): void {
  if (call.json) {
    sayJson(call, plan);
    return;
  }
  for (const line of appliedLines(plan)) say(call.world.out, line);
  if (isEmpty(plan) && plan.mistakes.length === 0) say(call.world.out, "nothing to do: everything is as the files say");
  for (const line of mistakeLines(plan)) say(call.world.err, line);
}

function toAwait({ added, changed, removed }: PlanReport, runs: ReadonlyMap<string, number>): AwaitedResult[] {
  const runBefore = (name: string) => runs.get(name) ?? 0;
  const up = [...added, ...changed.filter(({ restart }) => restart).map(({ name }) => name)];
  return [
    ...removed.map((name) => ({
      name,
      goal: "down" as const,
      phrase: "stopped",
      runBefore: runBefore(name),
      already: false,
    })),
    ...up.map((name) => ({
      name,
      goal: "as planned" as const,
      phrase: "started",
      runBefore: runBefore(name),
      already: false,
    })),
  ];
}
