/**
 * "did you mean …?": the nearest of the words that would have been right.
 *
 * Nearness counts slips of the hand (a letter too many, too few, wrong, or two swapped). A third of the word may be wrong;
 * beyond that a suggestion is a guess and the list of all words helps more.
 */
export function nearest(word: string, allowed: Iterable<string>): string | null {
  const written = word.toLowerCase();
  let best: string | null = null;
  let fewest = Math.max(1, Math.floor(written.length / 3)) + 1;
  for (const candidate of allowed) {
    const slips = slipsBetween(written, candidate.toLowerCase(), fewest);
    if (slips < fewest) {
      best = candidate;
      fewest = slips;
    }
  }
  return best;
}

/** "did you mean `always`?", or else the words there are. */
export function suggestion(word: string, allowed: readonly string[], otherwise: string): string {
  const near = nearest(word, allowed);
  return near === null ? otherwise : `did you mean \`${near}\`?`;
}

/** The optimal string alignment distance; anything from `enough` on is as good as endless. */
export function slipsBetween(a: string, b: string, enough = Number.POSITIVE_INFINITY): number {
  if (Math.abs(a.length - b.length) >= enough) return enough;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const wrong = a[i - 1] === b[j - 1] ? 0 : 1;
      let slips = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + wrong);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        slips = Math.min(slips, beforeLast[j - 2]! + 1);
      row.push(slips);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length]!;
}
