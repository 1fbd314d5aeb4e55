import type { EventSink } from "../events.ts";
import { type VerifiedSession, keyOf } from "./cache.ts";
import type { Instance } from "./instance.ts";
import type { Candidates, Credential } from "./read-credential.ts";
import { type CredentialVerification, verifyCredential } from "./verify-credential.ts";

/** Which of several cookies of one name counts. */
export interface CredentialChoice {
  /** Absent where two differ: nobody can know which of them the user means. */
  readonly credential?: Credential;
  /** Whether every cookie of the name is one of ours. Else another environment's session may be among them. */
  readonly areAllOurs: boolean;
}

interface Tried {
  readonly credential: Credential;
  readonly opens: boolean;
  readonly verification: CredentialVerification;
  readonly session: VerifiedSession | undefined;
}

/** What was tried and does not count is no refusal: the one that counts is verified again, and reported then. */
const SILENT: EventSink = { wants: () => false, emit: () => undefined };

/**
 * Chooses among the cookies of one name: the one that opens, or the later token of one session. A promise only where a key must
 * be fetched.
 */
export function chooseCredential(
  instance: Instance,
  candidates: Candidates,
): CredentialChoice | Promise<CredentialChoice> {
  const silent = { ...instance, events: SILENT };
  const tried = candidates.credentials.map((credential) => tryCredential(silent, credential));
  const conclude = (settled: readonly Tried[]): CredentialChoice => ({
    ...decide(instance, settled),
    areAllOurs: !candidates.leftOut && settled.every(({ opens }) => opens),
  });
  const settled = tried.flatMap((one) => (one instanceof Promise ? [] : [one]));
  if (settled.length === tried.length) return conclude(settled);
  return Promise.all(tried.map((one) => Promise.resolve(one))).then(conclude);
}

function tryCredential(instance: Instance, credential: Credential): Tried | Promise<Tried> {
  const known = instance.cache.get(keyOf(credential));
  if (known !== undefined) {
    const via = "cookie";
    const verification = { status: "verified", kind: credential.kind, via, session: known } as const;
    return { credential, opens: true, verification, session: known };
  }
  const conclude = (verification: CredentialVerification): Tried => {
    const session = verification.status === "verified" ? verification.session : undefined;
    const opens =
      credential.kind === "sealed"
        ? instance.sealer?.unseal(credential.value) !== undefined
        : session !== undefined;
    return { credential, opens, verification, session };
  };
  const verification = verifyCredential(instance, credential);
  return verification instanceof Promise ? verification.then(conclude) : conclude(verification);
}

function decide({ invalidations }: Instance, tried: readonly Tried[]): { readonly credential?: Credential } {
  const first = (one: Tried | undefined): { readonly credential?: Credential } => one ?? {};
  const unknown = tried.find(
    ({ verification }) => verification.status === "refused" && verification.state.status === "unavailable",
  );
  if (unknown !== undefined) return first(unknown);
  const verified = tried.filter(({ session }) => session !== undefined);
  const going = verified.filter(
    ({ session }) => session && invalidations.endingOf(session.memberSession.id) === undefined,
  );
  const sessions = going.length > 0 ? going : verified;
  if (sessions.length > 0) {
    const ids = new Set(sessions.map(({ session }) => session?.memberSession.id));
    return ids.size === 1 ? first(sessions.reduce(later)) : {};
  }
  // Only the store can read these: two of them cannot be told apart.
  const unread = tried.filter(({ verification }) => verification.status === "verified");
  if (unread.length > 1) return {};
  return first(unread[0] ?? tried.find(({ opens }) => opens) ?? tried[0]);
}

/** The later of two tokens of one session. */
function later(one: Tried, other: Tried): Tried {
  const [a, b] = [one.session, other.session];
  if (a === undefined || b === undefined) return one;
  return b.iat > a.iat || (b.iat === a.iat && b.exp > a.exp) ? other : one;
}
