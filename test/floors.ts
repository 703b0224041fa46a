/**
 * The floors of the house as a table: who may import what, and which words the deciding parts may not use. ARCHITECTURE.md
 * tells why; `floors.test.ts` holds the sources against it. Imports point down only.
 */
import { isBuiltin } from "node:module";
import { posix } from "node:path";
import { lineAt, readSource } from "./source-text.ts";

interface Floor {
  /** Folders (with a slash at the end) and single files. */
  readonly parts: readonly string[];
  /**
   * What may be imported besides the part itself: folders and files of ours, `node:*`, `npm:*` for any package, `npm:NAME`
   * for one. With `type ` in front: as `import type` only.
   */
  readonly may: readonly string[];
  readonly why: string;
  /** No clock, chance or promise of its own: what it needs of the world comes in as an argument or a port. */
  readonly pure?: true;
}

/** What decides, besides the reading of files. */
const DECIDING = [
  "src/service/",
  "src/probe/",
  "src/phase/",
  "src/schedule/",
  "src/recipe/",
  "src/idle/",
  "src/gpu/",
  "src/ports.ts",
  "src/places.ts",
  "src/beat.ts",
];
const GROUND = ["src/plan/", ...DECIDING];
const CLIENT = [
  "src/control/client.ts",
  "src/control/wire.ts",
  "src/control/daemon.ts", // The words that the client answers with.
  "src/places.ts",
  "src/plan/mistake.ts",
  "src/plan/suggest.ts",
  "src/plan/units.ts",
  "src/plan/words.ts",
];

/** What is asked of schedules and crontabs needs no daemon: it is arithmetic on what the person wrote. */
const ARITHMETIC = [
  ...["clock-changes.ts", "explain.ts", "expression.ts", "lint.ts", "next.ts", "zone.ts"].map(
    (file) => `src/schedule/${file}`,
  ),
  ...["src/plan/crontab.ts", "src/plan/crontab-lint.ts", "src/plan/crontab-user.ts", "src/plan/cron-directory.ts"],
  ...["type src/schedule/", "type src/plan/"],
  "src/plan/job-lint.ts", // For tests; svctl loads it from beside itself.
];

/** The deciding half of provisioning: what is to be done, what an answer means, what is worth telling. */
const PROVISIONING_DECIDES = [
  ...["schema.ts", "step.ts", "variables.ts", "read.ts", "memory.ts", "secrets.ts", "sizes.ts", "progress.ts"],
  ...["reply.ts", "result.ts", "hub-files.ts", "report.ts"],
].map((file) => `src/provisioning/${file}`);

const FLOORS: readonly Floor[] = [
  {
    parts: ["src/provisioning/json-schema.ts"],
    may: [...GROUND, ...PROVISIONING_DECIDES],
    why: "only the build makes schemas",
    pure: true,
  },
  {
    parts: PROVISIONING_DECIDES,
    may: [...GROUND, ...PROVISIONING_DECIDES, "node:crypto", "node:path", "npm:valibot"],
    why: "what provisioning decides it decides from text and numbers",
    pure: true,
  },
  {
    parts: ["src/provisioning/"],
    // How the machine is asked what `when:` wants to know.
    may: [
      ...[...GROUND, "src/keeper/lock.ts", "node:*"],
      ...["src/os/accounts.ts", "src/os/machine-facts.ts", "src/os/port-holder.ts"],
    ],
    why: "provisioning is a program of its own: it needs no daemon",
  },
  {
    parts: ["src/plan/json-schema.ts"],
    may: [...GROUND, "npm:yaml", "npm:valibot", "npm:@valibot/to-json-schema"],
    why: "the plan is read from text alone",
    pure: true,
  },
  {
    parts: ["src/plan/"],
    may: [...GROUND, "npm:yaml", "npm:valibot"],
    why: "the plan is read from text alone",
    pure: true,
  },
  {
    parts: ["src/schedule/extended-grammar.ts"],
    may: [...GROUND, "npm:node-cron"],
    why: "of node-cron only the grammar is used, in one file: it drops late runs",
    pure: true,
  },
  {
    parts: DECIDING,
    may: GROUND,
    why: "the ground floor decides and never acts",
    pure: true,
  },
  {
    parts: ["src/supervisor/"],
    may: GROUND,
    why: "the supervisor knows the world by its ports only",
    pure: true,
  },
  {
    parts: ["src/checked-journal.ts"],
    may: ["node:fs", "node:path", "node:zlib"],
    why: "it is what both processes write their journals with",
    pure: true,
  },
  {
    parts: ["src/own-memory.ts"],
    may: [],
    why: "both processes give back what they do not need, each for itself",
  },
  {
    parts: ["src/own-priority.ts"],
    may: ["node:fs", "node:os"],
    why: "both processes raise themselves, and neither what it starts",
  },
  {
    parts: ["src/keeper/"],
    may: [
      "node:*",
      "src/places.ts",
      "src/checked-journal.ts",
      "src/own-priority.ts",
      "src/own-memory.ts",
      "src/beat.ts",
    ],
    why: "the keeper must almost never need to change",
  },
  {
    parts: ["src/os/"],
    may: [...GROUND, "src/checked-journal.ts", "src/own-priority.ts", "src/keeper/messages.ts", "node:*", "npm:*"],
    why: "the edge never decides",
  },
  {
    parts: ["src/sim/"],
    may: [...GROUND, "src/supervisor/", "src/keeper/messages.ts"],
    why: "the simulated world has nothing real in it",
  },
  {
    parts: ["src/control/"],
    may: [
      ...GROUND,
      "src/supervisor/answers.ts", // The words that go over the wire.
      "src/supervisor/job-answers.ts",
      "type src/supervisor/",
      "type src/keeper/messages.ts",
      "node:*",
      "npm:valibot",
      "npm:@valibot/to-json-schema",
    ],
    why: "the protocol asks the supervisor and decides nothing",
  },
  {
    parts: ["src/cli/"],
    // Who is who is asked of the machine; the terminal UI comes in from the roof.
    may: [
      ...CLIENT,
      ...ARITHMETIC,
      "src/os/accounts.ts",
      "src/gateway/token-book.ts",
      "src/gateway/secret-file.ts",
      "src/gateway/tunnel-report.ts",
      "src/gateway/routes-report.ts",
      "type src/tui/main.ts",
      "node:*",
      "npm:*",
    ],
    why: "svctl knows the daemon by its control client only",
  },
  {
    parts: ["src/tui/text/", "src/tui/model/", "src/tui/view/"],
    may: ["src/tui/text/", "src/tui/model/", "src/tui/view/", "type src/control/daemon.ts"],
    why: "what is on the screen is made from the model alone",
    pure: true,
  },
  {
    parts: ["src/tui/", "src/portal/", "src/gateway/", "src/ssh/"],
    may: [...CLIENT, "src/plan/address.ts", "type src/plan/", "node:*", "npm:*"],
    why: "a front knows the daemon by its control client only",
  },
  {
    parts: ["src/score-cpu/onnx.ts"],
    may: ["src/score-cpu/", "node:*", "npm:@huggingface/transformers"], // Not installed with svcd: it asks whether it is there.
    why: "a real model needs a large package, which nobody else may need",
  },
  { parts: ["src/score-cpu/"], may: ["node:*"], why: "score-cpu is a service like anybody's, it stands alone" },
];

const ROOF = [
  "src/svcd.ts",
  "src/core.ts",
  "src/check.ts",
  "src/local-daemon.ts",
  "src/local-jobs.ts",
  "src/local-idle.ts",
  "src/svctl.ts",
  "src/gateway.ts",
  "src/tunnels.ts",
];
/** What tests may import besides what their part may, and all of Node: a test may ask the real shell what is right. */
const FOR_TESTS = ["npm:fast-check", "test/file-limit.ts"];

/** A name that says nothing about what is inside, so that anything ends up there. */
const NAMELESS = /^(utils?|helpers?|common|managers?|misc)$/;

const WORLD: readonly RegExp[] = [
  // As the type of an argument, or made from one, a date is only data; made from nothing it reads the clock.
  /(?<![.\w$])(?<!:\s)(?<!new\s)Date\b(?!\s*\.\s*UTC\b)|\bDate\s*\.\s*(?!UTC\b)\w+|\bnew\s+Date\b(?!\s*\(\s*[^\s)])/g,
  /\bMath\s*\.\s*random\b/g,
  /(?<![.\w$])(?:setTimeout|setInterval|setImmediate|queueMicrotask|performance|globalThis)\b(?!\??:)/g,
  // Our own words for a running program may be called so; Node's object is told by what is asked of it.
  /(?<![.\w$])process\s*\??\.\s*(?:argv|arch|abort|chdir|cpuUsage|cwd|emit\w*|env|exec\w*|exit\w*|get\w+|hrtime|kill|memoryUsage|nextTick|off|on|once|platform|release|std\w+|title|umask|uptime|versions?)\b/g,
  /(?<![.\w$])(?:Promise|async|await)\b(?!\??:)/g,
];

/** One sentence for everything in this file that breaks a rule. */
export function mistakesIn(file: string, source: string): string[] {
  const nameless = file.split("/").find((part) => NAMELESS.test(part.replace(/(\.test)?\.ts$/, "")));
  const mistakes = nameless === undefined ? [] : [`${file}: "${nameless}" says nothing: name it after its idea`];

  const { imports, code } = readSource(source);
  const floor = floorOf(file);
  if (floor === null)
    return [...mistakes, `${file}: belongs to no floor; put it into a folder that has one (test/floors.ts)`];

  const isTest = file.endsWith(".test.ts");
  for (const { target, typeOnly, line } of imports) {
    if (floor === "roof") continue;
    if (target === null) {
      mistakes.push(`${file}:${line}: imports something that is not a plain string, so no floor can be checked`);
      continue;
    }
    if (isTest && (FOR_TESTS.includes(absolute(file, target)) || isBuiltin(target))) continue;
    if (!isAllowed(absolute(file, target), floor, file, typeOnly)) {
      mistakes.push(`${file}:${line}: imports "${target}", but ${rule(floor, file)}`);
    }
  }
  if (floor !== "roof" && floor.pure && !isTest) {
    for (const word of WORLD.flatMap((pattern) => [...code.matchAll(pattern)])) {
      const what = `${file}:${lineAt(code, word.index)}: uses ${word[0]}`;
      mistakes.push(`${what}, but time, chance and waiting come in as arguments here (${floor.why})`);
    }
  }
  return mistakes;
}

function floorOf(file: string): Floor | "roof" | null {
  const production = file.replace(/\.test\.ts$/, ".ts");
  if (ROOF.includes(production)) return "roof";
  return FLOORS.find(({ parts }) => parts.some((part) => covers(part, production))) ?? null;
}

function isAllowed(target: string, floor: Floor, file: string, typeOnly: boolean): boolean {
  const part = partOf(floor, file);
  return [part, ...floor.may].some((entry) => {
    const [, onlyTypes, allowed] = /^(type )?(.*)$/.exec(entry)!;
    return (onlyTypes === undefined || typeOnly) && covers(allowed!, target);
  });
}

/** "src/plan/" covers what is in it, "node:*" what begins so, anything else itself. */
function covers(entry: string, target: string): boolean {
  if (entry.endsWith("/")) return target.startsWith(entry);
  if (entry.endsWith("*")) return target.startsWith(entry.slice(0, -1));
  return target === entry || (entry.startsWith("npm:") && target.startsWith(`${entry}/`));
}

function partOf(floor: Floor, file: string): string {
  return floor.parts.find((part) => covers(part, file.replace(/\.test\.ts$/, ".ts")))!;
}

function absolute(file: string, target: string): string {
  if (target.startsWith(".")) return posix.join(posix.dirname(file), target);
  if (isBuiltin(target)) return target.startsWith("node:") ? target : `node:${target}`;
  return `npm:${target}`;
}

function rule(floor: Floor, file: string): string {
  const others = floor.may.length === 0 ? "nothing else" : floor.may.join(", ");
  return `${partOf(floor, file)} may import itself and ${others} (${floor.why})`;
}
