import type { JsonObject } from "../json-reply.ts";
import { NOT_MUTABLE } from "./error-types.ts";
import { peekIdentity, type SessionIdentity } from "./peek-claims.ts";
import { isAnswerFor, readSessionAnswer, type SessionAnswer } from "./read-answer.ts";
import type { StytchClient, StytchReply } from "./stytch-client.ts";
import { trouble } from "./trouble.ts";

/** What is authenticated: exactly one of the two. */
export type SessionSecret = { readonly session_jwt: string } | { readonly session_token: string };

/** A call of `POST /v1/b2b/sessions/authenticate`. */
export interface SessionQuestion {
  readonly secret: SessionSecret;
  /** Whose session it is, as far as it is known: an answer about another is none. */
  readonly identity: SessionIdentity;
  /** What changes the session, where it can be changed. */
  readonly changes: {
    readonly session_duration_minutes?: number;
    readonly session_custom_claims?: JsonObject;
  };
  readonly authorization_check?: JsonObject;
  readonly signal: AbortSignal | undefined;
}

/** What Stytch says of a session. Trouble is thrown. */
export type SessionVerdict =
  | { readonly status: "active"; readonly answer: SessionAnswer; readonly requestId: string | undefined }
  | Extract<StytchReply, { readonly status: "refused" }>;

/** Authenticates a session, and holds the answer against what was asked. */
export async function authenticateSession(
  client: StytchClient,
  question: SessionQuestion,
): Promise<SessionVerdict> {
  const { secret, changes, authorization_check: check, identity, signal } = question;
  const post = (body: JsonObject): Promise<StytchReply> =>
    client.post("/v1/b2b/sessions/authenticate", body, { signal });
  const unchanged = { ...secret, ...(check !== undefined && { authorization_check: check }) };
  let reply = await post({ ...unchanged, ...changes });
  // That an impersonated session cannot be changed is no reason to end it.
  if (reply.status === "refused" && reply.type === NOT_MUTABLE && Object.keys(changes).length > 0) {
    reply = await post(unchanged);
  }
  if (reply.status === "refused") return reply;
  const answer = readSessionAnswer(reply.body);
  if (answer === undefined) throw trouble("nonsense", reply.requestId);
  // The new JWT decides who is signed in: it must be of the session that the rest of the answer tells of.
  const isOfOne = isAnswerFor(answer, identity) && isAnswerFor(answer, peekIdentity(answer.sessionJwt));
  if (!isOfOne) throw trouble("identity", reply.requestId);
  return { status: "active", answer, requestId: reply.requestId };
}
