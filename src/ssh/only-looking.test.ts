import assert from "node:assert/strict";
import { test } from "node:test";
import { control, Unreachable } from "../control/client.ts";
import { onlyLooking, READS } from "./only-looking.ts";

test("a key that may look reaches svcd with questions only", async () => {
  const client = onlyLooking(control("/nowhere/svcd.sock"));
  await assert.rejects(client.services(), Unreachable, "questions are asked");
  await assert.rejects(client.act("stop", ["web"]), /may look and change nothing/);
  for (const [name, value] of Object.entries(control("/nowhere/svcd.sock"))) {
    if (typeof value !== "function" || READS.has(name)) continue;
    const method = client[name as keyof typeof client] as (...words: unknown[]) => Promise<unknown>;
    await assert.rejects(method("web"), /may look and change nothing/, name);
  }
});
