/** What the torture has done and seen, as numbers; and every promise that was broken, as a sentence. */

/** A broken promise tends to be broken again and again: the first ones tell the story. */
const MOST_TOLD = 40;
/** Minutes of it; the end counts. */
const MOST_STORY = 100_000;

export class Ledger {
  readonly deeds = new Map<string, number>();
  readonly broken: string[] = [];
  /** What was done and seen, in order, for whoever looks into a broken promise. */
  readonly story: string[] = [];
  brokenAll = 0;
  /** SIGKILL of the core until another one answers; of the keeper until the next svcd answers, from its start on. */
  readonly coreBackMs: number[] = [];
  readonly svcdBackMs: number[] = [];
  /** SIGKILL of a service until another process of it runs, while a core was there. */
  readonly serviceBackMs: number[] = [];
  /** `node -e 0`, now and then. */
  readonly floorMs: number[] = [];
  readonly statusMs: number[] = [];
  /** While the core was stopped or svcd was not there. */
  readonly statusTroubledMs: number[] = [];
  kills = { core: 0, keeper: 0, service: 0 };
  lines = 0;
  bytes = 0;
  runs = 0;
  lostByKeeper = { bytes: 0, holes: 0, ends: 0 };

  tell(what: string): void {
    this.story.push(`${timestamp()} ${what}`);
    if (this.story.length > MOST_STORY) this.story.splice(0, MOST_STORY / 2);
  }

  note(deed: string): void {
    this.tell(`== ${deed}`);
    this.deeds.set(deed, (this.deeds.get(deed) ?? 0) + 1);
  }

  breaks(promise: string): void {
    this.brokenAll++;
    this.tell(`BROKEN: ${promise}`);
    if (this.broken.length < MOST_TOLD) this.broken.push(promise);
  }

  table(): string {
    const rows: [string, string][] = [
      ...[...this.deeds].sort().map(([deed, times]): [string, string] => [deed, `${times} ×`]),
      ["killed", `core ${this.kills.core}, keeper ${this.kills.keeper}, services ${this.kills.service}`],
      ["written and checked", `${this.lines} lines, ${(this.bytes / 1e6).toFixed(1)} MB, ${this.runs} runs`],
      ["the floor: node -e 0", spread(this.floorMs)],
      ["core killed → the next one answers", spread(this.coreBackMs)],
      ["svcd started after a kill → it answers", spread(this.svcdBackMs)],
      ["service killed → the next process is there", spread(this.serviceBackMs)],
      ["status, undisturbed", spread(this.statusMs)],
      ["status, with core or svcd dead or stopped meanwhile", spread(this.statusTroubledMs)],
      [
        "lost by the keeper's death",
        `${this.lostByKeeper.bytes} bytes in ${this.kills.keeper} kills (${this.lostByKeeper.holes} holes, ${this.lostByKeeper.ends} last words)`,
      ],
      ["promises broken", String(this.brokenAll)],
    ];
    const width = Math.max(...rows.map(([what]) => what.length));
    return rows.map(([what, value]) => `  ${what.padEnd(width)}  ${value}\n`).join("");
  }
}

/** As svcd writes its own. */
function timestamp(): string {
  const at = new Date(Date.now() - new Date().getTimezoneOffset() * 60_000).toISOString();
  return `${at.slice(0, 10)} ${at.slice(11, 23)}`;
}

function spread(values: readonly number[]): string {
  if (values.length === 0) return "never";
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part: number): string =>
    `${Math.round(sorted[Math.min(Math.floor(part * sorted.length), sorted.length - 1)]!)}`;
  return `p50 ${at(0.5)}, p95 ${at(0.95)}, longest ${at(1)} ms (${sorted.length} ×)`;
}
