/**
 * `npm run sim -- --seed N` replays one history and tells its story if something breaks; `--shrink` makes that story short;
 * `--seeds FROM..TO` runs many; `--coverage` shows which faults struck in which states.
 */
import { Coverage } from "./coverage.ts";
import { simulateSeed } from "./history.ts";
import { shortStory, shrink } from "./shrink.ts";

const USAGE = "usage: npm run sim -- [--seed N | --seeds FROM..TO] [--turns N] [--shrink] [--coverage]\n";
const MOST_BROKEN = 3;
const STORY_LINES = 120;

function main(words: readonly string[]): number {
  const value = (name: string): string | undefined =>
    words.includes(name) ? words[words.indexOf(name) + 1] : undefined;
  const turns = Number(value("--turns") ?? 2_000);
  const [from, to] = (value("--seeds") ?? `${value("--seed") ?? 1}..${value("--seed") ?? 200}`).split("..").map(Number);
  if (from === undefined || to === undefined || !(from <= to) || !(turns > 0)) {
    process.stderr.write(USAGE);
    return 2;
  }
  const coverage = new Coverage();
  const begun = performance.now();
  let histories = 0;
  let steps = 0;
  let cores = 0;
  let broken = 0;
  for (let seed = from; seed <= to && broken < MOST_BROKEN; seed++) {
    const result = simulateSeed(seed, turns, { coverage });
    histories++;
    steps += result.steps;
    cores += result.coresStarted;
    if (result.broken === null) continue;
    broken++;
    const story = words.includes("--shrink") ? shortStory(shrink(result)) : result.story.slice(-STORY_LINES);
    process.stdout.write(
      `${story.join("\n")}\nseed ${seed}: ${result.broken}\nreplay: npm run sim -- --seed ${seed} --turns ${turns} --shrink\n`,
    );
  }
  const rate = Math.round(steps / ((performance.now() - begun) / 1000));
  if (words.includes("--coverage")) process.stdout.write(`${coverage.table()}\n`);
  process.stdout.write(
    `${histories} histories, ${steps} steps, ${cores} cores started, ${rate} steps/s, ${broken} broken\n`,
  );
  return broken === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
