/**
 * `docs/two-machines.md`, tried: two machines (network namespaces with a cable between them), a svcd on each with the shipped files, Ray's
 * head and vLLM on the first, a worker on the second. Ray and vLLM are stand-ins that speak over real sockets.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { noNetworks } from "./net-namespace.ts";
import { ShippedBox, STAYS } from "./shipped-box.ts";

/** A head listens; a worker that cannot reach it, or loses it, ends with 1, as `ray start --block` does. */
const RAY = `exec python3 -u -c '
import socket, sys, threading
words = sys.argv[1:]
address = next((word[10:] for word in words if word.startswith("--address=")), None)
if address is None:
    server = socket.create_server(("0.0.0.0", 6379))
    print("Ray runtime started.")
    held = []
    while True:
        held.append(server.accept())
        print("worker joined from", held[-1][1][0])
host, port = address.split(":")
try:
    head = socket.create_connection((host, int(port)), 2)
except OSError as error:
    sys.exit(f"cannot reach {address}: {error}")
print("Ray runtime started.")
head.settimeout(None)
head.recv(1)
sys.exit("the head is gone")
' "$@"`;

const skip = noNetworks || (spawnSync("ip", ["-V"]).status === 0 ? false : "`ip` (iproute2) is not installed");

test("two machines: the worker waits for the head and its network, vLLM runs on the cluster, a head that dies is joined again", {
  skip,
}, async (t) => {
  const files = ["provisioning.yaml", "ray.yaml", "vllm.yaml"];
  const programs = { ray: RAY };
  const cluster = { RAY_ADDRESS: "10.77.0.1:6379" };
  const head = ShippedBox.shipped(t, files, {
    programs: { ...programs, vllm: STAYS },
    env: { ...cluster, RAY_HEAD: "true", MODEL_NAME: "org/large", VLLM_ARGS: "-tp 8 -pp 2" },
  });
  const worker = ShippedBox.shipped(t, files, { programs, env: cluster });
  // A shipped file asks for GPUs that this machine does not have.
  for (const box of [head, worker]) box.write("vllm.yaml", box.asShipped("vllm.yaml").replaceAll(/^gpus:.*\n/gm, ""));
  await Promise.all([head.start(), worker.start()]);
  assert.match((await worker.until("ray", "BACKOFF")).why, /exit 1/); // There is no cable yet.

  connect((await head.control.health()).keeper, (await worker.control.health()).keeper);
  await head.until("ray", "RUNNING");
  await worker.until("ray", "RUNNING");
  await head.says("ray", "Ray runtime started.\nworker joined from 10.77.0.2\n");
  await head.becomes("vllm was started on the cluster", async () => head.called("vllm") !== null);
  assert.deepEqual(head.called("vllm")?.slice(6), ["--distributed-executor-backend", "ray", "-tp", "8", "-pp", "2"]);
  assert.match(await worker.skipped("vllm"), /VLLM_MODEL/); // No model is named there: it only lends its GPUs.

  const before = await worker.status("ray");
  process.kill((await head.status("ray")).pid!, "SIGKILL");
  await worker.until("ray", ({ state, run }) => state === "RUNNING" && run > before.run);
  assert.equal((await head.until("ray", "RUNNING")).restarts, 1);
});

/** A cable between the networks of two processes; it is gone with them. */
function connect(one: number, other: number): void {
  const run = (...words: string[]): void => {
    const { status, stderr } = spawnSync(words[0]!, words.slice(1), { encoding: "utf8" });
    assert.equal(status, 0, `${words.join(" ")}: ${stderr}`);
  };
  const [a, b] = ["svcd0", "svcd1"];
  run("ip", "link", "add", a, "netns", String(one), "type", "veth", "peer", "name", b, "netns", String(other));
  for (const [pid, device, address] of [
    [one, a, "10.77.0.1/24"],
    [other, b, "10.77.0.2/24"],
  ] as const) {
    const inside = ["nsenter", "--target", String(pid), "--net", "ip"];
    run(...inside, "addr", "add", address, "dev", device);
    run(...inside, "link", "set", device, "up");
  }
}
