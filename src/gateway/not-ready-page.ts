/**
 * What is answered while a service is not ready: a page that tells a person what it is busy with and reloads itself, or JSON
 * for programs. Both say the same.
 *
 * The page asks HEAD of its own address. As long as the answer comes from here it is marked (X-Portal-Placeholder) and brings
 * the newest facts in headers; the first answer without the mark and below 500 is the program's, and the page reloads.
 */
import { type Facts, retryAfter } from "./readiness.ts";

export interface NotReady {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string;
}

export interface Reader {
  readonly isBrowser: boolean;
  /** Came through Cloudflare, which puts a page of its own in place of ours if the status is 5xx. */
  readonly throughCloudflare: boolean;
}

export function notReady(
  name: string,
  facts: Facts,
  { isBrowser, throughCloudflare }: Reader,
  nonce: string,
): NotReady {
  const seconds = retryAfter(facts);
  const headers = [
    ...["X-Portal-Placeholder", "true", "Cache-Control", "no-store", "Retry-After", String(seconds)],
    ...["X-Svcd-State", facts.state, "X-Svcd-Phase", encoded(facts.phase ?? ""), "X-Svcd-Why", encoded(facts.why)],
    ...[
      "X-Svcd-Progress",
      String(facts.percent ?? ""),
      "X-Svcd-Next",
      encoded(facts.next),
      "X-Content-Type-Options",
      "nosniff",
    ],
  ];
  if (!isBrowser) {
    const { service, state, phase, percent, leftMs, why, next, since } = facts;
    const error = { code: "not_ready", type: "service_unavailable", message: `${name} is not ready: ${phase ?? why}` };
    const about = { service, state, phase, progress: percent, leftMs, why, next, since, retryAfter: seconds };
    return {
      status: 503,
      headers: ["Content-Type", "application/json; charset=utf-8", ...headers],
      body: `${JSON.stringify({ error: { ...error, ...about } })}\n`,
    };
  }
  const policy = `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'`;
  return {
    status: throughCloudflare ? 200 : 503,
    headers: ["Content-Type", "text/html; charset=utf-8", "Content-Security-Policy", policy, ...headers],
    body: page(name, facts, nonce),
  };
}

/** Headers hold neither line breaks nor all letters. */
function encoded(text: string): string {
  return encodeURIComponent(text.slice(0, 500));
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function page(name: string, { state, phase, percent, why, next }: Facts, nonce: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">
<title>${escaped(name)}: ${escaped(state.toLowerCase())}</title>
<style nonce="${nonce}">
  :root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: Canvas; color: CanvasText; }
  main { width: min(36rem, 90vw); }
  h1 { font-size: 1.4rem; margin: 0 0 .25rem; }
  progress { width: 100%; height: .6rem; margin: 1rem 0; accent-color: #2f6fde; }
  p { margin: .4rem 0; overflow-wrap: anywhere; }
  .quiet { opacity: .7; font-size: .9rem; }
</style>
</head>
<body>
<main>
  <h1>${escaped(name)}</h1>
  <p><strong id="state">${escaped(state)}</strong> <span id="phase">${escaped(phase ?? "")}</span></p>
  <progress id="bar" max="100"${percent === null ? "" : ` value="${percent}"`}></progress>
  <p id="why">${escaped(why)}</p>
  <p class="quiet" id="next">${escaped(next)}</p>
  <p class="quiet">This page opens the program by itself once it answers.</p>
</main>
<script nonce="${nonce}">
  const show = (id, text) => { document.getElementById(id).textContent = text; };
  const bar = document.getElementById("bar");
  async function look() {
    try {
      const answer = await fetch(location.href, { method: "HEAD", cache: "no-store", headers: { Accept: "text/html" } });
      if (!answer.headers.has("X-Portal-Placeholder")) {
        if (answer.status < 500) return location.reload();
      } else {
        const of = (name) => decodeURIComponent(answer.headers.get(name) || "");
        show("state", of("X-Svcd-State")); show("phase", of("X-Svcd-Phase")); show("why", of("X-Svcd-Why")); show("next", of("X-Svcd-Next"));
        const done = of("X-Svcd-Progress");
        if (done !== "") bar.value = Number(done); else bar.removeAttribute("value");
      }
    } catch {}
    setTimeout(look, 2000);
  }
  setTimeout(look, 2000);
</script>
</body>
</html>
`;
}
