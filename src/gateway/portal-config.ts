/**
 * PORTAL_CONFIG, PORTAL_LINKS and AUTH_EXCLUDE: lists in one variable each, read entry by entry. What is wrong with one entry
 * is told with its place, and all others count.
 *
 *   PORTAL_CONFIG   hostname:external:internal:path:name|…      the name may hold colons, the path may not
 *   PORTAL_LINKS    Label|URL|Description,…
 *   AUTH_EXCLUDE    8080,8265                                   external ports
 */
import { parsePort } from "../plan/address.ts";
import type { Remark } from "./remark.ts";

export interface PortalEntry {
  readonly name: string;
  readonly host: string;
  readonly external: number;
  readonly internal: number;
  readonly path: string;
  /** Where it was written. */
  readonly from: string;
}

export interface PortalLink {
  readonly label: string;
  readonly url: string;
  readonly description: string;
}

export interface ReadList<T> {
  readonly entries: readonly T[];
  readonly remarks: readonly Remark[];
}

export function readPortalConfig(text: string): ReadList<PortalEntry> {
  const names = new Set<string>();
  return readList<PortalEntry>(text, "PORTAL_CONFIG", "|", (written, from) => {
    const entry = portalEntry(written, from);
    if ("what" in entry) return entry;
    if (names.has(entry.name))
      return { what: `there is another entry called \`${entry.name}\``, fix: "give one of the two another name" };
    names.add(entry.name);
    return entry;
  });
}

export function readPortalLinks(text: string): ReadList<PortalLink> {
  return readList<PortalLink>(text, "PORTAL_LINKS", ",", (written) => {
    const [label = "", url = "", ...description] = written.split("|").map((part) => part.trim());
    if (label === "" || !/^https?:\/\/\S+$/i.test(url) || !URL.canParse(url))
      return { what: `\`${written.trim()}\` is not a link`, fix: "write Label|https://…|Description" };
    return { label, url, description: description.join("|") };
  });
}

export function readPorts(text: string, variable: string): ReadList<number> {
  return readList<number>(text, variable, ",", (written) => {
    const port = parsePort(written.trim());
    return port.ok ? port.value : port.flaw;
  });
}

interface Flaw {
  readonly what: string;
  readonly fix: string;
  /** Characters into the entry. */
  readonly at?: number;
}

/** Of a port written by hand and of one in portal.yaml the same is expected. */
export function entryOf(
  fields: { readonly host: string; readonly external: string; readonly internal: string; readonly path: string },
  name: string,
  from: string,
): PortalEntry | (Flaw & { readonly field: "host" | "external" | "internal" | "path" | "name" }) {
  const { host } = fields;
  const path = fields.path === "" ? "/" : fields.path;
  if (!/^[A-Za-z0-9._-]+$|^\[[0-9A-Fa-f:.]+\]$/.test(host))
    return { field: "host", what: `\`${host}\` is not a host`, fix: "write localhost, a name or an address" };
  const external = parsePort(fields.external);
  if (!external.ok) return { field: "external", ...external.flaw };
  const internal = parsePort(fields.internal);
  if (!internal.ok) return { field: "internal", ...internal.flaw };
  if (!/^\/(?!\/)[\x21-\x7e]*$/.test(path) || path.includes("\\"))
    return { field: "path", what: `\`${path}\` is not a path`, fix: "begin it with one /" };
  if (name.trim() === "") return { field: "name", what: "it has no name", fix: "write one after the last colon" };
  const bare = host.replace(/^\[|\]$/g, "");
  return { name: name.trim(), host: bare, external: external.value, internal: internal.value, path, from };
}

function portalEntry(written: string, from: string): PortalEntry | Flaw {
  const parts = splitAtMost(written, ":", 5);
  const [host = "", external = "", internal = "", path = "", name] = parts.map((part) => part.trim());
  if (name === undefined) {
    const what = `it has ${parts.length} of the 5 parts`;
    return { what, fix: "write hostname:external_port:internal_port:path:name" };
  }
  const entry = entryOf({ host, external, internal, path }, name, from);
  if (!("field" in entry)) return entry;
  const index = ["host", "external", "internal", "path", "name"].indexOf(entry.field);
  return { ...entry, at: parts.slice(0, index).reduce((sum, part) => sum + part.length + 1, 0) };
}

function splitAtMost(text: string, separator: string, most: number): string[] {
  const parts = text.split(separator);
  return parts.length <= most ? parts : [...parts.slice(0, most - 1), parts.slice(most - 1).join(separator)];
}

/** Nobody has as many programs; a variable that got another file's content must not become a thousand mistakes. */
const MOST_ENTRIES = 200;

function readList<T>(
  text: string,
  variable: string,
  separator: string,
  read: (written: string, from: string) => T | Flaw,
): ReadList<T> {
  const entries: T[] = [];
  const remarks: Remark[] = [];
  let at = 0;
  for (const [index, written] of text.split(separator).entries()) {
    if (index >= MOST_ENTRIES) {
      const what = `it has more than ${MOST_ENTRIES} entries`;
      remarks.push({ is: "mistake", where: variable, what, fix: "the rest is left out" });
      break;
    }
    if (written.trim() !== "") {
      const from = `${variable}, entry ${index + 1}`;
      const result = read(written, from);
      if (isFlaw(result)) {
        const inside = result.at ?? written.length - written.trimStart().length;
        const where = `${from}, character ${at + inside + 1}`;
        remarks.push({ is: "mistake", where, what: result.what, fix: result.fix });
      } else entries.push(result);
    }
    at += written.length + separator.length;
  }
  return { entries, remarks };
}

function isFlaw<T>(result: T | Flaw): result is Flaw {
  return typeof result === "object" && result !== null && "what" in result && "fix" in result;
}
