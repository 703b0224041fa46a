/** Where services can be reached: their ports, and what of them is opened to the outside. */
import type { ExposedRoute } from "../../control/daemon.ts";
import { portOf } from "../model/address.ts";
import type { Model } from "../model/model.ts";
import { cut, padded } from "../text/columns.ts";
import { inkOfState, type Looks } from "./looks.ts";
import { type PageLine, PageWriter } from "./page.ts";

export function tunnelsPage(model: Model, columns: number, looks: Looks): PageLine[] {
  const page = new PageWriter(columns, looks);
  const { ink, signs } = looks;
  page.line({ text: `   ${padded("SERVICE", 24)} ${"PORT".padStart(5)}  DOOR`, attr: ink.dim });
  const isEmpty = page.lines.length;
  for (const service of model.services) {
    const line = (port: string, door: string, isOpen: boolean): void =>
      page.line(
        { text: ` ${signs.state[service.state]} `, attr: ink[inkOfState(service.state)] },
        { text: `${padded(cut(service.name, 24), 24)} ` },
        { text: `${port.padStart(5)}  ` },
        { text: door, attr: isOpen ? ink.text : ink.dim },
      );
    const routes = model.routes.filter((route) => route.service === service.name);
    for (const { exposure, problem } of routes) {
      if (exposure === null) line("", problem?.what ?? "it cannot be said now", false);
      else line(String(exposure.port), doorOf(exposure), true);
    }
    const port = portOf(model, service.name);
    if (routes.length === 0 && port !== null) line(port, "none: on this machine only", false);
  }
  if (page.lines.length === isEmpty) {
    page.text("no service says where it can be reached (a healthcheck on a port, or `expose:`)", "dim", 3);
  }
  return page.lines;
}

/** `→ 18000/docs  vLLM API, asks for a token, with a quick tunnel` */
function doorOf({ to, path, name, auth, tunnel }: NonNullable<ExposedRoute["exposure"]>): string {
  const host = to.host === "127.0.0.1" ? "" : `${to.host}:`;
  const whom = auth === "none" ? "asks nobody" : auth === "basic" ? "asks for a password" : "asks for a token";
  return `→ ${host}${to.port}${path === "/" ? "" : path}  ${name === null ? "" : `${name}, `}${whom}${tunnel === "quick" ? ", with a quick tunnel" : ""}`;
}
