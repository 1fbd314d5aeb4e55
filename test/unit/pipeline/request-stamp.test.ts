import { inspect } from "node:util";
import { describe, expect, it } from "@jest/globals";
import { createRequestStamp } from "../../../src/request/request-auth.ts";
import { makeRequest } from "../../support/exchange.ts";

interface Kept {
  readonly name: string;
}

describe.each([
  ["a stream", (): object => makeRequest()],
  ["a plain object", (): object => ({ headers: {} })],
  ["an object whose state is no object", (): object => ({ _readableState: "flowing" })],
  ["an object whose state is gone", (): object => ({ _readableState: null })],
])("a stamp on %s", (_, make) => {
  it("keeps the value of each request", () => {
    const stamp = createRequestStamp<Kept>();
    const [first, second] = [make(), make()];
    expect(stamp.get(first)).toBeUndefined();
    const [ada, bob] = [{ name: "ada" }, { name: "bob" }];
    stamp.set(first, ada);
    stamp.set(second, bob);
    expect(stamp.get(first)).toBe(ada);
    expect(stamp.get(second)).toBe(bob);
  });

  it("keeps the value set last", () => {
    const stamp = createRequestStamp<Kept>();
    const request = make();
    stamp.set(request, { name: "ada" });
    stamp.set(request, { name: "bob" });
    expect(stamp.get(request)).toEqual({ name: "bob" });
  });

  it("knows nothing of another's", () => {
    const [stamp, other] = [createRequestStamp<Kept>(), createRequestStamp<Kept>()];
    const request = make();
    stamp.set(request, { name: "ada" });
    expect(other.get(request)).toBeUndefined();
  });

  it("R-42: gives nothing to what was made from a request, and takes nothing from it", () => {
    const stamp = createRequestStamp<Kept>();
    const request = make();
    stamp.set(request, { name: "ada" });
    for (const forged of [
      Object.create(request) as object,
      Object.assign(make(), request),
      Object.defineProperties(make(), Object.getOwnPropertyDescriptors(request)),
      new Proxy(request, {}),
    ]) {
      expect(stamp.get(forged)).toBeUndefined();
      stamp.set(forged, { name: "mallory" });
      expect(stamp.get(forged)).toEqual({ name: "mallory" });
      stamp.set(forged, { name: "trudy" });
      expect(stamp.get(forged)).toEqual({ name: "trudy" });
      expect(stamp.get(request)).toEqual({ name: "ada" });
    }
  });

  it("R-42: cannot be seen from outside", () => {
    const stamp = createRequestStamp<Kept>();
    const request = make();
    const before = inspect(request, { depth: 9, showHidden: true });
    stamp.set(request, { name: "canary" });
    const state: unknown = Reflect.get(request, "_readableState");
    for (const object of [request, Object(state)]) {
      expect(Reflect.ownKeys(object).map(String).join()).not.toMatch(/stamp|value|canary/);
    }
    expect(inspect(request, { depth: 9, showHidden: true })).toBe(before);
  });

  it("stays on a request that is frozen, or becomes so", () => {
    const stamp = createRequestStamp<Kept>();
    const request = make();
    stamp.set(request, { name: "ada" });
    Object.freeze(request);
    stamp.set(request, { name: "bob" });
    expect(stamp.get(request)).toEqual({ name: "bob" });
  });
});
