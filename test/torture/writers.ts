/**
 * The services of the torture: writers of numbered lines, in the ways in which programs write. Each notes in
 * `progress/NAME.RUN` how far it has come *after* it has written so far: what is noted must be in the log.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Box } from "../scenarios/box.ts";

/** Bursts with pauses: together they load the machine, and one of them alone does not fill a disk. */
const PROGRAMS = {
  /** One write for each line, to both of its streams, which are kept in one file. */
  "lines.sh": `
n=0
while :; do
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    n=$((n + 1)); echo "$1 $RUN $n"
    n=$((n + 1)); echo "$1 $RUN $n" >&2
  done
  echo $n >> "progress/$1.$RUN"
  sleep 0.2
done`,
  /** In blocks that end inside of lines. */
  "blocks.sh": `
exec awk -v who="$1 $RUN" -v note="progress/$1.$RUN" 'BEGIN {
  for (;;) {
    for (i = 0; i < 2000; i++) print who, ++n
    fflush()
    print n >> note; close(note)
    system("sleep 0.2")
  }
}'`,
  /** More at once than a pipe holds. */
  "flood.sh": `
exec awk -v who="$1 $RUN" -v note="progress/$1.$RUN" 'BEGIN {
  for (;;) {
    for (i = 0; i < 60000; i++) print who, ++n
    fflush()
    print n >> note; close(note)
    system("sleep 0.5")
  }
}'`,
  /** A whole list with one write, which the kernel takes in parts. */
  "lists.cjs": `
const { appendFileSync, writeSync } = require("node:fs");
const [name] = process.argv.slice(2);
let n = 0;
setInterval(() => {
  const list = Buffer.from(Array.from({ length: 1000 }, () => \`\${name} \${process.env.RUN} \${++n}\\n\`).join(""));
  for (let done = 0; done < list.length; ) done += writeSync(1, list, done);
  appendFileSync(\`progress/\${name}.\${process.env.RUN}\`, \`\${n}\\n\`);
}, 50);`,
} as const;

type Program = keyof typeof PROGRAMS;

export interface Writer {
  readonly name: string;
  readonly program: Program;
  /** Nobody touches it: it must be the same process from the first moment to the last. */
  readonly isBystander: boolean;
}

/** Of ten; most write little, as most services do. */
const TURNS: readonly Program[] = [
  ...(["lines.sh", "blocks.sh", "flood.sh", "lists.cjs", "lines.sh"] as const),
  ...(["blocks.sh", "lines.sh", "lines.sh", "lines.sh", "lines.sh"] as const),
];

export function writers(count: number): Writer[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `w${index + 1}`,
    program: TURNS[index % TURNS.length]!,
    isBystander: index % 3 === 2,
  }));
}

export function prepareWriters(box: Box, all: readonly Writer[]): void {
  mkdirSync(box.path("writers"));
  mkdirSync(box.path("progress"));
  for (const [file, text] of Object.entries(PROGRAMS)) writeFileSync(box.path("writers", file), `${text.trim()}\n`);
  for (const writer of all) box.write(`${writer.name}.yaml`, definition(writer, 0, 0));
}

/** `edition` restarts it when it changes, `remark` does not. */
export function definition({ name, program }: Writer, edition: number, remark: number): string {
  const interpreter = program.endsWith(".cjs") ? process.execPath : "sh";
  return `description: ${remark}
command: sh -c 'RUN=$\${SVCD_RUN##*#}; export RUN; exec ${interpreter} writers/${program} ${name}'
environment: { EDITION: "${edition}" }
startsecs: 0s
restart: always
backoff: { first: 1ms, longest: 20ms }
give_up: never
stop_grace_period: 20s
logs: { max_size: 2M, keep: 50, compress: false }
`;
}

/** For each run how many lines it had certainly written. */
export function progressOf(box: Box, name: string): Map<number, number> {
  const runs = readdirSync(box.path("progress"))
    .filter((file) => file.startsWith(`${name}.`))
    .map((file) => Number(file.slice(name.length + 1)));
  return new Map(
    runs.map((run) => [run, lastNumber(readFileSync(join(box.path("progress"), `${name}.${run}`), "utf8"))]),
  );
}

/** Of the whole lines; 0: there is none. */
function lastNumber(text: string): number {
  return Number(text.split("\n").at(-2) ?? 0);
}
