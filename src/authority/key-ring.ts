import { StoreUnavailableError } from "../errors.ts";
import type { EventSink } from "../events.ts";
import type { Clock } from "../lib/clock.ts";
import type { SealPasswords } from "../lib/crypto.ts";
import { absentOr, arrayOf, isFiniteNumber, isObject, isOneOf, isText, objectWith } from "../lib/values.ts";
import type { Algorithm, JsonWebKey } from "../store.ts";
import type { Repository, Versioned } from "./repository.ts";
import { decryptJson, deriveKey, encrypt } from "./secrets.ts";
import { type SigningKey, findKeyProblem, importSigningKey } from "./signing-keys.ts";

/** A signing key, and when it signs and verifies. Times are seconds since the epoch. */
export interface RingKey extends SigningKey {
  /** It is published before, so that whoever verifies has it by then. */
  readonly signsFrom: number;
  /** Until when it verifies. Absent while no other key replaces it, and for keys that the application keeps. */
  readonly retiredUntil?: number;
}

/** The keys as they were read. Newer ones come before those that they replace. */
export interface KeysRead {
  readonly keys: readonly RingKey[];
  /** What a write must name; `undefined`: there are no keys yet. */
  readonly version: number | undefined;
  /** Whether they must be written again as they are: unsealed, or close to their expiry. */
  readonly isDue: boolean;
}

/** How long a process may go without looking for keys that other processes made. Durations are seconds. */
export interface KeySharing {
  /** Keys that were read are used for this long before they are read again. */
  readonly maxAge: number;
  /** A new key is published for this long before it signs. */
  readonly publishAhead: number;
  /** Between two reads that unknown key ids cause. */
  readonly cooldown: number;
}

/** Where an issuer's keys lie. */
export interface KeyRing extends KeySharing {
  /** @param known - keys that were read before: they are not opened again */
  read(known: readonly RingKey[]): Promise<KeysRead>;
  /** Replaces all keys; `false` if another process was first. */
  write(keys: readonly RingKey[], version: number | undefined): Promise<boolean>;
}

/** Nobody else can change the keys. */
const ALONE: KeySharing = { maxAge: Infinity, publishAhead: 0, cooldown: 0 };
/** Other authorities of this process may change them, and reading costs nothing. */
const IN_MEMORY: KeySharing = { maxAge: 0, publishAhead: 0, cooldown: 0 };
/** Each process reads a new key at least twice before it signs; verifiers of other makes load at most once in 30 seconds. */
const SHARED: KeySharing = { maxAge: 30, publishAhead: 60, cooldown: 5 };

/** Tells how the keys in a repository are shared. @param isOwn - whether the authority made the repository itself */
export function sharingOf({ durability }: Pick<Repository, "durability">, isOwn: boolean): KeySharing {
  if (isOwn) return ALONE;
  return durability === "memory" ? IN_MEMORY : SHARED;
}

/** Keeps keys in this process, beginning with those of the application. */
export function createProcessKeyRing(jwks: readonly JsonWebKey[] = []): KeyRing {
  let keys: readonly RingKey[] | undefined;
  let version = 0;
  return {
    ...ALONE,
    async read() {
      const imported = keys ?? (await Promise.all(jwks.map(importRingKey)));
      keys ??= imported;
      return { keys, version, isDue: false };
    },
    async write(next, expected) {
      if (expected !== version) return false;
      keys = next;
      version += 1;
      return true;
    },
  };
}

async function importRingKey(jwk: JsonWebKey): Promise<RingKey> {
  return { ...(await importSigningKey(jwk)), signsFrom: -Infinity };
}

/** A key as the repository keeps it. */
export interface KeyRecord {
  readonly kid: string;
  /** The private JWK: sealed by `keyEncryption`, or as it is where that is not set. */
  readonly secret: string | Readonly<Record<string, unknown>>;
  readonly signsFrom: number;
  readonly retiredUntil?: number;
}

/** All keys of a fleet: one document, so that each change is made in one step. */
export interface KeyRingRecord {
  readonly version: 1;
  readonly keys: readonly KeyRecord[];
  readonly expiresAt: number;
}

const areKeyRecords = arrayOf(
  objectWith<KeyRecord>({
    kid: isText,
    secret: (value): value is KeyRecord["secret"] => isText(value) || isObject(value),
    signsFrom: isFiniteNumber,
    retiredUntil: absentOr(isFiniteNumber),
  }),
);

/** Checks that a value is the keys of a fleet, in the form of this version. */
export const isKeyRingRecord = objectWith<KeyRingRecord>({
  version: isOneOf(1),
  keys: (value): value is KeyRingRecord["keys"] => areKeyRecords(value) && value.length > 0,
  expiresAt: isFiniteNumber,
});

/** How the keys are read and written. */
export interface KeyRingStorage {
  read(): Promise<Versioned<KeyRingRecord> | undefined>;
  /** `false` if there are keys already. */
  insert(record: KeyRingRecord): Promise<boolean>;
  /** `false` if another process changed them meanwhile. */
  replace(record: KeyRingRecord, version: number): Promise<boolean>;
}

/** Options of {@link createStoredKeyRing}. */
export interface StoredKeyRingOptions {
  readonly storage: KeyRingStorage;
  readonly sharing: KeySharing;
  /** Seal the keys; `undefined`: they are kept as they are. */
  readonly passwords: SealPasswords | undefined;
  /** Whether a key that is not sealed is refused: a repository that always demanded seals holds none of its own. */
  readonly refusesUnsealed: boolean;
  readonly clock: Clock;
  readonly events: EventSink;
}

/** Longer than any session lives. Moved with each write, and when half of it is over. */
const RING_LIFETIME = 10 * 366 * 86_400;

/** Keeps keys in the repository, for every process that shares it. */
export function createStoredKeyRing(options: StoredKeyRingOptions): KeyRing {
  const { storage, sharing, passwords, refusesUnsealed, clock, events } = options;
  const seal = passwords && createKeySeal(passwords);

  /** "Cannot know", and never a reason to make other keys: another process may be able to open these. */
  const refuse = (reason: string, cause: unknown): StoreUnavailableError => {
    const error = new StoreUnavailableError({ reason, retryAfter: 5, contended: true, cause });
    events.emit({ type: "misconfigured", reason, error });
    return error;
  };
  const open = async ({ kid, secret }: KeyRecord): Promise<SigningKey> => {
    if (typeof secret !== "string" && refusesUnsealed) {
      throw refuse("keys_unreadable", new TypeError("A signing key is not sealed."));
    }
    const opened = typeof secret === "string" ? (seal?.open(secret) ?? NOT_OPENED) : { value: secret };
    if ("cause" in opened) throw refuse("keys_not_opened", opened.cause);
    if (isKeyOf(opened.value, kid)) return importSigningKey(opened.value);
    throw refuse("keys_unreadable", new TypeError("A signing key is malformed."));
  };
  const toRecord = ({ kid, privateJwk, signsFrom, retiredUntil }: RingKey): KeyRecord => {
    const jwk = { ...privateJwk, kid };
    return {
      kid,
      secret: seal?.close(jwk) ?? jwk,
      signsFrom,
      ...(retiredUntil !== undefined && { retiredUntil }),
    };
  };

  return {
    ...sharing,
    async read(known) {
      const found = await storage.read();
      if (found === undefined) return { keys: [], version: undefined, isDue: false };
      const keys = await Promise.all(
        found.value.keys.map(async (record) =>
          toRingKey(known.find(({ kid }) => kid === record.kid) ?? (await open(record)), record),
        ),
      );
      const isUnsealed = found.value.keys.some(({ secret }) => typeof secret !== "string");
      const isOld = found.value.expiresAt < clock() + RING_LIFETIME / 2;
      return { keys, version: found.version, isDue: (seal !== undefined && isUnsealed) || isOld };
    },
    write(keys, version) {
      const record: KeyRingRecord = {
        version: 1,
        keys: keys.map(toRecord),
        expiresAt: Math.ceil(clock() + RING_LIFETIME),
      };
      return version === undefined ? storage.insert(record) : storage.replace(record, version);
    },
  };
}

function toRingKey(
  { kid, algorithm, privateKey, privateJwk, publicJwk }: SigningKey,
  { signsFrom, retiredUntil }: Pick<KeyRecord, "signsFrom" | "retiredUntil">,
): RingKey {
  const key = { kid, algorithm, privateKey, privateJwk, publicJwk, signsFrom };
  return retiredUntil === undefined ? key : { ...key, retiredUntil };
}

/** The kid is sealed with the key, so that no key can be put in the place of another. */
function isKeyOf(value: unknown, kid: string): value is JsonWebKey {
  return isObject(value) && value["kid"] === kid && findKeyProblem(value) === undefined;
}

type Opened = { readonly value: unknown } | { readonly cause: unknown };

const NOT_OPENED: Opened = { cause: new TypeError("A signing key is sealed, and keyEncryption is not set.") };

interface KeySeal {
  close(jwk: JsonWebKey): string;
  open(sealed: string): Opened;
}

const SEAL_PURPOSE = "orgate signing key";
const SEAL_SHAPE = /^(\d{1,10})\.([\w-]+)$/;

/** Seals with the password of the highest number, and opens with any. */
function createKeySeal(passwords: SealPasswords): KeySeal {
  const newestFirst = Object.entries(passwords)
    .toSorted(([a], [b]) => Number(b) - Number(a))
    .map(([id, password]) => ({ id, key: deriveKey(Buffer.from(password), "orgate", SEAL_PURPOSE) }));
  const [newest] = newestFirst;
  if (newest === undefined) throw new RangeError("A seal needs a password.");
  return {
    close: (jwk) => `${newest.id}.${encrypt(newest.key, JSON.stringify(jwk))}`,
    open(sealed) {
      const [, named, encrypted] = SEAL_SHAPE.exec(sealed) ?? [];
      if (encrypted === undefined) return { cause: new TypeError("A sealed signing key is malformed.") };
      let cause: unknown;
      // Numbers change when passwords are listed anew, so the number is a hint: the named password comes first.
      for (const { key } of newestFirst.toSorted((a, b) => Number(b.id === named) - Number(a.id === named))) {
        try {
          return { value: decryptJson(key, encrypted) };
        } catch (error) {
          cause = error;
        }
      }
      return { cause };
    },
  };
}

/** Tells whether a key still verifies. */
export function isLive({ retiredUntil }: RingKey, now: number): boolean {
  return retiredUntil === undefined || now < retiredUntil;
}

/** Returns the key that signs now, of the algorithm or of any. */
export function findSigner(keys: readonly RingKey[], now: number, wanted?: Algorithm): RingKey {
  const fitting = keys.filter(({ algorithm }) => wanted === undefined || algorithm === wanted);
  // Without a key whose time has come, this process's clock is behind that of the one that made them.
  const signer = fitting.find(({ signsFrom }) => signsFrom <= now) ?? fitting[0];
  if (signer === undefined) throw new TypeError("An issuer has a key for everything that it signs.");
  return signer;
}
