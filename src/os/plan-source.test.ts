import assert from "node:assert/strict";
import { test } from "node:test";
import { MACHINE } from "../plan/testing.ts";
import { PlanSource, thisMachine, withText } from "./plan-source.ts";

const DAILY = 'schedule: "@daily"\ncommand: x\n';

function sourceOf(filesInUse: readonly string[] = []) {
  const places = { services: "/r/services.d", cron: "/r/cron.d", settings: "/r/svcd.yaml" };
  return new PlanSource({ ...places, env: {}, machine: MACHINE, filesInUse: () => filesInUse });
}

function snapshot(services: Record<string, string> | null, jobs: Record<string, string> | null) {
  const filesIn = (directory: string, texts: Record<string, string>) =>
    Object.entries(texts).map(([name, text]) => ({ path: `/r/${directory}/${name}`, text }));
  return {
    files: services && filesIn("services.d", services),
    jobs: jobs && filesIn("cron.d", jobs),
    settings: null,
    problems: [],
    hash: "",
  };
}

test("files of cron.d are read by what their names say: crontabs, the system form, YAML", () => {
  const plan = sourceOf().planOf(
    snapshot(
      { "web.yaml": "command: x" },
      { web: "@daily root x\n", "sys.system": "@daily alice y\n", "y.yml": DAILY },
    ),
  );
  assert.deepEqual(plan.mistakes, []);
  const commands = [...plan.jobs.values()].map(({ service: { user, description, name } }) =>
    name === "y" ? name : [user, description],
  );
  assert.deepEqual(commands, [[null, "root x"], ["alice", "y"], "y"]);
  assert.deepEqual([...plan.services.keys()], ["web"]);
});

test("an empty crontab has no jobs; an empty YAML file is half written, and what it described goes on", () => {
  const plan = sourceOf().planOf(snapshot({}, { web: "", "tidy.yaml": "" }));
  assert.deepEqual(
    plan.mistakes.map(({ file, what }) => `${file} ${what}`),
    ["/r/cron.d/tidy.yaml the file is empty; what it described before goes on as it was"],
  );
  assert.deepEqual([...plan.brokenFiles], ["/r/cron.d/tidy.yaml"]);
});

test("while one of the directories cannot be read, what it described goes on, and the other is taken up", () => {
  const inUse = ["/r/services.d/web.yaml", "/r/cron.d/tidy.yaml"];
  const withoutJobs = sourceOf(inUse).planOf(snapshot({ "web.yaml": "command: x" }, null));
  assert.deepEqual([...withoutJobs.brokenFiles], ["/r/cron.d/tidy.yaml"]);
  assert.deepEqual([...withoutJobs.services.keys()], ["web"]);
  const withoutServices = sourceOf(inUse).planOf(snapshot(null, { "tidy.yaml": DAILY }));
  assert.deepEqual([...withoutServices.brokenFiles], ["/r/services.d/web.yaml"]);
  assert.deepEqual([...withoutServices.jobs.keys()], ["tidy"]);
});

test("of a service and a job with one name the one that is there keeps it, whichever it is", () => {
  const both = snapshot({ "tidy.yaml": "command: x" }, { "tidy.yaml": DAILY });
  const kept = (inUse: string) => {
    const { services, jobs, mistakes } = sourceOf([inUse]).planOf(both);
    return [services.size, jobs.size, mistakes.map(({ file }) => file)];
  };
  assert.deepEqual(kept("/r/services.d/tidy.yaml"), [1, 0, ["/r/cron.d/tidy.yaml"]]);
  assert.deepEqual(kept("/r/cron.d/tidy.yaml"), [0, 1, ["/r/services.d/tidy.yaml"]]);
});

test("jobs that name no time zone have that of the machine", () => {
  const { timezone, account } = thisMachine();
  assert.equal(timezone, new Intl.DateTimeFormat().resolvedOptions().timeZone);
  assert.equal(account.isRoot, process.geteuid?.() === 0);
});

test("a text can be looked at as if it stood in a file of services.d or cron.d", () => {
  const places = { services: "/r/services.d", cron: "/r/cron.d", settings: "/r/svcd.yaml" };
  const now = snapshot({ "web.yaml": "command: x" }, { daily: "@daily y\n" });
  const names = (file: string, text: string) => {
    const changed = withText(now, places, file, text);
    if (changed === null) return null;
    const { services, jobs, mistakes } = sourceOf().planOf(changed);
    return [...services.keys(), ...jobs.keys(), ...mistakes.map(({ line, column }) => `${line}:${column}`)];
  };
  assert.deepEqual(names("db.yaml", "command: z")?.slice(0, 2), ["db", "web"]);
  assert.deepEqual(names("/r/services.d/web.yaml", "comand: x")?.slice(-1), ["1:1"]);
  assert.equal(names("/r/cron.d/new.yaml", DAILY)?.includes("new"), true);
  assert.equal(names("/etc/passwd", "x"), null);
  assert.equal(names("/r/services.d/../passwd.yaml", "x"), null);
});
