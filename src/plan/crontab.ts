/**
 * A crontab as text: its lines are jobs, settings of the environment for the jobs below them, or comments.
 *
 *   # svcd: user-column                     every line names its user (the system form); user=NAME: all run as that one
 *   CRON_TZ=Europe/Berlin                   the zone of the schedules below (Debian has one for all, and ignores this)
 *   # svcd: overlap=skip timeout=1h         about the next job
 *   30 4 * * 1-5   root   backup %input
 *
 * What Debian's cron refuses is refused here, but only that line and not the whole file: a good job must not stop because of
 * a slip next to it. What Debian reads in a way that nobody expects is read the same and becomes a warning.
 */
import { readCrontabExpression } from "../schedule/crontab-expression.ts";
import type { Rule as ScheduleRule } from "../schedule/remark.ts";
import type { Schedule } from "../schedule/schedule.ts";
import { wrongZone } from "../schedule/zone.ts";
import { type Annotation, noAnnotation, readAnnotation, wordsForSvcd } from "./cron-annotation.ts";
import { environmentOf, splitCommand } from "./crontab-line.ts";
import { type Flaw, quoted } from "./flaw.ts";
import type { Mistake } from "./mistake.ts";
import type { Source } from "./plan.ts";

export interface Crontab {
  readonly jobs: readonly CrontabJob[];
  /** Lines that are not taken. */
  readonly mistakes: readonly Mistake[];
  /** Those of them that were meant as jobs. */
  readonly dropped: readonly DroppedLine[];
  /** What is taken and probably not meant. */
  readonly warnings: readonly CrontabWarning[];
}

export interface CrontabJob {
  readonly source: Source;
  /** The schedule as it is written. */
  readonly expression: string;
  readonly schedule: Schedule;
  /** `CRON_TZ`; null: the zone of the machine. */
  readonly timezone: string | null;
  /** As the column says; null: there is no column. */
  readonly user: string | null;
  /** `# svcd: user=`, for all lines of the file; null: nothing was said. */
  readonly owner: string | null;
  /** What stands behind the schedule, as it is. */
  readonly behind: string;
  /** For the shell, as it is. Empty is legal: the shell does nothing. */
  readonly command: string;
  readonly stdin: string;
  /** What was set above the line; what is not set, cron's defaults fill in at the start. */
  readonly environment: Readonly<Record<string, string>>;
  readonly annotation: Annotation;
}

export interface DroppedLine {
  readonly text: string;
  /** Of the comment above. */
  readonly name: string | null;
  readonly form: CrontabForm;
}

export interface CrontabWarning extends Mistake {
  readonly rule: WarningRule;
}

export type WarningRule =
  | ScheduleRule
  | "carriage-return"
  | "cron-tz"
  | "tz"
  | "logname"
  | "percent"
  | "empty-command"
  | "relative-program"
  | "mailto"
  | "duplicate"
  | "crowded-minute"
  | "unknown-user"
  | "file-name";

/** `user`: whose crontab it is, is known from elsewhere. `system`: a column names the user. */
export type CrontabForm = "user" | "system";

/** cron's own bounds: beyond them it takes nothing. */
const MOST_LINES = 10_000;
const LONGEST_COMMAND_BYTES = 998;

export function readCrontab(text: string, file: string, form: CrontabForm = "user"): Crontab {
  return new Reader(file, form).read(text);
}

class Reader {
  readonly #file: string;
  #form: CrontabForm;
  readonly #jobs: CrontabJob[] = [];
  readonly #mistakes: Mistake[] = [];
  readonly #dropped: DroppedLine[] = [];
  #owner: string | null = null;
  readonly #warnings: CrontabWarning[] = [];
  #environment: Record<string, string> = {};
  #timezone: string | null = null;
  /** A CRON_TZ that nobody knows: at which times the jobs below it are meant, nobody can say. */
  #isZoneUnknown = false;
  #annotation: Annotation = noAnnotation;
  #isAnnotationBroken = false;
  #annotationAt: { readonly line: number; readonly text: string } | null = null;
  #hadCarriageReturn = false;
  #hasHadJob = false;

  constructor(file: string, form: CrontabForm) {
    this.#file = file;
    this.#form = form;
  }

  read(text: string): Crontab {
    const lines = text.split("\n");
    const hasLastNewline = lines.at(-1) === "";
    if (hasLastNewline) lines.pop();
    for (const [index, written] of lines.slice(0, MOST_LINES).entries()) {
      const isCutOff = !hasLastNewline && index === lines.length - 1;
      this.#line(index + 1, written, isCutOff);
    }
    if (lines.length > MOST_LINES) {
      const what = `${lines.length} lines; from line ${MOST_LINES + 1} on nothing is read`;
      this.#mistake(MOST_LINES + 1, lines[MOST_LINES]!, { what, fix: "divide it into several files" });
    }
    if (this.#annotationAt !== null) {
      const { line, text: comment } = this.#annotationAt;
      this.#mistake(line, comment, {
        what: "below this comment there is no job",
        fix: "put it above the job it is about",
      });
    }
    return { jobs: this.#jobs, mistakes: this.#mistakes, dropped: this.#dropped, warnings: this.#warnings };
  }

  #line(number: number, written: string, isCutOff: boolean): void {
    const line = this.#withoutCarriageReturn(number, written);
    if (line.startsWith("\uFEFF")) {
      const flaw = { what: "the file begins with a byte order mark", fix: "save it as UTF-8 without BOM" };
      return this.#drop(number, line, flaw);
    }
    const blanks = /^[ \t]*/.exec(line)![0].length;
    if (blanks === line.length) return;
    if (line[blanks] === "#") return this.#comment(number, line);
    if (isCutOff) {
      const fix = "end it with a newline; what was meant may be longer";
      return this.#drop(number, line, {
        what: "the last line has no newline, so it may be cut off",
        fix,
        at: line.length,
      });
    }
    if (line.includes("\0")) {
      const flaw = { what: "the line has a NUL byte", fix: "write the file anew", at: line.indexOf("\0") };
      return this.#drop(number, line, flaw);
    }
    const setting = environmentOf(line);
    if (setting === null) this.#job(number, line);
    else this.#setting(number, line, setting.name, setting.value);
  }

  #withoutCarriageReturn(number: number, written: string): string {
    if (!written.endsWith("\r")) return written;
    if (!this.#hadCarriageReturn) {
      const what = "lines end as on Windows (CR LF); cron would make the CR a part of the commands";
      this.#warn(number, written, { what, fix: "sed -i 's/\\r$//' FILE", at: written.length - 1 }, "carriage-return");
    }
    this.#hadCarriageReturn = true;
    return written.slice(0, -1);
  }

  #comment(number: number, line: string): void {
    const words = wordsForSvcd(line);
    if (words === null) return;
    const said = readAnnotation(words.text, this.#annotation);
    const aboutTheFile = said.hasUserColumn ? "user-column" : said.owner === null ? null : "user";
    if (aboutTheFile !== null && this.#hasHadJob) {
      const what = `\`${aboutTheFile}\` is about the whole file`;
      this.#mistake(number, line, { what, fix: "put it above the first job", at: words.at });
    } else {
      if (said.hasUserColumn) this.#form = "system";
      this.#owner = said.owner ?? this.#owner;
    }
    for (const flaw of said.flaws) this.#mistake(number, line, { ...flaw, at: words.at + flaw.at });
    if (said.flaws.length > 0) this.#isAnnotationBroken = true;
    if (said.annotation !== this.#annotation) this.#annotationAt ??= { line: number, text: line };
    this.#annotation = said.annotation;
  }

  #setting(number: number, line: string, name: string, value: string): void {
    const at = line.indexOf(name);
    if (name === "CRON_TZ") return this.#zone(number, line, value);
    if (name === "LOGNAME") {
      const flaw = { what: "cron does not let a crontab set LOGNAME", fix: "remove the line", at };
      return this.#warn(number, line, flaw, "logname");
    }
    if (name === "TZ") {
      const what = "TZ is for the commands only; their times are those of the machine's zone";
      this.#warn(number, line, { what, fix: `for the schedules too, write CRON_TZ=${value} above them`, at }, "tz");
    }
    if (name === "MAILTO" && value === "") {
      const what = "`MAILTO` is empty: nobody hears of what the jobs below print";
      this.#warn(number, line, { what, fix: "look it up with `svctl logs JOB`, or name somebody", at }, "mailto");
    }
    this.#environment = { ...this.#environment, [name]: value };
  }

  #zone(number: number, line: string, value: string): void {
    const at = line.indexOf("CRON_TZ");
    const wrong = value === "" ? null : wrongZone(value);
    this.#isZoneUnknown = wrong !== null;
    this.#timezone = value === "" || this.#isZoneUnknown ? null : value;
    if (wrong !== null) {
      const what = `${wrong.what}, so the jobs below are not taken`;
      return this.#mistake(number, line, { what, fix: wrong.fix, at: line.indexOf(value, at) });
    }
    const what = "Debian's cron ignores CRON_TZ; svcd runs the jobs below by that zone";
    this.#warn(number, line, { what, fix: "nothing, if that is meant", at }, "cron-tz");
  }

  #job(number: number, line: string): void {
    this.#hasHadJob = true;
    const reading = readCrontabExpression(line);
    if (!reading.ok) return this.#drop(number, line, asSetting(line) ?? reading.flaw);
    const start = /^[ \t]*/.exec(line)![0].length;
    let at = reading.end;
    let user: string | null = null;
    if (this.#form === "system") {
      user = /^[^ \t]*/.exec(line.slice(at))![0];
      if (user === "" || at + user.length === line.length) {
        const what =
          user === "" ? "the user and the command are missing" : `behind the user ${quoted(user)} there is no command`;
        return this.#drop(number, line, { what, fix: "write the user and the command behind the schedule", at });
      }
      at += /^[^ \t]*[ \t]*/.exec(line.slice(at))![0].length;
    }
    if (line[at] === "*" || user?.startsWith("*")) {
      const what = `behind the five fields comes ${quoted(line.slice(reading.end))}, which is no command`;
      return this.#drop(number, line, { what, fix: "leave a field out; a crontab has no seconds", at: reading.end });
    }
    const bytes = new TextEncoder().encode(line.slice(at)).length;
    if (bytes > LONGEST_COMMAND_BYTES) {
      const what = `the command has ${bytes} bytes; cron takes ${LONGEST_COMMAND_BYTES}`;
      return this.#drop(number, line, { what, fix: "put it into a script", at });
    }
    const annotation = this.#annotation;
    const isBroken = this.#isAnnotationBroken || this.#isZoneUnknown; // The mistake is told where it is.
    this.#forgetAnnotation();
    if (isBroken) {
      this.#dropped.push({ text: line, name: annotation.name, form: this.#form });
      return;
    }
    for (const remark of reading.remarks) this.#warn(number, line, remark, remark.rule);
    this.#jobs.push({
      source: { file: this.#file, line: number, column: start + 1 },
      expression: line.slice(start, reading.end).trimEnd(),
      schedule: reading.schedule,
      timezone: this.#timezone,
      user,
      owner: this.#owner,
      behind: line.slice(reading.end).trim(),
      ...splitCommand(line.slice(at)),
      environment: this.#environment,
      annotation,
    });
  }

  /** A line that would have been a job or a setting. */
  #drop(number: number, line: string, flaw: Flaw): void {
    this.#dropped.push({ text: line, name: this.#annotation.name, form: this.#form });
    this.#forgetAnnotation();
    this.#mistake(number, line, flaw);
  }

  #forgetAnnotation(): void {
    this.#annotation = noAnnotation;
    this.#isAnnotationBroken = false;
    this.#annotationAt = null;
  }

  #mistake(line: number, text: string, flaw: Flaw): void {
    this.#mistakes.push(this.#told(line, text, flaw));
  }

  #warn(line: number, text: string, flaw: Flaw, rule: WarningRule): void {
    this.#warnings.push({ ...this.#told(line, text, flaw), rule });
  }

  #told(line: number, text: string, { what, fix, at = 0 }: Flaw): Mistake {
    return { file: this.#file, line, column: at + 1, what, fix, text };
  }
}

/** Was it meant to set a variable? Then the reason is another than a bad minute. */
function asSetting(line: string): (Flaw & { readonly at: number }) | null {
  const found = /^[ \t]*(export[ \t]+)?([A-Za-z_]\w*)[ \t]*=[ \t]*(.*)$/.exec(line);
  if (found === null) return null;
  const [, exported, name, value = ""] = found;
  const at = line.length - value.length;
  if (exported !== undefined) return { what: "`export` is a word of the shell", fix: `write ${name}=${value}`, at: 0 };
  if (value.trim() === "") return { what: `${name} has no value`, fix: `for an empty one write ${name}=""`, at };
  return {
    what: `the quotes of ${name} do not enclose its value`,
    fix: "put the whole value into one pair of quotes",
    at,
  };
}
