/** `npm run torture`: a minute by default; with what came of it as a table, and exit 1 if a promise was broken. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { DEEDS } from "./deeds.ts";
import { torture } from "./torture.ts";

const HELP = `npm run torture -- [--seconds N] [--seed N] [--services N] [--rate N] [--only TEXT] [--patience N]

  --seconds   how long deeds are done (60)
  --seed      which deeds, in which order (random); when exactly they meet svcd is up to the machine
  --services  writers of numbered lines (20)
  --rate      deeds a second (4)
  --only      deeds with this in their name ("kill the core")
  --patience  seconds after which something is late (10)
`;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 1e9)) },
    services: { type: "string", default: "20" },
    rate: { type: "string", default: "4" },
    only: { type: "string", default: "" },
    patience: { type: "string", default: "10" },
    help: { type: "boolean", default: false },
  },
});
const [seconds, seed, services, rate, patience] = [
  values.seconds,
  values.seed,
  values.services,
  values.rate,
  values.patience,
].map(Number) as [number, number, number, number, number];

const isKnown = DEEDS.some(({ name }) => name.includes(values.only));
if (values.help || !isKnown || !(seconds > 0 && seed >= 0 && services > 0 && rate > 0 && patience > 0)) {
  process.stdout.write(HELP);
  process.exit(values.help ? 0 : 2);
}

const only = values.only === "" ? "" : ` --only "${values.only}"`;
const replay = `npm run torture -- --seed ${seed} --seconds ${seconds} --services ${services} --rate ${rate}${only}`;
process.stdout.write(`replay: ${replay}\n`);
const onProgress = (line: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${line}`);
};
const ledger = await torture({
  seconds,
  seed,
  services,
  rate,
  only: values.only,
  patienceMs: patience * 1000,
  onProgress,
});
onProgress("");
process.stdout.write(ledger.table());
for (const promise of ledger.broken) process.stdout.write(`BROKEN: ${promise}\n`);
if (ledger.brokenAll > ledger.broken.length)
  process.stdout.write(`and ${ledger.brokenAll - ledger.broken.length} more\n`);
if (ledger.brokenAll > 0) {
  const story = join(mkdtempSync(join(tmpdir(), "svcd-torture-")), "story.log");
  writeFileSync(story, `${ledger.story.join("\n")}\n`);
  process.stdout.write(`what was done, seen and logged, in order: ${story}\n`);
}
process.exit(ledger.brokenAll === 0 ? 0 : 1);
