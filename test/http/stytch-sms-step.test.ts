import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { B2BClient } from "stytch";
import { fromStytch, type StytchStepUp } from "../../src/stores/stytch/index.ts";
import { JSON_CLIENT } from "../support/browser.ts";
import { organizationId, PROJECT_ID, SECRET } from "../support/fake-stytch-world.ts";
import { tellPending } from "../support/step-ups.ts";
import { makeStytchApp, type StytchApp } from "../support/stytch-app.ts";

const FORM = { Accept: "text/html" };
const GLOBEX = organizationId("globex");
const ADA = "member-test-ada-globex";
const SEND = "POST /v1/b2b/otps/sms/send";
const CHOOSE = { headers: JSON_CLIENT, body: { organization_id: GLOBEX } };

beforeEach(() => {
  // The SDK warns of every server that is not Stytch's own.
  jest.spyOn(console, "warn").mockImplementation(() => undefined);
});

let app: StytchApp;
afterEach(async () => {
  jest.restoreAllMocks();
  await app.close();
});

interface Enrolled {
  readonly phone?: string;
  readonly totp?: string;
  /** What Stytch has sent by itself. */
  readonly initiated?: string | null;
  readonly prefers?: string;
}

/** An application whose `/code` takes the code that was sent, for Ada who must enter one in Globex. */
async function start({ phone = "", totp = "", initiated = null, prefers }: Enrolled): Promise<StytchApp> {
  app = await makeStytchApp({
    routes: (auth, { fake }) => [
      { path: "/pending", handler: tellPending(auth) },
      {
        path: "/code",
        async handler(request, response) {
          const pending = await auth.pendingAuthentication(request);
          const { memberId = "", organizationId: place = "" } = (pending?.stepUp?.details ??
            {}) as StytchStepUp;
          const { otps } = new B2BClient({ project_id: PROJECT_ID, secret: SECRET, env: fake.url });
          const authentication = otps.sms
            .authenticate({
              intermediate_session_token: pending?.pendingAuthenticationToken ?? "",
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
  app.harness.fake.world.stepUps.set(ADA, {
    mfa_required: {
      member_options: { mfa_phone_number: phone, totp_registration_id: totp },
      secondary_auth_initiated: initiated,
    },
    primary_required: null,
    ...(prefers !== undefined && { member: { member_id: ADA, default_mfa_method: prefers } }),
  });
  return app;
}

/** Chooses Globex, and returns what the step needs. */
async function choose() {
  app.nextSignIn = app.harness.fake.world.startDiscovery("ada@example.com");
  const browser = app.browser();
  await browser.post("/sign-in?return_to=/me", { headers: FORM });
  const chosen = await browser.post("/select-organization", CHOOSE);
  expect([chosen.status, chosen.body.reason]).toEqual([401, "mfa_required"]);
  const { body } = await browser.copy().get("/pending", { headers: JSON_CLIENT });
  return { browser, details: body.stepUp.details };
}

const codesSent = (): readonly string[] => app.harness.fake.world.codesSent;

describe("a code by SMS that Stytch requires", () => {
  it("is sent by the store, once for a double click, and completes the sign-in", async () => {
    await start({ phone: "+15551234567" });
    const { browser, details } = await choose();
    await browser.post("/select-organization", CHOOSE);
    expect(codesSent()).toEqual([ADA]);
    expect(details).toMatchObject({ memberId: ADA, secondaryAuthInitiated: "sms_otp" });
    const wrong = await browser.post("/code", { headers: { ...JSON_CLIENT, "X-Code": "000000" } });
    expect(wrong.status).toBe(400);
    const done = await browser.post("/code", { headers: { ...FORM, "X-Code": "123456" } });
    expect([done.status, done.headers["location"]]).toEqual([303, "/me"]);
    expect((await browser.get("/me", { headers: JSON_CLIENT })).body.member).toBe(ADA);
  });

  it("is sent to a phone that the member prefers to her authenticator app", async () => {
    await start({ phone: "+15551234567", totp: "totp-1", prefers: "sms_otp" });
    const { details } = await choose();
    expect([codesSent(), details.secondaryAuthInitiated]).toEqual([[ADA], "sms_otp"]);
  });

  it.each<[string, Enrolled, string | undefined]>([
    ["Stytch has sent it", { phone: "+15551234567", initiated: "sms_otp" }, "sms_otp"],
    ["the member has an authenticator app", { phone: "+15551234567", totp: "totp-1" }, undefined],
    ["the member has no phone", { totp: "totp-1" }, undefined],
    ["the member has not enrolled yet", {}, undefined],
  ])("is not sent where %s", async (_why, enrolled, initiated) => {
    await start(enrolled);
    const { details } = await choose();
    expect([codesSent(), details.secondaryAuthInitiated]).toEqual([[], initiated]);
  });

  it("leaves the step as it is where the code cannot be sent", async () => {
    await start({ phone: "+15551234567" });
    app.harness.fake.fail(SEND, ({ answer }) =>
      answer({ status: 429, body: { status_code: 429, error_type: "too_many_requests" } }),
    );
    const { details } = await choose();
    expect([details.mfaPhoneNumber, details.secondaryAuthInitiated]).toEqual(["+15551234567", undefined]);
  });

  it("is sent for a switch, and the member stays signed in meanwhile", async () => {
    await start({ phone: "+15551234567" });
    const { world } = app.harness.fake;
    app.nextSignIn = world.enter("ada@example.com", { organization_id: organizationId("acme") });
    const browser = app.browser();
    await browser.post("/sign-in", { headers: FORM });
    const switched = await browser.post("/switch", CHOOSE);
    expect([switched.status, switched.body.reason, codesSent()]).toEqual([401, "mfa_required", [ADA]]);
    expect((await browser.get("/me", { headers: JSON_CLIENT })).body.member).toBe("member-test-ada-acme");
  });
});
