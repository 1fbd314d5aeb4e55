import { inspect } from "node:util";
import { describe, expect, it } from "@jest/globals";
import {
  ConfigurationError,
  ERROR_TABLE,
  isOrgateError,
  OrganizationSelectionRequiredError,
  OrgateError,
  StoreUnavailableError,
  type ErrorCode,
} from "../../src/errors.ts";

/** Codes by status, as published. */
const PUBLISHED: Readonly<Record<number, readonly ErrorCode[]>> = {
  400: ["invalid_request", "sign_in_failed"],
  401: [
    "unauthenticated",
    "invalid_token",
    "token_expired",
    "token_too_old",
    "session_revoked",
    "invalid_session",
    "ambiguous_credential",
    "invalid_pending_authentication",
    "reauthentication_required",
  ],
  403: [
    "permission_denied",
    "organization_mismatch",
    "organization_selection_required",
    "organization_not_available",
    "role_required",
    "factor_required",
    "impersonation_denied",
    "cross_site_request",
  ],
  405: ["method_not_allowed"],
  408: ["request_timeout"],
  413: ["payload_too_large"],
  500: ["configuration_invalid", "session_too_large"],
  503: ["store_unavailable", "clock_skew"],
};

describe("ERROR_TABLE", () => {
  it("gives every code its published status, and knows no other", () => {
    const published = Object.entries(PUBLISHED).flatMap(([status, codes]) =>
      codes.map((code) => [code, Number(status)]),
    );
    const actual = Object.entries(ERROR_TABLE).map(([code, { status }]) => [code, status]);
    expect(new Map(actual as [string, number][])).toEqual(new Map(published as [string, number][]));
  });
});

describe("OrgateError", () => {
  it("carries what Express's own error handler answers with", () => {
    const error = new OrgateError("permission_denied", { headers: { "X-A": "1" }, reason: "because" });
    expect(error).toMatchObject({
      name: "OrgateError",
      code: "permission_denied",
      status: 403,
      statusCode: 403,
      headers: { "X-A": "1" },
      reason: "because",
      message: ERROR_TABLE.permission_denied.title,
    });
    expect(error).toBeInstanceOf(Error);
  });

  it("has no headers and no reason unless it is given some", () => {
    const error = new OrgateError("invalid_request", { message: "a body is missing" });
    expect(error.headers).toEqual({});
    expect(error).not.toHaveProperty("reason");
    expect(error.message).toBe("a body is missing");
  });
});

describe("isOrgateError", () => {
  it("knows every one of ours, and one of another copy of the package", () => {
    const ours = [
      new OrgateError("invalid_request"),
      new ConfigurationError([]),
      new StoreUnavailableError(),
      new OrganizationSelectionRequiredError("pending", []),
    ];
    expect(ours.map(isOrgateError)).toEqual([true, true, true, true]);
    expect(isOrgateError({ [Symbol.for("orgate.error")]: true, code: "invalid_request" })).toBe(true);
  });

  it("R-45: takes nothing else for one, and does not throw over it", () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const springing = new Proxy(new Error("trap"), {
      get() {
        throw new TypeError("sprung");
      },
    });
    const others: unknown[] = [
      undefined,
      null,
      "orgate.error",
      0,
      Symbol.for("orgate.error"),
      () => undefined,
      new Error("permission_denied"),
      { name: "OrgateError", code: "permission_denied" },
      { [Symbol.for("orgate.error")]: "true" },
      proxy,
      springing,
    ];
    expect(others.map(isOrgateError)).toEqual(others.map(() => false));
  });
});

describe("ConfigurationError", () => {
  it("lists every problem, with what to do about it", () => {
    const problems = [
      { code: "option_missing", option: "store", message: "is required.", suggestion: "Pass one." },
      {
        code: "option_unknown",
        option: "strore",
        message: "is not an option.",
        suggestion: "Did you mean store?",
      },
    ];
    const error = new ConfigurationError(problems);
    expect(error).toMatchObject({
      name: "ConfigurationError",
      code: "configuration_invalid",
      status: 500,
      problems,
    });
    expect(error.message).toBe(
      "orgate: the configuration is not valid\n" +
        "- store: is required. Pass one.\n" +
        "- strore: is not an option. Did you mean store?",
    );
  });
});

describe("StoreUnavailableError", () => {
  it("says for how long, where that is known", () => {
    expect(new StoreUnavailableError({ retryAfter: 7 })).toMatchObject({
      name: "StoreUnavailableError",
      code: "store_unavailable",
      status: 503,
      retryAfter: 7,
    });
    expect(new StoreUnavailableError()).not.toHaveProperty("retryAfter");
  });

  it.each([
    [7, { "Retry-After": "7" }],
    [0.2, { "Retry-After": "1" }],
    [-3, { "Retry-After": "1" }],
    [Infinity, {}],
    [undefined, {}],
  ])("has Express's own error handler say when to try again: %p", (retryAfter, headers) => {
    expect(new StoreUnavailableError({ retryAfter }).headers).toEqual(headers);
  });
});

describe("OrganizationSelectionRequiredError", () => {
  const error = new OrganizationSelectionRequiredError("pending-canary-token", [
    { id: "org_1", name: "One" },
  ]);

  it("carries the pending token and the organizations on offer", () => {
    expect(error).toMatchObject({ code: "organization_selection_required", status: 403 });
    expect(error.pendingAuthenticationToken).toBe("pending-canary-token");
    expect(error.organizations).toEqual([{ id: "org_1", name: "One" }]);
  });

  it("R-44: does not show the token to whoever prints, serialises or copies it", () => {
    const shown = [
      inspect(error, { depth: 9 }),
      JSON.stringify(error),
      String(error),
      error.stack,
      JSON.stringify(Object.entries(error)),
    ];
    expect(shown.join("\n")).not.toContain("canary");
  });
});

describe("the cause of an error", () => {
  it("is kept, and is not enumerable", () => {
    const cause = new Error("canary");
    const error = new StoreUnavailableError({ reason: "timeout", cause });
    expect(error.cause).toBe(cause);
    expect(JSON.stringify(error)).not.toContain("canary");
    expect(Object.keys(error)).not.toContain("cause");
  });

  it("is absent where there is none", () => {
    expect("cause" in new OrgateError("sign_in_failed")).toBe(false);
  });
});
