import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { after, test } from "node:test";
import { ConfigDirectory, type ConfigOptions, type ConfigSnapshot } from "./config-directory.ts";

const canUnshare = spawnSync("unshare", ["-Ur", "true"]).status === 0;
const base = mkdtempSync(`${tmpdir()}/config-`);
const open: ConfigDirectory[] = [];
after(async () => {
  await Promise.all(open.map((directory) => directory.close()));
  rmSync(base, { recursive: true });
});

let roots = 0;

function config(options: Partial<ConfigOptions> = {}) {
  const root = `${base}/${++roots}`;
  const places = { services: `${root}/services.d`, cron: `${root}/cron.d`, settings: `${root}/svcd.yaml` };
  mkdirSync(places.services, { recursive: true });
  const snapshots: ConfigSnapshot[] = [];
  let onSnapshot = (): void => {};
  const onChange = (snapshot: ConfigSnapshot): void => {
    snapshots.push(snapshot);
    onSnapshot();
  };
  const directory = new ConfigDirectory({ ...places, onChange, say: (line) => assert.fail(line), ...options });
  open.push(directory);
  return {
    root,
    services: places.services,
    cron: places.cron,
    directory,
    snapshots,
    read: () => directory.read(),
    write: (name: string, text: string) => writeFileSync(`${places.services}/${name}`, text),
    watch: (known = directory.read()) => directory.watch(known),
    async change(): Promise<ConfigSnapshot> {
      while (snapshots.length === 0) await new Promise<void>((resolve) => (onSnapshot = resolve));
      return snapshots.shift() as ConfigSnapshot;
    },
  };
}

/** "web.yaml: text" for each file, "job web: text" for each of cron.d, then "! what" for each problem. */
function shown({ files, jobs, settings, problems }: ConfigSnapshot): string[] {
  const name = (path: string): string => path.replace(/^.*\//, "");
  return [
    ...(files ?? [{ path: "services.d", text: "unknown" }]).map(({ path, text }) => `${name(path)}: ${text}`),
    ...(jobs ?? [{ path: "cron.d", text: "unknown" }]).map(({ path, text }) => `job ${name(path)}: ${text}`),
    ...(settings === null ? [] : [`settings: ${settings.text}`]),
    ...problems.map(({ file, what }) => `! ${name(file)}: ${what}`),
  ];
}

// --- reading -----------------------------------------------------------------------------------------------------------

test("service files and settings are read in the order of their names; editors' litter is not", () => {
  const { root, write, read } = config();
  for (const name of ["b.yaml", "a.conf", "c.yml", ".a.yaml.swp", "a.yaml~", "4913", "#a.yaml#", "README.md"])
    write(name, name);
  symlinkSync("someone@host.4711", `${root}/services.d/.#b.yaml`);
  writeFileSync(`${root}/svcd.yaml`, "auto_apply: false");
  assert.deepEqual(shown(read()), ["a.conf: a.conf", "b.yaml: b.yaml", "c.yml: c.yml", "settings: auto_apply: false"]);
});

test("equal content has an equal hash, whoever wrote it when", () => {
  const { write, read } = config();
  write("a.yaml", "x");
  const first = read().hash;
  write("a.yaml", "y");
  assert.notEqual(read().hash, first);
  write("a.yaml", "x");
  assert.equal(read().hash, first);
});

test("a directory that is missing or no directory does not look like one without services", () => {
  const { services, read } = config();
  rmSync(services, { recursive: true });
  const missing = read();
  assert.equal(missing.files, null);
  assert.deepEqual(shown(missing).slice(1), [
    "! services.d: the directory does not exist; what runs goes on as it was",
  ]);
  writeFileSync(services, "");
  assert.equal(read().files, null);
});

test("a file that cannot be used is a problem of that file alone", () => {
  const { root, write, read } = config();
  write("good.yaml", "x");
  write("large.yaml", "x".repeat(256 * 1024 + 1));
  mkdirSync(`${root}/services.d/folder.yaml`);
  symlinkSync("nowhere", `${root}/services.d/link.yaml`);
  assert.deepEqual(shown(read()), [
    "good.yaml: x",
    "! folder.yaml: it is not a regular file",
    "! large.yaml: it is larger than 256 KiB",
    "! link.yaml: it is a symbolic link to a file that does not exist",
  ]);
});

test("files that others may write are not used when svcd is root", {
  skip: process.getuid?.() !== 0 && "needs root",
}, () => {
  const { services, write, read } = config();
  for (const name of ["all.yaml", "good.yaml", "group.yaml", "theirs.yaml"]) write(name, "x");
  chmodSync(`${services}/all.yaml`, 0o666);
  chmodSync(`${services}/group.yaml`, 0o664);
  chownSync(`${services}/theirs.yaml`, 65534, 65534);
  const why = "so svcd, which runs as root, does not use it";
  assert.deepEqual(shown(read()), [
    "good.yaml: x",
    `! all.yaml: everybody may write to it, ${why}`,
    `! group.yaml: its group may write to it, ${why}`,
    `! theirs.yaml: it belongs to the user with number 65534, ${why}`,
  ]);
  chmodSync(services, 0o777);
  assert.deepEqual(shown(read()), ["services.d: unknown", `! services.d: everybody may write to it, ${why}`]);
});

test("an ordinary user's svcd takes what is there", () => {
  const { services, write, read } = config({ uid: 1234 });
  write("a.yaml", "x");
  chmodSync(`${services}/a.yaml`, 0o666);
  assert.deepEqual(shown(read()), ["a.yaml: x"]);
});

test("of cron.d what looks like jobs is read, litter and folders are not, and a name that cron refuses is told", () => {
  const { cron, read } = config();
  mkdirSync(`${cron}/disabled`, { recursive: true });
  for (const name of ["web", "X-1_y", "web.system", "job.yaml", "README", "x~", ".x.swp", "web.dpkg-new", "backup.sh"])
    writeFileSync(`${cron}/${name}`, "x", { mode: 0o644 });
  assert.deepEqual(shown(read()), [
    "job X-1_y: x",
    "job job.yaml: x",
    "job web: x",
    "job web.system: x",
    "! backup.sh: `backup.sh` is not read: cron takes no file with such a name",
  ]);
});

test("who has no cron.d has no jobs and no problem; one that cannot be used leaves jobs unknown, and services as they are", () => {
  const { cron, write, read } = config();
  write("a.yaml", "1");
  assert.deepEqual(shown(read()), ["a.yaml: 1"]);
  writeFileSync(cron, "");
  assert.deepEqual(
    shown(read()),
    ["a.yaml: 1", "cron.d: unknown", "! cron.d: it is not a directory; what runs goes on as it was"].map((line) =>
      line.replace(/^cron\.d: unknown/, "job cron.d: unknown"),
    ),
  );
});

test("a crontab that others could have written is not used", { skip: process.getuid?.() !== 0 && "needs root" }, () => {
  const { cron, read } = config();
  mkdirSync(cron);
  for (const name of ["all", "good", "linked", "theirs", "job.yaml"])
    writeFileSync(`${cron}/${name}`, "x", { mode: 0o644 });
  chmodSync(`${cron}/all`, 0o666);
  linkSync(`${cron}/linked`, `${base}/other-name`);
  chownSync(`${cron}/theirs`, 65534, 65534);
  chownSync(`${cron}/job.yaml`, 65534, 65534);
  symlinkSync("good", `${cron}/link`);
  assert.deepEqual(shown(read()), [
    "job good: x",
    "job link: x",
    "! all: others may write it (mode 0666), so svcd does not use it",
    "! job.yaml: it belongs to the user with number 65534, so svcd, which runs as root, does not use it",
    "! linked: it has 2 hard links, so it can be changed from elsewhere, so svcd does not use it",
    "! theirs: it belongs to uid 65534, not to root, so svcd does not use it",
  ]);
});

test("a crontab may be as long as cron allows, a YAML file may not", () => {
  const { cron, read } = config();
  mkdirSync(cron);
  writeFileSync(`${cron}/long`, "#".repeat(1024 * 1024), { mode: 0o644 });
  writeFileSync(`${cron}/longer`, "#".repeat(1024 * 1024 + 1), { mode: 0o644 });
  writeFileSync(`${cron}/long.yaml`, "#".repeat(256 * 1024 + 1), { mode: 0o644 });
  const { jobs, problems } = read();
  assert.deepEqual(
    jobs?.map(({ path }) => path),
    [`${cron}/long`],
  );
  assert.deepEqual(
    problems.map(({ what }) => what),
    ["it is larger than 256 KiB", "it is larger than 1024 KiB"],
  );
});

// --- changes -----------------------------------------------------------------------------------------------------------

test("a file that is added, changed, renamed over, renamed or removed is told", async () => {
  const { services, write, watch, change } = config();
  write("a.yaml", "1");
  await watch();
  write("b.yaml", "1");
  assert.deepEqual(shown(await change()), ["a.yaml: 1", "b.yaml: 1"]);
  write("a.yaml", "2");
  assert.deepEqual(shown(await change()), ["a.yaml: 2", "b.yaml: 1"]);
  write(".new", "3");
  renameSync(`${services}/.new`, `${services}/a.yaml`);
  assert.deepEqual(shown(await change()), ["a.yaml: 3", "b.yaml: 1"]);
  renameSync(`${services}/a.yaml`, `${services}/c.yaml`);
  assert.deepEqual(shown(await change()), ["b.yaml: 1", "c.yaml: 3"]);
  rmSync(`${services}/b.yaml`);
  assert.deepEqual(shown(await change()), ["c.yaml: 3"]);
});

test("the settings file is watched like the services", async () => {
  const { root, watch, change } = config();
  await watch();
  writeFileSync(`${root}/svcd.yaml`, "auto_apply: false");
  assert.deepEqual(shown(await change()), ["settings: auto_apply: false"]);
  rmSync(`${root}/svcd.yaml`);
  assert.deepEqual(shown(await change()), []);
});

test("what changed between reading and watching is told", async () => {
  const { write, read, watch, change } = config();
  const known = read();
  write("a.yaml", "1");
  await watch(known);
  assert.deepEqual(shown(await change()), ["a.yaml: 1"]);
});

test("a change is told within half a second, although other things happen all the time", async () => {
  const { services, write, watch, change, snapshots } = config();
  await watch();
  const litter = setInterval(() => writeFileSync(`${services}/.litter.swp`, String(Math.random())), 5);
  const busy = setInterval(() => writeFileSync(`${services}/busy.yaml`, String(Math.random())), 50);
  write("a.yaml", "1");
  const wroteAt = performance.now();
  assert.deepEqual(shown(await change()), ["a.yaml: 1"]);
  const took = performance.now() - wroteAt;
  clearInterval(litter);
  clearInterval(busy);
  assert.ok(took < 500, `${took} ms`);
  assert.deepEqual(snapshots, []);
});

test("a half-written file is never told", async () => {
  const { services, write, watch, change, snapshots } = config();
  await watch();
  // As a slow copy does it, with the same size before and after.
  const text = "command: serve --port 8000";
  for (let length = 0; length <= text.length; length++) {
    writeFileSync(`${services}/a.yaml`, text.slice(0, length).padEnd(text.length, "#"));
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(snapshots, []);
  }
  write("b.yaml", "x");
  assert.deepEqual(shown(await change()), [`a.yaml: ${text}`, "b.yaml: x"]);
});

test("touching, or writing the same again, changes nothing", async () => {
  const { services, write, watch, change } = config();
  write("a.yaml", "1");
  await watch();
  utimesSync(`${services}/a.yaml`, 1, 1);
  write("a.yaml", "1");
  write("b.yaml", "1");
  assert.deepEqual(shown(await change()), ["a.yaml: 1", "b.yaml: 1"]);
});

test("an editor that truncates, or removes and writes anew, does not stop the service in between", async () => {
  const { services, write, watch, change } = config();
  write("a.yaml", "1");
  write("b.yaml", "1");
  await watch();
  truncateSync(`${services}/a.yaml`);
  renameSync(`${services}/b.yaml`, `${services}/b.yaml~`);
  await new Promise((resolve) => setTimeout(resolve, 60));
  write("a.yaml", "2");
  write("b.yaml", "2");
  assert.deepEqual(shown(await change()), ["a.yaml: 2", "b.yaml: 2"]);
});

test("a ConfigMap is swapped as Kubernetes does it", async () => {
  const { services, watch, change } = config();
  const version = (name: string, text: string): void => {
    mkdirSync(`${services}/..${name}`);
    writeFileSync(`${services}/..${name}/web.yaml`, text);
    symlinkSync(`..${name}`, `${services}/..data_tmp`);
    renameSync(`${services}/..data_tmp`, `${services}/..data`);
  };
  version("2026_1", "1");
  symlinkSync("..data/web.yaml", `${services}/web.yaml`);
  await watch();
  version("2026_2", "2");
  rmSync(`${services}/..2026_1`, { recursive: true });
  assert.deepEqual(shown(await change()), ["web.yaml: 2"]);
});

test("a directory that is replaced is followed to the new one", async () => {
  const { services, write, watch, change } = config();
  write("a.yaml", "1");
  await watch();
  renameSync(services, `${services}.old`);
  mkdirSync(services);
  write("b.yaml", "1");
  assert.deepEqual(shown(await change()), ["b.yaml: 1"]);
  write("c.yaml", "1");
  assert.deepEqual(shown(await change()), ["b.yaml: 1", "c.yaml: 1"]);
});

test("a directory that vanishes is told as a problem, and its return as what is in it", async () => {
  const { services, write, watch, change } = config();
  write("a.yaml", "1");
  await watch();
  renameSync(services, `${services}.away`);
  const gone = await change();
  assert.equal(gone.files, null);
  renameSync(`${services}.away`, services);
  assert.deepEqual(shown(await change()), ["a.yaml: 1"]);
});

test("a cron.d that is made later, changed, removed and made again is noticed at once each time", async () => {
  const { cron, watch, change } = config({ timing: { rescanMs: 600_000 } });
  await watch();
  for (let round = 0; round < 3; round++) {
    mkdirSync(cron);
    writeFileSync(`${cron}/web`, "new", { mode: 0o644 });
    assert.deepEqual(shown(await change()), ["job web: new"]);
    writeFileSync(`${cron}/web`, "newer");
    assert.deepEqual(shown(await change()), ["job web: newer"]);
    rmSync(cron, { recursive: true });
    assert.deepEqual(shown(await change()), []);
  }
});

test("files in a directory that was made again are told at once, however often that happens", async () => {
  const { services, watch, write, change } = config({ timing: { rescanMs: 600_000 } });
  await watch();
  for (let round = 0; round < 3; round++) {
    rmSync(services, { recursive: true });
    assert.deepEqual((await change()).files, null);
    mkdirSync(services);
    assert.deepEqual((await change()).files, []);
    write("web.yaml", "new");
    assert.deepEqual(shown(await change()), ["web.yaml: new"]);
  }
});

test("without a single event every change is found by looking", async () => {
  const { write, services, watch, change } = config({ timing: { rescanMs: 100 } });
  const away = `${base}/target-${roots}.yaml`; // The watcher does not see what a link points to elsewhere.
  writeFileSync(away, "1");
  symlinkSync(away, `${services}/a.yaml`);
  write("b.yaml", "1");
  await watch();
  writeFileSync(away, "2");
  assert.deepEqual(shown(await change()), ["a.yaml: 2", "b.yaml: 1"]);
});

test("where nothing can be watched, changes are found by looking, and that is said", {
  skip: !canUnshare && "needs user namespaces",
}, () => {
  const { root } = config();
  const script = `
    const { ConfigDirectory } = await import(${JSON.stringify(import.meta.resolve("./config-directory.ts"))});
    const { writeFileSync } = await import("node:fs");
    const root = ${JSON.stringify(root)};
    const directory = new ConfigDirectory({
      services: root + "/services.d", cron: root + "/cron.d", settings: root + "/svcd.yaml", uid: 1, timing: { rescanUnwatchedMs: 50 },
      say: (line) => console.log(line),
      onChange: ({ files }) => { console.log("found", files.length); void directory.close(); },
    });
    await directory.watch(directory.read());
    writeFileSync(root + "/services.d/a.yaml", "x");
  `;
  for (const [limit, advice] of [
    ["instances", "max_user_instances"],
    ["watches", "max_user_watches"],
  ] as const) {
    rmSync(`${root}/services.d/a.yaml`, { force: true });
    const run = `echo 0 > /proc/sys/user/max_inotify_${limit} && exec "$0" --input-type=module -e "$1"`;
    const said = execFileSync("unshare", ["-Ur", "sh", "-c", run, process.execPath, script], { encoding: "utf8" });
    assert.match(
      said,
      new RegExp(`cannot be watched .*, so svcd looks at them every 0\\.05 s: sysctl fs\\.inotify\\.${advice}=`),
    );
    assert.match(said, /^found 1$/m);
  }
});

test("more files than anybody writes by hand are a problem, not a plan", () => {
  const { services, write, read } = config();
  write("s0.yaml", "");
  for (let number = 1; number <= 5_000; number++) linkSync(`${services}/s0.yaml`, `${services}/s${number}.yaml`);
  assert.deepEqual(shown(read()), [
    "services.d: unknown",
    "! services.d: it holds 5001 service files; svcd reads at most 5000",
  ]);
});

test("after closing nothing is told any more", async () => {
  const { write, watch, directory, snapshots } = config();
  await watch();
  write("a.yaml", "1");
  await directory.close();
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.deepEqual(snapshots, []);
});
