/** `svctl pid`: process ids, for scripts. */
import { type Call, say, sayJson } from "./call.ts";
import { EXIT } from "./failure.ts";
import { asked } from "./names.ts";

export const details = `
Without a name: the pid of svcd, that is of its keeper, the parent of all services. With names: one pid a line, in the
order of the names, 0 for a service that does not run (then the exit code is 1).`;

export async function run(call: Call): Promise<number> {
  if (call.words.length === 0) {
    const { keeper, core } = await call.daemon.health();
    if (call.json) sayJson(call, { keeper, core });
    else say(call.world.out, String(keeper));
    return EXIT.done;
  }
  const statuses = await call.daemon.services(asked(call.words));
  if (call.json)
    sayJson(
      call,
      statuses.map(({ name, pid }) => ({ name, pid })),
    );
  else for (const { pid } of inOrderOf(call.words, statuses)) say(call.world.out, String(pid ?? 0));
  return statuses.every(({ pid }) => pid !== null) ? EXIT.done : EXIT.failed;
}

/** Plain names in the order they were given; what a pattern adds comes after them. */
function inOrderOf<T extends { readonly name: string }>(words: readonly string[], all: readonly T[]): readonly T[] {
  const place = ({ name }: T) => (words.includes(name) ? words.indexOf(name) : words.length);
  return [...all].sort((a, b) => place(a) - place(b));
}
