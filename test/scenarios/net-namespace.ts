/**
 * A network of a story's own: every port is free, and nobody outside can reach it. svcd and its services find each other on
 * 127.0.0.1 in there; the control socket is a file, so svctl and the test need not be inside.
 */
import { spawnSync } from "node:child_process";

/** A fresh network has its loopback device switched off; `ip` is not on every machine. */
const LOOPBACK_UP = `
import fcntl, os, socket, struct, sys
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP))
os.execvp(sys.argv[1], sys.argv[1:])
`;

/** What starts a command inside a network of its own; for `inside` of a box. */
export const IN_OWN_NETWORK = ["unshare", "--net", "python3", "-c", LOOPBACK_UP] as const;

/** Why there is none here, or false; for `skip`. */
export const noNetworks: string | false =
  spawnSync(IN_OWN_NETWORK[0], [...IN_OWN_NETWORK.slice(1), "true"]).status === 0
    ? false
    : "this machine lets us have no network namespace";

/** What runs a command in the network that a process is in. */
export function inNetworkOf(pid: number): readonly string[] {
  return ["nsenter", "--target", String(pid), "--net"];
}
