/**
 * /etc/portal.yaml: `applications:`, a map of `{hostname, external_port, internal_port, open_path, name}`. Read application by
 * application: one that is wrong is told with line and column, and the others count.
 */
import { isMap, isScalar, LineCounter, parseDocument, type YAMLMap } from "yaml";
import { entryOf, type PortalEntry, type ReadList } from "./portal-config.ts";
import type { Remark } from "./remark.ts";

const KEYS = {
  host: "hostname",
  external: "external_port",
  internal: "internal_port",
  path: "open_path",
  name: "name",
};
/** The files that exist have a few hundred bytes. */
const LONGEST = 256 * 1024;

/** null: it cannot be used at all (not YAML, no applications), so PORTAL_CONFIG counts. */
export function readPortalYaml(text: string, file: string): ReadList<PortalEntry> & { readonly isUsable: boolean } {
  const lines = new LineCounter();
  const nothing = (line: string, what: string, fix: string) => ({
    isUsable: false,
    entries: [],
    remarks: [{ is: "mistake", where: `${file}${line}`, what, fix } as const],
  });
  if (text.length > LONGEST) return nothing("", "it is larger than 256 KiB", "PORTAL_CONFIG is used instead");
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: "error" });
  const place = (offset: number | undefined): string => {
    const { line, col } = lines.linePos(offset ?? 0);
    return `:${line}:${col}`;
  };
  const [error] = document.errors;
  if (error !== undefined)
    return nothing(place(error.pos[0]), `it is not YAML: ${error.message}`, "PORTAL_CONFIG is used instead");
  const applications = isMap(document.contents) ? document.contents.get("applications", true) : undefined;
  if (!isMap(applications) || applications.items.length === 0)
    return nothing("", "it has no applications", "PORTAL_CONFIG is used instead");

  const entries: PortalEntry[] = [];
  const remarks: Remark[] = [];
  for (const { key, value } of applications.items) {
    const at = isScalar(key) ? key.range?.[0] : undefined;
    const name = isScalar(key) ? String(key.value) : "";
    if (!isMap(value)) {
      const what = `\`${name}\` is not a map`;
      remarks.push({
        is: "mistake",
        where: `${file}${place(at)}`,
        what,
        fix: `write its ${Object.values(KEYS).join(", ")}`,
      });
      continue;
    }
    const fields = fieldsOf(value);
    const from = `${file}${place(at)}`;
    const entry = entryOf(fields, fields.name || name, from);
    if (!("field" in entry)) entries.push(entry);
    else {
      const wrong = value.get(KEYS[entry.field], true);
      const where = `${file}${place(isScalar(wrong) ? wrong.range?.[0] : at)}`;
      const what = `\`${name}\`, \`${KEYS[entry.field]}\`: ${entry.what}`;
      remarks.push({ is: "mistake", where, what, fix: entry.fix });
    }
  }
  return { isUsable: true, entries, remarks };
}

function fieldsOf(map: YAMLMap): Record<keyof typeof KEYS, string> {
  const text = (key: string): string => {
    const value = map.get(key);
    return typeof value === "string" || typeof value === "number" ? String(value) : "";
  };
  return {
    host: text(KEYS.host) || "localhost",
    external: text(KEYS.external),
    internal: text(KEYS.internal),
    path: text(KEYS.path),
    name: text(KEYS.name),
  };
}
