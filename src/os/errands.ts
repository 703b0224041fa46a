/**
 * What svcd does for somebody and nothing of its own waits for: hooks, notifications. A burst of events (a hundred services that
 * fail together) is worked off a few at a time, and the queue has an end: when it is full the oldest goes, since the newest
 * says what is so. All that a failure does is a line in svcd's log.
 */

/** null: it is done; else why not, in words. */
export type OnDone = (failure: string | null) => void;

export interface Errand {
  /** "web: the hook `on.failed`" */
  readonly name: string;
  /** Answers later, never while this runs. The function that is returned ends it without an answer. */
  start(onDone: OnDone): () => void;
}

export interface ErrandLimits {
  readonly atOnce: number;
  readonly waiting: number;
}

export class Errands {
  readonly #limits: ErrandLimits;
  readonly #say: (line: string) => void;
  readonly #waiting: Errand[] = [];
  readonly #underWay = new Set<{ end: () => void }>();

  constructor(limits: ErrandLimits, say: (line: string) => void) {
    this.#limits = limits;
    this.#say = say;
  }

  add(errand: Errand): void {
    this.#waiting.push(errand);
    if (this.#waiting.length > this.#limits.waiting) {
      const { name } = this.#waiting.shift() as Errand;
      this.#say(`${name} was not carried out: more than ${this.#limits.waiting} are waiting`);
    }
    this.#work();
  }

  /** Ends what is under way; what waits is given up. */
  close(): void {
    this.#waiting.length = 0;
    for (const errand of this.#underWay) errand.end();
    this.#underWay.clear();
  }

  #work(): void {
    while (this.#underWay.size < this.#limits.atOnce) {
      const errand = this.#waiting.shift();
      if (errand === undefined) return;
      const handle = { end: () => {} };
      this.#underWay.add(handle);
      handle.end = errand.start((failure) => {
        if (!this.#underWay.delete(handle)) return; // We were closed.
        if (failure !== null) this.#say(`${errand.name} failed: ${failure}`);
        this.#work();
      });
    }
  }
}

export function soon(give: () => void): () => void {
  const immediate = setImmediate(give);
  return () => clearImmediate(immediate);
}

/** Once more after a while, if it failed: time enough for a restart of whoever is asked. */
export function twice(start: (onDone: OnDone) => () => void, againAfterMs: number): (onDone: OnDone) => () => void {
  return (onDone) => {
    let end = (): void => {};
    const again = (): void => {
      end = start(onDone);
    };
    end = start((failure) => {
      if (failure === null) return onDone(null);
      const timer = setTimeout(again, againAfterMs);
      end = () => clearTimeout(timer);
    });
    return () => end();
  };
}
