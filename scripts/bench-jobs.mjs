/**
 * Jobs beside Debian's cron and a node-cron program, one after the other on the same machine: how long it takes until so many jobs are
 * known, what they cost while none is due, and what becomes of so many that are due in one minute.
 *
 *   node scripts/bench-jobs.mjs [--jobs 10000] [--due 2000] [--idle-seconds 120] [--peer svcd,cron,node-cron]
 *
 * Idle CPU is looked at for whole minutes: Debian's cron works in one short moment of each.
 *
 * Needs root for Debian's cron (`apt-get install cron`), whose folders are put over by others in a mount namespace.
 */
import { spawn, spawnSync } from "node:child_process";
import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const PROJECT = resolve(import.meta.dirname, "..");
const { values } = parseArgs({
  options: {
    jobs: { type: "string", default: "10000" },
    due: { type: "string", default: "2000" },
    "idle-seconds": { type: "string", default: "120" },
    peer: { type: "string", default: "svcd,cron,node-cron" },
  },
});
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Each: writes its jobs into `dir`, starts, and answers with its process and a promise of "all jobs are known". */
const PEERS = {
  svcd: {
    start(dir, lines) {
      for (const name of ["services.d", "cron.d"]) mkdirSync(join(dir, name), { mode: 0o700 });
      for (let from = 0; from < lines.length; from += 5000) {
        const text = lines.slice(from, from + 5000).map(([when, command]) => `${when} ${command}\n`);
        writeFileSync(join(dir, `cron.d/bench${from}`), `MAILTO=""\n${text.join("")}`, { mode: 0o600 });
      }
      const child = spawn(join(PROJECT, "bin/svcd"), ["--root", dir], { stdio: "ignore" });
      return { child, known: () => health(join(dir, "run/svcd.sock")).then(({ jobs }) => jobs === lines.length) };
    },
  },
  cron: {
    isHere: () => spawnSync("cron", ["-?"]).error === undefined && process.getuid() === 0,
    start(dir, lines) {
      for (const name of ["crontabs", "cron.d", "run"]) mkdirSync(join(dir, name));
      writeFileSync(join(dir, "crontab"), "");
      for (let from = 0; from < lines.length; from += 5000) {
        const text = lines.slice(from, from + 5000).map(([when, command]) => `${when} root ${command}\n`);
        writeFileSync(join(dir, `cron.d/bench${from}`), `MAILTO=""\n${text.join("")}`, { mode: 0o644 });
      }
      const binds = {
        crontabs: "/var/spool/cron/crontabs",
        "cron.d": "/etc/cron.d",
        crontab: "/etc/crontab",
        run: "/run",
      };
      const mounts = Object.entries(binds).map(([from, to]) => `mount --bind ${dir}/${from} ${to}`);
      const script = [...mounts, "exec cron -f"].join(" && ");
      const child = spawn("unshare", ["-m", "--propagation", "private", "sh", "-c", script], { stdio: "ignore" });
      return { child, known: async () => existsSync(join(dir, "run/crond.pid")) };
    },
  },
  "node-cron": {
    start(dir, lines) {
      const program = `
        import cron from ${JSON.stringify(import.meta.resolve("node-cron"))};
        import { spawn } from "node:child_process";
        for (const [when, command] of ${JSON.stringify(lines)})
          cron.schedule(when, () => void spawn("/bin/sh", ["-c", command], { stdio: "ignore" }));
        console.log("known");`;
      writeFileSync(join(dir, "jobs.mjs"), program);
      const child = spawn(process.execPath, [join(dir, "jobs.mjs")], { stdio: ["ignore", "pipe", "ignore"] });
      let isKnown = false;
      child.stdout.on("data", () => (isKnown = true));
      return { child, known: async () => isKnown };
    },
  },
};

const rows = [];
for (const name of values.peer.split(",")) {
  const peer = PEERS[name];
  if (peer.isHere?.() === false) {
    console.error(`${name} is not installed, or needs root`);
    continue;
  }
  rows.push({ name, ...(await idle(peer)), ...(await storm(peer)) });
}
console.table(Object.fromEntries(rows.map(({ name, ...figures }) => [name, figures])));

async function idle(peer) {
  // Once a year, on days that are not near.
  const month = ((new Date().getMonth() + 5) % 12) + 1;
  const lines = Array.from({ length: Number(values.jobs) }, (_, n) => [
    `${n % 60} ${n % 24} ${(n % 28) + 1} ${month} *`,
    "true",
  ]);
  return inFolder(async (dir) => {
    const begun = performance.now();
    const { child, known } = peer.start(dir, lines);
    await until(known);
    const knownMs = performance.now() - begun;
    await sleep(5_000);
    const before = used(child.pid);
    const seconds = Number(values["idle-seconds"]);
    await sleep(seconds * 1000);
    const after = used(child.pid);
    await end(child);
    return {
      "known after ms": Math.round(knownMs),
      "PSS MB": round(after.pssKb / 1024),
      "idle CPU ms/min": round(((after.cpuMs - before.cpuMs) * 60) / seconds),
    };
  });
}

async function storm(peer) {
  return inFolder(async (dir) => {
    const out = join(dir, "out");
    const lines = Array.from({ length: Number(values.due) }, (_, n) => [
      "* * * * *",
      `echo ${n} $(date +\\%s\\%N) >> ${out}`,
    ]);
    // node-cron's commands are no crontab's.
    const own =
      peer === PEERS["node-cron"] ? lines.map(([when, command]) => [when, command.replaceAll("\\%", "%")]) : lines;
    while (new Date().getSeconds() > 30) await sleep(500); // Time to be known before the minute is full.
    const { child, known } = peer.start(dir, own);
    await until(known);
    const minute = Math.ceil(Date.now() / 60_000) * 60_000;
    await sleep(minute - Date.now() + 55_000);
    await end(child);
    const starts = new Map();
    if (existsSync(out)) {
      for await (const line of createInterface({ input: createReadStream(out) })) {
        const [job, at] = line.split(" ");
        if (Number(at) / 1e6 < minute + 59_000)
          starts.set(job, [...(starts.get(job) ?? []), Number(at) / 1e6 - minute]);
      }
    }
    const all = [...starts.values()].flat().sort((a, b) => a - b);
    return {
      "due lost": Number(values.due) - starts.size,
      "due twice": all.length - starts.size,
      "first start ms": Math.round(all[0] ?? Number.NaN),
      "p50 ms": Math.round(all[all.length >> 1] ?? Number.NaN),
      "last start ms": Math.round(all.at(-1) ?? Number.NaN),
    };
  });
}

async function inFolder(act) {
  const dir = mkdtempSync(join(tmpdir(), "svcd-bench-jobs-"));
  try {
    return await act(dir);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function until(isSo) {
  for (let tries = 0; tries < 12_000; tries++) {
    if (await isSo().catch(() => false)) return;
    await sleep(5);
  }
  throw new Error("the jobs did not become known within a minute");
}

async function end(child) {
  const ended = new Promise((done) => child.once("exit", done));
  child.kill("SIGTERM");
  const limit = setTimeout(() => child.kill("SIGKILL"), 15_000);
  await ended;
  clearTimeout(limit);
}

/** Of a process and all below it. */
function used(root) {
  const parents = new Map(
    readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .flatMap((pid) => {
        const stat = read(`/proc/${pid}/stat`);
        return stat === "" ? [] : [[Number(pid), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1])]];
      }),
  );
  const isBelow = (pid) => pid === root || (parents.has(pid) && parents.get(pid) > 1 && isBelow(parents.get(pid)));
  let pssKb = 0;
  let cpuMs = 0;
  for (const pid of [...parents.keys()].filter(isBelow)) {
    pssKb += Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
    const stat = read(`/proc/${pid}/schedstat`);
    cpuMs += Number(stat.split(" ")[0] ?? 0) / 1e6;
  }
  return { pssKb, cpuMs };
}

function health(socketPath) {
  return new Promise((done, fail) => {
    request({ socketPath, path: "/v1/health" }, (response) => {
      let text = "";
      response.on("data", (piece) => (text += piece)).on("end", () => done(JSON.parse(text)));
    })
      .on("error", fail)
      .end();
  });
}

function read(path) {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

function round(number) {
  return Math.round(number * 10) / 10;
}
