/**
 * The JSON Schema (draft-07) that editors use while someone writes a service file, made from the definitions that read it.
 *
 * Only the build imports this file: the converter is no part of what runs.
 */
import { toJsonSchema } from "@valibot/to-json-schema";
import { NAME_PATTERN } from "./name.ts";
import { conditionShape, serviceShape, settingsShape } from "./schema.ts";
import type { Shape } from "./shape.ts";

export type JsonSchema = Readonly<Record<string, unknown>>;

/** For `services.d/*.yaml`: the keys of one service, or several services under `services:`. */
export function servicesJsonSchema(): JsonSchema {
  const { $defs, $schema, ...service } = converted(serviceShape);
  return {
    $schema,
    title: "svcd services",
    description: "A file in services.d: one service named after the file, or several under `services:`.",
    type: "object",
    if: { required: ["services"] },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: {
      properties: {
        services: {
          type: "object",
          description: "Services by name.",
          propertyNames: { pattern: NAME_PATTERN.source, maxLength: 100 },
          additionalProperties: { $ref: "#/definitions/service" },
        },
      },
      patternProperties: { "^x-": {} },
      additionalProperties: false,
    },
    else: { $ref: "#/definitions/service" },
    definitions: { ...($defs as object), service },
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

function converted(shape: Shape<unknown>): Record<string, unknown> {
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
