import { afterAll, afterEach, beforeAll, beforeEach, expect, it, jest } from "@jest/globals";
import type { Browser, Page } from "playwright-core";
import { CHROMIUM, describeWith } from "../support/requirements.ts";
import { launchChromium } from "./chromium.ts";
import {
  chooseFromMenu,
  follow,
  keepPicture,
  signInAs,
  startDemo,
  whereIs,
  type DemoWorld,
} from "./demo-world.ts";

jest.setTimeout(60_000);

describeWith(CHROMIUM, "the demo", () => {
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
    await page.goto("/");
  });
  afterEach(() => world.close());

  const live = (name: string) => page.locator(`[data-live=${name}]`);
  const numberOf = async (name: string) => Number(await live(name).textContent());
  const waitForText = (name: string, text: string) =>
    page.locator(`[data-live=${name}]`, { hasText: new RegExp(`^${text}$`) }).waitFor();

  it("shows a renewed token, with one call to the store, while the page is open", async () => {
    await signInAs(page, "Grace Hopper");
    await waitForText("left", "15");
    const before = await numberOf("local");
    world.advance(10);
    await waitForText("left", "5");
    expect(await numberOf("store")).toBe(0);
    world.advance(5);
    await waitForText("store", "1");
    expect(await numberOf("left")).toBe(15);
    expect(await numberOf("local")).toBeGreaterThan(before);
    expect(await live("recent").textContent()).toContain("token expired");
    await keepPicture(page.getByLabel("What orgate did"), "renewal");
  });

  it("uses a changed role after the renewal, or at once on a page that asks the store", async () => {
    await signInAs(page, "Grace Hopper");
    await follow(page, page.getByRole("button", { name: "none" }));
    expect(await live("roles").textContent()).toBe("admin");
    world.advance(15);
    await waitForText("roles", "none");
    await page.reload();
    expect(await page.getByText("403 permission_denied").count()).toBe(1);

    await follow(page, page.getByRole("button", { name: "viewer" }));
    await follow(page, page.getByRole("link", { name: "asks the store" }));
    expect(whereIs(page)).toBe("/o/acme/live");
    expect(await live("roles").textContent()).toBe("viewer");
  });

  it("writes and deletes documents with any title", async () => {
    await signInAs(page, "Grace Hopper");
    const title = '<img src=x onerror=alert(1)> & "co"';
    await page.getByLabel("A new document").fill(title);
    await follow(page, page.getByRole("button", { name: "Write" }));
    const written = page.getByRole("listitem").filter({ hasText: title });
    expect(await written.count()).toBe(1);
    await follow(page, page.getByRole("button", { name: `Delete ${title}` }));
    expect(whereIs(page)).toBe("/o/acme/documents");
    expect(await written.count()).toBe(0);
  });

  it("denies billing to a support engineer who acts as the administrator", async () => {
    await signInAs(page, "Sam Porter, support");
    expect(await page.getByText("sam@support.example").isVisible()).toBe(true);
    await follow(page, page.getByRole("link", { name: "Billing" }));
    expect(await page.getByText("403 impersonation_denied").count()).toBe(1);
    expect(await page.getByRole("button", { name: "admin" }).count()).toBe(0);
  });

  it("asks for a fresh sign-in, and returns to the page", async () => {
    await signInAs(page, "Grace Hopper");
    await follow(page, page.getByRole("link", { name: "API keys" }));
    expect(whereIs(page)).toBe("/o/acme/keys");
    world.advance(61);
    await page.reload();
    expect(whereIs(page)).toBe("/sign-in?return_to=%2Fo%2Facme%2Fkeys&max_age=60");
    expect(await page.getByRole("alert").textContent()).toContain("fresh sign-in");
    await signInAs(page, "Grace Hopper");
    expect(whereIs(page)).toBe("/o/acme/keys");
  });

  it("signs out everywhere: another browser must sign in again", async () => {
    await signInAs(page, "Grace Hopper");
    const other = await (await world.open()).newPage();
    await other.goto("/");
    await signInAs(other, "Grace Hopper");
    await chooseFromMenu(page, "Grace Hopper", "Sign out everywhere");
    expect(whereIs(page)).toBe("/sign-in");
    await other.goto("/o/acme/documents");
    expect(whereIs(other)).toBe("/sign-in?return_to=%2Fo%2Facme%2Fdocuments");
  });

  it("works without JavaScript", async () => {
    const plain = await (await world.open({ javaScriptEnabled: false })).newPage();
    await plain.goto("/o/globex/documents");
    await signInAs(plain, "Ada Lovelace");
    await follow(plain, plain.getByRole("button", { name: "Globex Labs" }));
    expect(await plain.locator("[data-live=left]").textContent()).toBe("15");
    world.advance(15);
    await follow(plain, plain.getByRole("link", { name: "Look again" }));
    expect(await plain.locator("[data-live=store]").textContent()).toBe("1");
    await chooseFromMenu(plain, "Globex Labs", "Acme Press");
    await plain.getByLabel("A new document").fill("Plain");
    await follow(plain, plain.getByRole("button", { name: "Write" }));
    expect(await plain.getByText("Plain", { exact: true }).count()).toBe(1);
  });
});
