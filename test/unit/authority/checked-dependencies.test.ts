import { describe, expect, it } from "@jest/globals";
import { checkedDirectory } from "../../../src/authority/directory.ts";
import { memoryRepository } from "../../../src/authority/index.ts";
import type { Directory } from "../../../src/authority/index.ts";
import { checkedRepository } from "../../../src/authority/checked-repository.ts";
import { OrgateError } from "../../../src/errors.ts";
import { createEventSink } from "../../../src/events.ts";
import { makeDirectory, makeWorld, refusal, refusedWith, START } from "./set-up.ts";

function answering(method: keyof Directory, answer: unknown): ReturnType<typeof checkedDirectory> {
  return checkedDirectory({ ...makeDirectory(), [method]: async () => answer }, createEventSink());
}

describe("a checked directory", () => {
  it.each<[keyof Directory, unknown]>([
    ["user", "user_ada"],
    ["user", {}],
    ["user", { id: "user_ada" }],
    ["user", { id: "user_bob", emailAddress: "bob@example.com" }],
    ["user", { id: "user_ada", emailAddress: "a@example.com", balance: 10n }],
    ["organization", { id: "org_acme" }],
    ["organization", { id: "org_globex", name: "Globex" }],
    ["organizationByName", { id: "org_acme" }],
    ["organizationByName", { id: "org_acme", name: "Acme", slug: "another" }],
    ["membership", { userId: "user_ada", organizationId: "org_acme" }],
    ["membership", { userId: "user_ada", organizationId: "org_acme", roles: "admin" }],
    ["membership", { userId: "user_ada", organizationId: "org_acme", roles: [7] }],
    ["membership", { userId: "user_bob", organizationId: "org_acme", roles: [] }],
    ["membership", { userId: "user_ada", organizationId: "org_globex", roles: [] }],
    ["membership", { userId: "user_ada", organizationId: "org_acme", roles: [], id: 7 }],
    ["organization", { name: "Acme" }],
    ["organization", { id: "org_acme", name: "Acme", slug: 7 }],
    ["memberships", undefined],
    ["memberships", {}],
    ["memberships", [{ userId: "user_bob", organizationId: "org_acme", roles: [] }]],
  ])("is unavailable when %s returns what its interface does not allow: %#", async (method, answer) => {
    const directory = answering(method, answer);
    const asking = {
      user: () => directory.user("user_ada"),
      organization: () => directory.organization("org_acme"),
      organizationByName: async () => directory.organizationByName?.("acme"),
      membership: () => directory.membership("user_ada", "org_acme"),
      memberships: () => directory.memberships("user_ada"),
    }[method as "user"];
    expect(await refusedWith(asking())).toBe("store_unavailable dependency_malformed");
  });

  it("treats null as absence, as databases do", async () => {
    expect(await answering("user", undefined).user("user_ada")).toBeUndefined();
    expect(await answering("user", null).user("user_ada")).toBeUndefined();
    expect(await answering("memberships", []).memberships("user_ada")).toEqual([]);
  });

  it("returns rows as JSON", async () => {
    const row = { id: "user_ada", emailAddress: "a@example.com", createdAt: new Date(0), secret: undefined };
    expect(await answering("user", row).user("user_ada")).toEqual({
      id: "user_ada",
      emailAddress: "a@example.com",
      createdAt: "1970-01-01T00:00:00.000Z",
    });
  });

  it("calls the methods of a class on their instance", async () => {
    class Own implements Directory {
      readonly #rows = makeDirectory();
      user(id: string): ReturnType<Directory["user"]> {
        return this.#rows.user(id);
      }
      userByEmailAddress(emailAddress: string): ReturnType<Directory["userByEmailAddress"]> {
        return this.#rows.userByEmailAddress(emailAddress);
      }
      organization(id: string): ReturnType<Directory["organization"]> {
        return this.#rows.organization(id);
      }
      membership(userId: string, id: string): ReturnType<Directory["membership"]> {
        return this.#rows.membership(userId, id);
      }
      memberships(userId: string): ReturnType<Directory["memberships"]> {
        return this.#rows.memberships(userId);
      }
    }
    const directory = checkedDirectory(new Own(), createEventSink());
    expect(await directory.organization("org_acme")).toMatchObject({ name: "Acme" });
    expect(await directory.memberships("user_ada")).toHaveLength(2);
  });
});

describe("a checked repository", () => {
  it("treats null as absence, as databases do: nothing was spent", async () => {
    const nothing = async (): Promise<never> => null as never;
    const repository = checkedRepository({ ...memoryRepository(), read: nothing, consume: nothing });
    expect(await repository.read("sessions", "a")).toBeUndefined();
    expect(await repository.consume("pending", "a")).toBeUndefined();
  });

  it("lets a pending authentication be spent once when absence is null", async () => {
    const real = memoryRepository({ clock: () => START });
    const consume = async (...question: Parameters<typeof real.consume>): Promise<never> =>
      ((await real.consume(...question)) ?? null) as never;
    const { authority } = makeWorld({ repository: { ...real, consume } });
    const error = await refusal(authority.authenticate({ userId: "user_ada", authenticationMethod: "SSO" }));
    const choice = {
      pendingAuthenticationToken: String(Reflect.get(error, "pendingAuthenticationToken")),
      organizationId: "org_acme",
    };
    const choose = (): Promise<unknown> => authority.authenticateWithOrganizationSelection(choice);
    const settled = await Promise.allSettled([choose(), choose(), choose()]);
    expect(settled.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });
});

describe("an error of the application's own code", () => {
  const spring = (): never => {
    throw new Error("sprung");
  };
  const springing = new Proxy(new Error("trap"), { get: spring, getPrototypeOf: spring });

  it.each([
    ["an error", new TypeError("password=canary"), "TypeError"],
    ["a text", "password=canary", "string"],
    ["undefined", undefined, "undefined"],
    ["a proxy that throws when it is read", springing, "object"],
  ])("means unavailable, is kept as the cause, and is not quoted: %s", async (_case, thrown, kind) => {
    const broken = async (): Promise<never> => {
      // oxlint-disable-next-line only-throw-error -- others do
      throw thrown;
    };
    const repository = checkedRepository({ ...memoryRepository(), read: broken });
    const error = await refusal(repository.read("sessions", "a"));
    expect(error).toMatchObject({ code: "store_unavailable", status: 503 });
    expect(error.message).toBe(`repository.read failed (${kind})`);
    expect(error.cause).toBe(thrown);
    expect(Object.keys(error)).not.toContain("cause");
    const directory = checkedDirectory({ ...makeDirectory(), user: broken }, createEventSink());
    expect((await refusal(directory.user("a"))).message).toBe(`directory.user failed (${kind})`);
  });

  it("is passed on unchanged if it is an OrgateError", async () => {
    const own = new OrgateError("sign_in_failed", { reason: "suspended" });
    const directory = checkedDirectory(
      { ...makeDirectory(), user: async () => Promise.reject(own) },
      createEventSink(),
    );
    expect(await refusal(directory.user("a"))).toBe(own);
  });

  it("means unavailable also when a method throws synchronously", async () => {
    const memberships = (): never => {
      throw new RangeError("x");
    };
    const directory = checkedDirectory({ ...makeDirectory(), memberships }, createEventSink());
    expect(await refusedWith(directory.memberships("a"))).toBe("store_unavailable dependency_failed");
  });
});
