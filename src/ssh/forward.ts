/**
 * `ssh -L`: a channel that leads to a port of a service, if both the service's list and the key allow it. It is opened once the
 * other end has answered, so that a refused port looks refused to whoever connects.
 */
import { connect, type LookupFunction } from "node:net";
import type { ServerChannel, TcpipRequestInfo } from "ssh2";
import type { KeyOptions } from "./key-options.ts";
import { type Line, outlet } from "./outlet.ts";
import { canonical, isPermitted, type Target } from "./permit-open.ts";

const CONNECT_WITHIN_MS = 10_000;

/** `exposed` is asked for what the settings do not list. */
export async function mayForward(
  options: KeyOptions,
  permitted: readonly Target[],
  exposed: () => Promise<readonly Target[]>,
  { destIP, destPort }: TcpipRequestInfo,
): Promise<boolean> {
  if (!options.mayForward) return false;
  if (options.permitOpen !== null && !isPermitted(options.permitOpen, destIP, destPort)) return false;
  return isPermitted(permitted, destIP, destPort) || isPermitted(await exposed(), destIP, destPort);
}

/** Calls `onClose` once. */
export function forward(
  { destIP, destPort }: TcpipRequestInfo,
  accept: () => ServerChannel | undefined,
  reject: () => void,
  line: Line,
  onOpen: (channel: ServerChannel) => void,
  onClose: () => void,
): void {
  const isHere = canonical(destIP) === "localhost";
  const to = connect({
    host: isHere ? "localhost" : destIP,
    port: destPort,
    allowHalfOpen: true,
    timeout: CONNECT_WITHIN_MS,
    ...(isHere && { lookup: ourselves }),
  });
  let channel: ServerChannel | undefined;
  const gone = () => {
    line.socket.off("close", gone);
    to.destroy();
  };
  line.socket.once("close", gone);
  to.once("timeout", () => to.destroy());
  to.on("error", () => {}); // "close" follows.
  to.once("close", () => {
    line.socket.off("close", gone);
    if (channel === undefined) reject();
    else channel.end();
    onClose();
  });
  to.once("connect", () => {
    to.setTimeout(0);
    to.setNoDelay(true);
    channel = accept();
    if (channel === undefined) return void to.destroy();
    onOpen(channel);
    channel.on("error", () => {});
    channel.on("data", () => line.touch());
    channel.pipe(to);
    const out = outlet(channel, line);
    to.pipe(out);
    out.once("finish", () => channel?.end());
    channel.once("close", () => to.destroy());
  });
}

/** Both, whatever the files of this machine say. */
const ourselves: LookupFunction = (_host, options, done) => {
  const both = [
    { address: "127.0.0.1", family: 4 },
    { address: "::1", family: 6 },
  ];
  if (options.all === true) done(null, both);
  else done(null, "127.0.0.1", 4);
};
