/** `run/tunnels.json`: `{"tunnels": [TunnelReport, …]}`. */
export const TUNNELS_FILE = "tunnels.json";

export interface TunnelReport {
  readonly kind: "quick";
  readonly name: string;
  /** Of the gateway. */
  readonly port: number;
  /** null: there is none now. */
  readonly url: string | null;
  readonly state: "starting" | "up" | "resting";
  /** From outside, through Cloudflare; null: not tried yet. */
  readonly reached: boolean | null;
  readonly why: string;
  readonly next: string;
}
