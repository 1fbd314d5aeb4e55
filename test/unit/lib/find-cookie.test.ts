import { describe, expect, it } from "@jest/globals";
import * as fc from "fast-check";
import { findCookie } from "../../../src/lib/cookies.ts";

const SEED = Number(process.env["FC_SEED"] ?? 20_260_412);
const NAME = "orgate";

function valueOf(header: string | undefined): string | undefined {
  const found = findCookie(header, NAME);
  return found.status === "found" ? found.value : undefined;
}

describe("findCookie", () => {
  it.each([
    ["nothing at all", undefined],
    ["an empty header", ""],
    ["others", "a=1; b=2"],
    ["an empty value, as clearing leaves it", "orgate="],
    ["an empty value among others", "a=1; orgate=; b=2"],
    ["an empty chunk", "orgate.0="],
    ["a name without a value", "orgate"],
    ["a name without a value at the end", "a=1; orgate"],
    ["the name as another's value", "a=orgate"],
    ["the name as another's value, with an equals sign", "a=orgate=1"],
    ["later chunks without the first", "orgate.1=b; orgate.2=c"],
  ])("finds nothing in %s", (_, header) => {
    expect(findCookie(header, NAME).status).toBe("absent");
  });

  it.each([
    ["alone", "orgate=v"],
    ["first", "orgate=v; a=1"],
    ["last", "a=1; orgate=v"],
    ["in between, without spaces", "a=1;orgate=v;b=2"],
    ["with white space around", "a=1; \t orgate= v \t; b=2"],
    ["beside its name as a value", "a=orgate; orgate=v; b=orgate=x"],
    ["beside itself, alike", "orgate=v; orgate=v"],
    ["beside an empty one of itself", "orgate=; orgate=v"],
    ["beside a name that ends like it", "xorgate=x; orgate=v"],
    ["beside a name without a value", "orgate; orgate=v"],
  ])("finds a cookie %s", (_, header) => {
    expect(valueOf(header)).toBe("v");
  });

  it("returns values as they are, neither decoded nor unquoted", () => {
    expect(valueOf('orgate="a%20b"')).toBe('"a%20b"');
    expect(valueOf("orgate=a=b=c")).toBe("a=b=c");
  });

  it.each([
    ["a subdomain's shadow", "orgate=evil; orgate=mine"],
    ["it the other way round", "orgate=mine; a=1; orgate=evil"],
    ["a chunk twice", "orgate.0=mine; orgate.0=evil"],
    ["a later chunk twice", "orgate.0=a; orgate.1=b; orgate.1=c"],
    ["a whole one and chunks", "orgate=mine; orgate.0=evil"],
    ["chunks and a whole one", "orgate.0=a; orgate.1=b; orgate=evil"],
  ])("R-12: calls it ambiguous when tossed with %s, never takes the first", (_, header) => {
    expect(findCookie(header, NAME).status).toBe("ambiguous");
  });

  it("R-12: names every form of an ambiguous cookie once, so that all can be cleared", () => {
    const found = findCookie("orgate=a; orgate=b; orgate.0=c; orgate.12=d; orgate.x=e", NAME);
    expect(found).toEqual({
      status: "ambiguous",
      values: ["a", "b", "c"],
      names: ["orgate", "orgate.0", "orgate.12"],
    });
  });

  it.each([
    "orgate.foo=x",
    "orgate.01=x",
    "orgate.00=x",
    "orgate.100=x",
    "orgate.-1=x",
    "orgate.0x=x",
    "orgate.0.0=x",
    "orgate.=x",
    "orgatex=x",
    "orgate-0=x",
    "orgate_0=x",
    "xorgate=x",
    "x.orgate=x",
    "ORGATE=x",
    "Orgate=x",
    "orgate =x",
    "orgate\t=x",
    "$Version=1; $orgate=x",
    "\u00a0orgate=x",
    "a=1;\u00a0orgate=x",
    "a=1; \u2003orgate=x",
    "\u000borgate=x",
    "orgate\u00a0=x",
    "or gate=x",
  ])("R-12: never takes the neighbour %j for it, alone or beside it", (neighbour) => {
    expect(findCookie(neighbour, NAME).status).toBe("absent");
    expect(findCookie(`${neighbour}; orgate=v`, NAME)).toEqual({
      status: "found",
      value: "v",
      names: ["orgate"],
    });
    expect(valueOf(`orgate=v; ${neighbour}`)).toBe("v");
  });

  it("R-12: tells prefixes apart: `orgate` is not `__Host-orgate`, nor the other way round", () => {
    expect(findCookie("__Host-orgate=x", "orgate").status).toBe("absent");
    expect(findCookie("orgate=x", "__Host-orgate").status).toBe("absent");
    expect(findCookie("__host-orgate=x", "__Host-orgate").status).toBe("absent");
    expect(findCookie("__Host-orgate=x; orgate=y", "orgate")).toMatchObject({ value: "y" });
  });

  it("R-14: joins chunks by their numbers, in whichever order they arrive", () => {
    expect(valueOf("orgate.1=b; orgate.10=k; orgate.0=a; orgate.2=c~2")).toBe("abc~2");
    const many = Array.from({ length: 12 }, (_, index) => `orgate.${index}=${index},`).join("; ");
    expect(valueOf(many)).toBe("0,1,2,3,4,5,6,7,8,9,10,11,");
  });

  it("R-14: stops at a gap, and at the seal's suffix, so that leftovers of a longer session are not joined", () => {
    expect(valueOf("orgate.0=a; orgate.1=b; orgate.3=old")).toBe("ab");
    expect(findCookie("orgate.0=a; orgate.1=b~2; orgate.2=old", NAME)).toEqual({
      status: "found",
      value: "ab~2",
      names: ["orgate.0", "orgate.1", "orgate.2"],
    });
    expect(findCookie("orgate=v~2; orgate.1=old", NAME)).toEqual({
      status: "found",
      value: "v~2",
      names: ["orgate", "orgate.1"],
    });
  });

  it("R-14: joins a suffix that the split ran through", () => {
    expect(valueOf("orgate.0=aaa~; orgate.1=2")).toBe("aaa~2");
    expect(valueOf("orgate.0=aaa; orgate.1=~2; orgate.2=old")).toBe("aaa~2");
    expect(valueOf("orgate.0=aaa~; orgate.1=2; orgate.2=old")).toBe("aaa~2");
  });

  it(`R-12: of any header finds only what a plain parser finds once (seed ${SEED})`, () => {
    const piece = fc.constantFrom(
      "orgate",
      "orgate.0",
      "orgate.1",
      "=",
      ";",
      "; ",
      " ",
      "\u00a0",
      "a",
      "b~2",
      "x=1",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 14 }), (pieces) => {
        const header = pieces.join("");
        const found = findCookie(header, NAME);
        expect(found.status === "found" ? found.value : found.status).toBe(parsePlainly(header));
      }),
      { seed: SEED, numRuns: 5_000 },
    );
  });
});

/** The rule once more, without any regard to speed. */
function parsePlainly(header: string): string {
  const values = new Map<string, Set<string>>();
  for (const pair of header.split(";")) {
    const trimmed = pair.replace(/^[ \t]+/, "");
    const at = trimmed.indexOf("=");
    if (at === -1) continue;
    const key = trimmed.slice(0, at);
    const value = trimmed.slice(at + 1).replaceAll(/^[ \t]+|[ \t]+$/g, "");
    if (value !== "" && /^orgate(?:\.\d)?$/.test(key))
      values.set(key, (values.get(key) ?? new Set()).add(value));
  }
  if ([...values.values()].some((known) => known.size > 1)) return "ambiguous";
  const one = (key: string): string | undefined => [...(values.get(key) ?? [])][0];
  let joined: string | undefined;
  for (let index = 0; one(`orgate.${index}`) !== undefined && !/~\d/.test(joined ?? ""); index++) {
    joined = (joined ?? "") + one(`orgate.${index}`);
  }
  const whole = one("orgate");
  if (whole !== undefined && joined !== undefined) return "ambiguous";
  return whole ?? joined ?? "absent";
}
