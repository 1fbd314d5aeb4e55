import { describe, expect, it } from "@jest/globals";
import { closeAfterEach, FRAMEWORKS, start, withCookie, type Harness } from "../support/apps.ts";
import { NAVIGATION } from "../support/browser.ts";
import { TROUBLE } from "../support/stores.ts";
import { makeWorld } from "../support/world.ts";

closeAfterEach();

const SIGN_IN = { signIn: { path: "/sign-in" } } as const;
const TO_SIGN_IN = "/sign-in?return_to=%2Fdocuments";

describe.each(FRAMEWORKS)("a browser without a session on %s", (framework) => {
  const startApp = (): Promise<Harness> => start({ framework, options: SIGN_IN });

  it.each<[string, Record<string, string>]>([
    ["a navigation", NAVIGATION],
    ["HTML among others, without fetch metadata", { Accept: "application/json, text/html;q=0.1" }],
  ])("is redirected to sign in: %s", async (_what, headers) => {
    const { send, reached } = await startApp();
    const { status, headers: got, body } = await send({ path: "/documents?page=2&q=a%20b", headers });
    expect({ status, location: got.location, body, reached }).toEqual({
      status: 303,
      location: "/sign-in?return_to=%2Fdocuments%3Fpage%3D2%26q%3Da%2520b",
      body: "",
      reached: [],
    });
    expect(got.vary).toBe("Cookie, Authorization");
    expect(got["cache-control"]).toBe("private, no-store");
  });

  it.each<[string, string, Record<string, string>]>([
    ["an API client", "GET", { Accept: "application/json" }],
    ["any type", "GET", { Accept: "*/*" }],
    ["no Accept", "GET", {}],
    ["a script's fetch", "GET", { ...NAVIGATION, "Sec-Fetch-Mode": "cors" }],
    ["a frame's subresource", "GET", { ...NAVIGATION, "Sec-Fetch-Mode": "no-cors" }],
    ["a same-origin fetch", "GET", { ...NAVIGATION, "Sec-Fetch-Mode": "same-origin" }],
    ["a WebSocket", "GET", { ...NAVIGATION, "Sec-Fetch-Mode": "websocket" }],
    ["HEAD", "HEAD", NAVIGATION],
    ["a script's form", "POST", { ...NAVIGATION, "Sec-Fetch-Mode": "cors" }],
    ["PUT", "PUT", NAVIGATION],
  ])("gets 401 and no redirect: %s", async (_what, method, headers) => {
    const { send, reached } = await startApp();
    const { status, headers: got } = await send({ method, headers });
    expect([status, got.location, got["content-type"], reached]).toEqual([
      401,
      undefined,
      "application/problem+json",
      [],
    ]);
  });
});

describe("where a browser is redirected", () => {
  it("there is no redirect when the application has no sign-in page", async () => {
    const { send } = await start();
    const { status, headers } = await send({ headers: NAVIGATION });
    expect([status, headers.location]).toEqual([401, undefined]);
  });

  it.each<[string, (world: ReturnType<typeof makeWorld>) => Promise<Record<string, string>>]>([
    [
      "a revoked session",
      async (world) => {
        const { seal } = await world.signIn();
        await world.authority.revoke({ userId: "user_ada" });
        return withCookie(seal);
      },
    ],
    ["a cookie that is not ours", async () => withCookie("garbage")],
    [
      "a session that cannot be renewed",
      async (world) => {
        const { seal } = await world.signIn();
        world.store.behaviour = async () => ({ status: "unrenewable" });
        world.clock.now += 306;
        return withCookie(seal);
      },
    ],
  ])("the browser goes to the sign-in page: %s", async (_what, present) => {
    const { world, send } = await start({ options: SIGN_IN });
    const { status, headers } = await send({ headers: { ...NAVIGATION, ...(await present(world)) } });
    expect([status, headers.location]).toEqual([303, TO_SIGN_IN]);
  });

  it("the browser goes to the organization's identity provider when the store requires it", async () => {
    const { world, send } = await start({ options: SIGN_IN });
    const { seal } = await world.signIn();
    world.store.behaviour = async () => ({
      status: "reauthenticate",
      reason: "sso_required",
      url: "https://idp.example/sso",
    });
    world.clock.now += 306;
    const { status, headers } = await send({ headers: { ...NAVIGATION, ...withCookie(seal) } });
    expect([status, headers.location]).toEqual([303, "https://idp.example/sso"]);
  });

  it("the browser signs in again, with max_age, when the authentication is too old", async () => {
    const { world, send } = await start({
      options: SIGN_IN,
      routes: (auth) => [{ path: "/documents", guards: [auth.requireRecentAuth({ maxAge: 60 })] }],
    });
    const { seal } = await world.signIn();
    world.clock.now += 61;
    const { status, headers } = await send({ headers: { ...NAVIGATION, ...withCookie(seal) } });
    expect([status, headers.location]).toEqual([303, `${TO_SIGN_IN}&max_age=60`]);
  });

  it.each([
    ["the default page", {}, "/select-organization?return_to=%2Fdocuments"],
    ["its own page", { organizationSelection: { path: "/choose" } }, "/choose?return_to=%2Fdocuments"],
  ])("the browser goes to the organization selection: %s", async (_what, options, location) => {
    const { world, send } = await start({
      options,
      routes: (auth) => [{ path: "/documents", guards: [auth.requireOrganization()] }],
    });
    const { seal } = await world.signIn({ userId: "user_nora" });
    const { status, headers } = await send({ headers: { ...NAVIGATION, ...withCookie(seal) } });
    expect([status, headers.location]).toEqual([303, location]);
  });

  it("there is no redirect when the store is down, because nobody is signed out", async () => {
    const { world, send } = await start({ options: SIGN_IN });
    const { seal } = await world.signIn();
    world.store.behaviour = TROUBLE.down;
    world.clock.now += 306;
    const { status, headers, setCookies } = await send({ headers: { ...NAVIGATION, ...withCookie(seal) } });
    expect([status, headers.location, setCookies]).toEqual([503, undefined, []]);
  });

  it("there is no redirect when a permission is missing", async () => {
    const { world, send } = await start({
      options: SIGN_IN,
      routes: (auth) => [{ path: "/documents", guards: [auth.requirePermission("billing", "manage")] }],
    });
    const { seal } = await world.signIn({ userId: "user_vera" });
    const { status, headers } = await send({ headers: { ...NAVIGATION, ...withCookie(seal) } });
    expect([status, headers.location]).toEqual([403, undefined]);
  });

  it.each(["/sign-in", "/sign-in?return_to=/documents", "/sign-in?x"])(
    "the sign-in page never redirects to itself: %s",
    async (path) => {
      const { send } = await start({
        options: SIGN_IN,
        routes: (auth) => [{ path: "/sign-in", guards: [auth.requireAuth()] }],
      });
      const { status, headers } = await send({ path, headers: NAVIGATION });
      expect([status, headers.location]).toEqual([401, undefined]);
    },
  );

  it("the selection page never redirects to itself", async () => {
    const { world, send } = await start({
      routes: (auth) => [{ path: "/select-organization", guards: [auth.requireOrganization()] }],
    });
    const { seal } = await world.signIn({ userId: "user_nora" });
    const headers = { ...NAVIGATION, ...withCookie(seal) };
    const { status, headers: got } = await send({ path: "/select-organization", headers });
    expect([status, got.location]).toEqual([403, undefined]);
  });

  it("the return target has the whole path inside a mounted application", async () => {
    const { send } = await start({
      framework: "Connect",
      options: SIGN_IN,
      routes: (auth) => [{ path: "/admin", guards: [auth.requireAuth()] }],
    });
    const { headers } = await send({ path: "/admin/users?all=1", headers: NAVIGATION });
    expect(headers.location).toBe("/sign-in?return_to=%2Fadmin%2Fusers%3Fall%3D1");
  });
});

describe("R-16: the return_to of a hostile request line", () => {
  it.each([
    ["//evil.example/x", "/"],
    ["/\\evil.example", "/"],
    ["///evil.example", "/"],
    ["/%2f%2fevil.example", "/%2f%2fevil.example"],
    ["http://evil.example/x", "/"],
    ["/.//evil.example", "/"],
    ["/..//evil.example", "/"],
    ["/a/../..//evil.example", "/"],
    ["/documents;@evil.example", "/documents;@evil.example"],
    ["/documents?next=//evil.example", "/documents?next=//evil.example"],
  ])("stays on this site: %s", async (target, expected) => {
    const world = makeWorld();
    const { sendRaw } = await start({
      world,
      options: SIGN_IN,
      before: (auth) => [auth, auth.requireAuth()],
    });
    const answer = await sendRaw(
      `GET ${target} HTTP/1.1\r\nHost: evil.example\r\nAccept: text/html\r\nConnection: close\r\n\r\n`,
    );
    const location = /^location: (.*)\r$/im.exec(answer)?.[1] ?? "";
    expect(answer).toMatch(/^HTTP\/1\.1 303 /);
    expect(location).toBe(`/sign-in?${new URLSearchParams({ return_to: expected }).toString()}`);
  });
});

async function signInOnce({ send, world }: Harness): Promise<string> {
  const first = await send({ headers: NAVIGATION });
  const [line = ""] = first.setCookies;
  expect([first.status, line]).toEqual([
    303,
    expect.stringMatching(
      /^__Host-orgate-bounce=[\w-]{16}\.\d+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    ),
  ]);
  // As the sign-in that follows leaves it.
  return `${line.split(";", 1)[0]}.${Math.floor(world.clock.now)}`;
}

describe("a browser that returns from sign-in without a session", () => {
  it("gets a page that says so within ten seconds", async () => {
    const harness = await start({ options: SIGN_IN });
    const bounced = await signInOnce(harness);
    harness.world.clock.now += 9;
    const { status, headers, body } = await harness.send({ headers: { ...NAVIGATION, Cookie: bounced } });
    expect([status, headers["content-type"], headers.location]).toEqual([
      401,
      "text/html; charset=utf-8",
      undefined,
    ]);
    expect(body).toContain("accepts cookies");
    expect(body).toContain('href="/sign-in?return_to=%2Fdocuments"');
    expect(body).not.toMatch(/<script/i);
    expect(headers["content-security-policy"]).toContain("default-src 'none'");
    expect(headers["www-authenticate"]).toBe('Bearer realm="app.example.com"');
  });

  it("is redirected again after ten seconds", async () => {
    const harness = await start({ options: SIGN_IN });
    const bounced = await signInOnce(harness);
    harness.world.clock.now += 10;
    const { status } = await harness.send({ headers: { ...NAVIGATION, Cookie: bounced } });
    expect(status).toBe(303);
  });

  it("is redirected again from another page", async () => {
    const harness = await start({ options: SIGN_IN });
    const bounced = await signInOnce(harness);
    const headers = { ...NAVIGATION, Cookie: bounced };
    const { status } = await harness.send({ path: "/documents?page=2", headers });
    expect(status).toBe(303);
  });

  it.each([
    "x",
    ".",
    "a.b",
    "AAAAAAAAAAAAAAAA.99999999999",
    "AAAAAAAAAAAAAAAA.-1",
    "AAAAAAAAAAAAAAAA.NaN",
    "%00",
  ])("is redirected to sign in despite a forged loop cookie %s", async (mark) => {
    const { send } = await start({ options: SIGN_IN });
    const { status } = await send({ headers: { ...NAVIGATION, Cookie: `__Host-orgate-bounce=${mark}` } });
    expect(status).toBe(303);
  });

  it("R-43: sees the requested address escaped in the page", async () => {
    const harness = await start({ options: SIGN_IN });
    const path = "/documents?q=%22%3E%3Cimg%20src=x%20onerror=alert(1)%3E'\"";
    const first = await harness.send({ path, headers: NAVIGATION });
    const [cookie] = (first.setCookies[0] ?? "").split(";");
    const headers = { ...NAVIGATION, Cookie: `${cookie}.${Math.floor(harness.world.clock.now)}` };
    const { status, body } = await harness.send({ path, headers });
    expect(status).toBe(401);
    expect(body).not.toMatch(/<img|onerror=alert\(1\)>/);
  });
});
