import { oauth, plain, type Answer } from "../support/fake-workos-world.ts";
import type { FakeExchange } from "../support/fake-workos.ts";
import { base64url, generateSigningKey } from "../support/tokens.ts";
import { EXPIRED, now, type Minting, type SealSide, type WorkosBench } from "./workos-sides.ts";

/** How an input is made and presented. Runs once for each side, on one server. */
export interface WorkosScenario {
  /** Spoils the server, for both. */
  readonly spoil?: (bench: WorkosBench) => void;
  readonly run: (side: SealSide, bench: WorkosBench) => Promise<string>;
  /** The cookie password, where it is a poor one. */
  readonly password?: string;
}

const FOREIGN_KEY = generateSigningKey("RS256", "workos-key");
const UNKNOWN_KEY = generateSigningKey("RS256", "retired-key");
const REFRESH = "authenticate refresh_token";
const ALWAYS = Number.MAX_SAFE_INTEGER;

export const WORKOS_SCENARIOS = {
  // The cookie.
  no_cookie: { run: (side) => side.present(undefined) },
  fresh: presents({}),
  garbage: raw("garbage"),
  bad_expiration: raw("Fe26.2*1*a*b*c*x*e*f"),
  bad_base64: raw("Fe26.2*1*a*b*c**e*f~2"),
  proto_password_id: raw("Fe26.2*__proto__*a*b*c**e*f~2"),
  constructor_password_id: raw("Fe26.2*constructor*a*b*c**e*f~2"),
  other_password: presents({ password: "a password that nobody here has ever used" }),
  short_password: { run: async (side, { mint }) => side.present(await mint()), password: "too short" },
  // The token in a good seal.
  other_user: presents({ sealed: { user: { id: "user_ada", email: "ada@example.com" } } }),
  forged: presents({ key: FOREIGN_KEY }),
  unknown_key: presents({ key: UNKNOWN_KEY }),
  unknown_key_expired: presents({ ...EXPIRED, key: UNKNOWN_KEY }),
  alg_none: presents({ accessToken: unsigned() }),
  malformed_token: presents({ accessToken: "not.a.token" }),
  foreign_issuer: presents({ claims: { iss: "https://elsewhere.example.com" } }),
  no_session_claim: presents({ claims: { sid: undefined } }),
  no_expiry: presents({ claims: { exp: undefined } }),
  not_yet_valid: presents(() => ({ claims: { nbf: now() + 3600 } })),
  just_expired: presents(() => ({ claims: { exp: now() - 1, iat: now() - 301 } })),
  expired: presents(EXPIRED),
  // The keys.
  keys_down: { ...presents({}), spoil: ({ fake }) => void (fake.isDown = true) },
  keys_500: { ...presents({}), spoil: answering("/sso/jwks/", plain(500, "internal_error")) },
  // The refresh.
  three_at_once: {
    async run(side, { mint }) {
      const cookie = await mint(EXPIRED);
      const answers = await Promise.all([1, 2, 3].map(() => side.present(cookie).catch(() => "throws")));
      const passed = answers.filter((answer) => answer.startsWith("signed in")).length;
      return `signed in ${passed} of 3`;
    },
  },
  late_request: {
    async run(side, { mint }) {
      const cookie = await mint(EXPIRED);
      await side.present(cookie);
      return side.present(cookie);
    },
  },
  revoked: {
    async run(side, { mint, fake }) {
      const cookie = await mint(EXPIRED);
      for (const session of fake.world.sessions.values()) session.status = "revoked";
      return side.present(cookie);
    },
  },
  refresh_mfa: answered(plain(403, "mfa_enrollment")),
  refresh_sso: answered(oauth(400, "sso_required", { connection_ids: ["conn_1"] })),
  refresh_email_verification: answered(plain(403, "email_verification_required")),
  refresh_selection: answered(plain(403, "organization_selection_required")),
  refresh_no_membership: answered(plain(400, "organization_membership_not_found")),
  refresh_no_organization: answered(plain(400, "organization_not_found")),
  refresh_invalid_client: answered(oauth(400, "invalid_client")),
  refresh_401: answered(oauth(401, "unauthorized")),
  refresh_404: answered(plain(404, "entity_not_found")),
  refresh_409: answered(plain(409, "conflict")),
  refresh_422: answered(plain(422, "invalid_request_parameters")),
  refresh_408: answered(plain(408, "request_timeout")),
  refresh_429: answered({ ...oauth(429, "rate_limited"), headers: { "Retry-After": "7" } }),
  refresh_500: answered(plain(500, "internal_error")),
  refresh_html_502: failing(({ response }) =>
    response.writeHead(502, { "content-type": "text/html" }).end("<h1>Bad gateway</h1>"),
  ),
  refresh_html_200: failing(({ response }) =>
    response.writeHead(200, { "content-type": "text/html" }).end("<h1>Hello</h1>"),
  ),
  refresh_reset: failing(({ request }) => request.socket.destroy()),
  refresh_empty: answered({ status: 200, body: {} }),
  refresh_other_user: failing(({ answer }, { fake }) =>
    answer(fake.world.finish("user_ada", "Password", "org_acme")),
  ),
  // The way out.
  sign_out_expired: { run: async (side, { mint }) => side.signOut(await mint(EXPIRED)) },
} as const satisfies Readonly<Record<string, WorkosScenario>>;

export type WorkosScenarioName = keyof typeof WORKOS_SCENARIOS;

function raw(cookie: string): WorkosScenario {
  return { run: (side) => side.present(cookie) };
}

/** What depends on the time is made when it is presented. */
function presents(changes: Minting | (() => Minting)): WorkosScenario {
  return {
    run: async (side, { mint }) =>
      side.present(await mint(typeof changes === "function" ? changes() : changes)),
  };
}

/** An expired token, and a refresh that is answered like this. */
function answered(answer: Answer): WorkosScenario {
  return failing((exchange) => exchange.answer(answer));
}

function failing(fault: (exchange: FakeExchange, bench: WorkosBench) => unknown): WorkosScenario {
  return {
    ...presents(EXPIRED),
    spoil: (bench) => bench.fake.fail(REFRESH, (exchange) => void fault(exchange, bench), ALWAYS),
  };
}

function answering(call: string, answer: Answer): (bench: WorkosBench) => void {
  return ({ fake }) => fake.fail(call, (exchange) => exchange.answer(answer), ALWAYS);
}

function unsigned(): string {
  const claims = { sub: "user_bob", sid: "session_1", org_id: "org_acme", iat: now(), exp: now() + 300 };
  return `${base64url('{"alg":"none","typ":"JWT"}')}.${base64url(JSON.stringify(claims))}.`;
}
