/** `svctl version`: both of them, because an upgrade may have reached only one. */
import { type Call, say, sayJson } from "./call.ts";
import { EXIT } from "./failure.ts";
import { plain } from "./text.ts";

export const details = `
\`svctl --version\` prints that of svctl without asking svcd.`;

export async function run(call: Call): Promise<number> {
  if (!call.json) say(call.world.out, `svctl ${call.world.version}`);
  const { version } = await call.daemon.health();
  if (call.json) sayJson(call, { svctl: call.world.version, svcd: version });
  else say(call.world.out, `svcd  ${plain(version)}`);
  if (version !== call.world.version)
    say(call.world.err, "svctl: the versions differ: svctl upgrade lets the installed svcd take over");
  return EXIT.done;
}
