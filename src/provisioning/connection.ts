/** The HTTP of a download: how it is asked for, when it is given up, and its failures in words. */
import { type Failed, failure } from "./result.ts";

/** The headers of a request for a file. A name and password in the URL are for a header: fetch refuses them there. */
export function requestFor(what: { readonly url: string; readonly headers: Readonly<Record<string, string>> }): {
  url: string;
  headers: Record<string, string>;
} {
  const url = new URL(what.url);
  const { username, password } = url;
  const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const headers: Record<string, string> = {
    "user-agent": "svcd-provision",
    "accept-encoding": "identity",
    ...(username === "" && password === "" ? {} : { authorization: `Basic ${Buffer.from(pair).toString("base64")}` }),
  };
  for (const [name, value] of Object.entries(what.headers)) headers[name.toLowerCase()] = value;
  url.username = "";
  url.password = "";
  return { url: url.href, headers };
}

export function networkFailure(error: unknown, url: string): Failed {
  const cause = (error as Error & { cause?: NodeJS.ErrnoException }).cause;
  const host = URL.canParse(url) ? new URL(url).host : url;
  const code = cause?.code ?? (error as NodeJS.ErrnoException).code ?? "";
  const said = cause?.message || (error as Error).message;
  switch (code) {
    case "ENOTFOUND":
      return failure(`there is no host ${host}`, "correct the URL; see /etc/resolv.conf");
    case "EAI_AGAIN":
      return failure(`the name ${host} cannot be looked up at the moment`, "see /etc/resolv.conf, and the network");
    case "ECONNREFUSED":
      return failure(`${host} refuses connections`);
    case "ECONNRESET":
    case "UND_ERR_SOCKET":
    case "EPIPE":
      return failure(`${host} closed the connection (${said})`);
    default:
      return failure(`${host}: ${said}${code === "" || said.includes(code) ? "" : ` (${code})`}`);
  }
}

/** Aborts a connection on which nothing comes any more. */
export class Watchdog {
  readonly #ms: number;
  readonly #connection: AbortController;
  #timer: NodeJS.Timeout;
  hasBarked = false;

  constructor(ms: number, connection: AbortController) {
    this.#ms = ms;
    this.#connection = connection;
    this.#timer = setTimeout(() => this.#bark(), ms);
  }

  feed(): void {
    this.#timer.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #bark(): void {
    this.hasBarked = true;
    this.#connection.abort(new Error(`nothing came for ${this.#ms} ms`));
  }
}
