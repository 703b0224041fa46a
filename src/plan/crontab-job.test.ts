import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { interpolate } from "./interpolate.ts";
import type { JobDefinition } from "./job.ts";
import { MACHINE, mistakesOf, planOf } from "./testing.ts";

function jobsOf(text: string, file = "cron.d/web"): JobDefinition[] {
  return [...planOf({ [file]: text }).jobs.values()];
}

function jobOf(text: string): JobDefinition {
  const jobs = jobsOf(text);
  assert.equal(jobs.length, 1, text);
  return jobs[0]!;
}

/** What the launcher makes of a template when nothing is set. */
function filled(template: string): string {
  const result = interpolate(template, () => undefined);
  assert.ok(result.ok, template);
  return result.value.text;
}

test("a line of a crontab keeps cron's meaning: /bin/sh -c in HOME, a bare environment, overlapping runs, nothing made up for", () => {
  const { service, source, schedules, policy, notify, ...rest } = jobOf("\n30 4 * * *\t/usr/bin/tidy --all\n");
  assert.deepEqual(source, { file: "cron.d/web", line: 2, column: 1 });
  assert.equal(schedules[0]!.expression, "30 4 * * *");
  assert.deepEqual(service.command, { kind: "words", words: ["/bin/sh", "-c", "/usr/bin/tidy --all"] });
  assert.equal(service.workingDir, "${HOME:-/}");
  assert.equal(service.user, null);
  assert.deepEqual(service.environment, { SHELL: "/bin/sh", PATH: "/usr/bin:/bin" });
  assert.deepEqual(service.groups, ["web"]);
  assert.equal(service.description, "/usr/bin/tidy --all");
  assert.deepEqual(
    [policy.overlap, policy.timeoutMs, policy.startDeadlineMs, policy.retries.most],
    ["allow", null, null, 0],
  );
  assert.deepEqual(
    [rest.onMissed, rest.splayMs, rest.lock, rest.timezone, rest.cleanEnvironment, rest.crontab],
    ["cron", 0, null, "UTC", true, { stdin: "" }],
  );
  assert.deepEqual(rest.keep, { successes: 50, failures: 50, forMs: null });
});

test("what a crontab sets is what its jobs get, letter by letter: nothing is filled in", () => {
  const text = `SHELL=/bin/bash\nPATH=/opt/bin:$PATH\nHOME=/srv\nEMPTY=""\nPRICE=$5 $$ \${X}\n@daily echo "$HOME" $(date) \${A:-b} $$\n`;
  const { service } = jobOf(text);
  assert.ok(service.command.kind === "words");
  assert.deepEqual(service.command.words.map(filled), ["/bin/bash", "-c", 'echo "$HOME" $(date) ${A:-b} $$']);
  assert.deepEqual(Object.fromEntries(Object.entries(service.environment).map(([key, one]) => [key, filled(one!)])), {
    SHELL: "/bin/bash",
    PATH: "/opt/bin:$PATH",
    HOME: "/srv",
    EMPTY: "",
    PRICE: "$5 $$ ${X}",
  });
});

test("whatever a command holds, the shell gets it unchanged", () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[ -$&-[\]-~]{0,40}$/), (text) => {
      const { command } = jobOf(`30 4 * * * echo ${text}\n`).service;
      assert.ok(command.kind === "words");
      assert.equal(filled(command.words[2]!), `echo ${text}`);
    }),
  );
});

test("a percent sign gives the job its standard input, and CRON_TZ its zone from there on", () => {
  const [first, second] = jobsOf("@daily a\nCRON_TZ=Europe/Berlin\n@daily b%one%two\n");
  assert.deepEqual([first!.timezone, second!.timezone], ["UTC", "Europe/Berlin"]);
  assert.deepEqual(second!.crontab, { stdin: "one\ntwo\n" });
});

test("what is printed is mailed to MAILTO, else to whom the job belongs; an empty MAILTO is nobody", () => {
  const to = (text: string, file = "cron.d/web") =>
    jobsOf(text, file).map(({ notify }) => notify.map(({ by }) => by.kind === "mail" && `${by.to} ${by.when}`).join());
  assert.deepEqual(to('@daily a\nMAILTO=ops@example.org\n@daily b\nMAILTO=""\n@daily c\n'), [
    "root output",
    "ops@example.org output",
    "",
  ]);
  assert.deepEqual(to("@daily backup a\n", "cron.d/web.system"), ["backup output"]);
  assert.deepEqual(jobOf("@daily a\n").notify[0]!.on, ["success", "failure", "timeout"]);
});

test("the comment above a line says what shall be otherwise", () => {
  const job = jobOf(
    "# svcd: name=dump overlap=skip timeout=1h retries=2 on_missed=once missed_window=2d splay=5m start_deadline=10m lock=db\n@daily a\n",
  );
  const { policy } = job;
  assert.deepEqual(
    [job.name, policy.overlap, policy.timeoutMs, policy.retries.most, policy.startDeadlineMs],
    ["dump", "skip", 3_600_000, 2, 600_000],
  );
  assert.deepEqual([job.onMissed, job.missedWindowMs, job.splayMs, job.lock], ["once", 172_800_000, 300_000, "db"]);
});

test("the user column is who it runs as; `user=` says it for a whole file", () => {
  const users = (text: string, file = "cron.d/web") => jobsOf(text, file).map(({ service }) => service.user);
  assert.deepEqual(users("@daily alice a\n@daily b$b b\n", "cron.d/web.system"), ["alice", "b$$b"]);
  assert.deepEqual(users("# svcd: user-column\n@daily alice a\n"), ["alice"]);
  assert.deepEqual(users("# svcd: user=alice\n@daily a\n@hourly b\n"), ["alice", "alice"]);
  assert.match(
    mistakesOf(planOf({ "cron.d/web": "@daily a\n# svcd: user=alice\n@daily b\n" }))[0]!,
    /^cron\.d\/web:2:9 `user` is about the whole file \(put it above the first job\)/,
  );
});

test("without root a job of another user is a mistake of its line, and one's own name is fine", () => {
  const machine = { ...MACHINE, account: { name: "alice", isRoot: false } };
  const text = "@daily alice a\n  @daily root b\n";
  const plan = planOf({ "cron.d/web.system": text }, {}, null, machine);
  assert.deepEqual(
    [...plan.jobs.values()].map(({ service }) => [service.user, service.description]),
    [[null, "a"]],
  );
  assert.deepEqual(mistakesOf(plan), [
    "cron.d/web.system:2:3 svcd does not run as root but as alice, so it cannot start this as `root` (start svcd as root, or leave the user out)",
  ]);
});

// --- names -------------------------------------------------------------------------------------------------------------

test("a line without a name is called after its file, by letters that are always the same for the same command", () => {
  const { name } = jobOf("@daily /usr/bin/tidy\n");
  assert.match(name, /^web-[0-9a-z]{5}$/);
  assert.equal(jobOf("# other lines\nA=b\n\n@daily\t/usr/bin/tidy  \n").name, name);
  assert.notEqual(jobsOf("@daily /usr/bin/tidy\n", "cron.d/other")[0]!.name.slice(-5), name.slice(-5));
  for (const file of ["web", "web.system", "_x", "-", "9"]) {
    assert.match(jobsOf("@daily root x\n", `cron.d/${file}`)[0]!.name, /^[A-Za-z0-9][\w.-]*-[0-9a-z]{5}$/);
  }
});

test("a job keeps its name when its schedule changes and when lines are added, moved or removed around it", () => {
  const line = fc
    .tuple(fc.constantFrom("@daily", "@hourly", "5 4 * * *"), fc.integer({ min: 0, max: 10_000 }))
    .map(([when, number]) => ({ when, command: `job ${number}` }));
  const lines = fc.uniqueArray(line, { selector: ({ command }) => command, maxLength: 20 });
  const nameOf = new Map<string, string>();
  fc.assert(
    fc.property(lines, (all) => {
      const text = all.map(({ when, command }) => `${when} ${command}\n`).join("");
      for (const { name, service } of jobsOf(text)) {
        const before = nameOf.get(service.description);
        if (before !== undefined) assert.equal(name, before);
        nameOf.set(service.description, name);
      }
    }),
  );
});

test("the same command twice is two jobs: the second is told by its schedule, and each has a name of its own", () => {
  const [first] = jobsOf("@daily a\n");
  const twice = jobsOf("@daily a\n@hourly a\n");
  const thrice = jobsOf("@daily a\n@hourly b\n@hourly a\n@hourly a\n");
  assert.equal(twice[0]!.name, first!.name);
  assert.equal(thrice[2]!.name, twice[1]!.name);
  assert.equal(jobsOf("@daily a\n@monthly a\n@hourly a\n")[2]!.name, twice[1]!.name);
  assert.equal(new Set(thrice.map(({ name }) => name)).size, 4);
});

test("two lines may not have one name, in one file or in two; the first has it", () => {
  const plan = planOf({
    "cron.d/a": "# svcd: name=dump\n@daily a\n# svcd: name=dump\n@daily b\n@daily c\n",
    "cron.d/b": "# svcd: name=dump\n@daily d\n",
    "dump.yaml": "command: x",
  });
  assert.deepEqual(mistakesOf(plan), [
    "cron.d/a:4:1 there is a job `dump` already, in cron.d/a:2 (give one of the two another name)",
    "cron.d/b:2:1 there is a job `dump` already, in cron.d/a:2 (give one of the two another name)",
    "dump.yaml:1:1 there is a job `dump` already, in cron.d/a:2 (give one of the two another name)",
  ]);
  assert.equal(plan.jobs.get("dump")!.service.description, "a");
  assert.deepEqual([...plan.brokenFiles], ["dump.yaml"]); // Of the crontabs what is no longer in them is gone.
  assert.equal(plan.jobs.size, 2);
});

test("a name that nobody can type is a mistake of the comment", () => {
  for (const name of ["a@b", "-x", "a/b", `x${"y".repeat(100)}`]) {
    assert.equal(mistakesOf(planOf({ "cron.d/a": `# svcd: name=${name}\n@daily a\n` })).length, 1, name);
  }
});

// --- mistakes ------------------------------------------------------------------------------------------------------------

test("a mistake costs its line; what it was before goes on under its name, and nothing else of the file does", () => {
  const before = jobsOf("@daily a b\n@daily c\n@daily d\n# svcd: name=dump\n@daily e\n@daily f\n");
  const name = (command: string) => before.find(({ service }) => service.description === command)!.name;
  const after = planOf({
    "cron.d/web": "@daily c\n61 4 * * * a b\n# svcd: name=dump\n* * * e\n# svcd: timeout=soon\n@daily f\n",
  });
  assert.equal(after.mistakes.length, 3);
  assert.deepEqual([...after.jobs.keys()], [name("c")]);
  assert.deepEqual([...after.brokenFiles], []);
  for (const command of ["a b", "e", "f"]) assert.ok(after.brokenNames.has(name(command)), command);
  for (const command of ["c", "d"]) assert.ok(!after.brokenNames.has(name(command)), command);
});

test("jobs below a time zone that nobody knows go on as they were", () => {
  const before = jobOf("@daily a\n");
  const after = planOf({ "cron.d/web": "CRON_TZ=Europe/Bärlin\n@daily a\n" });
  assert.ok(after.brokenNames.has(before.name));
  assert.equal(after.jobs.size, 0);
});

test("no text makes the reading of a crontab fail, and every job has a name of its own", () => {
  const word = fc.constantFrom(
    ...["*", "@daily", "5", "61", "*/5", "root", "a", "%", "\\", "$", "=", "A=b", "# svcd:", "name=x", "user=y"],
    ...["user-column", "timeout=1h", "\n", "\r\n", "\t", "CRON_TZ=UTC", "MAILTO=", "__proto__=x", "\0", "\uFEFF"],
  );
  const text = fc.array(word, { maxLength: 60 }).map((words) => `${words.join(" ")}\n`);
  fc.assert(
    fc.property(fc.oneof(text, fc.string({ unit: "binary", maxLength: 200 })), (one) => {
      const plan = planOf({ "cron.d/web": one, "cron.d/good": "@daily x\n" });
      assert.ok([...plan.jobs.values()].some(({ source }) => source.file === "cron.d/good"));
      for (const [name, job] of plan.jobs) {
        assert.equal(job.name, name);
        assert.deepEqual(JSON.parse(JSON.stringify(job)), job);
      }
      for (const { line, column } of plan.mistakes) assert.ok(line >= 1 && column >= 1);
    }),
    { numRuns: 1000 },
  );
});

test("ten thousand lines are read in a breath, and so are ten thousand broken ones", () => {
  const good = Array.from({ length: 10_000 }, (_, index) => `${index % 60} 4 * * * job ${index}\n`).join("");
  assert.equal(planOf({ "cron.d/web": good }).jobs.size, 10_000);
  const bad = Array.from({ length: 10_000 }, (_, index) => `61 4 * * * job ${index} ${"x ".repeat(400)}\n`).join("");
  const { jobs, mistakes, brokenNames } = planOf({ "cron.d/web": bad });
  assert.deepEqual([jobs.size, mistakes.length], [0, 101]);
  assert.ok(brokenNames.size <= 4_000);
});
