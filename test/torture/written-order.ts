/**
 * What a log must look like. Every line of a writer is `NAME RUN SEQ`, with SEQ counting from 1 in each run, so the whole
 * log is known beforehand but for one thing: where each run ended. A run that is killed may end inside a line; the next
 * run's first line then follows in the same line of the file.
 *
 * Whatever differs is damage. The check finds its way again at two lines in sequence, so that one hole counts once,
 * wherever in a line it begins and ends.
 */

export type Damage =
  /** Lines `from` to `to` (exclusive) of a run that has others behind them. */
  | { readonly kind: "hole"; readonly run: number; readonly from: number; readonly to: number; readonly bytes: number }
  /** The first lines of a run. */
  | { readonly kind: "headless"; readonly run: number; readonly to: number; readonly bytes: number }
  /** A line that was there before, or of a run that is over. */
  | { readonly kind: "disorder"; readonly run: number; readonly line: string };

export class WrittenOrder {
  /** The last whole line of each run. */
  readonly lastOf = new Map<number, number>();
  readonly damages: Damage[] = [];
  lines = 0;
  bytes = 0;
  readonly #name: string;
  readonly #mark: RegExp;
  #rest = "";
  #run = 0;
  #next = 1;
  /** While the way is lost: what the last line could have been, and how much of the log does not fit. */
  #lost: { run: number; seq: number; oddBytes: number } | null = null;

  constructor(name: string) {
    this.#name = name;
    this.#mark = new RegExp(`^(.*)(${name} ([1-9]\\d*) ([1-9]\\d*))$`);
  }

  feed(text: string): void {
    this.bytes += text.length;
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      this.lines++;
      this.#take(line);
    }
  }

  /** How many bytes lines `from` to `to` (exclusive) of a run have. */
  bytesBetween(run: number, from: number, to: number): number {
    const fixed = `${this.#name} ${run} \n`.length;
    let bytes = 0;
    for (let low = from; low < to; ) {
      const digits = String(low).length;
      const high = Math.min(10 ** digits, to);
      bytes += (high - low) * (fixed + digits);
      low = high;
    }
    return bytes;
  }

  #take(line: string): void {
    if (this.#lost === null && line === this.#expected()) {
      this.#advance();
      return;
    }
    const [, before = "", , runDigits, seqDigits] = this.#mark.exec(line) ?? [];
    const run = Number(runDigits ?? 0);
    const seq = Number(seqDigits ?? 0);
    const begins = run > this.#run && seq === 1;
    if (this.#lost === null && begins && this.#expected().startsWith(before)) {
      this.#enter(run, 2);
      return;
    }
    const oddBytes = this.#lost?.oddBytes ?? 0;
    if (this.#lost !== null && run > 0 && run === this.#lost.run && seq === this.#lost.seq + 1 && before === "") {
      this.#findWay(run, this.#lost.seq, oddBytes);
      this.#advance();
      return;
    }
    const candidateBytes = this.#lost === null || this.#lost.seq === 0 ? 0 : this.#lineBytes(this.#lost);
    // The candidate before was none: its bytes are odd too.
    this.#lost = { run, seq, oddBytes: oddBytes + candidateBytes + (run === 0 ? line.length + 1 : before.length) };
  }

  /** Line `seq` and its successor are both there. */
  #findWay(run: number, seq: number, oddBytes: number): void {
    this.#lost = null;
    const isBack = run < this.#run || (run === this.#run && seq < this.#next);
    if (isBack) {
      this.damages.push({ kind: "disorder", run, line: `${this.#name} ${run} ${seq}` });
    } else if (run === this.#run) {
      const bytes = Math.max(this.bytesBetween(run, this.#next, seq) - oddBytes, 0);
      this.damages.push({ kind: "hole", run, from: this.#next, to: seq, bytes });
    } else if (seq > 1) {
      this.damages.push({ kind: "headless", run, to: seq, bytes: this.bytesBetween(run, 1, seq) });
    }
    this.#enter(run, seq + 1);
  }

  #enter(run: number, next: number): void {
    this.#run = run;
    this.#next = next;
    this.lastOf.set(run, next - 1);
  }

  #advance(): void {
    this.lastOf.set(this.#run, this.#next);
    this.#next++;
  }

  #expected(): string {
    return `${this.#name} ${this.#run} ${this.#next}`;
  }

  #lineBytes({ run, seq }: { run: number; seq: number }): number {
    return `${this.#name} ${run} ${seq}\n`.length;
  }
}
