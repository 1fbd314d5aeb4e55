import { createBoundedMap } from "../../lib/bounded-map.ts";
import type { Clock } from "../../lib/clock.ts";
import { type Settled, TIMED_OUT, createSingleFlight, limitTime, sleep } from "../../lib/concurrency.ts";
import { sha256 } from "../../lib/crypto.ts";
import { isString, isText } from "../../lib/values.ts";
import type { RenewContext, Renewal, StaleCredential } from "../../store.ts";
import { readUnverifiedClaims } from "../hosted-store.ts";
import type { WorkosAuthentication } from "./authentication.ts";
import {
  type GrantReply,
  type Origin,
  WORKOS_CODES,
  type WorkosClient,
  contended,
  rejected,
  workosUnavailable,
} from "./client.ts";
import { readRedirect } from "./outcome.ts";

/**
 * Renews by `grant_type=refresh_token`, in the organization of the token that was presented.
 *
 * @throws StoreUnavailableError for an answer that says nothing about the session.
 */
export async function renewWorkosCredential(
  exchange: RefreshExchange,
  stale: StaleCredential,
  origin: RenewContext,
): Promise<Renewal> {
  const session = readRefreshableSession(stale);
  if (session === undefined) return { status: "unrenewable" };
  const { result, startedAt } = await exchange({ ...session, mayShare: stale.reason === "expired", origin });
  if (result.status === "authenticated") {
    return { status: "active", credential: result.authentication, verifiedAt: startedAt };
  }
  const { httpStatus: status, code: reason, body } = result;
  if (WORKOS_CODES.ended.has(reason)) return { status: "ended", reason };
  if (!WORKOS_CODES.stepUp.has(reason)) throw rejected({ status, code: reason });
  const { organizationId } = session;
  return {
    status: "reauthenticate",
    reason,
    ...readRedirect(body),
    ...(organizationId !== undefined && { organizationId }),
  };
}

/** Whose session is refreshed. */
export interface RefreshableSession {
  readonly refreshToken: string;
  /** An answer about another user is refused. */
  readonly userId?: string | undefined;
  /** Absent: the organization that the session is in. */
  readonly organizationId?: string | undefined;
}

/** Reads what a stale credential can be refreshed by; `undefined` where no refresh token was sealed. */
export function readRefreshableSession({
  sealed,
  claims,
  accessToken,
}: StaleCredential): RefreshableSession | undefined {
  const refreshToken = sealed?.refreshToken;
  if (!isText(refreshToken)) return undefined;
  // Where the token's key is no longer known, the token comes from an authentic seal.
  const { sub, org_id: organizationId } = claims ?? readUnverifiedClaims(accessToken);
  return {
    refreshToken,
    userId: isText(sub) ? sub : sealed?.user?.id,
    organizationId: isText(organizationId) ? organizationId : undefined,
  };
}

/** A refresh token to be exchanged. */
export interface RefreshRequest extends RefreshableSession {
  /** Whether the result of an exchange that is under way will do; else WorkOS is asked for this request. */
  readonly mayShare: boolean;
  readonly origin: Origin;
}

/** The answer to an exchange, and the organization that was asked for. */
type Exchanged = Exclude<GrantReply, { status: "contended" }> & {
  readonly organizationId: string | undefined;
};

/**
 * Exchanges refresh tokens, each of which WorkOS accepts once.
 *
 * @throws StoreUnavailableError where there is no answer, and once the caller's time is over.
 */
export type RefreshExchange = (request: RefreshRequest) => Promise<Settled<Exchanged>>;

/** Seconds for which a spent token leads to the token that replaced it. */
const SUCCESSOR_GRACE = 30;
/** Seconds that an exchange goes on when nobody waits for it: its late reply holds the session's only refresh token. */
const ABORT_GRACE = 20;
const MAX_REFRESH_ATTEMPTS = 4;
/** Each turn follows one successor or waits for one exchange. */
const MAX_REFRESH_TURNS = 64;
/** Seconds for which another process may still be sending its client the result of an exchange. */
const SIBLING_GRACE = 10;
const MAX_SPENT_TOKENS = 10_000;
/** What WorkOS says of a token that was exchanged before, and not of a session that has ended. */
const ALREADY_EXCHANGED = /already (?:been )?(?:exchanged|used)/i;

/**
 * Tells the loser of a race from a session that is over: WorkOS answers both with `invalid_grant`.
 *
 * A token that another process has exchanged is not final for some seconds: that process is sending its client the successor, and
 * the loser must not clear it. After that, and for a token that was exchanged here, the answer is final.
 */
interface SpentTokens {
  exchangedHere(key: string): void;
  /** Notes that WorkOS said so. Returns whether another process may have exchanged the token a moment ago. */
  refused(key: string): boolean;
  /** Whether WorkOS said so a moment ago, so that asking again is of no use. */
  isContended(key: string): boolean;
}

function createSpentTokens(clock: Clock): SpentTokens {
  /** When a token was first refused; `-Infinity` for one that was exchanged here. */
  const refusedAt = createBoundedMap<string, number>(MAX_SPENT_TOKENS);
  const isRecent = (at: number): boolean => Math.abs(clock() - at) < SIBLING_GRACE;
  return {
    exchangedHere: (key) => refusedAt.set(key, -Infinity),
    refused(key) {
      const at = refusedAt.get(key) ?? clock();
      refusedAt.set(key, at);
      return isRecent(at);
    },
    isContended(key) {
      const at = refusedAt.get(key);
      return at !== undefined && isRecent(at);
    },
  };
}

/**
 * Makes the exchange. One call at a time presents a refresh token, and for the grace a spent token leads to its successor:
 * a late or repeated request, and one whose reply was lost, signs nobody out.
 */
export function createRefreshExchange(client: WorkosClient): RefreshExchange {
  const { clock, timeout } = client.settings;
  const spent = createSpentTokens(clock);
  const flights = createSingleFlight<Exchanged>({
    clock,
    budget: timeout,
    grace: SUCCESSOR_GRACE,
    // Every attempt ends by itself; a second exchange meanwhile would find the token spent.
    abandonAfter: MAX_REFRESH_ATTEMPTS * (timeout + ABORT_GRACE),
    keeps: ({ status }) => status === "authenticated",
  });

  async function exchangeNewest(
    request: RefreshRequest,
    turnsLeft = MAX_REFRESH_TURNS,
  ): Promise<Settled<Exchanged>> {
    if (turnsLeft === 0) throw workosUnavailable("contended");
    const key = sha256(request.refreshToken);
    const refreshToken = findSuccessor(flights.settledFor(key), request);
    if (refreshToken !== undefined) return exchangeNewest({ ...request, refreshToken }, turnsLeft - 1);
    if (spent.isContended(key)) throw contended();
    const flight = await flights.run({
      key,
      start: async () => {
        const exchanged = await exchangeOnce(client, request);
        if (exchanged.status === "authenticated") spent.exchangedHere(key);
        else if (isAlreadyExchanged(exchanged) && spent.refused(key)) throw contended();
        return exchanged;
      },
      accepts: ({ result }) => isAnswerFor(result, request),
    });
    if (flight.status === "timed_out") throw workosUnavailable("timeout");
    // Another request's exchange has spent the token: go on from what it left.
    if (flight.status === "not_accepted") return exchangeNewest(request, turnsLeft - 1);
    return flight.settled;
  }

  return async (request) => {
    const { signal } = request.origin;
    const settled = await limitTime(timeout, () => exchangeNewest(request), { signal });
    if (settled === TIMED_OUT) throw workosUnavailable("timeout");
    return settled;
  };
}

function isAlreadyExchanged({ code, body }: Extract<Exchanged, { status: "refused" }>): boolean {
  const { error_description: description } = body;
  return code === "invalid_grant" && isString(description) && ALREADY_EXCHANGED.test(description);
}

/** Finds the token that replaced the request's own, for the same user. */
function findSuccessor(
  settled: Settled<Exchanged> | undefined,
  { userId }: RefreshRequest,
): string | undefined {
  if (settled?.result.status !== "authenticated") return undefined;
  const { authentication } = settled.result;
  return mayBeOf(userId, authentication) ? authentication.refreshToken : undefined;
}

/** Whether the result of another request's exchange of the same token will do for this request. */
function isAnswerFor(result: Exchanged, { organizationId, userId, mayShare }: RefreshRequest): boolean {
  if (organizationId !== result.organizationId) return false;
  if (result.status === "refused") return true;
  return mayShare && mayBeOf(userId, result.authentication);
}

/** Presents a token. While another process is presenting it, waits as long as WorkOS says, and tries again. */
async function exchangeOnce(client: WorkosClient, request: RefreshRequest): Promise<Exchanged> {
  const { refreshToken, organizationId } = request;
  // The exchange serves every caller: no single caller's signal ends it.
  const { signal: _signal, ...origin } = request.origin;
  const fields = { refresh_token: refreshToken, organization_id: organizationId };
  const grant = { grant_type: "refresh_token", ...fields };
  let secondsLeft = client.settings.timeout;
  for (let attempt = 1; ; attempt++) {
    // oxlint-disable-next-line no-await-in-loop -- one attempt after the other
    const reply = await client.authenticate(grant, origin, ABORT_GRACE);
    if (reply.status !== "contended") {
      // The other process has the successor and returns it: ending the session here would undo that.
      const isSpent = reply.status === "refused" && reply.code === "invalid_grant";
      if (attempt > 1 && isSpent) throw contended();
      if (reply.status === "authenticated") assertIdentity(request, reply.authentication);
      return { ...reply, organizationId };
    }
    const { retryAfter } = reply;
    if (retryAfter >= secondsLeft || attempt === MAX_REFRESH_ATTEMPTS) throw contended(retryAfter);
    secondsLeft -= retryAfter;
    // oxlint-disable-next-line no-await-in-loop -- one attempt after the other
    await sleep(retryAfter);
  }
}

/** Whether an answer is about a user, as far as both are known. */
function mayBeOf(userId: string | undefined, { user }: WorkosAuthentication): boolean {
  return userId === undefined || user === undefined || userId === user.id;
}

/** Refuses an answer about another user or organization; its refresh token is not kept, and so never presented. */
function assertIdentity(request: RefreshRequest, authentication: WorkosAuthentication): void {
  const { organizationId } = authentication;
  const isSameOrganization =
    request.organizationId === undefined ||
    organizationId === undefined ||
    request.organizationId === organizationId;
  if (!mayBeOf(request.userId, authentication) || !isSameOrganization) {
    throw workosUnavailable("foreign_renewal");
  }
}
