/** The program of services.d/tunnels.yaml. */
import { runTunnels } from "./gateway/tunnels.ts";

runTunnels(process.env);
