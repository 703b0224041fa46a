/**
 * What went through, counted by route and by token, in Prometheus' words. Routes come from files and tokens from a book, so
 * there are only so many of each; what came from outside is never a label.
 */
const BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export interface Passed {
  readonly route: string;
  /** null: nobody was asked, or nobody got in. */
  readonly token: string | null;
  readonly status: number;
  readonly seconds: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

interface Line {
  readonly route: string;
  readonly token: string;
  readonly byStatus: Map<string, number>;
  bytesIn: number;
  bytesOut: number;
}

interface Times {
  readonly buckets: number[];
  sum: number;
  count: number;
}

export type ErrorKind = "unreachable" | "broken_answer" | "client_left" | "timeout" | "bad_request";

export class Traffic {
  readonly #lines = new Map<string, Line>();
  readonly #times = new Map<string, Times>();
  readonly #errors = new Map<string, number>();
  guesses = 0;

  passed({ route, token, status, seconds, bytesIn, bytesOut }: Passed): void {
    const name = token ?? "";
    const key = `${route}\0${name}`;
    let line = this.#lines.get(key);
    if (line === undefined) {
      line = { route, token: name, byStatus: new Map(), bytesIn: 0, bytesOut: 0 };
      this.#lines.set(key, line);
    }
    const code = STATUS_CLASSES[Math.floor(status / 100)] ?? "other";
    line.byStatus.set(code, (line.byStatus.get(code) ?? 0) + 1);
    line.bytesIn += bytesIn;
    line.bytesOut += bytesOut;
    let times = this.#times.get(route);
    if (times === undefined) {
      times = { buckets: BUCKETS_SECONDS.map(() => 0), sum: 0, count: 0 };
      this.#times.set(route, times);
    }
    times.sum += seconds;
    times.count++;
    for (let i = BUCKETS_SECONDS.length - 1; i >= 0 && seconds <= BUCKETS_SECONDS[i]!; i--) times.buckets[i]!++;
  }

  failed(route: string, kind: ErrorKind): void {
    const key = `${route}\0${kind}`;
    this.#errors.set(key, (this.#errors.get(key) ?? 0) + 1);
  }

  /** Prometheus' text format; `gauges`: what is so now. */
  text(gauges: readonly (readonly [name: string, help: string, value: number])[]): string {
    const out: string[] = [];
    const family = (name: string, type: string, help: string): void =>
      void out.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    family("svcd_gateway_requests_total", "counter", "Requests answered, by route, token and class of status.");
    for (const { route, token, byStatus } of this.#lines.values())
      for (const [code, count] of byStatus)
        out.push(
          `svcd_gateway_requests_total{route="${label(route)}",token="${label(token)}",code="${code}"} ${count}`,
        );
    for (const [name, which, help] of [
      ["svcd_gateway_request_bytes_total", "bytesIn", "Bytes of bodies that clients sent."],
      ["svcd_gateway_response_bytes_total", "bytesOut", "Bytes of bodies that clients got."],
    ] as const) {
      family(name, "counter", help);
      for (const line of this.#lines.values())
        out.push(`${name}{route="${label(line.route)}",token="${label(line.token)}"} ${line[which]}`);
    }
    family("svcd_gateway_request_seconds", "histogram", "From the request to the end of the answer.");
    for (const [route, { buckets, sum, count }] of this.#times) {
      const at = `route="${label(route)}"`;
      BUCKETS_SECONDS.forEach((limit, i) => {
        out.push(`svcd_gateway_request_seconds_bucket{${at},le="${limit}"} ${buckets[i]}`);
      });
      out.push(`svcd_gateway_request_seconds_bucket{${at},le="+Inf"} ${count}`);
      out.push(`svcd_gateway_request_seconds_sum{${at}} ${sum}`, `svcd_gateway_request_seconds_count{${at}} ${count}`);
    }
    family("svcd_gateway_errors_total", "counter", "Requests that went wrong, by route and kind.");
    for (const [key, count] of this.#errors) {
      const [route = "", kind = ""] = key.split("\0");
      out.push(`svcd_gateway_errors_total{route="${label(route)}",kind="${kind}"} ${count}`);
    }
    family("svcd_gateway_wrong_guesses_total", "counter", "Wrong tokens and passwords.");
    out.push(`svcd_gateway_wrong_guesses_total ${this.guesses}`);
    for (const [name, help, value] of gauges) {
      family(name, "gauge", help);
      out.push(`${name} ${value}`);
    }
    return `${out.join("\n")}\n`;
  }
}

const STATUS_CLASSES: Readonly<Record<number, string>> = { 1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx" };

function label(text: string): string {
  return text.replace(/[\\"\n]/g, (character) => (character === "\n" ? "\\n" : `\\${character}`));
}
