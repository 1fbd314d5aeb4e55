import { createPublicKey } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { createVerifier } from "fast-jwt";
import { defaults, unseal } from "iron-webcrypto";
import { jwtVerify } from "jose";
import { BARE, type Act } from "./http-stage.ts";
import { COOKIE, PASSWORD, type World } from "./world.ts";

/** A new instance, with a permission guard. */
export function orgateAct(world: World, options?: Parameters<World["makeAuth"]>[0]): Act {
  const auth = world.makeAuth(options);
  return { middleware: auth, guard: auth.requirePermission("documents", "read") };
}

/** Verification only: it attaches nothing and checks no permission. */
export function fastJwtAct({ publicKey, issuer }: World): Act {
  const key = createPublicKey({ key: { ...publicKey }, format: "jwk" }).export({
    type: "spki",
    format: "pem",
  });
  const verify = createVerifier({
    key: String(key),
    algorithms: ["RS256"],
    allowedIss: issuer,
    cache: 20_000,
  });
  return {
    middleware(request: IncomingMessage, _response, next) {
      verify((request.headers.authorization ?? "").slice(7));
      next();
    },
    guard: BARE.guard,
  };
}

/** Only jose's verification of a bearer token. */
export function joseAct(world: World): Act {
  const verify = joseVerifier(world);
  return waiting(({ headers }) => verify((headers.authorization ?? "").slice(7)));
}

/** The same for the token in a sealed cookie, with the cheapest possible search for the cookie. */
export function ironAct(world: World): Act {
  const verify = joseVerifier(world);
  return waiting(async ({ headers: { cookie = "" } }) => {
    const start = cookie.indexOf(`${COOKIE}=`) + COOKIE.length + 1;
    const opened = await unseal(cookie.slice(start, cookie.indexOf("~2", start)), PASSWORD, defaults);
    await verify((opened as { readonly accessToken: string }).accessToken);
  });
}

function joseVerifier({ publicKey, issuer }: World): (token: string) => Promise<unknown> {
  const key = createPublicKey({ key: { ...publicKey }, format: "jwk" });
  return (token) => jwtVerify(token, key, { algorithms: ["RS256"], issuer });
}

function waiting(authenticate: (request: IncomingMessage) => Promise<unknown>): Act {
  return {
    middleware: (request, _response, next) => void authenticate(request).then(() => next(), next),
    guard: BARE.guard,
  };
}
