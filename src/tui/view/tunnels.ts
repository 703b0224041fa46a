/** Where services can be reached: their ports, and what of them is opened to the outside. */

import { portOf } from "../model/address.ts";
import type { Model } from "../model/model.ts";
import { cut, padded } from "../text/columns.ts";
import { inkOfState, type Looks } from "./looks.ts";
import { type PageLine, PageWriter } from "./page.ts";

interface Doors {
  readonly expose?: {
    readonly port?: number;
    readonly to?: number;
    readonly name?: string;
    readonly path?: string;
  } | null;
  readonly tunnel?: unknown;
}

export function tunnelsPage(model: Model, columns: number, looks: Looks): PageLine[] {
  const page = new PageWriter(columns, looks);
  const { ink, signs } = looks;
  const rows = model.services.flatMap((service) => {
    const detail = model.details.get(service.name);
    const { expose, tunnel } = (detail?.definition ?? {}) as Doors;
    const port = portOf(detail);
    return port === null && !expose && !tunnel ? [] : [{ service, port, expose: expose ?? null, tunnel }];
  });
  page.line({ text: `   ${padded("SERVICE", 24)} ${"PORT".padStart(5)}  DOOR`, attr: ink.dim });
  if (rows.length === 0) {
    page.text("no service says where it can be reached (a healthcheck on a port, or `expose:`)", "dim", 3);
    return page.lines;
  }
  for (const { service, port, expose, tunnel } of rows) {
    const door = expose
      ? `:${expose.port ?? "?"} → ${expose.to ?? "?"}${expose.path ?? ""}${expose.name ? `  ${expose.name}` : ""}`
      : "none: on this machine only";
    page.line(
      { text: ` ${signs.state[service.state]} `, attr: ink[inkOfState(service.state)] },
      { text: `${padded(cut(service.name, 24), 24)} ` },
      { text: `${(port ?? "").padStart(5)}  ` },
      { text: `${door}${tunnel ? "  with a tunnel" : ""}`, attr: expose ? ink.text : ink.dim },
    );
  }
  return page.lines;
}
