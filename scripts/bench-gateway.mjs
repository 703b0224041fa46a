/**
 * The gateway beside Caddy and nginx (Debian packages `caddy`, `nginx-light`, `wrk`), each with a token asked for, in one run:
 *
 *   node scripts/bench-gateway.mjs [--seconds 5] [--rounds 3]     after `npm run build`; two to three minutes
 *
 * Behind all of them is one nginx that answers 250 bytes of JSON. The proxy under test has core 0 for itself, everything else
 * runs on core 1. Rounds are interleaved, so that what else the machine does strikes all alike. Small JSON: wrk over 32 kept
 * connections. Events: 50 a second for four seconds, the delay of each measured by one clock. 100 MB: one download by curl.
 * What is not installed is left out, and said.
 */
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createServer, request } from "node:http";
import { connect, createServer as createNetServer } from "node:net";
import { tmpdir } from "node:os";
import { parseArgs } from "node:util";

process.chdir(`${import.meta.dirname}/..`);
const { values } = parseArgs({
  options: { seconds: { type: "string", default: "5" }, rounds: { type: "string", default: "3" } },
});
const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)];
const TOKEN = "bench-0123456789abcdef0123456789abcdef";
const BEARER = `Bearer ${TOKEN}`;
const CONNECTIONS = 32;
const TICKS = 100; // USER_HZ
const dir = mkdtempSync(`${tmpdir()}/bench-gateway-`);
const children = [];
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  rmSync(dir, { recursive: true, force: true });
});

const has = (program) => {
  try {
    execFileSync("sh", ["-c", `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
};
for (const needed of ["nginx", "wrk", "curl", "taskset"]) {
  if (has(needed)) continue;
  console.error(`bench-gateway: ${needed} is missing\n  fix:   apt-get install nginx-light caddy wrk curl util-linux`);
  process.exit(1);
}

if (!has("caddy")) console.error("bench-gateway: caddy is not installed and left out");
const [behind, events, ...ports] = await freePorts(8);
const json = JSON.stringify({
  id: "score-1",
  object: "list",
  data: Array.from({ length: 6 }, (_, index) => ({ index, score: 0.5 })),
});
chmodSync(dir, 0o755); // nginx reads as another user.
mkdirSync(`${dir}/www`);
writeFileSync(`${dir}/www/large`, "");
truncateSync(`${dir}/www/large`, 100 * 1024 * 1024);
nginx(
  "behind",
  `
  access_log off; keepalive_requests 1000000; sendfile on;
  server { listen 127.0.0.1:${behind}; location = /json { default_type application/json; return 200 '${json}'; } location / { root ${dir}/www; } }`,
  1,
);
const stream = createServer((_, response) => {
  response.writeHead(200, { "Content-Type": "text/event-stream" }).flushHeaders();
  let left = 200;
  const timer = setInterval(() => {
    response.write(`data: ${process.hrtime.bigint()}\n\n`);
    if (--left === 0) clearInterval(timer) || response.end();
  }, 20);
}).listen(events, "127.0.0.1");

const subjects = [
  {
    name: "gateway",
    ports: ports.slice(0, 2),
    start: ([one, two]) => {
      const env = {
        ...process.env,
        SVCD_ROOT: dir,
        OPEN_BUTTON_TOKEN: TOKEN,
        GATEWAY_HOST: "127.0.0.1",
        GATEWAY_STATUS_PORT: "0",
        PORTAL_YAML: "/nowhere",
        GATEWAY_ACCESS_LOG: "off",
      };
      env.PORTAL_CONFIG = `127.0.0.1:${one}:${behind}:/:Json|127.0.0.1:${two}:${events}:/:Events`;
      env[`VAST_TCP_PORT_${one}`] = env[`VAST_TCP_PORT_${two}`] = "1";
      return start("bin/svcd-gateway", [], 0, env);
    },
  },
  ...(has("caddy")
    ? [
        {
          name: `Caddy ${execFileSync("caddy", ["version"]).toString().trim().split(" ")[0]}`,
          ports: ports.slice(2, 4),
          start: ([one, two]) => {
            const site = (port, to) =>
              `:${port} {\n  bind 127.0.0.1\n  @in header Authorization "${BEARER}"\n  route {\n    reverse_proxy @in 127.0.0.1:${to} {\n      flush_interval -1\n    }\n    respond 401\n  }\n}\n`;
            writeFileSync(
              `${dir}/Caddyfile`,
              `{\n  admin off\n  auto_https off\n}\n${site(one, behind)}${site(two, events)}`,
            );
            return start("caddy", ["run", "--config", `${dir}/Caddyfile`, "--adapter", "caddyfile"], 0, {
              ...process.env,
              GOMAXPROCS: "1",
              HOME: dir,
            });
          },
        },
      ]
    : []),
  {
    name: `nginx ${/nginx\/(\S+)/.exec(execFileSync("sh", ["-c", "nginx -v 2>&1"]).toString())?.[1]}`,
    ports: ports.slice(4, 6),
    start: ([one, two]) =>
      nginx(
        "proxy",
        `
  access_log off; keepalive_requests 1000000; proxy_buffering off;
  upstream json { server 127.0.0.1:${behind}; keepalive 64; } upstream events { server 127.0.0.1:${events}; keepalive 64; }
  ${[
    [one, "json"],
    [two, "events"],
  ]
    .map(
      ([port, to]) => `server { listen 127.0.0.1:${port}; location / {
    if ($http_authorization != "${BEARER}") { return 401; }
    proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_set_header Authorization "";
    proxy_set_header X-Forwarded-For $remote_addr; proxy_pass http://${to}; } }`,
    )
    .join("\n")}`,
        0,
      ),
  },
];

for (const subject of subjects) {
  subject.child = subject.start(subject.ports);
  await listens(subject.ports[0]);
  await listens(subject.ports[1]);
  subject.idle = memory(subject.child.pid);
  subject.rounds = [];
  const refused = execFileSync("curl", [
    "-s",
    "-o",
    "/dev/null",
    "-w",
    "%{http_code}",
    `http://127.0.0.1:${subject.ports[0]}/json`,
  ]).toString();
  if (refused !== "401") throw new Error(`${subject.name} lets everybody in: ${refused}`);
}
for (let round = 0; round < rounds; round++)
  for (const subject of subjects) subject.rounds.push(await smallJson(subject));
for (const subject of subjects) {
  subject.events = await delays(subject);
  subject.large = download(subject);
  subject.warm = memory(subject.child.pid);
}
print();
stream.close();
process.exit(0);

async function smallJson({ name, ports: [port], child }) {
  const before = cpuSeconds(child.pid);
  const args = [
    "-c",
    "1",
    "wrk",
    "-t1",
    `-c${CONNECTIONS}`,
    `-d${seconds}s`,
    "--latency",
    "-H",
    `Authorization: ${BEARER}`,
    `http://127.0.0.1:${port}/json`,
  ];
  const text = execFileSync("taskset", args).toString();
  const cpu = cpuSeconds(child.pid) - before;
  const requests = Number(/(\d+) requests in/.exec(text)[1]);
  if (/Non-2xx/.test(text)) throw new Error(`${name}: ${text}`);
  const ms = (percent) => {
    const [, number, unit] = new RegExp(`${percent}%\\s+([\\d.]+)(us|ms|s)`).exec(text);
    return Number(number) * { us: 0.001, ms: 1, s: 1000 }[unit];
  };
  return {
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)[1]),
    p50: ms(50),
    p99: ms(99),
    cpuUs: (cpu / requests) * 1e6,
  };
}

function delays({ ports: [, port] }) {
  return new Promise((done) => {
    const found = [];
    request({ port, host: "127.0.0.1", path: "/", headers: { Authorization: BEARER } }, (answer) => {
      answer.on("data", (chunk) => {
        const now = process.hrtime.bigint();
        for (const [, at] of String(chunk).matchAll(/data: (\d+)/g)) found.push(Number(now - BigInt(at)) / 1e6);
      });
      answer.on("end", () => done(found.sort((a, b) => a - b)));
    }).end();
  });
}

function download({ ports: [port] }) {
  const args = [
    "-c",
    "1",
    "curl",
    "-sf",
    "-o",
    "/dev/null",
    "-w",
    "%{time_total}",
    "-H",
    `Authorization: ${BEARER}`,
    `http://127.0.0.1:${port}/large`,
  ];
  return Math.min(...[1, 2, 3].map(() => Number(execFileSync("taskset", args).toString())));
}

function print() {
  const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
  const of = ({ rounds: all }, key) => median(all.map((one) => one[key]));
  const rows = [
    ["", "req/s", "best", "p50 ms", "p99 ms", "CPU us/req", "idle MB", "warm MB", "event p50 ms", "p99", "100 MB s"],
  ];
  for (const subject of subjects) {
    const at = (share) => subject.events[Math.floor(subject.events.length * share)].toFixed(2);
    rows.push([
      subject.name,
      of(subject, "perSecond").toFixed(0),
      Math.max(...subject.rounds.map(({ perSecond }) => perSecond)).toFixed(0),
      of(subject, "p50").toFixed(2),
      of(subject, "p99").toFixed(2),
      of(subject, "cpuUs").toFixed(1),
      subject.idle.toFixed(0),
      subject.warm.toFixed(0),
      at(0.5),
      at(0.99),
      subject.large.toFixed(2),
    ]);
  }
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  for (const row of rows)
    console.log(row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  "));
}

function nginx(name, http, core) {
  const config = `daemon off; worker_processes 1; pid ${dir}/${name}.pid; error_log ${dir}/${name}.log;\nevents { worker_connections 1024; }\nhttp { ${http}\n}\n`;
  writeFileSync(`${dir}/${name}.conf`, config);
  return start("nginx", ["-c", `${dir}/${name}.conf`, "-p", dir], core);
}

function start(file, args, core, env = process.env) {
  const child = spawn("taskset", ["-c", String(core), file, ...args], {
    env,
    stdio: ["ignore", "ignore", process.env.BENCH_LOUD ? "inherit" : "ignore"],
  });
  children.push(child);
  return child;
}

/** Of a process and all below it. */
function family(pid) {
  const below = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number);
  return [pid, ...below.flatMap(family)];
}

function memory(pid) {
  const rss = (one) => Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${one}/status`, "utf8"))?.[1] ?? 0) / 1024;
  return family(pid).reduce((sum, one) => sum + rss(one), 0);
}

function cpuSeconds(pid) {
  return family(pid).reduce((sum, one) => {
    const fields = readFileSync(`/proc/${one}/stat`, "utf8").split(") ")[1].split(" ");
    return sum + (Number(fields[11]) + Number(fields[12])) / TICKS;
  }, 0);
}

async function freePorts(count) {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise((done) => {
          const server = createNetServer().listen(0, "127.0.0.1", () => done(server));
        }),
    ),
  );
  const found = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return found;
}

async function listens(port) {
  for (let tries = 0; tries < 300; tries++) {
    const isOpen = await new Promise((done) => {
      const socket = connect(port, "127.0.0.1")
        .once("connect", () => done(true) || socket.destroy())
        .once("error", () => done(false));
    });
    if (isOpen) return;
    await new Promise((again) => setTimeout(again, 50));
  }
  throw new Error(`nobody listens on ${port}; BENCH_LOUD=1 shows why`);
}
