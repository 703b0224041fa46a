/**
 * svcd, as the screen hears it: events as they come, everything anew where something was missed, samples while somebody looks,
 * and what the person asks for. A daemon that goes away is looked for until it is back.
 */
import type { Control } from "../../control/client.ts";
import type { ActionResult } from "../../control/daemon.ts";
import type { Command, Deed, Question } from "../model/command.ts";
import type { Message } from "../model/message.ts";
import type { Wanted } from "../model/wanted.ts";
import { isRefused, isUnreachable, sentence } from "./errors.ts";
import { gpusIn, NOT_TOLD } from "./gpu-answer.ts";
import { LogTaps } from "./log-taps.ts";

/** A burst of events (a thousand jobs that are due) is answered with one question, and then for a while with no other. */
const EVERYTHING_AT_MOST_EVERY_MS = 400;
/** Questions that go out at once: svcd answers others, too. */
const AT_ONCE = 4;
const GPUS_EVERY_MS = 4_000;
/** Its sources are asked by svcd far more rarely. */
const IDLE_EVERY_MS = 10_000;
/** Events of before we came are all there within this time. */
const PAST_WITHIN_MS = 400;
const HISTORY_RUNS = 40;

export class Connection {
  readonly #client: Control;
  readonly #send: (message: Message) => void;
  readonly #taps: LogTaps;
  readonly #onRefused: (error: Error) => void;
  #listening: { stop(): void } | null = null;
  #isClosed = false;
  #isAsking = false;
  #isAskedAgain = false;
  #sample: NodeJS.Timeout | null = null;
  #sampleEveryMs: number | null = null;
  #gpus: NodeJS.Timeout | null = null;
  #hasPast = false;
  #idleAt = Number.NEGATIVE_INFINITY;
  #isHeld = false;

  /** `onRefused`: svcd may not be asked at all. */
  constructor(client: Control, send: (message: Message) => void, onRefused: (error: Error) => void) {
    this.#client = client;
    this.#send = (message) => {
      if (!this.#isClosed) send(message);
    };
    this.#onRefused = onRefused;
    this.#taps = new LogTaps(client, this.#send);
  }

  open(): void {
    void this.#everything();
    this.#listening = this.#client.events(
      { since: null, onConnection: (isThere) => this.#send({ type: "connection", isThere }), onEnd: this.#onRefused },
      ({ id, event }) => {
        if (event.type === "reset") void this.#everything();
        else this.#send({ type: "event", id, event });
      },
    );
  }

  close(): void {
    this.#isClosed = true;
    this.#listening?.stop();
    this.#taps.close();
    if (this.#sample !== null) clearTimeout(this.#sample);
    if (this.#gpus !== null) clearTimeout(this.#gpus);
  }

  /** The terminal takes nothing: nothing is asked for it. */
  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.#taps.hold(isHeld);
  }

  want({ logs, sampleEveryMs, gpus, past }: Wanted): void {
    this.#taps.want(logs);
    if (sampleEveryMs !== this.#sampleEveryMs) {
      this.#sampleEveryMs = sampleEveryMs;
      if (this.#sample !== null) clearTimeout(this.#sample);
      this.#sample = null;
      if (sampleEveryMs !== null) void this.#takeSample();
    }
    if (gpus && this.#gpus === null) void this.#askGpus();
    if (!gpus && this.#gpus !== null) {
      clearTimeout(this.#gpus);
      this.#gpus = null;
    }
    if (past && !this.#hasPast) {
      this.#hasPast = true;
      this.#askPast();
    }
  }

  async do(command: Extract<Command, { do: "ask" | "act" }>): Promise<void> {
    if (command.do === "ask") return this.#ask(command.question);
    const { deed, names } = command;
    try {
      this.#send({ type: "done", deed, results: await this.#act(deed, names) });
    } catch (error) {
      this.#send({ type: "failed", what: sentence(error), names });
    }
  }

  async #everything(): Promise<void> {
    if (this.#isAsking) {
      this.#isAskedAgain = true;
      return;
    }
    this.#isAsking = true;
    try {
      const [overview, jobs, health] = await Promise.all([
        this.#client.overview(),
        this.#client.jobs(),
        this.#client.health(),
      ]);
      this.#send({ type: "everything", health, jobs, ...overview });
    } catch (error) {
      // Unreachable: the events say so, and ask again when it is back.
      if (!isUnreachable(error)) this.#send({ type: "failed", what: sentence(error), names: [] });
    }
    setTimeout(() => {
      this.#isAsking = false;
      if (!this.#isAskedAgain || this.#isClosed) return;
      this.#isAskedAgain = false;
      void this.#everything();
    }, EVERYTHING_AT_MOST_EVERY_MS).unref();
  }

  async #takeSample(): Promise<void> {
    const everyMs = this.#sampleEveryMs;
    if (everyMs === null || this.#isClosed) return;
    if (!this.#isHeld) {
      const [machine, usage] = await Promise.all([orNull(this.#client.machine()), orNull(this.#client.usage())]);
      if (machine !== null || usage !== null) this.#send({ type: "sample", machine, usage });
      if (performance.now() - this.#idleAt >= IDLE_EVERY_MS) {
        this.#idleAt = performance.now();
        const idle = await orNull(this.#client.idle());
        if (idle !== null) this.#send({ type: "idle", idle });
      }
    }
    if (this.#sampleEveryMs === null || this.#isClosed) return;
    if (this.#sample !== null) clearTimeout(this.#sample);
    this.#sample = setTimeout(() => void this.#takeSample(), this.#sampleEveryMs);
  }

  async #askGpus(): Promise<void> {
    this.#gpus = setTimeout(() => void this.#askGpus(), GPUS_EVERY_MS);
    try {
      this.#send({ type: "gpus", gpus: gpusIn(await this.#client.gpus()) });
    } catch (error) {
      // Unreachable: the header says so.
      if (isRefused(error)) this.#send({ type: "gpus", gpus: NOT_TOLD });
    }
  }

  #askPast(): void {
    const events: { readonly id: string; readonly event: Extract<Message, { type: "event" }>["event"] }[] = [];
    const listening = this.#client.events({ since: "oldest", patienceMs: 0, onEnd: () => {} }, ({ id, event }) => {
      if (event.type !== "reset") events.push({ id, event });
    });
    setTimeout(() => {
      listening.stop();
      this.#send({ type: "past", events });
    }, PAST_WITHIN_MS).unref();
  }

  async #ask(question: Question): Promise<void> {
    const client = this.#client;
    try {
      switch (question.about) {
        case "everything":
          return void this.#everything();
        case "detail":
          return this.#send({ type: "detail", detail: await client.service(question.name) });
        case "why":
          return this.#send({ type: "why", why: await client.why(question.name) });
        case "runs":
          return this.#send({ type: "runs", name: question.name, starts: await client.runStarts(question.name) });
        case "job why":
          return this.#send({ type: "job why", why: await client.whyJob(question.name) });
        case "job detail": {
          const { definition } = await client.job(question.name);
          return this.#send({ type: "job detail", name: question.name, definition });
        }
        case "history":
          return this.#send({
            type: "history",
            name: question.name,
            records: await client.history(question.name, HISTORY_RUNS),
          });
        case "routes":
          return this.#send({ type: "routes", routes: await client.routes() });
        case "details":
          return await this.#details(question.names);
      }
    } catch {
      // It went away, or what it was about did: what is shown stays until there is something newer.
    }
  }

  async #details(names: readonly string[]): Promise<void> {
    const left = [...names];
    const one = async (): Promise<void> => {
      for (let name = left.shift(); name !== undefined && !this.#isClosed; name = left.shift())
        await this.#ask({ about: "detail", name });
    };
    await Promise.all(Array.from({ length: AT_ONCE }, one));
  }

  async #act(deed: Deed, names: readonly string[]): Promise<readonly ActionResult[]> {
    const client = this.#client;
    switch (deed.kind) {
      case "start":
      case "stop":
      case "restart":
      case "reload":
        return client.act(deed.kind, names);
      case "kill": {
        // Stopped first: killed alone it would come back.
        const results = await client.act("stop", names);
        await client.signal(names, "KILL");
        return results;
      }
      case "hard restart":
        await client.signal(names, "KILL");
        return client.act("restart", names);
      case "enable":
      case "disable":
        return client.setEnabled(names, deed.kind === "enable");
      case "clear":
        return client.clearLogs(names);
      case "signal":
        return client.signal(names, deed.signal);
      case "run":
        return Promise.all(names.map((name) => client.runJob(name, deed.isForced)));
      case "pause":
        return client.pauseJobs(names);
      case "resume":
        return client.resumeJobs(names);
      case "end runs":
        return Promise.all(names.map((name) => client.killRuns(name, null)));
    }
  }
}

async function orNull<T>(question: Promise<T>): Promise<T | null> {
  try {
    return await question;
  } catch {
    return null; // Away, or older than this question.
  }
}
