/** `svctl explain SERVICE`: what its next start would execute, and where each part comes from. */
import type { LaunchReport } from "../control/daemon.ts";
import { quoteWord } from "../plan/words.ts";
import { type Call, say, sayJson } from "./call.ts";
import type { Ink } from "./colour.ts";
import { EXIT } from "./failure.ts";
import { table } from "./table.ts";
import { plain } from "./text.ts";

export async function explainService(call: Call, name: string): Promise<number> {
  const report = await call.daemon.launch(name);
  if (call.json) sayJson(call, report);
  else {
    for (const line of page(report, call.ink)) say(call.world.out, line);
  }
  return report.refusal === null ? EXIT.done : EXIT.failed;
}

/**
 *     vllm: its next start would execute, in /workspace
 *                         vllm serve
 *       VLLM_MODEL        Qwen/Qwen3-Reranker-4B
 *       …
 */
export function page(report: LaunchReport, ink: Ink): string[] {
  const { name, refusal, cwd, user, variables, environment, notes, warnings } = report;
  const title = ink.paint("bold", plain(name));
  if (refusal !== null) return [`${title}: ${ink.paint("red", "it could not be started now")}`, `  ${plain(refusal)}`];
  const as = user === null ? "" : `, as ${plain(user)}`;
  const grey = (text: string): string => ink.paint("grey", text);
  const rows = (list: readonly (readonly [from: string, what: string])[]): string[] =>
    table(
      list.map(([from, what]) => [{ text: plain(from), paint: grey }, { text: plain(what) }]),
      null,
    ).map((line) => `  ${line}`);
  const lines = [`${title}: its next start would execute, in ${plain(cwd ?? "?")}${as}`, ...rows(groups(report.argv))];
  if (notes.length + warnings.length > 0) lines.push("", ...notes.map(plain));
  lines.push(...warnings.map((warning) => ink.paint("yellow", `careful: ${plain(warning)}`)));
  if (variables.length > 0) {
    lines.push("", "Where its variables come from");
    lines.push(...rows(variables.map(({ name: variable, from }) => [variable, from])));
  }
  const own = environment.filter(({ from }) => from === OWN);
  const written = environment.filter(({ from }) => from !== OWN);
  const assignment = ({ name: variable, value }: (typeof environment)[number]): string => `${variable}=${value}`;
  if (written.length > 0) lines.push("", "Environment", ...rows(written.map((one) => [one.from, assignment(one)])));
  if (own.length > 0) lines.push("", `From ${OWN}`, ...own.map((one) => `  ${plain(assignment(one))}`));
  return lines;
}

const OWN = "svcd's own environment";

/** Words in a row that came from the same place, on one line. */
function groups(argv: LaunchReport["argv"]): [from: string, words: string][] {
  const lines: { words: string[]; from: string }[] = [];
  for (const { word, from } of argv) {
    const source = from.join(", ");
    const last = lines.at(-1);
    if (last !== undefined && last.from === source) last.words.push(quoteWord(word));
    else lines.push({ words: [quoteWord(word)], from: source });
  }
  return lines.map(({ words, from }) => [from, words.join(" ")]);
}
