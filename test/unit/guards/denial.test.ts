import { describe, expect, it } from "@jest/globals";
import { denialOf, deny, type DenialInit } from "../../../src/guards/denial.ts";
import { authenticateRequest } from "../../../src/request/authenticate.ts";
import { ERROR_TABLE, type ErrorCode } from "../../../src/errors.ts";
import { requireAuth } from "../../../src/guards/requirements.ts";
import { requireOrganization } from "../../../src/guards/requirements.ts";
import { requireRecentAuth } from "../../../src/guards/requirements.ts";
import type { Denial } from "../../../src/model.ts";
import type { OrgateOptions } from "../../../src/options/options.ts";
import { makeBench, send, type EngineBench, type Outcome } from "../../support/engine-bench.ts";
import { makeExchange, type Answer, type RequestInit } from "../../support/exchange.ts";
import { issueToken } from "../../support/fake-store.ts";

const BROWSER = { Accept: "text/html,*/*;q=0.8", "Sec-Fetch-Mode": "navigate" };

function bearerOf(claims: Readonly<Record<string, unknown>>): Record<string, string> {
  return { Authorization: `Bearer ${issueToken(claims)}` };
}

/** Denies a request, and gives the answer. */
async function answerTo(init: DenialInit, bench = makeBench(), request: RequestInit = {}): Promise<Answer> {
  const exchange = makeExchange(request);
  const auth = await authenticateRequest(bench.engine, exchange.request, exchange.response);
  deny({ ...exchange, instance: bench.engine, auth, next: () => undefined }, init);
  return exchange.answered();
}

describe("a denial, to a program", () => {
  it.each(Object.keys(ERROR_TABLE) as ErrorCode[])("is a problem (RFC 9457): %s", async (code) => {
    const { status, headers, body } = await answerTo({ code });
    expect(status).toBe(ERROR_TABLE[code].status);
    expect(headers["content-type"]).toBe("application/problem+json");
    expect(JSON.parse(body)).toEqual({
      type: `urn:orgate:error:${code}`,
      title: ERROR_TABLE[code].title,
      status,
      detail: expect.stringMatching(/\.$/),
      code,
    });
    expect(headers["vary"]).toBe("Cookie, Authorization");
  });

  it.each([
    ["unauthenticated", {}, 'Bearer realm="app.example.com"'],
    ["session_revoked", {}, 'Bearer realm="app.example.com"'],
    ["permission_denied", {}, 'Bearer realm="app.example.com", error="insufficient_scope"'],
    [
      "reauthentication_required",
      { maxAge: 300 },
      'Bearer realm="app.example.com", error="insufficient_user_authentication", max_age="300"',
    ],
    [
      "reauthentication_required",
      {},
      'Bearer realm="app.example.com", error="insufficient_user_authentication"',
    ],
    ["role_required", {}, undefined],
    ["organization_mismatch", {}, undefined],
    ["store_unavailable", {}, undefined],
    ["invalid_request", {}, undefined],
  ] as [ErrorCode, object, string | undefined][])(
    "challenges for %s %j: %s",
    async (code, more, expected) => {
      expect((await answerTo({ code, ...more })).headers["www-authenticate"]).toBe(expected);
    },
  );

  it("names the error of a refused bearer, and none for a refused cookie", async () => {
    const bench = makeBench();
    const guards = [requireAuth(bench.engine)];
    const bearer = await send(bench, { headers: { Authorization: "Bearer junk" } }, guards);
    expect(bearer.headers["www-authenticate"]).toBe('Bearer realm="app.example.com", error="invalid_token"');
    const cookie = await send(bench, { headers: { Cookie: "__Host-orgate=junk" } }, guards);
    expect(cookie.headers["www-authenticate"]).toBe('Bearer realm="app.example.com"');
  });

  it("R-10: is the same for every cause of one code, byte for byte", async () => {
    const bench = makeBench();
    const good = issueToken();
    const forged = [
      `${good.slice(0, -8)}AAAAAAAA`,
      "junk",
      "a.b.c",
      issueToken({ iss: "https://x.example" }),
      issueToken({ sid: undefined }),
    ];
    const bodies = [];
    for (const token of forged) {
      const outcome = await send(bench, { headers: { Authorization: `Bearer ${token}` } }, [
        requireAuth(bench.engine),
      ]);
      bodies.push(JSON.stringify([outcome.status, outcome.headers["www-authenticate"], outcome.body]));
    }
    expect(new Set(bodies).size).toBe(1);
  });

  it("says in Retry-After when to try again", async () => {
    expect((await answerTo({ code: "store_unavailable", retryAfter: 7 })).headers["retry-after"]).toBe("7");
  });

  it("carries extension members", async () => {
    const answer = await answerTo({
      code: "organization_selection_required",
      extensions: { selection_url: "/s" },
    });
    expect(JSON.parse(answer.body)).toMatchObject({ selection_url: "/s" });
  });

  it("answers once, and not at all when a response has begun", async () => {
    const bench = makeBench({
      onDenied: (denial) => {
        denial.respond();
        denial.respond();
      },
    });
    expect((await answerTo({ code: "unauthenticated" }, bench)).status).toBe(401);
    const late = makeBench({
      onDenied: (denial, _request, response) => {
        response.writeHead(418).end("mine");
        denial.respond();
      },
    });
    expect(await answerTo({ code: "unauthenticated" }, late)).toMatchObject({ status: 418, body: "mine" });
  });
});

describe("a denial, to a browser", () => {
  const options: Partial<OrgateOptions> = {
    signIn: { path: "/sign-in" },
    organizationSelection: { path: "/choose" },
  };
  const visit = (bench: EngineBench, url: string, more: Record<string, string> = {}): Promise<Outcome> =>
    send(bench, { url, headers: { ...BROWSER, ...more } }, [requireOrganization(bench.engine)]);

  it("redirects to sign-in, with the way back", async () => {
    const { status, headers, reached } = await visit(makeBench(options), "/documents?page=2&q=a%26b");
    expect([reached, status]).toEqual([false, 303]);
    const location = new URL(String(headers["location"]), "https://app.example.com");
    expect([location.pathname, location.searchParams.get("return_to")]).toEqual([
      "/sign-in",
      "/documents?page=2&q=a%26b",
    ]);
    expect(headers["cache-control"]).toBe("private, no-store");
  });

  it("redirects to organization selection", async () => {
    const outcome = await visit(makeBench(options), "/documents", bearerOf({ org: undefined }));
    expect([outcome.status, outcome.headers["location"]]).toEqual([303, "/choose?return_to=%2Fdocuments"]);
  });

  it.each(["//evil.example/", "/\\evil.example", "/a\u0000b", "http://evil.example/", "*"])(
    "R-16: leads back home from %j, not elsewhere",
    async (url) => {
      const { headers } = await visit(makeBench(options), url);
      expect(headers["location"]).toBe("/sign-in?return_to=%2F");
    },
  );

  it("asks the sign-in page for a recent authentication", async () => {
    const bench = makeBench(options);
    const init = { url: "/billing", headers: { ...BROWSER, ...bearerOf({ auth_time: 1 }) } };
    const { headers } = await send(bench, init, [requireRecentAuth(bench.engine, { maxAge: 300 })]);
    expect(headers["location"]).toBe("/sign-in?return_to=%2Fbilling&max_age=300");
  });

  it("redirects to where the store wants the browser to authenticate again", async () => {
    const bench = makeBench({ ...options, maxTokenAge: 0 });
    bench.store.answer = () => ({
      status: "reauthenticate",
      reason: "sso_required",
      url: "https://sso.example/x?y=1",
    });
    expect((await visit(bench, "/", bearerOf({}))).headers["location"]).toBe("https://sso.example/x?y=1");
    const program = await send(bench, { headers: bearerOf({}) }, [requireAuth(bench.engine)]);
    expect(JSON.parse(program.body)).toMatchObject({
      code: "reauthentication_required",
      reason: "sso_required",
      sign_in_url: "https://sso.example/x?y=1",
    });
  });

  it.each([
    ["a fetch", { "Sec-Fetch-Mode": "cors" }, "GET"],
    ["a form", {}, "POST"],
    ["a program", { Accept: "application/json" }, "GET"],
  ])("is not led anywhere as %s", async (_, headers, method) => {
    const bench = makeBench(options);
    const outcome = await send(bench, { method, headers: { ...BROWSER, ...headers } }, [
      requireAuth(bench.engine),
    ]);
    expect([outcome.status, outcome.headers["location"]]).toEqual([401, undefined]);
  });

  it("does not redirect a page to itself, nor without a configured page", async () => {
    expect((await visit(makeBench(options), "/sign-in?x=1")).status).toBe(401);
    expect((await visit(makeBench(), "/documents")).status).toBe(401);
  });

  it.each(["store_unavailable", "clock_skew", "permission_denied", "cross_site_request"] as const)(
    "is not led away by %s: nobody is signed out",
    async (code) => {
      const answer = await answerTo({ code }, makeBench(options), { headers: BROWSER });
      expect([answer.status, answer.headers["location"]]).toEqual([ERROR_TABLE[code].status, undefined]);
    },
  );

  it.each([
    ["https://app.example.com", "__Host-orgate-bounce", true],
    ["http://localhost:3000", "orgate-bounce", false],
  ])("is told so when it comes straight back, under %s", async (baseUrl, name, secure) => {
    const bench = makeBench({ ...options, baseUrl });
    const first = await visit(bench, "/documents");
    const line = first.cookies.find((cookie) => cookie.startsWith(`${name}=`)) ?? "";
    expect([line.includes("Secure"), line.includes("Path=/;"), line.includes("HttpOnly")]).toEqual([
      secure,
      true,
      true,
    ]);
    const Cookie = `${line.split(";", 1)[0]}.${bench.clock.now}`;

    bench.clock.now += 9.9;
    const again = await visit(bench, "/documents", { Cookie });
    expect([again.status, again.headers["content-type"]]).toEqual([401, "text/html; charset=utf-8"]);
    expect(again.body).toContain("just signed in");
    expect((await visit(bench, "/other", { Cookie })).status).toBe(303);
    bench.clock.now += 0.1;
    expect((await visit(bench, "/documents", { Cookie })).status).toBe(303);
  });

  it.each(["", "x", "x.y", ".", "x.99999999999", "x.-1", "x.NaN", "\u00e9.1"])(
    "does not stumble over the bounce cookie %j",
    async (value) => {
      const outcome = await visit(makeBench(options), "/documents", {
        Cookie: `__Host-orgate-bounce=${value}`,
      });
      expect(outcome.status).toBe(303);
    },
  );

  it("R-43: escapes the requested URL on the loop page", async () => {
    const bench = makeBench(options);
    const url = "/a?<script>alert(1)</script>";
    const [line = ""] = (await visit(bench, url)).cookies;
    const { body } = await visit(bench, url, {
      Cookie: `${line.split(";", 1)[0]}.${bench.clock.now}`,
    });
    expect(body).toContain("just signed in");
    expect(body).not.toContain("<script");
  });
});

describe("onDenied", () => {
  it("replaces the default answer, and can still give it", async () => {
    const denials: Denial[] = [];
    const bench = makeBench({
      signIn: { path: "/sign-in" },
      onDenied: (denial, _request, response) => {
        denials.push(denial);
        if (denial.code === "unauthenticated") response.writeHead(402).end();
        else denial.respond();
      },
    });
    expect((await answerTo({ code: "unauthenticated" }, bench, { headers: BROWSER })).status).toBe(402);
    expect((await answerTo({ code: "role_required" }, bench)).status).toBe(403);
    expect(denials[0]).toMatchObject({
      code: "unauthenticated",
      status: 401,
      title: ERROR_TABLE.unauthenticated.title,
      redirectTo: "/sign-in?return_to=%2F",
      headers: { "WWW-Authenticate": 'Bearer realm="app.example.com"' },
    });
    expect(denials.every((denial) => Object.isFrozen(denial) && Object.isFrozen(denial.extensions))).toBe(
      true,
    );
  });

  it("R-45: passes what it throws or rejects with to next", async () => {
    const failure = new Error("the application's own");
    const throwing = [
      () => {
        throw failure;
      },
      () => Promise.reject(failure),
    ];
    for (const onDenied of throwing) {
      const bench = makeBench({ onDenied });
      expect(await send(bench, {}, [requireAuth(bench.engine)])).toMatchObject({
        reached: false,
        error: failure,
      });
    }
  });
});

describe("denialOf", () => {
  it("returns a denial for every state and lets nobody through", () => {
    expect(denialOf({ status: "anonymous" })).toEqual({ code: "unauthenticated" });
    expect(denialOf({ status: "rejected", code: "invalid_token", via: "bearer" })).toEqual({
      code: "invalid_token",
    });
    expect(denialOf({ status: "unavailable", code: "clock_skew", retryAfter: 5 })).toEqual({
      code: "clock_skew",
      retryAfter: 5,
    });
    const reauthenticate = { status: "rejected", code: "reauthentication_required", via: "cookie" } as const;
    expect(denialOf(reauthenticate)).toEqual({ code: "reauthentication_required", extensions: {} });
    expect(denialOf({ ...reauthenticate, reason: "sso_required", signInUrl: "https://a.example/" })).toEqual({
      code: "reauthentication_required",
      extensions: { reason: "sso_required" },
      signInUrl: "https://a.example/",
    });
    const memberSession = {
      id: "s",
      memberId: "m",
      authenticationFactors: [],
      roles: [],
      customClaims: null,
    };
    expect(
      denialOf({ status: "authenticated", via: "bearer", member: { id: "m", roles: [] }, memberSession })
        .code,
    ).toBe("unauthenticated");
  });
});
