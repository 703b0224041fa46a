import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import ssh2 from "ssh2";
import { readAuthorizedKeys } from "./authorized-keys.ts";

function publicKey(type: "ed25519" | "ecdsa" | "rsa", bits?: number): string {
  const options = bits === undefined ? {} : { bits };
  const { public: line } = ssh2.utils.generateKeyPairSync(type as "rsa", options as { bits: number });
  return line.trim().split(" ").slice(0, 2).join(" ");
}

const ED25519 = publicKey("ed25519");
const ECDSA = publicKey("ecdsa", 256);
const RSA = publicKey("rsa", 2048);

test("keys of all usual kinds count, with options in front and a comment behind", () => {
  const text = `# people
${ED25519} alice@laptop, the "old" one

  permit="view",from="10.0.0.0/8" ${ECDSA} bob
\t${RSA}\r
`;
  const { keys, badLines } = readAuthorizedKeys(text);
  assert.deepEqual(badLines, []);
  assert.deepEqual(
    keys.map(({ line, key, comment, written, options }) => [line, key.type, comment, written, options.permit]),
    [
      [2, "ssh-ed25519", 'alice@laptop, the "old" one', "", "all"],
      [4, "ecdsa-sha2-nistp256", "bob", 'permit="view",from="10.0.0.0/8"', "view"],
      [5, "ssh-rsa", "", "", "all"],
    ],
  );
  assert.match(keys[0]!.fingerprint, /^SHA256:[\w+/]{43}$/);
});

test("a bad line costs itself, and is told by its number and what to write", () => {
  const [type, base64 = ""] = ED25519.split(" ");
  const lines: [line: string, what: RegExp][] = [
    ["hello", /no key/],
    [`${type} ${base64.slice(0, -8)}`, /broken/],
    [`${type} ${base64}AAAA`, /broken/],
    [`${type} ${base64.replace("A", "\u{130}")}`, /broken/],
    [`${type}`, /broken/],
    [`ecdsa-sha2-nistp256 ${base64}`, /broken/],
    [`ssh-dss AAAAB3NzaC1kc3MAAACBAP`, /too weak/],
    [`sk-ssh-ed25519@openssh.com AAAAGnNr`, /security device/],
    [publicKey("rsa", 1024), /1024 bits is too weak/],
    [`permit="vew" ${ED25519}`, /permit="vew"/],
    [`permit="view" permit="all" ${ED25519}`, /no key/],
    [`from="10.0.0.0/8 ${ED25519}`, /no key|not closed/],
    [`comand="x" ${ED25519}`, /`comand` is not known/],
    [`command="status",no-pty ${ED25519}`, /`command` is not known/],
    [`cert-authority ${ED25519}`, /`cert-authority`/],
    [`${"x".repeat(20_000)} ${ED25519}`, /too long/],
  ];
  const { keys, badLines } = readAuthorizedKeys([...lines.map(([line]) => line), ED25519].join("\n"));
  assert.deepEqual(
    keys.map(({ line }) => line),
    [lines.length + 1],
  );
  assert.equal(badLines.length, lines.length);
  for (const [index, { line, what, fix }] of badLines.entries()) {
    assert.equal(line, index + 1);
    assert.match(what, lines[index]![1], lines[index]![0]);
    assert.ok(fix.length > 5);
  }
});

test("no text makes reading it fail, and nothing is a key that is none", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (before, behind) => {
      const { keys, badLines } = readAuthorizedKeys(`${before} ${ED25519}${behind}\n`);
      assert.ok(keys.length <= 1 && keys.length + badLines.length <= 2);
      for (const { options, written } of keys) if (written === "") assert.equal(options.from, null);
    }),
  );
  for (const text of [
    "",
    "\0",
    "\r",
    '"',
    '\\"',
    `"${" ".repeat(5_000)}`,
    "ssh-ed25519 ====",
    "\ufeffssh-rsa AAAA",
    "=".repeat(9_999),
  ]) {
    assert.deepEqual(readAuthorizedKeys(text).keys, []);
  }
});
