import { describe, expect, it } from "@jest/globals";
import { compilePath, matchPath, splitTarget } from "../../../../src/authority/wire/router.ts";

const PATTERN = compilePath("/users/:/sessions");

describe("matchPath", () => {
  it("decodes the variable segments", () => {
    expect(matchPath(PATTERN, "/users/a%20b%2Fc/sessions")).toEqual(["a b/c"]);
    expect(matchPath(PATTERN, "/users/__proto__/sessions")).toEqual(["__proto__"]);
  });

  it.each([
    "/users/a/sessions/",
    "//users/a/sessions",
    "/users//sessions",
    "/Users/a/sessions",
    "/%75sers/a/sessions",
    "/users/%ff/sessions",
    "/users/%/sessions",
    "/users/a/b/sessions",
    "users/a/sessions",
    "",
  ])("R-41: does not match %j", (path) => {
    expect(matchPath(PATTERN, path)).toBeUndefined();
  });
});

describe("splitTarget", () => {
  it("reads the query after the first question mark", () => {
    const { path, query } = splitTarget("/a/b?x=1&y=?");
    expect(path).toEqual("/a/b");
    expect(query).toBe("x=1&y=?");
  });

  it("matches no route with an absolute URL", () => {
    expect(splitTarget("http://evil.example/a/b").path).not.toEqual("/a/b");
  });
});
