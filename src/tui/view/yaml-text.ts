/** A value as a person reads it, in YAML's form; what says nothing (null, empty lists) is left out. */
export function asYaml(value: unknown, indent = ""): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((item) => {
      const lines = asYaml(item, `${indent}  `);
      return lines.length === 0 ? [] : [`${indent}- ${lines[0]!.trimStart()}`, ...lines.slice(1)];
    });
  }
  if (typeof value !== "object" || value === null) return [indent + scalar(value)];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (saysNothing(inner)) return [];
    if (typeof inner !== "object") return [`${indent}${key}: ${scalar(inner)}`];
    if (Array.isArray(inner) && inner.every((item) => typeof item !== "object")) {
      return [`${indent}${key}: [${inner.map(scalar).join(", ")}]`];
    }
    return [`${indent}${key}:`, ...asYaml(inner, `${indent}  `)];
  });
}

function saysNothing(value: unknown): boolean {
  return (
    value === null ||
    value === undefined ||
    value === "" ||
    (typeof value === "object" && Object.keys(value).length === 0)
  );
}

function scalar(value: unknown): string {
  if (typeof value !== "string") return String(value);
  return value === "" || /^[\s>|&*!%@`"'#-]|: |\n| $/.test(value) ? JSON.stringify(value) : value;
}
