/**
 * What start, stop, restart and their like have in common: ask for it, wait until it is so, say one line about each
 * service in supervisorctl's manner, and explain what failed.
 */
import type { ActionResult } from "../control/daemon.ts";
import { parseDuration } from "../plan/units.ts";
import { type Call, say, sayJson } from "./call.ts";
import { ifAnswered } from "./daemon.ts";
import { EXIT, usage } from "./failure.ts";
import { spinner } from "./spinner.ts";
import { plain } from "./text.ts";
import type { Awaited, Goal } from "./verdict.ts";
import { type Settled, type Watch, watch } from "./wait.ts";
import { explanation } from "./why-page.ts";

/** One line of the answer, and one object of `--json`. */
export interface Told {
  readonly name: string;
  /** asked: svcd will do it, and nobody waited for it. */
  readonly outcome: "done" | "already" | "asked" | "skipped" | "refused" | "failed";
  readonly what: string;
}

/** The first failures are explained at length; for more there is `svctl why`. */
const EXPLAINED = 3;

type Deed = () => Promise<readonly ActionResult[]>;

/** A deed that has an end to wait for. */
export async function actAndWait(call: Call, deed: Deed, goal: Goal): Promise<number> {
  const teller = new Teller(call);
  const timeoutMs = timeoutOf(call);
  if (!wantsToWait(call)) {
    for (const result of await deed()) {
      teller.tell({ ...result, outcome: result.outcome === "done" ? "asked" : result.outcome });
    }
    return teller.finish();
  }
  const open = watch(call);
  try {
    const results = await deed();
    for (const result of results) if (result.outcome === "refused") teller.tell(result);
    const awaited = results.filter(({ outcome }) => outcome !== "refused").map((result) => awaitedBy(result, goal));
    return await settleAll(call, open, awaited, { teller, timeoutMs });
  } finally {
    open.close();
  }
}

/** A deed that is done when svcd has answered. */
export async function act(call: Call, deed: Deed): Promise<number> {
  const teller = new Teller(call);
  for (const result of await deed()) teller.tell(result);
  return teller.finish();
}

export function wantsToWait({ options }: Call): boolean {
  if (options["no-wait"] === undefined) return true;
  if (options.wait !== undefined) throw usage("`--wait` and `--no-wait` exclude each other", "leave one of them out");
  return false;
}

/** An awaited service, and svcd's phrase for what was asked or was so already. */
export type AwaitedResult = Awaited & { readonly phrase: string };

export async function settleAll(
  call: Call,
  open: Watch,
  awaited: readonly AwaitedResult[],
  { teller, timeoutMs }: { readonly teller: Teller; readonly timeoutMs: number | null },
): Promise<number> {
  const phrases = new Map(awaited.map(({ name, phrase }) => [name, phrase]));
  const end = await open.settle(awaited, {
    timeoutMs,
    spinner: spinner(call.world.err, call.errInk),
    onSettled: ({ name, already }, settled) =>
      teller.tell(toldBy({ name, already, phrase: phrases.get(name) ?? "done" }, settled)),
  });
  if (end === "interrupted") {
    const left = awaited.map(({ name }) => name).filter((name) => !teller.hasTold(name));
    say(call.world.err, `svctl: no longer waiting; svcd goes on with ${left.map(plain).join(", ")}`);
    await teller.finish();
    return EXIT.interrupted;
  }
  return teller.finish();
}

/** Says each line at once, and at the end what is to be said about all. */
export class Teller {
  readonly #call: Call;
  readonly #form: "lines" | "json" | "silent";
  readonly #told: Told[] = [];

  /** silent: something else is the answer; the exit code is still counted here. */
  constructor(call: Call, form: "lines" | "json" | "silent" = call.json ? "json" : "lines") {
    this.#call = call;
    this.#form = form;
  }

  tell({ name, outcome, what }: Told): void {
    this.#told.push({ name, outcome, what });
    if (this.#form === "lines") say(this.#call.world.out, this.#line({ name, outcome, what }));
  }

  hasTold(name: string): boolean {
    return this.#told.some((told) => told.name === name);
  }

  async finish(): Promise<number> {
    const bad = this.#told.filter((told) => this.#isBad(told));
    if (this.#form === "json") sayJson(this.#call, this.#told);
    if (this.#form === "lines") await this.#explain(bad.filter(({ outcome }) => outcome === "failed"));
    return bad.length > 0 ? EXIT.failed : EXIT.done;
  }

  #line({ name, outcome, what }: Told): string {
    const { ink } = this.#call;
    switch (outcome) {
      case "done":
        return `${plain(name)}: ${ink.paint("green", plain(what))}`;
      case "asked":
        return `${plain(name)}: ${plain(what)} (not waited for)`;
      case "already":
        return `${plain(name)}: ${plain(what)}`;
      case "skipped":
        return `${plain(name)}: skipped (${plain(what)})`;
      case "refused":
      case "failed":
        return `${plain(name)}: ${ink.paint("red", "ERROR")} (${plain(what)})`;
    }
  }

  /** Who asks for a service by its name wants that one; who asks for many gets those that this machine wants. */
  #isBad({ name, outcome }: Told): boolean {
    if (outcome === "skipped") return this.#call.words.includes(name);
    return outcome === "refused" || outcome === "failed";
  }

  async #explain(failed: readonly Told[]): Promise<void> {
    for (const { name } of failed.slice(0, EXPLAINED)) {
      const report = await ifAnswered(this.#call.daemon.why(name));
      if (report === null) continue; // It is gone meanwhile, or svcd is: the line above has said what is known.
      for (const line of explanation(report, this.#call.errInk)) say(this.#call.world.err, line);
    }
    if (failed.length > EXPLAINED) say(this.#call.world.err, "for the others: svctl why NAME");
  }
}

export function awaitedBy({ name, runBefore, outcome, what }: ActionResult, goal: Goal): AwaitedResult {
  return { name, goal, runBefore, already: outcome === "already", phrase: what };
}

function toldBy({ name, already, phrase }: Pick<AwaitedResult, "name" | "already" | "phrase">, settled: Settled): Told {
  if (settled.is !== "done") return { name, outcome: settled.is, what: settled.what };
  return already ? { name, outcome: "already", what: phrase } : { name, outcome: "done", what: settled.what ?? phrase };
}

export function timeoutOf({ options }: Call): number | null {
  if (options.timeout === undefined) return null;
  const read = parseDuration(options.timeout);
  if (!read.ok) throw usage(`\`--timeout\`: ${read.flaw.what}`, read.flaw.fix);
  return read.value;
}
