import { createHmac } from "node:crypto";
import type { ServerResponse } from "node:http";
import { base64url, generateSigningKey } from "../support/tokens.ts";
import { MEMBER, ORGANIZATION, PROJECT_ID, SESSION, type Minting, type StytchBench } from "./stytch-bench.ts";
import type { Side } from "./observe.ts";
import type { Question } from "./stytch-sides.ts";

/** How a JWT is made and presented. Runs once for each side, on one server. */
export interface StytchScenario {
  readonly question?: Question;
  /** Spoils the server, for all. */
  readonly spoil?: (bench: StytchBench) => void;
  readonly run: (side: Side, bench: StytchBench) => Promise<string>;
}

const FOREIGN_KEY = generateSigningKey("RS256", "stytch-key");
const RETIRED_KEY = generateSigningKey("RS256", "retired-key");
const EXPIRED: Minting = { ago: 400 };
const AUTHENTICATE = "/v1/b2b/sessions/authenticate";
const CROWD = 50;
const CHECK = { organizationId: "org_acme", resource: "documents", action: "read" };

export const STYTCH_SCENARIOS = {
  // The form.
  missing: presentsText(undefined),
  empty: presentsText(""),
  garbage: presentsText("garbage"),
  // The signature.
  fresh: presents({}),
  forged: presents({ key: FOREIGN_KEY }),
  unknown_key: presents({ key: RETIRED_KEY }),
  unknown_key_ask: { ...presents({ key: RETIRED_KEY }), question: { unknownKey: "ask" } },
  rotated_in: { run: (side, bench) => presentRotated(side, bench, 31) },
  rotated_in_at_once: { run: (side, bench) => presentRotated(side, bench, 0) },
  no_kid: presents({ header: { kid: undefined } }),
  alg_none: {
    run: async (side, { mint }) => side.present(resign(await mint(), { alg: "none", typ: "JWT" }, () => "")),
  },
  alg_hs256: {
    async run(side, { mint, key }) {
      const secret = key.publicKey.export({ type: "spki", format: "pem" });
      const header = { alg: "HS256", typ: "JWT", kid: key.kid };
      const hmac = (input: string) => createHmac("sha256", secret).update(input).digest("base64url");
      return side.present(resign(await mint(), header, hmac));
    },
  },
  alg_ps256: {
    run: async (side, { mint, key }) => side.present(await mint({ key: { ...key, algorithm: "PS256" } })),
  },
  // The header and the claims.
  typ_absent: presents({ header: { typ: undefined } }),
  typ_at_jwt: presents({ header: { typ: "at+jwt" } }),
  iss_base: {
    run: async (side, { mint, url }) => side.present(await mint({ claims: { iss: url } })),
  },
  iss_base_slash: {
    run: async (side, { mint, url }) => side.present(await mint({ claims: { iss: `${url}/` } })),
  },
  iss_other: presents({ claims: { iss: "stytch.com/project-test-other" } }),
  aud_text: presents({ claims: { aud: PROJECT_ID } }),
  aud_among_others: presents({ claims: { aud: ["somebody-else", PROJECT_ID] } }),
  aud_other: presents({ claims: { aud: ["project-test-other"] } }),
  aud_absent: presents({ claims: { aud: undefined } }),
  no_session: presents({ claims: { [SESSION]: undefined } }),
  connected_app: presents({ claims: { [SESSION]: undefined, scope: "openid documents:read" } }),
  m2m: presents({
    claims: {
      [SESSION]: undefined,
      [ORGANIZATION]: undefined,
      sub: "m2m-client-test-1",
      scope: "read:documents",
    },
  }),
  no_organization: presents({ claims: { [ORGANIZATION]: undefined } }),
  no_roles: { ...presents({ session: { roles: undefined } }), question: { check: CHECK } },
  roles_text: { ...presents({ session: { roles: "a viewer or so" } }), question: { check: CHECK } },
  roles_items: presents({ session: { roles: ["viewer", 7] } }),
  no_sub: presents({ claims: { sub: undefined } }),
  no_iat: presents({ claims: { iat: undefined } }),
  no_exp: presents({ claims: { exp: undefined } }),
  no_expires_at: presents({ session: { expires_at: undefined } }),
  custom_roles: {
    ...presents({ claims: { roles: ["editor"] } }),
    question: { check: { ...CHECK, action: "write" } },
  },
  custom_organization: presents({ claims: { organization_id: "org_globex" } }),
  custom_namespace: presents({ claims: { "https://stytch.com/other": { roles: ["editor"] } } }),
  // The times.
  expired: presents(EXPIRED),
  just_expired: presents(() => ({ claims: { iat: now() - 301, nbf: now() - 301, exp: now() - 1 } })),
  session_over: presents(() => ({ session: { expires_at: new Date((now() - 60) * 1000).toISOString() } })),
  not_yet_valid: presents(() => ({ claims: { nbf: now() + 3600 } })),
  issued_later: presents(() => ({ claims: { iat: now() + 3600 } })),
  revoked: {
    async run(side, { mint, revokeAll }) {
      const jwt = await mint(EXPIRED);
      await revokeAll();
      return side.present(jwt);
    },
  },
  revoked_fresh: {
    async run(side, { mint, revokeAll }) {
      const jwt = await mint();
      await revokeAll();
      return side.present(jwt);
    },
  },
  too_old: { ...presents({ ago: 61 }), question: { maxAge: 60 } },
  not_too_old: { ...presents({ ago: 30 }), question: { maxAge: 60 } },
  max_age_0: { ...presents({}), question: { maxAge: 0 } },
  max_age_negative: { ...presents({}), question: { maxAge: -1 } },
  max_age_nan: { ...presents({ ago: 200 }), question: { maxAge: Number.NaN } },
  max_age_text: { ...presents({}), question: { maxAge: "60" } },
  max_age_null: { ...presents({ ago: 200 }), question: { maxAge: null } },
  max_age_301: { ...presents({ ago: 200 }), question: { maxAge: 301 } },
  // The check.
  allowed: { ...presents({}), question: { check: CHECK } },
  allowed_expired: { ...presents(EXPIRED), question: { check: CHECK } },
  denied: { ...presents({}), question: { check: { ...CHECK, action: "write" } } },
  denied_expired: { ...presents(EXPIRED), question: { check: { ...CHECK, action: "write" } } },
  action_case: { ...presents({}), question: { check: { ...CHECK, action: "READ" } } },
  action_star: { ...presents({}), question: { check: { ...CHECK, action: "*" } } },
  action_prefix: { ...presents({}), question: { check: { ...CHECK, action: "rea" } } },
  unknown_resource: { ...presents({}), question: { check: { ...CHECK, resource: "document" } } },
  other_organization: { ...presents({}), question: { check: { ...CHECK, organizationId: "org_globex" } } },
  slug: { ...presents({}), question: { check: { ...CHECK, organizationId: "acme" } } },
  organization_empty: { ...presents({}), question: { check: { ...CHECK, organizationId: "" } } },
  organization_undefined: { ...presents({}), question: { check: { ...CHECK, organizationId: undefined } } },
  policy_500: { ...presents({}), question: { check: CHECK }, spoil: failing("/rbac/", answerJson(500)) },
  policy_stale_500: {
    async run(side, { mint, fail, pass }) {
      await side.present(await mint());
      const mend = fail("/rbac/", answerJson(500));
      pass(360);
      const answer = await side.present(await mint());
      mend();
      return answer;
    },
    question: { check: CHECK },
  },
  organization_policy_403: {
    ...presents({}),
    question: { check: CHECK },
    spoil: failing("/rbac/organizations/", answerJson(403)),
  },
  // Many at once.
  checks_at_once: {
    async run(side, { mint }) {
      const jwt = await mint();
      return countPassed(await Promise.all(Array.from({ length: CROWD }, () => side.present(jwt))));
    },
    question: { check: CHECK },
  },
  expired_at_once: {
    async run(side, { mint }) {
      const jwt = await mint(EXPIRED);
      return countPassed(await Promise.all(Array.from({ length: CROWD }, () => side.present(jwt))));
    },
  },
  expired_again: {
    async run(side, { mint }) {
      const jwt = await mint(EXPIRED);
      await side.present(jwt);
      return side.present(jwt);
    },
  },
  // Stytch in trouble.
  keys_500: { ...presents({}), spoil: failing("/jwks/", answerJson(500)) },
  keys_500_expired: { ...presents(EXPIRED), spoil: failing("/jwks/", answerJson(500)) },
  renewal_401: answered(answerJson(401, "unauthorized_credentials")),
  renewal_404: answered(answerJson(404, "session_not_found")),
  renewal_403_permission: {
    ...answered(answerJson(403, "session_authorization_error")),
    question: { check: CHECK },
  },
  renewal_429: answered(answerJson(429, "too_many_requests")),
  renewal_500: answered(answerJson(500, "internal_server_error")),
  renewal_html_502: answered(answerHtml(502)),
  renewal_html_200: answered(answerHtml(200)),
  renewal_empty: answered((response) => response.end("{}")),
  renewal_reset: answered((response) => response.destroy()),
  renewal_other_member: {
    async run(side, { mint }) {
      other = await mint();
      return side.present(await mint(EXPIRED));
    },
    spoil: failing(AUTHENTICATE, (response) => response.end(JSON.stringify(otherSession(other)))),
  },
} as const satisfies Readonly<Record<string, StytchScenario>>;

export type StytchScenarioName = keyof typeof STYTCH_SCENARIOS;

/** The JWT that a server hands out in place of the right one. */
let other = "";

/** What depends on the time is made when it is presented. */
function presents(changes: Minting | (() => Minting)): StytchScenario {
  return {
    run: async (side, { mint }) =>
      side.present(await mint(typeof changes === "function" ? changes() : changes)),
  };
}

/** A JWT of the key that took the place of the one that was fetched, so many seconds after the fetch. */
async function presentRotated(side: Side, bench: StytchBench, seconds: number): Promise<string> {
  await side.present(await bench.signIn());
  await bench.rotateKeys();
  bench.pass(seconds);
  return side.present(await bench.signIn());
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}

function presentsText(jwt: string | undefined): StytchScenario {
  return { run: (side) => side.present(jwt) };
}

/** An expired JWT, and a renewal that is answered like this. */
function answered(answer: (response: ServerResponse) => unknown): StytchScenario {
  return { ...presents(EXPIRED), spoil: failing(AUTHENTICATE, answer) };
}

function failing(call: string, answer: (response: ServerResponse) => unknown): (bench: StytchBench) => void {
  return ({ fail }) => fail(call, (response) => void answer(response));
}

function answerJson(status: number, type = "internal_server_error"): (response: ServerResponse) => unknown {
  const body = { status_code: status, request_id: "request-id-test", error_type: type, error_message: type };
  return (response) =>
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

function answerHtml(status: number): (response: ServerResponse) => unknown {
  return (response) => response.writeHead(status, { "content-type": "text/html" }).end("<h1>Hello</h1>");
}

function otherSession(sessionJwt: string): object {
  const member = { member_id: "member_eve_acme", organization_id: "org_acme" };
  return {
    status_code: 200,
    request_id: "request-id-test",
    session_jwt: sessionJwt,
    session_token: "another",
    member,
    organization: { organization_id: "org_acme", organization_name: "Acme", organization_slug: "acme" },
    member_session: {
      member_session_id: "another",
      member_id: member.member_id,
      organization_id: "org_acme",
      organization_slug: "acme",
      roles: ["editor"],
      authentication_factors: [],
      started_at: "2026-01-01T00:00:00Z",
      last_accessed_at: "2026-01-01T00:00:00Z",
      expires_at: "2030-01-01T00:00:00Z",
    },
  };
}

function resign(jwt: string, header: object, sign: (input: string) => string): string {
  const input = `${base64url(JSON.stringify(header))}.${jwt.split(".")[1] ?? ""}`;
  return `${input}.${sign(input)}`;
}

function countPassed(answers: readonly string[]): string {
  const passed = answers.filter((answer) => answer.startsWith(`signed in as ${MEMBER}`)).length;
  return `signed in ${passed} of ${answers.length}`;
}
