/** `svctl gpus`: what the GPUs of this machine do, to whom they are leased, who holds their memory. */
import { type Call, say, sayJson } from "./call.ts";
import { EXIT } from "./failure.ts";
import { gpusPage } from "./gpus-page.ts";

export const details = `
Columns: USE is how much of the last moment the GPU was busy; LEASED TO are the services and runs of jobs (JOB/RUN) to which svcd
has given it. Below it stand the processes that hold memory of a GPU: of which service or job they are, or nobody's of svcd.

nvidia-smi is asked at this moment. Where it does not answer, what it said last is shown, and since when it is silent.

Exit codes: 0 the GPUs are shown, or there are none; 1 nvidia-smi does not answer as it should.

--json prints {state, why, at, devices}, each device {index, uuid, name, memoryTotalBytes, memoryUsedBytes, utilization,
temperatureC, powerW, powerLimitW, notForUse, isGone, leases, holders}.`;

export async function run(call: Call): Promise<number> {
  const report = await call.daemon.gpus();
  const { out } = call.world;
  if (call.json) sayJson(call, report);
  else
    for (const line of gpusPage(report, {
      ink: call.ink,
      columns: out.isTTY ? out.columns() : null,
      now: call.world.now(),
    }))
      say(out, line);
  return report.state === "trouble" ? EXIT.failed : EXIT.done;
}
