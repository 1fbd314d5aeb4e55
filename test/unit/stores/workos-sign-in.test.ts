import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { BeginSignInOptions } from "../../../src/store.ts";
import type { WorkosOutcome } from "../../../src/stores/workos/index.ts";
import { makeWorkosHarness, type WorkosHarness } from "../../support/workos-harness.ts";

const CALLBACK = "https://app.example.com/callback";
const CONTEXT = { ipAddress: "192.0.2.7", signal: new AbortController().signal };

let harness: WorkosHarness;

beforeEach(async () => {
  harness = await makeWorkosHarness({ redirectUri: CALLBACK });
});

afterEach(() => harness.close());

interface Begun {
  readonly query: URLSearchParams;
  readonly state: unknown;
}

/** Begins a sign-in and goes to the hosted page, which sends the browser straight back. */
async function goOut(options: BeginSignInOptions = { loginHint: "bob@example.com" }): Promise<Begun> {
  const { url, state } = harness.store.beginSignIn(options);
  const response = await fetch(url, { redirect: "manual" });
  const back = new URL(response.headers.get("location") ?? "");
  // What is sealed comes back as JSON.
  return { query: back.searchParams, state: JSON.parse(JSON.stringify(state)) };
}

function comeBack({ query, state }: Begun): Promise<WorkosOutcome> {
  return harness.store.completeSignIn(query, state, CONTEXT) as Promise<WorkosOutcome>;
}

function exchanges(): number {
  return harness.fake.calls.filter((call) => call.endsWith("authorization_code")).length;
}

describe("beginSignIn", () => {
  it("makes an authorization URL with PKCE and the given options", () => {
    const { url, state } = harness.store.beginSignIn({
      organizationId: "org_acme",
      loginHint: "ada@example.com",
      screenHint: "sign-up",
      maxAge: 0,
      invitationToken: "inv",
    });
    const { origin, pathname, searchParams } = new URL(url);
    const { state: flow, codeVerifier } = state as { state: string; codeVerifier: string };

    expect(origin + pathname).toBe(`${harness.fake.url}/user_management/authorize`);
    expect(Object.fromEntries(searchParams)).toEqual({
      response_type: "code",
      client_id: "client_test",
      redirect_uri: CALLBACK,
      provider: "authkit",
      state: flow,
      code_challenge: createHash("sha256").update(codeVerifier).digest("base64url"),
      code_challenge_method: "S256",
      organization_id: "org_acme",
      login_hint: "ada@example.com",
      screen_hint: "sign-up",
      max_age: "0",
      invitation_token: "inv",
    });
    expect(codeVerifier).toMatch(/^[\w-]{43}$/);
    expect(url).not.toContain(codeVerifier);
  });

  it("makes another state each time", () => {
    const [one, two] = [harness.store.beginSignIn({}), harness.store.beginSignIn({})];

    expect(one.state).not.toEqual(two.state);
  });

  it("accepts another redirectUri, and throws without one", async () => {
    const elsewhere = "https://admin.example.com/callback";
    const { url } = harness.store.beginSignIn({ redirectUri: elsewhere });
    expect(new URL(url).searchParams.get("redirect_uri")).toBe(elsewhere);

    const lost = await makeWorkosHarness();
    expect(() => lost.store.beginSignIn({})).toThrow("redirectUri");
    lost.close();
  });

  it("sends no screen_hint to a provider other than AuthKit", async () => {
    const google = await makeWorkosHarness({ redirectUri: CALLBACK, provider: "GoogleOAuth" });
    const { searchParams } = new URL(google.store.beginSignIn({ screenHint: "sign-up" }).url);
    google.close();

    expect(searchParams.get("provider")).toBe("GoogleOAuth");
    expect(searchParams.has("screen_hint")).toBe(false);
  });
});

describe("completeSignIn", () => {
  it("signs in with the code", async () => {
    expect(await comeBack(await goOut())).toMatchObject({
      status: "authenticated",
      credential: { user: { id: "user_bob" } },
    });
    expect(harness.fake.sent.at(-1)).toMatchObject({
      ip_address: "192.0.2.7",
      client_secret: "sk_test_a2V5",
    });
  });

  it("signs in to the requested organization, or requires a selection", async () => {
    const loginHint = "ada@example.com";

    expect(await comeBack(await goOut({ loginHint, organizationId: "org_globex" }))).toMatchObject({
      credential: { organizationId: "org_globex" },
    });
    expect(await comeBack(await goOut({ loginHint }))).toMatchObject({ status: "selection_required" });
  });

  it("refuses without a call when AuthKit sends an error", async () => {
    const begun = await goOut({ loginHint: "nobody@example.com" });

    expect(await comeBack(begun)).toEqual({
      status: "refused",
      code: "sign_in_failed",
      reason: "access_denied",
    });
    expect(exchanges()).toBe(0);
  });

  it("R-16: does not repeat an error that is not a code", async () => {
    const { query, state } = await goOut();
    query.set("error", "<script>");

    expect(await comeBack({ query, state })).toMatchObject({ reason: "unknown" });
  });

  it.each<[string, (begun: Begun, other: Begun) => Begun]>([
    ["another flow's state", ({ query }, { state }) => ({ query, state })],
    ["no state", ({ query, state }) => (query.delete("state"), { query, state })],
    [
      "the state twice",
      ({ query, state }) => (query.append("state", query.get("state") ?? ""), { query, state }),
    ],
    ["a state that is not ours", ({ query }) => ({ query, state: null })],
    [
      "a state that is half of ours",
      ({ query, state }) => ({ query, state: { state: (state as { state: string }).state } }),
    ],
    ["no code", ({ query, state }) => (query.delete("code"), { query, state })],
    ["two codes", ({ query, state }) => (query.append("code", "x"), { query, state })],
  ])("R-17: refuses without a call: %s", async (_, change) => {
    const changed = change(await goOut(), await goOut());

    expect(await comeBack(changed)).toMatchObject({ status: "refused", code: "sign_in_failed" });
    expect(exchanges()).toBe(0);
  });

  it("R-17: refuses a code of another flow's verifier", async () => {
    const [mine, theirs] = [await goOut(), await goOut()];
    mine.query.set("code", theirs.query.get("code") ?? "");

    expect(await comeBack(mine)).toMatchObject({
      status: "refused",
      code: "sign_in_failed",
      reason: "invalid_grant",
    });
  });
});
