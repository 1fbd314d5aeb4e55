import { describe, expect, it } from "@jest/globals";
import type { SignInRuleContext, SignInRules } from "../../../../src/authority/index.ts";
import { refusal, refusedWith } from "../set-up.ts";
import { demanded, makeRulesWorld, type RulesWorld } from "./rules-world.ts";

function withRules(signInRules: SignInRules): RulesWorld {
  return makeRulesWorld({ signInRules });
}

const signIn = ({ authority }: RulesWorld, organizationId: string | undefined = "org_acme") =>
  authority.authenticate({ userId: "user_ada", organizationId, authenticationMethod: "Password" });

describe("signInRules", () => {
  it("sees whom and what it decides about, at every phase", async () => {
    const seen: SignInRuleContext[] = [];
    const world = withRules((asked) => {
      seen.push(asked);
      return undefined;
    });
    const first = await signIn(world);
    const choosing = await refusal(
      world.authority.authenticate({ userId: "user_ada", authenticationMethod: "SSO" }),
    );
    await world.authority.authenticateWithOrganizationSelection({
      pendingAuthenticationToken: String(Reflect.get(choosing, "pendingAuthenticationToken")),
      organizationId: "org_globex",
    });
    const { memberSession } = await world.authority.exchange({
      sessionId: first.memberSession.id,
      organizationId: "org_globex",
    });
    const stepped = await world.authority.stepUp({ sessionId: memberSession.id, factor: { type: "totp" } });
    await world.authority.authenticateWithRefreshToken({ refreshToken: stepped.refreshToken });
    await world.authority.authenticate({ userId: "user_nora", authenticationMethod: "Password" });
    const brief = seen.map(({ phase, organization, membership, authenticationFactors }) =>
      [
        phase,
        organization?.id,
        membership?.roles.length,
        ...authenticationFactors.map(({ type }) => type),
      ].join(" "),
    );
    expect(brief).toEqual([
      "sign_in org_acme 2 password",
      "selection org_globex 1 sso",
      "switch org_globex 1 password",
      "step_up org_globex 1 password totp",
      "renewal org_globex 1 password totp",
      "sign_in   password",
    ]);
    expect(seen[0]).toMatchObject({ user: { id: "user_ada" }, authenticationMethod: "Password" });
  });

  it("demands a step, which continues once the rule is content", async () => {
    const world = withRules(({ authenticationFactors }) =>
      authenticationFactors.some(({ type }) => type === "device")
        ? undefined
        : { status: "step_up_required", reason: "device_check_required", details: { hint: "laptop" } },
    );
    const { token, ...demand } = await demanded(signIn(world));
    expect(demand).toEqual({ reason: "device_check_required", details: { hint: "laptop" } });
    const done = { userId: "user_ada", pendingAuthenticationToken: token, authenticationMethod: "device" };
    expect(await world.authority.authenticate(done)).toMatchObject({ organizationId: "org_acme" });
  });

  it("refuses, in an organization and without one, and ends no session at a renewal", async () => {
    let isOpen = true;
    const world = withRules(async () => (isOpen ? undefined : { status: "refused", reason: "out_of_hours" }));
    const { refreshToken } = await signIn(world);
    isOpen = false;
    expect(await refusedWith(signIn(world))).toBe("organization_not_available out_of_hours");
    const nora = world.authority.authenticate({ userId: "user_nora", authenticationMethod: "Password" });
    expect(await refusedWith(nora)).toBe("sign_in_failed out_of_hours");
    const refresh = (): Promise<unknown> => world.authority.authenticateWithRefreshToken({ refreshToken });
    expect(await refusedWith(refresh())).toBe("reauthentication_required out_of_hours");
    isOpen = true;
    expect(await refresh()).toBeDefined();
  });

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("the rules' database is down");
      },
    ],
    ["rejects", () => Promise.reject(new Error("the rules' database is down"))],
    ["says yes", () => true],
    ["says no", () => false],
    ["answers another status", () => ({ status: "authenticated", reason: "fine" })],
    ["gives no reason", () => ({ status: "refused" })],
  ])("makes the store unavailable where it %s", async (_name, rules) => {
    const world = withRules(rules as SignInRules);
    const error = await refusal(signIn(world));
    expect([error.code, error.reason]).toEqual([
      "store_unavailable",
      expect.stringMatching(/^dependency_(?:failed|malformed)$/),
    ]);
    expect(await world.authority.listSessions({ userId: "user_ada" })).toEqual([]);
  });

  it("is asked once for one renewal, and not at all where a setting has decided", async () => {
    let asked = 0;
    const world = withRules(() => {
      asked += 1;
      return undefined;
    });
    world.setOrganization("org_acme", { authMethods: "RESTRICTED", allowedAuthMethods: ["sso"] });
    await demanded(signIn(world));
    expect(asked).toBe(0);
    const { refreshToken } = await signIn(world, "org_globex");
    asked = 0;
    await world.authority.authenticateWithRefreshToken({ refreshToken });
    expect(asked).toBe(1);
  });

  it("must be a function", () => {
    expect(() => makeRulesWorld({ signInRules: "no" as never })).toThrow(/signInRules/);
  });
});
