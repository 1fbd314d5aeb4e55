import { describe, expect, it } from "@jest/globals";
import express, { type Request, type Response } from "express";
import express4 from "express4";
import type { OrgateEvent } from "../../src/events.ts";
import { StytchError } from "stytch";
import { UnauthorizedException, OauthException } from "@workos-inc/node";
import { JSON_CLIENT, openBrowser } from "../support/browser.ts";
import { makeWorld } from "../support/world.ts";

const FRAMEWORKS = { "Express 4": express4 as unknown as typeof express, "Express 5": express };

/** A sign-in handler as the documentation writes it: nobody looks at its promise. */
function signInWith(framework: typeof express, error: unknown) {
  const events: OrgateEvent[] = [];
  const passed: unknown[] = [];
  const auth = makeWorld().mount({ events: (event) => void events.push(event) });
  const app = framework();
  app.use(auth);
  app.get("/authenticate", async (request: Request, response: Response) => {
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- applications reject with anything
    await auth.establish(request, response, Promise.reject(error));
  });
  const onError: express.ErrorRequestHandler = (given, _request, response, _next) => {
    passed.push(given);
    response.status(500).send("the application's own page");
  };
  app.use(onError);
  return { browser: openBrowser(app as never), events, passed };
}

const stytchError = (status: number, type: string): StytchError =>
  new StytchError({
    status_code: status,
    error_type: type,
    error_message: "no",
    error_url: "https://stytch.com",
    error_details: undefined,
    request_id: "request-id-test-1",
  });

describe.each(Object.entries(FRAMEWORKS))("a failed authentication, on %s", (_name, framework) => {
  it.each<[string, unknown, number, string, string]>([
    [
      "Stytch refuses a spent link",
      stytchError(404, "magic_link_not_found"),
      400,
      "sign_in_failed",
      "magic_link_not_found",
    ],
    [
      "Stytch refuses a wrong passcode",
      stytchError(401, "otp_code_not_found"),
      400,
      "sign_in_failed",
      "otp_code_not_found",
    ],
    [
      "WorkOS refuses a spent code",
      new OauthException(400, "req_1", "invalid_grant", "spent", {}),
      400,
      "sign_in_failed",
      "invalid_grant",
    ],
    [
      "Stytch is down",
      stytchError(500, "internal_server_error"),
      503,
      "store_unavailable",
      "internal_server_error",
    ],
    [
      "Stytch is asked too often",
      stytchError(429, "too_many_requests"),
      503,
      "store_unavailable",
      "too_many_requests",
    ],
  ])("is answered where %s", async (_what, error, status, code, reason) => {
    const { browser, events, passed } = signInWith(framework, error);
    const response = await browser.get("/authenticate", { headers: JSON_CLIENT });
    expect([response.status, response.body.code]).toEqual([status, code]);
    expect(response.headers["set-cookie"]).toBeUndefined();
    expect(passed).toEqual([]);
    const type = status === 400 ? "rejected" : "denied";
    expect(events).toContainEqual(
      expect.objectContaining({ type, code, ...(type === "rejected" && { reason }) }),
    );
  });

  it.each<[string, unknown]>([
    ["an error of the application", new TypeError("the application's own mistake")],
    ["wrong credentials of the project", stytchError(401, "unauthorized_credentials")],
    ["a wrong API key", new UnauthorizedException("req_1")],
    ["an error of the application with a status", Object.assign(new Error("no"), { status: 404 })],
    [
      "an error whose getters throw",
      Object.defineProperty(new Error("odd"), "status_code", {
        get() {
          throw new Error("no");
        },
      }),
    ],
    ["a value that is no error", "no"],
  ])("goes to the error handler unchanged: %s", async (_what, error) => {
    const { browser, passed } = signInWith(framework, error);
    const response = await browser.get("/authenticate", { headers: JSON_CLIENT });
    expect([response.status, response.text]).toEqual([500, "the application's own page"]);
    expect(passed).toHaveLength(1);
    expect(passed[0]).toBe(error);
  });
});
