import { createHash } from "node:crypto";
import { type StoreUnavailableError, isOrgateError } from "../../errors.ts";
import { type BoundedMap, createBoundedMap } from "../../lib/bounded-map.ts";
import { isText } from "../../lib/predicates.ts";
import type { RenewContext, Renewal, StaleCredential } from "../../store.ts";
import { peekClaims } from "./claims.ts";
import {
  ENDED,
  type GrantReply,
  STEP_UP,
  type WorkosClient,
  contended,
  rejected,
  sleep,
  trouble,
  within,
} from "./client.ts";
import { type Origin, clientFields } from "./grants.ts";
import { type Authentication, readRedirectUrl } from "./outcome.ts";

/**
 * Renews by `grant_type=refresh_token`, in the organization of the token presented.
 *
 * @throws StoreUnavailableError for every answer that does not say what became of the session.
 */
export async function renewCredential(
  desk: RefreshDesk,
  stale: StaleCredential,
  context: RenewContext,
): Promise<Renewal> {
  const named = nameStale(stale);
  if (named === undefined) return { status: "unrenewable" };
  const reply = await desk.refresh({ ...named, mayShare: stale.reason === "expired", origin: context });
  if (reply.status === "authenticated") {
    return { status: "active", credential: reply.authentication, verifiedAt: reply.settledAt };
  }
  const { code: reason, body } = reply;
  if (ENDED.has(reason)) return { status: "ended", reason };
  if (!STEP_UP.has(reason)) throw rejected(reason);
  const { organizationId } = named;
  const url = readRedirectUrl(body["authkit_redirect_url"]);
  return {
    status: "reauthenticate",
    reason,
    ...(url !== undefined && { url }),
    ...(organizationId !== undefined && { organizationId }),
  };
}

/** What a stale credential can be refreshed by; `undefined` where nothing was sealed that can be. */
export function nameStale({
  sealed,
  claims,
  accessToken,
}: StaleCredential):
  | { readonly refreshToken: string; readonly userId?: string; readonly organizationId?: string }
  | undefined {
  const refreshToken = sealed?.refreshToken;
  if (!isText(refreshToken)) return undefined;
  // Where the key is no longer known, the seal vouches for the token in it.
  const { sub, org_id: organizationId } = claims ?? peekClaims(accessToken);
  const userId = sub ?? sealed?.user?.id;
  return {
    refreshToken,
    ...(userId !== undefined && { userId }),
    ...(isText(organizationId) && { organizationId }),
  };
}

/** A refresh token to be exchanged. */
export interface RefreshRequest {
  readonly refreshToken: string;
  /** Absent: the organization the session is in. */
  readonly organizationId?: string | undefined;
  /** Whose session it is: an answer about anybody else is not taken. */
  readonly userId?: string | undefined;
  /** Whether what an exchange under way brings will do, or WorkOS must be asked for this one. */
  readonly mayShare: boolean;
  readonly origin: Origin;
}

/** What an exchange came to, and when, in seconds since the epoch. */
export type RefreshReply = GrantReply & { readonly settledAt: number };

/** Exchanges refresh tokens, each of which WorkOS takes but once. */
export interface RefreshDesk {
  /** @throws StoreUnavailableError for trouble, and once the caller's time is over. */
  refresh(request: RefreshRequest): Promise<RefreshReply>;
}

interface Exchange {
  readonly organizationId: string | undefined;
  readonly reply: Promise<RefreshReply>;
}

interface Successor {
  readonly refreshToken: string;
  readonly userId: string;
  readonly settledAt: number;
}

/** Seconds for which a spent token still leads to its successor. */
const GRACE = 30;
/** Seconds for which an exchange goes on when nobody waits for it: its late reply is the session's only credential. */
const LINGER = 20;
const MAX_SUCCESSORS = 10_000;
/** Each follows a successor or waits for a sibling; more within one grace window is a fault. */
const MAX_TURNS = 64;
const MAX_ATTEMPTS = 4;

/**
 * Opens a desk at which a token is presented once at a time, and a spent one is followed to its successor for the grace
 * window: whoever comes late, or never got the reply, is not signed out.
 */
export function openRefreshDesk(client: WorkosClient): RefreshDesk {
  return new Desk(client);
}

class Desk implements RefreshDesk {
  readonly #client: WorkosClient;
  readonly #exchanges = new Map<string, Exchange>();
  readonly #successors: BoundedMap<string, Successor> = createBoundedMap(MAX_SUCCESSORS);

  constructor(client: WorkosClient) {
    this.#client = client;
  }

  refresh(request: RefreshRequest): Promise<RefreshReply> {
    const { signal } = request.origin;
    if (signal?.aborted === true) return Promise.reject(trouble("timeout"));
    return within(this.#client.settings.timeout, signal, () => this.#follow(request));
  }

  async #follow(first: RefreshRequest): Promise<RefreshReply> {
    let request = first;
    for (let turn = 0; turn < MAX_TURNS; turn++) {
      const key = hash(request.refreshToken);
      const running = this.#exchanges.get(key);
      if (running !== undefined) {
        // oxlint-disable-next-line no-await-in-loop -- a token is presented once at a time
        const reply = await running.reply;
        if (answers(running, reply, request)) return reply;
        continue;
      }
      const successor = this.#successorOf(key, request);
      if (successor === undefined) return this.#exchange(key, request);
      request = { ...request, refreshToken: successor.refreshToken };
    }
    throw trouble("contended");
  }

  #exchange(key: string, request: RefreshRequest): Promise<RefreshReply> {
    const { organizationId } = request;
    const reply = this.#present(request).then((answer) => {
      const settledAt = this.#client.settings.clock();
      if (answer.status === "authenticated") {
        const { refreshToken, user } = answer.authentication;
        this.#successors.set(key, { refreshToken, userId: user.id, settledAt });
      }
      return { ...answer, settledAt };
    });
    this.#exchanges.set(key, { organizationId, reply });
    const forget = (): void => void this.#exchanges.delete(key);
    reply.then(forget, forget);
    return reply;
  }

  /** Presents a token. Told that another is presenting it, waits as long as it is told to, and tries again. */
  async #present(request: RefreshRequest): Promise<GrantReply> {
    const { refreshToken, organizationId, origin } = request;
    const fields = { refresh_token: refreshToken, organization_id: organizationId, ...clientFields(origin) };
    const grant = { grant_type: "refresh_token", ...fields };
    let left = this.#client.settings.timeout;
    let hasWaited = false;
    for (let attempt = 1; ; attempt++) {
      let reply: GrantReply;
      try {
        // oxlint-disable-next-line no-await-in-loop -- one attempt after the other
        reply = await this.#client.authenticate(grant, { linger: LINGER });
      } catch (error) {
        const pause = pauseAfter(error);
        if (pause === undefined || pause >= left || attempt === MAX_ATTEMPTS) throw error;
        left -= pause;
        // oxlint-disable-next-line no-await-in-loop -- one attempt after the other
        await sleep(pause);
        hasWaited = true;
        continue;
      }
      if (reply.status === "authenticated") assertIdentity(request, reply.authentication);
      // Whoever was waited for has the successor, and hands it out: signing out would undo that.
      if (hasWaited && isSpent(reply)) throw contended();
      return reply;
    }
  }

  #successorOf(key: string, { userId }: RefreshRequest): Successor | undefined {
    const successor = this.#successors.get(key);
    if (successor === undefined || (userId !== undefined && userId !== successor.userId)) return undefined;
    const age = this.#client.settings.clock() - successor.settledAt;
    if (age >= 0 && age < GRACE) return successor;
    this.#successors.delete(key);
    return undefined;
  }
}

/** Whether what somebody else's exchange of the same token came to will do for a request, too. */
function answers({ organizationId }: Exchange, reply: RefreshReply, request: RefreshRequest): boolean {
  if (organizationId !== request.organizationId) return false;
  if (reply.status === "refused") return true;
  return (
    request.mayShare && (request.userId ?? reply.authentication.user.id) === reply.authentication.user.id
  );
}

/** Whether WorkOS says that a token has been exchanged before, or that the session is over: it says the same of both. */
function isSpent(reply: GrantReply): boolean {
  return reply.status === "refused" && reply.code === "invalid_grant";
}

/** Seconds to wait after being told that another is presenting the same token; `undefined` for any other trouble. */
function pauseAfter(error: unknown): number | undefined {
  if (!isOrgateError(error)) return undefined;
  const { contended: isContended, retryAfter }: Partial<StoreUnavailableError> = error;
  return isContended === true ? retryAfter : undefined;
}

/** A server that errs, or lies, gives nobody another's session; nor is the token it gave ever presented. */
function assertIdentity(
  { userId, organizationId }: RefreshRequest,
  { user, ...answer }: Authentication,
): void {
  const isOther = userId !== undefined && user.id !== userId;
  const isElsewhere =
    organizationId !== undefined &&
    answer.organizationId !== undefined &&
    answer.organizationId !== organizationId;
  if (isOther || isElsewhere) throw trouble("identity");
}

function hash(refreshToken: string): string {
  return createHash("sha256").update(refreshToken).digest("base64url");
}
