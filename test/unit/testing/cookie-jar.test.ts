import { describe, expect, it } from "@jest/globals";
import { createCookieJar } from "../../../src/testing/cookie-jar.ts";

const START = 1_800_000_000;

function makeJar() {
  let now = START;
  const jar = createCookieJar(() => now);
  return {
    jar,
    advance: (seconds: number) => {
      now += seconds;
    },
  };
}

describe("a cookie jar", () => {
  it("keeps Secure, __Host- and __Secure- cookies that follow the rules of their prefix", () => {
    const { jar } = makeJar();
    jar.receive([
      "__Host-orgate=a; Path=/; Secure; HttpOnly; SameSite=Lax",
      "__Secure-orgate=b; Path=/; Secure; Domain=example.com",
      "plain=c; Secure",
    ]);
    expect(jar.header("/")).toBe("__Host-orgate=a; __Secure-orgate=b; plain=c");
  });

  it.each([
    ["without Secure", "__Host-orgate=a; Path=/"],
    ["with a domain", "__Host-orgate=a; Path=/; Secure; Domain=example.com"],
    ["with a path", "__Host-orgate=a; Path=/app; Secure"],
    ["without a path", "__Host-orgate=a; Secure"],
    ["in another case", "__HOST-orgate=a; Path=/"],
    ["__Secure- without Secure", "__Secure-orgate=a; Path=/"],
    ["of 4,097 bytes", `a=${"x".repeat(4_096)}; Path=/`],
    ["without a name", "=a; Path=/"],
    ["without a pair", "Path; Secure"],
  ])("drops a cookie %s, as browsers do", (_why, line) => {
    const { jar } = makeJar();
    jar.receive([line]);
    expect(jar.names()).toEqual([]);
    expect(jar.header("/")).toBeUndefined();
  });

  it("keeps a value as it is, signs of equality included", () => {
    const { jar } = makeJar();
    jar.receive(["a=b=c==; Path=/"]);
    expect(jar.get("a")).toBe("b=c==");
  });

  it("replaces a cookie of the same name, domain and path, and no other", () => {
    const { jar } = makeJar();
    jar.receive(["a=1; Path=/", "a=2; Path=/", "a=3; Path=/; Domain=.Example.com", "a=4; Path=/deep"]);
    expect(jar.header("/deep/er")).toBe("a=4; a=2; a=3");
    expect(jar.header("/")).toBe("a=2; a=3");
    expect(jar.names()).toEqual(["a"]);
    expect(jar.get("a")).toBe("4");
  });

  it.each([
    ["/app", "/app", true],
    ["/app", "/app/x?y", true],
    ["/app", "/app?y=/", true],
    ["/app/", "/app/x", true],
    ["/app/", "/app", false],
    ["/app", "/apple", false],
    ["/app", "/", false],
    ["nonsense", "/", true],
  ])("of the path %s sends to %s: %s", (path, url, isSent) => {
    const { jar } = makeJar();
    jar.receive([`a=1; Path=${path}`]);
    expect(jar.header(url)).toBe(isSent ? "a=1" : undefined);
  });

  it("deletes a cookie when it expires, and at once when it is cleared", () => {
    const { jar, advance } = makeJar();
    const inAMinute = new Date((START + 60) * 1000).toUTCString();
    jar.receive([
      "aged=1; Max-Age=30",
      `dated=1; Expires=${inAMinute}`,
      "both=1; Max-Age=90; Expires=0",
      "open=1",
    ]);
    advance(29);
    expect(jar.names()).toEqual(["aged", "dated", "both", "open"]);
    advance(1);
    expect(jar.names()).toEqual(["dated", "both", "open"]);
    advance(30);
    expect(jar.names()).toEqual(["both", "open"]);
    jar.receive(["both=; Max-Age=0", "open=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]);
    expect(jar.names()).toEqual([]);
  });

  it("can be changed by hand, and copied into an independent jar", () => {
    const { jar } = makeJar();
    jar.set("a", "1");
    jar.set("b", "2");
    const copy = jar.copy();
    jar.delete("a");
    copy.set("c", "3");
    expect(jar.header("/x")).toBe("b=2");
    expect(copy.header("/x")).toBe("a=1; b=2; c=3");
    jar.clear();
    expect(jar.names()).toEqual([]);
    expect(copy.names()).toHaveLength(3);
  });
});
