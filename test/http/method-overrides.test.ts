import { describe, expect, it } from "@jest/globals";
import { EXPRESSES, makeApp } from "../support/apps.ts";
import { openBrowser } from "../support/browser.ts";
import { bearerOf, COOKIE, makeWorld } from "../support/world.ts";

const CROSS_SITE = { Origin: "https://evil.example", "Sec-Fetch-Site": "cross-site" };

describe.each(EXPRESSES)("a method override between the middleware and the guard, on %s", (framework) => {
  async function makeOverridden() {
    const world = makeWorld();
    const auth = world.mount();
    const { seal, accessToken } = await world.signIn();
    const app = makeApp(framework, {
      before: [
        auth,
        (request, _response, next) => {
          const method = new URL(request.url ?? "/", "http://h").searchParams.get("_method");
          if (method !== null) request.method = method;
          next();
        },
      ],
      routes: [{ path: "/documents", guards: [auth.requireAuth()] }],
    });
    return { app, seal, accessToken };
  }

  it("does not let another site's GET through as a DELETE", async () => {
    const { app, seal } = await makeOverridden();
    const browser = openBrowser(app.listener, new Map([[COOKIE, seal]]));
    const response = await browser.get("/documents?_method=DELETE", { headers: CROSS_SITE });
    expect([response.status, response.body.code]).toEqual([403, "cross_site_request"]);
    expect(app.reached).toEqual([]);
  });

  it("lets the application's own pages, reads and bearers through", async () => {
    const { app, seal, accessToken } = await makeOverridden();
    const browser = openBrowser(app.listener, new Map([[COOKIE, seal]]));
    const own = { "Sec-Fetch-Site": "same-origin" };
    expect((await browser.get("/documents?_method=DELETE", { headers: own })).status).toBe(200);
    expect((await browser.get("/documents", { headers: CROSS_SITE })).status).toBe(200);
    const bearer = { ...CROSS_SITE, Authorization: bearerOf(accessToken) };
    const anonymous = openBrowser(app.listener);
    expect((await anonymous.get("/documents?_method=DELETE", { headers: bearer })).status).toBe(200);
  });
});
