/**
 * svcd as the init of a container: process 1, which must handle signals itself, reap whoever loses its parent, and whose end
 * is the end of everything. With and without `tini` in front.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { closeSync, openSync, writeSync } from "node:fs";
import { test } from "node:test";
import { Box, kill } from "./box.ts";
import { AS_PROCESS_1, noNamespaces, PidNamespace } from "./pid-namespace.ts";

const QUICK = "startsecs: 0s\nbackoff: { first: 1ms, longest: 1ms }\n";
const WAIT = "while :; do sleep 1000 & wait; done";
const telling = (name: string): string =>
  `command: sh -c 'trap "echo ${name} >> order; exit 0" TERM; echo up; ${WAIT}'\n${QUICK}`;

const noTini = spawnSync("tini", ["--version"]).status === 0 ? false : "tini is not installed";

for (const { answersTerm, leavesNoZombie, front, skip } of [
  {
    answersTerm: "as process 1 svcd answers TERM by ending all in order, then itself with 0",
    leavesNoZombie: "as process 1 svcd leaves no zombie of those who lost their parent",
    front: [],
    skip: noNamespaces,
  },
  {
    answersTerm: "behind tini svcd answers TERM by ending all in order, then itself with 0",
    leavesNoZombie: "behind tini no zombie stays of those who lost their parent",
    front: ["tini", "--"],
    skip: noNamespaces || noTini,
  },
]) {
  test(answersTerm, { skip }, async (t) => {
    const box = Box.prepare(t, { "db.yaml": telling("db"), "web.yaml": `${telling("web")}depends_on: [ db ]` });
    box.inside = [...AS_PROCESS_1, ...front];
    await box.start();
    for (const name of ["db", "web"]) await box.says(name, "up\n");
    const { init } = await PidNamespace.below(box, box.daemon?.pid as number);
    kill(init, "SIGTERM");
    assert.equal(await box.ended(), 0);
    assert.equal(box.file("order"), "web\ndb\n");
  });

  test(leavesNoZombie, { skip }, async (t) => {
    const box = Box.prepare(t, {
      // Twenty grandchildren whose parents are gone before they end.
      "web.yaml": `command: |
  for n in 1 2 3 4 5 6 7 8 9 10; do (sh -c "echo orphan; read -r _ < hold" & sh -c "echo orphan; read -r _ < hold" &); done
  exec sleep 1001
shell: true
${QUICK}`,
    });
    await box.fifo("hold");
    const hold = openSync(box.path("hold"), "r+"); // For both, so that neither side waits for the other.
    t.after(() => closeSync(hold));
    box.inside = [...AS_PROCESS_1, ...front];
    await box.start();
    await box.says("web", "orphan\n".repeat(20));
    const namespace = await PidNamespace.below(box, box.daemon?.pid as number);
    const { pid } = await box.status("web");
    assert.equal(orphansOf(namespace).length, 20);
    writeSync(hold, "\n".repeat(20));
    await box.becomes("all of them have ended, and nobody keeps them as zombies", () => {
      return orphansOf(namespace).length === 0 && namespace.zombies().length === 0;
    });
    assert.equal((await box.status("web")).pid, pid);
  });
}

test("as process 1 svcd may be killed: the container lives on, and the next svcd takes the services over", {
  skip: noNamespaces,
}, async (t) => {
  const box = Box.prepare(t, { "web.yaml": `command: sleep 1001\n${QUICK}` });
  box.inside = AS_PROCESS_1;
  await box.start();
  const namespace = await PidNamespace.below(box, box.daemon?.pid as number);
  const { pid } = await box.until("web", "RUNNING");
  const before = await box.control.health();
  kill(namespace.outside(before.keeper) as number, "SIGKILL");
  await box.becomes("another svcd answers", async () => (await box.control.health()).keeper !== before.keeper);
  assert.equal((await box.until("web", "RUNNING")).pid, pid);
  assert.match(box.terminal, /killed by signal 9; services go on/);

  await t.test("and it is stopped like the first", async () => {
    kill(namespace.init, "SIGINT");
    assert.equal(await box.ended(), 0);
  });
});

test("as process 1 svcd ends at once with its own status when it cannot start", { skip: noNamespaces }, async (t) => {
  const box = Box.prepare(t);
  const [file, ...args] = AS_PROCESS_1;
  const ran = await box.run(file, [...args, `${box.bin}/svcd`, "--rot", box.root]);
  assert.equal(ran.code, 2);
  assert.match(ran.stderr, /unknown argument `--rot`/);
});

function orphansOf(namespace: PidNamespace): string[] {
  return namespace
    .run("ps -eo args")
    .split("\n")
    .filter((args) => args.startsWith("sh -c echo orphan"));
}
