import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import {
  createVerifiedCache,
  credentialKey,
  NO_CACHE,
  type VerifiedSession,
} from "../../../src/request/cache.ts";

const SEED = Number(process.env["FC_SEED"] ?? 20_260_412);

function sessionOf(id: string): VerifiedSession {
  return {
    via: "bearer",
    subject: id,
    iat: 0,
    exp: 1,
    checkedEpoch: -1,
    isUnseen: false,
    roles: [],
    member: { id, roles: [] },
    memberSession: { id, memberId: id, authenticationFactors: [], roles: [], customClaims: null },
  };
}

describe("createVerifiedCache", () => {
  it("keeps, replaces, deletes and clears", () => {
    const cache = createVerifiedCache(3);
    const [first, second] = [sessionOf("a"), sessionOf("b")];
    cache.set("1", first);
    expect(cache.get("1")).toBe(first);
    cache.set("1", second);
    expect(cache.get("1")).toBe(second);
    expect(cache.size).toBe(1);
    cache.delete("1");
    expect(cache.get("1")).toBeUndefined();
    cache.set("2", first);
    cache.clear();
    expect(cache.size).toBe(0);
  });

  it("lets go of the session used longest ago", () => {
    const cache = createVerifiedCache(2);
    cache.set("1", sessionOf("a"));
    cache.set("2", sessionOf("b"));
    cache.get("1");
    cache.set("3", sessionOf("c"));
    expect([cache.get("1"), cache.get("2"), cache.get("3")].map((held) => held?.subject)).toEqual([
      "a",
      undefined,
      "c",
    ]);
  });

  it(`R-27: answers one key with what was last set under it, in any order of calls (seed ${SEED})`, () => {
    const key = fc.constantFrom("a", "b", "c", "__proto__", "constructor", "");
    const call = fc.oneof(
      fc.record({ do: fc.constant("set" as const), key }),
      fc.record({ do: fc.constant("delete" as const), key }),
      fc.record({ do: fc.constant("get" as const), key }),
    );
    fc.assert(
      fc.property(fc.array(call, { maxLength: 40 }), (calls) => {
        const cache = createVerifiedCache(10);
        const model = new Map<string, VerifiedSession>();
        for (const [index, { do: what, key: name }] of calls.entries()) {
          if (what === "set") {
            const session = sessionOf(`${name} ${index}`);
            cache.set(name, session);
            model.set(name, session);
          } else if (what === "delete") {
            cache.delete(name);
            model.delete(name);
          }
          expect(cache.get(name)).toBe(model.get(name));
        }
        expect(cache.size).toBe(model.size);
      }),
      { seed: SEED, numRuns: 500 },
    );
  });
});

describe("NO_CACHE", () => {
  it("keeps nothing", () => {
    NO_CACHE.set("1", sessionOf("a"));
    NO_CACHE.delete("1");
    NO_CACHE.clear();
    expect(NO_CACHE.get("1")).toBeUndefined();
    expect(NO_CACHE.size).toBe(0);
  });
});

describe("credentialKey", () => {
  it(`R-27: gives each credential a key of its own that does not hold it (seed ${SEED})`, () => {
    fc.assert(
      fc.property(fc.string({ minLength: 45 }), fc.string({ minLength: 45 }), (one, other) => {
        expect(credentialKey("bearer", one)).toBe(credentialKey("bearer", one));
        expect(credentialKey("bearer", one) === credentialKey("bearer", other)).toBe(one === other);
        expect(credentialKey("bearer", one)).not.toContain(one.slice(0, 12));
      }),
      { seed: SEED, numRuns: 2_000 },
    );
  });

  it("R-27: tells the ways apart in which the same bytes may be presented", () => {
    const kinds = ["bearer", "sealed", "jwt_cookie", "opaque"] as const;
    expect(new Set(kinds.map((kind) => credentialKey(kind, "a.b.c"))).size).toBe(kinds.length);
  });
});
