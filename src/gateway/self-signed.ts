/**
 * A certificate that the gateway signs itself, so that HTTPS works on a machine that has none. X.509 in DER, written by hand:
 * Node signs, but makes no certificates, and openssl need not be there.
 */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { isIP } from "node:net";

export interface Pem {
  readonly cert: string;
  readonly key: string;
}

/** `names`: host names and addresses. */
export function selfSigned(names: readonly string[], from: Date, days: number): Pem {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const until = new Date(from.getTime() + days * 86_400_000);
  const name = sequence(set(sequence(oid("2.5.4.3"), utf8((names[0] ?? "svcd").slice(0, 64)))));
  const serial = randomBytes(16);
  serial[0] = (serial[0]! & 0x3f) | 0x40; // Positive, and never shorter.
  const unsigned = sequence(
    explicit(0, integer(Buffer.from([2]))),
    integer(serial),
    sequence(oid(ECDSA_SHA256)),
    name,
    sequence(time(from), time(until)),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    explicit(
      3,
      sequence(
        extension("2.5.29.17", sequence(...names.map(alternativeName)), false),
        extension("2.5.29.19", sequence(), true),
        extension("2.5.29.15", tlv(0x03, Buffer.from([7, 0x80])), true), // digitalSignature
        extension("2.5.29.37", sequence(oid("1.3.6.1.5.5.7.3.1")), false), // serverAuth
      ),
    ),
  );
  const signature = sign("sha256", unsigned, privateKey);
  const certificate = sequence(
    unsigned,
    sequence(oid(ECDSA_SHA256)),
    tlv(0x03, Buffer.concat([Buffer.from([0]), signature])),
  );
  const lines = certificate.toString("base64").replace(/.{64}/g, "$&\n").trimEnd();
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  };
}

const ECDSA_SHA256 = "1.2.840.10045.4.3.2";

function alternativeName(name: string): Buffer {
  switch (isIP(name)) {
    case 4:
      return tlv(0x87, Buffer.from(name.split(".").map(Number)));
    case 6:
      return tlv(0x87, addressBytes(name));
    default:
      return tlv(0x82, Buffer.from(name, "latin1"));
  }
}

function addressBytes(address: string): Buffer {
  const host = new URL(`http://[${address}]/`).hostname.slice(1, -1); // In its shortest form.
  const [head = "", tail] = host.split("::");
  const groups = (part: string): number[] =>
    part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16));
  const [before, after] = [groups(head), tail === undefined ? [] : groups(tail)];
  const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]));
}

function extension(id: string, value: Buffer, isCritical: boolean): Buffer {
  return sequence(oid(id), ...(isCritical ? [tlv(0x01, Buffer.from([0xff]))] : []), tlv(0x04, value));
}

function tlv(tag: number, value: Buffer): Buffer {
  const { length } = value;
  if (length < 128) return Buffer.concat([Buffer.from([tag, length]), value]);
  const bytes = length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
  return Buffer.concat([Buffer.from([tag, ...bytes]), value]);
}

const sequence = (...parts: Buffer[]): Buffer => tlv(0x30, Buffer.concat(parts));
const set = (...parts: Buffer[]): Buffer => tlv(0x31, Buffer.concat(parts));
const integer = (value: Buffer): Buffer => tlv(0x02, value);
const utf8 = (text: string): Buffer => tlv(0x0c, Buffer.from(text));
const explicit = (number: number, value: Buffer): Buffer => tlv(0xa0 + number, value);

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const septets = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) septets.unshift((left & 0x7f) | 0x80);
    bytes.push(...septets);
  }
  return tlv(0x06, Buffer.from(bytes));
}

function time(date: Date): Buffer {
  const digits = date.toISOString().replace(/[-:T]/g, "").slice(0, 14);
  // Two digits for the year until 2049, as the standard wants it.
  return date.getUTCFullYear() < 2050
    ? tlv(0x17, Buffer.from(`${digits.slice(2)}Z`))
    : tlv(0x18, Buffer.from(`${digits}Z`));
}
