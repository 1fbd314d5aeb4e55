import { describe, expect, it } from "@jest/globals";
import { closeAfterEach, start, type Harness } from "../support/apps.ts";
import { clears, cookiesSet } from "../support/servers.ts";
import { PASSWORD, type SignIn } from "../support/world.ts";

const NAME = "sid";
const THEIRS = "the password of another environment, long enough";

closeAfterEach();

async function startApp(cookie: object = {}): Promise<Harness> {
  return start({ options: { cookie: { password: PASSWORD, name: NAME, ...cookie } } });
}

function sealTheirs({ world }: Harness, { accessToken, refreshToken }: SignIn): Promise<string> {
  return world.seal({ accessToken, refreshToken }, THEIRS);
}

const cookieOf = (...values: string[]): Record<string, string> => ({
  Cookie: values.map((value) => `${NAME}=${value}`).join("; "),
});

/** The places that an answer clears, as `domain path`. */
function placesCleared(lines: readonly string[]): string[] {
  return lines.filter(clears).map((line) => {
    const [, domain = ""] = /; Domain=([^;]+)/.exec(line) ?? [];
    const [, path = ""] = /; Path=([^;]+)/.exec(line) ?? [];
    return `${domain} ${path}`.trim();
  });
}

describe("another environment's cookie on a domain above", () => {
  it.each([true, false])("does not keep anybody out; theirs comes first: %s", async (isFirst) => {
    const app = await startApp();
    const ada = await app.world.signIn();
    const theirs = await sealTheirs(app, ada);
    const headers = isFirst ? cookieOf(theirs, ada.seal) : cookieOf(ada.seal, theirs);
    const received = await app.send({ headers });
    expect([received.status, received.setCookies]).toEqual([200, []]);
    expect(JSON.parse(received.body)).toMatchObject({ session: ada.memberSession.id });
    expect(app.world.events.filter(({ type }) => type === "rejected" || type === "misconfigured")).toEqual(
      [],
    );

    app.world.clock.now += 306;
    const renewed = await app.send({ headers });
    expect([renewed.status, [...cookiesSet(renewed).keys()]]).toEqual([200, [NAME]]);
    expect(app.world.store.questions).toHaveLength(1);
  });

  it("is not cleared when our own session beside it has ended, nor when it stands alone", async () => {
    const app = await startApp();
    const ada = await app.world.signIn();
    const theirs = await sealTheirs(app, ada);
    await app.world.authority.revoke({ sessionId: ada.memberSession.id });
    app.world.clock.now += 306;
    const ended = await app.send({ headers: cookieOf(theirs, ada.seal) });
    expect([ended.status, placesCleared(ended.setCookies)]).toEqual([401, ["/"]]);
    const alone = await app.send({ headers: cookieOf(theirs) });
    expect([alone.status, placesCleared(alone.setCookies)]).toEqual([401, ["/"]]);
    expect(app.reached).toEqual([]);
  });

  it("is not cleared at sign-out either, and the own session ends", async () => {
    const app = await start({
      options: { cookie: { password: PASSWORD, name: NAME } },
      routes: (auth) => [
        { path: "/out", guards: [auth.signOut()] },
        { path: "/documents", guards: [auth.requireAuth()] },
      ],
    });
    const ada = await app.world.signIn();
    const headers = cookieOf(await sealTheirs(app, ada), ada.seal);
    const out = await app.send({ path: "/out", method: "POST", headers });
    expect([out.status, placesCleared(out.setCookies)]).toEqual([303, ["/"]]);
    expect((await app.send({ headers: cookieOf(ada.seal) })).status).toBe(401);
  });

  it("keeps its chunks out of ours, in whichever order the browser sends them", async () => {
    const app = await startApp();
    const ada = await app.world.signIn();
    const filler = { note: "x".repeat(3_000) };
    const seals = [
      await app.world.seal({ ...filler, accessToken: ada.accessToken }, THEIRS),
      await app.world.seal({ ...filler, accessToken: ada.accessToken }),
    ];
    const [theirs, ours] = seals.map((seal) => [seal.slice(0, 2_900), seal.slice(2_900)]);
    const pairs = (which: "theirs" | "ours"): string[] =>
      (which === "ours" ? ours : theirs)?.map((chunk, index) => `${NAME}.${index}=${chunk}`) ?? [];
    const [t0, t1, o0, o1] = [...pairs("theirs"), ...pairs("ours")];
    for (const order of [
      [t0, t1, o0, o1],
      [o0, o1, t0, t1],
      [t0, o0, t1, o1],
      [o0, o1, t1],
      [t1, o0, o1],
    ]) {
      // oxlint-disable-next-line no-await-in-loop -- one application
      expect((await app.send({ headers: { Cookie: order.join("; ") } })).status).toBe(200);
    }
    // A first chunk that no other belongs to is skipped.
    expect(
      (await app.send({ headers: { Cookie: `${NAME}.0=${"x".repeat(99)}; ${NAME}=${ada.seal}` } })).status,
    ).toBe(200);
  });
});

describe("a cookie whose domain or path was changed", () => {
  it("costs nothing while both forms are of one session: the later token decides", async () => {
    const app = await startApp();
    const ada = await app.world.signIn();
    app.world.clock.now += 306;
    const later = cookiesSet(await app.send({ headers: cookieOf(ada.seal) })).get(NAME) ?? "";
    for (const headers of [cookieOf(ada.seal, later), cookieOf(later, ada.seal)]) {
      // oxlint-disable-next-line no-await-in-loop -- one application
      const received = await app.send({ headers });
      expect([received.status, received.setCookies]).toEqual([200, []]);
    }
    expect(app.world.store.questions).toHaveLength(1);
  });

  it("is cleared wherever it can be when two sessions of ours differ, and in 16 lines at most", async () => {
    const app = await start({
      options: { cookie: { password: PASSWORD, name: NAME, path: "/app" } },
      routes: (auth) => [{ path: "/app/a/b/c", guards: [auth.requireAuth()] }],
    });
    const [ada, bob] = [await app.world.signIn(), await app.world.signIn({ userId: "user_bob" })];
    const received = await app.send({ path: "/app/a/b/c", headers: cookieOf(ada.seal, bob.seal) });
    expect([received.status, JSON.parse(received.body)]).toMatchObject([
      401,
      { code: "ambiguous_credential" },
    ]);
    const places = placesCleared(received.setCookies);
    expect(places).toEqual(
      expect.arrayContaining(["/app", "/", "app.example.com /app", "example.com /", "/app/a"]),
    );
    expect(places.length).toBeLessThanOrEqual(16);
    expect(received.setCookies.every(clears)).toBe(true);
    expect(app.world.events).toContainEqual({
      type: "rejected",
      code: "ambiguous_credential",
      reason: "two_sessions",
    });
    expect(app.reached).toEqual([]);
  });

  it("is cleared on the domains above when its session has ended", async () => {
    const app = await startApp();
    const ada = await app.world.signIn();
    await app.world.authority.revoke({ sessionId: ada.memberSession.id });
    app.world.clock.now += 306;
    const received = await app.send({ headers: cookieOf(ada.seal) });
    expect(placesCleared(received.setCookies)).toEqual(
      expect.arrayContaining(["/", "app.example.com /", "example.com /"]),
    );
  });
});

describe("more than four well-formed seals", () => {
  it("are refused with a reason, and reach neither the store nor another environment's cookie", async () => {
    const app = await startApp();
    const ada = await app.world.signIn();
    const others = await Promise.all([1, 2, 3, 4].map(() => sealTheirs(app, ada)));
    const four = await app.send({ headers: cookieOf("junk", ...others.slice(1), "more-junk", ada.seal) });
    expect(four.status).toBe(200);
    const five = await app.send({ headers: cookieOf(...others, ada.seal) });
    expect([five.status, JSON.parse(five.body)]).toMatchObject([401, { code: "ambiguous_credential" }]);
    expect(placesCleared(five.setCookies)).toEqual(["/"]);
    expect(app.world.events).toContainEqual({
      type: "rejected",
      code: "ambiguous_credential",
      reason: "too_many_candidates",
    });
    expect(app.world.store.questions).toEqual([]);
  });
});
