import { describe, expect, it } from "@jest/globals";
import { ConfigurationError } from "../../../src/errors.ts";
import type { CsrfOptions } from "../../../src/options/checks.ts";
import { makeWorld } from "../../support/world.ts";

const trust = (origin: string, publicSuffixOf?: CsrfOptions["publicSuffixOf"]) => () =>
  makeWorld().mount({ csrf: { trustedOrigins: [origin], publicSuffixOf } });

describe("csrf.trustedOrigins", () => {
  it.each([
    "https://*.com",
    "https://*.dev:8443",
    "https://*.de",
    "https://*.co.uk",
    "https://*.com.au",
    "https://*.co.jp",
    "https://*.gob.mx",
    "https://*.github.io",
    "https://*.vercel.app",
    "https://*.pages.dev",
    "https://*.herokuapp.com",
    "https://*.us.com",
    "https://*.s3.eu-west-1.amazonaws.com",
    "https://*.westeurope.cloudapp.azure.com",
    "http://*.ngrok-free.app",
  ])("refuses %s: names below it belong to everybody", (origin) => {
    expect(trust(origin)).toThrow(ConfigurationError);
    expect(trust(origin)).toThrow(/csrf\.trustedOrigins: trusts everybody/);
  });

  it.each([
    "https://*.example.com",
    "https://*.example.co.uk",
    "https://*.example.github.io",
    "https://*.apps.example.com:8443",
    "https://app.github.io",
    "http://*.localhost:3000",
    "https://*.corp.internal",
    "https://*.co.example.com",
  ])("accepts %s", (origin) => expect(trust(origin)).not.toThrow());

  it("lets publicSuffixOf decide alone, as tldts does", () => {
    const publicSuffixOf = (host: string): string => (host.endsWith("kobe.jp") ? "kobe.jp" : "other");
    expect(trust("https://*.kobe.jp", publicSuffixOf)).toThrow(ConfigurationError);
    expect(trust("https://*.city.kobe.jp", publicSuffixOf)).not.toThrow();
    expect(trust("https://*.web.app", () => "app")).not.toThrow();
    expect(trust("https://*.localhost", (host) => host)).not.toThrow();
  });

  it("reports what publicSuffixOf throws", () => {
    const publicSuffixOf = (): never => {
      throw new Error("own");
    };
    expect(trust("https://*.example.com", publicSuffixOf)).toThrow(ConfigurationError);
  });
});
