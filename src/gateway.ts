/** The program of services.d/gateway.yaml: the holder of the ports, or (`--worker`) the process that works for it. */
if (process.argv.includes("--worker")) {
  void import("./gateway/worker.ts").then(({ runWorker }) => runWorker());
} else {
  void import("./gateway/holder.ts").then(({ runHolder }) => runHolder(process.argv[1]!));
}

export {}; // A module, so that it may be imported.
