import type { Clock } from "../lib/clock.ts";
import { type RenewalResult, type Successor, keyOfSuccessor } from "./request-auth.ts";

/** Seconds for which the successor of a spent credential is kept for a client whose reply was lost. */
export const MAX_LOST_REPLY_AGE = 900;
const MAX_LOST_REPLIES = 20_000;

/** The successor of a spent credential, as the value of a cookie: nothing is kept unsealed. */
export interface KeptSuccessor {
  readonly key: string;
  readonly cookieValue: string;
  /** When the store was asked, in seconds since the epoch. */
  readonly renewedAt: number;
  /** Called once a client has presented it. */
  readonly onPresented?: (() => void) | undefined;
}

/**
 * Keeps the successors of spent refresh tokens until a client presents them: at most fifteen minutes, 20,000 of them.
 *
 * A client whose reply was lost presents the spent credential again. The store would then end the session.
 */
export interface LostReplies {
  /** Keeps a sealed successor under the key of the credential that it replaces; others are not spent by a renewal. */
  keep(spentKey: string, successor: Successor, renewedAt: number, onPresented?: () => void): void;
  find(spentKey: string): KeptSuccessor | undefined;
  /** Drops what leads to a credential that has reached its client. */
  arrived(key: string): void;
  drop(spentKey: string): void;
}

/** Makes an empty {@link LostReplies}. */
export function createLostReplies(clock: Clock): LostReplies {
  const kept = new Map<string, KeptSuccessor>();
  const spentBySuccessor = new Map<string, string>();

  const isRecent = ({ renewedAt }: KeptSuccessor): boolean =>
    Math.abs(clock() - renewedAt) < MAX_LOST_REPLY_AGE;
  const drop = (spentKey: string): void => {
    const successor = kept.get(spentKey);
    if (successor === undefined) return;
    kept.delete(spentKey);
    spentBySuccessor.delete(successor.key);
  };

  return {
    keep(spentKey, successor, renewedAt, onPresented) {
      const { cookieValue } = successor;
      const key = keyOfSuccessor(successor);
      if (cookieValue === undefined || key === spentKey) return;
      drop(spentKey);
      kept.set(spentKey, { key, cookieValue, renewedAt, onPresented });
      spentBySuccessor.set(key, spentKey);
      // The oldest come first.
      for (const [oldest, candidate] of kept) {
        if (kept.size <= MAX_LOST_REPLIES && isRecent(candidate)) break;
        drop(oldest);
      }
    },
    find(spentKey) {
      const successor = kept.get(spentKey);
      if (successor === undefined || isRecent(successor)) return successor;
      drop(spentKey);
      return undefined;
    },
    arrived(key) {
      // Where several replies were lost in a row, every credential before is spent too.
      for (let spent = spentBySuccessor.get(key); spent !== undefined; spent = spentBySuccessor.get(spent)) {
        kept.get(spent)?.onPresented?.();
        drop(spent);
      }
    },
    drop,
  };
}

/**
 * Keeps the new credential of a renewal for a client whose reply is lost.
 *
 * @param onPresented - called once a client has presented it
 */
export function keepUntilPresented(
  lostReplies: LostReplies,
  spentKey: string,
  result: RenewalResult,
  renewedAt: number,
  onPresented?: () => void,
): void {
  if (result.status === "active" && result.isNew) {
    result.session.isUnseen = true;
    lostReplies.keep(spentKey, result.successor, renewedAt, onPresented);
  } else if (result.status === "unavailable" && result.successor !== undefined) {
    lostReplies.keep(spentKey, result.successor, renewedAt, onPresented);
  }
}
