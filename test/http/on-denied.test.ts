import { describe, expect, it } from "@jest/globals";
import type { Denial } from "../../src/model.ts";
import { closeAfterEach, FRAMEWORKS, start, withCookie } from "../support/apps.ts";
import { settle } from "../support/timers.ts";
import { NAVIGATION } from "../support/browser.ts";

closeAfterEach();

describe.each(FRAMEWORKS)("onDenied on %s", (framework) => {
  it("replaces the answer", async () => {
    const { send, reached } = await start({
      framework,
      options: {
        onDenied(denial, _request, response) {
          response.statusCode = 418;
          response.end(denial.code);
        },
      },
    });
    const { status, body, headers } = await send({});
    expect([status, body, reached]).toEqual([418, "unauthenticated", []]);
    expect(headers["www-authenticate"]).toBeUndefined();
    expect(headers.vary).toBe("Cookie, Authorization");
  });

  it("can still give the default answer", async () => {
    const { send, reached } = await start({
      framework,
      options: {
        async onDenied(denial) {
          await settle();
          denial.respond();
          denial.respond();
        },
      },
    });
    const { status, body, headers } = await send({});
    expect([status, headers["www-authenticate"]]).toEqual([401, 'Bearer realm="app.example.com"']);
    expect(JSON.parse(body)).toMatchObject({ code: "unauthenticated" });
    expect(reached).toEqual([]);
  });

  it.each([
    [
      "throws",
      () => {
        throw new Error("in the application");
      },
    ],
    ["rejects", () => Promise.reject(new Error("in the application"))],
  ])("fails the request and keeps it out when it %s", async (_how, onDenied) => {
    const { send, reached, errors } = await start({ framework, options: { onDenied } });
    const { status } = await send({});
    expect([status, reached]).toEqual([500, []]);
    expect(errors).toEqual([new Error("in the application")]);
  });

  it("passes errors to next", async () => {
    const { send, reached, errors } = await start({
      framework,
      options: { onDenied: (denial, _request, _response, next) => next(new Error(denial.code)) },
    });
    const { status } = await send({});
    expect([status, reached, errors]).toEqual([500, [], [new Error("unauthenticated")]]);
  });

  it("lets the request through only by calling next itself", async () => {
    const { send, reached } = await start({
      framework,
      options: { onDenied: (_denial, _request, _response, next) => next() },
    });
    const { status, body } = await send({});
    expect([status, reached.length]).toEqual([200, 1]);
    expect(JSON.parse(body)).toEqual({ member: null, organization: null, session: null });
  });
});

describe("a denial", () => {
  it("has everything that the default answer has, frozen", async () => {
    let seen: Denial | undefined;
    const { world, send } = await start({
      options: {
        onDenied(denial) {
          seen = denial;
          denial.respond();
        },
      },
      routes: (auth) => [{ path: "/documents", guards: [auth.requirePermission("billing", "manage")] }],
    });
    const { seal } = await world.signIn({ userId: "user_vera" });
    const { body } = await send({ headers: withCookie(seal) });
    expect(seen).toEqual({
      code: "permission_denied",
      status: 403,
      title: "You are not allowed to do this",
      detail: "The member's roles do not allow this action.",
      headers: { "WWW-Authenticate": 'Bearer realm="app.example.com", error="insufficient_scope"' },
      extensions: { resource: "billing", action: "manage" },
      respond: expect.any(Function),
    });
    expect(Object.isFrozen(seen)).toBe(true);
    expect(JSON.parse(body)).toMatchObject({ resource: "billing", action: "manage" });
  });

  it("says where a browser would be redirected", async () => {
    let seen: Denial | undefined;
    const { send } = await start({
      options: {
        signIn: { path: "/sign-in" },
        onDenied(denial, _request, response) {
          seen = denial;
          response.end();
        },
      },
    });
    await send({ headers: NAVIGATION });
    expect(seen?.redirectTo).toBe("/sign-in?return_to=%2Fdocuments");
    await send({});
    expect(seen?.redirectTo).toBeUndefined();
  });

  it("changes nothing when the answer has already begun", async () => {
    const { send } = await start({
      options: {
        onDenied(denial, _request, response) {
          response.writeHead(299);
          response.write("begun, ");
          denial.respond();
          response.end("and ended");
        },
      },
    });
    const { status, body } = await send({});
    expect([status, body]).toEqual([299, "begun, and ended"]);
  });

  it("clears an invalid cookie whoever answers", async () => {
    const { send } = await start({
      options: {
        onDenied(_denial, _request, response) {
          response.writeHead(200, { "Set-Cookie": "theme=dark" });
          response.end("a page of the application's own");
        },
      },
    });
    const { setCookies } = await send({ headers: withCookie("garbage") });
    expect(setCookies).toEqual(["theme=dark", expect.stringMatching(/^__Host-orgate=; Max-Age=0;/)]);
  });
});
