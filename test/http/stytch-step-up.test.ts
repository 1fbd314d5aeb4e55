import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { B2BClient } from "stytch";
import { fromStytch, type StytchStepUp } from "../../src/stores/stytch/index.ts";
import { EXPRESSES } from "../support/apps.ts";
import { organizationId, PROJECT_ID, SECRET } from "../support/fake-stytch-world.ts";
import { tellPending } from "../support/step-ups.ts";
import { makeStytchApp, type StytchApp, type StytchAppOptions } from "../support/stytch-app.ts";
import { JSON_CLIENT, type Visitor } from "../support/browser.ts";
import { COOKIE } from "../support/world.ts";

const FORM = { Accept: "text/html" };
const GLOBEX = organizationId("globex");
const EXCHANGE = "POST /v1/b2b/discovery/intermediate_sessions/exchange";
const CHOOSE = { headers: JSON_CLIENT, body: { organization_id: GLOBEX } };
const MFA = {
  mfa_required: {
    member_options: { mfa_phone_number: "+15551234567", totp_registration_id: "totp-test-1" },
    secondary_auth_initiated: null,
  },
  primary_required: null,
};
const PRIMARY = { mfa_required: null, primary_required: { allowed_auth_methods: ["sso"] } };
const apps: StytchApp[] = [];

beforeEach(() => {
  // The SDK warns of every server that is not Stytch's own.
  jest.spyOn(console, "warn").mockImplementation(() => undefined);
});

afterEach(async () => {
  jest.restoreAllMocks();
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

/** An application whose `/mfa` takes the code of an authenticator app, by Stytch's own SDK. */
async function start(due: object, options: StytchAppOptions = {}): Promise<StytchApp> {
  const app = await makeStytchApp({
    ...options,
    routes: (auth, { fake }) => [
      { path: "/pending", handler: tellPending(auth) },
      {
        path: "/mfa",
        async handler(request, response) {
          const pending = await auth.pendingAuthentication(request);
          if (pending?.stepUp === undefined) throw new Error("nothing is pending");
          const { memberId = "", organizationId: place = "" } = pending.stepUp.details as StytchStepUp;
          const { totps } = new B2BClient({ project_id: PROJECT_ID, secret: SECRET, env: fake.url });
          const authentication = totps
            .authenticate({
              intermediate_session_token: pending.pendingAuthenticationToken,
              organization_id: place,
              member_id: memberId,
              code: String(request.headers["x-code"]),
            })
            .then(fromStytch);
          await auth.establish(request, response, authentication);
        },
      },
    ],
  });
  apps.push(app);
  const { world } = app.harness.fake;
  world.stepUps.set("member-test-ada-globex", { ...due });
  return app;
}

/** Ada, on the way to /me, who must choose. */
async function begin(app: StytchApp): Promise<Visitor> {
  app.nextSignIn = app.harness.fake.world.startDiscovery("ada@example.com");
  const browser = app.browser();
  await browser.post("/sign-in?return_to=/me", { headers: FORM });
  return browser;
}

function tokensOf({ harness }: StytchApp): string[] {
  return [...harness.fake.world.intermediates.keys()];
}

describe.each(EXPRESSES)("a step-up that Stytch requires, under %s", (framework) => {
  it("is completed by Stytch's SDK with the new intermediate session, and returns to where the sign-in began", async () => {
    const app = await start(MFA, { framework });
    const browser = await begin(app);
    const [old] = tokensOf(app);
    const chosen = await browser.post("/select-organization", CHOOSE);
    const [token = ""] = tokensOf(app);
    expect(token).not.toBe(old);
    expect([chosen.status, chosen.body.code, chosen.body.reason]).toEqual([
      401,
      "reauthentication_required",
      "mfa_required",
    ]);
    expect(`${chosen.text}${JSON.stringify(chosen.headers)}`).not.toMatch(/15551234567|totp-test-1/);
    expect(`${chosen.text}${JSON.stringify(chosen.headers)}`).not.toContain(token);
    expect((await browser.copy().get("/pending", { headers: JSON_CLIENT })).body).toEqual({
      token,
      returnTo: "/me",
      stepUp: {
        reason: "mfa_required",
        details: {
          memberId: "member-test-ada-globex",
          organizationId: GLOBEX,
          mfaPhoneNumber: "+15551234567",
          totpRegistrationId: "totp-test-1",
        },
      },
      shows: false,
    });

    const wrong = await browser.post("/mfa", { headers: { ...JSON_CLIENT, "X-Code": "000000" } });
    expect([wrong.status, app.errors.length]).toEqual([400, 0]);
    const done = await browser.post("/mfa", { headers: { ...FORM, "X-Code": "123456" } });
    expect([done.status, done.headers["location"]]).toEqual([303, "/me"]);
    expect([...browser.cookies.keys()]).toEqual([COOKIE]);
    expect((await browser.get("/me", { headers: JSON_CLIENT })).body.member).toBe("member-test-ada-globex");
  });
});

describe("a step-up that Stytch requires", () => {
  it("is one exchange for a double click, also for a browser that already has the new token", async () => {
    const app = await start(MFA);
    const browser = await begin(app);
    const second = browser.copy();
    const answers = [
      ...(await Promise.all([browser, second].map((one) => one.post("/select-organization", CHOOSE)))),
      await browser.post("/select-organization", CHOOSE),
    ];
    expect(new Set(answers.map(({ body }) => body.reason))).toEqual(new Set(["mfa_required"]));
    expect(app.harness.fake.asked().filter((call) => call === EXCHANGE)).toHaveLength(1);
    for (const one of [browser, second]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      const seen = await one.get("/pending", { headers: JSON_CLIENT });
      expect(seen.body.token).toBe(tokensOf(app)[0]);
    }
  });

  it("is another sign-in when the organization requires another method, and keeps return_to", async () => {
    const app = await start(PRIMARY);
    const browser = await begin(app);
    await browser.post("/select-organization", CHOOSE);
    const { body } = await browser.copy().get("/pending", { headers: JSON_CLIENT });
    expect(body.stepUp).toMatchObject({
      reason: "primary_required",
      details: { allowedAuthMethods: ["sso"], organizationId: GLOBEX },
    });
    const { world } = app.harness.fake;
    const session = world.startSession(world.members.get("member-test-ada-globex")!);
    app.nextSignIn = { status: 200, body: { ...world.issue(session), member_authenticated: true } };
    const done = await browser.post("/sign-in", { headers: FORM });
    expect([done.status, done.headers["location"]]).toEqual([303, "/me"]);
  });

  it("can be left for an organization that does not require it", async () => {
    const app = await start(MFA);
    const browser = await begin(app);
    await browser.post("/select-organization", CHOOSE);
    const page = await browser.get("/select-organization");
    expect([page.status, page.text.includes("ACME")]).toEqual([200, true]);
    const body = `organization_id=${organizationId("acme")}`;
    const done = await browser.post("/select-organization", { headers: FORM, body });
    expect([done.status, done.headers["location"]]).toEqual([303, "/me"]);
  });

  it("continues from the previous intermediate session when Stytch rejects it", async () => {
    const app = await start(MFA);
    const browser = await begin(app);
    const [token] = tokensOf(app);
    app.harness.fake.fail(EXCHANGE, ({ answer }) =>
      answer({ status: 403, body: { status_code: 403, error_type: "insufficient_factors" } }),
    );
    expect((await browser.post("/select-organization", CHOOSE)).body.reason).toBe("insufficient_factors");
    expect((await browser.get("/pending", { headers: JSON_CLIENT })).body).toEqual({
      token,
      returnTo: "/me",
      stepUp: { reason: "insufficient_factors", details: { organizationId: GLOBEX } },
      shows: false,
    });
  });

  it("can be required by the sign-in itself, and by a switch", async () => {
    const app = await start(MFA);
    const { world } = app.harness.fake;
    app.nextSignIn = world.enter("ada@example.com", { organization_id: GLOBEX });
    const browser = app.browser();
    const first = await browser.post("/sign-in?return_to=/me", { headers: JSON_CLIENT });
    expect([first.status, first.body.reason]).toEqual([401, "mfa_required"]);
    const done = await browser.post("/mfa", { headers: { ...FORM, "X-Code": "123456" } });
    expect(done.headers["location"]).toBe("/me");

    app.nextSignIn = world.enter("ada@example.com", { organization_id: organizationId("acme") });
    const member = app.browser();
    await member.post("/sign-in", { headers: FORM });
    const switched = await member.post("/switch?return_to=/fresh", CHOOSE);
    expect([switched.status, switched.body.reason]).toEqual([401, "mfa_required"]);
    expect((await member.get("/me", { headers: JSON_CLIENT })).body.member).toBe("member-test-ada-acme");
    const arrived = await member.post("/mfa", { headers: { ...FORM, "X-Code": "123456" } });
    expect(arrived.headers["location"]).toBe("/fresh");
    expect((await member.get("/me", { headers: JSON_CLIENT })).body.member).toBe("member-test-ada-globex");
  });
});
