import { createHmac, timingSafeEqual } from "node:crypto";

/** Seconds that a code is shown. */
const STEP = 30;

/** Stands in for the authenticator apps of all users: makes the code that the demo shows, and checks it. */
export function createAuthenticator(secret: string, now: () => number) {
  // A real application makes a random key for each user, and shows it once as a QR code.
  const keyOf = (userId: string): Buffer => createHmac("sha256", secret).update(`totp ${userId}`).digest();
  return {
    codeOf: (userId: string): string => makeCode(keyOf(userId), now()),
    /** Also accepts the code before: typing takes a while. A real application counts attempts, and accepts a code once. */
    accepts(userId: string, code: unknown): boolean {
      const given = Buffer.from(String(code).replaceAll(" ", ""));
      return [now(), now() - STEP].some((time) => {
        const code6 = Buffer.from(makeCode(keyOf(userId), time));
        return given.length === code6.length && timingSafeEqual(given, code6);
      });
    },
  };
}

/** The authenticator of the demo. */
export type Authenticator = ReturnType<typeof createAuthenticator>;

/** Makes the code of six digits of a time in seconds (TOTP, RFC 6238). */
export function makeCode(key: Buffer, time: number): string {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(time / STEP)));
  const hash = createHmac("sha1", key).update(counter).digest();
  const offset = hash.readUInt8(hash.length - 1) & 0xf;
  const number = hash.readUInt32BE(offset) & 0x7fffffff;
  return String(number % 1_000_000).padStart(6, "0");
}
