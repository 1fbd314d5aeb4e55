import { type KeyObject, X509Certificate, createPublicKey, sign } from "node:crypto";
import type { JsonWebKey } from "../store.ts";

/** ASN.1 tags (ITU-T X.690 section 8). */
const TAG = {
  integer: 0x02,
  bitString: 0x03,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** 1.2.840.113549.1.1.11 (RFC 8017 appendix A.2.4). */
const SHA256_WITH_RSA = Buffer.from("2a864886f70d01010b", "hex");
/** 2.5.4.3 */
const COMMON_NAME = Buffer.from("550403", "hex");
const SERIAL_BYTES = 16;

/**
 * Makes the members of a JWK that name its certificate (RFC 7517 sections 4.7 and 4.9), which some clients require.
 *
 * The certificate is signed by the key itself, and proves nothing that the JWK does not. It depends on the key alone, so every
 * process makes the same one, and it has no end (RFC 5280 section 4.1.2.5): the key set says which keys are in use.
 */
export function certifyKey(privateKey: KeyObject): Pick<JsonWebKey, "x5c" | "x5t#S256"> {
  const certificate = makeCertificate(privateKey);
  const thumbprint = new X509Certificate(certificate).fingerprint256.replaceAll(":", "");
  return {
    x5c: [certificate.toString("base64")],
    "x5t#S256": Buffer.from(thumbprint, "hex").toString("base64url"),
  };
}

function makeCertificate(privateKey: KeyObject): Buffer {
  const publicKey = createPublicKey(privateKey);
  const algorithm = encode("sequence", encode("objectIdentifier", SHA256_WITH_RSA), encode("null"));
  const name = encode(
    "sequence",
    encode(
      "set",
      encode(
        "sequence",
        encode("objectIdentifier", COMMON_NAME),
        encode("utf8String", Buffer.from("orgate")),
      ),
    ),
  );
  const validity = encode(
    "sequence",
    encode("utcTime", Buffer.from("000101000000Z")),
    encode("generalizedTime", Buffer.from("99991231235959Z")),
  );
  const subjectKey = publicKey.export({ type: "spki", format: "der" });
  const content = encode("sequence", makeSerial(publicKey), algorithm, name, validity, name, subjectKey);
  const signature = sign("sha256", content, privateKey);
  return encode("sequence", content, algorithm, encode("bitString", Buffer.from([0]), signature));
}

/** Makes a serial number of the modulus: positive, and another one for each key. */
function makeSerial(publicKey: KeyObject): Buffer {
  const { n = "" } = publicKey.export({ format: "jwk" });
  const [first = 0, ...others] = Buffer.from(n, "base64url").subarray(0, SERIAL_BYTES);
  return encode("integer", Buffer.from([(first & 0x3f) | 0x40, ...others]));
}

/** Encodes a value by the distinguished encoding rules (ITU-T X.690 section 10). */
function encode(tag: keyof typeof TAG, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([TAG[tag], ...encodeLength(content.length)]), content]);
}

function encodeLength(length: number): readonly number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [0x80 + bytes.length, ...bytes];
}
