/**
 * The JSON Schema (draft-07) that editors use while someone writes a file of services or jobs, made from the definitions that read it.
 *
 * Only the build imports this file: the converter is no part of what runs.
 */
import { toJsonSchema } from "@valibot/to-json-schema";
import { jobShape } from "./job-schema.ts";
import { NAME_PATTERN } from "./name.ts";
import { conditionShape, serviceShape, settingsShape } from "./schema.ts";
import type { Shape } from "./shape.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

/** For `services.d/*.yaml`: the keys of one service, or several services under `services:`. */
export function servicesJsonSchema(): JsonSchema {
  return oneOrSeveral("service", "services", "services.d", serviceShape);
}

/** For `cron.d/*.yaml`: the keys of one job, or several jobs under `jobs:`. */
export function jobsJsonSchema(): JsonSchema {
  return oneOrSeveral("job", "jobs", "cron.d", jobShape);
}

function oneOrSeveral(kind: string, plural: string, directory: string, shape: Shape<unknown>): JsonSchema {
  const { $defs, $schema, ...one } = converted(shape);
  return {
    $schema,
    title: `svcd ${plural}`,
    description: `A file in ${directory}: one ${kind} named after the file, or several under \`${plural}:\`.`,
    type: "object",
    if: { required: [plural] },
    then: {
      properties: {
        [plural]: {
          type: "object",
          description: `${kind === "job" ? "Jobs" : "Services"} by name.`,
          propertyNames: { pattern: NAME_PATTERN.source, maxLength: 100 },
          additionalProperties: { $ref: `#/definitions/${kind}` },
        },
      },
      patternProperties: { "^x-": {} },
      additionalProperties: false,
    },
    else: { $ref: `#/definitions/${kind}` },
    definitions: { ...($defs as object), [kind]: one },
  };
}

/** For `svcd.yaml`. */
export function settingsJsonSchema(): JsonSchema {
  const { $defs: _, ...schema } = converted(settingsShape);
  return {
    title: "svcd settings",
    description: "svcd.yaml: settings of the daemon.",
    ...schema,
  };
}

/** JSON Schema of a shape of ours; `condition` is defined once. */
export function converted(shape: Shape<unknown>): Record<string, unknown> {
  return toJsonSchema(shape, {
    target: "draft-07",
    errorMode: "throw",
    definitions: { condition: conditionShape },
    overrideRef: ({ referenceId }) => `#/definitions/${referenceId}`,
    // Keys of the writer's own, as in Compose.
    overrideSchema: ({ valibotSchema, jsonSchema }) =>
      valibotSchema.type === "strict_object" ? { ...jsonSchema, patternProperties: { "^x-": {} } } : undefined,
  }) as Record<string, unknown>;
}
