/**
 * One answer to `GET /v1/jobs/NAME/runs/RUN/log`: the log of a run is a log like a service's, but it has a beginning that is
 * kept and an end, so who reads it gets all of it, and who follows it is done when the run is over.
 */
import type { Writable } from "node:stream";
import type { LogPosition, StreamName } from "../keeper/messages.ts";
import type { Daemon, RunLog } from "./daemon.ts";
import type { Beginning } from "./log-start.ts";
import { type LogPatience, streamLog } from "./log-stream.ts";

export interface RunLogRequest {
  readonly job: string;
  readonly run: number;
  readonly stream: StreamName;
  readonly beginning: Beginning;
  readonly follow: boolean;
}

type Source = Pick<Daemon, "runLog" | "followRunLog" | "subscribe">;

/** As `streamLog`. */
export function streamRunLog(
  source: Source,
  { job, run, stream, ...asked }: RunLogRequest,
  out: Writable,
  begin: (position: number) => void,
  patience?: LogPatience,
): { readonly done: Promise<boolean>; stop(): void } {
  let known = source.runLog(job, run, stream);
  const look = (): RunLog | null => {
    const found = source.runLog(job, run, stream);
    // Nobody counts the log of a run that is over; where it stood while it was written is still right.
    const isForgotten = found !== null && known !== null && found.position.position < known.position.position;
    known = isForgotten ? { ...found, position: known!.position } : found;
    return known;
  };
  const follow = (_name: string, _stream: StreamName, onGrown: (position: LogPosition) => void): (() => void) => {
    const stopFollowing = source.followRunLog(job, run, stream, (position) => {
      if (known !== null && position.position >= known.position.position) known = { ...known, position };
      onGrown(position);
    });
    const stopListening = source.subscribe(({ event }) => {
      if (event.type !== "run" || event.what !== "over" || event.job !== job || event.run !== run) return;
      const last = look();
      if (last !== null) onGrown(last.position);
    });
    return () => {
      stopFollowing();
      stopListening();
    };
  };
  const request = {
    ...asked,
    name: `${job}/${run}`,
    stream,
    isOver: () => look()?.isLive !== true,
    ...(known === null ? {} : { headPath: known.headPath }),
  };
  return streamLog({ log: () => look()?.position ?? null, followLog: follow }, request, out, begin, patience);
}
