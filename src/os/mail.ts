/**
 * A mail as cron writes it (Debian's do_command.c), for sendmail(8). Header lines come from files that people write: no line
 * break of theirs may begin another header.
 */
import type { Launch } from "../ports.ts";

export interface CronMail {
  readonly to: readonly string[];
  /** As whom the job runs. */
  readonly user: string;
  readonly host: string;
  readonly command: string;
  /** Behind the command in the subject: "failure: exit 3"; null: nothing, as in cron. */
  readonly what: string | null;
  readonly date: Date;
  /** Of the job: MAILFROM, CONTENT_TYPE and CONTENT_TRANSFER_ENCODING are for its mails. */
  readonly env: Launch["env"];
  readonly body: string;
}

export function mailText({ to, user, host, command, what, date, env, body }: CronMail): string {
  const headers = {
    From: `${env["MAILFROM"] || user} (Cron Daemon)`,
    To: to.join(", "),
    Subject: `Cron <${user}@${host}> ${command}${what === null ? "" : ` (${what})`}`,
    Date: date.toUTCString().replace("GMT", "+0000"),
    "MIME-Version": "1.0",
    "Content-Type": env["CONTENT_TYPE"] || "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": env["CONTENT_TRANSFER_ENCODING"] || "8bit",
    "Auto-Submitted": "auto-generated",
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${inHeader(value)}\n`);
  return `${lines.join("")}\n${body}`;
}

/** Nobody whose name sendmail would take for an option. */
export function recipientsIn(mailTo: string): string[] {
  return mailTo.split(/[,\s]+/).filter((word) => word !== "" && !word.startsWith("-"));
}

/** As Debian's cron calls it. */
export const SENDMAIL_ARGUMENTS = ["-FCronDaemon", "-i", "-B8BITMIME", "-oem"];

/** RFC 5322 allows 998 characters in a line. Beyond ASCII a header is encoded (RFC 2047). */
function inHeader(text: string): string {
  const line = text.replace(/[\x00-\x1f\x7f]+/g, " ").trim();
  if (/^[\x20-\x7e]*$/.test(line)) return line.slice(0, LONGEST_HEADER);
  const words = line.slice(0, LONGEST_HEADER).match(/[\s\S]{1,10}/gu) ?? [];
  return words.map((word) => `=?UTF-8?B?${Buffer.from(word).toString("base64")}?=`).join("\n ");
}

const LONGEST_HEADER = 900;
