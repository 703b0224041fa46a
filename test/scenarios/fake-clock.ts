/** A wall clock that a story sets, by libfaketime. */
import { globSync, renameSync, writeFileSync } from "node:fs";
import type { Box } from "./box.ts";

export const [FAKETIME] = globSync("/usr/lib/*/faketime/libfaketimeMT.so.1");

/** svcd and all that it starts have a wall clock that is so many seconds ahead; their monotonic clock is the machine's. */
export function fakeClock(box: Box): (seconds: number) => void {
  const file = box.path("wall-clock");
  const set = (seconds: number): void => {
    writeFileSync(`${file}~`, `${seconds < 0 ? "-" : "+"}${Math.abs(seconds)}\n`);
    renameSync(`${file}~`, file);
  };
  set(0);
  Object.assign(box.env, {
    LD_PRELOAD: FAKETIME,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: "1",
    FAKETIME_DONT_FAKE_MONOTONIC: "1",
    NO_FAKE_STAT: "1",
  });
  return set;
}
