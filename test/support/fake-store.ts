import type {
  Interpretation,
  Renewal,
  RenewContext,
  SealedSession,
  SessionStore,
  StaleCredential,
} from "../../src/store.ts";
import type { VerifiedClaims } from "../../src/store.ts";
import { generateSigningKey, publicJwks, signToken, staticKeys } from "./tokens.ts";

/** A second after which nothing has a fraction. */
export const NOW = 1_800_000_000;
export const ISSUER = "https://issuer.example.com";
/** What the fake store's tokens are signed with. */
export const KEY = generateSigningKey("Ed25519", "fake-store");

/** A store that says of a session what its claims say, and of renewals what a test tells it to. */
export interface FakeStore extends SessionStore {
  /** Every renewal asked for, in order. */
  readonly asked: { readonly stale: StaleCredential; readonly context: RenewContext }[];
  /** What the next renewals come to. */
  answer: (stale: StaleCredential, context: RenewContext) => Promise<Renewal> | Renewal;
}

/** Makes a fake store; `overrides` take the place of its members. */
export function makeFakeStore(overrides: Partial<SessionStore> = {}): FakeStore {
  const store: FakeStore = {
    tokens: {
      keys: staticKeys(publicJwks([KEY])),
      issuers: [ISSUER],
      algorithms: ["Ed25519"],
      types: ["JWT"],
      sessionClaim: "sid",
    },
    capabilities: {
      factors: true,
      authenticationTime: true,
      impersonation: true,
      permissions: true,
      renewsBareToken: true,
    },
    interpret: readClaims,
    asked: [],
    answer: () => {
      throw new Error("the store was not expected to be asked");
    },
    async renew(stale, context) {
      store.asked.push({ stale, context });
      return store.answer(stale, context);
    },
    ...overrides,
  };
  return store;
}

/** A token of the fake store's issuer, ten seconds old and good for five minutes. An override of `undefined` leaves a claim out. */
export function issueToken(claims: Readonly<Record<string, unknown>> = {}): string {
  return signToken(KEY, {
    iss: ISSUER,
    sub: "user_1",
    sid: "session_1",
    org: "org_1",
    iat: NOW - 10,
    exp: NOW + 290,
    ...claims,
  });
}

/** Claims by short names, as the model. */
function readClaims(claims: VerifiedClaims, sealed?: SealedSession): Interpretation {
  const text = (name: string): string | undefined =>
    typeof claims[name] === "string" ? claims[name] : undefined;
  const organizationId = text("org");
  const roles = (claims["roles"] ?? []) as string[];
  const id = text("member") ?? claims.sub;
  return {
    member: {
      id,
      userId: claims.sub,
      roles,
      ...(organizationId !== undefined && { organizationId }),
      ...(text("name") !== undefined && { name: text("name") ?? "" }),
    },
    memberSession: {
      id: text("sid") ?? "",
      memberId: id,
      authenticationFactors: (claims["factors"] ??
        []) as Interpretation["memberSession"]["authenticationFactors"],
      roles,
      customClaims: null,
      ...(organizationId !== undefined && { organizationId }),
      ...(text("slug") !== undefined && { organizationSlug: text("slug") ?? "" }),
      ...(text("started") !== undefined && { startedAt: text("started") ?? "" }),
      ...(text("act") !== undefined && { impersonator: { email: text("act") ?? "" } }),
      ...(sealed?.authenticationMethod !== undefined && {
        authenticationMethod: sealed.authenticationMethod,
      }),
    },
    ...(organizationId !== undefined && {
      organization: { id: organizationId, ...(text("slug") !== undefined && { slug: text("slug") ?? "" }) },
    }),
    ...(Array.isArray(claims["permissions"]) && { permissions: claims["permissions"] as string[] }),
    ...(typeof claims["session_exp"] === "number" && { sessionExpiresAt: claims["session_exp"] }),
    ...(typeof claims["auth_time"] === "number" && { authenticatedAt: claims["auth_time"] }),
  };
}
