/**
 * svcd over SSH, with the `ssh` that people have: who gets in, what a command may do, what is forwarded.
 */
import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { isAlive, modeOf } from "./box.ts";
import { freePort, hear, NEEDS_SSH, SshBox } from "./ssh-box.ts";

/** Clears the screen, renames the window, writes to the clipboard. */
const EVIL = `command: printf '\\033[2J\\033]0;pwned\\007\\033]52;c;cHduZWQ=\\007\\033[32mfine\\033[0m\\n'; exec sleep 1001
shell: true
startsecs: 0s
`;
const WEB = 'command: sh -c "echo hello from web; exec sleep 1001"\nstartsecs: 0s\n';

test("commands of svctl run over SSH: output, errors, exit codes and input as on the machine", NEEDS_SSH, async (t) => {
  const here = await SshBox.open(t, { files: { "web.yaml": WEB, "evil.yaml": EVIL } });
  const { box } = here;
  await box.until("web", "RUNNING");

  await t.test("what svctl says, on stdout and on stderr, with its exit codes", async () => {
    const fine = await here.ssh("status", "web");
    assert.equal(fine.code, 0);
    assert.match(fine.stdout, /^NAME .*\nweb +RUNNING /);
    assert.equal(fine.stderr, "");
    const unknown = await here.ssh("svctl", "status", "nope");
    assert.equal(unknown.code, 4);
    assert.equal(unknown.stdout, "");
    assert.match(unknown.stderr, /no service is called “nope”/);
    assert.equal((await here.ssh("stop", "web")).code, 0);
    assert.equal((await here.ssh("status", "web")).code, 3);
    assert.equal((await here.ssh("start", "web")).code, 0);
    assert.equal((await here.ssh("frobnicate")).code, 2);
    const [status] = JSON.parse((await here.ssh("status", "web", "--json")).stdout) as { state: string }[];
    assert.equal(status?.state, "RUNNING");
  });

  await t.test("no word reaches a shell", async () => {
    const ran = await here.ssh(
      "status",
      "web;touch",
      "$(touch pwned)",
      "`touch pwned`",
      "|",
      "sh",
      "-c",
      "'touch pwned'",
    );
    assert.notEqual(ran.code, 0);
    assert.equal(box.file("pwned"), "");
    assert.equal((await here.run(["sh", "-c", "id"], {})).code, 2);
    const shell = await here.run([], { stdin: "id\n" });
    assert.equal(shell.code, 1);
    assert.match(shell.stderr, /there is no shell here/);
    assert.equal((await here.run(["-s", "sftp"], {})).code, 255);
  });

  await t.test("a command that reads its input gets it", async () => {
    const crontab = "# svcd over SSH\n5 4 * * * true\n";
    const installed = await here.run(["crontab", "-"], { stdin: crontab });
    assert.equal(installed.code, 0, installed.stderr);
    assert.equal((await here.ssh("crontab", "-l")).stdout, crontab);
    const unread = await here.run(["status", "web"], { stdin: "x".repeat(50_000_000) });
    assert.equal(unread.code, 0, `one that does not is not kept from its end: ${unread.stderr}`);
  });

  await t.test("with a terminal: colours, its width, whole lines, Ctrl-C", async () => {
    const coloured = await here.run(["-tt", "status", "web"], { env: { TERM: "xterm", LANG: "C.UTF-8" } });
    assert.match(coloured.stdout, /\x1b\[32m● RUNNING/);
    assert.match(coloured.stdout, /[^\r]\r\n$/);
    const plain = await here.run(["-tt", "status", "web"], { env: { TERM: "dumb" } });
    assert.doesNotMatch(plain.stdout, /\x1b/);

    await box.becomes("it has written", () => box.log("evil").includes("\x1b]0;pwned"));
    const evil = await here.run(["-tt", "logs", "evil"], { env: { TERM: "xterm" } });
    assert.match(evil.stdout, /\x1b\[32mfine/);
    assert.doesNotMatch(evil.stdout, /\x1b\[2J|\x1b\]|\x07/, "what a service prints moves nobody's cursor");

    const child = here.spawn(["-tt", "logs", "-f", "web"], { env: { TERM: "xterm" } });
    const heard = hear(child);
    await box.becomes("the log is there", () => heard.stdout.includes("hello from web"));
    const ended = new Promise((done) => child.once("close", done));
    child.stdin?.write("\x03");
    await ended;
  });

  await t.test("of its environment a client gives language and terminal, and nothing else", async () => {
    const options = ["-o", "SetEnv=LC_TIME=de_DE.UTF-8 LD_PRELOAD=/tmp/evil.so SVCD_ROOT=/tmp NODE_OPTIONS=--inspect"];
    const child = here.spawn([...options, "logs", "-f", "web"]);
    const heard = hear(child);
    await box.becomes("the log is there", () => heard.stdout.includes("hello from web"));
    const pid = childOf((await box.status("ssh")).pid!, "logs");
    const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
    assert.ok(environment.includes("LC_TIME=de_DE.UTF-8"));
    assert.ok(environment.includes(`SVCD_ROOT=${box.root}`));
    assert.ok(!environment.some((entry) => /LD_PRELOAD|NODE_OPTIONS|SSH_SERVER/.test(entry)), environment.join(" "));

    child.kill("SIGKILL");
    await box.becomes("its command ends with it", () => !isAlive(pid));
  });
  assert.doesNotMatch(box.log("ssh"), /somebody/, "names that clients call themselves are in no log");
});

test("keys of all usual kinds get in, others do not, whatever name they come under", NEEDS_SSH, async (t) => {
  const here = await SshBox.open(t);
  const { box } = here;
  const ecdsa = here.makeKey("ecdsa", "-t", "ecdsa");
  const rsa = here.makeKey("rsa", "-t", "rsa", "-b", "2048");
  const stranger = here.makeKey("stranger");
  const enter = async (key: string) => (await here.run(["version"], { key })).code;
  assert.deepEqual([await enter("id"), await enter("ecdsa"), await enter("stranger")], [0, 255, 255]);

  here.authorize(`# my keys\nKEY\nnonsense\ncommand="sh" ${stranger}\n${ecdsa}\n${rsa}\n`);
  assert.deepEqual(
    [await enter("id"), await enter("ecdsa"), await enter("rsa"), await enter("stranger")],
    [0, 0, 0, 255],
  );
  await here.logSays(/no key in it\n {2}where: \S+authorized_keys:3\n {2}fix: /);
  await here.logSays(/`command` is not known here[^\n]*\n {2}where: \S+authorized_keys:4\n/);

  await t.test("SHA-1 signatures prove nothing", async () => {
    const { code } = await here.run(["-o", "PubkeyAcceptedAlgorithms=ssh-rsa", "version"], { key: "rsa" });
    assert.equal(code, 255);
  });

  await t.test("old algorithms are not spoken, and a wish for compression does not hurt", async () => {
    for (const option of ["Ciphers=aes128-cbc", "KexAlgorithms=diffie-hellman-group14-sha1", "MACs=hmac-sha1"]) {
      const only = option.startsWith("MACs") ? ["-o", "Ciphers=aes128-ctr"] : [];
      assert.equal((await here.run([...only, "-o", option, "version"], {})).code, 255, option);
    }
    assert.equal((await here.run(["-C", "version"], {})).code, 0);
  });

  await t.test("from, expiry-time and permit hold a key back", async () => {
    here.authorize(`from="10.0.0.0/8" KEY\nexpiry-time="20200101" ${ecdsa}\nfrom="127.0.0.1",permit="view" ${rsa}\n`);
    assert.deepEqual([await enter("id"), await enter("ecdsa"), await enter("rsa")], [255, 255, 0]);
    const refused = await here.run(["stop", "ssh"], { key: "rsa" });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /may look and change nothing/);
    assert.equal((await box.status("ssh")).state, "RUNNING");
  });

  await t.test("a file that others can write lets nobody in, and says so", async () => {
    here.authorize("KEY\n");
    assert.equal(await enter("id"), 0);
    await box.run("chmod", ["666", box.path("authorized_keys")]);
    assert.equal(await enter("id"), 255);
    await here.logSays(/lets nobody in: others may write it \(mode 666\)\n.*\n {2}fix: {3}chmod go-w/);
    await box.run("chmod", ["600", box.path("authorized_keys")]);
    assert.equal(await enter("id"), 0);
  });

  await t.test("who is inside when the key is taken away is sent out", async () => {
    const child = here.spawn(["logs", "-f", "ssh"]);
    const heard = hear(child);
    await box.becomes("the log is there", () => heard.stdout !== "");
    const ended = new Promise<number | null>((done) => child.once("close", done));
    here.authorize(`${ecdsa}\n`);
    assert.equal(await ended, 255);
    await here.logSays(/left: its key is no longer allowed/);
  });
});

test(
  "off until somebody may sign in; the host key is made once and its fingerprint stands in status",
  NEEDS_SSH,
  async (t) => {
    const here = await SshBox.open(t, { authorized: null });
    const { box } = here;
    const off = await box.until("ssh", "SKIPPED");
    assert.match(off.why, /authorized_keys does not exist and SSH_SERVER_TOKEN is not set/);
    here.authorize("KEY\n");
    await box.svctl("start", "ssh");
    const on = await box.until("ssh", "RUNNING");

    const keyFile = box.path("state/ssh_host_ed25519_key");
    assert.equal(modeOf(keyFile), "600");
    const known = await box.run("ssh-keygen", ["-l", "-f", keyFile]);
    const fingerprint = known.stdout.split(" ")[1]!;
    assert.match(fingerprint, /^SHA256:/);
    assert.ok(on.why.includes(fingerprint), on.why);
    assert.ok((await box.svctl("status", "ssh")).stdout.includes(fingerprint));
    assert.equal((await here.ssh("version")).code, 0);

    await t.test("kill -9 of the server costs its connections, and the same host key is there again", async () => {
      const child = here.spawn(["logs", "-f", "ssh"]);
      const heard = hear(child);
      await box.becomes("the log is there", () => heard.stdout !== "");
      const ended = new Promise((done) => child.once("close", done));
      process.kill(on.pid!, "SIGKILL");
      assert.equal(await ended, 255);
      await box.until("ssh", ({ run, state }) => run > on.run && state === "RUNNING");
      // known_hosts has the old one: ssh would refuse another.
      assert.equal((await here.run(["-o", "StrictHostKeyChecking=yes", "version"], {})).code, 0);
    });

    await t.test("a stop sends everybody away and ends well", async () => {
      const child = here.spawn(["logs", "-f", "ssh"]);
      const heard = hear(child);
      await box.becomes("the log is there", () => heard.stdout !== "");
      const ended = new Promise((done) => child.once("close", done));
      await box.svctl("stop", "ssh");
      assert.equal(await ended, 255);
      assert.match((await box.status("ssh")).why, /exit 0/);
    });

    await t.test("a host key that is broken is never silently replaced", async () => {
      await box.svctl("stop", "ssh");
      const text = readFileSync(keyFile, "utf8");
      writeFileSync(keyFile, text.slice(0, 100));
      await box.svctl("start", "ssh", "--no-wait");
      await box.becomes("it says so", () =>
        /host key cannot be read[^\n]*\n {2}where: .*\n {2}fix: /.test(box.log("ssh")),
      );
      assert.equal(readFileSync(keyFile, "utf8"), text.slice(0, 100));
      writeFileSync(keyFile, text);
      await box.until("ssh", "RUNNING");
    });
  },
);

test("ssh -L leads to the ports that are listed, and nowhere else", NEEDS_SSH, async (t) => {
  const [service, secret] = [await freePort(), await freePort()];
  for (const [port, says] of [
    [service, "scores"],
    [secret, "secret"],
  ] as const) {
    const server = createServer((socket) => socket.end(says)).listen(port, "127.0.0.1");
    t.after(() => server.close());
  }
  const here = await SshBox.open(t, { env: { SSH_SERVER_PERMIT_OPEN: `localhost:${service}` } });
  const view = here.makeKey("view");
  const one = here.makeKey("one");
  here.authorize(`KEY\npermit="view" ${view}\nrestrict,permitopen="localhost:1",port-forwarding ${one}\n`);

  const throughTo = async (port: number, key = "id", host = "localhost"): Promise<string> => {
    const local = await freePort();
    const child = here.spawn(["-N", "-L", `127.0.0.1:${local}:${host}:${port}`], { key });
    let answer: string | null = null;
    await here.box.becomes("ssh listens", async () => {
      answer = await allFrom(local);
      return answer !== null;
    });
    child.kill("SIGTERM");
    return answer!;
  };
  assert.equal(await throughTo(service), "scores");
  assert.equal(await throughTo(service, "id", "127.0.0.1"), "scores");
  assert.equal(await throughTo(secret), "");
  assert.equal(await throughTo(service, "view"), "");
  assert.equal(await throughTo(service, "one"), "");
  await here.logSays(new RegExp(`may not forward to localhost:${secret}`));

  await t.test("and no port of this machine is opened for a client", async () => {
    const { code } = await here.run(
      ["-o", "ExitOnForwardFailure=yes", "-R", `127.0.0.1:${await freePort()}:localhost:1`, "127.0.0.1", "version"],
      {},
    );
    assert.equal(code, 255);
  });
});

test("without the daemon commands say so with exit code 4, and go on when it is back", NEEDS_SSH, async (t) => {
  const here = await SshBox.open(t);
  const { box } = here;
  const pid = await box.pid("ssh");
  box.daemon!.kill("SIGKILL");
  await box.ended();
  await box.becomes("the socket is dead", async () => (await box.svctl("status")).code === 4);
  const lost = await here.ssh("status");
  assert.equal(lost.code, 4);
  assert.notEqual(lost.stderr, "");
  await box.start();
  assert.equal((await here.ssh("status", "ssh")).code, 0);
  assert.equal(await box.pid("ssh"), pid, "the server is the same");
});

test("the token is a password: of everybody, and not printed anywhere", NEEDS_SSH, async (t) => {
  const token = "correct-horse-battery";
  const here = await SshBox.open(t, { authorized: null, env: { SSH_SERVER_TOKEN: token } });
  const { box } = here;
  const withPassword = (password: string) => {
    writeFileSync(box.path("askpass"), `#!/bin/sh\necho '${password}'\n`, { mode: 0o700 });
    return here.run(["-o", "NumberOfPasswordPrompts=1", "status", "ssh"], {
      env: { SSH_ASKPASS: box.path("askpass"), SSH_ASKPASS_REQUIRE: "force", DISPLAY: ":0" },
    });
  };
  assert.equal((await withPassword(token)).code, 0);
  assert.equal((await withPassword("wrong-horse-battery")).code, 255);
  await here.logSays(/: a wrong password/);
  rmSync(box.path("askpass"));
  assert.doesNotMatch(box.log("ssh"), /horse/);
  assert.doesNotMatch((await box.svctl("explain", "ssh")).stdout, /horse/);
});

/** null: nobody listens yet. */
function allFrom(port: number): Promise<string | null> {
  return new Promise((done) => {
    let text = "";
    connect(port, "127.0.0.1")
      .on("data", (bytes) => (text += bytes.toString()))
      .on("error", (error: NodeJS.ErrnoException) => done(error.code === "ECONNREFUSED" ? null : text))
      .on("close", () => done(text));
  });
}

/** The process below that one which has the word among its arguments. */
function childOf(pid: number, word: string): number {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").map(Number);
  const found = children.find((child) => readFileSync(`/proc/${child}/cmdline`, "utf8").split("\0").includes(word));
  assert.ok(found !== undefined);
  return found;
}
