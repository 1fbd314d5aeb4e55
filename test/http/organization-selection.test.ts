import { describe, expect, it } from "@jest/globals";
import { FRAMEWORKS } from "../support/apps.ts";
import { makeTenancy, SELECTION } from "../support/tenancy.ts";
import { JSON_CLIENT, setCookiesOf } from "../support/visitor.ts";

describe.each(FRAMEWORKS)("signing in on %s", (framework) => {
  it.each([true, false])("leads a member of several organizations through the selection, auth above: %s", async (mounted) => {
    const app = makeTenancy({ framework, mounted });
    const { browser } = app;
    const signIn = await browser.post("/sign-in?return_to=/documents%3Fpage=2", {
      headers: { Accept: "text/html", "X-User": "user_ada" },
    });
    expect([signIn.status, signIn.headers["location"]]).toEqual([303, SELECTION]);
    expect(await app.whoIs(browser)).toEqual({ member: null, organization: null, session: null });

    const page = await browser.get(SELECTION);
    expect(page.status).toBe(200);
    expect(page.text).toContain("Globex");

    const chosen = await browser.post(SELECTION, {
      headers: { Accept: "text/html" },
      body: "organization_id=org_globex",
    });
    expect([chosen.status, chosen.headers["location"]]).toEqual([303, "/documents?page=2"]);
    expect([...browser.cookies.keys()]).toEqual(["__Host-orgate"]);
    expect(await app.whoIs(browser)).toMatchObject({ organization: "org_globex" });
    expect(await app.countSessions("user_ada")).toBe(1);
    expect(app.errors).toEqual([]);
  });
});
