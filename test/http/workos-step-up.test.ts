import { afterEach, describe, expect, it } from "@jest/globals";
import type { Authentication } from "../../src/sign-in/read-outcome.ts";
import type { StepUpDetails, WorkosStore } from "../../src/stores/workos/index.ts";
import type { UnfinishedAuthentication } from "../../src/sign-in/pending.ts";
import { EXPRESSES, type FrameworkName } from "../support/apps.ts";
import { oauth } from "../support/fake-workos-world.ts";
import { tellPending } from "../support/step-ups.ts";
import { JSON_CLIENT, setCookiesOf, type Visitor } from "../support/browser.ts";
import { makeWorkosApp, WORKOS_COOKIE, type WorkosApp } from "../support/workos-app.ts";

const FORM = { Accept: "text/html" };
const SELECT = "POST /user_management/authenticate urn:workos:oauth:grant-type:organization-selection";
const CHOOSE = { headers: JSON_CLIENT, body: { organization_id: "org_globex" } };
const WITH_CODE = { headers: { ...FORM, "X-Code": "123456" } };
const apps: WorkosApp[] = [];

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
});

/** An application whose `/step` takes the code that is due. */
async function start(framework: FrameworkName = "Express 5"): Promise<WorkosApp> {
  const app = await makeWorkosApp({
    framework,
    routes: (auth, store) => [
      { path: "/pending", handler: tellPending(auth) },
      {
        path: "/step",
        async handler(request, response) {
          const pending = await auth.pendingAuthentication(request);
          if (pending === undefined) throw new Error("nothing is pending");
          const code = String(request.headers["x-code"]);
          await auth.establish(request, response, takeStep(store, pending, code));
        },
      },
    ],
  });
  apps.push(app);
  return app;
}

function takeStep(
  store: WorkosStore,
  { pendingAuthenticationToken, stepUp }: UnfinishedAuthentication,
  code: string,
): Promise<Authentication> {
  if (stepUp?.reason === "email_verification_required") {
    return store.authenticateWithEmailVerification({ pendingAuthenticationToken, code });
  }
  // Where WorkOS has not sent the challenge, the application does, for one of these factors.
  const { authenticationFactors = [] } = (stepUp?.details ?? {}) as StepUpDetails;
  const authenticationChallengeId = `challenge of ${authenticationFactors[0]?.id}`;
  return store.authenticateWithTotp({ pendingAuthenticationToken, authenticationChallengeId, code });
}

function signIn(visitor: Visitor, user: string): ReturnType<Visitor["post"]> {
  const headers = { ...JSON_CLIENT, "X-Email": `${user}@example.com`, "X-Password": `pw-${user}` };
  return visitor.post("/password?return_to=/read", { headers });
}

describe.each(EXPRESSES)("a step-up that WorkOS requires, under %s", (framework) => {
  it("continues from the new token after a choice, and returns to where the sign-in began", async () => {
    const app = await start(framework);
    const { world } = app.harness.fake;
    world.guarded.add("org_globex");
    const browser = app.open();
    await signIn(browser, "ada");
    const second = browser.copy();
    const chosen = await browser.post("/select-organization", CHOOSE);
    const [token = ""] = world.pendings.keys();
    expect([chosen.status, chosen.body.code, chosen.body.reason]).toEqual([
      401,
      "reauthentication_required",
      "mfa_challenge",
    ]);
    expect(`${chosen.text}${JSON.stringify(chosen.headers)}`).not.toContain(token);
    expect((await browser.copy().get("/pending", { headers: JSON_CLIENT })).body).toEqual({
      token,
      returnTo: "/read",
      stepUp: {
        reason: "mfa_challenge",
        details: { authenticationFactors: [{ id: "auth_factor_1", type: "totp" }] },
      },
      shows: false,
    });

    // A double click: WorkOS takes neither token for a choice any more.
    for (const one of [second, browser]) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      expect((await one.post("/select-organization", CHOOSE)).body.reason).toBe("mfa_challenge");
    }
    expect(app.harness.fake.calls.filter((call) => call === SELECT)).toHaveLength(1);
    const wrong = await browser.post("/step", { headers: { ...JSON_CLIENT, "X-Code": "000000" } });
    expect([wrong.status, wrong.body.code, setCookiesOf(wrong)]).toEqual([400, "sign_in_failed", []]);
    const done = await browser.post("/step", WITH_CODE);
    expect([done.status, done.headers["location"]]).toEqual([303, "/read"]);
    expect([...browser.cookies.keys()]).toEqual([WORKOS_COOKIE]);
    expect((await browser.get("/read", { headers: JSON_CLIENT })).body.organization).toBe("org_globex");
    expect(app.harness.fake.sent).toContainEqual(
      expect.objectContaining({
        pending_authentication_token: token,
        authentication_challenge_id: "challenge of auth_factor_1",
      }),
    );
  });

  it("leads on to the choice when it comes before it, and keeps return_to", async () => {
    const app = await start(framework);
    const { world } = app.harness.fake;
    const token = world.defer("user_ada");
    world.stepUps.set("user_ada", {
      status: 403,
      body: {
        code: "email_verification_required",
        pending_authentication_token: token,
        email: "ada@example.com",
        email_verification_id: "email_verification_1",
      },
    });
    const browser = app.open();
    const first = await signIn(browser, "ada");
    expect([first.status, first.body.reason]).toEqual([401, "email_verification_required"]);
    expect(first.text).not.toMatch(/ada@example|email_verification_1/);
    const verified = await browser.post("/step", WITH_CODE);
    expect([verified.status, verified.headers["location"]]).toEqual([303, "/select-organization"]);
    const body = "organization_id=org_acme";
    const done = await browser.post("/select-organization", { headers: FORM, body });
    expect([done.status, done.headers["location"]]).toEqual([303, "/read"]);
  });
});

describe("a step-up that WorkOS requires", () => {
  it("for a switch has its challenge made by the store, and the member stays signed in meanwhile", async () => {
    const app = await start();
    const { fake } = app.harness;
    const browser = app.open();
    await signIn(browser, "ada");
    await browser.post("/select-organization", {
      headers: JSON_CLIENT,
      body: { organization_id: "org_acme" },
    });
    fake.fail("refresh_token", ({ answer }) =>
      answer({
        status: 403,
        body: {
          code: "mfa_challenge",
          pending_authentication_token: "pending_of_the_switch",
          authentication_factors: [{ id: "auth_factor_1", type: "totp" }],
        },
      }),
    );
    fake.fail("/auth/factors/auth_factor_1/challenge", ({ answer }) =>
      answer({ status: 201, body: { id: "auth_challenge_1" } }),
    );
    const switched = await browser.post("/switch", CHOOSE);
    expect([switched.status, switched.body.reason]).toEqual([401, "mfa_challenge"]);
    const { body } = await browser.copy().get("/pending", { headers: JSON_CLIENT });
    expect([body.token, body.stepUp.details.authenticationChallengeId]).toEqual([
      "pending_of_the_switch",
      "auth_challenge_1",
    ]);
    expect((await browser.get("/read", { headers: JSON_CLIENT })).body.organization).toBe("org_acme");
  });

  it("by single sign-on brings no token: the pending authentication is kept, with its return target", async () => {
    const app = await start();
    const { world } = app.harness.fake;
    const browser = app.open();
    await signIn(browser, "ada");
    const [token] = world.pendings.keys();
    const sso = { connection_ids: ["conn_1"], pending_authentication_token: null };
    app.harness.fake.fail(SELECT, ({ answer }) => answer(oauth(403, "sso_required", sso)));
    expect((await browser.post("/select-organization", CHOOSE)).body.reason).toBe("sso_required");
    expect((await browser.copy().get("/pending", { headers: JSON_CLIENT })).body).toEqual({
      token,
      returnTo: "/read",
      stepUp: { reason: "sso_required", details: { connectionIds: ["conn_1"] } },
      shows: false,
    });
    const out = await browser.get("/sign-in?login_hint=bob@example.com", { headers: FORM });
    const hosted = await fetch(String(out.headers["location"]), { redirect: "manual" });
    const { pathname, search } = new URL(String(hosted.headers.get("location")));
    const back = await browser.get(`${pathname}${search}`, { headers: FORM });
    expect([back.status, back.headers["location"]]).toEqual([303, "/read"]);
  });
});
