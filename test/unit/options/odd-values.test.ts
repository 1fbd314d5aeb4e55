import { describe, expect, it } from "@jest/globals";
import { createAuthority } from "../../../src/authority/authority.ts";
import { memoryDirectory } from "../../../src/authority/memory-directory.ts";
import { memoryRepository } from "../../../src/authority/repository.ts";
import { stytchRouter } from "../../../src/authority/wire/stytch/index.ts";
import { workosRouter } from "../../../src/authority/wire/workos/index.ts";
import { ConfigurationError } from "../../../src/errors.ts";
import { inProcessCoordinator } from "../../../src/fleet/coordinator.ts";
import { orgate } from "../../../src/orgate.ts";
import { definePolicy } from "../../../src/policy/policy.ts";
import { remoteKeys } from "../../../src/stores/remote-keys.ts";
import { stytch } from "../../../src/stores/stytch/stytch.ts";
import { workos } from "../../../src/stores/workos/workos.ts";
import { createTestAuthority } from "../../../src/testing/test-authority.ts";
import { makeWorld } from "../../support/world.ts";

const refuse = (): never => {
  throw new TypeError("the value's own trouble");
};
const circle: Record<string, unknown> = {};
circle["self"] = circle;
const revoked = Proxy.revocable({}, {});
revoked.revoke();

const VALUES: Readonly<Record<string, unknown>> = {
  "a BigInt": 1n,
  "a Symbol": Symbol("s"),
  "an object that contains itself": circle,
  "an object that cannot be made a string": { toString: refuse, valueOf: refuse },
  "an object that cannot be made JSON": { toJSON: refuse },
  "a proxy that answers nothing": new Proxy(
    {},
    { get: refuse, has: refuse, ownKeys: refuse, getPrototypeOf: refuse },
  ),
  "a revoked proxy": revoked.proxy,
};

/* oxlint-disable typescript/no-explicit-any, typescript/no-unsafe-argument -- values that no type admits */
const auth = makeWorld().mount();
const authority = createAuthority({ issuer: "https://a.example", directory: memoryDirectory() });
const PLACES: Readonly<Record<string, (value: any) => unknown>> = {
  "orgate(value)": (value) => orgate(value),
  "createAuthority(value)": (value) => createAuthority(value),
  "workos(value)": (value) => workos(value),
  "stytch(value)": (value) => stytch(value),
  "workosRouter(value)": (value) => workosRouter(authority, value),
  "stytchRouter(value)": (value) => stytchRouter(authority, value),
  "remoteKeys(value)": (value) => remoteKeys(value),
  "remoteKeys(url, value)": (value) => remoteKeys("https://x.example/jwks", value),
  "definePolicy(value)": (value) => definePolicy(value),
  "memoryDirectory(value)": (value) => memoryDirectory(value),
  "memoryDirectory, users": (value) => memoryDirectory({ users: value }),
  "memoryDirectory, a user": (value) => memoryDirectory({ users: [value] }),
  "addUser(value)": (value) => memoryDirectory().addUser(value),
  "addOrganization(value)": (value) => memoryDirectory().addOrganization(value),
  "memoryRepository(value)": (value) => memoryRepository(value),
  "createTestAuthority(value)": (value) => createTestAuthority(value),
  "createTestAuthority({ startsAt })": (value) => createTestAuthority({ startsAt: value }),
  "requireAuth(value)": (value) => auth.requireAuth(value),
  "requireAuth({ maxTokenAge })": (value) => auth.requireAuth({ maxTokenAge: value }),
  "requireAuth({ organization })": (value) => auth.requireAuth({ organization: value }),
  "requireAuth({ organization, by })": (value) => auth.requireAuth({ organization: "param:o", by: value }),
  "requireOrganization(value)": (value) => auth.requireOrganization(value),
  "requirePermission(value, action)": (value) => auth.requirePermission(value, "read"),
  "requirePermission(resource, value)": (value) =>
    auth.requirePermission("documents" as never, value as never),
  "requireAnyPermission(value)": (value) => auth.requireAnyPermission(value),
  "requireAnyPermission([value])": (value) => auth.requireAnyPermission([value]),
  "requireAnyPermission([[value, action]])": (value) => auth.requireAnyPermission([[value, "read"]] as never),
  "requireRole(value)": (value) => auth.requireRole(value),
  "requireRole([value])": (value) => auth.requireRole([value]),
  "requireFactor(value)": (value) => auth.requireFactor(value),
  "requireRecentAuth(value)": (value) => auth.requireRecentAuth(value),
  "requireRecentAuth({ maxAge })": (value) => auth.requireRecentAuth({ maxAge: value }),
  "denyImpersonation(value)": (value) => auth.denyImpersonation(value),
  "signOut(value)": (value) => auth.signOut(value),
  "signOut({ everywhere })": (value) => auth.signOut({ everywhere: value }),
  "signOut({ redirectTo })": (value) => auth.signOut({ redirectTo: value }),
  "switchOrganization(value)": (value) => auth.switchOrganization(value),
  "switchOrganization({ returnTo })": (value) => auth.switchOrganization({ returnTo: value }),
  "organizationSelection(value)": (value) => auth.organizationSelection(value),
  "organizationSelection({ render })": (value) => auth.organizationSelection({ render: value }),
  "csrf.publicSuffixOf": (value) =>
    makeWorld().mount({ csrf: { trustedOrigins: ["https://*.example.com"], publicSuffixOf: value } }),
};
/* oxlint-enable typescript/no-explicit-any, typescript/no-unsafe-argument */

describe.each(Object.entries(PLACES))("%s", (_place, put) => {
  it.each(Object.entries(VALUES))("is a ConfigurationError for %s", (_what, value) => {
    expect(() => put(value)).toThrow(ConfigurationError);
  });
});

describe("memoryDirectory", () => {
  it.each([5, null, "users", [], true])("does not take %p for an empty directory", (value) => {
    expect(() => memoryDirectory(value as never)).toThrow(/memoryDirectory: was given/);
  });
});

describe("an option whose getter throws", () => {
  it("is reported with what it threw as the cause", () => {
    const options = Object.defineProperty({}, "maxTokenAge", { enumerable: true, get: refuse });
    let thrown: unknown;
    try {
      auth.requireAuth(options);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ConfigurationError);
    expect(thrown).toHaveProperty("cause.message", "the value's own trouble");
  });
});

describe("what the application's own code throws when the middleware is made", () => {
  it.each<[string, () => unknown]>([
    [
      "the coordinator's subscribe",
      () => makeWorld().mount({ coordinator: { ...inProcessCoordinator(), subscribe: refuse } }),
    ],
    ["the store's onInvalidated", () => makeWorld({ overrides: { onInvalidated: refuse } }).mount()],
    ["the store's onEvent", () => makeWorld({ overrides: { onEvent: refuse } }).mount()],
  ])("is passed on unchanged: %s", (_name, make) => {
    expect(make).toThrow(TypeError);
    expect(make).toThrow("the value's own trouble");
  });
});
