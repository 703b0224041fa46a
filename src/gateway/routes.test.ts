import assert from "node:assert/strict";
import { test } from "node:test";
import type { ExposedRoute } from "../control/daemon.ts";
import { readPortalConfig } from "./portal-config.ts";
import { inWords } from "./remark.ts";
import { type RouteSources, routesFrom } from "./routes.ts";

function exposed(
  service: string,
  port: number,
  to: number,
  changes: Partial<NonNullable<ExposedRoute["exposure"]>> = {},
) {
  return {
    service,
    of: service.replace(/@.*/, ""),
    file: { path: `services.d/${service.replace(/@.*/, "")}.yaml`, line: 3 },
    problem: null,
    exposure: {
      port,
      to: { host: "127.0.0.1", port: to },
      path: "/",
      name: null,
      auth: "token",
      holdMs: 0,
      idempotent: [],
      start: "always",
      tunnel: "none",
      maxBodyBytes: null,
      cors: [],
      hostIsLocal: false,
      allowDev: false,
      ...changes,
    },
  } satisfies ExposedRoute;
}

function made(sources: Partial<RouteSources>) {
  return routesFrom({
    exposed: [],
    portal: [],
    mapped: new Set(),
    open: new Set(),
    authIsOn: true,
    cors: [],
    localHosts: new Set(),
    allowDev: new Set(),
    ...sources,
  });
}

const PORTAL = readPortalConfig(
  "localhost:1111:11111:/:Portal|localhost:8000:18000:/docs:vLLM API|localhost:8080:18080:/:Jupyter|localhost:8080:8080:/terminals/1:Terminal|localhost:6006:16006:/:TensorBoard",
).entries;

test("an entry of the portal's list is opened when its ports differ and the platform leads there; else it is a link", () => {
  const { routes, links, remarks } = made({ portal: PORTAL, mapped: new Set([1111, 8080]) });
  assert.deepEqual([...routes.keys()], [1111, 8080]);
  assert.deepEqual(routes.get(8080)!.targets, [{ host: "localhost", port: 18080, service: null }]);
  assert.deepEqual(
    links.map(({ name, port, path }) => `${name} ${port}${path}`),
    ["Portal 1111/", "vLLM API 8000/docs", "Jupyter 8080/", "Terminal 8080/terminals/1", "TensorBoard 6006/"],
  );
  assert.deepEqual(remarks, []);
});

test("service files come first, and of two that want one port the second is told", () => {
  const { routes, remarks } = made({
    exposed: [exposed("vllm", 8000, 18000), exposed("other", 8000, 19000)],
    portal: readPortalConfig("localhost:8000:18000:/docs:vLLM API|localhost:8000:17000:/:Else").entries,
    mapped: new Set([8000]),
  });
  assert.equal(routes.get(8000)!.name, "vllm");
  assert.deepEqual(remarks.map(inWords), [
    "services.d/other.yaml:3: port 8000 is already taken by vllm (services.d/vllm.yaml:3) (give one of the two another port)",
    "PORTAL_CONFIG, entry 2: port 8000 is already taken by vllm (services.d/vllm.yaml:3) (give one of the two another port)",
  ]);
});

test("replicas that want one port share it", () => {
  const { routes, remarks } = made({ exposed: [exposed("w@1", 8000, 18001), exposed("w@2", 8000, 18002)] });
  assert.deepEqual(remarks, []);
  assert.deepEqual(
    routes.get(8000)!.targets.map(({ service, port }) => `${service} ${port}`),
    ["w@1 18001", "w@2 18002"],
  );
  assert.equal(routes.get(8000)!.scope, "w");
});

test("ENABLE_AUTH=false and AUTH_EXCLUDE open a route, everything else asks", () => {
  const sources = { exposed: [exposed("a", 1, 2), exposed("b", 3, 4, { auth: "basic" })] };
  const auths = (changes: Partial<RouteSources>) =>
    [...made({ ...sources, ...changes }).routes.values()].map(({ auth }) => auth);
  assert.deepEqual(auths({}), ["token", "basic"]);
  assert.deepEqual(auths({ open: new Set([3]) }), ["token", "none"]);
  assert.deepEqual(auths({ authIsOn: false }), ["none", "none"]);
});

test("nothing leads to the gateway itself, to the metadata of a cloud, or nowhere", () => {
  const broken: ExposedRoute = {
    ...exposed("bad", 1, 1),
    exposure: null,
    problem: { what: "`expose.port`: PORT is not set", fix: "set PORT" },
  };
  const { routes, remarks } = made({
    exposed: [
      exposed("loop", 8000, 8001),
      exposed("good", 8001, 18001),
      exposed("meta", 8002, 80, { to: { host: "169.254.169.254", port: 80 } }),
      broken,
    ],
  });
  assert.deepEqual([...routes.keys()], [8001]);
  assert.deepEqual(
    remarks.map(({ what }) => what),
    [
      "169.254.169.254 gives away the credentials of the machine",
      "bad: `expose.port`: PORT is not set",
      "port 8000 leads to port 8001, which is the gateway's own",
    ],
  );
});
