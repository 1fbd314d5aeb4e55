import type { IncomingMessage } from "node:http";
import { describe, expect, it } from "@jest/globals";
import { readBasic, readBearer } from "../../../../src/authority/wire/router.ts";

const asked = (...values: string[]): IncomingMessage =>
  ({ rawHeaders: values.flatMap((value) => ["Authorization", value]) }) as IncomingMessage;
const encode = (text: string): string => Buffer.from(text).toString("base64");

describe("readBasic", () => {
  it("splits at the first colon (RFC 7617)", () => {
    expect(readBasic(asked(`basic ${encode("user:pass:word")}`))).toEqual({
      user: "user",
      password: "pass:word",
    });
  });

  it.each([
    [[]],
    [["Basic"]],
    [["Basic "]],
    [["Basic !!!"]],
    [[`Basic ${encode("nocolon")}`]],
    [[`Bearer ${encode("a:b")}`]],
    [[`Basic ${encode("a:b")}`, `Basic ${encode("a:b")}`]],
  ])("R-11: reads nothing from %j", (values) => {
    expect(readBasic(asked(...values))).toBeUndefined();
  });
});

describe("readBearer", () => {
  it("reads one token", () => {
    expect(readBearer(asked("BEARER sk_1"))).toBe("sk_1");
    expect(readBearer(asked("Bearer sk_1", "Bearer sk_1"))).toBeUndefined();
    expect(readBearer(asked("Basic sk_1"))).toBeUndefined();
    expect(readBearer(asked())).toBeUndefined();
  });
});
