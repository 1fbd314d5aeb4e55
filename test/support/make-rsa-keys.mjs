import { generateKeyPair } from "node:crypto";
import { promisify } from "node:util";

const COUNT = 6;

/** Generates RSA keys once for the whole run, because each takes about 100 ms; `tokens.ts` hands them out. */
export default async function makeRsaKeys() {
  const format = { type: "pkcs8", format: "pem" };
  const pairs = await Promise.all(
    Array.from({ length: COUNT }, () =>
      promisify(generateKeyPair)("rsa", { modulusLength: 2048, privateKeyEncoding: format }),
    ),
  );
  process.env.TEST_RSA_KEYS = JSON.stringify(pairs.map(({ privateKey }) => privateKey));
}
