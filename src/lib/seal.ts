import { defaults, seal as ironSeal, unseal as ironUnseal } from "iron-webcrypto";
import type { SealedSession } from "../store.ts";

/** Passwords by id; the highest id seals, every one opens. */
export type SealPasswords = Readonly<Record<number, string>>;

/** Seals longer than this are refused unopened, and never sent. */
export const MAX_SEAL_LENGTH = 12_288;

/** Seals values into strings for cookies, and opens them again. Nothing that goes in comes out in an error. */
export interface Sealer {
  /** Seals a session in the form of WorkOS's SDKs: an iron seal without expiry, suffixed `~2`. */
  seal(session: SealedSession): Promise<string>;
  /** `undefined`: not a seal of ours, or no session in it. Never throws. */
  unseal(cookie: string): Promise<SealedSession | undefined>;
  /** Seals any JSON value. */
  sealValue(value: unknown): Promise<string>;
  /** `undefined`: not a seal of ours. Never throws. */
  unsealValue(sealed: string): Promise<unknown>;
}

// An IV of 16 bytes and a digest of 32 leave unused bits in their last character: only one encoding of each is
// canonical, and only that one is opened, so that a seal has one spelling.
const CANONICAL_SEAL =
  /^Fe26\.2\*\w{0,64}\*[\da-f]{64}\*[\w-]{21}[AQgw]\*[\w-]+\*\d{0,16}\*[\da-f]{64}\*[\w-]{42}[AEIMQUYcgkosw048]$/;

const VERSION_SUFFIX = /~(\d{1,3})$/;

/**
 * Makes the one that seals and opens session cookies.
 *
 * @param passwords - each of at least 32 characters; checked where the options are.
 * @param sealId - the id that seals carry; it decides nothing here, but others look their one password up by it.
 */
export function createSealer(passwords: SealPasswords, sealId?: string): Sealer {
  const newestFirst = Object.entries(passwords).toSorted(([a], [b]) => Number(b) - Number(a));
  const [newest] = newestFirst;
  if (newest === undefined) throw new RangeError("a sealer needs a password");
  const newestPassword = { id: sealId ?? newest[0], secret: newest[1] };

  const open = async (sealed: string): Promise<{ value: unknown } | undefined> => {
    if (sealed.length > MAX_SEAL_LENGTH || !CANONICAL_SEAL.test(sealed)) return undefined;
    const namedId = sealed.split("*", 2)[1];
    const named = newestFirst.filter(([id]) => id === namedId);
    const others = newestFirst.filter(([id]) => id !== namedId);
    for (const [, password] of [...named, ...others]) {
      // Other libraries number passwords differently, so the id is a hint and the HMAC decides.
      const opened = await ironUnseal(sealed, password, defaults).then(
        (value) => ({ value }),
        () => undefined,
      );
      if (opened !== undefined) return opened;
    }
    return undefined;
  };

  return {
    seal: async (session) => `${await ironSeal(session, newestPassword, defaults)}~2`,
    async unseal(cookie) {
      const version = VERSION_SUFFIX.exec(cookie);
      const opened = await open(version === null ? cookie : cookie.slice(0, version.index));
      if (opened === undefined) return undefined;
      return toSealedSession(
        version !== null && version[1] !== "2" ? persistentOf(opened.value) : opened.value,
      );
    },
    sealValue: (value) => ironSeal(value, newestPassword, defaults),
    unsealValue: async (sealed) => (await open(sealed))?.value,
  };
}

/** Seals of version 1 wrap what lasts in a member of its own. */
function persistentOf(value: unknown): unknown {
  return isRecord(value) && isRecord(value["persistent"]) ? value["persistent"] : value;
}

function toSealedSession(value: unknown): SealedSession | undefined {
  if (!isRecord(value) || typeof value["accessToken"] !== "string") return undefined;
  const { refreshToken, user } = value;
  if (refreshToken !== undefined && typeof refreshToken !== "string") return undefined;
  if (user !== undefined && user !== null && !(isRecord(user) && typeof user["id"] === "string"))
    return undefined;
  const { user: _none, ...withoutUser } = value;
  return (user === null ? withoutUser : value) as unknown as SealedSession;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
