import type { RequestListener } from "node:http";
import connect from "connect";
import express from "express";
import express4 from "express4";
import { createAuthority, memoryDirectory, memoryRepository } from "../../src/authority/index.ts";
import type { Authority, AuthorityOptions, Directory, MemoryDirectory } from "../../src/authority/index.ts";
import type { WireMiddleware } from "../../src/authority/wire/router.ts";
import type { OrgateEvent } from "../../src/events.ts";
import { definePolicy } from "../../src/policy/policy.ts";
import { breakable } from "../../src/testing/test-authority.ts";
import type { JsonWebKey } from "../../src/store.ts";
import { serve } from "./servers.ts";
import type { TestServer } from "./servers.ts";
import { generateSigningKey } from "./tokens.ts";

export const PASSWORD = "correct horse battery staple";

export const WIRE_POLICY = definePolicy({
  resources: { documents: ["read", "write"], billing: ["manage"] },
  roles: {
    viewer: { documents: ["read"] },
    editor: { documents: ["read", "write"] },
    admin: { documents: "*", billing: ["manage"] },
  },
});

const rsa = makeRsaKey();

/** A private RSA key as an application would keep it. */
export function makeRsaKey(): JsonWebKey {
  const { privateKey } = generateSigningKey("RS256");
  return { ...privateKey.export({ format: "jwk" }), kty: "RSA", alg: "RS256" };
}

export interface WireWorld {
  readonly authority: Authority;
  readonly directory: MemoryDirectory;
  readonly events: OrgateEvent[];
  /** Seconds that the authority's clock is ahead of the machine's, by which the SDKs judge. */
  readonly ahead: { seconds: number };
  takeDown(): void;
  bringBack(): void;
}

/** Ada is in two organizations, Bob in one; everybody's password is the same. */
export function makeWireWorld(
  options: Partial<AuthorityOptions> = {},
  more: Partial<Directory> = {},
): WireWorld {
  const ahead = { seconds: 0 };
  const clock = (): number => Date.now() / 1000 + ahead.seconds;
  const events: OrgateEvent[] = [];
  const directory = memoryDirectory({
    users: [
      {
        id: "user_ada",
        emailAddress: "ada@example.com",
        name: "Ada Lovelace",
        firstName: "Ada",
        emailVerified: true,
        metadata: { timezone: "Europe/London" },
        trustedMetadata: { staffNumber: 1 },
        ssoRegistrations: [{ connectionId: "c1", externalId: "e1", registrationId: "r1" }],
      },
      { id: "user_bob", emailAddress: "bob@example.com" },
      { id: "user_nora", emailAddress: "nora@example.com" },
    ],
    organizations: [
      { id: "org_acme", slug: "acme", name: "Acme", externalId: "ext-acme", mfaPolicy: "OPTIONAL" },
      { id: "org_globex", slug: "globex", name: "Globex" },
      { id: "org_closed", slug: "closed", name: "Closed" },
    ],
    memberships: [
      { userId: "user_ada", organizationId: "org_acme", roles: ["admin", "viewer"] },
      { userId: "user_ada", organizationId: "org_globex", roles: ["viewer"] },
      { id: "member_bob", userId: "user_bob", organizationId: "org_acme", roles: ["editor"] },
    ],
  });
  const { repository, takeDown, bringBack } = breakable(options.repository ?? memoryRepository({ clock }));
  const authority = createAuthority({
    issuer: "https://app.example.com",
    directory: {
      ...directory,
      verifyPassword: async (_userId, password) => password === PASSWORD,
      ...more,
    },
    policy: WIRE_POLICY,
    keys: [rsa],
    clock,
    events: (event) => events.push(event),
    ...options,
    repository,
  });
  return { authority, directory, events, ahead, takeDown, bringBack };
}

/** What a router can be mounted on. */
export const HOSTS: Readonly<Record<string, (router: WireMiddleware, prefix?: string) => RequestListener>> = {
  "Express 5": (router, prefix) => {
    const app = express();
    return prefix === undefined ? app.use(router) : app.use(prefix, router);
  },
  "Express 4": (router, prefix) => {
    const app = express4();
    return prefix === undefined ? app.use(router) : app.use(prefix, router);
  },
  Connect: (router, prefix) => {
    const app = connect();
    return prefix === undefined ? app.use(router) : app.use(prefix, router);
  },
  "node:http": (router) => (request, response) => router(request, response),
};

/** Serves a router by Express 5. */
export function serveRouter(router: WireMiddleware): Promise<TestServer> {
  return serve(express().use(router));
}

/** Sends a body of JSON. */
export function json(
  body: unknown,
  headers: Record<string, string> = {},
): {
  method: string;
  headers: Record<string, string>;
  body: string;
} {
  return {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  };
}

/** The members of a body of JSON. */
export function bodyOf({ body }: { body: string }): Record<string, unknown> {
  return JSON.parse(body) as Record<string, unknown>;
}
