/**
 * `svctl token`: what opens the gateway. The main token is printed; others are made, listed and revoked. It reads and writes
 * the files of the gateway, which need not run: it looks at them at most a second later.
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readOrMake, writeSecret } from "../gateway/secret-file.ts";
import {
  bookText,
  GATEWAY_STATE,
  hashOf,
  MAIN_TOKEN_FILE,
  type NamedToken,
  newToken,
  parseBook,
  parseRate,
  rateText,
  TOKENS_FILE,
  tokenNameFlaw,
} from "../gateway/token-book.ts";
import { parseDuration } from "../plan/units.ts";
import { type Call, say, sayJson } from "./call.ts";
import { locked } from "./crontab-file.ts";
import { EXIT, Failure, usage } from "./failure.ts";
import { table } from "./table.ts";
import { plain } from "./text.ts";

export const details = `
  svctl token                                the main token, made if there is none yet
  svctl token add ci --scope vllm --rate 10/s --expires 30d --read-only
  svctl token list
  svctl token revoke ci
A new token is printed once; only its hash is kept. Revoked ones open nothing a second later, open connections included.`;

export async function run(call: Call): Promise<number> {
  const [verb, ...names] = call.words;
  switch (verb) {
    case undefined:
      return printMain(call);
    case "add":
      return add(call, names);
    case "list":
      return list(call);
    case "revoke":
    case "remove":
      return revoke(call, names);
    default:
      throw usage(`\`token\` has no \`${verb}\``, "write svctl token, token add NAME, token list or token revoke NAME");
  }
}

/** The most that anybody needs; each is compared with whatever comes in. */
const MOST_TOKENS = 1_000;

function directoryOf(call: Call): string {
  const directory = join(call.places.state, GATEWAY_STATE);
  return attempt(directory, () => {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    return directory;
  });
}

function printMain(call: Call): number {
  const path = join(directoryOf(call), MAIN_TOKEN_FILE);
  const token = attempt(path, () => readOrMake(path, newToken));
  if (call.json) sayJson(call, { token });
  else say(call.world.out, token);
  return EXIT.done;
}

function add(call: Call, [name, ...more]: readonly string[]): number {
  if (name === undefined || more.length > 0) throw usage("`token add` needs one name", "write svctl token add NAME");
  const flaw = tokenNameFlaw(name);
  if (flaw !== null) throw usage(`\`${name}\` cannot be the name of a token`, flaw);
  const { scope, expires, rate } = call.options;
  const lifetime = expires === undefined ? null : parseDuration(expires);
  if (lifetime?.ok === false) throw usage(lifetime.flaw.what, lifetime.flaw.fix);
  const limit = rate === undefined ? null : parseRate(rate);
  if (rate !== undefined && limit === null)
    throw usage(`\`${rate}\` is not a rate`, "write it like 10/s, 100/m or 1000/h");
  const services =
    scope === undefined
      ? null
      : scope
          .split(",")
          .map((one) => one.trim())
          .filter((one) => one !== "");
  if (services?.length === 0) throw usage("`--scope` names nothing", "name services, separated by commas");
  const now = call.world.now();
  const token = newToken();
  const entry: NamedToken = {
    name,
    sha256: hashOf(token),
    createdAt: now.toISOString(),
    services,
    readOnly: call.options["read-only"] !== undefined,
    expiresAt: lifetime === null ? null : new Date(now.getTime() + lifetime.value).toISOString(),
    rate: limit,
  };
  change(call, (tokens) => {
    if (tokens.some((one) => one.name === name))
      throw new Failure(EXIT.failed, `there is a token \`${name}\` already`, {
        fix: `svctl token revoke ${name}, or another name`,
      });
    if (tokens.length >= MOST_TOKENS)
      throw new Failure(EXIT.failed, `there are ${MOST_TOKENS} tokens`, { fix: "revoke some" });
    return [...tokens, entry];
  });
  if (call.json) sayJson(call, { ...entry, token });
  else {
    say(call.world.out, token);
    say(call.world.err, `${name}: ${aboutToken(entry)}. It is not shown again.`);
  }
  return EXIT.done;
}

function list(call: Call): number {
  const tokens = read(join(directoryOf(call), TOKENS_FILE));
  if (call.json) {
    sayJson(call, tokens);
    return EXIT.done;
  }
  if (tokens.length === 0) {
    say(call.world.out, "There is only the main token: svctl token");
    return EXIT.done;
  }
  const isOver = ({ expiresAt }: NamedToken) =>
    expiresAt !== null && Date.parse(expiresAt) <= call.world.now().getTime();
  const rows = tokens.map((token) => [
    { text: plain(token.name) },
    { text: token.createdAt.slice(0, 10) },
    { text: isOver(token) ? "expired" : plain(aboutToken(token)) },
  ]);
  const { out } = call.world;
  const head = ["NAME", "MADE", "OPENS"].map((text) => ({ text }));
  for (const line of table([head, ...rows], out.isTTY ? out.columns() : null)) say(out, line);
  return EXIT.done;
}

function revoke(call: Call, names: readonly string[]): number {
  if (names.length === 0) throw usage("`token revoke` needs a name", "svctl token list shows them");
  change(call, (tokens) => {
    const unknown = names.filter((name) => !tokens.some((one) => one.name === name));
    if (unknown.length > 0)
      throw new Failure(EXIT.unreachable, `there is no token ${unknown.join(", ")}`, {
        fix: "svctl token list shows them",
      });
    return tokens.filter(({ name }) => !names.includes(name));
  });
  if (call.json) sayJson(call, { revoked: names });
  else for (const name of names) say(call.world.out, `${name}: revoked`);
  return EXIT.done;
}

function change(call: Call, edit: (tokens: readonly NamedToken[]) => readonly NamedToken[]): void {
  const directory = directoryOf(call);
  const path = join(directory, TOKENS_FILE);
  locked(directory, () => {
    const tokens = edit(read(path));
    attempt(path, () => writeSecret(path, bookText(tokens).trimEnd()));
  });
}

function read(path: string): NamedToken[] {
  if (!existsSync(path)) return [];
  try {
    return parseBook(readFileSync(path, "utf8"));
  } catch (error) {
    throw new Failure(EXIT.failed, `the book of tokens cannot be read: ${(error as Error).message}`, {
      where: path,
      fix: "mend it, or remove it and make the tokens anew",
    });
  }
}

function aboutToken({ services, readOnly, expiresAt, rate }: NamedToken): string {
  return [
    services === null ? "everything" : services.join(", "),
    ...(readOnly ? ["only reading"] : []),
    ...(rate === null ? [] : [`at most ${rateText(rate)}`]),
    ...(expiresAt === null ? [] : [`until ${expiresAt.slice(0, 16).replace("T", " ")} UTC`]),
  ].join("; ");
}

function attempt<T>(where: string, act: () => T): T {
  try {
    return act();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const fix = code === "EACCES" || code === "EPERM" ? "run it as the user that svcd runs as" : null;
    throw new Failure(EXIT.failed, message, { where, fix });
  }
}
