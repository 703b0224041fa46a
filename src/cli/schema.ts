/** `svctl schema`: the JSON Schema of a kind of file, made when svcd was built. */
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { suggestion } from "../plan/suggest.ts";
import type { Call } from "./call.ts";
import { EXIT, Failure, usage } from "./failure.ts";

export const details = `
Of the files in services.d; with \`jobs\` of the YAML files in cron.d, with \`settings\` of svcd.yaml, with
\`provisioning\` of the files in provisioning.d. Editors with YAML support
check and complete a file whose first line names the schema:
  svctl schema jobs > jobs.schema.json
  # yaml-language-server: $schema=./jobs.schema.json`;

export const KINDS = ["services", "jobs", "settings", "provisioning"] as const;

export async function run(call: Call): Promise<number> {
  const [kind = "services"] = call.words;
  if (!(KINDS as readonly string[]).includes(kind)) {
    throw usage(`there is no schema of \`${kind}\``, suggestion(kind, KINDS, `there are ${KINDS.join(", ")}`));
  }
  const beside = dirname(call.world.program);
  // Beside the built program; from the source tree, where the build puts it.
  const places = [`${beside}/${kind}.schema.json`, `${beside}/../dist/${kind}.schema.json`];
  for (const path of places) {
    const text = read(path);
    if (text === null) continue;
    call.world.out.write(text);
    return EXIT.done;
  }
  throw new Failure(EXIT.failed, "the schema is missing from this installation", {
    where: places[0]!,
    fix: "build svcd again (npm run build), or install it again",
  });
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
