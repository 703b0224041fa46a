import assert from "node:assert/strict";
import { test } from "node:test";
import { Allowances } from "./allowance.ts";
import { type Asked, authorise, type House, type Verdict } from "./authorise.ts";
import { type Key, keyFor, newSession, sha256 } from "./keys.ts";
import { readTarget } from "./request-target.ts";

const TOKEN = "sv_0123456789abcdef0123456789abcdef";
const PASSWORD = "hunter2";
const NAMED = "sv_named_named_named_named_named_named";

function house(changes: { keys?: Key[]; now?: number; wallMs?: number } = {}): House {
  const password = keyFor("password", PASSWORD);
  return {
    ring: {
      keys: [keyFor("main", TOKEN), password, ...(changes.keys ?? [])],
      user: sha256("vastai"),
      password,
      sessionSecret: sha256("secret"),
    },
    ownNames: [],
    guesses: new Allowances(100),
    rates: new Allowances(100),
    now: changes.now ?? 1_000_000,
    wallMs: changes.wallMs ?? 1_800_000_000_000,
  };
}

type Question = Partial<Omit<Asked, "target" | "route">> & { url?: string; route?: Partial<Asked["route"]> };

function ask(question: Question, at: House = house()): Verdict {
  const { url = "/score", route = {}, ...asked } = question;
  const host = asked.host ?? "203.0.113.1:8000";
  const read = readTarget(url, host);
  assert.ok(read.ok, url);
  return authorise(
    {
      method: "GET",
      address: "198.51.100.7",
      isUpgrade: false,
      origin: undefined,
      fetchSite: undefined,
      isBrowser: false,
      authorization: undefined,
      sessions: [],
      ...asked,
      host,
      target: read.target,
      route: { auth: "token", cors: [], scope: "vllm", name: "vLLM API", port: 8000, allowDev: false, ...route },
    },
    at,
  );
}

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
const short = (verdict: Verdict): string =>
  verdict.is === "refused"
    ? `${verdict.status} ${verdict.code}`
    : verdict.is === "redirect"
      ? `302 ${verdict.to}`
      : verdict.is;

test("without a key nothing is reached: neither /score nor an upgrade nor an unknown method", () => {
  for (const url of ["/score", "/rerank", "/invocations", "/tokenize", "/metrics", "/v1/models", "/", "/health"]) {
    for (const method of ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PROPFIND"])
      assert.equal(short(ask({ url, method })), "401 no_token", `${method} ${url}`);
    assert.equal(short(ask({ url, isUpgrade: true })), "401 no_token", url);
  }
});

test("either secret opens as Bearer and as ?token=; Basic takes the user and the password only", () => {
  for (const secret of [TOKEN, PASSWORD]) {
    assert.equal(short(ask({ authorization: `Bearer ${secret}` })), "through");
    assert.equal(short(ask({ authorization: `bearer ${secret}` })), "through");
    assert.equal(short(ask({ url: `/score?token=${secret}&x=1` })), "through");
    assert.equal(short(ask({ url: `/a?token=${secret}&x=1`, isBrowser: true })), "302 /a?x=1");
  }
  assert.equal(short(ask({ authorization: basic("vastai", PASSWORD) })), "through");
  for (const [user, password] of [
    ["vastai", "wrong"],
    ["other", PASSWORD],
    ["vastai", TOKEN],
    ["", ""],
  ] as const)
    assert.equal(short(ask({ authorization: basic(user, password) })), "401 wrong_token", `${user}:${password}`);
  for (const authorization of ["Bearer wrong", "Bearer", `Token ${TOKEN}`, `Bearer ${TOKEN}x`, "Basic !!!"])
    assert.match(short(ask({ authorization })), /^401 /, authorization);
  assert.equal(short(ask({ url: "/?token=wrong" })), "401 wrong_token");
});

test("what was for the gateway is taken off, what was for the program behind stays on", () => {
  const query = ask({ url: `/a?token=${TOKEN}&x=1` });
  assert.ok(query.is === "through" && query.path === "/a?x=1" && query.beginSession && !query.dropAuthorization);
  const bearer = ask({ authorization: `Bearer ${TOKEN}`, url: "/a?token=of-jupyter" });
  assert.ok(
    bearer.is === "through" &&
      bearer.path === "/a?token=of-jupyter" &&
      bearer.dropAuthorization &&
      !bearer.beginSession,
  );
  const session = newSession(house().ring, house().ring.keys[0]!, house().wallMs);
  const cookie = ask({ sessions: [session], authorization: "Bearer of-the-program", url: "/a?token=of-jupyter" });
  assert.ok(cookie.is === "through" && !cookie.dropAuthorization && cookie.path === "/a?token=of-jupyter");
});

test("a session opens until it is over, forged, or its key was changed", () => {
  const at = house();
  const session = newSession(at.ring, at.ring.keys[0]!, at.wallMs);
  assert.ok(!session.includes(TOKEN));
  assert.equal(short(ask({ sessions: [session] }, at)), "through");
  assert.equal(short(ask({ sessions: ["x", session] }, at)), "through");
  assert.equal(short(ask({ sessions: [session] }, house({ wallMs: at.wallMs + 8 * 86_400_000 }))), "401 bad_session");
  for (let i = 0; i < session.length; i++) {
    const forged = `${session.slice(0, i)}${session[i] === "A" ? "B" : "A"}${session.slice(i + 1)}`;
    assert.notEqual(short(ask({ sessions: [forged] }, at)), "through", forged);
  }
  const changed = { ...at, ring: { ...at.ring, keys: [keyFor("main", "another-token-another-token")] } };
  assert.equal(short(ask({ sessions: [session] }, changed)), "401 bad_session");
});

test("`auth: basic` takes user and password, and the session they give, but no token", () => {
  const route = { auth: "basic" } as const;
  const at = house();
  assert.equal(short(ask({ route, authorization: `Bearer ${TOKEN}` })), "401 no_token");
  assert.equal(short(ask({ route, url: `/?token=${TOKEN}` })), "401 no_token");
  assert.equal(short(ask({ route, authorization: basic("vastai", PASSWORD) })), "through");
  assert.equal(
    short(ask({ route, sessions: [newSession(at.ring, at.ring.keys[0]!, at.wallMs)] }, at)),
    "401 bad_session",
  );
  assert.equal(short(ask({ route, sessions: [newSession(at.ring, at.ring.password, at.wallMs)] }, at)), "through");
});

test("a named token opens what it is for, as long and as often as it may", () => {
  const key: Key = {
    ...keyFor("ci", NAMED),
    scope: ["vllm"],
    isReadOnly: true,
    expiresAt: 1_800_000_100_000,
    rate: { perSecond: 1, burst: 2 },
  };
  const at = house({ keys: [key] });
  const authorization = `Bearer ${NAMED}`;
  assert.equal(short(ask({ authorization }, at)), "through");
  assert.equal(short(ask({ authorization, method: "POST" }, at)), "403 read_only");
  assert.equal(short(ask({ authorization, isUpgrade: true }, at)), "403 read_only");
  assert.equal(
    short(ask({ authorization, route: { scope: "jupyter", name: "Jupyter", port: 1 } }, at)),
    "403 out_of_scope",
  );
  assert.equal(short(ask({ authorization }, at)), "through");
  const limited = ask({ authorization }, at);
  assert.ok(limited.is === "refused" && limited.status === 429 && limited.retryAfter === 1);
  assert.equal(short(ask({ authorization }, { ...at, now: at.now + 1000 })), "through");
  assert.equal(short(ask({ authorization }, house({ keys: [key], wallMs: 1_800_000_100_001 }))), "401 wrong_token");
});

test("wrong guesses slow an address down, and lock nobody out who has a token", () => {
  const at = house();
  for (let i = 0; i < 10; i++) assert.equal(short(ask({ authorization: `Bearer x${i}` }, at)), "401 wrong_token");
  const slowed = ask({ authorization: "Bearer x" }, at);
  assert.ok(slowed.is === "refused" && slowed.status === 429 && slowed.retryAfter === 2);
  // The right password sounds no different from a wrong one now.
  assert.equal(short(ask({ authorization: basic("vastai", PASSWORD) }, at)), "429 too_many_guesses");
  assert.equal(short(ask({ authorization: `Bearer ${TOKEN}` }, at)), "through");
  assert.equal(short(ask({ authorization: basic("vastai", PASSWORD), address: "198.51.100.8" }, at)), "through");
  assert.equal(short(ask({ authorization: basic("vastai", PASSWORD) }, { ...at, now: at.now + 2_000 })), "through");
});

test("ten thousand addresses that guess take no more room than a hundred, and are slowed down together", () => {
  const at = house();
  let refused = 0;
  for (let i = 0; i < 10_000; i++) {
    const verdict = ask({ authorization: "Bearer wrong", address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}` }, at);
    if (verdict.is === "refused" && verdict.status === 429) refused++;
  }
  assert.equal(refused, 9_800);
  assert.ok(at.guesses.size <= 100);
});

test("a cookie is not enough for a page of another site, a token in a header is", () => {
  const at = house();
  const sessions = [newSession(at.ring, at.ring.keys[0]!, at.wallMs)];
  const post = { sessions, method: "POST", host: "box.example:8000" };
  assert.equal(short(ask(post, at)), "through");
  assert.equal(short(ask({ ...post, origin: "http://box.example:8000" }, at)), "through");
  assert.equal(short(ask({ ...post, origin: "https://evil.example" }, at)), "403 foreign_page");
  assert.equal(short(ask({ ...post, origin: "null" }, at)), "403 foreign_page");
  assert.equal(short(ask({ ...post, fetchSite: "cross-site" }, at)), "403 foreign_page");
  assert.equal(
    short(ask({ ...post, origin: "https://evil.example", sessions: [], authorization: `Bearer ${TOKEN}` }, at)),
    "through",
  );
  const socket = { sessions, isUpgrade: true, host: "box.example:8000" };
  assert.equal(short(ask({ ...socket, origin: "http://box.example:8000" }, at)), "through");
  for (const origin of [
    undefined,
    "null",
    "http://box.example:8001",
    "http://evil.example",
    "http://box.example:8000.evil.example",
  ])
    assert.equal(short(ask({ ...socket, origin }, at)), "403 foreign_page", String(origin));
  assert.equal(short(ask({ ...socket, sessions: [], authorization: `Bearer ${TOKEN}` }, at)), "through");
});

test("where nothing is asked the machine must be called by its own name", () => {
  const route = { auth: "none" } as const;
  for (const host of ["203.0.113.1:8000", "localhost", "[::1]:8000", "a-b.trycloudflare.com"])
    assert.equal(short(ask({ route, host })), "through", host);
  for (const host of [
    "evil.example",
    "evil.example:8000",
    "localhost.",
    "",
    "203.0.113.1.evil.example",
    "trycloudflare.com.evil",
  ])
    assert.equal(short(ask({ route, host })), "421 unknown_host", host);
  assert.equal(short(ask({ route, host: "gpu.example" }, { ...house(), ownNames: ["gpu.example"] })), "through");
  assert.equal(short(ask({ route, host: "a.gpu.example" }, { ...house(), ownNames: ["*.gpu.example"] })), "through");
  assert.equal(short(ask({ route, isUpgrade: true, origin: "https://evil.example" })), "403 foreign_page");
});

test("open paths need no key, only for reading and only as written", () => {
  for (const url of [
    "/manifest.json",
    "/.well-known/acme-challenge/x",
    "/security.txt",
    "/.well-known/change-password",
  ]) {
    assert.equal(short(ask({ url })), "through", url);
    assert.equal(short(ask({ url, method: "POST" })), "401 no_token", url);
    assert.equal(short(ask({ url, isUpgrade: true })), "401 no_token", url);
  }
  assert.equal(short(ask({ url: "/portal-resolver" })), "resolver");
});

test("vLLM's endpoints for developers are closed even to whoever has a token, unless the route allows them", () => {
  const authorization = `Bearer ${TOKEN}`;
  for (const url of ["/sleep?level=1", "/wake_up", "/collective_rpc", "/%73leep", "/sleep/"]) {
    assert.equal(short(ask({ url, method: "POST", authorization })), "403 dev_endpoint", url);
    assert.equal(short(ask({ url, method: "POST", authorization, route: { allowDev: true } })), "through", url);
    assert.equal(short(ask({ url, method: "POST", route: { allowDev: true } })), "401 no_token", url);
  }
});
