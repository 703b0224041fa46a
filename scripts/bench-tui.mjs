/**
 * The terminal UI with 50 services, on a terminal of 80×24 and one of 200×50: how long it takes to open, what it sends and what it
 * costs while nothing happens; beside htop and `pm2 monit` where they are installed. Needs `npm run build` and util-linux `script`.
 *
 *   node scripts/bench-tui.mjs [--seconds 20] [--services 50]
 *
 * Opening is from the start of the process to the first picture with a service in it. Bytes are what the terminal gets. CPU is of the
 * process that draws, and of svcd's core that answers it, in per cent of one core. A busy machine is slower to open; the median of five counts.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { seconds: { type: "string", default: "20" }, services: { type: "string", default: "50" } },
});
const SECONDS = Number(values.seconds);
const SERVICES = Number(values.services);
const BIN = join(import.meta.dirname, "../bin");

const root = mkdtempSync(join(tmpdir(), "svcd-bench-"));
mkdirSync(join(root, "services.d"));
for (let index = 1; index <= SERVICES; index++) {
  const check = index % 2 === 0 ? "healthcheck: { exec: 'true', interval: 30s }\n" : "";
  writeFileSync(join(root, `services.d/service-${index}.yaml`), `command: sleep 100000\nstartsecs: 0s\n${check}`);
}
const svcd = spawn(join(BIN, "svcd"), ["--root", root], { stdio: "ignore" });
try {
  await until(() => status().every(({ state }) => state === "RUNNING") && status().length === SERVICES);
  const health = JSON.parse(
    execFileSync("curl", ["-s", "--unix-socket", join(root, "run/svcd.sock"), "http://svcd/v1/health"]),
  );
  await pause(3_000); // The daemon gives back what starting has used.
  const before = cpuMs(health.core);
  await pause(SECONDS * 1000);
  const restPercent = (cpuMs(health.core) - before) / (SECONDS * 10);

  const rows = [];
  const tui = `${join(BIN, "svctl")} --root ${root} tui`;
  for (const [columns, lines] of [
    [80, 24],
    [200, 50],
  ]) {
    rows.push(await measure(`svctl tui ${columns}×${lines}`, tui, columns, lines, /RUNNING/, health.core, restPercent));
  }
  if (isThere("htop")) rows.push(await tried("htop 80×24", "htop", 80, 24, /Load average/, null, 0));
  if (isThere("pm2"))
    rows.push(await tried("pm2 monit 80×24", "pm2 monit", 80, 24, /Process.{0,8}List|Process list/i, null, 0));
  console.log(`${SERVICES} services, ${SECONDS} s at rest each, load of the machine ${loadavg()[0].toFixed(1)}\n`);
  console.log(
    "| | opens, ms | wire at rest, B/s | CPU at rest | svcd's core besides | memory, MB |\n|---|---|---|---|---|---|",
  );
  for (const row of rows) console.log(`| ${row.join(" | ")} |`);
  for (const name of ["htop", "pm2"]) if (!isThere(name)) console.log(`(${name} is not installed here)`);
} finally {
  svcd.kill("SIGTERM");
  await new Promise((done) => svcd.once("exit", done));
  rmSync(root, { recursive: true, force: true });
}

/** A peer that cannot be run here costs its row. */
async function tried(name, ...how) {
  try {
    return await measure(name, ...how);
  } catch (error) {
    return [name, error.message, "", "", "", ""];
  }
}

async function measure(name, command, columns, lines, isOpen, corePid, restPercent) {
  const opens = [];
  for (let round = 0; round < 5; round++) {
    const terminal = open(command, columns, lines);
    await until(() => isOpen.test(terminal.text));
    opens.push(performance.now() - terminal.startedAt);
    await terminal.close();
  }
  const terminal = open(command, columns, lines);
  await until(() => isOpen.test(terminal.text));
  await pause(4_000);
  const pid = drawing(terminal.pid, command);
  const [bytes, own, core] = [terminal.bytes(), cpuMs(pid), corePid === null ? 0 : cpuMs(corePid)];
  await pause(SECONDS * 1000);
  const result = [
    name,
    opens.sort((a, b) => a - b)[2].toFixed(0),
    ((terminal.bytes() - bytes) / SECONDS).toFixed(0),
    `${((cpuMs(pid) - own) / (SECONDS * 10)).toFixed(2)} %`,
    corePid === null ? "" : `${((cpuMs(corePid) - core) / (SECONDS * 10) - restPercent).toFixed(2)} %`,
    (Number(/^VmRSS:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"))[1]) / 1024).toFixed(0),
  ];
  await terminal.close();
  return result;
}

function open(command, columns, lines) {
  const env = { ...process.env, TERM: "xterm-256color", LANG: "C.UTF-8", LC_ALL: "C.UTF-8", TMUX: "" };
  const child = spawn("script", ["-qfc", `stty cols ${columns} rows ${lines}; exec ${command}`, "/dev/null"], {
    env,
    stdio: ["pipe", "pipe", "ignore"],
  });
  const terminal = { text: "", pid: child.pid, startedAt: performance.now(), bytes: () => count, close };
  let count = 0;
  child.stdout.on("data", (bytes) => {
    count += bytes.length;
    if (terminal.text.length < 1_000_000) terminal.text += bytes.toString("latin1");
  });
  async function close() {
    const ended = new Promise((done) => child.once("exit", done));
    child.stdin.write("q");
    const limit = setTimeout(() => child.kill("SIGKILL"), 3_000);
    await ended;
    clearTimeout(limit);
  }
  return terminal;
}

/** The process below `script` that draws: the last of its line. */
function drawing(pid, command) {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "latin1")
    .trim()
    .split(" ")
    .filter(Boolean)
    .map(Number);
  return children.length === 0 ? pid : drawing(children[0], command);
}

function cpuMs(pid) {
  let ms = 0;
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    // Nanoseconds that it ran: the clock ticks of `stat` are too coarse for so little.
    ms += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "latin1").split(" ")[0]) / 1e6;
  }
  return ms;
}

function status() {
  try {
    return JSON.parse(
      execFileSync(join(BIN, "svctl"), ["--root", root, "status", "--json"], { stdio: ["ignore", "pipe", "ignore"] }),
    );
  } catch (error) {
    return error.stdout?.length > 0 ? JSON.parse(error.stdout) : [];
  }
}

function isThere(program) {
  return process.env.PATH.split(":").some((folder) => {
    try {
      return readdirSync(folder).includes(program);
    } catch {
      return false;
    }
  });
}

async function until(isSo) {
  for (const end = performance.now() + 30_000; performance.now() < end; await pause(5)) if (isSo()) return;
  throw new Error("it did not become so within 30 s");
}
