import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { listRows } from "../view/layout.ts";
import { itemsOf } from "./items.ts";
import { BINDINGS } from "./keymap.ts";
import { VIEWS } from "./model.ts";
import { ago, detail, job, record, Staged, service } from "./staged.ts";

const ABC = [service("a"), service("b"), service("c")];
const MANY = Array.from({ length: 40 }, (_, index) => service(`s${String(index).padStart(2, "0")}`));

/** In which row of the list the choice is. */
const rowOf = ({ model }: Staged): number =>
  itemsOf(model).indexOf(model.lists.services.chosen!) - model.lists.services.top;

test("the list never jumps: what comes and goes above leaves the choice in its row", () => {
  const screen = new Staged(MANY);
  screen.press(..."jjjjjjjjjjjjjjj");
  assert.equal(screen.chosen, "s15");
  const row = rowOf(screen);
  screen.tells([service("a-new"), service("b-new"), ...MANY.slice(3)]);
  assert.equal(screen.chosen, "s15");
  assert.equal(rowOf(screen), row);
  screen.press("U"); // Sorted by time, and somebody restarts.
  const sortedRow = rowOf(screen);
  screen.becomes(service("s39", { since: ago(0) }));
  assert.equal(screen.chosen, "s15");
  assert.equal(rowOf(screen), sortedRow);
});

test("who is chosen and goes is followed by who comes into that place", () => {
  const screen = new Staged(ABC);
  screen.press("j");
  screen.event({ type: "removed", at: ago(0), name: "b" });
  assert.equal(screen.chosen, "c");
  screen.event({ type: "removed", at: ago(0), name: "c" });
  assert.equal(screen.chosen, "a");
});

test("whatever keys are pressed and whatever sizes come, the choice is on the screen and nothing throws", () => {
  const keys = [...new Set(BINDINGS.flatMap((binding) => binding.keys))].filter((key) => !/^(q|C-c|f10)$/.test(key));
  const deed = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.constantFrom(...keys, "y", "a", "b", "backspace").map((key) => ({ type: "key", key }) as const),
    },
    fc.record({
      type: fc.constant("resize" as const),
      columns: fc.integer({ min: 1, max: 260 }),
      rows: fc.integer({ min: 1, max: 90 }),
    }),
    fc.record({
      type: fc.constant("mouse" as const),
      what: fc.constantFrom("press", "wheel up", "wheel down" as const),
      row: fc.nat(60),
      column: fc.nat(200),
    }),
  );
  fc.assert(
    fc.property(fc.array(deed, { maxLength: 40 }), (deeds) => {
      const screen = new Staged(MANY, {}, [job("backup"), job("report")]);
      for (const one of deeds) {
        screen.hears(one as Parameters<Staged["hears"]>[0]);
        const { columns, rows } = screen.model;
        const lines = screen.screen().split("\n");
        assert.equal(lines.length, rows);
        assert.ok(lines.every((line) => line.length <= columns));
      }
      const row = rowOf(screen);
      if (itemsOf(screen.model, "services").length > 0 && screen.model.view === "services")
        assert.ok(row >= 0 && row < listRows(screen.model));
    }),
    { numRuns: 60 },
  );
});

test("what hurts is asked first, and Enter says no", () => {
  for (const key of ["x", "X", "R", "E", "D"]) {
    const screen = new Staged(ABC);
    screen.press(key);
    assert.equal(screen.model.overlay?.is, "confirm", key);
    screen.press("enter");
    assert.equal(screen.model.overlay, null);
    assert.deepEqual(screen.asked(), [], key);
  }
});

test("a question names everybody who is concerned, also those who need who needs it", () => {
  const screen = new Staged(ABC);
  screen.hears({ type: "detail", detail: detail("a", { neededBy: ["b"] }) });
  screen.hears({ type: "detail", detail: detail("b", { neededBy: ["c"] }) });
  screen.press("x");
  assert.match(screen.screen(), /Stop a\?/);
  assert.match(screen.screen(), /b, c need it and go on running, without it\./);
  screen.press("y");
  assert.deepEqual(screen.asked(), [{ do: "act", deed: { kind: "stop" }, names: ["a"] }]);
});

test("a start and a restart of somebody whom nobody needs are done at once", () => {
  const screen = new Staged(ABC);
  screen.press("s", "r");
  assert.deepEqual(
    screen.asked().map((command) => command.do === "act" && command.deed.kind),
    ["start", "restart"],
  );
});

test("marks: an action goes to all of them, once, and then they are gone", () => {
  const screen = new Staged(ABC);
  screen.press(" ", "j", " ", "x", "y");
  assert.deepEqual(screen.asked(), [{ do: "act", deed: { kind: "stop" }, names: ["a", "c"] }]);
  assert.equal(screen.model.lists.services.marks.size, 0);
});

test("what was asked for is seen at once, until svcd tells how it ended, or refuses", () => {
  const screen = new Staged(ABC);
  screen.press("r");
  assert.ok(screen.model.pending.has("a"));
  assert.match(screen.screen(), /a +RESTART/);
  screen.becomes(service("a", { state: "STARTING" }));
  assert.ok(screen.model.pending.has("a"));
  screen.becomes(service("a"), "STARTING");
  assert.ok(!screen.model.pending.has("a"));
  screen.press("r");
  screen.hears({
    type: "done",
    deed: { kind: "restart" },
    results: [{ name: "a", outcome: "refused", what: "is disabled", runBefore: 3 }],
  });
  assert.match(screen.screen(), /a: is disabled$/m);
  screen.passes(60_000);
  assert.match(screen.screen(), /a: is disabled$/m, "an error stays until a key is pressed");
  screen.press("j");
  assert.doesNotMatch(screen.screen(), /is disabled/);
});

test("svcd away and back: everything is asked anew, and place, filter and view stay", () => {
  const screen = new Staged(ABC);
  screen.press("j", "/");
  screen.type("b");
  screen.press("enter");
  screen.hears({ type: "connection", isThere: false });
  screen.passes(5_000);
  assert.match(screen.screen(), /reconnecting… 5s$/m);
  screen.hears({ type: "connection", isThere: true });
  assert.ok(screen.commands.some((command) => command.do === "ask" && command.question.about === "everything"));
  screen.tells(ABC);
  assert.equal(screen.chosen, "b");
  assert.equal(screen.model.lists.services.filter, "b");
  assert.doesNotMatch(screen.screen(), /reconnecting/);
});

test("whoever may only look can look at everything and do nothing", () => {
  const screen = new Staged(ABC, { isReadOnly: true }, [job("backup")]);
  for (const key of ["s", "S", "x", "X", "r", "R", "K", "u", "E", "e", "D"]) screen.press(key, "y", "esc");
  screen.press("2", "s", "x", "p");
  assert.deepEqual(
    screen.asked().filter(({ do: what }) => what !== "copy"),
    [],
  );
  assert.match(screen.screen(), /you may only look here/);
});

test("Esc goes one level up, always, and never leaves", () => {
  const screen = new Staged(ABC);
  screen.press("l", "esc", "esc", "esc", "esc", "5", "esc", "esc");
  assert.equal(screen.model.view, "services");
  assert.deepEqual(screen.asked(), []);
});

test("pasted text is written where one writes, and does nothing else", () => {
  const screen = new Staged(ABC);
  screen.hears({ type: "paste", text: "xyq\ry" });
  assert.deepEqual(screen.asked(), []);
  screen.press("/");
  screen.hears({ type: "paste", text: "b\n" });
  assert.equal(screen.model.lists.services.filter, "b ");
});

test("on a screen that is too small nothing is done but leaving", () => {
  const screen = new Staged(ABC, { columns: 59, rows: 14 });
  screen.press("x", "y", "s");
  assert.deepEqual(screen.asked(), []);
  screen.press("q");
  assert.deepEqual(screen.asked(), [{ do: "quit" }]);
});

test("a job's lane grows with its runs, and its line is asked for", () => {
  const screen = new Staged(ABC, {}, [job("backup")]);
  screen.press("2");
  assert.ok(screen.commands.some((command) => command.do === "ask" && command.question.about === "history"));
  screen.hears({
    type: "history",
    name: "backup",
    records: [record("backup", 12), record("backup", 11, { result: "failure", why: "exit 3", exit: { code: 3 } })],
  });
  assert.match(screen.screen(), /○ backup .* ✗▪ every day/);
  screen.commands.length = 0;
  screen.event({
    type: "run",
    at: ago(0),
    what: "over",
    job: "backup",
    run: 13,
    pid: null,
    record: record("backup", 13),
  });
  assert.deepEqual(
    screen.commands.map((command) => command.do === "ask" && command.question.about),
    ["everything", "history"],
  );
});

test("use of the processor is the difference of two looks, and is not negative when processes end", () => {
  const screen = new Staged(ABC);
  const sample = (atMs: number, cpuMs: number) =>
    screen.hears({
      type: "sample",
      machine: null,
      usage: { atMs, services: [{ name: "a", run: 3, cpuMs, memoryBytes: 2 ** 20, processes: 2 }] },
    });
  sample(0, 1_000);
  assert.equal(screen.model.usage.get("a")?.cpuPercent, null);
  sample(2_000, 2_000);
  assert.equal(screen.model.usage.get("a")?.cpuPercent, 50);
  sample(4_000, 500);
  assert.equal(screen.model.usage.get("a")?.cpuPercent, 0);
});

test("every view can be drawn before svcd has said anything", () => {
  const screen = new Staged([]);
  for (const [index] of VIEWS.entries()) {
    screen.press(String(index + 1));
    assert.match(screen.screen(), /^ svcd/);
  }
});

test("the output of a job's last run stands alone in its pane", () => {
  const screen = new Staged(ABC, {}, [job("backup", { last: null })]);
  screen.press("2", "l");
  assert.match(screen.screen(), /backup has not run yet/);
  screen.hears({ type: "history", name: "backup", records: [record("backup", 1)] });
  screen.press("l");
  screen.hears({ type: "output", key: "job backup 1", text: "saved\n", position: 6, isNew: false });
  assert.equal(screen.screen().split("\n")[3], "saved");
});
