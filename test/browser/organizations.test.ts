import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from "@jest/globals";
import type { Browser, Page } from "playwright-core";
import { CHROMIUM, describeWith } from "../support/requirements.ts";
import { launchChromium } from "./chromium.ts";
import {
  chooseFromMenu,
  follow,
  overflowOf,
  signInAs,
  startDemo,
  whereIs,
  type DemoWorld,
} from "./demo-world.ts";

jest.setTimeout(60_000);

describeWith(CHROMIUM, "the demo's organizations", () => {
  let browser: Browser;
  let world: DemoWorld;
  let page: Page;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser.close());

  beforeEach(async () => {
    world = await startDemo(browser);
    page = await openBrowser();
  });
  afterEach(() => world.close());

  const openBrowser = async (): Promise<Page> => {
    const opened = await (await world.open()).newPage();
    await opened.goto("/");
    return opened;
  };
  const heading = (tab = page) => tab.getByRole("heading", { level: 1 }).textContent();
  const roles = () => page.locator("[data-live=roles]").textContent();
  const button = (name: string, tab = page) => tab.getByRole("button", { name, exact: true });
  const sessionsOf = (userId: string) => world.authority.listSessions({ userId });
  const codeOnScreen = async () => String(await page.locator(".code").textContent()).trim();

  async function enterCode(code: string): Promise<void> {
    await page.getByLabel("Code for").fill(code);
    await follow(page, button("Go on"));
  }

  it("ask for a code before there is a session, and go on to the requested page", async () => {
    await page.goto("/o/apogee/billing");
    await signInAs(page, "Margaret Hamilton");
    expect(whereIs(page)).toBe("/sign-in/step");
    expect(await heading()).toBe("Enter your code");
    expect(await sessionsOf("user_margaret")).toEqual([]);

    const code = await codeOnScreen();
    const wrong = code === "000 000" ? "000 001" : "000 000";
    await enterCode(wrong);
    expect(await page.getByRole("alert").textContent()).toContain("This is not the code");
    expect(await sessionsOf("user_margaret")).toEqual([]);

    await enterCode(code);
    expect(whereIs(page)).toBe("/o/apogee/billing");
    expect(await heading()).toBe("Billing of Apogee Health");
    const [session] = await sessionsOf("user_margaret");
    expect(session?.authenticationFactors.map(({ type }) => type)).toEqual(["password", "totp"]);
  });

  it("change the code every 30 seconds, and accept the one before for as long", async () => {
    await signInAs(page, "Margaret Hamilton");
    const first = await codeOnScreen();
    world.advance(60);
    await enterCode(first);
    expect(await page.getByRole("alert").count()).toBe(1);
    const second = await codeOnScreen();
    expect(second).not.toBe(first);
    world.advance(30);
    await enterCode(second);
    expect(await heading()).toBe("Documents of Apogee Health");
  });

  it("ask for single sign-on when chosen, which brings a role of its own", async () => {
    await signInAs(page, "Dorothy Vaughan");
    await follow(page, button("Meridian Bank"));
    expect(whereIs(page)).toBe("/sign-in/step");
    expect(await heading()).toBe("Single sign-on");
    expect(await sessionsOf("user_dorothy")).toEqual([]);
    await follow(page, button("Go on as dorothy@example.com"));
    expect(await heading()).toBe("Documents of Meridian Bank");
    expect(await roles()).toBe("viewer, editor");
    expect(await page.getByText("editor, by the SSO connection meridian-saml").count()).toBe(1);
  });

  it("ask for single sign-on on a switch, and leave the session as it was until then", async () => {
    await signInAs(page, "Dorothy Vaughan");
    await follow(page, button("Globex Labs"));
    expect(await heading()).toBe("Documents of Globex Labs");
    await chooseFromMenu(page, "Globex Labs", "Meridian Bank");
    expect(await heading()).toBe("Single sign-on");
    await page.goto("/");
    expect(await heading()).toBe("Documents of Globex Labs");
    await chooseFromMenu(page, "Globex Labs", "Meridian Bank");
    await follow(page, button("Go on as dorothy@example.com"));
    expect(await heading()).toBe("Documents of Meridian Bank");
    const sessions = await sessionsOf("user_dorothy");
    expect(sessions.map(({ organizationId }) => organizationId)).toEqual(["org_meridian"]);
  });

  it("have no step for a browser that began none", async () => {
    await page.goto("/sign-in/step");
    expect(whereIs(page)).toBe("/sign-in");
  });

  it("are entered by an invitation from an administrator", async () => {
    await signInAs(page, "Nora Vance");
    expect(await heading()).toBe("Welcome, Nora Vance");
    await page.goto("/o/acme/documents");
    expect(whereIs(page)).toBe("/mail");

    const grace = await openBrowser();
    await signInAs(grace, "Grace Hopper");
    await follow(grace, grace.getByRole("link", { name: "Members" }));
    await grace.getByLabel("E-mail address").fill("nora@example.com");
    await follow(grace, button("Invite as a viewer", grace));
    expect(await grace.getByRole("listitem").filter({ hasText: "nora@example.com" }).count()).toBe(1);

    await page.reload();
    await follow(page, page.getByRole("link", { name: "Open the invitation" }));
    expect(await heading()).toBe("Join Acme Press");
    await follow(page, button("Accept the invitation"));
    expect(await heading()).toBe("Documents of Acme Press");
    expect(await roles()).toBe("viewer");
    await grace.reload();
    expect(await grace.getByRole("listitem", { name: "Nora Vance" }).count()).toBe(1);
    expect(await button("Revoke", grace).count()).toBe(0);
  });

  it("refuse an invitation that was revoked, and one for a member", async () => {
    await signInAs(page, "Nora Vance");
    await follow(page, button("Have Globex Labs invite you"));
    const invitation = page.getByRole("link", { name: "Open the invitation" });
    const [pending] = await world.authority.listInvitations({ organizationId: "org_globex" });
    await world.authority.revokeInvitation(pending?.id ?? "");
    await follow(page, invitation);
    expect(await heading()).toBe("This invitation cannot be accepted");

    const grace = await openBrowser();
    await signInAs(grace, "Grace Hopper");
    await follow(grace, grace.getByRole("link", { name: "Members" }));
    await grace.getByLabel("E-mail address").fill("ada@example.com");
    await follow(grace, button("Invite as a viewer", grace));
    expect(await grace.getByRole("alert").textContent()).toContain("is a member of the organization already");
  });

  it("are managed by administrators: a role, a lock, a session", async () => {
    await page.goto("/o/acme/documents");
    await signInAs(page, "Ada Lovelace");
    await follow(page, button("Acme Press"));
    const grace = await openBrowser();
    await signInAs(grace, "Grace Hopper");
    await follow(grace, grace.getByRole("link", { name: "Members" }));
    const ada = grace.getByRole("listitem", { name: "Ada Lovelace" });

    await follow(grace, ada.getByRole("button", { name: "viewer" }));
    world.advance(15);
    await page.reload();
    expect(await roles()).toBe("viewer");

    await follow(grace, ada.getByRole("button", { name: "Lock" }));
    expect(await ada.getByText("locked", { exact: true }).count()).toBe(1);
    await page.reload();
    expect(whereIs(page)).toBe("/sign-in?return_to=%2Fo%2Facme%2Fdocuments&organization_id=org_acme");
    await signInAs(page, "Ada Lovelace");
    expect(await page.getByText("403 organization_not_available").count()).toBe(1);

    await follow(grace, ada.getByRole("button", { name: "Unlock" }));
    await page.goto("/o/acme/documents");
    expect(await heading()).toBe("Documents of Acme Press");

    await follow(grace, ada.getByRole("button", { name: "End this session" }));
    await page.reload();
    expect(whereIs(page)).toBe("/sign-in?return_to=%2Fo%2Facme%2Fdocuments");
    expect(await sessionsOf("user_ada")).toEqual([]);
  });

  it("show the page of the members to administrators alone", async () => {
    await page.goto("/o/globex/members");
    await signInAs(page, "Alan Turing");
    expect(await page.getByText("403 permission_denied").count()).toBe(1);
    const sam = await openBrowser();
    await signInAs(sam, "Sam Porter, support");
    await follow(sam, sam.getByRole("link", { name: "Members" }));
    expect(await sam.getByText("403 impersonation_denied").count()).toBe(1);
  });

  it("fit into 320 pixels", async () => {
    page = await (await world.open({ viewport: { width: 320, height: 640 } })).newPage();
    await page.goto("/o/apogee/members");
    await signInAs(page, "Margaret Hamilton");
    expect([whereIs(page), await overflowOf(page)]).toEqual(["/sign-in/step", 0]);
    await enterCode(await codeOnScreen());
    for (const path of ["/o/apogee/members", "/mail"]) {
      await page.goto(path);
      expect([whereIs(page), await overflowOf(page)]).toEqual([path, 0]);
    }
  });
});
