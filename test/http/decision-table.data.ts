import type { ErrorCode } from "../../src/errors.ts";
import type { AuthState } from "../../src/model.ts";

/** What the request carries. */
export type Presented = "none" | "bearer" | "cookie";

/** What happens to the session cookie; for a bearer `new` is the `Session-Jwt` header. */
export type CookieFate = "untouched" | "new" | "cleared" | "cleared in every form";

/** One row: the credential, what the store does, and everything that can be seen of the answer. */
export interface DecisionRow {
  readonly presented: Presented;
  readonly condition: Condition;
  readonly store: Mood;
  /** How often the store is asked. */
  readonly asked: 0 | 1;
  readonly state: AuthState["status"];
  readonly status: 200 | 401 | 403 | 503;
  readonly code?: ErrorCode;
  readonly cookie: CookieFate;
  /** Members of the problem beside the standard ones. */
  readonly members?: Readonly<Record<string, string>>;
  readonly retryAfter?: number;
  /** Whether there is an event `misconfigured`. */
  readonly alarm?: true;
}

/** The conditions of a credential, as the reference names them. */
export const CONDITIONS = {
  absent: "",
  malformed: "malformed",
  forged: "forged (signed by another key)",
  foreign_issuer: "of another issuer",
  foreign_audience: "for another audience",
  foreign_class: "of another class (no session claim)",
  fresh: "verified and fresh",
  expired: "verified, but expired",
  too_old: "verified, but too old",
  not_yet_valid: "verified, but not valid yet",
  not_a_seal: "does not open with our passwords",
  tampered: "tampered with",
  too_long: "too long",
  sealed_unknown_key_expired: "opens, but its token is expired and of an unknown key",
  sealed_foreign_issuer: "opens, but its token is of another issuer",
  sealed_foreign_audience: "opens, but its token is for another audience",
  sealed_foreign_class: "opens, but its token is of another class",
  sealed_for_another: "opens, but its user is not the token's `sub`",
  twice: "two that open, of two sessions",
  keys_down: "no key is known, and none can be fetched",
  keys_down_expired: "the same with an expired token",
  cross_site: "sent by another site, with an unsafe method",
  twice_one_session: "two that open, of one session",
  twice_one_opens: "two well-formed seals, of which one opens",
  twice_one_seal: "two, of which one is no well-formed seal",
  twice_no_seal: "two, of which none is a well-formed seal",
  twice_none_opens: "two well-formed seals that do not open",
  five_seals: "more than four well-formed seals",
} as const;

/** What the store does, as the reference names it. */
export const MOODS = {
  silent: "not asked",
  active: "active",
  ended: "ended (revoked or deleted)",
  reauthenticate: "requires authentication",
  unrenewable: "cannot renew this kind",
  down: "down",
  slow: "slow",
  overloaded: "429, `Retry-After: 7`",
  failing: "5xx",
  nonsense: "a malformed answer",
  rotated_unverifiable: "active, but the new token's key cannot be fetched",
} as const;

export type Condition = keyof typeof CONDITIONS;
export type Mood = keyof typeof MOODS;

const BOTH = ["bearer", "cookie"] as const;
const STALE = ["expired", "too_old"] as const;

/** Every decision, for a route behind `requireAuth()`. */
export const DECISIONS: readonly DecisionRow[] = [
  {
    presented: "none",
    condition: "absent",
    store: "silent",
    asked: 0,
    state: "anonymous",
    status: 401,
    code: "unauthenticated",
    cookie: "untouched",
  },
  ...(["malformed", "forged", "foreign_issuer", "foreign_audience", "foreign_class"] as const).map(
    (condition) =>
      refusedUnasked({ presented: "bearer", condition, code: "invalid_token", cookie: "untouched" }),
  ),
  ...BOTH.map((presented): DecisionRow => {
    const outcome = { asked: 0, state: "authenticated", status: 200, cookie: "untouched" } as const;
    return { presented, condition: "fresh", store: "silent", ...outcome };
  }),
  ...BOTH.flatMap((presented) => STALE.flatMap((condition) => renewals(presented, condition))),
  ...BOTH.map((presented) => ({
    ...unavailable({ presented, condition: "not_yet_valid", store: "silent", code: "clock_skew", asked: 0 }),
    alarm: true as const,
  })),
  ...(["not_a_seal", "tampered", "too_long"] as const).map((condition) =>
    refusedUnasked({ presented: "cookie", condition, code: "invalid_session", cookie: "cleared" }),
  ),
  ...renewals("cookie", "sealed_unknown_key_expired"),
  ...(["sealed_foreign_issuer", "sealed_foreign_audience", "sealed_foreign_class"] as const).map(
    (condition) => ({
      ...refusedUnasked({ presented: "cookie", condition, code: "invalid_session", cookie: "untouched" }),
      alarm: true as const,
    }),
  ),
  refusedUnasked({
    presented: "cookie",
    condition: "sealed_for_another",
    code: "invalid_session",
    cookie: "cleared",
  }),
  refusedUnasked({
    presented: "cookie",
    condition: "twice",
    code: "ambiguous_credential",
    cookie: "cleared in every form",
  }),
  ...(["twice_one_session", "twice_one_opens", "twice_one_seal"] as const).map((condition): DecisionRow => {
    const outcome = { asked: 0, state: "authenticated", status: 200, cookie: "untouched" } as const;
    return { presented: "cookie", condition, store: "silent", ...outcome };
  }),
  ...(["twice_no_seal", "twice_none_opens"] as const).map((condition) =>
    refusedUnasked({ presented: "cookie", condition, code: "invalid_session", cookie: "cleared" }),
  ),
  refusedUnasked({
    presented: "cookie",
    condition: "five_seals",
    code: "ambiguous_credential",
    cookie: "cleared",
  }),
  ...BOTH.flatMap((presented) =>
    (["keys_down", "keys_down_expired"] as const).map((condition) =>
      unavailable({ presented, condition, store: "silent", asked: 0 }),
    ),
  ),
  {
    presented: "cookie",
    condition: "cross_site",
    store: "silent",
    asked: 0,
    state: "rejected",
    status: 403,
    code: "cross_site_request",
    cookie: "untouched",
  },
];

function refusedUnasked(
  row: Pick<DecisionRow, "presented" | "condition" | "cookie"> & { readonly code: ErrorCode },
): DecisionRow {
  return { ...row, store: "silent", asked: 0, state: "rejected", status: 401 };
}

function unavailable(
  row: Pick<DecisionRow, "presented" | "condition" | "store"> & Partial<DecisionRow>,
): DecisionRow {
  return {
    asked: 1,
    state: "unavailable",
    status: 503,
    code: "store_unavailable",
    cookie: "untouched",
    ...row,
  };
}

/** The rows of a verified credential that is expired or too old, one for each answer of the store. */
function renewals(presented: "bearer" | "cookie", condition: Condition): readonly DecisionRow[] {
  const row = { presented, condition, asked: 1 } as const;
  const refused = { ...row, state: "rejected", status: 401 } as const;
  const clearsCookie = presented === "cookie" ? "cleared" : "untouched";
  return [
    { ...row, store: "active", state: "authenticated", status: 200, cookie: "new" },
    { ...refused, store: "ended", code: "session_revoked", cookie: clearsCookie },
    {
      ...refused,
      store: "reauthenticate",
      code: "reauthentication_required",
      cookie: "untouched",
      members: { reason: "sso_required", sign_in_url: "https://idp.example/sso" },
    },
    {
      ...refused,
      store: "unrenewable",
      code: condition === "too_old" ? "token_too_old" : "token_expired",
      cookie: "untouched",
    },
    ...(["down", "slow", "failing", "nonsense"] as const).map((store) => unavailable({ ...row, store })),
    unavailable({ ...row, store: "overloaded", retryAfter: 7 }),
    {
      ...unavailable({ ...row, store: "rotated_unverifiable" }),
      // The rotated refresh token beside the access token that was presented. Nothing is rotated before the token expires.
      cookie: presented === "cookie" && condition !== "too_old" ? "new" : "untouched",
      alarm: true,
    },
  ];
}
