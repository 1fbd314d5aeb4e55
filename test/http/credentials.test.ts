import { describe, expect, it } from "@jest/globals";
import type { CredentialOption } from "../../src/options/cookie.ts";
import type { OrgateOptions } from "../../src/options/options.ts";
import { closeAfterEach, EXPRESSES, start, withBearer, withCookie } from "../support/apps.ts";
import { clears, cookiesSet, type Received } from "../support/servers.ts";
import { bearerOf, COOKIE, cookieOf, makeWorld, PASSWORD, type SignIn } from "../support/world.ts";

closeAfterEach();

const ADA = "user_ada:org_acme";
const BOB = "user_bob:org_acme";

/** Status, and who it was or why not. */
function outcomeOf({ status, body }: Received): [number, unknown] {
  const { member, code } = JSON.parse(body) as { member?: unknown; code?: unknown };
  return [status, member ?? code];
}

describe("R-11: which credential decides", () => {
  const JWT_COOKIE: CredentialOption = { jwtCookie: "session_jwt" };

  it.each<[string, readonly CredentialOption[] | undefined, [number, string]]>([
    ["bearer before cookie, by default", undefined, [200, ADA]],
    ["bearer before cookie", ["bearer", "cookie"], [200, ADA]],
    ["cookie before bearer", ["cookie", "bearer"], [200, BOB]],
    ["cookies alone", ["cookie"], [200, BOB]],
    ["bearer alone", ["bearer"], [200, ADA]],
    ["a JWT in a cookie alone", [JWT_COOKIE], [401, "unauthenticated"]],
  ])("follows the configured order: %s", async (_what, credentials, expected) => {
    const { world, send } = await start({ options: credentials === undefined ? {} : { credentials } });
    const [ada, bob] = [await world.signIn(), await world.signIn({ userId: "user_bob" })];
    const received = await send({ headers: { ...withBearer(ada.accessToken), ...withCookie(bob.seal) } });
    expect(outcomeOf(received)).toEqual(expected);
  });

  it.each<[string, readonly CredentialOption[], (signIn: SignIn) => Record<string, string>, string]>([
    [
      "a bad bearer before a good cookie",
      ["bearer", "cookie"],
      ({ seal }) => ({ Authorization: "Bearer garbage", ...withCookie(seal) }),
      "invalid_token",
    ],
    [
      "an empty bearer before a good cookie",
      ["bearer", "cookie"],
      ({ seal }) => ({ Authorization: "Bearer ", ...withCookie(seal) }),
      "invalid_token",
    ],
    [
      "a bad cookie before a good bearer",
      ["cookie", "bearer"],
      ({ accessToken }) => ({ ...withBearer(accessToken), ...withCookie("garbage") }),
      "invalid_session",
    ],
    [
      "a bad JWT cookie before a good seal",
      [JWT_COOKIE, "cookie"],
      ({ seal }) => ({ Cookie: `session_jwt=garbage; ${cookieOf(seal)}` }),
      "invalid_token",
    ],
  ])("%s: only the first one present decides", async (_what, credentials, present, code) => {
    const { world, send, reached } = await start({ options: { credentials } });
    const received = await send({ headers: present(await world.signIn()) });
    expect([...outcomeOf(received), reached]).toEqual([401, code, []]);
  });

  it.each([
    ["Basic", "Basic YWRhOnNlY3JldA=="],
    ["Digest", 'Digest username="ada"'],
    ["a scheme that begins alike", "BearerX abc"],
    ["DPoP", "DPoP abc"],
    ["no scheme", "abc"],
  ])(
    "leaves an Authorization header with another scheme to the application: %s",
    async (_what, authorization) => {
      const { world, send } = await start();
      const { seal } = await world.signIn();
      const received = await send({ headers: { ...withCookie(seal), Authorization: authorization } });
      expect(outcomeOf(received)).toEqual([200, ADA]);
    },
  );

  it.each(["Bearer ", "bearer ", "BEARER ", "Bearer   "])(
    "reads the scheme without regard to case: %p",
    async (scheme) => {
      const { world, send } = await start();
      const { accessToken } = await world.signIn();
      expect(outcomeOf(await send({ headers: { Authorization: scheme + accessToken } }))).toEqual([200, ADA]);
    },
  );

  it.each(["token", "access_token", "session_jwt", "jwt", "authorization"])(
    "never reads a token from the query: %s",
    async (name) => {
      const { world, send, reached } = await start();
      const { accessToken } = await world.signIn();
      const { status } = await send({ path: `/documents?${name}=${accessToken}` });
      expect([status, reached]).toEqual([401, []]);
    },
  );

  it("never reads a token from the body or from a header of another name", async () => {
    const { world, send, reached } = await start();
    const { accessToken, seal } = await world.signIn();
    const names = [
      "X-Authorization",
      "X-Access-Token",
      "X-Session-Jwt",
      "Session-Jwt",
      "Proxy-Authorization",
      "X-Member",
      "X-WorkOS-Session",
      "X-Forwarded-Authorization",
    ];
    const headers = Object.fromEntries(names.map((name) => [name, bearerOf(accessToken)]));
    const { status } = await send({
      method: "POST",
      headers: { ...headers, "Content-Type": "application/x-www-form-urlencoded" },
      body: `access_token=${accessToken}&${COOKIE}=${seal}`,
    });
    expect([status, reached]).toEqual([401, []]);
  });
});

describe.each(EXPRESSES)("R-11: two Authorization headers, on %s", (framework) => {
  it.each([
    [
      "the same token twice",
      (signIn: SignIn) => [bearerOf(signIn.accessToken), bearerOf(signIn.accessToken)],
    ],
    ["a good one first", (signIn: SignIn) => [bearerOf(signIn.accessToken), "Bearer garbage"]],
    ["a good one last", (signIn: SignIn) => ["Bearer garbage", bearerOf(signIn.accessToken)]],
    ["Basic first", (signIn: SignIn) => ["Basic YTpi", bearerOf(signIn.accessToken)]],
  ])("the request is ambiguous: %s", async (_what, present) => {
    const { world, sendRaw, reached } = await start({ framework });
    const lines = present(await world.signIn()).map((value) => `Authorization: ${value}\r\n`);
    const answer = await sendRaw(
      `GET /documents HTTP/1.1\r\nHost: localhost\r\n${lines.join("")}Connection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 401 [\s\S]*"code":"ambiguous_credential"/);
    expect(reached).toEqual([]);
  });
});

describe("a JWT in a cookie", () => {
  const OPTIONS: Partial<OrgateOptions> = { credentials: [{ jwtCookie: "session_jwt" }], cookie: {} };

  it("signs in without a cookie password, and is renewed in its own cookie", async () => {
    const { world, send } = await start({ options: OPTIONS });
    const { accessToken } = await world.signIn();
    const headers = { Cookie: `session_jwt=${accessToken}` };
    expect(outcomeOf(await send({ headers }))).toEqual([200, ADA]);
    world.clock.now += 306;
    const renewed = await send({ headers });
    expect(outcomeOf(renewed)).toEqual([200, ADA]);
    const token = cookiesSet(renewed).get("session_jwt") ?? "";
    expect(token.split(".")).toHaveLength(3);
    expect(outcomeOf(await send({ headers: { Cookie: `session_jwt=${token}` } }))).toEqual([200, ADA]);
    expect(world.store.questions.length).toBe(1);
  });

  it.each(["garbage", "a.b.c"])("is rejected when it is %s", async (value) => {
    const { send, reached } = await start({ options: OPTIONS });
    const received = await send({ headers: { Cookie: `session_jwt=${value}` } });
    expect([...outcomeOf(received), reached]).toEqual([401, "invalid_token", []]);
  });

  it("must pass the cross-site check like every cookie", async () => {
    const { world, send } = await start({ options: OPTIONS });
    const { accessToken } = await world.signIn();
    const headers = { Cookie: `session_jwt=${accessToken}`, "Sec-Fetch-Site": "cross-site" };
    expect(outcomeOf(await send({ method: "POST", headers }))).toEqual([403, "cross_site_request"]);
  });
});

describe("R-14: session cookies that are too large for one cookie", () => {
  const CLAIMS = { customClaims: { note: "x".repeat(2_500) } };

  /** Signs in with a session too long for one cookie, and lets it be renewed. */
  async function renewLong(): Promise<{
    received: Received;
    cookies: [string, string][];
    send: Awaited<ReturnType<typeof start>>["send"];
  }> {
    const { world, send } = await start({ options: { maxTokenAge: 60 } });
    const { seal } = await world.signIn(CLAIMS);
    const half = Math.ceil(seal.length / 2);
    world.clock.now += 61;
    const received = await send({
      headers: { Cookie: `${COOKIE}.0=${seal.slice(0, half)}; ${COOKIE}.1=${seal.slice(half)}` },
    });
    return { received, cookies: [...cookiesSet(received)].filter(([, value]) => value !== ""), send };
  }

  it("are split into chunks that browsers keep", async () => {
    const { received, cookies, send } = await renewLong();
    expect(outcomeOf(received)).toEqual([200, ADA]);
    expect(cookies.map(([name]) => name)).toEqual(cookies.map((_, index) => `${COOKIE}.${index}`));
    expect(cookies.length).toBeGreaterThan(1);
    expect(received.setCookies.filter((line) => line.length > 4096)).toEqual([]);
    const header = cookies.map(([name, value]) => `${name}=${value}`).join("; ");
    expect(outcomeOf(await send({ headers: { Cookie: header } }))).toEqual([200, ADA]);
  });

  it("are joined whatever the order of the chunks", async () => {
    const { cookies, send } = await renewLong();
    const header = cookies
      .toReversed()
      .map(([name, value]) => `${name}=${value}`)
      .join("; ");
    expect(outcomeOf(await send({ headers: { Cookie: `theme=dark; ${header}; a=b` } }))).toEqual([200, ADA]);
  });

  it.each<[string, (cookies: [string, string][]) => [string, string][]]>([
    ["the last chunk missing", (cookies) => cookies.slice(0, -1)],
    [
      "chunks exchanged",
      (cookies) => cookies.map(([name], index) => [name, cookies.at(-1 - index)?.[1] ?? ""]),
    ],
  ])("are rejected and cleared with %s", async (_what, spoil) => {
    const { cookies, send } = await renewLong();
    const spoilt = spoil(cookies);
    const header = spoilt.map(([name, value]) => `${name}=${value}`).join("; ");
    const received = await send({ headers: { Cookie: header } });
    expect(outcomeOf(received)).toEqual([401, "invalid_session"]);
    expect(received.setCookies.every(clears)).toBe(true);
    expect([...cookiesSet(received).keys()]).toEqual(spoilt.map(([name]) => name));
  });

  it("leave no old chunks behind when the session gets shorter", async () => {
    const { world, send } = await start({ options: { maxTokenAge: 60 } });
    const { seal } = await world.signIn();
    world.clock.now += 61;
    const received = await send({
      headers: { Cookie: `${COOKIE}.0=${seal}; ${COOKIE}.1=left-over; ${COOKIE}.2=left-over` },
    });
    expect(outcomeOf(received)).toEqual([200, ADA]);
    const set = cookiesSet(received);
    expect([
      set.get(COOKIE)?.startsWith("Fe26"),
      set.get(`${COOKIE}.0`),
      set.get(`${COOKIE}.1`),
      set.get(`${COOKIE}.2`),
    ]).toEqual([true, "", "", ""]);
  });

  it("do not include a cookie with a similar name", async () => {
    const { world, send } = await start();
    const { seal } = await world.signIn();
    const neighbours = [
      `${COOKIE}.x=1`,
      `${COOKIE}x=2`,
      `x${COOKIE}=3`,
      `${COOKIE}.00=4`,
      `${COOKIE}.01=5`,
      `${COOKIE}.100=6`,
      `${COOKIE}.=7`,
      `__host-orgate=8`,
      `${COOKIE}.0.0=9`,
    ];
    const received = await send({ headers: { Cookie: [...neighbours, cookieOf(seal)].join("; ") } });
    expect([outcomeOf(received), received.setCookies]).toEqual([[200, ADA], []]);
    const alone = await send({ headers: { Cookie: neighbours.join("; ") } });
    expect([outcomeOf(alone), alone.setCookies]).toEqual([[401, "unauthenticated"], []]);
  });

  it("are not sent when they are too large: 503, and the new refresh token is kept", async () => {
    const { world, send } = await start();
    const { seal } = await world.signIn();
    world.clock.now += 306;
    world.store.behaviour = async (stale, context, ask) => {
      const renewal = await ask(stale, context);
      if (renewal.status !== "active" || renewal.credential === undefined) return renewal;
      return { ...renewal, credential: { ...renewal.credential, note: "x".repeat(12_000) } };
    };
    const { status, setCookies } = await send({ headers: withCookie(seal) });
    expect([status, setCookies.length]).toEqual([503, 1]);
    expect(world.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "session_too_large" }),
    );
  });
});

describe("R-12: duplicates of the session cookie", () => {
  it("count as one credential when all values are the same", async () => {
    const { world, send } = await start();
    const { seal } = await world.signIn();
    expect(outcomeOf(await send({ headers: { Cookie: `${cookieOf(seal)}; ${cookieOf(seal)}` } }))).toEqual([
      200,
      ADA,
    ]);
  });

  it("are ambiguous across two Cookie headers as well", async () => {
    const { world, sendRaw } = await start();
    const [ada, bob] = [await world.signIn(), await world.signIn({ userId: "user_bob" })];
    const answer = await sendRaw(
      `GET /documents HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookieOf(ada.seal)}\r\nCookie: ${cookieOf(bob.seal)}\r\nConnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 401 [\s\S]*"code":"ambiguous_credential"/);
  });

  it("are ambiguous when one is whole and one is in chunks", async () => {
    const { world, send } = await start();
    const { seal } = await world.signIn();
    const other = await world.signIn({ userId: "user_bob" });
    const received = await send({ headers: { Cookie: `${cookieOf(seal)}; ${COOKIE}.0=${other.seal}` } });
    expect(outcomeOf(received)).toEqual([401, "ambiguous_credential"]);
    expect([...cookiesSet(received).keys()].toSorted()).toEqual([COOKIE, `${COOKIE}.0`]);
  });

  it("are cleared host-only when none is a seal", async () => {
    const { send } = await start({ options: { cookie: { name: "session", password: PASSWORD } } });
    const { setCookies } = await send({ headers: { Cookie: "session=a; session=b" } });
    expect(setCookies.map(clears)).toEqual([true]);
    expect(setCookies.map((line) => /; Domain=([^;]+)/.exec(line)?.[1])).toEqual([undefined]);
  });

  it("are cleared for the configured domain too when none is a seal", async () => {
    const { send } = await start({ options: { cookie: { domain: "example.com", password: PASSWORD } } });
    const { setCookies } = await send({ headers: { Cookie: "__Secure-orgate=a; __Secure-orgate=b" } });
    expect(setCookies.map((line) => /; Domain=([^;]+)/.exec(line)?.[1])).toEqual([undefined, "example.com"]);
    expect(setCookies.every(clears)).toBe(true);
  });

  it.each([
    ["a space before the name", " \t"],
    ["a no-break space before the name", "\u00a0"],
    ["quotes", '"'],
  ])("use the browser's cookie or none, with %s", async (_what, prefix) => {
    const { world, send } = await start();
    const { seal } = await world.signIn();
    const received = await send({ headers: { Cookie: `a=b;${prefix}${cookieOf(seal)}` } });
    expect(outcomeOf(received)).toEqual(prefix === " \t" ? [200, ADA] : [401, "unauthenticated"]);
  });
});

describe("the cookie's attributes", () => {
  it.each<[string, Partial<OrgateOptions>, string, string]>([
    ["https", {}, "__Host-orgate", "Path=/; HttpOnly; Secure; SameSite=Lax"],
    ["http", { baseUrl: "http://localhost:3000" }, "orgate", "Path=/; HttpOnly; SameSite=Lax"],
    [
      "a domain",
      { cookie: { password: PASSWORD, domain: "example.com" } },
      "__Secure-orgate",
      "Domain=example.com; Path=/; HttpOnly; Secure; SameSite=Lax",
    ],
    [
      "a path",
      { cookie: { password: PASSWORD, path: "/app" } },
      "__Secure-orgate",
      "Path=/app; HttpOnly; Secure; SameSite=Lax",
    ],
    [
      "strict",
      { cookie: { password: PASSWORD, sameSite: "strict" } },
      "__Host-orgate",
      "Path=/; HttpOnly; Secure; SameSite=Strict",
    ],
    [
      "a name",
      { cookie: { password: PASSWORD, name: "wos-session" } },
      "wos-session",
      "Path=/; HttpOnly; Secure; SameSite=Lax",
    ],
  ])("follow from %s", async (_what, options, name, attributes) => {
    const { world, send } = await start({ options });
    const { seal } = await world.signIn();
    world.clock.now += 306;
    const { setCookies } = await send({ headers: { Cookie: cookieOf(seal, name) } });
    expect(setCookies.map((line) => line.replace(/=[^;]+;/, "=;"))).toEqual([
      `${name}=; Max-Age=${30 * 86_400 - 306}; ${attributes}`,
    ]);
  });

  it("use the lifetime that the application sets", async () => {
    const { world, send } = await start({ options: { cookie: { password: PASSWORD, maxAge: 600 } } });
    const { seal } = await world.signIn();
    world.clock.now += 306;
    const { setCookies } = await send({ headers: withCookie(seal) });
    expect(setCookies[0]).toContain("; Max-Age=600;");
  });
});

describe("R-38: rotated cookie passwords", () => {
  const NEWER = "the second of the cookie passwords, long enough too";

  it("unseal with an older password, seal with the newest, and reject a removed one", async () => {
    const world = makeWorld();
    const { seal } = await world.signIn();
    const both = await start({ world, options: { cookie: { password: [NEWER, PASSWORD] } } });
    expect(outcomeOf(await both.send({ headers: withCookie(seal) }))).toEqual([200, ADA]);
    world.clock.now += 306;
    const renewed = cookiesSet(await both.send({ headers: withCookie(seal) })).get(COOKIE) ?? "";
    const newest = await start({ world, options: { cookie: { password: { 2: NEWER } } } });
    expect(outcomeOf(await newest.send({ headers: withCookie(renewed) }))).toEqual([200, ADA]);
    const dropped = await newest.send({ headers: withCookie(seal) });
    expect(outcomeOf(dropped)).toEqual([401, "invalid_session"]);
    expect(dropped.setCookies.map(clears)).toEqual([true]);
    const oldest = await start({ world, options: { cookie: { password: PASSWORD } } });
    expect(outcomeOf(await oldest.send({ headers: withCookie(renewed) }))).toEqual([401, "invalid_session"]);
  });

  it.each(["__proto__", "constructor", "toString", "02", "0", "-1", "1e0", "", "9".repeat(64)])(
    "cannot be found by a hostile password id: %p",
    async (id) => {
      const { world, send, reached } = await start();
      const { seal } = await world.signIn();
      const parts = seal.split("*");
      const forged = [parts[0], id, ...parts.slice(2)].join("*");
      const received = await send({ headers: withCookie(forged) });
      expect([...outcomeOf(received), reached]).toEqual([401, "invalid_session", []]);
    },
  );
});
