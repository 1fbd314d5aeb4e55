import { describe, expect, it } from "@jest/globals";
import type { AcceptInvitationView } from "../../src/sign-in/invitation-page.ts";
import { FRAMEWORKS, makeTenancy, SELECTION, type Tenancy, type TenancyOptions } from "../support/apps.ts";
import { JSON_CLIENT, NAVIGATION, setCookiesOf, type Visitor } from "../support/browser.ts";

const FORM = { Accept: "text/html" };
const JOIN = "/join";

function makeApp(options: TenancyOptions = {}): Tenancy {
  const app = makeTenancy({
    ...options,
    routes: (auth) => [{ path: JOIN, guards: [auth.acceptInvitation({ returnTo: "/documents" })] }],
  });
  app.world.directory.addOrganization({ id: "org_initech", name: "Initech <b>" });
  return app;
}

const invite = ({ world }: Tenancy, emailAddress: string): Promise<{ readonly token: string }> =>
  world.authority.invite({ emailAddress, organizationId: "org_initech", roles: ["viewer"] });

const show = (browser: Visitor, token: string, headers: Record<string, string> = NAVIGATION) =>
  browser.get(`${JOIN}?invitation_token=${encodeURIComponent(token)}`, { headers });

/** Posts the form as the page has it, or what a program posts. */
const accept = (browser: Visitor, token: string, headers: Record<string, string> = FORM) =>
  browser.post(`${JOIN}?return_to=%2Fdocuments`, { headers, body: { invitation_token: token } });

describe.each(FRAMEWORKS)("accepting an invitation on %s", (framework) => {
  it("shows who invites, and continues the session there", async () => {
    const app = makeApp({ framework });
    const { token } = await invite(app, "bob@example.com");
    const browser = await app.signIn("user_bob");
    const page = await show(browser, token);
    expect([page.status, page.headers["cache-control"], page.headers["referrer-policy"]]).toEqual([
      200,
      "private, no-store",
      "no-referrer",
    ]);
    expect(page.text).toContain("Join Initech &lt;b&gt;");
    expect(page.text).toContain(`value="${token}"`);
    expect(page.text).toContain('action="/join?return_to=%2Fdocuments"');
    const accepted = await accept(browser, token);
    expect([accepted.status, accepted.headers["location"]]).toEqual([303, "/documents"]);
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_initech" });
    expect(await app.world.directory.membership("user_bob", "org_initech")).toMatchObject({
      roles: ["viewer"],
    });
    expect(await app.countSessions("user_bob")).toBe(1);
    expect(app.errors).toEqual([]);
  });

  it("goes with the choice of an organization", async () => {
    const app = makeApp({ framework });
    const { token } = await invite(app, "ada@example.com");
    const browser = await app.signIn("user_ada");
    expect(await app.whoIs(browser)).toMatchObject({ member: null });
    const accepted = await accept(browser, token);
    expect([accepted.status, accepted.headers["location"]]).toEqual([303, "/documents"]);
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_initech" });
    expect([...browser.cookies.keys()]).toEqual(["__Host-orgate"]);
  });
});

describe("accepting an invitation", () => {
  it("sends a stranger to sign in, and back to the invitation", async () => {
    const app = makeApp();
    const { token } = await invite(app, "bob@example.com");
    const asked = await accept(app.browser, token);
    expect(asked.status).toBe(401);
    const [, link = ""] = /href="([^"]+)"/.exec(asked.text) ?? [];
    const address = new URL(link.replaceAll("&amp;", "&"), "https://app.example.com");
    expect(address.pathname).toBe("/sign-in");
    const returnTo = address.searchParams.get("return_to");
    expect(returnTo).toBe(`/join?invitation_token=${token}&return_to=%2Fdocuments`);
    const browser = await app.signIn("user_bob", `/sign-in?return_to=${encodeURIComponent(returnTo ?? "")}`);
    expect((await browser.get(returnTo ?? "")).text).toContain("Accept the invitation");
    expect((await accept(app.browser, token, JSON_CLIENT)).body.code).toBe("unauthenticated");
  });

  it("tells a program what it is for, and signs it in", async () => {
    const app = makeApp();
    const { token } = await invite(app, "bob@example.com");
    const browser = await app.signIn("user_bob");
    const described = await show(browser, token, JSON_CLIENT);
    expect(described.body).toEqual({
      invitation: {
        organization: { id: "org_initech", name: "Initech <b>" },
        email_address: "bob@example.com",
        expires_at: "2027-01-22T08:00:00.000Z",
      },
      return_to: "/documents",
    });
    const accepted = await accept(browser, token, JSON_CLIENT);
    expect([accepted.status, accepted.body.status, accepted.body.organization.id]).toEqual([
      200,
      "authenticated",
      "org_initech",
    ]);
  });

  it("makes the membership once for a double click, and answers both alike", async () => {
    const app = makeApp();
    const { token } = await invite(app, "bob@example.com");
    const browser = await app.signIn("user_bob");
    const clicks = await Promise.all([accept(browser.copy(), token), accept(browser.copy(), token)]);
    expect(clicks.map(({ status }) => status)).toEqual([303, 303]);
    expect(await app.countSessions("user_bob")).toBe(1);
  });

  it.each<[string, (app: Tenancy, token: string) => Promise<string>, string]>([
    ["made up", async () => "made-up", "invitation_invalid"],
    [
      "revoked",
      async (app, token) => {
        const invitation = await app.world.authority.readInvitation(token);
        await app.world.authority.revokeInvitation(invitation?.id ?? "");
        return token;
      },
      "invitation_invalid",
    ],
    [
      "for another address",
      async (app) => (await invite(app, "vera@example.com")).token,
      "invitation_cannot_be_used_for_email",
    ],
  ])("is refused for one that is %s; the session stays", async (_name, change, reason) => {
    const app = makeApp();
    const { token } = await invite(app, "bob@example.com");
    const given = await change(app, token);
    const browser = await app.signIn("user_bob");
    const page = await accept(browser, given);
    expect([page.status, page.headers["content-type"]]).toEqual([400, "text/html; charset=utf-8"]);
    expect(page.text).toContain("This invitation cannot be accepted");
    expect(setCookiesOf(page)).toEqual([]);
    expect(app.world.events).toContainEqual(
      expect.objectContaining({ type: "rejected", code: "sign_in_failed", reason }),
    );
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_acme" });
    expect(await app.world.directory.membership("user_bob", "org_initech")).toBeUndefined();
  });

  it.each(["", "?invitation_token=", "?invitation_token=a&invitation_token=b", "?invitation_token=%00"])(
    "has no page for %j",
    async (query) => {
      const app = makeApp();
      const page = await app.browser.get(`${JOIN}${query}`);
      expect([page.status, page.text.includes("This invitation cannot be accepted")]).toEqual([400, true]);
    },
  );

  it.each<[string, string | object]>([
    ["no token", {}],
    ["two tokens", "invitation_token=a&invitation_token=b"],
    ["a token that is an object", { invitation_token: {} }],
  ])("refuses %s", async (_name, body) => {
    const app = makeApp();
    const browser = await app.signIn("user_bob");
    const answer = await browser.post(JOIN, { headers: JSON_CLIENT, body });
    expect([answer.status, answer.body.code]).toEqual([400, "invalid_request"]);
  });

  it("refuses a form that another site sent", async () => {
    const app = makeApp();
    const { token } = await invite(app, "bob@example.com");
    const browser = await app.signIn("user_bob");
    const headers = { ...NAVIGATION, "Sec-Fetch-Site": "cross-site", Origin: "https://evil.test" };
    const answer = await browser.post(JOIN, { headers, body: `invitation_token=${token}` });
    expect(answer.status).toBe(403);
    expect(await app.world.authority.readInvitation(token)).toBeDefined();
  });

  it("answers 503 while the directory is down, and spends nothing", async () => {
    const app = makeApp();
    const { token } = await invite(app, "bob@example.com");
    const browser = await app.signIn("user_bob");
    app.world.directory.addMembership = () => Promise.reject(new Error("down"));
    const down = await accept(browser, token, JSON_CLIENT);
    expect([down.status, down.body.code, setCookiesOf(down)]).toEqual([503, "store_unavailable", []]);
    expect(await app.world.authority.readInvitation(token)).toBeDefined();
  });

  it("never shows the token in an event or in another address", async () => {
    const app = makeApp();
    const { token } = await invite(app, "bob@example.com");
    const browser = await app.signIn("user_bob");
    await show(browser, token);
    const accepted = await accept(browser, token);
    const seen = JSON.stringify([app.world.events, accepted.headers]);
    expect(seen).not.toContain(token);
  });

  it("renders the application's own page", async () => {
    const views: AcceptInvitationView[] = [];
    const app = makeTenancy({
      routes: (auth) => [
        {
          path: JOIN,
          guards: [
            auth.acceptInvitation({
              render(view, _request, response) {
                views.push(view);
                response.end("ours");
              },
            }),
          ],
        },
      ],
    });
    app.world.directory.addOrganization({ id: "org_initech", name: "Initech" });
    const { token } = await invite(app, "bob@example.com");
    expect((await show(app.browser, token)).text).toBe("ours");
    expect(views).toEqual([
      {
        organization: { id: "org_initech", name: "Initech" },
        emailAddress: "bob@example.com",
        expiresAt: "2027-01-22T08:00:00.000Z",
        invitationToken: token,
        action: "/join",
        returnTo: "/",
      },
    ]);
  });

  it("is a configuration mistake for a store without invitations", () => {
    const overrides = () => ({ joinOrganization: undefined }) as never;
    const app = makeTenancy({ overrides });
    expect(() => app.auth.acceptInvitation()).toThrow(/joinOrganization/);
    expect(() => app.auth.acceptInvitation({ render: "page" as never })).toThrow(/render/);
  });

  it("leaves the organization selection as it was", async () => {
    const app = makeApp();
    await invite(app, "ada@example.com");
    const browser = await app.signIn("user_ada");
    const list = await browser.get(SELECTION, { headers: JSON_CLIENT });
    expect(list.body.organizations).toHaveLength(2);
  });
});
