import { pairOpaqueToken } from "../engine/adopt-successor.ts";
import type { Delivery } from "../engine/deliver.ts";
import { sendCredential } from "../engine/deliver.ts";
import type { Engine } from "../engine/engine.ts";
import { keyOfSuccessor, type Successor } from "../engine/store-answer.ts";
import { ConfigurationError, OrgateError } from "../errors.ts";
import type { VerifiedSession } from "../pipeline/verified-cache.ts";
import type { SealedSession } from "../stores/session-store.ts";
import { supersedePresented } from "./end-session.ts";
import type { Visit } from "./visit.ts";
import { verifyIssued, type Expectations } from "./verify-issued.ts";

/** A session that the store has just made, and what it must be. */
export interface Issuance extends Expectations {
  readonly credential: SealedSession;
  /** A switch ends the session before it at the store, and answers the way the credential came. */
  readonly by: "sign_in" | "switch";
}

/** How issuing a session ended. */
export type Issued =
  | { readonly status: "issued"; readonly session: VerifiedSession }
  /** Signed out of, or switched away from, before this answer could be given. */
  | { readonly status: "ended" }
  | {
      readonly status: "unavailable";
      readonly code: "store_unavailable" | "clock_skew";
      readonly retryAfter: number;
    };

type Target = NonNullable<Delivery["target"]>;

/**
 * Hands a new session to the client, once it has been verified, in place of the one presented. A pair that cannot be
 * verified right now is handed out all the same: the store has made it, and it must not be lost.
 *
 * @throws OrgateError `session_too_large` before anything was sent.
 */
export async function issueSession(engine: Engine, visit: Visit, issuance: Issuance): Promise<Issued> {
  const { record, request } = visit;
  const target = targetOf(engine, visit, issuance);
  const via = target.kind === "bearer" ? "bearer" : "cookie";
  const pair = await sealPair(engine, issuance.credential, target);
  const verified = await verifyIssued(engine, { ...issuance, via });
  if (verified.status === "failed") {
    if (verified.keepsPair) send(engine, { record, request, session: undefined, target }, pair);
    return { status: "unavailable", code: verified.code, retryAfter: verified.retryAfter };
  }
  const { session, claims } = verified;
  if (engine.invalidations.endingOf(session.memberSession.id) !== undefined) return { status: "ended" };
  send(engine, { record, request, session, target }, { ...pair, claims });
  await supersedePresented(engine, visit, { session, by: issuance.by, via });
  adopt(engine, visit, session, keyOfSuccessor(target.kind, pair));
  return { status: "issued", session };
}

/** From here on the new session is who is asking; nothing of the old one's may follow. */
function adopt(engine: Engine, { record }: Visit, session: VerifiedSession, key: string): void {
  record.session = session;
  record.state = undefined;
  record.source = "store";
  record.confirmed = true;
  record.closed = true;
  engine.cache.set(key, session);
  engine.events.emit({ type: "authenticated", via: session.via, source: "store" });
}

/** The way a new session is presented from now on: as the one before it where it is switched, else by the first cookie that is read. */
function targetOf({ options }: Engine, { record }: Visit, { by }: Issuance): Target {
  if (by === "switch" && record.credential !== undefined) return record.credential;
  const cookie = options.sources.find(({ kind }) => kind === "sealed" || kind === "jwt_cookie");
  return cookie ?? { kind: "bearer" };
}

async function sealPair(engine: Engine, credential: SealedSession, target: Target): Promise<Successor> {
  const { sealer } = engine;
  const { accessToken } = credential;
  if (target.kind !== "sealed") return { accessToken, ...pairOpaqueToken(engine, target.kind, credential) };
  if (sealer === undefined) throw withoutPassword("a session");
  return { accessToken, sealed: credential, cookieValue: await sealer.seal(credential) };
}

function send(engine: Engine, delivery: Delivery, pair: Successor): void {
  if (!sendCredential(engine, delivery, pair)) throw new OrgateError("session_too_large");
}

/** The mistake of an application that wants something sealed and has no password for it. */
export function withoutPassword(what: string): ConfigurationError {
  return new ConfigurationError([
    {
      code: "option_missing",
      option: "cookie.password",
      message: `is required to seal ${what}.`,
      suggestion: "Make one with: openssl rand -base64 32.",
    },
  ]);
}
