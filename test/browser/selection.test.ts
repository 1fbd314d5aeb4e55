import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from "@jest/globals";
import type { Browser, Page } from "playwright-core";
import { CHROMIUM, describeWith } from "../support/requirements.ts";
import { launchChromium } from "./chromium.ts";
import {
  chooseFromMenu,
  follow,
  keepPicture,
  overflowOf,
  signInAs,
  startDemo,
  untilLoaded,
  whereIs,
  type DemoWorld,
} from "./demo-world.ts";

jest.setTimeout(60_000);

const DEEP = "/o/acme/billing?month=october";

describeWith(CHROMIUM, "a member of two organizations", () => {
  let browser: Browser;
  let world: DemoWorld;
  let page: Page;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser.close());

  beforeEach(async () => {
    world = await startDemo(browser);
    page = await (await world.open()).newPage();
  });
  afterEach(() => world.close());

  async function signIn(path = "/o/acme/documents"): Promise<void> {
    await page.goto(path);
    await signInAs(page, "Ada Lovelace");
    await follow(page, page.getByRole("button", { name: "Acme Press" }));
  }

  it("signs in, chooses, reaches the requested page, sees why it is denied, switches, and signs out", async () => {
    await page.goto(DEEP);
    expect(whereIs(page)).toBe(`/sign-in?return_to=${encodeURIComponent(DEEP)}`);
    await keepPicture(page, "sign-in");
    await signInAs(page, "Ada Lovelace");
    expect(whereIs(page)).toBe("/select-organization");
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Choose an organization");
    await keepPicture(page, "organization-selection");

    await follow(page, page.getByRole("button", { name: "Acme Press" }));
    expect(whereIs(page)).toBe(DEEP);
    const denial = page.getByRole("main");
    expect(await denial.getByRole("heading", { level: 1 }).textContent()).toBe(
      "You are not allowed to do this",
    );
    const reasons = await denial.locator(".reasons dd").allTextContents();
    expect(reasons).toEqual(["billing:manage", "editor", "admin"]);
    await keepPicture(page, "denied");

    await follow(page, page.getByRole("link", { name: "Back to your documents" }));
    expect(whereIs(page)).toBe("/o/acme/documents");
    await keepPicture(page, "documents");
    await chooseFromMenu(page, "Acme Press", "Globex Labs");
    expect(whereIs(page)).toBe("/o/globex/documents");
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Documents of Globex Labs");

    await chooseFromMenu(page, "Ada Lovelace", "Sign out");
    expect(whereIs(page)).toBe("/sign-in");
    const cookies = await page.context().cookies();
    expect(cookies.map(({ name }) => name)).not.toContain("orgate");
    expect(await world.authority.listSessions({ userId: "user_ada" })).toEqual([]);
  });

  it("can use the back button after choosing and after signing out", async () => {
    await signIn();
    await page.goBack();
    expect(whereIs(page)).toBe("/select-organization");
    await follow(page, page.getByRole("button", { name: "Globex Labs" }));
    expect(whereIs(page)).toBe("/o/globex/documents");
    expect(await world.authority.listSessions({ userId: "user_ada" })).toHaveLength(1);

    await page.goto("/");
    await chooseFromMenu(page, "Ada Lovelace", "Sign out");
    await page.goBack();
    expect(whereIs(page)).toBe("/sign-in?return_to=%2Fo%2Fglobex%2Fdocuments");
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Who are you today?");
  });

  it("can double-click an organization", async () => {
    await page.goto("/o/globex/documents");
    await signInAs(page, "Ada Lovelace");
    const posts: string[] = [];
    page.on("request", (request) => {
      if (request.method() === "POST") posts.push(new URL(request.url()).pathname);
    });
    world.holdFirstAnswer("/select-organization");
    // By coordinates: a locator would wait for the first click's navigation, and nobody's finger does.
    const box = await page.getByRole("button", { name: "Globex Labs" }).boundingBox();
    const click = async (): Promise<void> => {
      const sent = page.waitForRequest((request) => request.method() === "POST");
      await page.mouse.click((box?.x ?? 0) + 20, (box?.y ?? 0) + 20);
      await sent;
    };
    await click();
    await click();
    await page.waitForURL("**/o/globex/documents");
    expect(posts).toEqual(["/select-organization", "/select-organization"]);
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Documents of Globex Labs");
    const sessions = await world.authority.listSessions({ userId: "user_ada" });
    expect(sessions.map(({ organizationId }) => organizationId)).toEqual(["org_globex"]);
  });

  it("cannot write from a tab opened before a switch, in either organization", async () => {
    await signIn();
    const stale = await page.context().newPage();
    await stale.goto("/o/acme/documents");
    await chooseFromMenu(page, "Acme Press", "Globex Labs");
    expect(whereIs(page)).toBe("/o/globex/documents");

    await stale.getByLabel("A new document").fill("Written in the wrong tab");
    await follow(stale, stale.getByRole("button", { name: "Write" }));
    expect(await stale.getByText("403 organization_mismatch").count()).toBe(1);
    await page.reload();
    expect(await page.getByText("Written in the wrong tab").count()).toBe(0);

    await stale.goto("/o/acme/documents");
    await follow(stale, stale.getByRole("button", { name: "Go on as a member of Acme Press" }));
    expect(whereIs(stale)).toBe("/o/acme/documents");
    expect(await stale.getByText("Written in the wrong tab").count()).toBe(0);
  });

  it("must sign in again in a tab opened before signing out, and nothing is written", async () => {
    await signIn();
    const stale = await page.context().newPage();
    await stale.goto("/o/acme/documents");
    await chooseFromMenu(page, "Ada Lovelace", "Sign out");
    expect(whereIs(page)).toBe("/sign-in");

    await stale.getByLabel("A new document").fill("Written by nobody");
    await follow(stale, stale.getByRole("button", { name: "Write" }));
    expect(await stale.getByRole("heading", { level: 1 }).textContent()).toBe("Sign in to continue");
    await follow(stale, stale.getByRole("main").getByRole("link", { name: "Sign in" }));
    await signInAs(stale, "Grace Hopper");
    expect(whereIs(stale)).toBe("/o/acme/documents");
    expect(await stale.getByText("Written by nobody").count()).toBe(0);
  });

  it("can choose with the keyboard alone, with a visible focus", async () => {
    await page.goto("/o/globex/documents");
    await signInAs(page, "Ada Lovelace");
    expect(whereIs(page)).toBe("/select-organization");
    const visited: string[] = [];
    for (let presses = 0; presses < 2; presses++) {
      await page.keyboard.press("Tab");
      const [name, outline] = await page.evaluate<[string, number]>(
        "[document.activeElement.innerText.trim(), parseFloat(getComputedStyle(document.activeElement).outlineWidth)]",
      );
      visited.push(name);
      expect(outline).toBeGreaterThanOrEqual(2);
    }
    expect(visited).toEqual(["Acme Press", "Globex Labs"]);
    await untilLoaded(page, () => page.keyboard.press("Enter"));
    expect(whereIs(page)).toBe("/o/globex/documents");
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Documents of Globex Labs");
  });

  it("sees every page within 320 pixels, also in dark mode", async () => {
    const narrow = await world.open({ viewport: { width: 320, height: 640 }, colorScheme: "dark" });
    page = await narrow.newPage();
    await page.goto("/o/acme/documents");
    expect(await overflowOf(page)).toBe(0);
    await signInAs(page, "Ada Lovelace");
    expect(whereIs(page)).toBe("/select-organization");
    expect(await overflowOf(page)).toBe(0);
    await keepPicture(page, "organization-selection-narrow");
    await follow(page, page.getByRole("button", { name: "Acme Press" }));
    for (const path of ["documents", "billing", "keys", "live"]) {
      await page.goto(`/o/acme/${path}`);
      expect(await overflowOf(page)).toBe(0);
    }
    await page.goto("/o/acme/documents");
    await keepPicture(page, "documents-narrow");
  });
});
