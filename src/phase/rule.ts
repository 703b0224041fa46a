/**
 * What a start goes through, as data: phases in their order, and how each is recognised in the output of a program or by a
 * folder that grows. A file names a recipe or writes rules of its own (`phases:`); nothing here knows any program.
 */

export interface PhaseRule {
  /** "loading shards". Rules with one name are one phase; phases come in the order in which their names come first. */
  readonly name: string;
  /**
   * JavaScript RegExp source, for one line without colours (each state of a progress bar is a line). The named groups `done` and
   * `total`, or `percent`, say how far it is; `bar` tells bars of one phase apart, `bars` how many there will be. null: `growth`.
   */
  readonly match: string | null;
  /** A template of a folder, or of a folder and a pattern of names (`/cache/hub/*.incomplete`), at any depth. */
  readonly growth: string | null;
  /** In this phase so much silence is no stall; null: as the service says. */
  readonly stallMs: number | null;
}

/** How far a start is. */
export interface Step {
  readonly phase: string;
  readonly done: number | null;
  readonly total: number | null;
  /** 0 to 100. */
  readonly percent: number | null;
  /** So much has come into the folder that grows, since the start. */
  readonly bytes: number | null;
}

/** "download 37 %", "loading shards 4/9", "download 3.2 GB", "compiling". */
export function stepInWords({ phase, done, total, percent, bytes }: Step): string {
  if (done !== null && total !== null) return `${phase} ${done}/${total}`;
  if (percent !== null) return `${phase} ${Math.floor(percent)} %`;
  return bytes === null ? phase : `${phase} ${sizeInWords(bytes)}`;
}

/** 0 to 1; null: nobody knows. */
export function fractionOf({ done, total, percent }: Step): number | null {
  if (done !== null && total !== null && total > 0) return done / total;
  return percent === null ? null : percent / 100;
}

/** In powers of ten, as download pages and disks count. */
function sizeInWords(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let size = bytes;
  let unit = 0;
  while (size >= 1000 && unit < units.length - 1) {
    size /= 1000;
    unit++;
  }
  return `${size >= 100 || unit === 0 ? Math.round(size) : size.toFixed(1)} ${units[unit]}`;
}
