/**
 * The certificate in use: from files if they hold one, else one that the gateway signed itself, and which of the two is said.
 * Never plain HTTP instead: whoever asked for HTTPS and gets none would not notice.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Pem, selfSigned } from "./self-signed.ts";

export interface Certificate extends Pem {
  readonly isSelfSigned: boolean;
  /** Where it was read, or "made by the gateway". */
  readonly from: string;
  readonly expiresAt: Date;
  readonly subject: string;
  /** Why the files are not used, or that it has expired; null: all is well. */
  readonly trouble: string | null;
}

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  /** Where the gateway keeps its own. */
  readonly own: string;
  readonly names: readonly string[];
}

const VALID_DAYS = 365;
const RENEW_BEFORE_DAYS = 30;
const WARN_BEFORE_DAYS = 14;

export function loadCertificate(files: CertificateFiles, now: Date): Certificate {
  const given = read(files.cert, files.key);
  if ("cert" in given) {
    const { x509, ...pem } = given;
    const days = (x509.validToDate.getTime() - now.getTime()) / 86_400_000;
    const trouble = days < 0 ? "has expired" : days < WARN_BEFORE_DAYS ? `expires in ${Math.floor(days)} days` : null;
    return described(pem, x509, files.cert, trouble === null ? null : `the certificate ${files.cert} ${trouble}`);
  }
  return { ...ownCertificate(files, now), trouble: given.why };
}

/** Changes whenever one of the files does. */
export function stampOf({ cert, key }: CertificateFiles): string {
  return [cert, key]
    .map((path) => {
      const stat = statSync(path, { throwIfNoEntry: false });
      return stat === undefined ? "none" : `${stat.ino}.${stat.mtimeMs}.${stat.size}`;
    })
    .join(" ");
}

function ownCertificate({ own, names }: CertificateFiles, now: Date): Certificate {
  const [cert, key] = [`${own}.crt`, `${own}.key`];
  const kept = read(cert, key);
  if ("cert" in kept) {
    const { x509, ...pem } = kept;
    const isLasting = x509.validToDate.getTime() - now.getTime() > RENEW_BEFORE_DAYS * 86_400_000;
    if (isLasting && names.every((name) => x509.checkHost(name) !== undefined || x509.checkIP(name) !== undefined))
      return described(pem, x509, "made by the gateway", null);
  }
  // An hour of grace for clients whose clock is behind.
  const pem = selfSigned(names, new Date(now.getTime() - 3_600_000), VALID_DAYS);
  mkdirSync(dirname(own), { recursive: true, mode: 0o700 });
  writeFileSync(key, pem.key, { mode: 0o600 });
  writeFileSync(cert, pem.cert, { mode: 0o644 });
  return described(pem, new X509Certificate(pem.cert), "made by the gateway", null);
}

function read(certPath: string, keyPath: string): (Pem & { x509: X509Certificate }) | { why: string } {
  try {
    const [cert, key] = [readFileSync(certPath, "utf8"), readFileSync(keyPath, "utf8")];
    const x509 = new X509Certificate(cert);
    if (!x509.checkPrivateKey(createPrivateKey(key))) return { why: `${keyPath} is not the key of ${certPath}` };
    return { cert, key, x509 };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { why: code === "ENOENT" ? `there is no ${certPath} with ${keyPath}` : `${certPath}: ${message}` };
  }
}

function described(pem: Pem, x509: X509Certificate, from: string, trouble: string | null): Certificate {
  const isSelfSigned = x509.issuer === x509.subject;
  return {
    ...pem,
    isSelfSigned,
    from,
    expiresAt: x509.validToDate,
    subject: x509.subject.replaceAll("\n", ", "),
    trouble,
  };
}
