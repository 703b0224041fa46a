/** `run/gateway.routes.json`: what the gateway opens now, for svctl and for other fronts. The same is at /routes of its status port. */
import type { PortalLink } from "./portal-config.ts";
import type { Remark } from "./remark.ts";
import type { Link, Route } from "./routes.ts";

export const ROUTES_FILE = "gateway.routes.json";

export interface RoutesReport {
  /** false: nothing asks for a token. */
  readonly auth: boolean;
  /** isOpen false: its port is taken, and tried again. */
  readonly routes: readonly (Route & { readonly isOpen: boolean })[];
  /** Of the portal's list; not all of them are opened. */
  readonly links: readonly Link[];
  readonly portalLinks: readonly PortalLink[];
  readonly mistakes: readonly Remark[];
  readonly https: {
    readonly asked: boolean;
    readonly active: boolean;
    readonly certificate: {
      readonly subject: string;
      readonly from: string;
      readonly selfSigned: boolean;
      readonly expiresAt: string;
      readonly trouble: string | null;
    } | null;
  };
}
