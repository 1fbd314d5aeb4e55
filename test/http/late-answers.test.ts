import { describe, expect, it } from "@jest/globals";
import { makeTenancy, type Tenancy } from "../support/apps.ts";
import { JSON_CLIENT, setCookiesOf, type Visitor } from "../support/browser.ts";
import { COOKIE } from "../support/world.ts";

function latch(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

/** An application with a public page that answers when it is told to. */
function slowApp(): { readonly app: Tenancy; readonly entered: Promise<void>; readonly letGo: () => void } {
  const [entered, released] = [latch(), latch()];
  const app = makeTenancy({
    routes: () => [
      {
        path: "/slow",
        handler: async (_request, response) => {
          entered.open();
          await released.opened;
          response.end("late");
        },
      },
    ],
  });
  return { app, entered: entered.opened, letGo: released.open };
}

const HEADERS = { headers: JSON_CLIENT };
const signIn = (visitor: Visitor, userId: string): ReturnType<Visitor["post"]> =>
  visitor.post("/sign-in", { headers: { ...JSON_CLIENT, "X-User": userId } });

describe("a page that answers late", () => {
  it.each([
    ["signed out", (visitor: Visitor) => visitor.post("/sign-out", HEADERS), null],
    ["signed in as somebody else", (visitor: Visitor) => signIn(visitor, "user_vera"), "user_vera:org_acme"],
  ] as const)(
    "does not bring the renewed session back after the browser %s",
    async (_what, act, expected) => {
      const { app, entered, letGo } = slowApp();
      const browser = await app.signIn("user_bob");
      app.world.clock.now += 306;
      const late = browser.get("/slow", HEADERS);
      await entered;
      await act(browser);
      letGo();
      const received = await late;
      expect([received.status, setCookiesOf(received)]).toEqual([200, []]);
      expect((await app.whoIs(browser)).member).toBe(expected);
    },
  );

  it("does not bring it back after a sign-in with the cookie that another page renewed", async () => {
    const { app, entered, letGo } = slowApp();
    const browser = await app.signIn("user_bob");
    app.world.clock.now += 306;
    const late = browser.get("/slow", HEADERS);
    await entered;
    expect(setCookiesOf(await browser.get("/me", HEADERS))).toHaveLength(1);
    await signIn(browser, "user_vera");
    letGo();
    expect(setCookiesOf(await late)).toEqual([]);
    expect((await app.whoIs(browser)).member).toBe("user_vera:org_acme");
  });

  it.each([true, false])(
    "does not clear the cookie of a sign-in made meanwhile; the browser still had the old one: %s",
    async (hadCookie) => {
      const { app, entered, letGo } = slowApp();
      const browser = await app.signIn("user_bob");
      await app.world.authority.revoke({ userId: "user_bob" });
      app.world.clock.now += 306;
      const late = browser.get("/slow", HEADERS);
      await entered;
      if (!hadCookie) browser.cookies.delete(COOKIE);
      await signIn(browser, "user_vera");
      letGo();
      expect(setCookiesOf(await late)).toEqual([]);
      expect((await app.whoIs(browser)).member).toBe("user_vera:org_acme");
    },
  );

  it("sets and clears the cookie where nothing happened meanwhile", async () => {
    for (const isRevoked of [true, false]) {
      const { app, entered, letGo } = slowApp();
      // oxlint-disable-next-line no-await-in-loop -- one application after the other
      const browser = await app.signIn("user_bob");
      // oxlint-disable-next-line no-await-in-loop
      if (isRevoked) await app.world.authority.revoke({ userId: "user_bob" });
      app.world.clock.now += 306;
      const late = browser.get("/slow", HEADERS);
      // oxlint-disable-next-line no-await-in-loop
      await entered;
      letGo();
      // oxlint-disable-next-line no-await-in-loop
      expect(setCookiesOf(await late)).toHaveLength(1);
      expect(browser.cookies.has(COOKIE)).toBe(!isRevoked);
    }
  });
});
