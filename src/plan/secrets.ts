/**
 * A definition as it may be shown: values of variables whose names speak of secrets are hidden.
 */
import type { Service } from "./plan.ts";

const SECRET = /TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY|AUTH|_KEY$|^KEY$/i;
export const HIDDEN = "(hidden)";

export function isSecret(variable: string): boolean {
  return SECRET.test(variable);
}

/** The same service with hidden values in its environment. A reference to another variable tells nothing and stays. */
export function masked(service: Service): Service {
  const environment = Object.fromEntries(
    Object.entries(service.environment).map(([name, value]) => {
      const isReference = value === null || /^\$\{?\w+\}?$/.test(value);
      return [name, isSecret(name) && !isReference ? HIDDEN : value];
    }),
  );
  return { ...service, environment };
}
