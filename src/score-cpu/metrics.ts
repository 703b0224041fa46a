/**
 * `/metrics` in Prometheus' text format, under the names that vLLM uses where it has one, so that whoever watches a real
 * vLLM (a dashboard, a look whether the box is idle) reads this server the same way.
 */

export interface Gauges {
  readonly running: number;
  readonly waiting: number;
}

/** Seconds; upper ends of the histogram's buckets. */
const LATENCIES = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export class Metrics {
  readonly #model: string;
  #tokens = 0;
  #answered = 0;
  #seconds = 0;
  readonly #within = LATENCIES.map(() => 0);
  readonly #responses = new Map<string, number>();

  constructor(model: string) {
    this.#model = model;
  }

  /** A request for scores was answered with them. */
  scored(tokens: number, seconds: number): void {
    this.#tokens += tokens;
    this.#answered++;
    this.#seconds += seconds;
    for (const [i, end] of LATENCIES.entries()) if (seconds <= end) this.#within[i]!++;
  }

  /** `handler`: one of our paths, or "none", so that strange requests do not grow the page. */
  responded(method: string, handler: string, status: number): void {
    const labels = `handler="${handler}",method="${method}",status="${Math.floor(status / 100)}xx"`;
    this.#responses.set(labels, (this.#responses.get(labels) ?? 0) + 1);
  }

  page({ running, waiting }: Gauges): string {
    const of = `{engine="0",model_name="${escaped(this.#model)}"}`;
    const and = (more: string) => `${of.slice(0, -1)},${more}}`;
    const { heapUsed, rss } = process.memoryUsage();
    const cpu = process.cpuUsage();
    const buckets = LATENCIES.map((end, i) => `_bucket${and(`le="${end}"`)} ${this.#within[i]}`);
    const metrics: [name: string, type: string, help: string, lines: readonly string[]][] = [
      ["vllm:num_requests_running", "gauge", "Requests that are worked on.", [`${of} ${running}`]],
      ["vllm:num_requests_waiting", "gauge", "Requests that wait for their turn.", [`${of} ${waiting}`]],
      ["vllm:kv_cache_usage_perc", "gauge", "There is no such cache here: always 0.", [`${of} 0`]],
      ["vllm:prompt_tokens", "counter", "Tokens of all scored pairs.", [`_total${of} ${this.#tokens}`]],
      [
        "vllm:request_success",
        "counter",
        "Requests answered with scores.",
        [`_total${and('finished_reason="stop"')} ${this.#answered}`],
      ],
      [
        "vllm:e2e_request_latency_seconds",
        "histogram",
        "From the whole body to the scores.",
        [
          ...buckets,
          `_bucket${and('le="+Inf"')} ${this.#answered}`,
          `_sum${of} ${this.#seconds}`,
          `_count${of} ${this.#answered}`,
        ],
      ],
      [
        "http_requests",
        "counter",
        "Answers by path, method and kind of status.",
        [...this.#responses].map(([labels, count]) => `_total{${labels}} ${count}`),
      ],
      ["process_resident_memory_bytes", "gauge", "Memory of this process.", [` ${rss}`]],
      ["process_heap_bytes", "gauge", "Of it, objects that are in use.", [` ${heapUsed}`]],
      ["process_cpu_seconds", "counter", "Processor time spent.", [`_total ${(cpu.user + cpu.system) / 1e6}`]],
      ["process_start_time_seconds", "gauge", "Seconds since 1970.", [` ${Date.now() / 1000 - process.uptime()}`]],
    ];
    return metrics
      .map(([name, type, help, lines]) => {
        const family = type === "counter" ? `${name}_total` : name;
        return `# HELP ${family} ${help}\n# TYPE ${family} ${type}\n${lines.map((line) => `${name}${line}\n`).join("")}`;
      })
      .join("");
  }
}

function escaped(label: string): string {
  return label.replace(/[\\"\n]/g, (char) => (char === "\n" ? "\\n" : `\\${char}`));
}
