/** `svctl schema`: the JSON Schema of services.d, made when svcd was built. */
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import type { Call } from "./call.ts";
import { EXIT, Failure } from "./failure.ts";

export const details = `
Editors with YAML support check and complete a file whose first line names the schema:
  svctl schema > services.schema.json
  # yaml-language-server: $schema=./services.schema.json`;

export async function run(call: Call): Promise<number> {
  const beside = dirname(call.world.program);
  // Beside the built program; from the source tree, where the build puts it.
  const places = [`${beside}/services.schema.json`, `${beside}/../dist/services.schema.json`];
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
