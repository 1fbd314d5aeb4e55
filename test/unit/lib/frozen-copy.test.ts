import { describe, expect, it } from "@jest/globals";
import { frozenCopy } from "../../../src/lib/values.ts";

describe("frozenCopy", () => {
  it("copies plain data, frozen at every depth, and leaves the original to its owner", () => {
    const original = { list: [{ deep: { deeper: 1 } }], none: null, text: "x" };
    const copy = frozenCopy(original);
    expect(copy).toEqual(original);
    expect([copy, copy.list, copy.list[0], copy.list[0]?.deep].map(Object.isFrozen)).toEqual([
      true,
      true,
      true,
      true,
    ]);
    original.list[0]!.deep.deeper = 2;
    original.list.push({ deep: { deeper: 3 } });
    expect(copy.list).toEqual([{ deep: { deeper: 1 } }]);
  });

  it("shares what is frozen through, and copies what only looks it", () => {
    const [frozen, shallow] = [
      Object.freeze({ list: Object.freeze([Object.freeze({ deep: 1 })]) }),
      Object.freeze({ list: Object.freeze([{ deep: 1 }]) }),
    ];
    const dated = Object.freeze([Object.freeze(new Date(0))]);
    const copy = frozenCopy({ frozen, shallow, dated });
    expect(copy.frozen).toBe(frozen);
    shallow.list[0]!.deep = 2;
    expect(copy.shallow).toEqual({ list: [{ deep: 1 }] });
    expect(copy.dated).toEqual([new Date(0)]);
    expect(frozenCopy(dated)).toEqual(dated);
    expect(frozenCopy(frozen.list)).toBe(frozen.list);
  });

  it("shares what is frozen through already, and copies what only looks it", () => {
    const claims = Object.freeze({ roles: Object.freeze(["viewer"]), nested: Object.freeze({ a: 1 }) });
    expect(frozenCopy({ claims }).claims).toBe(claims);
    const list = Object.freeze([Object.freeze(["a"])]);
    expect(frozenCopy(list)).toBe(list);

    const shallow = Object.freeze({ roles: ["viewer"], list: Object.freeze([{ deep: 1 }]) });
    const copy = frozenCopy(shallow);
    expect(copy).toEqual(shallow);
    expect([copy.roles, copy.list, copy.list[0]].map(Object.isFrozen)).toEqual([true, true, true]);
    expect([Object.isFrozen(shallow.roles), Object.isFrozen(shallow.list[0])]).toEqual([false, false]);
    const holder = Object.freeze({ date: new Date(0) });
    expect(frozenCopy(holder)).toEqual(holder);
  });

  it("shares what is no plain data", () => {
    const [date, map] = [new Date(0), new Map()];
    expect(frozenCopy({ date, map })).toEqual({ date, map });
    expect(frozenCopy({ date }).date).toBe(date);
    expect(frozenCopy(date)).toBe(date);
  });

  it.each([undefined, null, 0, "", false, 1n])("gives %p back", (value) => {
    expect(frozenCopy(value)).toBe(value);
  });

  it("R-39: keeps a member named __proto__ a member", () => {
    const copy = frozenCopy(JSON.parse('{"__proto__":{"polluted":true}}') as Record<string, unknown>);
    expect(Object.keys(copy)).toEqual(["__proto__"]);
    expect(copy["polluted"]).toBeUndefined();
    expect(frozenCopy(Object.assign(Object.create(null) as object, { a: 1 }))).toEqual({ a: 1 });
  });
});
