import { WorkOS } from "@workos-inc/node";
import { orgate, type Orgate } from "../../src/orgate.ts";
import { createSealer } from "../../src/lib/crypto.ts";
import type { SealedSession } from "../../src/store.ts";
import { workos } from "../../src/stores/workos/index.ts";
import { makeApp } from "../support/apps.ts";
import { API_KEY, CLIENT_ID, type Fields } from "../support/fake-workos-world.ts";
import { startFakeWorkos, type FakeWorkos } from "../support/fake-workos.ts";
import { signToken, type SigningKey } from "../support/tokens.ts";
import { JSON_CLIENT, openBrowser, setCookiesOf, type Visitor } from "../support/browser.ts";
import { WORKOS_COOKIE } from "../support/workos-app.ts";
import { BASE_URL, PASSWORD } from "../support/world.ts";
import type { Side } from "./observe.ts";

/** A side that can be left, too. */
export interface SealSide extends Side {
  readonly signOut: (cookie: string) => Promise<string>;
}

/** A server, and what can be minted for it. */
export interface WorkosBench {
  readonly fake: FakeWorkos;
  /** A cookie with a session of Bob's of its own, its token's claims and header changed as said. */
  readonly mint: (changes?: Minting) => Promise<string>;
}

export interface Minting {
  readonly claims?: Fields;
  readonly header?: Fields;
  readonly key?: SigningKey;
  /** In place of the token that was signed. */
  readonly accessToken?: string;
  readonly sealed?: Fields;
  readonly password?: string;
}

/** How long ago the token of an expired session expired. */
export const EXPIRED: Minting = { claims: { exp: now() - 3600, iat: now() - 3900 } };

export function now(): number {
  return Math.floor(Date.now() / 1000);
}

export async function openBench(): Promise<WorkosBench> {
  const fake = await startFakeWorkos();
  return {
    fake,
    async mint({ claims, header, key = fake.world.key, accessToken, sealed, password = PASSWORD } = {}) {
      const { body } = fake.world.finish("user_bob", "Password");
      const session = [...fake.world.sessions.values()].at(-1);
      if (session === undefined) throw new Error("there is no session");
      const token = signToken(key, { ...fake.world.claimsOf(session), ...claims }, { typ: "JWT", ...header });
      const seal: SealedSession = {
        accessToken: accessToken ?? token,
        refreshToken: String(body["refresh_token"]),
        user: { id: "user_bob", email: "bob@example.com" },
        organizationId: "org_acme",
        ...sealed,
      };
      return createSealer({ 1: password }).seal(seal);
    },
  };
}

/** The recipe of WorkOS's documents: authenticate, and where that fails, refresh. */
export function openSdk({ port }: FakeWorkos, cookiePassword = PASSWORD): SealSide {
  const { userManagement } = new WorkOS(API_KEY, {
    clientId: CLIENT_ID,
    apiHostname: "127.0.0.1",
    port,
    https: false,
    maxRetries: 0,
  });
  const load = (sessionData: string) => userManagement.loadSealedSession({ sessionData, cookiePassword });
  return {
    async present(cookie) {
      const session = load(cookie ?? "");
      const first = await session.authenticate();
      if (first.authenticated) return `signed in as ${first.user.id}`;
      const reason: string = first.reason;
      if (reason === "no_session_cookie_provided") return `refused: ${reason}`;
      const second = await session.refresh();
      if (second.authenticated) return `signed in as ${second.user?.id}, refreshed after ${reason}`;
      const retryable = "retryable" in second && second.retryable;
      return `${retryable ? "unavailable" : "refused"}: ${reason}, then ${second.reason}`;
    },
    async signOut(cookie) {
      const url = await load(cookie).getLogoutUrl();
      return url.includes("session_id=") ? "signed out, by WorkOS's logout page" : "not signed out";
    },
    close: async () => undefined,
  };
}

/** orgate as middleware before a guarded route. */
export function openOrgate({ url }: FakeWorkos, password = PASSWORD): SealSide {
  const store = workos({ clientId: CLIENT_ID, apiKey: API_KEY, baseUrl: url });
  const auth: Orgate = orgate({ baseUrl: BASE_URL, store, cookie: { password } });
  const { listener } = makeApp("Express 5", {
    before: [auth],
    routes: [
      { path: "/me", guards: [auth.requireAuth()] },
      { path: "/sign-out", guards: [auth.signOut()] },
    ],
  });
  const open = (cookie: string | undefined): Visitor =>
    openBrowser(listener, new Map(cookie === undefined ? [] : [[WORKOS_COOKIE, cookie]]));
  return {
    async present(cookie) {
      const response = await open(cookie).get("/me", { headers: JSON_CLIENT });
      const line = setCookiesOf(response).find((one) => one.startsWith(`${WORKOS_COOKIE}=`));
      const isCleared = line?.includes("Max-Age=0") === true;
      if (response.status === 200) {
        const renewed = line === undefined ? "" : ", renewed";
        return `signed in as ${response.body.member}${renewed}`;
      }
      const kind = response.status === 503 ? "unavailable" : "refused";
      const fate = cookie === undefined ? "" : `, cookie ${isCleared ? "cleared" : "kept"}`;
      return `${kind}: ${response.status} ${response.body.code}${fate}`;
    },
    async signOut(cookie) {
      const visitor = open(cookie);
      const { status } = await visitor.post("/sign-out", { headers: JSON_CLIENT });
      return `${visitor.cookies.size === 0 ? "signed out" : "not signed out"}, ${status}`;
    },
    close: () => auth.close(),
  };
}
