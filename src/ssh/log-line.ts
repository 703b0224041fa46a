/**
 * What the service prints. Anybody can make it say something by knocking, so what comes from outside is shown without control
 * characters and not endless, and lines about strangers are a few a minute; the rest is counted.
 */
export type Say = (line: string) => void;

const LONGEST = 200;
const LINES_PER_MINUTE = 30;

/** Text from outside: on one line, in printable ASCII, cut where it gets long. */
export function shown(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, "?");
  return plain.length > LONGEST ? `${plain.slice(0, LONGEST - 3)}...` : plain;
}

/** The words of a command, without what looks like a secret. */
export function shownWords(words: readonly string[]): string {
  const safe = words.map((word) => word.replace(/((?:token|secret|passw\w*|key|auth\w*)[=:]).+/i, "$1(hidden)"));
  return shown(safe.map((word) => (/^[\w@%+=:,./*()-]+$/.test(word) ? word : JSON.stringify(word))).join(" "));
}

export class StrangerLog {
  readonly #say: Say;
  #since = Number.NEGATIVE_INFINITY;
  #count = 0;

  constructor(say: Say) {
    this.#say = say;
  }

  say(line: string, now: number): void {
    if (now - this.#since >= 60_000) {
      const left = this.#count - LINES_PER_MINUTE;
      if (left > 0) this.#say(`and ${left} more lines like these within a minute`);
      this.#since = now;
      this.#count = 0;
    }
    if (++this.#count <= LINES_PER_MINUTE) this.#say(line);
  }
}
