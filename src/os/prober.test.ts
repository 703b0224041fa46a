import assert from "node:assert/strict";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { after, test } from "node:test";
import type { Service } from "../plan/plan.ts";
import { planOf } from "../plan/testing.ts";
import type { ProbeResult } from "../probe/health.ts";
import { LinuxLauncher } from "./launcher.ts";
import { LinuxProber } from "./prober.ts";

const root = mkdtempSync(`${tmpdir()}/prober-`);
const open: LinuxProber[] = [];
after(() => {
  for (const prober of open) prober.close();
  rmSync(root, { recursive: true });
});

function serviceFrom(yaml: string): Service {
  const text = `command: sleep 1000\n${yaml}`;
  const plan = planOf({ "services.d/web.yaml": text });
  assert.deepEqual(plan.mistakes, []);
  return plan.services.get("web") as Service;
}

interface Answer extends ProbeResult {
  readonly run: number;
}

let probers = 0;

/** A prober, what it answered, and a log that grows. */
function probing(marksFile = `${root}/marks-${++probers}`) {
  const answers: Answer[] = [];
  const log = `${marksFile}.log`;
  const followers = new Set<() => void>();
  let onAnswer = (): void => {};
  const launcher = new LinuxLauncher({
    env: { PATH: "/usr/bin:/bin" },
    rootDir: root,
    runDir: "/run/svcd",
    daemonEnvironment: () => ({}),
  });
  const prober = new LinuxProber({
    launcher,
    logPath: () => log,
    followLog: (_, __, onGrown) => {
      followers.add(onGrown);
      return () => followers.delete(onGrown);
    },
    onResult: (_, run, result) => {
      answers.push({ run, ...result });
      onAnswer();
    },
    marksFile,
  });
  open.push(prober);
  return {
    prober,
    answers,
    marksFile,
    log,
    followers,
    says(text: string): void {
      appendFileSync(log, text);
      for (const onGrown of followers) onGrown();
    },
    async answer(): Promise<Answer> {
      while (answers.length === 0) await new Promise<void>((resolve) => (onAnswer = resolve));
      return answers.shift() as Answer;
    },
    async settled(): Promise<void> {
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    },
  };
}

test("an http check asks the address with its variables filled in", async () => {
  const server = createServer((_, response) => response.writeHead(503).end()).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const web = probing();
  web.prober.probe(
    serviceFrom(`environment: { PORT: ${port} }\nhealthcheck: { http: "http://127.0.0.1:\${PORT}/" }`),
    1,
    false,
  );
  assert.deepEqual(await web.answer(), { run: 1, passed: false, detail: "HTTP 503" });
  server.close();
});

test("an exec check runs with the service's environment and folder, but is no part of the run", async () => {
  const web = probing();
  const exec = `sh -c 'echo $$WORD $$SVCD_SERVICE $\${SVCD_RUN-unmarked} $$PWD; exit 0'`;
  web.prober.probe(serviceFrom(`environment: { WORD: hello }\nhealthcheck: { exec: "${exec}" }`), 7, false);
  assert.deepEqual(await web.answer(), { run: 7, passed: true, detail: `exit 0: hello web unmarked ${root}` });
});

test("a failed exec check says its status and its last line", async () => {
  const web = probing();
  web.prober.probe(serviceFrom(`healthcheck: { exec: "sh -c 'echo one; echo two >&2; exit 3'" }`), 1, false);
  assert.match((await web.answer()).detail, /^exit 3: (one|two)$/);
  web.prober.probe(serviceFrom(`healthcheck: { exec: nothing-here }`), 1, false);
  assert.equal((await web.answer()).detail, "nothing-here: not found on PATH of this service: /usr/bin:/bin");
});

test("an exec check that hangs is killed at its time limit and answers then", async () => {
  const web = probing();
  web.prober.probe(serviceFrom(`healthcheck: { exec: "sh -c 'echo waiting; sleep 1000'", timeout: 500ms }`), 1, false);
  assert.deepEqual(await web.answer(), { run: 1, passed: false, detail: "not done within 500ms: waiting" });
});

test("a run is never probed twice at once", async () => {
  const web = probing();
  const service = serviceFrom(`healthcheck: { exec: "sh -c 'echo x >> ${root}/times'" }`);
  web.prober.probe(service, 1, false);
  web.prober.probe(service, 1, false);
  await web.answer();
  await web.settled();
  assert.deepEqual(web.answers, []);
  assert.equal(readFileSync(`${root}/times`, "utf8"), "x\n");
});

test("a run that is over gets no answer, and the next run is asked anew", async () => {
  const web = probing();
  const slow = serviceFrom(`healthcheck: { exec: sleep 1000 }`);
  web.prober.probe(slow, 1, false);
  web.prober.forget("web", 1);
  web.prober.probe(serviceFrom(`healthcheck: { exec: "true" }`), 2, false);
  assert.equal((await web.answer()).run, 2);
});

test("a check that cannot be filled in fails with the reason", async () => {
  const web = probing();
  web.prober.probe(serviceFrom('healthcheck: { tcp: "${PORT:?say which port}" }'), 1, false);
  assert.match((await web.answer()).detail, /`healthcheck.tcp`.*PORT.*say which port/);
});

// --- log checks ---------------------------------------------------------------------------------------------------------

const LOG_CHECK = serviceFrom(`healthcheck: { log: "^ready on \\\\d+$" }`);

test("a log check passes by itself as soon as a line matches, and stays passed for the run", async () => {
  const web = probing();
  web.prober.began(LOG_CHECK, 1);
  web.prober.probe(LOG_CHECK, 1, false);
  assert.deepEqual(await web.answer(), { run: 1, passed: false, detail: "no line matches /^ready on \\d+$/ yet" });
  web.says("starting\nready o");
  web.says("n 8000\n");
  assert.deepEqual(await web.answer(), { run: 1, passed: true, detail: 'said "ready on 8000"' });
  assert.equal(web.followers.size, 0);
  web.prober.probe(LOG_CHECK, 1, false);
  assert.equal((await web.answer()).passed, true);
});

test("what an earlier run said does not count, what this one said before the first probe does", async () => {
  const web = probing();
  web.says("ready on 1\n");
  web.prober.began(LOG_CHECK, 2);
  await web.settled();
  assert.deepEqual(web.answers, []);
  appendFileSync(web.log, "ready on 2\n"); // And nobody told us that it has grown.
  web.prober.probe(LOG_CHECK, 2, false);
  assert.equal((await web.answer()).passed, false);
  assert.deepEqual(await web.answer(), { run: 2, passed: true, detail: 'said "ready on 2"' });
});

test("a matching line is found although the log was rotated behind it", async () => {
  const web = probing();
  web.says("old\n");
  web.prober.began(LOG_CHECK, 1);
  await web.settled();
  appendFileSync(web.log, "ready on 8000\n");
  renameSync(web.log, `${web.log}.1`);
  web.says("more\n");
  assert.equal((await web.answer()).passed, true);
});

test("colours do not hide a line", async () => {
  const web = probing();
  web.prober.began(LOG_CHECK, 1);
  web.says("\x1b[32mready\x1b[0m on 8000\r\n");
  assert.equal((await web.answer()).detail, 'said "ready on 8000"');
});

test("the time that svcd puts before lines does not hide them", async () => {
  const web = probing();
  const service = serviceFrom(`healthcheck: { log: ^ready }\nlogs: { timestamps: true }`);
  web.prober.began(service, 1);
  web.says("2026-11-22T21:35:13.123Z ready\n");
  assert.equal((await web.answer()).passed, true);
});

test("the next core knows where the run began and what it has said", async () => {
  const first = probing();
  first.says("ready on 1\n");
  first.prober.began(LOG_CHECK, 5);
  await first.settled();
  first.prober.close();

  appendFileSync(first.log, "ready on 2\n");
  const second = probing(first.marksFile);
  second.prober.probe(LOG_CHECK, 5, false);
  assert.equal((await second.answer()).passed, false);
  assert.equal((await second.answer()).detail, 'said "ready on 2"');
  second.prober.close();

  writeFileSync(first.log, "");
  const third = probing(first.marksFile);
  third.prober.probe(LOG_CHECK, 5, false);
  assert.deepEqual(await third.answer(), { run: 5, passed: true, detail: 'said "ready on 2"' });
});

test("a pattern that would take for ever is stopped and told", async () => {
  const web = probing();
  const service = serviceFrom(`healthcheck: { log: "^(a+)+$" }`);
  web.prober.began(service, 1);
  web.says(`${"a".repeat(60)}!\n`);
  let detail = "";
  while (!detail.includes("too long")) {
    web.prober.probe(service, 1, false);
    ({ detail } = await web.answer());
  }
  assert.equal(detail, "/^(a+)+$/ takes too long on this output: write a simpler pattern");
});

test("a log check without a log can never pass and says so", async () => {
  const web = probing();
  const service = { ...LOG_CHECK, logs: null };
  web.prober.began(service, 1);
  web.prober.probe(service, 1, false);
  assert.match((await web.answer()).detail, /the output is discarded \(`logs: none`\)/);
});
