/** Where a service can be reached: what it exposes, else the address that its health check asks. */
import type { ExposedRoute } from "../../control/daemon.ts";
import type { Model } from "./model.ts";

interface Definition {
  readonly check?: { readonly kind: string; readonly url?: string; readonly address?: string } | null;
}

/** What it exposes and could be filled in, in the order of its file. */
export function doorsOf(model: Model, name: string): NonNullable<ExposedRoute["exposure"]>[] {
  return model.routes.flatMap(({ service, exposure }) => (service === name && exposure !== null ? [exposure] : []));
}

export function portOf(model: Model, name: string): string | null {
  const [door] = doorsOf(model, name);
  if (door !== undefined) return String(door.port);
  const check = checkOf(model, name);
  const address = check?.kind === "http" ? originOf(check.url) : (check?.address ?? "");
  return /:(\d{1,5})$/.exec(address)?.[1] ?? null;
}

export function addressOf(model: Model, name: string): string | null {
  const [door] = doorsOf(model, name);
  if (door !== undefined) return `http://localhost:${door.port}${door.path}`;
  const check = checkOf(model, name);
  if (check?.kind === "http") return `${originOf(check.url)}/`;
  return check?.kind === "tcp" && check.address !== undefined ? check.address : null;
}

function checkOf(model: Model, name: string): Definition["check"] {
  return ((model.details.get(name)?.definition ?? {}) as Definition).check;
}

function originOf(url: string | undefined): string {
  return /^\w+:\/\/[^/]*/.exec(url ?? "")?.[0] ?? "";
}
