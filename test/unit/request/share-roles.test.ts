import { describe, expect, it } from "@jest/globals";
import { shareRoles } from "../../../src/request/cache.ts";

describe("shareRoles", () => {
  it("gives equal lists one frozen list, which is none of them", () => {
    const roles = ["viewer", "admin"];
    const shared = shareRoles(roles);
    expect(shared).toEqual(roles);
    expect(shared).not.toBe(roles);
    expect(Object.isFrozen(shared)).toBe(true);
    expect(shareRoles(["viewer", "admin"])).toBe(shared);
    roles.push("owner");
    expect(shareRoles(["viewer", "admin"])).toEqual(["viewer", "admin"]);
  });

  it("R-27: tells lists apart that read alike", () => {
    const lists = [[], [""], ["a", "b"], ["b", "a"], ["a,b"], ['a","b'], ["[]"], ["\ud800"], ["\ufffd"]];
    for (const list of lists) expect(shareRoles(list)).toEqual(list);
    expect(new Set(lists.map(shareRoles)).size).toBe(lists.length);
  });

  it("R-39: leaves out what is no name, whatever it passes itself off as", () => {
    const impostor = { toJSON: () => "admin" };
    expect(shareRoles([impostor, "viewer", null, 1, ["admin"]])).toEqual(["viewer"]);
    expect(shareRoles([impostor])).toEqual([]);
    expect(shareRoles(["admin"])).toEqual(["admin"]);
  });

  it.each([["admin"], [undefined], [null], [{ length: 1, 0: "admin" }]])("takes %j for no list", (roles) => {
    expect(shareRoles(roles as unknown as readonly string[])).toEqual([]);
  });
});
