/**
 * `npm run sim -- --seed N` replays one history and tells its story if something breaks; `--seeds FROM..TO` runs many.
 */
import { simulateSeed } from "./run.ts";

function main(words: readonly string[]): void {
  const value = (name: string): string | undefined => {
    const index = words.indexOf(name);
    return index === -1 ? undefined : words[index + 1];
  };
  const steps = Number(value("--steps") ?? 2_000);
  const [from, to] = (value("--seeds") ?? `${value("--seed") ?? 1}..${value("--seed") ?? 200}`).split("..").map(Number);
  if (from === undefined || to === undefined || !(from <= to) || !(steps > 0)) {
    process.stderr.write("usage: npm run sim -- [--seed N | --seeds FROM..TO] [--steps N]\n");
    process.exit(2);
  }
  const begun = performance.now();
  let total = 0;
  let cores = 0;
  let broken = 0;
  for (let seed = from; seed <= to; seed++) {
    const result = simulateSeed(seed, steps);
    total += result.steps;
    cores += result.coresStarted;
    if (result.broken === null) continue;
    broken++;
    process.stdout.write(
      `${result.story.join("\n")}\nseed ${seed}: ${result.broken}\nreplay: npm run sim -- --seed ${seed}\n`,
    );
    if (broken >= 3) break;
  }
  const seconds = (performance.now() - begun) / 1000;
  const rate = Math.round(total / seconds);
  process.stdout.write(
    `${to - from + 1} histories, ${total} steps, ${cores} cores started, ${rate} steps/s, ${broken} broken\n`,
  );
  process.exit(broken === 0 ? 0 : 1);
}

main(process.argv.slice(2));
