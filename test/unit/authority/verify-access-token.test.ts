import { describe, expect, it } from "@jest/globals";
import { interpretSessionClaims } from "../../../src/authority/access-token.ts";
import { parseStrictJson } from "../../../src/lib/strict-json.ts";
import type { VerifiedClaims } from "../../../src/store.ts";
import { isFrozenThrough } from "../../support/frozen.ts";
import { claimsOf, makeWorld, signInAda, START } from "./set-up.ts";

async function claims(): Promise<Record<string, unknown>> {
  const world = makeWorld();
  const { accessToken } = await world.authority.authenticate({
    userId: "user_ada",
    organizationId: "org_acme",
    authenticationMethod: "SSO",
    customClaims: { a: 1 },
    impersonator: { email: "support@example.com" },
  });
  return claimsOf(accessToken);
}

function withClaim(source: Record<string, unknown>, path: string, value: unknown): VerifiedClaims {
  const copy = structuredClone(source);
  const [name = "", nested] = path.split(".");
  if (nested === undefined) copy[name] = value;
  else (copy[name] as Record<string, unknown>)[nested] = value;
  return JSON.parse(JSON.stringify(copy)) as VerifiedClaims;
}

describe("interpretSessionClaims", () => {
  it("reads the tokens that the authority issues", async () => {
    const world = makeWorld();
    const result = await signInAda(world);
    expect(interpretSessionClaims(claimsOf(result.accessToken) as unknown as VerifiedClaims)).toEqual({
      memberSession: result.memberSession,
      member: {
        id: "user_ada:org_acme",
        userId: "user_ada",
        organizationId: "org_acme",
        roles: ["admin", "viewer"],
        emailAddress: "ada@example.com",
        name: "Ada Lovelace",
      },
      organization: { id: "org_acme", slug: "acme", name: "Acme" },
      sessionExpiresAt: START + 30 * 86_400,
      authenticatedAt: START,
      isFrozen: true,
    });
  });

  it("freezes the whole interpretation", async () => {
    const json = parseStrictJson(JSON.stringify(await claims()));
    const interpretation = interpretSessionClaims((json as { value: VerifiedClaims }).value);
    expect(interpretation?.memberSession).toMatchObject({ customClaims: { a: 1 }, impersonator: {} });
    expect(Object.entries(interpretation ?? {}).filter(([, part]) => !isFrozenThrough(part))).toEqual([]);
  });

  const MISTAKES: readonly unknown[] = [null, 7, "", "text", [], {}, true, [7], { length: 1 }];
  it.each([
    ["sid", ["text"]],
    ["auth_time", [7]],
    ["org_id", ["text"]],
    ["org", []],
    ["org.name", ["", "text"]],
    ["org.slug", [null, "", "text"]],
    ["roles", [[]]],
    ["member", []],
    ["member.id", ["text"]],
    ["member.email", ["", "text"]],
    ["member.name", [null, "", "text"]],
    ["session", []],
    ["session.started_at", [7]],
    ["session.last_accessed_at", [7]],
    ["session.expires_at", [7]],
    ["session.factors", [[]]],
    ["session.method", ["text"]],
    ["act", [null]],
    ["act.sub", ["text"]],
    ["act.reason", [null, "", "text"]],
    ["custom_claims", [null, {}, { length: 1 }]],
  ] as const)("R-39: is strict about %s", async (path, fine) => {
    const source = await claims();
    const accepted = MISTAKES.filter(
      (mistake) => interpretSessionClaims(withClaim(source, path, mistake)) !== undefined,
    );
    expect(accepted).toEqual(
      MISTAKES.filter((mistake) => fine.some((one) => JSON.stringify(one) === JSON.stringify(mistake))),
    );
  });

  it.each(["sid", "auth_time", "member", "session", "org_id", "org", "roles"])("rejects %s", async (name) => {
    const { [name]: _gone, ...others } = await claims();
    expect(interpretSessionClaims(others as VerifiedClaims)).toBeUndefined();
  });

  it.each([-1, 1e300, 253_402_300_800])("does not throw for the time %d", async (time) => {
    const source = await claims();
    expect(interpretSessionClaims(withClaim(source, "session.expires_at", time))).toBeUndefined();
  });
});
