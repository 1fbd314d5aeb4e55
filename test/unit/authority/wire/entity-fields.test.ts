import { describe, expect, it } from "@jest/globals";
import {
  flagField,
  freeField,
  objectField,
  objectsField,
  readEntity,
  snakeCaseMembers,
  textField,
  textMapField,
  textsField,
  timeField,
  wordField,
} from "../../../../src/authority/wire/entity-fields.ts";

const text = textField("");

describe("the readers of a directory's rows", () => {
  it("writes a number as text, and takes anything else that is no string as absent", () => {
    expect(["a", "", 42, true, null, undefined, {}, [], Number.NaN].map(text)).toEqual([
      "a",
      "",
      "42",
      "",
      "",
      "",
      "",
      "",
      "",
    ]);
    expect(textField(null)(undefined)).toBeNull();
  });

  it("takes nothing but true as a flag", () => {
    expect([true, false, "true", 1, null].map(flagField)).toEqual([true, false, false, false, false]);
  });

  it("takes a word of the enumeration alone", () => {
    const word = wordField(new Set(["active", "invited"]), "active");
    expect(["invited", "enabled", 5, undefined].map(word)).toEqual(["invited", "active", "active", "active"]);
  });

  it("writes times in one form, and anything else as absent", () => {
    const time = timeField(null, (given) => given.slice(0, 10));
    expect(["2026-11-28 10:00:00", "soon", 5].map(time)).toEqual(["2026-11-28", null, null]);
  });

  it("keeps the strings of a list", () => {
    expect([["a", 5, null, {}], "a", undefined].map(textsField)).toEqual([["a", "5"], [], []]);
  });

  it("completes the objects of a list, and drops everything else", () => {
    const registrations = objectsField({ connection_id: text, external_id: text });
    expect(registrations([{ connectionId: "c", ssoAttributes: { someName: 1 } }, null, "x"])).toEqual([
      { connection_id: "c", external_id: "", sso_attributes: { someName: 1 } },
    ]);
    expect(registrations({ connectionId: "c" })).toEqual([]);
  });

  it("reads an object that is kept in the protocol's own names", () => {
    expect(objectField(null, { connection_id: text })({ connection_id: "c" })).toEqual({
      connection_id: "c",
    });
    expect(objectField(null, {})("text")).toBeNull();
  });

  it("writes the values of metadata as text: objects as JSON, and no null", () => {
    const given = { text: "t", number: 1, flag: true, list: ["a"], object: { deep: 1 }, nothing: null };
    expect(textMapField(given)).toEqual({
      text: "t",
      number: "1",
      flag: "true",
      list: '["a"]',
      object: '{"deep":1}',
    });
    expect([textMapField(["a"]), textMapField("text"), freeField({})(["a"])]).toEqual([{}, {}, {}]);
  });

  it("reads fields by their names in camelCase, without the prefix", () => {
    const readers = { organization_logo_url: text, mfa_policy: textField("OPTIONAL") };
    expect(readEntity({ logoUrl: "l", mfaPolicy: null }, readers, "organization_")).toEqual({
      organization_logo_url: "l",
      mfa_policy: "OPTIONAL",
    });
  });

  it("names members in snake_case at every depth, but for those that the application names", () => {
    expect(snakeCaseMembers({ aB: [{ cD: 1 }], trustedMetadata: { eF: 1 } })).toEqual({
      a_b: [{ c_d: 1 }],
      trusted_metadata: { eF: 1 },
    });
  });
});
