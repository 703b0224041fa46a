/**
 * Where a program says that the cause stands above: the last line of the first traceback of that run. Servers of several
 * processes print one traceback for each process that noticed, the cause first and what came of it last.
 */

/** What begins the output of a run, so that an earlier run's traceback is not taken for this one's. */
const BEGINNING = /vLLM API server version|server_args=ServerArgs/;
const TRACEBACK = /^Traceback \(most recent call last\):/;
/** "torch.OutOfMemoryError: CUDA out of memory. …", "AssertionError"; not "During handling of the above exception, …". */
const EXCEPTION =
  /^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt|Exit|Warning|Failure|NotFound|Timeout)?\b(?:: |$)/;
const MOST_LINES = 200;

/** The line of `lines` where it stands, without what the logger put in front; null: there is none before `end`. */
export function rootCause(
  lines: readonly string[],
  end: number,
): { readonly at: number; readonly text: string } | null {
  let begin = 0;
  for (let at = end; at > 0; at--) {
    if (!BEGINNING.test(lines[at] ?? "")) continue;
    begin = at;
    break;
  }
  for (let at = begin; at < end; at++) {
    if (!TRACEBACK.test(bareLine(lines[at] ?? ""))) continue;
    for (let below = at + 1; below < Math.min(end, at + MOST_LINES); below++) {
      const text = bareLine(lines[below] ?? "");
      if (text !== "" && !/^\s/.test(text) && EXCEPTION.test(text)) return { at: below, text };
    }
  }
  return null;
}

/** `(EngineCore_DP0 pid=163) ERROR 11-24 23:26:20 [core.py:842] ValueError: …` without what stands before the words. */
export function bareLine(line: string): string {
  return line
    .replace(/^\d{4}-\d\d-\d\dT[\d:.]+Z /, "") // `timestamps: true`
    .replace(/^(?:\([^()]*\bpid=\d+[^()]*\)\s?)+/, "")
    .replace(/^(?:ERROR|CRITICAL|WARNING|INFO) \d\d-\d\d \d\d:\d\d:\d\d (?:\[[^\]]*\]|\S+\])\s?/, "")
    .replace(/^\[rank\d+\]:\s?/, "");
}
