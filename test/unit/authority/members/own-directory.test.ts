import { describe, expect, it } from "@jest/globals";
import { checkedDirectory, type CheckedDirectory } from "../../../../src/authority/directory.ts";
import type { Directory } from "../../../../src/authority/index.ts";
import type { OrgateEvent } from "../../../../src/events.ts";
import { makeDirectory, refusal, refusedWith } from "../set-up.ts";

interface Told {
  readonly directory: CheckedDirectory;
  readonly events: OrgateEvent[];
}

function answering(answers: Readonly<Record<string, unknown>>): Told {
  const events: OrgateEvent[] = [];
  const methods = Object.entries(answers).map(([name, answer]) => [name, async () => answer]);
  const directory = { ...makeDirectory(), ...Object.fromEntries(methods) } as Directory;
  const sink = { wants: () => true, emit: (event: OrgateEvent) => void events.push(event) };
  return { directory: checkedDirectory(directory, sink), events };
}

const ADA = { id: "user_ada", emailAddress: "ada@example.com" };
const ACME = { id: "org_acme", name: "Acme" };
const MEMBERSHIP = { userId: "user_ada", organizationId: "org_acme", roles: [] };

describe("a field of an own directory", () => {
  it("that is misspelt is reported once, and passes through", async () => {
    const { directory, events } = answering({ user: { ...ADA, emialVerified: true, plan: "pro" } });
    for (const _ of [1, 2, 3]) {
      expect(await directory.user("user_ada")).toEqual({ ...ADA, emialVerified: true, plan: "pro" });
    }
    expect(events).toEqual([
      { type: "misconfigured", reason: "directory_field_unknown", error: expect.any(TypeError) },
    ]);
    expect(String(Reflect.get(events[0] ?? {}, "error"))).toContain('Did you mean "emailVerified"?');
  });

  it("that has an impossible value is reported once, and counts as absent", async () => {
    const { directory, events } = answering({ user: { ...ADA, locale: 7, lastSignInAt: "yesterday" } });
    expect(await directory.user("user_ada")).toEqual(ADA);
    expect(await directory.user("user_ada")).toEqual(ADA);
    expect(events.map((event) => Reflect.get(event, "reason"))).toEqual([
      "directory_field_invalid",
      "directory_field_invalid",
    ]);
    expect(JSON.stringify(events.map((event) => String(Reflect.get(event, "error"))))).not.toContain(
      "yesterday",
    );
  });

  it("that has another form than the protocol's is reported, and stays", async () => {
    const { directory, events } = answering({ organization: { ...ACME, slug: "a slug" } });
    expect(await directory.organization("org_acme")).toMatchObject({ slug: "a slug" });
    expect(events).toMatchObject([{ reason: "directory_field_invalid" }]);
  });

  it.each<[keyof Directory, object]>([
    ["organization", { ...ACME, mfaPolicy: "REQUIRED" }],
    ["organization", { ...ACME, authMethods: "RESTRICED" }],
    ["organization", { ...ACME, ssoActiveConnections: "none" }],
    ["organization", { ...ACME, sessionLifetime: "3600" }],
    ["membership", { ...MEMBERSHIP, status: "suspended" }],
    ["membership", { ...MEMBERSHIP, isLocked: "true" }],
    ["membership", { ...MEMBERSHIP, mfaEnrolled: 1 }],
    ["membership", { ...MEMBERSHIP, roles: [{ role: "admin", sources: [{ type: "group" }] }] }],
    ["memberships", [MEMBERSHIP, { ...MEMBERSHIP, isLocked: "true" }]],
    ["user", { ...ADA, emailVerified: "no" }],
  ])("that forbids something must have a value that can be read: %s %j", async (method, answer) => {
    const { directory } = answering({ [method]: answer });
    const asking = {
      user: () => directory.user("user_ada"),
      organization: () => directory.organization("org_acme"),
      membership: () => directory.membership("user_ada", "org_acme"),
      memberships: () => directory.memberships("user_ada"),
    }[method as "user"];
    expect(await refusedWith(asking())).toBe("store_unavailable dependency_malformed");
    const { cause } = await refusal(asking());
    expect(JSON.stringify(String(cause))).not.toContain("suspended");
  });

  it("that is null counts as absent, but for the SCIM connection", async () => {
    const nulls = { logoUrl: null, mfaPolicy: null, scimActiveConnection: null, ownField: null };
    const { directory, events } = answering({ organization: { ...ACME, ...nulls } });
    expect(await directory.organization("org_acme")).toEqual({
      ...ACME,
      scimActiveConnection: null,
      ownField: null,
    });
    expect(events).toEqual([]);
  });
});
