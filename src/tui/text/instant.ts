/** Of an ISO 8601 date: milliseconds since 1970; NaN for what is none. */
export function instant(iso: string): number {
  return new Date(iso).getTime();
}
