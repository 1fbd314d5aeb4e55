import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import express from "express";
import type { OrgateOptions } from "orgate";
import { stytchRouter } from "orgate/authority/stytch";
import { workosRouter } from "orgate/authority/workos";
import { CURRENT, type PackageBuild } from "./package-build.ts";

const BASE_URL = "https://app.example.com";
export const PASSWORD = "a-cookie-password-of-at-least-32-characters";
export const COOKIE = "__Host-orgate";

/** The account of each SDK on the local server. */
export const STYTCH = {
  projectId: "project-test-11111111-1111-4111-8111-111111111111",
  secret: "secret-test-of-the-benchmark",
};
export const WORKOS = { clientId: "client_benchmark", apiKey: "sk_test_of_the_benchmark" };

/** The organization of every member, and the permission that every measured guard asks for. */
export const ORGANIZATION = "org_acme";
export const PERMISSION = ["documents", "read"] as const;

// Brings a token to 1.9 KB and a seal to 3.2 KB.
const FILLER = { bearer: 380, cookie: 560 };

/** How a request carries its session: a Stytch session JWT as bearer token, or a sealed session in a cookie. */
export type Way = "bearer" | "cookie";

/** One credential of each kind per member. */
export type Credentials = Readonly<Record<Way, readonly string[]>>;

/** Signed-in members, and a local server with the keys and the policy that the SDKs load. */
export interface World {
  readonly credentials: Credentials;
  /** The key that has signed every access token. */
  readonly publicKey: KeyObject;
  /** `iss` of the bearer tokens. */
  readonly issuer: string;
  readonly server: { readonly host: string; readonly port: number };
  /** Makes an instance with an empty cache: over `stytch()` for bearer tokens, over an authority for cookies. */
  makeAuth(way: Way, options?: InstanceOptions, build?: PackageBuild): Auth;
  close(): Promise<void>;
}

/** An instance of the package. */
export type Auth = ReturnType<typeof makeInstance>;

export type InstanceOptions = Pick<OrgateOptions, "cache">;

type Parts = Parameters<PackageBuild["createAuthority"]>[0]["keys"];

/** Signs members in. */
export async function makeWorld(members: number): Promise<World> {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const keys: Parts = [{ ...privateKey.export({ format: "jwk" }), kty: "RSA", kid: "bench", alg: "RS256" }];
  const authority = makeAuthority(CURRENT, keys, members);
  const wire = stytchRouter(authority, STYTCH);
  const app = express();
  app.use(wire);
  app.use(workosRouter(authority, WORKOS));
  const server = createServer((request, response) => void app(request, response));
  // While a measurement keeps the process busy, a connection that the server closes looks open to the client.
  server.keepAliveTimeout = 0;
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const baseUrl = `http://127.0.0.1:${port}`;

  const credentials: Record<Way, string[]> = { bearer: [], cookie: [] };
  for (let n = 0; n < members; n += 1) {
    const userId = `user_${n}`;
    const { sessionJwt } = await wire.authenticate({
      userId,
      authenticationMethod: "Password",
      customClaims: { entitlements: "x".repeat(FILLER.bearer) },
    });
    const { sealedSession = "" } = await authority.authenticate({
      userId,
      authenticationMethod: "Password",
      customClaims: { entitlements: "x".repeat(FILLER.cookie) },
      session: { sealSession: true, cookiePassword: PASSWORD },
    });
    credentials.bearer.push(sessionJwt);
    credentials.cookie.push(sealedSession);
  }
  return {
    credentials,
    publicKey: createPublicKey(privateKey),
    issuer: `stytch.com/${STYTCH.projectId}`,
    server: { host: "127.0.0.1", port },
    makeAuth(way, options, build = CURRENT) {
      const store =
        way === "bearer" ? build.stytch({ ...STYTCH, baseUrl }) : makeAuthority(build, keys, members);
      return makeInstance(build, store, options);
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await authority.close();
    },
  };
}

function makePolicy({ definePolicy }: PackageBuild) {
  return definePolicy({
    resources: { documents: ["read", "write", "delete"], billing: ["manage"] },
    roles: {
      viewer: { documents: ["read"] },
      editor: { documents: ["read", "write"] },
      admin: { documents: "*", billing: ["manage"] },
    },
  });
}

function makeAuthority(build: PackageBuild, keys: Parts, members: number) {
  const numbers = Array.from({ length: members }, (_, index) => index);
  return build.createAuthority({
    issuer: BASE_URL,
    keys,
    policy: makePolicy(build),
    accessTokenLifetime: 43_200,
    directory: build.memoryDirectory({
      users: numbers.map((n) => ({
        id: `user_${n}`,
        emailAddress: `member-${n}@example.com`,
        name: `Member ${n}`,
      })),
      organizations: [{ id: ORGANIZATION, slug: "acme", name: "Acme" }],
      memberships: numbers.map((n) => ({
        userId: `user_${n}`,
        organizationId: ORGANIZATION,
        roles: n % 2 === 0 ? ["viewer"] : ["viewer", "editor"],
      })),
    }),
  });
}

function makeInstance(build: PackageBuild, store: OrgateOptions["store"], options: InstanceOptions = {}) {
  return build.orgate({
    baseUrl: BASE_URL,
    store,
    policy: makePolicy(build),
    credentials: ["bearer", "cookie"],
    cookie: { name: COOKIE, password: PASSWORD },
    ...options,
  });
}
