import type { OrgateOptions } from "../../src/options/options.ts";
import type { Behaviour } from "../support/stores.ts";
import { TROUBLE } from "../support/stores.ts";
import { generateSigningKey, signToken } from "../support/tokens.ts";
import { claimsOf, COOKIE, START } from "../support/world.ts";
import type { SignIn, World } from "../support/world.ts";
import type { Condition, Mood } from "./decision-table.data.ts";

/** What a request brings along. */
export interface Presentation {
  /** The token that is presented, or sealed. */
  readonly token?: string;
  /** In place of a seal around the token. */
  readonly cookie?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** How much later than the sign-in the request comes. */
  readonly later?: number;
  readonly options?: Partial<OrgateOptions>;
}

type Present = (world: World, signIn: SignIn) => Presentation | Promise<Presentation>;

const STRANGER = generateSigningKey("ES256", "the-strangers-key");
const PAST_EXPIRY = 306;

/** Makes each condition of the table. */
export const PRESENTATIONS: Readonly<Record<Condition, Present>> = {
  absent: () => ({}),
  malformed: () => ({ token: "eyJhbGciOiJFUzI1NiJ9.e30" }),
  forged: ({ key }, { accessToken }) => ({
    token: signToken(STRANGER, claimsOf(accessToken), { kid: key.kid }),
  }),
  foreign_issuer: (world, signIn) => ({ token: resign(world, signIn, { iss: "https://other.example" }) }),
  foreign_audience(world, signIn) {
    Object.assign(world.store.tokens, { audience: ["the-application"] });
    return { token: resign(world, signIn, { aud: "another-application" }) };
  },
  foreign_class: (world, signIn) => ({ token: resign(world, signIn, { sid: undefined }) }),
  fresh: (_world, { accessToken }) => ({ token: accessToken }),
  expired: (_world, { accessToken }) => ({ token: accessToken, later: PAST_EXPIRY }),
  too_old: (_world, { accessToken }) => ({ token: accessToken, later: 61, options: { maxTokenAge: 60 } }),
  not_yet_valid: (world, signIn) => ({
    token: resign(world, signIn, { iat: START + 100, nbf: START + 100, exp: START + 400 }),
  }),
  not_a_seal: () => ({ cookie: "certainly-not-a-seal" }),
  tampered: (_world, { seal }) => ({ cookie: flipOne(seal) }),
  too_long: () => ({ cookie: "A".repeat(12_289) }),
  sealed_unknown_key_expired: (_world, { accessToken }) => ({
    token: signToken(STRANGER, claimsOf(accessToken)),
    later: PAST_EXPIRY,
  }),
  sealed_foreign_issuer: (world, signIn) => PRESENTATIONS.foreign_issuer(world, signIn),
  sealed_foreign_audience: (world, signIn) => PRESENTATIONS.foreign_audience(world, signIn),
  sealed_foreign_class: (world, signIn) => PRESENTATIONS.foreign_class(world, signIn),
  sealed_for_another: async ({ seal }, { accessToken, refreshToken }) => ({
    cookie: await seal({ accessToken, refreshToken, user: { id: "user_bob" } }),
  }),
  twice: async ({ signIn }, { seal }) => {
    const other = await signIn({ userId: "user_bob" });
    return { cookie: `${seal}; ${COOKIE}=${other.seal}` };
  },
  twice_one_session: async (world, signIn) => {
    const { refreshToken, user } = signIn;
    const accessToken = resign(world, signIn, { iat: START - 60 });
    const earlier = await world.seal({ accessToken, refreshToken, user: { id: user.id } });
    return { cookie: `${earlier}; ${COOKIE}=${signIn.seal}` };
  },
  twice_one_opens: async (world, signIn) => ({
    cookie: `${await sealElsewhere(world, signIn)}; ${COOKIE}=${signIn.seal}`,
  }),
  twice_one_seal: (_world, { seal }) => ({ cookie: `no-seal; ${COOKIE}=${seal}; ${COOKIE}.0=no-seal` }),
  twice_no_seal: () => ({ cookie: `no-seal; ${COOKIE}=another` }),
  twice_none_opens: async (world, signIn) => ({
    cookie: `${await sealElsewhere(world, signIn)}; ${COOKIE}=${await sealElsewhere(world, signIn)}`,
  }),
  five_seals: async (world, signIn) => {
    const others = await Promise.all([1, 2, 3, 4].map(() => sealElsewhere(world, signIn)));
    return { cookie: [signIn.seal, ...others].join(`; ${COOKIE}=`) };
  },
  keys_down(world, { accessToken }) {
    world.store.keysAreDown = true;
    return { token: accessToken };
  },
  keys_down_expired(world, { accessToken }) {
    world.store.keysAreDown = true;
    return { token: accessToken, later: PAST_EXPIRY };
  },
  cross_site: (_world, { seal }) => ({
    cookie: seal,
    method: "POST",
    headers: { "Sec-Fetch-Site": "cross-site", Origin: "https://evil.example" },
  }),
};

type SetMood = (world: World, signIn: SignIn) => void | Promise<void>;

const behave =
  (behaviour: Behaviour): SetMood =>
  ({ store }) => {
    store.behaviour = behaviour;
  };

/** Puts the store into each mood of the table. */
export const STORE_MOODS: Readonly<Record<Mood, SetMood>> = {
  silent: () => undefined,
  active: () => undefined,
  ended: ({ authority }, { memberSession }) => authority.revoke({ sessionId: memberSession.id }),
  reauthenticate: behave(async () => ({
    status: "reauthenticate",
    reason: "sso_required",
    url: "https://idp.example/sso",
  })),
  unrenewable: behave(async () => ({ status: "unrenewable" })),
  down: behave(TROUBLE.down),
  slow: behave(() => new Promise(() => undefined)),
  overloaded: behave(TROUBLE.overloaded),
  failing: behave(TROUBLE["answers 500"]),
  nonsense: behave(TROUBLE["answers an unknown status"]),
  rotated_unverifiable(world) {
    world.store.behaviour = async (stale, context, ask) => {
      const renewal = await ask(stale, context);
      world.store.keysAreDown = true;
      if (renewal.status !== "active" || renewal.credential === undefined) return renewal;
      const accessToken = signToken(STRANGER, claimsOf(renewal.credential.accessToken), { kid: "a-new-key" });
      return { ...renewal, credential: { ...renewal.credential, accessToken } };
    };
  },
};

/** The same claims but for these, signed by the issuer. */
export function resign(
  { sign }: World,
  { accessToken }: SignIn,
  changes: Readonly<Record<string, unknown>>,
): string {
  return sign({ ...claimsOf(accessToken), ...changes });
}

/** Seals the session as another environment does. */
function sealElsewhere({ seal }: World, { accessToken, refreshToken }: SignIn): Promise<string> {
  return seal({ accessToken, refreshToken }, "the password of another environment, long enough");
}

function flipOne(seal: string): string {
  const at = Math.floor(seal.length / 2);
  return seal.slice(0, at) + (seal[at] === "A" ? "B" : "A") + seal.slice(at + 1);
}
