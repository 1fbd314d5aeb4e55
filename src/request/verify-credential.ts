import { frozenCopy, isString, isText } from "../lib/values.ts";
import type { MemberSession, Organization, UnavailableState } from "../model.ts";
import type { Interpretation, SealedSession, StaleCredential, VerifiedClaims } from "../store.ts";
import { type Verification, decideFreshness } from "../tokens/verify-token.ts";
import type { VerifiedSession } from "./cache.ts";
import type { Instance } from "./instance.ts";
import { COMPACT_FORM, type Credential } from "./read-credential.ts";
import {
  DEFAULT_RETRY_AFTER,
  type FreshnessRequirement,
  type Resolution,
  refuse,
  reportMisconfigured,
  reportUnavailable,
} from "./request-auth.ts";

/**
 * A credential with a good signature or a good seal of ours. Of a kind that only the store can read (an opaque token, a token of
 * an unknown key), it has neither `session` nor `sealed`.
 */
export interface VerifiedCredential {
  readonly status: "verified";
  readonly kind: Credential["kind"];
  readonly via: "bearer" | "cookie";
  readonly accessToken?: string;
  readonly sealed?: SealedSession;
  readonly opaqueToken?: string;
  /** A refresh token that the store must not see, because a rotated one could not be sent; it is sealed again. */
  readonly withheldRefreshToken?: string;
  /** Absent where only the seal was verified, for opaque tokens, and where no key is known. */
  readonly claims?: VerifiedClaims;
  readonly session?: VerifiedSession;
}

/** A credential that is refused without asking the store. */
export type RefusedCredential = Extract<Resolution, { status: "refused" }> & {
  /** The contents of a good seal around a refused token: the session goes on, and can be ended. */
  readonly sealed?: SealedSession;
  readonly cause?: unknown;
};

/** What verifying a credential came to. */
export type CredentialVerification = VerifiedCredential | RefusedCredential;

/** Verifies a credential without asking the store and without judging its times. A promise only where it takes time. */
export function verifyCredential(
  instance: Instance,
  { kind, value }: Credential,
): CredentialVerification | Promise<CredentialVerification> {
  if (kind === "opaque") return { status: "verified", kind, via: "cookie", opaqueToken: value };
  const sealed = kind === "sealed" ? instance.sealer?.unseal(value) : undefined;
  if (kind === "sealed" && sealed === undefined) return refuseSession(instance, "seal", true);
  const { verifier } = instance;
  const verification =
    sealed === undefined ? verifier.verifyAlone(value) : verifier.verify(sealed.accessToken);
  const conclude = (settled: Verification): CredentialVerification => {
    if (sealed === undefined) return decideCredential(instance, { kind, accessToken: value }, settled);
    const decided = decideCredential(instance, { kind, accessToken: sealed.accessToken, sealed }, settled);
    return decided.status === "refused" && !decided.clearsCookie ? { ...decided, sealed } : decided;
  };
  return verification instanceof Promise ? verification.then(conclude) : conclude(verification);
}

/** A token that was verified, alone or inside a good seal. */
interface Token {
  readonly kind: Credential["kind"];
  readonly accessToken: string;
  readonly sealed?: SealedSession;
}

function decideCredential(
  instance: Instance,
  token: Token,
  verification: Verification,
): CredentialVerification {
  const { kind, sealed } = token;
  const via = kind === "bearer" ? "bearer" : "cookie";
  if (verification.status === "unavailable") {
    reportUnavailable(instance.events, verification);
    return unavailable(verification.retryAfter, verification.cause);
  }
  if (verification.status === "rejected") {
    const { reason } = verification;
    if (sealed !== undefined) return decideRejectedSeal(instance, sealed, verification);
    const asksStore = reason === "unknown_key" && instance.options.store.tokens.unknownKey === "ask";
    const { defect } = verification;
    const detail = defect === undefined ? reason : `${reason}_${defect}`;
    return asksStore ? { status: "verified", via, ...token } : refuseToken(instance, via, detail);
  }
  const { claims } = verification;
  if (sealed?.user !== undefined && sealed.user.id !== claims.sub) {
    return refuseSession(instance, "subject", true);
  }
  const meaning = readClaims(instance, { via, claims, sealed });
  switch (meaning.status) {
    case "session":
      return { status: "verified", via, ...token, claims, session: meaning.session };
    case "foreign":
      return sealed === undefined
        ? refuseToken(instance, via, "class")
        : refuseMisconfigured(instance, "class");
    default:
      return unavailable(DEFAULT_RETRY_AFTER, meaning.cause);
  }
}

/** A good seal around a token that does not verify: our own doing, so the session must survive where it can. */
function decideRejectedSeal(
  instance: Instance,
  sealed: SealedSession,
  { reason, expiresAt, isWithdrawn }: Extract<Verification, { status: "rejected" }>,
): CredentialVerification {
  // A token whose algorithm or type left the profile is "malformed" to the verifier, but still a token.
  if (reason === "malformed" && !COMPACT_FORM.test(sealed.accessToken)) {
    return refuseSession(instance, reason, true);
  }
  const { clock, clockTolerance } = instance.options;
  // Its key was withdrawn, or is gone and the token has expired anyway: the refresh token beside it decides.
  const isOver = isWithdrawn === true || (expiresAt !== undefined && clock() >= expiresAt + clockTolerance);
  if (reason === "unknown_key" && isOver) {
    return { status: "verified", kind: "sealed", via: "cookie", accessToken: sealed.accessToken, sealed };
  }
  return refuseMisconfigured(instance, reason);
}

function refuseToken({ events }: Instance, via: "bearer" | "cookie", reason: string): RefusedCredential {
  return refuse(events, { status: "rejected", code: "invalid_token", via }, { reason });
}

function refuseSession({ events }: Instance, reason: string, clearsCookie: boolean): RefusedCredential {
  return refuse(
    events,
    { status: "rejected", code: "invalid_session", via: "cookie" },
    { reason, clearsCookie },
  );
}

// A deployment's mistake (another issuer, another environment's keys) must not sign everybody out: the cookie is kept.
function refuseMisconfigured(instance: Instance, reason: string): RefusedCredential {
  reportMisconfigured(instance.events, { reason: `sealed_token_${reason}` });
  return refuseSession(instance, reason, false);
}

function unavailable(retryAfter: number, cause?: unknown): RefusedCredential {
  const state: UnavailableState = { status: "unavailable", code: "store_unavailable", retryAfter };
  return { status: "refused", state, clearsCookie: false, cause };
}

/** The session that a credential belongs to, expired or ended though it may be; `undefined` if it cannot be verified locally. */
export async function sessionOfCredential(
  instance: Instance,
  credential: Credential,
): Promise<VerifiedSession | undefined> {
  const verification = await verifyCredential(instance, credential);
  return verification.status === "verified" ? verification.session : undefined;
}

/** Makes the form of a credential that a store is asked about. */
export function toStaleCredential(
  { accessToken, claims, sealed, opaqueToken }: Omit<VerifiedCredential, "status" | "kind" | "via">,
  reason: StaleCredential["reason"] = "asked",
): StaleCredential {
  return {
    reason,
    ...(accessToken !== undefined && { accessToken }),
    ...(claims !== undefined && { claims }),
    ...(sealed !== undefined && { sealed }),
    ...(opaqueToken !== undefined && { opaqueToken }),
  };
}

/** Why the store must be asked about a verified session; `undefined` where the session is fresh enough as it is. */
export function needsStore(
  instance: Instance,
  session: VerifiedSession,
  { maxAge }: Pick<FreshnessRequirement, "maxAge">,
): StaleCredential["reason"] | "not_yet_valid" | undefined {
  const { clock, clockTolerance, maxTokenLifetime: maxLifetime } = instance.options;
  const freshness = decideFreshness(session, { now: clock(), clockTolerance, maxAge, maxLifetime });
  if (freshness !== "fresh") return freshness;
  return instance.invalidations.mustAsk(session) ? "asked" : undefined;
}

/** Refuses a session that ended in this process, or in another that told; `undefined` where it did not. */
export function resolveEnded(
  { events, invalidations }: Instance,
  { via, memberSession }: VerifiedSession,
): Resolution | undefined {
  const ending = invalidations.endingOf(memberSession.id);
  if (ending === undefined) return undefined;
  const state = { status: "rejected", code: "session_revoked", via } as const;
  return refuse(events, state, { reason: "ended_here", clearsCookie: ending === "refuse" });
}

/** Refuses a token from the future for now: the clocks differ, and nobody is signed out over that. */
export function resolveClockSkew({ events }: Instance): Resolution {
  const retryAfter = DEFAULT_RETRY_AFTER;
  reportUnavailable(events, { reason: "not_yet_valid", retryAfter, code: "clock_skew" });
  reportMisconfigured(events, { reason: "clock_skew" });
  const state = { status: "unavailable", code: "clock_skew", retryAfter } as const;
  return { status: "refused", state, clearsCookie: false };
}

/** Verified claims, and what came with them. */
export interface ClaimsReading {
  readonly via: "bearer" | "cookie";
  readonly claims: VerifiedClaims;
  readonly sealed?: SealedSession | undefined;
  /** When the store answered for them, in seconds since the epoch. */
  readonly verifiedAt?: number | undefined;
}

/** What claims mean to the store. `foreign`: no session of its own. `unreadable`: it failed, or named nobody. */
export type ClaimsMeaning =
  | { readonly status: "session"; readonly session: VerifiedSession }
  | { readonly status: "foreign" }
  | { readonly status: "unreadable"; readonly cause: unknown };

/** Lets the store interpret verified claims. A store that fails to read them has not said that they are no session. */
export function readClaims(instance: Instance, reading: ClaimsReading): ClaimsMeaning {
  try {
    const session = readSession(instance, reading);
    return session === undefined ? { status: "foreign" } : { status: "session", session };
  } catch (cause) {
    reportMisconfigured(instance.events, { reason: "interpret_failed", cause });
    return { status: "unreadable", cause };
  }
}

function readSession(
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
    isUnseen: false,
    roles: memberSession.roles,
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
 * Completes a store's interpretation, so that guards and handlers can rely on it: frozen, with every list present, and with the
 * organization in both places or in neither. A store that sets `isFrozen` promises the rest of that itself.
 *
 * @throws TypeError if it names nobody, or contradicts itself: then nobody can know who is asking.
 */
export function readInterpretation(given: Interpretation): Interpretation {
  const { memberSession, member, sessionExpiresAt } = given;
  if (!isText(memberSession.id) || !isText(member.id)) throw malformed("names no session or no member");
  if (sessionExpiresAt !== undefined && !Number.isFinite(sessionExpiresAt)) {
    throw malformed("ends at a value that is not a time");
  }
  return given.isFrozen === true ? given : complete(given);
}

function complete(given: Interpretation): Interpretation {
  const { memberSession, member, permissions } = given;
  const { organization: _given, ...rest } = given;
  const organization = organizationOf(given);
  const roles = namesIn(memberSession.roles);
  return {
    ...rest,
    memberSession: frozenCopy(amend(memberSession, missingFields(given, roles, organization?.id))),
    member: frozenCopy(amend(member, Array.isArray(member.roles) ? {} : { roles })),
    ...(organization !== undefined && { organization: frozenCopy(organization) }),
    ...(permissions !== undefined && { permissions: frozenCopy(permissions) }),
  };
}

/** The roles that a store lists; an own store may list none, or what is no name. */
function namesIn(roles: unknown): readonly string[] {
  return Object.freeze(Array.isArray(roles) ? roles.filter(isString) : []);
}

/** The fields that a session must have and this one does not. */
function missingFields(
  { memberSession, member }: Interpretation,
  roles: readonly string[],
  organizationId: string | undefined,
): Partial<Record<keyof MemberSession, unknown>> {
  const { authenticationFactors, customClaims } = memberSession;
  return {
    ...(!isText(memberSession.memberId) && { memberId: member.id }),
    ...(memberSession.organizationId !== organizationId && { organizationId }),
    ...(!isSameLength(memberSession.roles, roles) && { roles }),
    ...(!Array.isArray(authenticationFactors) && { authenticationFactors: [] }),
    ...(customClaims === undefined && { customClaims: null }),
  };
}

/** Adds missing fields. A complete value stays as it is, because a copy would lose its getters and methods. */
function amend<Value extends object>(value: Value, missing: Partial<Record<keyof Value, unknown>>): Value {
  return Object.keys(missing).length === 0 ? value : { ...value, ...missing };
}

function isSameLength(given: unknown, names: readonly string[]): boolean {
  return Array.isArray(given) && given.length === names.length;
}

/** The session's organization, from either place. Two that differ would let one tenant into another's data. */
function organizationOf({ memberSession, organization }: Interpretation): Organization | undefined {
  const [id, other] = [memberSession.organizationId, organization?.id].map(nameOf);
  if (id !== undefined && other !== undefined && id !== other) throw malformed("names two organizations");
  const known = id ?? other;
  if (known === undefined) return undefined;
  return organization !== undefined && other !== undefined ? organization : { ...organization, id: known };
}

/** An organization's name; `null` and `""` count as absent, because databases and claims use them so. */
function nameOf(value: unknown): string | undefined {
  if (value === undefined || value === null || value === "") return undefined;
  if (typeof value !== "string") throw malformed("names an organization by a value that is not a string");
  return value;
}

function malformed(what: string): TypeError {
  return new TypeError(`the store's interpretation ${what}`);
}
