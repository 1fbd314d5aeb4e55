import type { IncomingMessage, ServerResponse } from "node:http";
import { WorkOS } from "@workos-inc/node";
import { createVerifier } from "fast-jwt";
import { defaults, unseal } from "iron-webcrypto";
import { jwtVerify } from "jose";
import { B2BClient } from "stytch";
import { COOKIE, ORGANIZATION, PASSWORD, PERMISSION, STYTCH, WORKOS } from "./world.ts";
import type { InstanceOptions, Way, World } from "./world.ts";
import type { PackageBuild } from "./package-build.ts";

type Step = (request: IncomingMessage, response: ServerResponse, next: (error?: unknown) => void) => void;

/** What stands before a route: middleware of the application, and a guard on the route. */
export interface Peer {
  readonly middleware: Step;
  readonly guard: Step;
}

const pass: Step = (_request, _response, next) => next();

/** Nothing at all: the bare route. */
export const BARE: Peer = { middleware: pass, guard: pass };

/** A new instance of orgate, with a permission guard. */
export function orgatePeer(world: World, way: Way, options?: InstanceOptions, build?: PackageBuild): Peer {
  const auth = world.makeAuth(way, options, build);
  return { middleware: auth, guard: auth.requirePermission(...PERMISSION) };
}

/** fast-jwt: verification only, with a cache of so many tokens or without one. */
export function fastJwtPeer({ publicKey, issuer }: World, cache: number | false): Peer {
  const key = String(publicKey.export({ type: "spki", format: "pem" }));
  const verify = createVerifier({ key, algorithms: ["RS256"], allowedIss: issuer, cache });
  return {
    middleware(request, response, next) {
      try {
        verify(bearerOf(request));
      } catch {
        refuse(response);
        return;
      }
      next();
    },
    guard: pass,
  };
}

/** jose's `jwtVerify` of the bearer token: verification only. */
export function josePeer(world: World): Peer {
  const verify = createJoseVerifier(world);
  return peerOf((request) => verify(bearerOf(request)));
}

/** iron-webcrypto's `unseal` and jose's `jwtVerify`: what a sealed cookie costs with the libraries alone. */
export function ironPeer({ publicKey }: World): Peer {
  return peerOf(async (request) => {
    const seal = cookieOf(request).slice(0, -"~2".length);
    const { accessToken } = (await unseal(seal, PASSWORD, defaults)) as { readonly accessToken: string };
    await jwtVerify(accessToken, publicKey, { algorithms: ["RS256"] });
  });
}

/** Stytch's SDK: `authenticateJwtLocal` with an authorization check. */
export function stytchPeer({ server }: World): Peer {
  const client = new B2BClient({
    project_id: STYTCH.projectId,
    secret: STYTCH.secret,
    env: `http://${server.host}:${server.port}`,
  });
  const [resource, action] = PERMISSION;
  const authorization = { organization_id: ORGANIZATION, resource_id: resource, action };
  return peerOf((request) =>
    client.sessions.authenticateJwtLocal({
      session_jwt: bearerOf(request),
      authorization_check: authorization,
    }),
  );
}

/** WorkOS's SDK: `authenticate` of a sealed session. It checks no permission. */
export function workosPeer({ server }: World): Peer {
  const { userManagement } = new WorkOS(WORKOS.apiKey, {
    clientId: WORKOS.clientId,
    apiHostname: server.host,
    port: server.port,
    https: false,
  });
  return peerOf(async (request) => {
    const session = userManagement.loadSealedSession({
      sessionData: cookieOf(request),
      cookiePassword: PASSWORD,
    });
    const result = await session.authenticate();
    if (!result.authenticated) throw new Error(result.reason);
  });
}

/** Verifies a token with jose and a key object. */
export function createJoseVerifier({ publicKey, issuer }: World): (token: string) => Promise<unknown> {
  return (token) => jwtVerify(token, publicKey, { algorithms: ["RS256"], issuer });
}

function peerOf(authenticate: (request: IncomingMessage) => Promise<unknown>): Peer {
  return {
    middleware: (request, response, next) =>
      void authenticate(request).then(
        () => next(),
        () => refuse(response),
      ),
    guard: pass,
  };
}

const PROBLEM = JSON.stringify({ title: "Unauthorized", status: 401 });

function refuse(response: ServerResponse): void {
  response.writeHead(401, { "Content-Type": "application/problem+json" }).end(PROBLEM);
}

function bearerOf({ headers }: IncomingMessage): string {
  return (headers.authorization ?? "").slice("Bearer ".length);
}

// Cheaper than any parser of cookies.
function cookieOf({ headers: { cookie = "" } }: IncomingMessage): string {
  const start = cookie.indexOf(`${COOKIE}=`) + COOKIE.length + 1;
  return cookie.slice(start, cookie.indexOf(";", start));
}
