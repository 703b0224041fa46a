import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, watch, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { type TestContext, test } from "node:test";
import { runLogPath } from "../places.ts";
import type { JobDefinition, Notification, NotificationEvent } from "../plan/job.ts";
import { planOf } from "../plan/testing.ts";
import type { RunRecord } from "../schedule/run-record.ts";
import { LinuxLauncher } from "./launcher.ts";
import { LinuxNotifier, type NotifierOptions } from "./notifier.ts";

function notifier(t: TestContext, options: Partial<NotifierOptions> = {}) {
  const root = mkdtempSync(join(tmpdir(), "svcd-notifier-"));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const said: string[] = [];
  let onSaid = (): void => {};
  const launcher = new LinuxLauncher({
    env: { PATH: "/usr/bin:/bin" },
    rootDir: root,
    runDir: "/run/svcd",
    daemonEnvironment: () => ({}),
  });
  const all = new LinuxNotifier({
    launcher,
    hostname: "box",
    rootDir: root,
    logDir: join(root, "log"),
    user: "me",
    say: (line) => {
      said.push(line);
      onSaid();
    },
    ...options,
    limits: { retryAfterMs: 1, ...options.limits },
  });
  t.after(() => all.close());
  return {
    root,
    all,
    said,
    async saying(): Promise<string> {
      while (said.length === 0) await new Promise<void>((resolve) => (onSaid = resolve));
      return said.shift() as string;
    },
    /** What a run wrote. */
    wrote(run: number, output: string, ending = ""): void {
      const path = `${runLogPath(join(root, "log"), { job: "backup", run }, "stdout")}${ending}`;
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, output);
    },
    /** The content of a file once it is there and whole. */
    async file(name: string): Promise<string> {
      const path = join(root, name);
      const watcher = watch(root);
      while (!existsSync(path)) await once(watcher, "change");
      watcher.close();
      return readFileSync(path, "utf8");
    },
    /** A sendmail that puts what it gets in the file `mail`, and its arguments in `arguments`. */
    sendmail(): string {
      const path = join(root, "sendmail");
      writeFileSync(
        path,
        `#!/bin/sh\necho "$@" >> ${root}/arguments\ncat > ${root}/new\nmv ${root}/new ${root}/mail\n`,
      );
      chmodSync(path, 0o755);
      return path;
    },
  };
}

function backup(by: Notification["by"], on: readonly NotificationEvent[], yaml = ""): JobDefinition {
  const plan = planOf({ "cron.d/backup.yaml": `schedule: "@daily"\ncommand: tar c /home\n${yaml}` });
  assert.deepEqual(plan.mistakes, []);
  return { ...(plan.jobs.get("backup") as JobDefinition), description: "tar c /home", notify: [{ on, by }] };
}

const failed: RunRecord = {
  job: "backup",
  run: 3,
  trigger: "schedule",
  scheduledFor: "2026-11-24T10:00:00.000Z",
  coalesced: 1,
  attempt: 2,
  startedAt: "2026-11-24T10:00:00.010Z",
  endedAt: "2026-11-24T10:00:01.000Z",
  result: "failure",
  exit: { code: 3 },
  why: "exit 3",
  cpuMs: null,
  peakMemoryBytes: null,
  retryAt: null,
};

/** Hears so many requests. */
async function receiver(t: TestContext, count: number, status = 200) {
  const got: { method: string; url: string; type: string; body: string }[] = [];
  const { promise, resolve } = Promise.withResolvers<typeof got>();
  const server = createServer(async (request, response) => {
    const { method = "", url = "", headers } = request;
    got.push({ method, url, type: headers["content-type"] ?? "", body: await text(request) });
    response.writeHead(status).end();
    if (got.length === count) resolve(got);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close().closeAllConnections());
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, got: promise };
}

test("a command hears what became of which run, in the job's own environment and folder", async (t) => {
  const { all, file } = notifier(t);
  const words = [
    "sh",
    "-c",
    "echo $$SVCD_EVENT $$CRON_RUN_ID $$CRON_RESULT $$CRON_EXIT_CODE $$WORD: $$SVCD_WHY > new; mv new told",
  ];
  const command = { kind: "words", words } as const;
  const job = backup({ kind: "command", command }, ["failure"], "environment: { WORD: hello }\nworking_dir: /nowhere");
  all.notify(job, "success", failed); // Nobody asked for this.
  all.notify(job, "failure", failed);
  assert.equal(await file("told"), "failure backup/3 failure 3 hello: exit 3\n");
});

test("a webhook gets the record and the end of the output as JSON", async (t) => {
  const { all, wrote } = notifier(t);
  const { url, got } = await receiver(t, 1);
  wrote(3, `${"x".repeat(100_000)}\nit broke\n`);
  all.notify(backup({ kind: "webhook", url: `${url}/hook` }, ["failure"]), "failure", failed);
  const [{ type, body } = { type: "", body: "{}" }] = await got;
  assert.equal(type, "application/json");
  const { output, at, host, event, ...record } = JSON.parse(body);
  assert.deepEqual({ event, host, record }, { event: "failure", host: "box", record: failed });
  assert.match(output, /^svcd: \d+ bytes of output are left out here\nx+\nit broke\n$/);
  assert.ok(output.length < 5_000 && Date.parse(at) > 0);
});

test("a ping tells the start, the success and the failure at their own addresses, with the end of the output", async (t) => {
  const { all, wrote } = notifier(t);
  const { url, got } = await receiver(t, 5);
  const on = ["start", "success", "recovery", "failure", "timeout", "missed", "skipped"] as const;
  const job = backup({ kind: "ping", url: `\${CHECK}/?create=1` }, on, `environment: { CHECK: "${url}/uuid" }`);
  wrote(3, "it broke\n");
  all.notify(job, "start", { ...failed, result: "unknown", exit: null, why: "it runs" });
  all.notify(job, "success", { ...failed, run: 4, result: "success", exit: { code: 0 }, why: "exit 0" });
  all.notify(job, "recovery", { ...failed, run: 4, result: "success" }); // The success says it.
  all.notify(job, "failure", failed);
  all.notify(job, "missed", { ...failed, run: null, exit: null, result: "missed", why: "svcd was not there" });
  all.notify(job, "skipped", { ...failed, run: null, exit: null, result: "skipped", why: "run 3 is not over" });
  const all5 = (await got).map(({ method, url, body }) => `${method} ${url} ${JSON.stringify(body)}`).sort();
  assert.deepEqual(all5, [
    'POST /uuid/fail?create=1 "failure: exit 3\\nit broke\\n"',
    'POST /uuid/fail?create=1 "missed: svcd was not there\\n"',
    'POST /uuid/log?create=1 "skipped: run 3 is not over\\n"',
    'POST /uuid/start?create=1 ""',
    'POST /uuid?create=1 "success: exit 0\\n"',
  ]);
});

test("what cannot be told is tried twice, then said without the secret path of the URL", async (t) => {
  const { all, saying } = notifier(t);
  const { url, got } = await receiver(t, 2, 500);
  all.notify(backup({ kind: "ping", url: `${url}/secret` }, ["failure"]), "failure", failed);
  assert.equal((await got).length, 2);
  assert.equal(await saying(), `backup: the ping about failure failed: ${new URL(url).host} answered with HTTP 500`);
});

test("a secret that a command prints when it fails is hidden in svcd's log", async (t) => {
  const { all, saying } = notifier(t);
  const command = { kind: "words", words: ["sh", "-c", "echo cannot log in with $$API_TOKEN; exit 1"] } as const;
  const job = backup({ kind: "command", command }, ["failure"], "environment: { API_TOKEN: abc12345 }");
  all.notify(job, "failure", failed);
  assert.equal(await saying(), "backup: the command about failure failed: exit 1: cannot log in with (hidden)");
  const other = backup({ kind: "webhook", url: "http://$" + "{HOST:?name a host}/" }, ["failure"]);
  all.notify(other, "failure", failed);
  assert.match(await saying(), /the webhook about failure failed: `notify`.*HOST/);
});

test("a crontab's output is mailed as cron does it, to all of MAILTO", async (t) => {
  const own = notifier(t);
  const { all, wrote, said } = notifier(t, { sendmail: [own.sendmail()] });
  wrote(3, "first\nlast\n");
  const environment = 'environment: { MAILFROM: "cron@example.com", CONTENT_TYPE: "text/html" }';
  const job = {
    ...backup({ kind: "mail", to: "ops@example.com, -Xevil dev", when: "output" }, ["success", "failure"], environment),
    description: 'tar c "Käse"\nBcc: all@example.com',
    crontab: { stdin: "" },
  };
  all.notify(job, "failure", failed);
  const mail = await own.file("mail");
  assert.equal(await own.file("arguments"), "-FCronDaemon -i -B8BITMIME -oem ops@example.com dev\n");
  const [head = "", body] = mail.split(/\n\n/);
  assert.equal(body, "first\nlast\n");
  const headers = head.replaceAll("\n ", "").split("\n");
  assert.ok(headers.includes("From: cron@example.com (Cron Daemon)"));
  assert.ok(headers.includes("To: ops@example.com, dev"));
  assert.ok(headers.includes("Content-Type: text/html"));
  assert.match(head, /^Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000$/m);
  assert.equal(headers.filter((line) => line.startsWith("Bcc")).length, 0);
  const subject = headers.find((line) => line.startsWith("Subject: "))?.slice("Subject: ".length) ?? "";
  const words = [...subject.matchAll(/=\?UTF-8\?B\?([^?]*)\?=/g)].map(([, base64 = ""]) =>
    Buffer.from(base64, "base64"),
  );
  assert.equal(Buffer.concat(words).toString(), 'Cron <me@box> tar c "Käse" Bcc: all@example.com');
  assert.deepEqual(said, []);
});

test("a run that wrote nothing is not mailed, and one mail is enough for a run", async (t) => {
  const own = notifier(t);
  const { all, wrote } = notifier(t, { sendmail: [own.sendmail()], limits: { atOnce: 1 } });
  const on = ["success", "failure", "timeout", "recovery", "skipped", "missed"] as const;
  const job = backup({ kind: "mail", to: "ops", when: "output" }, on);
  wrote(3, "");
  all.notify(job, "failure", failed);
  wrote(4, "output of 4\n", ".head"); // It has just been rotated.
  wrote(4, "");
  all.notify(job, "recovery", { ...failed, run: 4 });
  all.notify(job, "skipped", { ...failed, run: null });
  all.notify(job, "success", { ...failed, run: 4 });
  wrote(5, "output of 5\n");
  const command = { kind: "words", words: ["sh", "-c", `mv ${own.root}/mail ${own.root}/mail-of-4; true`] } as const;
  all.notify(backup({ kind: "command", command }, ["failure"]), "failure", failed);
  all.notify(job, "success", { ...failed, run: 5 });
  assert.match(await own.file("mail-of-4"), /\n\noutput of 4\n$/);
  assert.match(await own.file("mail"), /\n\noutput of 5\n$/);
  assert.equal((await own.file("arguments")).split("\n").length - 1, 2);
});

test("a mail about an event comes without output too, and says what happened", async (t) => {
  const own = notifier(t);
  const { all } = notifier(t, { sendmail: [own.sendmail()] });
  all.notify(backup({ kind: "mail", to: "ops", when: "event" }, ["missed"]), "missed", {
    ...failed,
    ...{ run: null, result: "missed", why: "svcd was not there" },
  });
  const mail = await own.file("mail");
  assert.match(mail, /^Subject: Cron <me@box> tar c \/home \(missed: svcd was not there\)$/m);
  assert.match(mail, /\n\nbackup: missed: svcd was not there\n$/);
});

test("that there is no sendmail is told once", async (t) => {
  const { all, wrote, said, saying } = notifier(t, { sendmail: ["/nowhere/sendmail"] });
  wrote(3, "output\n");
  const job = backup({ kind: "mail", to: "ops", when: "output" }, ["failure"]);
  for (let n = 0; n < 5; n++) all.notify(job, "failure", failed);
  const nobody = {
    ...job,
    notify: [{ on: ["failure"], by: { kind: "webhook", url: "http://127.0.0.1:1/" } }],
  } as const;
  all.notify(nobody, "failure", failed);
  assert.match(await saying(), /^mail about jobs cannot be sent: there is no sendmail \(\/nowhere\/sendmail\)/);
  assert.match(await saying(), /the webhook about failure failed/);
  assert.deepEqual(said, []);
});

test("a night of a thousand failures is worked off a few at a time; beyond that the oldest goes and is told", async (t) => {
  const { all, said } = notifier(t, { limits: { atOnce: 2, waiting: 3 } });
  const { url, got } = await receiver(t, 5);
  const job = backup({ kind: "webhook", url }, ["failure"]);
  for (let run = 1; run <= 6; run++) all.notify(job, "failure", { ...failed, run });
  assert.equal((await got).length, 5);
  assert.deepEqual(said, ["backup: the webhook about failure was not carried out: more than 3 are waiting"]);
});
