/** The JSON Schema (draft-07) of files in provisioning.d, for editors. Only the build imports this file. */
import { converted, type JsonSchema } from "../plan/json-schema.ts";
import { provisioningShape } from "./schema.ts";

export function provisioningJsonSchema(): JsonSchema {
  const { $defs, $schema, ...shape } = converted(provisioningShape);
  return {
    $schema,
    title: "svcd provisioning",
    description: "A file in provisioning.d: steps that set the machine up, each done once.",
    ...shape,
    definitions: $defs,
  };
}
