import type { Credential } from "../pipeline/read-credential.ts";
import { keyOf } from "./key-of.ts";
import type { Engine } from "./engine.ts";
import { judge, type Question, type Resolution } from "./question.ts";
import { refuseEnded, refuseSkewed } from "./refuse-credential.ts";
import { renewCredential } from "./renew-credential.ts";
import { vouchFor, type Judgement } from "./vouch.ts";

/** The long way: verify, decide, and renew where the token is stale. Never rejects; a promise only where it takes time. */
export function authenticateCredential(
  engine: Engine,
  credential: Credential,
  question: Question,
): Resolution | Promise<Resolution> {
  const judgement = vouchFor(engine, credential);
  return judgement instanceof Promise
    ? judgement.then((known) => resolve(engine, credential, question, known))
    : resolve(engine, credential, question, judgement);
}

function resolve(
  engine: Engine,
  credential: Credential,
  question: Question,
  vouched: Judgement,
): Resolution | Promise<Resolution> {
  if (vouched.status === "refused") return vouched;
  const key = keyOf(credential);
  const { session } = vouched;
  if (session === undefined) return renewCredential(engine, { key, vouched, reason: "expired", question });
  const ending = engine.invalidations.endingOf(session.memberSession.id);
  if (ending !== undefined) return refuseEnded(engine, session.via, "ended_here", ending === "refuse");
  const need = judge(engine, session, question);
  if (need === "fresh") {
    engine.cache.set(key, session);
    return { status: "authenticated", session, source: "local" };
  }
  return need === "not_yet_valid"
    ? refuseSkewed(engine)
    : renewCredential(engine, { key, vouched, reason: need, question });
}
