/**
 * Who is it? Keys of `authorized_keys`, or the token as a password. Names mean nothing here: whoever has a key is the same under
 * each name, so there is nothing to be found out by trying names, and none is printed (people type passwords there).
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { AuthContext, AuthenticationType, PublicKeyAuthContext } from "ssh2";
import type { AuthorizedKey } from "./authorized-keys.ts";
import type { House } from "./house.ts";
import { type KeyOptions, NO_OPTIONS } from "./key-options.ts";
import { shown } from "./log-line.ts";

export interface Guest {
  /** For the log: the key and its comment. */
  readonly name: string;
  readonly options: KeyOptions;
  /** null: came with the token. */
  readonly key: AuthorizedKey | null;
}

export class SignIn {
  readonly #house: House;
  readonly #address: string;
  readonly #turnAway: () => void;
  #guest: Guest | null = null;
  #wrong = 0;
  #isOver = false;

  /** `turnAway`: it has tried too often. */
  constructor(house: House, address: string, turnAway: () => void) {
    this.#house = house;
    this.#address = address;
    this.#turnAway = turnAway;
  }

  /** Once it was accepted. */
  get guest(): Guest | null {
    return this.#guest;
  }

  /** The connection is gone: answers that wait are dropped. */
  close(): void {
    this.#isOver = true;
  }

  asks(context: AuthContext): void {
    switch (context.method) {
      case "none":
        return context.reject(this.#methods()); // How clients find out what there is.
      case "publickey":
        return this.#key(context);
      case "password":
        return this.#password(context.password, context);
      default:
        return this.#refuse(context);
    }
  }

  #key(context: PublicKeyAuthContext): void {
    const known = this.#house.ring.find(context.key.data, this.#address, Date.now());
    // A key of RSA may sign with SHA-1, and then it proves nothing.
    const isWeak = context.key.algo === "ssh-rsa" && context.hashAlgo !== "sha256" && context.hashAlgo !== "sha512";
    if (known === null || context.key.algo !== known.key.type || isWeak) return this.#refuse(context);
    // Without a signature it is only asked whether the key would do.
    if (context.signature !== undefined) {
      const { blob, signature, hashAlgo } = context;
      if (blob === undefined || known.key.verify(blob, signature, hashAlgo) !== true) return this.#refuse(context);
      const comment = known.comment === "" ? "" : ` ${shown(known.comment)}`;
      this.#guest = { name: `${known.fingerprint}${comment}`, options: known.options, key: known };
    }
    context.accept();
  }

  #password(password: unknown, context: AuthContext): void {
    const { settings, admission, now } = this.#house;
    const { token } = settings;
    if (token === null) return this.#refuse(context);
    const waitMs = admission.passwordWaitMs(this.#address, now());
    if (waitMs === null) return this.#refuse(context);
    this.#later(waitMs, () => {
      if (typeof password === "string" && isSame(password, token)) {
        admission.rightPassword(this.#address);
        this.#guest = { name: "the token", options: NO_OPTIONS, key: null };
        return context.accept();
      }
      this.#house.strangers.say(`${this.#address}: a wrong password`, now());
      this.#later(admission.wrongPassword(this.#address, now()), () => this.#refuse(context));
    });
  }

  #refuse(context: AuthContext): void {
    context.reject(this.#methods());
    if (++this.#wrong < this.#house.settings.tries) return;
    this.close();
    this.#turnAway();
  }

  #methods(): AuthenticationType[] {
    return this.#house.settings.token === null ? ["publickey"] : ["publickey", "password"];
  }

  #later(ms: number, then: () => void): void {
    if (ms === 0) then();
    else setTimeout(() => this.#isOver || then(), ms).unref();
  }
}

/** Takes as long for each guess, whatever is right in it and however long it is. */
function isSame(one: string, other: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(one), hash(other));
}
