import { type Sealer, createSealer, sha256 } from "../lib/crypto.ts";
import { isFiniteNumber, isString } from "../lib/values.ts";
import type { Renewal, SealedSession, StaleCredential } from "../store.ts";
import { acceptRecalled } from "./accept-credential.ts";
import { isContention } from "./call-store.ts";
import { GRACE, type Instance } from "./instance.ts";
import { MAX_LOST_REPLY_AGE, keepUntilPresented } from "./lost-replies.ts";
import { renewOnce } from "./renew-once.ts";
import type { RenewalResult, SharedRenewal } from "./request-auth.ts";
import type { VerifiedCredential } from "./verify-credential.ts";

/*
 * Shares renewals with the other processes.
 *
 * What a renewal brings is sealed with a key that is derived from the credential it replaces: only a process to which a client
 * presents that credential can open it, and the coordinator's engine never can. What is recalled is verified like any new token.
 */

/** A credential that is to be renewed. */
export interface RenewalSubject {
  /** The cache key of the credential that the client sent. */
  readonly key: string;
  readonly credential: VerifiedCredential;
  readonly reason: StaleCredential["reason"];
  /** `false`: the refresh token must not be spent, so that a lease is of no use. */
  readonly spendsRefreshToken: boolean;
  /** `false`: the renewal is put off where the coordinator fails. */
  readonly mayGoAlone: boolean;
  readonly signal: AbortSignal;
}

/** Keeps the store's answer for the other processes. */
export type KeepRenewal = (renewal: Renewal, calledAt: number) => Promise<void>;

/** Begins a kept result whose successor a client has presented: it is for late requests in the grace window alone. */
const PRESENTED = "presented ";
/** The field of a sealed result that says when the store was asked. */
const RENEWED_AT = "orgate:renewed_at";

/** Renews a credential by `call`, once for all processes. */
export async function renewInFleet(
  instance: Instance,
  subject: RenewalSubject,
  call: (keep: KeepRenewal) => Promise<SharedRenewal>,
): Promise<SharedRenewal> {
  const { coordination } = instance;
  const { credential, signal, spendsRefreshToken, mayGoAlone } = subject;
  if (!isShared(instance, credential) || !isWorthLease(instance, subject.reason)) {
    return call(() => Promise.resolve());
  }
  const name = nameOf(instance, credential);
  const open = (sealed: string): Promise<SharedRenewal | undefined> =>
    openRecalled(instance, subject, name, sealed);
  if (!spendsRefreshToken) {
    const sealed = await coordination.recall(name.id);
    const recalled = sealed === undefined ? undefined : await open(sealed);
    return recalled ?? call(() => Promise.resolve());
  }
  const keptFor = mustOutliveGrace(instance, credential) ? MAX_LOST_REPLY_AGE : GRACE;
  const kept = { sealed: "", at: 0 };
  const renewed = await renewOnce<SharedRenewal>({
    coordination,
    key: name.id,
    signal,
    open,
    call: (keep) =>
      call(async (renewal, calledAt) => {
        const sealed = await sealRenewal(name, credential, renewal, calledAt);
        if (sealed === undefined) return;
        Object.assign(kept, { sealed, at: calledAt });
        await keep(sealed);
      }),
    mayGoAlone,
    keptFor,
    isContended,
    isRevoked: (value) => value.status === "unavailable" && value.reason === "foreign_renewal",
  });
  if (renewed.status === "given_up" || renewed.status === "put_off") {
    const isPutOff = renewed.status === "put_off" || !mayGoAlone;
    const contended = { status: "unavailable", reason: "renewal_contended", retryAfter: 1 } as const;
    return { ...contended, calledAt: 0, ...(isPutOff && { manner: "put_off" as const }) };
  }
  if (renewed.status === "recalled") instance.events.emit({ type: "coalesced", with: "other_process" });
  if (renewed.status === "called" && kept.sealed !== "" && keptFor > GRACE) {
    const onPresented = (): void => markPresented(instance, name.id, kept.sealed, kept.at);
    keepUntilPresented(instance.lostReplies, subject.key, renewed.value, kept.at, onPresented);
  }
  return renewed.value;
}

/** The successor that another process kept for a credential, if there is one and it is of use. */
export async function recallRenewal(
  instance: Instance,
  key: string,
  credential: VerifiedCredential,
): Promise<SharedRenewal | undefined> {
  if (!isShared(instance, credential)) return undefined;
  const name = nameOf(instance, credential);
  const sealed = await instance.coordination.recall(name.id);
  if (sealed === undefined) return undefined;
  return openRecalled(instance, { key, credential }, name, sealed);
}

/** Whether other processes may renew a credential. Anybody can make up one that cannot be verified here: it costs no call. */
function isShared({ coordination }: Instance, { session, sealed }: VerifiedCredential): boolean {
  return coordination.isShared && (session !== undefined || sealed !== undefined);
}

/** Whether a call is worth the coordinator's round trips: it spends the credential, or its answer will do for others. */
function isWorthLease({ options: { store } }: Instance, reason: RenewalSubject["reason"]): boolean {
  const { renewalSpends = true } = store.capabilities;
  if (renewalSpends === "expired") return reason === "expired";
  return renewalSpends || reason !== "asked";
}

/** The tokens that name a renewal. */
type RenewedTokens = Pick<VerifiedCredential, "accessToken" | "sealed" | "withheldRefreshToken">;

/** What names the renewal of a credential in every process, and what seals its result. */
interface RenewalName {
  readonly id: string;
  readonly sealer: Sealer;
}

/**
 * Names a renewal by the tokens that it replaces: two processes seal the same tokens into cookies that differ. Applications whose
 * stores differ share nothing.
 */
function nameOf(
  { options: { store } }: Instance,
  { accessToken, sealed, withheldRefreshToken }: RenewedTokens,
): RenewalName {
  const { issuers, audience, sessionClaim } = store.tokens;
  const tokens = [accessToken, sealed?.refreshToken ?? withheldRefreshToken];
  return {
    id: sha256(JSON.stringify(["renewal", issuers, audience, sessionClaim, ...tokens])),
    sealer: createSealer({ 1: sha256(JSON.stringify(["sealed result", ...tokens])) }),
  };
}

/**
 * Whether a successor is kept for longer than the grace window: where the store never accepts a credential again once it is
 * renewed. A store that says when it spends (`"expired"`) knows itself which successors were presented, in whatever process.
 */
function mustOutliveGrace({ options: { store } }: Instance, { kind }: VerifiedCredential): boolean {
  const { renewalSpends = true } = store.capabilities;
  return kind === "sealed" && renewalSpends === true;
}

/**
 * Whether a credential that was replaced longer ago than the grace window leads nowhere any more: its client has presented the
 * successor. Another process may have seen that; then the successor has been renewed in turn, or will be within its lifetime.
 */
export async function isRetired(
  instance: Instance,
  { renewedAt, successor }: { readonly renewedAt: number; readonly successor: RenewedTokens },
): Promise<boolean> {
  const { coordination, options } = instance;
  const age = options.clock() - renewedAt;
  if (!coordination.isShared || age <= GRACE + options.renewAhead) return false;
  if (options.store.capabilities.renewalSpends === "expired" || age > MAX_LOST_REPLY_AGE) return true;
  return (await coordination.recall(nameOf(instance, successor).id)) !== undefined;
}

/** Seals what a renewal brought; `undefined` where it brought nothing new. */
async function sealRenewal(
  { sealer }: RenewalName,
  presented: VerifiedCredential,
  renewal: Renewal,
  calledAt: number,
): Promise<string | undefined> {
  const given = renewal.status === "active" ? renewal.credential : undefined;
  if (given === undefined || !isString(given.accessToken) || !isAnother(presented, given)) return undefined;
  return sealer.seal({ ...given, [RENEWED_AT]: calledAt });
}

function isAnother({ accessToken, sealed }: VerifiedCredential, given: SealedSession): boolean {
  return given.accessToken !== accessToken || given.refreshToken !== sealed?.refreshToken;
}

/** Opens what another process renewed, and keeps it here for a client whose reply was lost there. */
async function openRecalled(
  instance: Instance,
  { key, credential }: Pick<RenewalSubject, "key" | "credential">,
  { id, sealer }: RenewalName,
  sealed: string,
): Promise<SharedRenewal | undefined> {
  const isPresented = sealed.startsWith(PRESENTED);
  const opened = sealer.unseal(isPresented ? sealed.slice(PRESENTED.length) : sealed);
  if (opened === undefined) return undefined;
  const { [RENEWED_AT]: renewedAt, ...given } = opened;
  if (!isFiniteNumber(renewedAt) || !isAnother(credential, given)) return undefined;
  const { events, options } = instance;
  const at = Math.min(renewedAt, options.clock());
  const successor = { accessToken: given.accessToken, sealed: given };
  const isOver = isPresented && options.clock() - at > GRACE + options.renewAhead;
  if (isOver || (await isRetired(instance, { renewedAt: at, successor }))) return undefined;
  const result = await acceptRecalled(instance, credential, given, at);
  if (result === undefined) return undefined;
  const shared: SharedRenewal = { ...result, calledAt: 0, manner: "recalled" };
  if (options.clock() - at > GRACE) events.emit({ type: "late_replay" });
  const onPresented = (): void => markPresented(instance, id, sealed, at);
  if (!isPresented && mustOutliveGrace(instance, credential)) {
    keepUntilPresented(instance.lostReplies, key, result, at, onPresented);
  }
  return shared;
}

/**
 * Notes that a client has the successor: late requests need the result for the rest of the grace window alone, which begins when
 * the token has expired. The note stays for as long as an earlier credential of the same client could lead here.
 */
function markPresented(
  { coordination, options }: Instance,
  id: string,
  sealed: string,
  renewedAt: number,
): void {
  const age = options.clock() - renewedAt;
  const left = Math.ceil(MAX_LOST_REPLY_AGE - age);
  const isNeeded = age < GRACE + options.renewAhead;
  if (left > 0) void coordination.remember(id, isNeeded ? PRESENTED + sealed : PRESENTED, left);
}

/** Whether the store refused a credential because another process spends it, or has spent it. */
function isContended(result: RenewalResult): boolean {
  return result.status === "unavailable" && isContention(result.cause);
}
