/** What the holder of the ports and its worker say to each other. */
export type ToHolder =
  | { readonly is: "open"; readonly port: number; readonly host: string }
  | { readonly is: "shut"; readonly port: number }
  | { readonly is: "ready" };

export type FromHolder =
  /** With the port as a handle. */
  | { readonly is: "opened"; readonly port: number }
  | { readonly is: "failed"; readonly port: number; readonly code: string }
  | { readonly is: "leave"; readonly mostMs: number | null; readonly keepsIdle: boolean };
