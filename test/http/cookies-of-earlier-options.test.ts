import { maxHeaderSize } from "node:http";
import { describe, expect, it } from "@jest/globals";
import { createCookieJar } from "../../src/testing/cookie-jar.ts";
import { closeAfterEach, type Harness, type HarnessParts, sessionRoutes, start } from "../support/apps.ts";
import { type Received, type Sent, clears } from "../support/servers.ts";
import { COOKIE, PASSWORD, type World, makeWorld } from "../support/world.ts";

const NAME = "sid";
const THEIRS = "the password of another environment, long enough";
/** Characters of a claim that make a session fill most of what orgate's cookies may take; a few more are refused. */
const LARGE = 3_480;
const TOO_LARGE = 3_700;
const EXPIRED = 306;

/** `cookie.domain` before and after; `undefined` is host-only. */
const MOVES = [
  ["example.com", undefined],
  [undefined, "example.com"],
  ["example.com", "app.example.com"],
] as const;

closeAfterEach();

type Cookie = NonNullable<HarnessParts["options"]>["cookie"];

/** Starts the application anew with other options of the cookie. `POST /sign-in` makes a session with a claim of `x-size`. */
function deploy(world: World, cookie: Cookie): Promise<Harness> {
  return start({
    world,
    options: { cookie: { password: PASSWORD, ...cookie } },
    routes: (auth) => [
      ...sessionRoutes(auth),
      { path: "/app/me", guards: [auth.requireAuth()] },
      {
        path: "/sign-in",
        handler: (request, response, next) => {
          const size = Number(request.headers["x-size"]);
          const authentication = world.authority.authenticate({
            userId: "user_ada",
            organizationId: "org_acme",
            authenticationMethod: "Password",
            customClaims: { filler: "x".repeat(size) },
          });
          return auth.establish(request, response, authentication).catch(next);
        },
      },
    ],
  });
}

interface Page extends Received {
  /** The cookies that the browser holds afterwards, as it would send them. */
  readonly cookies: string;
}

/** A browser on app.example.com that outlives the deployments. */
function openBrowser(world: World) {
  const jar = createCookieJar(() => world.clock.now);
  const visit = async (app: Harness, path: string, sent: Sent = {}): Promise<Page> => {
    const cookie = jar.header(path);
    const headers = {
      Host: "app.example.com",
      ...sent.headers,
      ...(cookie !== undefined && { Cookie: cookie }),
    };
    const received = await app.send({ path, ...sent, headers });
    jar.receive(received.setCookies);
    return { ...received, cookies: jar.header("/app/me") ?? "" };
  };
  const post = (app: Harness, path: string, body?: string): Promise<Page> =>
    visit(app, path, {
      method: "POST",
      headers: { "Content-Type": "application/x-www-form-urlencoded" },
      ...(body !== undefined && { body }),
    });
  return {
    jar,
    visit,
    see: (app: Harness) => visit(app, "/me"),
    signIn: (app: Harness, size = LARGE) =>
      visit(app, "/sign-in", { method: "POST", headers: { "x-size": String(size) } }),
    switchTo: (app: Harness, organizationId: string) =>
      post(app, "/switch", `organization_id=${organizationId}`),
    signOut: (app: Harness) => post(app, "/sign-out"),
  };
}

const sessionOf = ({ body }: Received): unknown => (JSON.parse(body) as { session: unknown }).session;

/** Expects that one copy of a session is left, which takes no more than orgate's cookies may. */
function expectOneCopy({ cookies }: Page, name = NAME): void {
  const names = cookies.split("; ").map((pair) => pair.slice(0, pair.indexOf("=")));
  expect(names.every((one) => one.startsWith(`${name}.`))).toBe(true);
  expect(new Set(names).size).toBe(names.length);
  expect(cookies.length).toBeLessThan(maxHeaderSize / 2);
}

describe.each(MOVES)("a large session whose cookie moves from domain %s to %s", (before, after) => {
  const domainOf = (domain: string | undefined): Cookie => ({ name: NAME, ...(domain && { domain }) });

  /** Signs in before the deployment, and returns the application after it. */
  async function move() {
    const world = makeWorld();
    const browser = openBrowser(world);
    const first = await deploy(world, domainOf(before));
    const signedIn = await browser.signIn(first);
    expectOneCopy(signedIn);
    expect(signedIn.cookies.length).toBeGreaterThan((maxHeaderSize / 2) * 0.9);
    const session = sessionOf(await browser.see(first));
    world.clock.now += EXPIRED;
    return { world, browser, session, app: await deploy(world, domainOf(after)) };
  }

  it("stays signed in through renewals, and the browser holds one copy", async () => {
    const { world, browser, session, app } = await move();
    for (let visits = 0; visits < 4; visits++) {
      // oxlint-disable-next-line no-await-in-loop -- one visit after the other
      const page = await browser.see(app);
      expect([page.status, sessionOf(page)]).toEqual([200, session]);
      expectOneCopy(page);
      world.clock.now += visits % 2 === 0 ? 1 : EXPIRED;
    }
    expect(world.store.questions).toHaveLength(2);
  });

  it("is followed by a new sign-in", async () => {
    const { world, browser, session, app } = await move();
    const signedIn = await browser.signIn(app);
    expect(signedIn.status).toBe(303);
    expectOneCopy(signedIn);
    const page = await browser.see(app);
    expect(page.status).toBe(200);
    expect(sessionOf(page)).not.toBe(session);
    expect(await world.authority.listSessions({ userId: "user_ada" })).toHaveLength(1);
  });

  it("is switched to another organization", async () => {
    const { browser, app } = await move();
    const switched = await browser.switchTo(app, "org_globex");
    expect(switched.status).toBe(303);
    expectOneCopy(switched);
    const page = await browser.see(app);
    expect([page.status, JSON.parse(page.body)]).toMatchObject([200, { organization: "org_globex" }]);
  });

  it("leaves no cookie behind at sign-out", async () => {
    const { world, browser, app } = await move();
    const out = await browser.signOut(app);
    expect([out.status, out.cookies]).toEqual([303, ""]);
    expect((await browser.see(app)).status).toBe(401);
    expect(await world.authority.listSessions({ userId: "user_ada" })).toEqual([]);
    expectOneCopy(await browser.signIn(app));
  });

  it("survives that the deployment is undone and made again", async () => {
    const { world, browser, session, app } = await move();
    const old = await deploy(world, domainOf(before));
    for (const one of [app, old, app, old]) {
      // oxlint-disable-next-line no-await-in-loop -- one visit after the other
      const page = await browser.see(one);
      expect([page.status, sessionOf(page)]).toEqual([200, session]);
      expectOneCopy(page);
      world.clock.now += EXPIRED;
    }
  });

  it("is written behind the lines that clear the copies, of which there are at most 16", async () => {
    const { browser, app } = await move();
    const { setCookies } = await browser.see(app);
    const cleared = setCookies.filter(clears);
    expect(setCookies.slice(0, cleared.length)).toEqual(cleared);
    expect(setCookies.length).toBeGreaterThan(cleared.length);
    expect(cleared.length).toBeLessThanOrEqual(16);
  });
});

describe("a large session whose cookie", () => {
  it("moves to a path above or below stays signed in", async () => {
    const world = makeWorld();
    const browser = openBrowser(world);
    const below = await deploy(world, { name: NAME, path: "/app" });
    const above = await deploy(world, { name: NAME });
    expectOneCopy(await browser.signIn(below));
    for (const app of [above, below, above]) {
      world.clock.now += EXPIRED;
      // oxlint-disable-next-line no-await-in-loop -- one visit after the other
      const page = await browser.visit(app, "/app/me");
      expect([page.status, page.cookies.length < maxHeaderSize / 2]).toEqual([200, true]);
    }
  });

  it.each([
    ["example.com", undefined, "__Secure-orgate", COOKIE],
    [undefined, "example.com", COOKIE, "__Secure-orgate"],
  ])(
    "has the default name, which changes with the domain from %s to %s, costs one sign-in",
    async (before, after, oldName, newName) => {
      const world = makeWorld();
      const browser = openBrowser(world);
      expectOneCopy(
        await browser.signIn(await deploy(world, { ...(before && { domain: before }) })),
        oldName,
      );
      const app = await deploy(world, { ...(after && { domain: after }) });
      expect((await browser.see(app)).status).toBe(401);
      const signedIn = await browser.signIn(app);
      expect(signedIn.status).toBe(303);
      expectOneCopy(signedIn, newName);
      expect((await browser.see(app)).status).toBe(200);
      world.clock.now += EXPIRED;
      expect((await browser.see(app)).status).toBe(200);
    },
  );

  it("would be larger than orgate's cookies may be is refused, and keeps the cookie before it", async () => {
    const world = makeWorld();
    const browser = openBrowser(world);
    await browser.signIn(await deploy(world, { name: NAME, domain: "example.com" }));
    const app = await deploy(world, { name: NAME });
    const refused = await browser.signIn(app, TOO_LARGE);
    expect([refused.status, refused.body, refused.setCookies]).toEqual([500, "session_too_large", []]);
    expect((await browser.see(app)).status).toBe(200);
  });
});

describe("a small session whose cookie moves to another domain", () => {
  it.each(MOVES)(
    "stays signed in, and no copy is cleared that another application may have set: from %s to %s",
    async (before, after) => {
      const world = makeWorld();
      const browser = openBrowser(world);
      const options = (domain: string | undefined): Cookie => ({ name: NAME, ...(domain && { domain }) });
      await browser.signIn(await deploy(world, options(before)), 10);
      const app = await deploy(world, options(after));
      const counts: number[][] = [];
      const cleared: boolean[] = [];
      for (let renewals = 0; renewals < 3; renewals++) {
        world.clock.now += EXPIRED;
        // oxlint-disable-next-line no-await-in-loop -- one visit after the other
        const { status, setCookies, cookies } = await browser.see(app);
        counts.push([status, setCookies.filter((line) => !clears(line)).length, cookies.split("; ").length]);
        cleared.push(setCookies.some(clears));
      }
      expect(counts).toEqual([
        [200, 1, 2],
        [200, 1, 2],
        [200, 1, 2],
      ]);
      expect(cleared).toEqual([false, false, false]);
    },
  );
});

describe("nothing is cleared", () => {
  it.each([undefined, "example.com"])(
    "when one copy came and another would fit beside it, with domain %s",
    async (domain) => {
      const world = makeWorld();
      const browser = openBrowser(world);
      const app = await deploy(world, { name: NAME, ...(domain && { domain }) });
      const lines = [(await browser.signIn(app, 10)).setCookies];
      world.clock.now += EXPIRED;
      lines.push((await browser.see(app)).setCookies, (await browser.signIn(app, 10)).setCookies);
      lines.push((await browser.switchTo(app, "org_globex")).setCookies);
      expect(lines.map((each) => each.map((line) => line.slice(0, line.indexOf("="))))).toEqual([
        [NAME],
        [NAME],
        [NAME],
        [NAME],
      ]);
      expect(lines.flat().filter(clears)).toEqual([]);
    },
  );

  it("beside another environment's cookie, however large both are", async () => {
    const world = makeWorld();
    const browser = openBrowser(world);
    const app = await deploy(world, { name: NAME });
    const { accessToken } = await world.signIn();
    const theirs = await world.seal({ accessToken, note: "x".repeat(1_000) }, THEIRS);
    browser.jar.receive([`${NAME}=${theirs}; Domain=example.com; Path=/; Secure`]);
    await browser.signIn(app, 2_500);
    for (let renewals = 0; renewals < 2; renewals++) {
      world.clock.now += EXPIRED;
      // oxlint-disable-next-line no-await-in-loop -- one visit after the other
      const page = await browser.see(app);
      expect(page.status).toBe(200);
      expect(page.setCookies.filter((line) => line.includes("Domain="))).toEqual([]);
      expect(page.cookies).toContain(theirs);
      expect(page.cookies.length).toBeGreaterThan(maxHeaderSize / 2);
    }
  });

  it("of another environment under the other default name", async () => {
    const world = makeWorld();
    const browser = openBrowser(world);
    const app = await deploy(world, {});
    const { accessToken } = await world.signIn();
    const theirs = await world.seal({ accessToken, note: "x".repeat(1_000) }, THEIRS);
    browser.jar.receive([`__Secure-orgate=${theirs}; Domain=example.com; Path=/; Secure`]);
    const signedIn = await browser.signIn(app);
    expect(signedIn.setCookies.filter(clears)).toEqual([]);
    expect((await browser.see(app)).cookies).toContain(theirs);
  });

  it("by a renewal that a sign-in in the same browser has overtaken", async () => {
    const world = makeWorld();
    const browser = openBrowser(world);
    await browser.signIn(await deploy(world, { name: NAME, domain: "example.com" }));
    world.clock.now += EXPIRED;
    let enter = (): void => undefined;
    let release = (): void => undefined;
    const entered = new Promise<void>((resolve) => {
      enter = resolve;
    });
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const late = await start({
      world,
      options: { cookie: { password: PASSWORD, name: NAME } },
      routes: (auth) => [
        {
          path: "/sign-in",
          handler: async (request, response) => {
            await auth.establish(request, response, world.signIn());
          },
        },
        {
          path: "/slow",
          guards: [auth.requireAuth()],
          handler: async (_request, response) => {
            enter();
            await released;
            response.end("late");
          },
        },
      ],
    });
    const slow = late.send({ path: "/slow", headers: { Cookie: browser.jar.header("/slow") ?? "" } });
    await entered;
    expect((await browser.visit(late, "/sign-in", { method: "POST" })).status).toBe(303);
    release();
    expect((await slow).setCookies).toEqual([]);
  });
});
