import type { AuthorityStore } from "../../../src/authority/index.ts";
import type { Clock } from "../../../src/lib/clock.ts";
import type { Outcome, SessionStore } from "../../../src/store.ts";

/** A store that breaks one promise. */
export interface BrokenStore {
  /** The case of the contract that must notice. */
  readonly promise: string;
  readonly what: string;
  /** What takes the place of the good store's own. */
  readonly sabotage: (store: AuthorityStore, clock: Clock) => Partial<SessionStore>;
}

const REFUSED: Outcome = { status: "refused", code: "invalid_pending_authentication" };

/** At least one for each case that a store alone can fail. */
export const BROKEN_STORES: readonly BrokenStore[] = [
  {
    what: "publishes tokens under another issuer",
    promise: "the access token verifies by the store's own profile and is valid now",
    sabotage: ({ tokens }) => ({ tokens: { ...tokens, issuers: ["https://other.example.com"] } }),
  },
  {
    what: "publishes its private keys",
    promise: "the published keys have no private part",
    sabotage: ({ tokens }) => ({
      tokens: {
        ...tokens,
        keys: {
          async load(signal) {
            const { keys } = await tokens.keys.load(signal);
            return { keys: keys.map((key) => ({ ...key, d: "secret" })) };
          },
        },
      },
    }),
  },
  {
    what: "reads a token differently each time",
    promise: "interpret returns the same for the same token and does not change it",
    sabotage(store) {
      let reads = 0;
      return {
        interpret(claims, sealed) {
          const read = store.interpret(claims, sealed);
          reads += 1;
          return read && { ...read, member: { ...read.member, name: `Member ${reads}` } };
        },
      };
    },
  },
  {
    what: "writes to the sealed session",
    promise: "interpret returns the same for the same token and does not change it",
    sabotage: (store) => ({
      interpret(claims, sealed) {
        if (sealed !== undefined) Object.assign(sealed, { seen: ((sealed["seen"] as number) || 0) + 1 });
        return store.interpret(claims, sealed);
      },
    }),
  },
  {
    what: "takes the member's organization from elsewhere",
    promise: "member, organization and session agree with each other",
    sabotage: (store) => ({
      interpret(claims, sealed) {
        const read = store.interpret(claims, sealed);
        return read && { ...read, member: { ...read.member, organizationId: "org_globex" } };
      },
    }),
  },
  {
    what: "accepts claims of any type",
    promise: "interpret returns no session or a well-formed one for malformed claims, and never throws",
    sabotage: (store) => ({
      interpret(claims, sealed) {
        const read = store.interpret({ ...claims, roles: [] }, sealed);
        const roles = claims["roles"] as string[];
        return (
          read && {
            ...read,
            member: { ...read.member, roles },
            memberSession: { ...read.memberSession, roles },
          }
        );
      },
    }),
  },
  {
    what: "answers an expired token with itself",
    promise: "an expired credential renews to a newer token of the same member, organization and session",
    sabotage: (store) => ({
      async renew(stale, context) {
        const renewal = await store.renew(stale, context);
        if (renewal.status !== "active") return renewal;
        const { credential: _, ...rest } = renewal;
        return rest;
      },
    }),
  },
  {
    what: "returns milliseconds instead of seconds",
    promise: "renewing a token that is too old or asked about confirms the session as of now",
    sabotage: (store) => ({
      async renew(stale, context) {
        const renewal = await store.renew(stale, context);
        return renewal.status === "active" ? { ...renewal, verifiedAt: renewal.verifiedAt * 1000 } : renewal;
      },
    }),
  },
  {
    what: "ends a session after three renewals",
    promise: "a credential renews over and over",
    sabotage(store) {
      let renewals = 0;
      return {
        async renew(stale, context) {
          renewals += 1;
          return renewals > 3 ? { status: "ended", reason: "worn_out" } : store.renew(stale, context);
        },
      };
    },
  },
  {
    what: "claims to renew bare tokens",
    promise: "an expired bare JWT renews if the capabilities say so and is unrenewable otherwise",
    sabotage: ({ capabilities }) => ({ capabilities: { ...capabilities, renewsBareToken: false } }),
  },
  ...[
    "concurrent renewals of one credential do not end the session",
    "a credential renews again if the reply to its renewal was lost",
  ].map((promise) => ({
    what: "treats a credential that is submitted twice as stolen",
    promise,
    sabotage(store: AuthorityStore): Partial<SessionStore> {
      const seen = new Set<string | undefined>();
      return {
        renew(stale, context) {
          if (stale.reason === "expired" && seen.has(stale.accessToken)) {
            return Promise.resolve({ status: "ended", reason: "reuse_detected" });
          }
          seen.add(stale.accessToken);
          return store.renew(stale, context);
        },
      };
    },
  })),
  {
    what: "extends at each renewal",
    promise: "a renewal extends the session if it is asked to, and never otherwise",
    sabotage: (store) => ({
      renew: (stale, context) => store.renew(stale, { extendBy: 5_000_000, ...context }),
    }),
  },
  {
    what: "never extends",
    promise: "a renewal extends the session if it is asked to, and never otherwise",
    sabotage: (store) => ({ renew: (stale, { signal }) => store.renew(stale, { signal }) }),
  },
  {
    what: "goes by the refresh token alone",
    promise: "renewing a member's token with another member's refresh token never returns the other member",
    sabotage: (store) => ({
      renew(stale, context) {
        const refreshToken = stale.sealed?.refreshToken;
        if (refreshToken === undefined) return store.renew(stale, context);
        const accessToken = stale.accessToken ?? "";
        return store.renew({ reason: stale.reason, sealed: { accessToken, refreshToken } }, context);
      },
    }),
  },
  ...[
    "renewing is unavailable while the store is down, and works when it is back",
    "a renewal that was aborted is unavailable and does not end the session",
  ].map((promise) => ({
    what: "ends the session while it is down",
    promise,
    sabotage: (store: AuthorityStore): Partial<SessionStore> => ({
      renew: (stale, context) =>
        store.renew(stale, context).catch(() => ({ status: "ended", reason: "error" })),
    }),
  })),
  {
    what: "signs in to the first organization whatever was chosen",
    promise: "a member of two organizations chooses one and is signed in to it",
    sabotage: (store) => ({
      selectOrganization: (pending, _, context) => store.selectOrganization(pending, "org_acme", context),
    }),
  },
  {
    what: "makes a session for each choice",
    promise: "exactly one of several concurrent choices makes a session",
    sabotage(store) {
      let won: Outcome | undefined;
      return {
        async selectOrganization(pending, organizationId, context) {
          const outcome = await store.selectOrganization(pending, organizationId, context);
          if (outcome.status === "authenticated") won = outcome;
          return won ?? outcome;
        },
      };
    },
  },
  {
    what: "spends the choice on a wrong one",
    promise: "an organization of others is refused and does not spend the choice",
    sabotage(store) {
      let isSpent = false;
      return {
        async selectOrganization(pending, organizationId, context) {
          if (isSpent) return REFUSED;
          isSpent = true;
          return store.selectOrganization(pending, organizationId, context);
        },
      };
    },
  },
  {
    what: "blames the organization for a forged pending token",
    promise: "a forged pending token is refused",
    sabotage: (store) => ({
      async selectOrganization(pending, organizationId, context) {
        const outcome = await store.selectOrganization(pending, organizationId, context);
        return outcome.status === "refused" ? { ...outcome, code: "organization_not_available" } : outcome;
      },
    }),
  },
  {
    what: "spends the choice while it is down",
    promise: "choosing is unavailable while the store is down, which does not spend the choice",
    sabotage(store) {
      let isSpent = false;
      return {
        async selectOrganization(pending, organizationId, context) {
          if (isSpent) return REFUSED;
          isSpent = true;
          return store.selectOrganization(pending, organizationId, context);
        },
      };
    },
  },
  {
    what: "invents an organization for a user without one",
    promise: "a user without any organization is signed in without one or refused",
    sabotage: (store) => ({
      interpret(claims) {
        const read = store.interpret(claims);
        return read && { organization: { id: "org_personal" }, ...read };
      },
    }),
  },
  {
    what: "keeps the session id when it switches",
    promise: "switching continues as the same user in the other organization, also after a renewal",
    sabotage: (store) => ({
      interpret(claims, sealed) {
        const read = store.interpret(claims, sealed);
        return read && { ...read, memberSession: { ...read.memberSession, id: `session of ${claims.sub}` } };
      },
    }),
  },
  {
    what: "stays where it is when it switches",
    promise: "switching continues as the same user in the other organization, also after a renewal",
    sabotage: (store) => ({
      switchOrganization: (stale, _, context) => store.switchOrganization(stale, "org_acme", context),
    }),
  },
  {
    what: "does not switch from an expired token",
    promise: "switching works from an expired token",
    sabotage: (store, clock) => ({
      async switchOrganization(stale, organizationId, context) {
        const isExpired = (stale.claims?.exp ?? 0) <= clock();
        if (isExpired) return { status: "refused", code: "session_revoked" };
        return store.switchOrganization(stale, organizationId, context);
      },
    }),
  },
  {
    what: "refuses to switch while it is down",
    promise: "switching is unavailable while the store is down, and works when it is back",
    sabotage: (store) => ({
      switchOrganization: (stale, organizationId, context) =>
        store.switchOrganization(stale, organizationId, context).catch(() => REFUSED),
    }),
  },
  {
    what: "switches to any organization",
    promise: "switching to an organization of others is refused and does not end the session",
    sabotage: () => ({
      switchOrganization: (stale) =>
        Promise.resolve({ status: "authenticated", credential: stale.sealed ?? { accessToken: "" } }),
    }),
  },
  {
    what: "forgets to end the session",
    promise: "signing out ends the session, and signing out again is no error",
    sabotage: () => ({ endSession: () => Promise.resolve({}) }),
  },
  {
    what: "ends one session for everywhere",
    promise: "signing out everywhere ends all sessions of the member",
    sabotage: () => ({ endSession: () => Promise.resolve({}) }),
  },
  {
    what: "ignores failures while signing out",
    promise: "signing out is unavailable while the store is down, and works when it is back",
    sabotage: (store) => ({
      endSession: async (target, context) => {
        await store.endSession(target, context).catch(() => undefined);
        return {};
      },
    }),
  },
  {
    what: "reports a session as ended that continues",
    promise: "signing out by an opaque token ends its session, and an unknown token ends none",
    sabotage: () => ({
      credential: { opaqueCookieName: "session_token" },
      endPresented: ({ opaqueToken }) =>
        Promise.resolve({ status: opaqueToken === "forged" ? "unknown" : "ended" }),
    }),
  },
  {
    what: "notifies no listener",
    promise: "listeners hear of an ended session before endSession resolves, until they stop listening",
    sabotage: () => ({ onInvalidated: () => () => undefined }),
  },
  {
    what: "continues to notify a listener that stopped",
    promise: "listeners hear of an ended session before endSession resolves, until they stop listening",
    sabotage: (store) => ({
      onInvalidated(listener) {
        store.onInvalidated(listener);
        return () => undefined;
      },
    }),
  },
  {
    what: "returns another member's profile",
    promise: "the profile is the same member's, and reading it does not spend the credential",
    sabotage: () => ({ profile: () => Promise.resolve({ member: { id: "member_eve", roles: [] } }) }),
  },
  {
    what: "grants everything to everybody",
    promise: "the policy grants nothing on a resource that it does not declare",
    sabotage: () => ({
      policy: async () => ({
        roles: new Set(["viewer"]),
        declares: () => true,
        grantingRoles: () => new Set(["viewer"]),
      }),
    }),
  },
];
