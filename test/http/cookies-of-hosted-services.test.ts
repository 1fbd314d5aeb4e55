import { afterEach, describe, expect, it } from "@jest/globals";
import { makeTenancy } from "../support/apps.ts";
import { JSON_CLIENT, setCookiesOf } from "../support/browser.ts";
import { clears } from "../support/servers.ts";
import { type World, claimsOf } from "../support/world.ts";
import { FRONT_END, makeStytchApp, type StytchApp, type StytchAppOptions } from "../support/stytch-app.ts";

const HEADERS = { headers: JSON_CLIENT };
const apps: StytchApp[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

async function start(options: StytchAppOptions = {}): Promise<StytchApp> {
  const app = await makeStytchApp({ orgate: FRONT_END, ...options });
  apps.push(app);
  return app;
}

const USELESS = {
  "too long": "a".repeat(20_000),
  "no token": "useless",
  "a forged token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.AAAA",
};

describe("a good opaque token beside a useless JWT cookie", () => {
  it.each(Object.entries(USELESS))("signs in, and is not cleared with it: %s", async (_what, jwt) => {
    const app = await start();
    const { session } = app.session();
    const browser = app.browser({ stytch_session_jwt: jwt.slice(0, 12_500), stytch_session: session.token });
    const again = browser.copy();
    const received = await browser.get("/me", HEADERS);
    expect([received.status, received.body.member]).toEqual([200, "member-test-bob-acme"]);
    expect(setCookiesOf(received).some(clears)).toBe(false);
    expect(browser.cookies.get("stytch_session")).toBe(session.token);
    expect((await again.get("/me", HEADERS)).status).toBe(200);
    expect(app.harness.fake.asked()).toHaveLength(1);
    expect(app.events.filter(({ type }) => type === "denied")).toEqual([]);
  });

  it("signs in when the JWT's own session has ended", async () => {
    const app = await start();
    const before = app.session();
    before.session.revoked = true;
    app.expire();
    const { session } = app.session();
    const browser = app.browser({ stytch_session_jwt: before.jwt, stytch_session: session.token });
    expect((await browser.get("/me", HEADERS)).status).toBe(200);
    expect(browser.cookies.get("stytch_session")).toBe(session.token);
  });

  it("stays refused when the opaque token is no good either", async () => {
    const app = await start();
    const browser = app.browser({ stytch_session_jwt: "useless", stytch_session: "made-up" });
    const received = await browser.get("/me", HEADERS);
    expect([received.status, received.body.code]).toEqual([401, "invalid_token"]);
  });

  it("is kept, with 503, while Stytch cannot be asked about it", async () => {
    const app = await start();
    const { session } = app.session();
    app.harness.fake.isDown = true;
    const browser = app.browser({ stytch_session_jwt: "useless", stytch_session: session.token });
    const received = await browser.get("/me", HEADERS);
    expect([received.status, setCookiesOf(received)]).toEqual([503, []]);
  });
});

describe("several JWT cookies of one name", () => {
  it("are no obstacle where one of them verifies", async () => {
    const app = await start();
    const { session, jwt } = app.session();
    const Cookie = `stytch_session_jwt=${USELESS["a forged token"]}; stytch_session_jwt=${jwt}; stytch_session=${session.token}`;
    const received = await app.browser().get("/me", { headers: { ...JSON_CLIENT, Cookie } });
    expect([received.status, received.body.member]).toEqual([200, "member-test-bob-acme"]);
    expect(app.harness.fake.asked()).toEqual([]);
  });

  it("are ambiguous where two of different sessions verify", async () => {
    const app = await start();
    const Cookie = ["bob", "ada"].map((name) => `stytch_session_jwt=${app.session(name).jwt}`).join("; ");
    const received = await app.browser().get("/me", { headers: { ...JSON_CLIENT, Cookie } });
    expect([received.status, received.body.code]).toEqual([401, "ambiguous_credential"]);
  });
});

describe("the attributes of a hosted service's cookies", () => {
  const credentials = [
    "bearer" as const,
    { jwtCookie: "stytch_session_jwt", httpOnly: true, domain: "example.com", sameSite: "strict" as const },
  ];
  const ATTRIBUTES = /; Domain=example\.com; Path=\/;.* HttpOnly; Secure; SameSite=Strict$/;

  it("stay as the application says, at a renewal, a sign-in and a sign-out", async () => {
    const app = await start({ orgate: { credentials } });
    const { session, jwt } = app.session();
    const browser = app.browser({ stytch_session_jwt: jwt, stytch_session: session.token });
    app.expire();
    const renewed = setCookiesOf(await browser.get("/me", HEADERS));
    const { world } = app.harness.fake;
    app.nextSignIn = { status: 200, body: { ...world.issue(session), member_authenticated: true } };
    const signedIn = setCookiesOf(await app.browser().post("/sign-in", HEADERS));
    for (const lines of [renewed, signedIn]) {
      expect(lines.map((line) => line.split("=", 1)[0])).toEqual(["stytch_session_jwt", "stytch_session"]);
      for (const line of lines)
        expect(line).toMatch(/Domain=example\.com; Path=\/; HttpOnly; Secure; SameSite=Strict$/);
    }
    const out = setCookiesOf(await browser.post("/sign-out", HEADERS));
    expect(out.filter((line) => ATTRIBUTES.test(line)).map((line) => line.split("=", 1)[0])).toEqual(
      expect.arrayContaining(["stytch_session_jwt", "stytch_session"]),
    );
  });

  it.each([{ httpOnly: "yes" }, { domain: "a b" }, { path: "app" }, { sameSite: "Lax" }, { secure: true }])(
    "are checked at start: %j",
    async (given) => {
      const wrong = { jwtCookie: "stytch_session_jwt", ...given } as never;
      await expect(start({ orgate: { credentials: [wrong] } })).rejects.toMatchObject({
        code: "configuration_invalid",
      });
    },
  );
});

describe("an unsealed JWT that is too long for a cookie", () => {
  const jwtOnly = { credentials: ["bearer" as const, { jwtCookie: "jwt" }] };
  const lengthen = (world: World, token: string): string =>
    world.sign({ ...claimsOf(token), note: "x".repeat(4_000) });

  it("is refused at sign-in, and reported", async () => {
    const app = makeTenancy({
      options: jwtOnly,
      routes: (auth, world) => [
        {
          path: "/long",
          handler: async (request, response) => {
            const { accessToken } = await world.signIn();
            await auth.establish(request, response, { accessToken: lengthen(world, accessToken) });
          },
        },
      ],
    });
    const received = await app.browser.post("/long", HEADERS);
    expect([received.status, received.text, setCookiesOf(received)]).toEqual([500, "session_too_large", []]);
    expect(app.world.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "session_too_large" }),
    );
  });

  it("is not sent at a renewal, so that the browser keeps what it has", async () => {
    const app = makeTenancy({ options: jwtOnly });
    const { accessToken } = await app.world.signIn();
    app.world.clock.now += 306;
    app.world.store.behaviour = async () => ({
      status: "active",
      verifiedAt: app.world.clock.now,
      credential: {
        accessToken: app.world.sign({
          ...claimsOf(accessToken),
          iat: app.world.clock.now,
          exp: app.world.clock.now + 300,
          note: "x".repeat(4_000),
        }),
      },
    });
    app.browser.cookies.set("jwt", accessToken);
    expect(setCookiesOf(await app.browser.get("/me", HEADERS))).toEqual([]);
    expect(app.world.events).toContainEqual(
      expect.objectContaining({ type: "misconfigured", reason: "session_too_large" }),
    );
  });
});
