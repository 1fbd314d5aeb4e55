import { afterEach, describe, expect, it } from "@jest/globals";
import { createSealer } from "../../src/lib/seal.ts";
import { plain } from "../support/fake-workos-world.ts";
import { JSON_CLIENT } from "../support/browser.ts";
import { makeWorkosApp, WORKOS_COOKIE, type WorkosApp } from "../support/workos-app.ts";
import { bearerOf } from "../support/world.ts";

const opened: WorkosApp[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((app) => app.close()));
});

async function start(): Promise<WorkosApp> {
  const app = await makeWorkosApp();
  opened.push(app);
  return app;
}

describe("signing out while WorkOS's keys cannot be fetched", () => {
  it("signs out at WorkOS too, by the contents of the seal", async () => {
    const app = await start();
    const outcome = await app.harness.signIn({ organizations: 1 });
    if (outcome.status !== "authenticated") throw new Error(outcome.status);
    const browser = app.open();
    browser.cookies.set(WORKOS_COOKIE, await app.sealer.seal(outcome.credential));
    app.harness.fake.fail("/sso/jwks/", ({ answer }) => answer(plain(503, "down")), 9);
    const response = await browser.post("/sign-out", { headers: JSON_CLIENT });

    expect([response.status, response.body["signed_out"]]).toEqual([200, true]);
    expect(browser.cookies.has(WORKOS_COOKIE)).toBe(false);
    const { sessions } = app.harness.fake.world;
    expect([...sessions.values()].map(({ status }) => status)).toEqual(["revoked"]);
  });

  it("ends no session for a cookie with a foreign seal, or for a bearer token", async () => {
    const app = await start();
    const outcome = await app.harness.signIn({ organizations: 1 });
    if (outcome.status !== "authenticated") throw new Error(outcome.status);
    app.harness.fake.fail("/sso/jwks/", ({ answer }) => answer(plain(503, "down")), 9);
    const forged = createSealer({ 1: "another-password-of-at-least-32-characters" });
    const browser = app.open();
    browser.cookies.set(WORKOS_COOKIE, await forged.seal(outcome.credential));
    await browser.post("/sign-out", { headers: JSON_CLIENT });
    const headers = { ...JSON_CLIENT, Authorization: bearerOf(outcome.credential.accessToken) };
    await app.open().post("/sign-out", { headers });

    const { sessions } = app.harness.fake.world;
    expect([...sessions.values()].map(({ status }) => status)).toEqual(["active"]);
  });
});
