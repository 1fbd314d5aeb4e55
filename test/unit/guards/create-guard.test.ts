import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { ConfigurationError, type ConfigurationProblem } from "../../../src/errors.ts";
import { requireAuth } from "../../../src/guards/requirements.ts";
import { requireFactor } from "../../../src/guards/requirements.ts";
import type { GuardOptions, Middleware } from "../../../src/guards/guard.ts";
import { requireOrganization } from "../../../src/guards/requirements.ts";
import { requirePermission } from "../../../src/guards/permissions.ts";
import { requireRole } from "../../../src/guards/requirements.ts";
import { makeBench, send, type EngineBench, type Outcome } from "../../support/engine-bench.ts";
import { makeExchange } from "../../support/exchange.ts";
import { issueToken, NOW } from "../../support/fake-store.ts";

const unhandled: unknown[] = [];
const collect = (reason: unknown): void => void unhandled.push(reason);
beforeEach(() => void process.on("unhandledRejection", collect));
afterEach(async () => {
  await new Promise(setImmediate);
  process.off("unhandledRejection", collect);
  if (unhandled.length > 0) throw new AggregateError(unhandled.splice(0), "promises were rejected unhandled");
});

const ADA = { Authorization: `Bearer ${issueToken({ slug: "acme", roles: ["viewer"] })}` };

function codeOf({ body }: Outcome): unknown {
  return body === "" ? undefined : (JSON.parse(body) as { code: unknown }).code;
}

/** Gives a request what a router in front would. */
function withParams(params: unknown): Middleware {
  return (request, _response, next) => {
    Object.assign(request, { params });
    next();
  };
}

function problemsOf(make: () => unknown): readonly ConfigurationProblem[] {
  try {
    make();
  } catch (error) {
    if (error instanceof ConfigurationError) return error.problems;
    throw error;
  }
  throw new Error("expected a ConfigurationError");
}

describe("a guard without orgate's middleware before it", () => {
  it("is a configuration error, never an open door", async () => {
    const { engine } = makeBench();
    const { request, response } = makeExchange({ headers: ADA });
    const passed: unknown[] = [];
    requireAuth(engine)(request, response, (error) => passed.push(error));
    expect(passed).toEqual([expect.any(ConfigurationError)]);
    expect((passed[0] as ConfigurationError).problems).toMatchObject([
      { code: "not_mounted", option: "requireAuth" },
    ]);
  });

  it("does not use what another instance knows", async () => {
    const [one, other] = [makeBench(), makeBench()];
    const outcome = await send(one, { headers: ADA }, [requireAuth(other.engine)]);
    expect([outcome.reached, outcome.error]).toEqual([false, expect.any(ConfigurationError)]);
  });
});

describe("R-42: properties that other middleware sets on the request", () => {
  const forgers: readonly (readonly [string, Middleware])[] = [
    [
      "req.member and its kin",
      forge({
        member: { id: "eve", roles: ["admin"] },
        memberSession: { roles: ["admin"] },
        organization: { id: "org_9" },
      }),
    ],
    [
      "req.auth and req.user",
      forge({ auth: { roles: ["admin"] }, user: { roles: ["admin"] }, session: { roles: ["admin"] } }),
    ],
    [
      "a body and a query",
      forge({
        body: { member: {}, roles: ["admin"], organization_id: "org_9" },
        query: { roles: ["admin"] },
      }),
    ],
    ["a verdict", forge({ verdict: { authorized: true } })],
  ];

  function forge(properties: object): Middleware {
    return (request, _response, next) => {
      for (const [name, value] of Object.entries(properties)) Reflect.set(request, name, value);
      next();
    };
  }

  it.each(forgers)("never reaches a guard: %s", async (_, forger) => {
    const bench = makeBench();
    const guards = [
      requireAuth(bench.engine),
      requireRole(bench.engine, "admin"),
      requirePermission(bench.engine, "requirePermission", [["billing", "manage"]]),
      requireOrganization(bench.engine, { organization: () => "org_9" }),
    ];
    for (const guard of guards) {
      const anonymous = await send(bench, {}, [forger, guard]);
      expect([anonymous.reached, codeOf(anonymous)]).toEqual([false, "unauthenticated"]);
    }
    for (const guard of guards.slice(1)) {
      const viewer = await send(bench, { headers: ADA }, [forger, guard]);
      expect([viewer.reached, viewer.status]).toEqual([false, 403]);
    }
  });
});

describe("the organization of a route", () => {
  const bench = makeBench();
  const guard = (options: GuardOptions): Middleware => requireOrganization(bench.engine, options);
  const send1 = (
    options: GuardOptions,
    params: unknown,
    more: Record<string, string> = {},
  ): Promise<Outcome> => send(bench, { headers: { ...ADA, ...more } }, [withParams(params), guard(options)]);

  it.each([
    ["a parameter", { organization: "param:orgId" }, { orgId: "org_1" }, {}],
    ["a header", { organization: "header:X-Org" }, {}, { "x-org": "org_1" }],
    ["a function", { organization: () => "org_1" }, {}, {}],
    ["the slug", { organization: "param:slug", by: "slug" }, { slug: "acme" }, {}],
    ["the id, said so", { organization: "param:orgId", by: "id" }, { orgId: "org_1" }, {}],
  ] as const)("lets its own members through, named by %s", async (_, options, params, headers) => {
    expect((await send1(options, params, headers)).reached).toBe(true);
  });

  it.each([
    ["another's id", { organization: "param:orgId" }, { orgId: "org_2" }],
    ["other letters", { organization: "param:orgId" }, { orgId: "ORG_1" }],
    ["its slug where the id is meant", { organization: "param:orgId" }, { orgId: "acme" }],
    ["its id where the slug is meant", { organization: "param:slug", by: "slug" }, { slug: "org_1" }],
    ["no such parameter", { organization: "param:other" }, { orgId: "org_1" }],
    ["an empty parameter", { organization: "param:orgId" }, { orgId: "" }],
    ["a list", { organization: "param:orgId" }, { orgId: ["org_1"] }],
    ["an object", { organization: "param:orgId" }, { orgId: { toString: () => "org_1" } }],
    ["no parameters at all", { organization: "param:orgId" }, undefined],
    ["parameters that are null", { organization: "param:orgId" }, null],
    ["R-39: an inherited name", { organization: "param:constructor" }, {}],
    ["R-39: __proto__", { organization: "param:__proto__" }, {}],
    ["a header that did not come", { organization: "header:x-org" }, {}],
    ["R-39: an inherited header", { organization: "header:constructor" }, {}],
    ["a function that does not know", { organization: () => undefined }, {}],
    ["a function that answers nothing", { organization: () => "" }, {}],
    [
      "a function that answers a promise",
      { organization: (() => Promise.resolve("org_1")) as unknown as () => string },
      {},
    ],
  ] as [string, GuardOptions, unknown][])("refuses %s", async (_, options, params) => {
    const outcome = await send1(options, params);
    expect([outcome.reached, outcome.status, codeOf(outcome)]).toEqual([false, 403, "organization_mismatch"]);
  });

  it("is compared by every guard with the option, not only by requireOrganization", async () => {
    const guards = [
      requireAuth(bench.engine, { organization: "param:orgId" }),
      requireFactor(bench.engine, "password", { organization: "param:orgId" }),
      requireRole(bench.engine, "viewer", { organization: "param:orgId" }),
      requirePermission(bench.engine, "requirePermission", [["documents", "read"]], {
        organization: "param:orgId",
      }),
    ];
    for (const each of guards) {
      const outcome = await send(bench, { headers: ADA }, [withParams({ orgId: "org_2" }), each]);
      expect(codeOf(outcome)).toBe("organization_mismatch");
    }
  });

  it("does not match a session without a slug when slugs are compared", async () => {
    const headers = { Authorization: `Bearer ${issueToken()}` };
    for (const slug of ["undefined", "org_1"]) {
      const outcome = await send(bench, { headers }, [
        withParams({ slug }),
        guard({ organization: "param:slug", by: "slug" }),
      ]);
      expect(codeOf(outcome)).toBe("organization_mismatch");
    }
  });

  it("uses the session's slug when the organization has none", async () => {
    const plain = makeBench(
      {},
      {
        interpret: (claims) => ({
          member: { id: claims.sub, roles: [] },
          memberSession: {
            id: "s",
            memberId: claims.sub,
            organizationId: "org_1",
            organizationSlug: "acme",
            authenticationFactors: [],
            roles: [],
            customClaims: null,
          },
          organization: { id: "org_1" },
        }),
      },
    );
    const by = requireOrganization(plain.engine, { organization: () => "acme", by: "slug" });
    expect((await send(plain, { headers: ADA }, [by])).reached).toBe(true);
  });

  it("R-45: passes what the application's function throws to next, also after the store was asked", async () => {
    const failure = new Error("the application's own");
    const organization = (): string => {
      throw failure;
    };
    expect(await send1({ organization }, {})).toMatchObject({ reached: false, error: failure });
    const asking = makeBench();
    asking.store.answer = () => ({ status: "active", verifiedAt: asking.clock.now });
    const later = requireOrganization(asking.engine, { organization, maxTokenAge: 0 });
    expect(await send(asking, { headers: ADA }, [later])).toMatchObject({ reached: false, error: failure });
  });
});

describe("a session without an organization", () => {
  const NOBODYS = { Authorization: `Bearer ${issueToken({ org: undefined })}` };
  const trap = new Proxy([], {
    get() {
      throw new TypeError("sprung");
    },
  });

  it.each([requireAuth, requireOrganization])("is sent to choose where one is needed (%p)", async (make) => {
    const bench = makeBench();
    const guard = make(bench.engine, { organization: () => "org_1" });
    const outcome = await send(bench, { headers: NOBODYS }, [guard]);
    expect([outcome.reached, outcome.status]).toEqual([false, 403]);
    expect(JSON.parse(outcome.body)).toMatchObject({
      code: "organization_selection_required",
      selection_url: "/select-organization",
    });
  });

  it("passes guards that need no organization", async () => {
    const bench = makeBench();
    expect((await send(bench, { headers: NOBODYS }, [requireAuth(bench.engine)])).reached).toBe(true);
  });

  it("gets the id and name of each organization and nothing else", async () => {
    const offered = [
      { id: "org_1", name: "One", secret: "canary" },
      { id: "org_2", name: "<Two>" },
    ];
    const bench = makeBench({}, { organizations: () => Promise.resolve(offered) });
    const outcome = await send(bench, { headers: NOBODYS }, [requireOrganization(bench.engine)]);
    expect(JSON.parse(outcome.body)).toMatchObject({
      organizations: [
        { id: "org_1", name: "One" },
        { id: "org_2", name: "<Two>" },
      ],
    });
    expect(outcome.body).not.toContain("canary");
  });

  it.each([
    ["rejects", () => Promise.reject(new Error("down"))],
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors
    ["rejects with nothing", () => Promise.reject(undefined)],
    [
      "throws at once",
      () => {
        throw new Error("down");
      },
    ],
    ["answers nothing", () => Promise.resolve(undefined)],
    ["answers an object", () => Promise.resolve({ data: [] })],
    ["answers a trap", () => Promise.resolve(trap)],
    ["answers no promise", () => "soon"],
  ])(
    "R-45: must choose an organization even when the store %s instead of listing them",
    async (_, organizations) => {
      const bench = makeBench({}, { organizations: organizations as never });
      const outcome = await send(bench, { headers: NOBODYS }, [requireOrganization(bench.engine)]);
      expect([outcome.reached, outcome.status, outcome.error]).toEqual([false, 403, undefined]);
      expect(JSON.parse(outcome.body)).not.toHaveProperty("organizations");
    },
  );

  it.each([null, 7, "org", {}, { id: 1, name: "x" }, { id: "org_1" }])(
    "leaves out a list in which %j stands for an organization, and reports the store",
    async (malformed) => {
      const listed = [{ id: "org_2", name: "Two" }, malformed];
      const bench = makeBench({}, { organizations: () => Promise.resolve(listed as never) });
      const outcome = await send(bench, { headers: NOBODYS }, [requireOrganization(bench.engine)]);
      expect(outcome.status).toBe(403);
      expect(JSON.parse(outcome.body)).not.toHaveProperty("organizations");
      expect(bench.events).toContainEqual(
        expect.objectContaining({ type: "unavailable", reason: "nonsense" }),
      );
    },
  );
});

describe("a stricter age", () => {
  const guardOf = (bench: EngineBench, maxTokenAge: number): Middleware =>
    requireAuth(bench.engine, { maxTokenAge });
  const alive = (bench: EngineBench) => () => ({ status: "active" as const, verifiedAt: bench.clock.now });

  it("asks the store at 0, once a request for all guards", async () => {
    const bench = makeBench();
    bench.store.answer = alive(bench);
    const outcome = await send(bench, { headers: ADA }, [
      guardOf(bench, 0),
      guardOf(bench, 0),
      guardOf(bench, 5),
    ]);
    expect(outcome.reached).toBe(true);
    expect(outcome.record?.source).toBe("store");
    expect(bench.store.asked).toHaveLength(1);
    await send(bench, { headers: ADA }, [guardOf(bench, 0)]);
    expect(bench.store.asked).toHaveLength(2);
  });

  it.each([
    [9, 1],
    [10, 1],
    [11, 0],
  ])("asks about a token of ten seconds where %i are allowed: %i times", async (maxTokenAge, times) => {
    const bench = makeBench();
    bench.store.answer = alive(bench);
    expect((await send(bench, { headers: ADA }, [guardOf(bench, maxTokenAge)])).reached).toBe(true);
    expect(bench.store.asked).toHaveLength(times);
  });

  it("is never looser than the application's own", async () => {
    const bench = makeBench({ maxTokenAge: 10 });
    bench.store.answer = () => ({ status: "ended", reason: "revoked" });
    const outcome = await send(bench, { headers: ADA }, [guardOf(bench, 3_600)]);
    expect([outcome.reached, codeOf(outcome)]).toEqual([false, "session_revoked"]);
  });

  it.each([
    ["ended", { status: "ended", reason: "revoked" }, 401, "session_revoked"],
    [
      "to authenticate anew",
      { status: "reauthenticate", reason: "sso_required" },
      401,
      "reauthentication_required",
    ],
    ["unrenewable", { status: "unrenewable" }, 401, "token_too_old"],
  ] as const)("denies by the store's word: %s", async (_, renewal, status, code) => {
    const bench = makeBench();
    bench.store.answer = () => renewal;
    const outcome = await send(bench, { headers: ADA }, [guardOf(bench, 0)]);
    expect([outcome.reached, outcome.status, codeOf(outcome)]).toEqual([false, status, code]);
  });

  it("is 503 while the store is down, even if the application allows stale tokens", async () => {
    const bench = makeBench({ staleIfUnavailable: 60, maxTokenAge: 30 });
    bench.store.answer = () => Promise.reject(new Error("down"));
    const outcome = await send(bench, { headers: ADA }, [guardOf(bench, 0)]);
    expect([outcome.reached, outcome.status]).toEqual([false, 503]);
    expect(Number(outcome.headers["retry-after"])).toBeGreaterThan(0);
  });

  it("does not ask about a client that is not signed in", async () => {
    const bench = makeBench();
    expect((await send(bench, {}, [guardOf(bench, 0)])).status).toBe(401);
    expect(bench.store.asked).toEqual([]);
  });

  it("decides by the roles that the store answered for this request", async () => {
    const bench = makeBench();
    const accessToken = issueToken({ roles: ["editor"], iat: NOW });
    bench.store.answer = () => ({ status: "active", verifiedAt: NOW, credential: { accessToken } });
    const guard = requirePermission(bench.engine, "requirePermission", [["documents", "write"]], {
      maxTokenAge: 0,
    });
    const outcome = await send(bench, { headers: ADA }, [guard]);
    expect(outcome.reached).toBe(true);
    expect(outcome.record?.verdict).toEqual({
      authorized: true,
      grantingRoles: ["editor"],
      resource: "documents",
      action: "write",
      organizationId: "org_1",
      via: "role",
      source: "store",
    });
    expect(outcome.headers["session-jwt"]).toBe(accessToken);
  });
});

describe("a guard that can never work as written", () => {
  const { engine } = makeBench();
  const options = (value: unknown): GuardOptions => value as GuardOptions;

  it.each([
    ["a role for options", "admin", "option_invalid", "requireAuth"],
    ["null for options", null, "option_invalid", "requireAuth"],
    ["a misspelt option", { organisation: "param:orgId" }, "option_unknown", "organisation"],
    ["an organization without a place", { organization: "orgId" }, "option_invalid", "organization"],
    ["an organization in a place unknown", { organization: "query:orgId" }, "option_invalid", "organization"],
    ["an organization without a name", { organization: "param:" }, "option_invalid", "organization"],
    [
      "an organization with a name that is none",
      { organization: "param:a b" },
      "option_invalid",
      "organization",
    ],
    ["an organization that is no string", { organization: 7 }, "option_invalid", "organization"],
    ["by something else", { organization: "param:orgId", by: "name" }, "option_invalid", "by"],
    ["by, and nothing to compare", { by: "slug" }, "option_invalid", "by"],
    ["an age below 0", { maxTokenAge: -1 }, "option_invalid", "maxTokenAge"],
    ["an age that is no number", { maxTokenAge: NaN }, "option_invalid", "maxTokenAge"],
    ["an age for ever", { maxTokenAge: Infinity }, "option_invalid", "maxTokenAge"],
    ["an age that is a string", { maxTokenAge: "0" }, "option_invalid", "maxTokenAge"],
  ])("throws at construction: %s", (_, given, code, option) => {
    const problems = problemsOf(() => requireAuth(engine, options(given)));
    expect(problems).toContainEqual(expect.objectContaining({ code, option }));
    expect(problems[0]?.suggestion).not.toBe("");
  });

  it("does not read the characters of a string as options", () => {
    const problems = problemsOf(() => requireAuth(engine, options("param:orgId")));
    expect(problems).toHaveLength(1);
    expect(problems[0]?.suggestion).toContain("organization");
  });

  it("suggests the option that was meant, and reports all mistakes at once", () => {
    const problems = problemsOf(() =>
      requireAuth(engine, options({ maxTokenage: 0, by: "name", organization: "x" })),
    );
    expect(problems.map(({ option }) => option)).toEqual(["maxTokenage", "organization", "by"]);
    expect(problems[0]?.suggestion).toBe('Did you mean "maxTokenAge"?');
  });
});
