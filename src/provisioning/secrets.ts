/** What a request hands over to a server and nobody else shall see. */

/** What a header hands over: `Bearer abc` is `Bearer abc`, and `abc`. */
export function secretsInHeaders(headers: Readonly<Record<string, string>>): string[] {
  return Object.entries(headers)
    .filter(([name]) => /^(proxy-)?authorization$|cookie|token|key|secret/i.test(name))
    .flatMap(([, value]) => [value, value.split(" ").at(-1) ?? ""]);
}
