/**
 * Pins the codes of configuration problems and the options that they name, through the package's entries alone. Messages
 * and suggestions may change; codes and option names are what programs compare.
 */
import { describe, expect, it } from "@jest/globals";
import express, { type ErrorRequestHandler, type RequestHandler } from "express";
import request from "supertest";
import {
  type ConfigurationError,
  definePolicy,
  isOrgateError,
  type Orgate,
  orgate,
  type OrgateOptions,
} from "orgate";
import { type Authority, createAuthority, memoryDirectory } from "orgate/authority";
import { stytchRouter } from "orgate/authority/stytch";
import { workosRouter } from "orgate/authority/workos";
import { handler } from "orgate/express";
import { fromStytch, stytch } from "orgate/stytch";
import { workos } from "orgate/workos";

const PASSWORD = "a cookie password of 32 characters";
const ISSUER = "http://localhost:3000";
const directory = memoryDirectory({
  users: [{ id: "user_bob", emailAddress: "bob@example.com" }],
  organizations: [{ id: "org_acme", name: "Acme" }],
  memberships: [{ userId: "user_bob", organizationId: "org_acme", roles: ["viewer"] }],
});

/** Every option, spelt as in the types, and the problems that an empty object has. */
const FACTORIES = [
  {
    name: "orgate",
    make: (options: never) => orgate(options),
    options: [
      "attach baseUrl cache clock clockTolerance cookie coordinator credentials csrf events ipAddress maxTokenAge",
      "onDenied organizationSelection policy sessionDuration signIn staleIfUnavailable store",
    ],
    empty: ["option_missing baseUrl", "option_missing cookie.password", "option_missing store"],
  },
  {
    name: "createAuthority",
    make: (options: never) => createAuthority(options),
    options: [
      "accessTokenLifetime clock directory events expiredTokenRenewal idleTimeout issuer keys pendingLifetime",
      "policy refreshGrace repository sessionLifetime",
    ],
    empty: ["option_missing directory", "option_missing issuer"],
  },
  {
    name: "workos",
    make: (options: never) => workos(options),
    options: [
      "apiHostname apiKey audience authDomain baseUrl clientId clock fetch https issuers logout port provider",
      "redirectUri timeout",
    ],
    empty: ["option_missing apiKey", "option_missing clientId"],
  },
  {
    name: "stytch",
    make: (options: never) => stytch(options),
    options: [
      "baseUrl clock fetch issuers opaqueCookieName organizationPolicies projectId secret sessionCustomClaims",
      "sessionDuration timeout unknownKey",
    ],
    empty: ["option_missing projectId", "option_missing secret"],
  },
  {
    name: "memoryDirectory",
    make: (options: never) => memoryDirectory(options),
    options: ["memberships organizations users"],
    empty: [],
  },
  {
    name: "workosRouter",
    make: (options: never) => workosRouter(makeAuthority(), options),
    options: ["apiKey clientId codeLifetime issuer permissions redirectUris signIn signOutRedirects"],
    empty: ["option_invalid apiKey", "option_invalid clientId"],
  },
  {
    name: "stytchRouter",
    make: (options: never) => stytchRouter(makeAuthority(), options),
    options: ["projectId secret"],
    empty: ["option_invalid projectId", "option_invalid secret"],
  },
] as const;

describe.each(FACTORIES)("$name", ({ make, options, empty }) => {
  const names = options.join(" ").split(" ");

  it("says which options are missing", () => {
    expect(problemsOf(() => make({} as never)).toSorted(compareText)).toEqual(empty);
  });

  it("knows each of its options", () => {
    const given = Object.fromEntries(names.map((name) => [name, undefined]));
    const problems = problemsOf(() => make(given as never));
    expect(problems.filter((problem) => problem.startsWith("option_unknown"))).toEqual([]);
  });

  it("reports an unknown option by its name", () => {
    expect(problemsOf(() => make({ notAnOption: 1 } as never))).toContain("option_unknown notAnOption");
  });

  it("reports every option of a wrong type, by its name", () => {
    const given = Object.fromEntries(names.map((name) => [name, -1.5]));
    const reported = problemsOf(() => make(given as never)).map(
      (problem) => / (\w+)/.exec(problem)?.[1] ?? "",
    );
    expect([...new Set(reported)].toSorted(compareText)).toEqual(names);
  });
});

describe("codes of problems", () => {
  it("has option_missing and option_invalid for cookie passwords", () => {
    expect(problemsOf(() => makeAuth({ cookie: {} }))).toEqual(["option_missing cookie.password"]);
    expect(problemsOf(() => makeAuth({ cookie: { password: "short" } }))).toEqual([
      "option_invalid cookie.password",
    ]);
  });

  it("has option_unknown for a nested option", () => {
    const cookie = { password: PASSWORD, maxage: 1 };
    expect(problemsOf(() => makeAuth({ cookie }))).toEqual(["option_unknown cookie.maxage"]);
  });

  it("has option_missing for a sealed session without a password", async () => {
    const asked = makeAuthority().authenticate({
      userId: "user_bob",
      authenticationMethod: "Password",
      session: { sealSession: true },
    });
    expect(await rejectionOf(asked)).toEqual(["option_missing session.cookiePassword"]);
  });

  it("has directory_unknown_id and directory_duplicate for a directory", () => {
    const users = [
      { id: "user_bob", emailAddress: "bob@example.com" },
      { id: "user_bob", emailAddress: "bobby@example.com" },
    ];
    expect(problemsOf(() => memoryDirectory({ users }))).toEqual(["directory_duplicate users[1].id"]);
    const memberships = [{ userId: "user_eve", organizationId: "org_evil", roles: [] }];
    expect(problemsOf(() => memoryDirectory({ memberships }))).toEqual([
      "directory_unknown_id memberships[0].userId",
      "directory_unknown_id memberships[0].organizationId",
    ]);
  });

  it("has membership_unknown for roles of a membership that does not exist", () => {
    expect(problemsOf(() => directory.setRoles("user_bob", "org_other", []))).toEqual([
      'membership_unknown setRoles("user_bob", "org_other")',
    ]);
  });

  it("has authentication_invalid for an answer that is no authentication", async () => {
    expect(problemsOf(() => fromStytch({}))).toEqual(["authentication_invalid fromStytch"]);
    const auth = makeAuth();
    const establish: RequestHandler = (req, res, next) => {
      auth.establish(req, res, {} as never).catch(next);
    };
    expect(await answerOf(establish, auth)).toEqual(["authentication_invalid establish"]);
  });

  it("has middleware_called for auth() and guard_not_called for a guard without parentheses", async () => {
    const auth = makeAuth();
    expect(problemsOf(() => (auth as unknown as () => void)())).toEqual(["middleware_called auth"]);
    const { requireAuth } = auth as unknown as Record<"requireAuth", RequestHandler>;
    expect(await answerOf(requireAuth, auth)).toEqual(["guard_not_called requireAuth"]);
  });

  it("has not_mounted for a guard without the middleware", async () => {
    expect(await answerOf(makeAuth().requireAuth())).toEqual(["not_mounted requireAuth"]);
  });

  it("has not_guarded for handler on a route without a guard", async () => {
    const auth = makeAuth();
    expect(
      await answerOf(
        handler((_req, res) => res.end()),
        auth,
      ),
    ).toEqual(["not_guarded handler"]);
  });

  it("has not_attached for handler where attach is false", async () => {
    const authority = makeAuthority();
    const auth = makeAuth({ attach: false, store: authority });
    const { accessToken } = await authority.authenticate({
      userId: "user_bob",
      authenticationMethod: "Password",
    });
    const app = express().use(auth, auth.requireOrganization(), handler((_req, res) => res.end()) as never);
    const response = await request(app.use(answerProblems)).get("/").auth(accessToken, { type: "bearer" });
    expect(response.body).toEqual(["not_attached handler"]);
  });

  it("has option_invalid for a permission that the policy does not declare", () => {
    const policy = definePolicy({ resources: { documents: ["read"] }, roles: {} });
    const auth = makeAuth({ policy });
    const problems = problemsOf(() => auth.requirePermission("documents", "raed"));
    expect(problems).toEqual(['option_invalid requirePermission("documents", "raed")']);
  });
});

function makeAuthority(): Authority {
  return createAuthority({ issuer: ISSUER, directory });
}

function makeAuth(options: Partial<OrgateOptions> = {}): Orgate {
  return orgate({ baseUrl: ISSUER, store: makeAuthority(), cookie: { password: PASSWORD }, ...options });
}

/** Sends a request without a credential through a handler, and reads the problems that reach Express's error handler. */
async function answerOf(handle: RequestHandler, auth?: Orgate): Promise<unknown> {
  const app = express();
  if (auth !== undefined) app.use(auth);
  app.get("/", handle);
  app.use(answerProblems);
  return (await request(app).get("/")).body;
}

const answerProblems: ErrorRequestHandler = (error, _req, res, _next) => {
  res.status(500).json(listProblems(error));
};

function problemsOf(act: () => unknown): string[] {
  try {
    act();
    return [];
  } catch (error) {
    return listProblems(error);
  }
}

async function rejectionOf(promise: Promise<unknown>): Promise<string[]> {
  return promise.then(() => [], listProblems);
}

function compareText(left: string, right: string): number {
  return left.localeCompare(right);
}

function listProblems(error: unknown): string[] {
  if (!isOrgateError(error) || error.code !== "configuration_invalid") throw error;
  return (error as ConfigurationError).problems.map(({ code, option }) => `${code} ${option}`);
}
