import { describe, expect, it } from "@jest/globals";
import { checkedDirectory } from "../../../src/authority/directory.ts";
import { createAuthority } from "../../../src/authority/index.ts";
import type { Directory, DirectorySeat } from "../../../src/authority/index.ts";
import { context, makeDirectory, makeWorld, refusedWith, signInAda } from "./set-up.ts";

const NO_EVENTS = { wants: () => false, emit: () => undefined };

const SEAT: DirectorySeat = {
  user: { id: "user_ada", emailAddress: "ada@example.com", name: "Ada" },
  organization: { id: "org_acme", slug: "acme", name: "Acme" },
  membership: { userId: "user_ada", organizationId: "org_acme", roles: ["viewer"] },
};

/** A directory that notes which of its methods are called. */
function makeCounted(more: Partial<Directory> = {}): { directory: Directory; asked: string[] } {
  const asked: string[] = [];
  const directory: Directory = { ...makeDirectory(), ...more };
  const handler: ProxyHandler<Directory> = {
    get(target, name: keyof Directory) {
      const method: unknown = Reflect.get(target, name);
      if (typeof method !== "function") return method;
      return (...given: unknown[]): unknown => {
        asked.push(name);
        return Reflect.apply(method, target, given);
      };
    },
  };
  return { directory: new Proxy(directory, handler), asked };
}

describe("directory.seat", () => {
  it("is the one question of a renewal, and of a token's check", async () => {
    const { directory, asked } = makeCounted();
    const world = makeWorld({ directory });
    const { refreshToken } = await signInAda(world);
    asked.length = 0;
    const renewed = await world.authority.authenticateWithRefreshToken({ refreshToken });
    expect(asked).toEqual(["seat"]);
    asked.length = 0;
    const claims = JSON.parse(
      Buffer.from(renewed.accessToken.split(".")[1] ?? "", "base64url").toString(),
    ) as never;
    const stale = { reason: "asked", accessToken: renewed.accessToken, claims } as const;
    expect((await world.authority.renew(stale, context())).status).toBe("active");
    expect(asked).toEqual(["seat"]);
    asked.length = 0;
    const again = makeWorld({ directory: { ...directory, seat: undefined } as never });
    expect((await signInAda(again)).organization?.id).toBe("org_acme");
    expect(asked).toEqual(expect.arrayContaining(["user", "organization", "membership"]));
  });

  it.each<[string, Partial<Directory>, string]>([
    ["a user who is gone", { user: async () => undefined }, "session_revoked user_removed"],
    [
      "a membership that is gone",
      { membership: async () => undefined },
      "session_revoked membership_removed",
    ],
    [
      "an organization that is gone",
      { organization: async () => undefined },
      "session_revoked membership_removed",
    ],
  ])("leaves it to the single question what is missing: %s", async (_case, removed, expected) => {
    const directory = makeDirectory();
    const world = makeWorld({ directory });
    const { refreshToken } = await signInAda(world);
    const { repository, clock } = world;
    const after = makeWorld({ directory: { ...makeDirectory(), ...removed }, repository }, clock);
    expect(await refusedWith(after.authority.authenticateWithRefreshToken({ refreshToken }))).toBe(expected);
  });

  it("cannot know when it throws: nobody is signed out", async () => {
    const world = makeWorld();
    const { refreshToken } = await signInAda(world);
    const seat = async (): Promise<never> => {
      throw new Error("connection refused");
    };
    const { repository, clock } = world;
    const broken = makeWorld({ directory: { ...makeDirectory(), seat }, repository }, clock);
    const renewing = broken.authority.authenticateWithRefreshToken({ refreshToken });
    expect(await refusedWith(renewing)).toBe("store_unavailable dependency_failed");
    expect((await world.authority.authenticateWithRefreshToken({ refreshToken })).member.userId).toBe(
      "user_ada",
    );
  });

  it.each<[string, unknown]>([
    ["a text", "seat"],
    ["a list", [SEAT]],
    ["no user", { ...SEAT, user: undefined }],
    ["null for a user", { ...SEAT, user: null }],
    ["no organization", { ...SEAT, organization: undefined }],
    ["no membership", { ...SEAT, membership: undefined }],
    ["another user", { ...SEAT, user: { ...SEAT.user, id: "user_bob" } }],
    ["another organization", { ...SEAT, organization: { ...SEAT.organization, id: "org_globex" } }],
    ["another user's membership", { ...SEAT, membership: { ...SEAT.membership, userId: "user_bob" } }],
    ["another organization's", { ...SEAT, membership: { ...SEAT.membership, organizationId: "org_globex" } }],
    ["roles that are none", { ...SEAT, membership: { ...SEAT.membership, roles: "admin" } }],
  ])("must answer as the interface says, and not %s", async (_case, answer) => {
    const directory = checkedDirectory({ ...makeDirectory(), seat: async () => answer as never }, NO_EVENTS);
    expect(await refusedWith(directory.seat?.("user_ada", "org_acme") ?? Promise.resolve())).toBe(
      "store_unavailable dependency_malformed",
    );
  });

  it("reads rows as databases have them: null, dates, further columns", async () => {
    const rows = {
      user: { ...SEAT.user, name: null, createdAt: new Date(0) },
      organization: { ...SEAT.organization, slug: null },
      membership: { ...SEAT.membership, id: null },
      row_number: 1n,
    };
    const seat = async (): Promise<never> => ({ ...rows, row_number: 1 }) as never;
    const directory = checkedDirectory({ ...makeDirectory(), seat }, NO_EVENTS);
    expect(await directory.seat?.("user_ada", "org_acme")).toEqual({
      user: { id: "user_ada", emailAddress: "ada@example.com", createdAt: "1970-01-01T00:00:00.000Z" },
      organization: { id: "org_acme", name: "Acme" },
      membership: { userId: "user_ada", organizationId: "org_acme", roles: ["viewer"] },
    });
    const none = checkedDirectory({ ...makeDirectory(), seat: async () => null as never }, NO_EVENTS);
    expect(await none.seat?.("user_ada", "org_acme")).toBeUndefined();
  });

  it("must be a function", () => {
    const directory = { ...makeDirectory(), seat: {} as never };
    expect(() => createAuthority({ issuer: "https://a.example", directory })).toThrow("directory.seat");
  });

  it("of a memory directory answers with the methods that a copy has in place of its own", async () => {
    const copy = {
      ...makeDirectory(),
      user: async (id: string) => ({ id, emailAddress: "other@example.com" }),
    };
    expect((await copy.seat("user_ada", "org_acme"))?.user.emailAddress).toBe("other@example.com");
    const unbound = Reflect.get(makeDirectory(), "seat");
    expect((await unbound("user_ada", "org_acme"))?.user.name).toBe("Ada Lovelace");
    expect(await unbound("user_ada", "org_closed")).toBeUndefined();
  });
});
