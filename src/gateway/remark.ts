/** Something in what a person wrote for the gateway that is wrong or worth knowing, with its place. */
export interface Remark {
  /** mistake: this part is left out. warning: it counts, and may not be meant so. */
  readonly is: "mistake" | "warning";
  /** "PORTAL_CONFIG, entry 2, character 31", "/etc/portal.yaml:7:5", "services.d/vllm.yaml:9". */
  readonly where: string;
  readonly what: string;
  readonly fix: string;
}

export function inWords({ where, what, fix }: Remark): string {
  return `${where}: ${what} (${fix})`;
}
