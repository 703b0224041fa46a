import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, watch } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { text } from "node:stream/consumers";
import { after, test } from "node:test";
import type { Hook, Service } from "../plan/plan.ts";
import { planOf } from "../plan/testing.ts";
import { type HookOptions, LinuxHooks } from "./hooks.ts";
import { LinuxLauncher } from "./launcher.ts";

const root = mkdtempSync(`${tmpdir()}/hooks-`);
after(() => rmSync(root, { recursive: true }));

function serviceFrom(yaml: string): Service {
  const plan = planOf({ "services.d/web.yaml": yaml });
  assert.deepEqual(plan.mistakes, []);
  return plan.services.get("web") as Service;
}

function hooks(limits: HookOptions["limits"] = {}) {
  const said: string[] = [];
  let onSaid = (): void => {};
  const launcher = new LinuxLauncher({
    env: { PATH: "/usr/bin:/bin" },
    rootDir: root,
    runDir: "/run/svcd",
    daemonEnvironment: () => ({}),
  });
  const say = (line: string): void => {
    said.push(line);
    onSaid();
  };
  const all = new LinuxHooks({ launcher, hostname: "box", rootDir: root, say, limits });
  return {
    all,
    said,
    run(service: Service, why = "exit 1", run = 3): void {
      all.run(service.on.failed as Hook, { service, what: "failed", why, run });
    },
    async saying(): Promise<string> {
      while (said.length === 0) await new Promise<void>((resolve) => (onSaid = resolve));
      return said.shift() as string;
    },
  };
}

/** The content of a file once it is there and whole. */
async function fileAt(name: string): Promise<string> {
  const path = `${root}/${name}`;
  if (!existsSync(path)) {
    const watcher = watch(root);
    while (!existsSync(path)) await once(watcher, "change");
    watcher.close();
  }
  return readFileSync(path, "utf8");
}

async function receiver(answer: (request: IncomingMessage, body: string) => number | null) {
  const server = createServer(async (request, response) => {
    const status = answer(request, await text(request));
    if (status !== null) response.writeHead(status).end("thanks");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/secret`,
    host: `127.0.0.1:${port}`,
    close: () => server.close().closeAllConnections(),
  };
}

test("a command is told what happened to which service, and why", async () => {
  const one = hooks();
  one.run(
    serviceFrom(`
command: sleep 1
environment: { WORD: hello }
on: { failed: [sh, -c, "echo $$SVCD_EVENT $$SVCD_SERVICE $$SVCD_RUN_NUMBER $$WORD: $$SVCD_WHY > new; mv new told"] }`),
    "killed by SIGKILL",
  );
  assert.equal(await fileAt("told"), "failed web 3 hello: killed by SIGKILL\n");
});

test("a hook runs although the service's own command, folder or variables are what failed", async () => {
  const one = hooks();
  one.run(
    serviceFrom(`
command: serve \${MODEL:?name a model}
working_dir: /nowhere
on: { failed: [sh, -c, "pwd > new; mv new where"] }`),
  );
  assert.equal(await fileAt("where"), `${root}\n`);
});

test("a command that fails, hangs or is not there is told in svcd's log", async () => {
  const one = hooks({ commandMs: 500 });
  one.run(serviceFrom("{ command: x, on: { failed: [sh, -c, 'echo no mail today; exit 4'] } }"));
  assert.equal(await one.saying(), "web: the hook `on.failed` failed: exit 4: no mail today");
  one.run(serviceFrom("{ command: x, on: { failed: [sleep, '1000'] } }"));
  assert.equal(await one.saying(), "web: the hook `on.failed` failed: not done within 500ms, so it was killed");
  one.run(serviceFrom("{ command: x, on: { failed: [nothing-here] } }"));
  assert.match(await one.saying(), /failed: nothing-here: not found on PATH of this service/);
});

test("a webhook gets the facts as JSON", async () => {
  const got = Promise.withResolvers<{ request: IncomingMessage; body: string }>();
  const { url, close } = await receiver((request, body) => {
    got.resolve({ request, body });
    return 204;
  });
  hooks().run(serviceFrom(`{ command: x, on: { failed: "${url}" } }`), "exit 1");
  const { request, body } = await got.promise;
  assert.equal(request.method, "POST");
  assert.equal(request.headers["content-type"], "application/json");
  const { at, ...facts } = JSON.parse(body);
  assert.deepEqual(facts, { event: "failed", service: "web", why: "exit 1", run: 3, host: "box" });
  assert.ok(Date.parse(at) > 0);
  close();
});

test("a webhook is tried twice; only then is the failure told, without its secret path", async () => {
  let times = 0;
  const { url, host, close } = await receiver(() => {
    times++;
    return 500;
  });
  const one = hooks({ retryAfterMs: 1 });
  one.run(serviceFrom(`{ command: x, on: { failed: "${url}" } }`));
  assert.equal(await one.saying(), `web: the hook \`on.failed\` failed: ${host} answered with HTTP 500`);
  assert.equal(times, 2);
  close();
});

test("a webhook that does not answer is given up", async () => {
  const { url, host, close } = await receiver(() => null);
  const one = hooks({ retryAfterMs: 1, webhookMs: 100 });
  one.run(serviceFrom(`{ command: x, on: { failed: "${url}" } }`));
  assert.equal(await one.saying(), `web: the hook \`on.failed\` failed: ${host} did not answer within 100ms`);
  close();
});

test("a burst is worked off a few at a time; when too many wait, the oldest goes and is told", async () => {
  let atOnce = 0;
  let most = 0;
  let served = 0;
  const all = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    most = Math.max(most, ++atOnce);
    request.resume().on("end", () =>
      setImmediate(() => {
        atOnce--;
        response.writeHead(204).end();
        if (++served === 5) all.resolve();
      }),
    );
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const one = hooks({ atOnce: 2, waiting: 3 });
  const service = serviceFrom(`{ command: x, on: { failed: "http://127.0.0.1:${port}/" } }`);
  for (let run = 1; run <= 6; run++) one.run(service, "exit 1", run);
  await all.promise;
  assert.ok(most <= 2, `${most} at once`);
  assert.deepEqual(one.said, ["web: the hook `on.failed` was not carried out: more than 3 are waiting"]);
  server.close();
});

test("when svcd ends, hooks end too and nothing is told", async () => {
  const one = hooks();
  one.run(serviceFrom("{ command: x, on: { failed: [sh, -c, 'echo > new; mv new begun; exec sleep 1000'] } }"));
  await fileAt("begun");
  one.all.close();
  assert.deepEqual(one.said, []);
});
