import { generateKeyPairSync, type JsonWebKey as NodeJsonWebKey } from "node:crypto";
import { createAuthority, memoryDirectory } from "../src/authority/index.ts";
import { definePolicy, orgate, type OrgateOptions } from "../src/index.ts";

const ISSUER = "https://app.example.com";
export const PASSWORD = "a-cookie-password-of-at-least-32-characters";
export const COOKIE = "__Host-orgate";

const policy = definePolicy({
  resources: { documents: ["read", "write", "delete"], billing: ["manage"] },
  roles: {
    viewer: { documents: ["read"] },
    editor: { documents: ["read", "write"] },
    admin: { documents: "*", billing: ["manage"] },
  },
});

/** An authority with signed-in members. */
export type World = Awaited<ReturnType<typeof makeWorld>>;

/** One member's session in both forms. */
export interface Session {
  readonly accessToken: string;
  readonly sealedSession: string;
}

/** Signs members in: tokens of about 1.9 KB (RS256), seals of about 3.1 KB. */
export async function makeWorld(members: number) {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const jwk = { ...privateKey.export({ format: "jwk" }), kty: "RSA", kid: "bench", alg: "RS256" };
  const numbers = Array.from({ length: members }, (_, index) => index);
  const authority = createAuthority({
    issuer: ISSUER,
    keys: [jwk],
    policy,
    accessTokenLifetime: 86_400,
    directory: memoryDirectory({
      users: numbers.map((n) => ({
        id: `user_${n}`,
        emailAddress: `member-${n}@example.com`,
        name: `Member ${n}`,
      })),
      organizations: [{ id: "org_acme", slug: "acme", name: "Acme" }],
      memberships: numbers.map((n) => ({
        userId: `user_${n}`,
        organizationId: "org_acme",
        roles: n % 2 === 0 ? ["viewer"] : ["viewer", "editor"],
      })),
    }),
  });
  const sessions: Session[] = [];
  for (const n of numbers) {
    const { accessToken, sealedSession = "" } = await authority.authenticate({
      userId: `user_${n}`,
      authenticationMethod: "Password",
      customClaims: { entitlements: "x".repeat(560) },
      session: { sealSession: true, cookiePassword: PASSWORD },
    });
    sessions.push({ accessToken, sealedSession });
  }
  const publicKey: NodeJsonWebKey = { kty: "RSA", n: String(jwk["n"]), e: String(jwk["e"]) };
  return { authority, sessions, publicKey, issuer: ISSUER, makeAuth };

  /** Makes an instance with an empty cache. */
  function makeAuth(options?: Pick<OrgateOptions, "cache">) {
    return orgate({ baseUrl: ISSUER, store: authority, policy, cookie: { password: PASSWORD }, ...options });
  }
}
