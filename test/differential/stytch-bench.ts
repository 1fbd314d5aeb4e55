import type { ServerResponse } from "node:http";
import { jest } from "@jest/globals";
import { createAuthority, memoryDirectory } from "../../src/authority/index.ts";
import { stytchRouter } from "../../src/authority/wire/stytch/index.ts";
import type { Clock } from "../../src/lib/clock.ts";
import { definePolicy } from "../../src/policy/policy.ts";
import { serve } from "../support/servers.ts";
import { generateSigningKey, signToken, type SigningKey } from "../support/tokens.ts";

export const PROJECT_ID = "project-test-11111111-1111-4111-8111-111111111111";
export const SECRET = "secret-test-of-the-differential-tests";
export const MEMBER = "member_bob_acme";
export const SESSION = "https://stytch.com/session";
export const ORGANIZATION = "https://stytch.com/organization";

export type Claims = Readonly<Record<string, unknown>>;

/** What a token is changed in, after the server has signed it. */
export interface Minting {
  /** How many seconds ago the session began. */
  readonly ago?: number;
  /** Claims in place of the server's; `undefined` leaves one out. */
  readonly claims?: Claims;
  /** Members of the session claim, likewise. */
  readonly session?: Claims;
  readonly header?: Claims;
  readonly key?: SigningKey;
}

/** The authority as Stytch, on a port of its own, with what can be minted and spoiled there. */
export interface StytchBench {
  readonly url: string;
  readonly calls: string[];
  readonly key: SigningKey;
  /** The time that the server and orgate go by. */
  readonly clock: Clock;
  /** Sets `Date` forward, which the SDK goes by, and with it the clock. */
  readonly pass: (seconds: number) => void;
  /** A JWT as the server signs it, by the key in force. */
  readonly signIn: () => Promise<string>;
  /** A JWT of a session of its own. */
  readonly mint: (changes?: Minting) => Promise<string>;
  readonly rotateKeys: () => Promise<unknown>;
  readonly revokeAll: () => Promise<unknown>;
  /** Answers every call that contains the text in place of the authority, until what is returned is called. */
  readonly fail: (text: string, answer: (response: ServerResponse) => void) => () => void;
  readonly close: () => void;
}

// RSA takes a while to make.
const KEY = generateSigningKey("RS256", "stytch-key");

const policy = definePolicy({
  resources: { documents: ["read", "write"], billing: ["manage"] },
  roles: { viewer: { documents: ["read"] }, editor: { documents: "*" }, payer: { billing: ["manage"] } },
});

const directory = memoryDirectory({
  users: [{ id: "user_bob", emailAddress: "bob@example.com", name: "Bob" }],
  organizations: [
    { id: "org_acme", slug: "acme", name: "Acme" },
    { id: "org_globex", slug: "globex", name: "Globex" },
  ],
  memberships: [{ id: MEMBER, userId: "user_bob", organizationId: "org_acme", roles: ["viewer"] }],
});

export async function openBench(): Promise<StytchBench> {
  let ago = 0;
  const clock: Clock = () => Date.now() / 1000;
  const jwk = { ...KEY.privateKey.export({ format: "jwk" }), kid: KEY.kid, alg: "RS256", kty: "RSA" };
  const authority = createAuthority({
    issuer: "https://auth.example.com",
    directory,
    policy,
    keys: [jwk],
    clock: () => clock() - ago,
  });
  const router = stytchRouter(authority, { projectId: PROJECT_ID, secret: SECRET });
  const calls: string[] = [];
  const faults: { text: string; answer: (response: ServerResponse) => void }[] = [];
  const server = await serve((request, response) => {
    const call = `${request.method} ${request.url}`;
    calls.push(call);
    const fault = faults.find(({ text }) => call.includes(text));
    if (fault === undefined) router(request, response);
    else request.resume().on("end", () => fault.answer(response));
  });
  const signIn = async (): Promise<string> => {
    const { sessionJwt } = await router.authenticate({
      userId: "user_bob",
      authenticationMethod: "Password",
    });
    return sessionJwt;
  };
  return {
    url: server.url,
    calls,
    key: KEY,
    clock,
    pass: (seconds) => jest.setSystemTime(Date.now() + seconds * 1000),
    signIn,
    async mint({ ago: before = 0, claims, session, header, key = KEY } = {}) {
      ago = before;
      const sessionJwt = await signIn();
      ago = 0;
      const payload = JSON.parse(
        Buffer.from(sessionJwt.split(".")[1] ?? "", "base64url").toString(),
      ) as Claims;
      const nested = { ...(payload[SESSION] as Claims), ...session };
      return signToken(key, { ...payload, [SESSION]: nested, ...claims }, header);
    },
    rotateKeys: () => authority.rotateKeys(),
    revokeAll: () => authority.revoke({ userId: "user_bob" }),
    fail(text, answer) {
      const fault = { text, answer };
      faults.push(fault);
      return () => void faults.splice(faults.indexOf(fault), 1);
    },
    close() {
      void server.close();
      void authority.close();
    },
  };
}
