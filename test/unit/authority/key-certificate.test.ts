import { X509Certificate, createHash, createPublicKey } from "node:crypto";
import { expect, it } from "@jest/globals";
import { importX509, jwtVerify } from "jose";
import { Issuer } from "../../../src/authority/issuer.ts";
import { certifyKey } from "../../../src/authority/key-certificate.ts";
import { generateSigningKey } from "../../support/tokens.ts";

const certificateOf = ({ x5c }: Readonly<Record<string, unknown>>): X509Certificate => {
  const [first] = x5c as readonly string[];
  return new X509Certificate(Buffer.from(first ?? "", "base64"));
};

it("makes a certificate of the key that the key itself has signed, without an end", () => {
  const { privateKey } = generateSigningKey("RS256");
  const publicKey = createPublicKey(privateKey);

  const certificate = certificateOf(certifyKey(privateKey));

  expect(certificate.verify(publicKey)).toBe(true);
  expect(certificate.checkPrivateKey(privateKey)).toBe(true);
  expect(certificate.publicKey.equals(publicKey)).toBe(true);
  expect(certificate.subject).toBe("CN=orgate");
  expect(certificate.issuer).toBe(certificate.subject);
  expect(certificate.validTo).toBe("Dec 31 23:59:59 9999 GMT");
});

it("makes the same certificate of the same key, and another one of another key", () => {
  const [one, other] = [generateSigningKey("RS256"), generateSigningKey("RS256")];

  expect(certifyKey(one.privateKey)).toEqual(certifyKey(one.privateKey));
  const serials = [one, other].map(({ privateKey }) => certificateOf(certifyKey(privateKey)).serialNumber);
  expect(new Set(serials).size).toBe(2);
});

it("names the certificate by its SHA-256 thumbprint", () => {
  const certified = certifyKey(generateSigningKey("RS256").privateKey);

  const digest = createHash("sha256").update(certificateOf(certified).raw).digest("base64url");
  expect(certified["x5t#S256"]).toBe(digest);
});

it("verifies a token of the issuer by the certificate in its key set, and certifies RSA keys alone", async () => {
  const clock = (): number => Date.now() / 1000;
  const { privateKey } = generateSigningKey("RS256");
  const rsa = { ...privateKey.export({ format: "jwk" }), kty: "RSA", alg: "RS256" };
  const { privateKey: curve } = generateSigningKey("ES256");
  const keys = [rsa, { ...curve.export({ format: "jwk" }), kty: "EC", alg: "ES256" }];
  const issuer = new Issuer({ keys, retention: 60, clock });

  const { keys: published } = await issuer.jwks();
  const token = await issuer.sign({ sub: "user_ada" }, "RS256");
  const certificate = certificateOf(published.find(({ alg }) => alg === "RS256") ?? {});

  const verified = await jwtVerify(token, await importX509(certificate.toString(), "RS256"));
  expect(verified.payload.sub).toBe("user_ada");
  expect(published.find(({ alg }) => alg === "ES256")).not.toHaveProperty("x5c");
});
