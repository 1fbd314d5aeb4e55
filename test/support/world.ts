import { createAuthority, memoryDirectory } from "../../src/authority/index.ts";
import type {
  Authority,
  AuthenticateInput,
  AuthenticationResult,
  AuthorityOptions,
  MemoryDirectory,
} from "../../src/authority/index.ts";
import type { OrgateEvent } from "../../src/events.ts";
import { orgate } from "../../src/orgate.ts";
import type { OrgateOptions } from "../../src/options/options.ts";
import type { Orgate } from "../../src/orgate.ts";
import { createSealer } from "../../src/lib/crypto.ts";
import { definePolicy } from "../../src/policy/policy.ts";
import type { SealedSession, SessionStore } from "../../src/store.ts";
import { controlStore } from "./stores.ts";
import type { ControlledStore } from "./stores.ts";
import { generateSigningKey, signToken } from "./tokens.ts";
import type { SigningKey } from "./tokens.ts";

/** The time at which every world starts: a round number, so that tests can name times. */
export const START = 1_800_000_000;
export const BASE_URL = "https://app.example.com";
export const COOKIE = "__Host-orgate";
export const PASSWORD = "the first of the cookie passwords, long enough";

export const POLICY = definePolicy({
  resources: { documents: ["read", "write", "delete"], billing: ["manage"] },
  roles: {
    viewer: { documents: ["read"] },
    editor: { documents: ["read", "write"] },
    admin: { documents: "*", billing: ["manage"] },
  },
});

/** A sign-in, with every credential that a test sends. */
export interface SignIn extends AuthenticationResult {
  /** The session cookie's value. */
  readonly seal: string;
}

/** A real authority behind a store that can misbehave, with a clock that only tests move. */
export interface World {
  readonly clock: { now: number };
  readonly directory: MemoryDirectory;
  readonly authority: Authority;
  readonly store: ControlledStore;
  /** The authority's signing key; a token signed with it is valid. */
  readonly key: SigningKey;
  readonly events: OrgateEvent[];
  readonly signIn: (input?: Partial<AuthenticateInput>) => Promise<SignIn>;
  /** Makes an instance of orgate over the store. */
  readonly mount: (options?: Partial<OrgateOptions>) => Orgate;
  /** Signs claims as the issuer would. */
  readonly sign: (
    claims: Readonly<Record<string, unknown>>,
    header?: Readonly<Record<string, unknown>>,
  ) => string;
  readonly seal: (session: SealedSession, password?: string) => Promise<string>;
}

const SHARED_KEY = generateSigningKey("ES256", "the-issuers-key");

/** Makes a world. Ada is in two organizations, Bob and Vera in one, Nora in none. */
export function makeWorld(
  options: Partial<AuthorityOptions> & { readonly overrides?: Partial<SessionStore> } = {},
): World {
  const { overrides, ...authorityOptions } = options;
  const key = SHARED_KEY;
  const clock = { now: START };
  const directory = makeDirectory();
  const events: OrgateEvent[] = [];
  const authority = createAuthority({
    issuer: BASE_URL,
    directory,
    keys: [{ ...key.privateKey.export({ format: "jwk" }), kty: "EC", kid: key.kid, alg: key.algorithm }],
    clock: () => clock.now,
    events: (event) => events.push(event),
    ...authorityOptions,
  });
  const store = controlStore(authority, overrides);
  return {
    clock,
    directory,
    authority,
    store,
    key,
    events,
    async signIn(input = {}) {
      const result = await authority.authenticate({
        userId: "user_ada",
        authenticationMethod: "Password",
        ...((input.userId ?? "user_ada") === "user_ada" && { organizationId: "org_acme" }),
        session: { sealSession: true, cookiePassword: PASSWORD },
        ...input,
      });
      return { ...result, seal: result.sealedSession ?? "" };
    },
    mount: (more = {}) =>
      orgate({
        baseUrl: BASE_URL,
        store,
        cookie: { password: PASSWORD },
        policy: POLICY,
        clock: () => clock.now,
        events: (event) => events.push(event),
        // The default cache allocates 20,000 entries at once, which is slow for each of thousands of tests.
        cache: { maxEntries: 500 },
        ...more,
      }),
    sign: (claims, header) => signToken(key, claims, header),
    seal: (session, password = PASSWORD) => createSealer({ 1: password }).seal(session),
  };
}

function makeDirectory(): MemoryDirectory {
  return memoryDirectory({
    users: [
      { id: "user_ada", emailAddress: "ada@example.com", name: "Ada Lovelace" },
      { id: "user_bob", emailAddress: "bob@example.com", name: "Bob" },
      { id: "user_vera", emailAddress: "vera@example.com", name: "Vera" },
      { id: "user_nora", emailAddress: "nora@example.com" },
    ],
    organizations: [
      { id: "org_acme", slug: "acme", name: "Acme" },
      { id: "org_globex", slug: "globex", name: "Globex" },
    ],
    memberships: [
      { userId: "user_ada", organizationId: "org_acme", roles: ["admin", "viewer"] },
      { userId: "user_ada", organizationId: "org_globex", roles: ["viewer"] },
      { userId: "user_bob", organizationId: "org_acme", roles: ["editor"] },
      { userId: "user_vera", organizationId: "org_acme", roles: ["viewer"] },
    ],
  });
}

/** Reads the claims of a token without verification. */
export function claimsOf(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as Record<
    string,
    unknown
  >;
}

/** Makes the `Cookie` header for a seal. */
export function cookieOf(seal: string, name = COOKIE): string {
  return `${name}=${seal}`;
}

/** Makes the `Authorization` header for a token. */
export function bearerOf(token: string): string {
  return `Bearer ${token}`;
}
