import { B2BClient, StytchError } from "stytch";
import { isOrgateError } from "../../src/errors.ts";
import { orgate } from "../../src/orgate.ts";
import { stytch, type StytchAuthorizationCheck, type StytchStore } from "../../src/stores/stytch/index.ts";
import { makeApp } from "../support/apps.ts";
import { openBrowser } from "../support/browser.ts";
import { BASE_URL } from "../support/world.ts";
import type { Side } from "./observe.ts";
import { PROJECT_ID, SECRET, type StytchBench } from "./stytch-bench.ts";

/** What is asked of a JWT, beside whose it is. As strange as callers are. */
export interface Question {
  readonly maxAge?: unknown;
  readonly check?: {
    readonly organizationId: string | undefined;
    readonly resource: string;
    readonly action: string;
  };
  /** The store's option. */
  readonly unknownKey?: "ask";
}

/** `sessions.authenticateJwt` of Stytch's SDK. */
export function openSdk({ url }: StytchBench, { maxAge, check }: Question): Side {
  const client = new B2BClient({ project_id: PROJECT_ID, secret: SECRET, env: url });
  return {
    async present(jwt) {
      const input = {
        session_jwt: jwt,
        ...(maxAge !== undefined && { max_token_age_seconds: maxAge }),
        ...(check !== undefined && {
          authorization_check: {
            organization_id: check.organizationId,
            resource_id: check.resource,
            action: check.action,
          },
        }),
      };
      try {
        // Callers in JavaScript pass what they have.
        const result = await client.sessions.authenticateJwt(input as { session_jwt: string });
        const verdict = "verdict" in result && result.verdict !== undefined ? ", with a verdict" : "";
        const asked = "member" in result ? ", Stytch asked" : "";
        const session = result.member_session as { member_id: string } | undefined;
        return `signed in as ${session?.member_id}${asked}${verdict}`;
      } catch (error) {
        if (!(error instanceof StytchError)) throw error;
        const { status_code: status, error_type: type } = error;
        return `${status === 429 || status >= 500 ? "unavailable" : "refused"}: ${status} ${type}`;
      }
    },
    close: async () => undefined,
  };
}

/** `authenticateJwt` of `stytch()`. */
export function openOperation(bench: StytchBench, { maxAge, check, unknownKey }: Question): Side {
  const store = openStore(bench, unknownKey);
  return {
    async present(jwt) {
      try {
        const { memberSession, member, verdict } = await store.authenticateJwt({
          sessionJwt: jwt as string,
          ...(maxAge !== undefined && { maxTokenAgeSeconds: maxAge as number }),
          ...(check !== undefined && { authorizationCheck: check as StytchAuthorizationCheck }),
        });
        const asked = member === undefined ? "" : ", Stytch asked";
        return `signed in as ${memberSession.memberId}${asked}${verdict === undefined ? "" : ", with a verdict"}`;
      } catch (error) {
        if (!isOrgateError(error)) throw error;
        return `${error.status === 503 ? "unavailable" : "refused"}: ${error.code}`;
      }
    },
    close: async () => undefined,
  };
}

/** orgate as middleware before a guarded route; the JWT is a bearer. */
export function openOrgate(bench: StytchBench, { maxAge, check, unknownKey }: Question): Side {
  const auth = orgate({
    baseUrl: BASE_URL,
    store: openStore(bench, unknownKey),
    clock: bench.clock,
    credentials: ["bearer"],
    ...(maxAge !== undefined && { maxTokenAge: maxAge as number }),
  });
  const guard =
    check === undefined
      ? auth.requireAuth()
      : auth.requirePermission(check.resource, check.action, { organization: () => check.organizationId });
  const { listener } = makeApp("Express 5", { before: [auth], routes: [{ path: "/me", guards: [guard] }] });
  return {
    async present(jwt) {
      const headers = {
        Accept: "application/json",
        ...(jwt !== undefined && { Authorization: `Bearer ${jwt}` }),
      };
      const response = await openBrowser(listener).get("/me", { headers });
      if (response.status === 200) {
        const renewed = response.headers["session-jwt"] === undefined ? "" : ", renewed";
        const verdict = response.body.verdict === undefined ? "" : ", with a verdict";
        return `signed in as ${response.body.member}${renewed}${verdict}`;
      }
      return `${response.status === 503 ? "unavailable" : "refused"}: ${response.status} ${response.body.code}`;
    },
    close: () => auth.close(),
  };
}

function openStore({ url, clock }: StytchBench, unknownKey: "ask" | undefined): StytchStore {
  return stytch({
    projectId: PROJECT_ID,
    secret: SECRET,
    baseUrl: url,
    clock,
    timeout: 1,
    ...(unknownKey !== undefined && { unknownKey }),
  });
}
