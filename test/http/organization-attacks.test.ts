import { describe, expect, it } from "@jest/globals";
import { readFileSync } from "node:fs";
import { inspect } from "node:util";
import { makeTenancy, SELECTION, type Tenancy } from "../support/apps.ts";
import { describeWith, vectorPath, vectors } from "../support/requirements.ts";
import { serve } from "../support/servers.ts";
import { JSON_CLIENT, NAVIGATION, openBrowser, setCookiesOf } from "../support/browser.ts";
import { BASE_URL, COOKIE } from "../support/world.ts";

const FORM = { Accept: "text/html" };
const PENDING = "__Host-orgate-pending";
const OTHER = "__Host-orgate-browser";

const choose = (organizationId: string, headers: Record<string, string> = JSON_CLIENT) => ({
  headers,
  body: { organization_id: organizationId },
});

describe("R-19: a pending authentication", () => {
  it("is sealed in its own cookies, for ten minutes, bound to the host", async () => {
    const app = makeTenancy();
    const response = await app.browser.post("/sign-in", { headers: { ...FORM, "X-User": "user_ada" } });
    const lines = setCookiesOf(response);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(
      /^__Host-orgate-pending=Fe26\.2\*[\w*.-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
    expect(lines[1]).toMatch(
      /^__Host-orgate-browser=[\w-]{43}; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
    );
  });

  it("is used up by the first choice: a replay with another choice gets nothing", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada");
    const thief = browser.copy();
    await browser.post(SELECTION, choose("org_acme"));
    const replay = await thief.post(SELECTION, choose("org_globex"));
    expect([replay.status, replay.body.code]).toEqual([401, "invalid_pending_authentication"]);
    expect(setCookiesOf(replay).map((line) => line.split("=", 1)[0])).toEqual([PENDING, OTHER]);
    expect([...thief.cookies.keys()]).toEqual([]);
    expect(await app.countSessions("user_ada")).toBe(1);
  });

  it("is used up for the same choice too, after the grace window", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada");
    const thief = browser.copy();
    await browser.post(SELECTION, choose("org_acme"));
    app.world.clock.now += 31;
    expect((await thief.post(SELECTION, choose("org_acme"))).body.code).toBe(
      "invalid_pending_authentication",
    );
    expect(await app.countSessions("user_ada")).toBe(1);
  });

  it("gives a double click the first click's session", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada");
    const second = browser.copy();
    const first = await browser.post(SELECTION, choose("org_acme"));
    const repeat = await second.post(SELECTION, choose("org_acme"));
    expect([first.status, repeat.status]).toEqual([200, 200]);
    expect(repeat.body.member_session.id).toBe(first.body.member_session.id);
    expect(await app.whoIs(second)).toEqual(await app.whoIs(browser));
  });

  it("makes one session of eight concurrent submits of one choice", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada");
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => browser.copy().post(SELECTION, choose("org_acme"))),
    );
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 8 }, () => 200));
    expect(new Set(answers.map(({ body }) => body.member_session.id)).size).toBe(1);
    expect(await app.countSessions("user_ada")).toBe(1);
  });

  it("makes one session of eight concurrent submits of two choices", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada");
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_none, index) =>
        browser.copy().post(SELECTION, choose(index % 2 === 0 ? "org_acme" : "org_globex")),
      ),
    );
    const won = answers.filter(({ status }) => status === 200);
    const lost = answers.filter(({ status }) => status !== 200);
    expect([won.length, lost.length]).toEqual([4, 4]);
    expect(new Set(won.map(({ body }) => body.member_session.id)).size).toBe(1);
    expect(new Set(lost.map(({ status, body }) => `${status} ${body.code}`))).toEqual(
      new Set(["401 invalid_pending_authentication"]),
    );
    expect(await app.countSessions("user_ada")).toBe(1);
  });

  it.each([
    [599, 200, undefined],
    [600, 401, "invalid_pending_authentication"],
    [601, 401, "invalid_pending_authentication"],
  ])("after %d seconds gets %d", async (seconds, status, code) => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada");
    app.world.clock.now += seconds;
    const response = await browser.post(SELECTION, choose("org_acme"));
    expect([response.status, response.body.code]).toEqual([status, code]);
    expect(browser.cookies.has(PENDING)).toBe(false);
  });

  it.each<[string, (mine: Map<string, string>, theirs: Map<string, string>) => void]>([
    ["without the browser's own cookie", (mine) => mine.delete(OTHER)],
    ["beside another browser's cookie", (mine, theirs) => mine.set(OTHER, theirs.get(OTHER) ?? "")],
    ["carried to another browser", (mine, theirs) => mine.set(PENDING, theirs.get(PENDING) ?? "")],
    ["beside a cookie that is none", (mine) => mine.set(OTHER, "short")],
    [
      "tampered with",
      (mine) =>
        mine.set(
          PENDING,
          (mine.get(PENDING) ?? "").replace(/.$/, (last) => (last === "A" ? "E" : "A")),
        ),
    ],
    ["that is no seal", (mine) => mine.set(PENDING, "x".repeat(500))],
    [
      "that is another kind of seal",
      (mine) => mine.set(PENDING, (mine.get(COOKIE) ?? "").replace(/~2$/, "")),
    ],
  ])("is rejected %s, by GET and POST, and cleared", async (_what, spoil) => {
    const app = makeTenancy();
    const theirs = await app.signIn("user_ada");
    for (const method of ["get", "post"]) {
      const browser = await app.signIn("user_ada");
      browser.cookies.set(COOKIE, (await app.world.signIn()).seal);
      spoil(browser.cookies, theirs.cookies);
      browser.cookies.delete(COOKIE);
      const response = await browser.send(
        method,
        SELECTION,
        method === "get" ? { headers: JSON_CLIENT } : choose("org_acme"),
      );
      expect([response.status, response.body.code]).toEqual([401, "invalid_pending_authentication"]);
      expect(browser.cookies.has(PENDING)).toBe(false);
    }
  });

  it("is rejected when the cookie comes twice with different values", async () => {
    const app = makeTenancy();
    const mine = await app.signIn("user_ada");
    const theirs = await app.signIn("user_ada");
    const cookies = new Map(mine.cookies);
    cookies.set(PENDING, `${mine.cookies.get(PENDING)}; ${PENDING}=${theirs.cookies.get(PENDING)}`);
    const response = await openBrowser(app.listener, cookies).post(SELECTION, choose("org_acme"));
    expect(response.body.code).toBe("invalid_pending_authentication");
  });

  it("shows a late user a page with a link to sign in again", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada", "/sign-in?return_to=/x");
    app.world.clock.now += 601;
    const post = await browser.copy().post(SELECTION, choose("org_acme", FORM));
    expect([post.status, post.headers["content-type"]]).toEqual([401, "text/html; charset=utf-8"]);
    expect(post.text).toContain('href="/sign-in?return_to=%2F"');
    const get = await browser.get(SELECTION);
    expect([get.status, get.headers["location"], browser.cookies.has(PENDING)]).toEqual([
      303,
      "/sign-in?return_to=%2F",
      false,
    ]);
  });

  it("is not used up by choosing an organization that the user has left", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada");
    app.world.directory.removeMembership("user_ada", "org_globex");
    expect((await browser.post(SELECTION, choose("org_globex"))).body.code).toBe(
      "organization_not_available",
    );
    expect((await browser.post(SELECTION, choose("org_acme"))).status).toBe(200);
  });

  it("signs nobody in when the user was removed meanwhile", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada");
    app.world.directory.removeUser("user_ada");
    const response = await browser.post(SELECTION, choose("org_acme"));
    expect([response.status, response.body.code]).toEqual([400, "sign_in_failed"]);
    expect(browser.cookies.has(COOKIE)).toBe(false);
  });

  it("is not changed by GET, not even by a prefetch or a link from another site", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada");
    for (const headers of [
      NAVIGATION,
      { ...NAVIGATION, "Sec-Purpose": "prefetch" },
      { ...NAVIGATION, "Sec-Fetch-Site": "cross-site" },
    ]) {
      const response = await browser.get(`${SELECTION}?organization_id=org_acme`, { headers });
      expect([response.status, setCookiesOf(response)]).toEqual([200, []]);
    }
    expect(await app.countSessions("user_ada")).toBe(0);
  });

  it("does not return when a choice is repeated after sign-out", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada");
    const stale = browser.copy();
    await browser.post(SELECTION, choose("org_acme"));
    await browser.post("/sign-out");
    const response = await stale.post(SELECTION, choose("org_acme"));
    expect([response.status, response.body.code]).toEqual([401, "session_revoked"]);
    expect(stale.cookies.has(COOKIE)).toBe(false);
  });

  it("replaces an older session, which ends", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_bob");
    await browser.post("/sign-in", { headers: { ...FORM, "X-User": "user_ada" } });
    expect(await app.whoIs(browser)).toMatchObject({ member: "user_bob:org_acme" });
    await browser.post(SELECTION, choose("org_globex"));
    expect(await app.whoIs(browser)).toMatchObject({ member: "user_ada:org_globex" });
    expect(await app.countSessions("user_bob")).toBe(0);
  });

  it("never shows its token in an answer, an address, an event or an error", async () => {
    const tokens: string[] = [];
    const app = makeTenancy({
      overrides: (real) => ({
        selectOrganization(pending, ...rest) {
          tokens.push(pending.pendingAuthenticationToken);
          return real.selectOrganization!(pending, ...rest);
        },
      }),
    });
    const browser = await app.signIn("user_ada");
    const answers = [
      await browser.get(SELECTION),
      await browser.get(SELECTION, { headers: JSON_CLIENT }),
      await browser.post(SELECTION, choose("org_other")),
      await browser.post(SELECTION, choose("org_other", FORM)),
      await browser.post(SELECTION, choose("org_acme")),
    ];
    expect(new Set(tokens).size).toBe(1);
    const seen = [
      ...answers.map(({ text, headers }) => `${text}${JSON.stringify(headers)}`),
      inspect(app.world.events, { depth: null }),
      inspect(app.errors, { depth: null, showHidden: true }),
    ].join("\n");
    expect(seen).not.toContain(tokens[0]);
  });
});

/** Names that would break out of their place on a page that does not escape them. */
const HOSTILE_NAMES = [
  `<script>alert(1)</script>`,
  `"><img src=x onerror=alert(1)>`,
  `' onmouseover='alert(1)`,
  "</button></form><form action=https://evil.example>",
  "\u202Eevitavele",
  "&lt;b&gt;",
  "   ",
];

/** Defines what holds for organizations with these names. */
function describeNames(readNames: () => readonly string[]): void {
  const listChoices = () => readNames().map((name, index) => ({ id: `${name.slice(0, 8)}${index}`, name }));

  it("appear as text on the selection page, and add no markup", async () => {
    const choices = listChoices();
    const app = makeTenancy({ overrides: () => ({ organizations: async () => choices }) });
    const browser = await app.signIn("user_ada");
    const { text, status } = await browser.get(SELECTION);
    expect(status).toBe(200);
    const tags = new Set(
      [...text.matchAll(/<\/?([a-z][a-z0-9]*)/gi)].map(([, tag]) => String(tag).toLowerCase()),
    );
    expect([...tags].toSorted((a, b) => a.localeCompare(b))).toEqual([
      "bdi",
      "body",
      "button",
      "form",
      "h1",
      "head",
      "html",
      "li",
      "main",
      "meta",
      "p",
      "style",
      "title",
      "ul",
    ]);
    expect(text.match(/<button /g)).toHaveLength(choices.length);
    expect(
      text
        .match(/<(?:button|form)\b[^>]*>/g)
        ?.filter(
          (tag) =>
            !/^<(?:button name="organization_id" value="[^"<>']*"|form method="post" action="[^"]*")>$/.test(
              tag,
            ),
        ),
    ).toEqual([]);
    expect(text.match(/<bdi>/g)).toHaveLength(choices.length);
  });

  it("are sent unchanged as JSON", async () => {
    const choices = listChoices();
    const app = makeTenancy({ overrides: () => ({ organizations: async () => choices }) });
    const response = await (await app.signIn("user_ada")).get(SELECTION, { headers: JSON_CLIENT });
    expect(response.body.organizations).toEqual(choices);
  });
}

describeWith(vectors("blns"), "R-19: the big list of naughty strings as organization names", () => {
  describeNames(() => JSON.parse(readFileSync(vectorPath("blns/blns.json"), "utf8")) as string[]);
});

describe("R-19: hostile organization names", () => {
  describeNames(() => HOSTILE_NAMES);

  it("are escaped, not removed", async () => {
    const choices = [{ id: "org_1", name: "<script>alert(1)</script>" }];
    const app = makeTenancy({ overrides: () => ({ organizations: async () => choices }) });
    const { text } = await (await app.signIn("user_ada")).get(SELECTION);
    expect(text).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  });

  it.each(["/%22%3E%3Cscript%3E", "/select'-organization", "//evil.example/select"])(
    "R-16: the request's address does not reach the page: %s",
    async (path) => {
      const app = makeTenancy();
      const visitor = await app.signIn("user_ada");
      const handler = app.auth.organizationSelection();
      const server = await serve((request, response) =>
        handler(request, response, () => response.end("next")),
      );
      const cookie = [...visitor.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const { body } = await server.send({ path, headers: { Cookie: cookie, Accept: "text/html" } });
      await server.close();
      const action = /<form method="post" action="([^"]*)">/.exec(body)?.[1];
      expect(action).toMatch(/^\/(?!\/)/);
      expect(body).not.toContain("<script");
    },
  );
});

describe("R-17: requests from another site", () => {
  const ORIGINS: [string | undefined, "own" | "trusted" | "foreign" | "none"][] = [
    [undefined, "none"],
    [BASE_URL, "own"],
    ["https://spa.example.net", "trusted"],
    ["https://evil.example", "foreign"],
    ["null", "foreign"],
    ["http://app.example.com", "foreign"],
    [`${BASE_URL}:8443`, "foreign"],
    [`${BASE_URL}.evil.example`, "foreign"],
    ["https://xapp.example.com", "foreign"],
  ];
  const SITES = [undefined, "same-origin", "same-site", "cross-site", "none"];
  const TYPES = [
    "application/x-www-form-urlencoded",
    "application/json",
    "text/plain",
    "multipart/form-data",
  ];

  /** The published table, written down once more. */
  function passes(origin: "own" | "trusted" | "foreign" | "none", site: string | undefined): boolean {
    if (site === "same-origin" || site === "none") return true;
    if (site !== undefined) return origin === "trusted";
    return origin !== "foreign";
  }

  it("never reach the selection, the switch, the sign-out or a sign-in, with any type of body", async () => {
    const app = makeTenancy({ options: { csrf: { trustedOrigins: ["https://spa.example.net"] } } });
    const server = await serve(app.listener);
    const deviations: unknown[] = [];
    let tried = 0;
    for (const path of [SELECTION, "/switch", "/sign-out", "/sign-in"]) {
      for (const [origin, kind] of ORIGINS) {
        for (const site of SITES) {
          for (const type of TYPES) {
            tried += 1;
            // oxlint-disable-next-line no-await-in-loop -- one server, one after the other
            const { status, body } = await server.send({
              method: "POST",
              path,
              headers: {
                "Content-Type": type,
                Accept: "application/json",
                ...(origin !== undefined && { Origin: origin }),
                ...(site !== undefined && { "Sec-Fetch-Site": site }),
              },
            });
            const isRefused = status === 403 && body.includes('"code":"cross_site_request"');
            if (isRefused === passes(kind, site)) deviations.push({ path, origin, site, type, status });
          }
        }
      }
    }
    await server.close();
    expect(tried).toBe(720);
    expect(deviations).toEqual([]);
  });

  it.each<[string, (app: Tenancy) => Promise<unknown>]>([
    ["switch", async () => "/switch"],
    ["sign out", async () => "/sign-out"],
    ["choose", async () => SELECTION],
  ])("cannot make a member %s, by cookie or by bearer token", async (_what, pathOf) => {
    const app = makeTenancy();
    const path = String(await pathOf(app));
    const { seal, accessToken } = await app.world.signIn();
    const browser = openBrowser(app.listener, new Map([[COOKIE, seal]]));
    const evil = { ...FORM, "Sec-Fetch-Site": "cross-site", Origin: "https://evil.example" };
    for (const headers of [evil, { ...evil, Authorization: `Bearer ${accessToken}` }]) {
      const response = await browser.post(path, { headers, body: "organization_id=org_globex" });
      expect([response.status, setCookiesOf(response)]).toEqual([403, []]);
      expect(response.text).toContain("Another site sent this request");
    }
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_acme" });
    expect(app.world.store.otherCalls).toBe(0);
  });

  it("cause no call to the store, even with expired tokens", async () => {
    const app = makeTenancy({ mounted: false });
    const { seal, accessToken } = await app.world.signIn();
    app.world.clock.now += 1_000;
    const browser = openBrowser(app.listener, new Map([[COOKIE, seal]]));
    const evil = { ...FORM, Origin: "https://evil.example" };
    for (const path of [SELECTION, "/switch", "/sign-out"]) {
      await browser.post(path, { headers: evil });
      await browser.post(path, { headers: { ...evil, Authorization: `Bearer ${accessToken}` } });
    }
    expect([app.world.store.questions, app.world.store.otherCalls]).toEqual([[], 0]);
  });

  it("pass when the application switches the check off", async () => {
    const app = makeTenancy({ options: { csrf: false } });
    const browser = await app.signIn("user_bob");
    expect((await browser.post("/sign-out", { headers: { Origin: "https://evil.example" } })).status).toBe(
      303,
    );
  });

  it.each(["get", "head", "put", "delete", "patch", "options"])(
    "%s never signs out or switches",
    async (method) => {
      const app = makeTenancy();
      const browser = await app.signIn("user_bob");
      for (const path of ["/sign-out", "/switch"]) {
        const response = await browser.send(method, path, {
          headers: { ...NAVIGATION, "X-HTTP-Method-Override": "POST" },
        });
        expect([response.status, response.headers["allow"]]).toEqual([405, "POST"]);
      }
      expect(await app.whoIs(browser)).toMatchObject({ member: "user_bob:org_acme" });
    },
  );
});

describe("request bodies that never arrive", () => {
  it.each<[string, string]>([
    ["a client that goes away in the middle", "Content-Length: 40\r\n\r\norganization_id="],
    ["a client that goes away in a chunk", "Transfer-Encoding: chunked\r\n\r\n28\r\norganization_id="],
  ])("%s leaves nothing waiting", async (_what, rest) => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada");
    const settled: unknown[] = [];
    const handler = app.auth.organizationSelection();
    const server = await serve((request, response) => {
      response.once("close", () => settled.push("closed"));
      handler(request, response, (error) => settled.push(error));
    });
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const head = `POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nCookie: ${cookie}\r\n`;
    const { connect } = await import("node:net");
    const socket = connect(server.port, "127.0.0.1", () => {
      socket.write(`${head}${rest}`);
      server.server.once("request", () => setImmediate(() => socket.destroy()));
    });
    await new Promise((resolve) => {
      server.server.once("request", (_request, response) => response.once("close", resolve));
    });
    await server.close();
    expect(settled).toEqual(["closed"]);
    expect(await app.countSessions("user_ada")).toBe(0);
  });

  it("R-07: a body announced as too large is rejected unread, and the connection closes", async () => {
    const app = makeTenancy();
    const browser = await app.signIn("user_ada");
    const server = await serve(app.listener);
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await server.sendRaw(
      `POST ${SELECTION} HTTP/1.1\r\nHost: x\r\nAccept: application/json\r\nContent-Type: application/json\r\nCookie: ${cookie}\r\nContent-Length: 1000000000\r\n\r\n{`,
    );
    await server.close();
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer.toLowerCase()).toContain("connection: close");
  });
});
