import { inspect } from "node:util";
import { expect, it } from "@jest/globals";
import { createAuthority, memoryDirectory } from "orgate/authority";
import { stytchRouter } from "orgate/authority/stytch";
import { workosRouter } from "orgate/authority/workos";

const makeAuthority = () =>
  createAuthority({ issuer: "https://app.example.com", directory: memoryDirectory() });
const WORKOS = { clientId: "client_1", apiKey: "sk_test_0123456789abcdef" };
const STYTCH = { projectId: "project-test-1", secret: "secret-0123456789abcdef" };

it("makes the routers over a copy of an authority, and over an object that inherits from one", () => {
  for (const authority of [{ ...makeAuthority() }, Object.create(makeAuthority())]) {
    expect(workosRouter(authority, WORKOS)).toBeInstanceOf(Function);
    expect(stytchRouter(authority, STYTCH)).toBeInstanceOf(Function);
  }
});

it.each([[undefined], [null], ["authority"], [{}], [WORKOS]])(
  "refuses %j in place of an authority as a mistake of the configuration",
  (given) => {
    expect(() => workosRouter(given as never, WORKOS)).toThrow(/authority: must be made by createAuthority/);
    expect(() => stytchRouter(given as never, STYTCH)).toThrow(/authority: must be made by createAuthority/);
  },
);

it("shows nothing of its inside when an authority is printed", () => {
  const printed = inspect(makeAuthority(), { depth: 9, showHidden: true });

  expect(printed).toContain("Symbol(orgate.authority.wire)");
  expect(printed).not.toContain("records");
});
