import { frozenCopy } from "../lib/frozen-copy.ts";
import type { MemberSession, Organization, RejectedState, UnavailableState } from "../model.ts";
import type { Interpretation, SealedSession, VerifiedClaims } from "../store.ts";
import type { Verification } from "../tokens/verify-token.ts";
import { type VerifiedSession, shareRoles } from "./cache.ts";
import type { Instance } from "./instance.ts";
import type { Credential } from "./read-credential.ts";

/** RFC 7515 section 7.1. */
const COMPACT_FORM = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Seconds, where nobody can say how long a store will go on failing to read claims. */
const RETRY_AFTER = 5;

/** A credential that is vouched for, by a good signature or a good seal of ours; or of a kind that the store wants to be asked about. */
export interface VerifiedCredential {
  readonly status: "vouched";
  readonly kind: Credential["kind"];
  readonly via: "bearer" | "cookie";
  readonly accessToken?: string;
  readonly sealed?: SealedSession;
  readonly opaqueToken?: string;
  /** Kept from the store, to be sealed again: there is nowhere to put a rotated one. */
  readonly withheldRefreshToken?: string;
  /** Absent where only the seal vouches, for opaque tokens, and where no key is known. */
  readonly claims?: VerifiedClaims;
  readonly session?: VerifiedSession;
}

/** A credential that is not. */
export interface Refused {
  readonly status: "refused";
  readonly state: RejectedState | UnavailableState;
  /** Whether the cookie can never become good again, so that it is cleared. */
  readonly clearsCookie: boolean;
  /** What a good seal holds whose token alone is refused: the session in it lives on, and can be ended. */
  readonly sealed?: SealedSession;
}

/** What became of a credential before anybody was asked. */
export type CredentialVerification = VerifiedCredential | Refused;

/** Verifies what was presented, without asking the store. Times are judged afterwards. A promise only where it takes time. */
export function verifyCredential(
  instance: Instance,
  credential: Credential,
): CredentialVerification | Promise<CredentialVerification> {
  switch (credential.kind) {
    case "bearer":
    case "jwt_cookie": {
      const verification = instance.verifier.verifyAlone(credential.value);
      return verification instanceof Promise
        ? verification.then((known) => judgeToken(instance, credential, known))
        : judgeToken(instance, credential, verification);
    }
    case "sealed":
      return vouchForSeal(instance, credential);
    default:
      return { status: "vouched", kind: credential.kind, via: "cookie", opaqueToken: credential.value };
  }
}

function judgeToken(
  instance: Instance,
  { kind, value }: Credential,
  verification: Verification,
): CredentialVerification {
  const via = kind === "bearer" ? "bearer" : "cookie";
  if (verification.status === "unavailable") return unavailable(verification.retryAfter);
  if (verification.status === "rejected") {
    const mayAsk = instance.options.store.tokens.unknownKey === "ask";
    if (mayAsk && verification.reason === "unknown_key")
      return { status: "vouched", kind, via, accessToken: value };
    return refuseToken(instance, via, verification.reason);
  }
  const { claims } = verification;
  const session = interpretClaims(instance, { via, claims });
  if (session === UNREADABLE) return unavailable(RETRY_AFTER);
  if (session === undefined) return refuseToken(instance, via, "class");
  return { status: "vouched", kind, via, accessToken: value, claims, session };
}

async function vouchForSeal(instance: Instance, { value }: Credential): Promise<CredentialVerification> {
  const sealed = await instance.sealer?.unseal(value);
  if (sealed === undefined) return refuseSession(instance, "seal", true);
  const judgement = await judgeSeal(instance, sealed);
  return judgement.status === "refused" && !judgement.clearsCookie ? { ...judgement, sealed } : judgement;
}

async function judgeSeal(instance: Instance, sealed: SealedSession): Promise<CredentialVerification> {
  const { accessToken } = sealed;
  const verification = await instance.verifier.verify(accessToken);
  if (verification.status === "unavailable") return unavailable(verification.retryAfter);
  if (verification.status === "rejected") return judgeSealedToken(instance, sealed, verification);
  const { claims } = verification;
  if (sealed.user !== undefined && sealed.user.id !== claims.sub) {
    return refuseSession(instance, "subject", true);
  }
  const session = interpretClaims(instance, { via: "cookie", claims, sealed });
  if (session === UNREADABLE) return unavailable(RETRY_AFTER);
  if (session === undefined) return refuseMisconfigured(instance, "class");
  return { status: "vouched", kind: "sealed", via: "cookie", accessToken, sealed, claims, session };
}

/** A good seal around a token that does not verify: our own doing, so the session must survive it where it can. */
function judgeSealedToken(
  instance: Instance,
  sealed: SealedSession,
  { reason, expiresAt }: Extract<Verification, { status: "rejected" }>,
): CredentialVerification {
  // A token by an algorithm or of a type that the profile no longer lists is a token still.
  if (reason === "malformed" && !COMPACT_FORM.test(sealed.accessToken)) {
    return refuseSession(instance, reason, true);
  }
  const { clock, clockTolerance } = instance.options;
  if (reason === "unknown_key" && expiresAt !== undefined && clock() >= expiresAt + clockTolerance) {
    return { status: "vouched", kind: "sealed", via: "cookie", accessToken: sealed.accessToken, sealed };
  }
  return refuseMisconfigured(instance, reason);
}

function refuseToken({ events }: Instance, via: "bearer" | "cookie", reason: string): Refused {
  events.emit({ type: "rejected", code: "invalid_token", reason });
  return {
    status: "refused",
    state: { status: "rejected", code: "invalid_token", via },
    clearsCookie: false,
  };
}

function refuseSession({ events }: Instance, reason: string, clearsCookie: boolean): Refused {
  events.emit({ type: "rejected", code: "invalid_session", reason });
  return {
    status: "refused",
    state: { status: "rejected", code: "invalid_session", via: "cookie" },
    clearsCookie,
  };
}

// A deploy's slip (another issuer, another environment's keys) must not sign everybody out: the cookie is kept.
function refuseMisconfigured(instance: Instance, reason: string): Refused {
  instance.events.emit({ type: "misconfigured", reason: `sealed_token_${reason}` });
  return refuseSession(instance, reason, false);
}

function unavailable(retryAfter: number): Refused {
  const state: UnavailableState = { status: "unavailable", code: "store_unavailable", retryAfter };
  return { status: "refused", state, clearsCookie: false };
}

/** Verified claims, and what came with them. */
export interface ClaimsReading {
  readonly via: "bearer" | "cookie";
  readonly claims: VerifiedClaims;
  readonly sealed?: SealedSession | undefined;
  /** When the store answered for them. */
  readonly verifiedAt?: number | undefined;
}

/** Claims that the store fails to read, or that name nobody. */
export const UNREADABLE = "unreadable";

/**
 * What verified claims stand for; `undefined` if they are no session of the store's. A store that fails to read them has not
 * said so: who is asking cannot be known then, and nobody is signed out by its defect.
 */
export function interpretClaims(
  instance: Instance,
  reading: ClaimsReading,
): VerifiedSession | undefined | typeof UNREADABLE {
  try {
    return readClaims(instance, reading);
  } catch {
    instance.events.emit({ type: "misconfigured", reason: "interpret_failed" });
    return UNREADABLE;
  }
}

function readClaims(
  { options }: Instance,
  { via, claims, sealed, verifiedAt }: ClaimsReading,
): VerifiedSession | undefined {
  const interpretation = options.store.interpret(claims, sealed);
  if (interpretation === undefined) return undefined;
  const { memberSession, member, organization, permissions, sessionExpiresAt, authenticatedAt } =
    readInterpretation(interpretation);
  return {
    exp: claims.exp,
    iat: claims.iat,
    nbf: claims.nbf,
    verifiedAt,
    sessionExpiresAt,
    checkedEpoch: -1,
    usedAt: 0,
    roles: shareRoles(memberSession.roles),
    organizationId: memberSession.organizationId,
    permissions,
    via,
    memberSession,
    member,
    organization,
    authenticatedAt,
    subject: claims.sub,
  };
}

/**
 * What a store made of verified claims, as guards and handlers may rely on it: frozen, with every list in its place, and with
 * the organization in both of its places or in none. A store that says it is frozen is believed about the rest.
 *
 * @throws TypeError where it names nobody, or contradicts itself: who is asking cannot be known then.
 */
export function readInterpretation(given: Interpretation): Interpretation {
  const { memberSession, member, sessionExpiresAt } = given;
  if (!isName(memberSession.id) || !isName(member.id)) throw malformed("names no session or no member");
  if (sessionExpiresAt !== undefined && !Number.isFinite(sessionExpiresAt)) {
    throw malformed("ends at what is no time");
  }
  return given.isFrozen === true ? given : complete(given);
}

function complete(given: Interpretation): Interpretation {
  const { memberSession, member, permissions } = given;
  const { organization: _given, ...rest } = given;
  const organization = organizationOf(given);
  const roles = shareRoles(memberSession.roles);
  return {
    ...rest,
    memberSession: frozenCopy(amend(memberSession, lacksOf(given, roles, organization?.id))),
    member: frozenCopy(amend(member, Array.isArray(member.roles) ? {} : { roles })),
    ...(organization !== undefined && { organization: frozenCopy(organization) }),
    ...(permissions !== undefined && { permissions: frozenCopy(permissions) }),
  };
}

/** What a session lacks that every session has, whatever it holds in its place. */
function lacksOf(
  { memberSession, member }: Interpretation,
  roles: readonly string[],
  organizationId: string | undefined,
): Partial<Record<keyof MemberSession, unknown>> {
  const { authenticationFactors, customClaims } = memberSession;
  return {
    ...(!isName(memberSession.memberId) && { memberId: member.id }),
    ...(memberSession.organizationId !== organizationId && { organizationId }),
    ...(!isSameLength(memberSession.roles, roles) && { roles }),
    ...(!Array.isArray(authenticationFactors) && { authenticationFactors: [] }),
    ...(customClaims === undefined && { customClaims: null }),
  };
}

/** What lacks nothing stays what it is: it may have getters and methods, which a copy has not. */
function amend<Value extends object>(value: Value, lacks: Partial<Record<keyof Value, unknown>>): Value {
  return Object.keys(lacks).length === 0 ? value : { ...value, ...lacks };
}

function isSameLength(given: unknown, names: readonly string[]): boolean {
  return Array.isArray(given) && given.length === names.length;
}

/** The session's organization, in whichever place the store named it. Two that differ would let a tenant into another's. */
function organizationOf({ memberSession, organization }: Interpretation): Organization | undefined {
  const [id, other] = [memberSession.organizationId, organization?.id].map(nameOf);
  if (id !== undefined && other !== undefined && id !== other) throw malformed("names two organizations");
  const known = id ?? other;
  if (known === undefined) return undefined;
  return organization !== undefined && other !== undefined ? organization : { ...organization, id: known };
}

/** A name, or none: `null` and `""` are what databases and claims have in place of one. */
function nameOf(value: unknown): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw malformed("names an organization by what is no string");
  return value;
}

function isName(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}

function malformed(what: string): TypeError {
  return new TypeError(`the store's interpretation ${what}`);
}
