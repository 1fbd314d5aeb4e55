import { describe, expect, it } from "@jest/globals";
import { checkedDirectory, type CheckedDirectory } from "../../../../src/authority/directory.ts";
import type { Directory } from "../../../../src/authority/index.ts";
import type { OrgateEvent } from "../../../../src/events.ts";
import { makeDirectory, refusedWith } from "../set-up.ts";

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

  it("that forbids something stays as it is, for its readers to take for the strictest", async () => {
    const odd = { ...ACME, mfaPolicy: "REQUIRED", authMethods: 7, allowedAuthMethods: "sso", logoUrl: 7 };
    const { directory, events } = answering({
      organization: odd,
      memberships: [{ ...MEMBERSHIP, isLocked: 1 }],
    });
    const { logoUrl: _dropped, ...kept } = odd;
    expect(await directory.organization("org_acme")).toEqual(kept);
    expect(await directory.memberships("user_ada")).toEqual([{ ...MEMBERSHIP, isLocked: 1 }]);
    expect(events).toHaveLength(5);
  });

  it.each<[keyof Directory, object]>([
    ["organization", { ...ACME, slug: 7 }],
    ["membership", { ...MEMBERSHIP, roles: [{ role: "admin", sources: [{ type: "group" }] }] }],
    ["membership", { ...MEMBERSHIP, roles: [{ role: "admin" }] }],
  ])("that decides and cannot be read makes the answer unusable: %s %j", async (method, answer) => {
    const { directory } = answering({ [method]: answer });
    const asking = {
      organization: () => directory.organization("org_acme"),
      membership: () => directory.membership("user_ada", "org_acme"),
    }[method as "organization"];
    expect(await refusedWith(asking())).toBe("store_unavailable dependency_malformed");
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
