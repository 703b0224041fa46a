/** Where a service can be reached, as far as its file says: `expose:`, else the address that its health check asks. */
import type { ServiceDetail } from "../../control/daemon.ts";

interface Definition {
  readonly expose?: { readonly port?: unknown; readonly path?: unknown } | null;
  readonly check?: { readonly kind: string; readonly url?: string; readonly address?: string } | null;
}

export function portOf(detail: ServiceDetail | undefined): string | null {
  const { expose, check } = (detail?.definition ?? {}) as Definition;
  if (typeof expose?.port === "number") return String(expose.port);
  const address = check?.kind === "http" ? originOf(check.url) : (check?.address ?? "");
  return /:(\d{1,5})$/.exec(address)?.[1] ?? null;
}

export function addressOf(detail: ServiceDetail | undefined): string | null {
  const { expose, check } = (detail?.definition ?? {}) as Definition;
  if (typeof expose?.port === "number")
    return `http://localhost:${expose.port}${typeof expose.path === "string" ? expose.path : "/"}`;
  if (check?.kind === "http") return `${originOf(check.url)}/`;
  return check?.kind === "tcp" && check.address !== undefined ? check.address : null;
}

function originOf(url: string | undefined): string {
  return /^\w+:\/\/[^/]*/.exec(url ?? "")?.[0] ?? "";
}
