import assert from "node:assert/strict";
import { test } from "node:test";
import { masked, redactor } from "./secrets.ts";
import { serviceFrom } from "./testing.ts";

const shownOf = (text: string): string => JSON.stringify(masked(serviceFrom(text)));

test("a definition hides what its command, checks, hooks and environment hand over", () => {
  const shown = shownOf(`
command: serve --api-key sesame99 --token=open77 --name mine
environment: { DB: "postgres://u:pw123456@h/db", API_KEY: abcdefg, KEPT: plain }
healthcheck: { http: "http://127.0.0.1/health?token=querysecret" }
on: { failed: "https://me:hookpass@hooks.example/x" }
`);
  assert.doesNotMatch(shown, /sesame99|open77|pw123456|abcdefg|querysecret|hookpass/);
  assert.match(shown, /serve --api-key \(hidden\) --token=\(hidden\) --name mine/);
  assert.match(shown, /postgres:\/\/\(hidden\)@h\/db/);
  assert.match(shown, /"KEPT":"plain"/);
});

test("what only refers to a variable tells nothing, and stays readable", () => {
  const shown = shownOf("command: serve --api-key ${API_KEY}\nenvironment: { API_KEY: $OTHER_KEY }");
  assert.match(shown, /--api-key \$\{API_KEY\}/);
  assert.match(shown, /"API_KEY":"\$OTHER_KEY"/);
});

test("a secret inside of a longer one leaves no tail", () => {
  const redact = redactor({ A_TOKEN: "abcde", B_TOKEN: "abcdefgh" });
  assert.equal(redact("x abcdefgh y abcde"), "x (hidden) y (hidden)");
});
