import dns from "node:dns";
import net from "node:net";
import { afterAll, beforeAll, describe, expect, it, jest } from "@jest/globals";
import { systemClock } from "../../../src/lib/clock.ts";
import { createEventSink } from "../../../src/events.ts";
import { createKeySet } from "../../../src/tokens/key-set.ts";
import { createTokenVerifier } from "../../../src/tokens/verify-token.ts";
import type { TokenVerifier, Verification } from "../../../src/tokens/verify-token.ts";
import type { Algorithm } from "../../../src/store.ts";
import { attackCorpus } from "../../support/attacks/corpus.ts";
import { createVictim, GOOD_CLAIMS } from "../../support/attacks/victim.ts";
import type { Victim } from "../../support/attacks/victim.ts";
import { publicJwks, staticKeys } from "../../support/tokens.ts";

const THREATS: Readonly<Record<string, string>> = {
  "R-01": "accepts no token without a signature, nor one whose algorithm is not the profile's",
  "R-02": "takes no key, URL or compression from a token's header",
  "R-03": "uses a key id for nothing but finding a key",
  "R-04": "accepts no critical extension and no unencoded payload",
  "R-05": "accepts three parts and no other serialisation",
  "R-06": "accepts one spelling of a token",
  "R-07": "accepts no token that is too long, too deep or too wide",
  "R-08": "accepts no JSON that has two readings",
  "R-09": "accepts no claims that are missing, of the wrong type, or meant for others",
};

// What a profile allows beyond the three must not let in what is never allowed.
const GENEROUS = ["crit", "b64", "jwk", "jku", "x5u", "x5c", "zip", "enc", "epk"];

describe.each<Algorithm>(["RS256", "ES256", "EdDSA"])("hostile tokens against %s", (algorithm) => {
  const victim = createVictim(algorithm);
  const corpus = attackCorpus(victim);
  const connect = jest.spyOn(net.Socket.prototype, "connect");
  const lookup = jest.spyOn(dns, "lookup");
  const outcomes = new Map<string, Verification>();

  describe.each([
    ["with alg in the JWKS", {}, []],
    ["without alg in the JWKS", { alg: undefined }, []],
    ["without alg, with a generous profile", { alg: undefined }, GENEROUS],
  ])("%s", (_, jwk, headerParameters) => {
    const verifier = createVerifier(victim, jwk, headerParameters);

    beforeAll(async () => {
      for (const { name, token, threat } of corpus) {
        outcomes.set(`${threat} ${name}`, await verifier.verify(token));
      }
    });

    it("accepts the good token that the attacks are made of", async () => {
      expect(await verifier.verify(victim.token)).toEqual({ status: "verified", claims: GOOD_CLAIMS });
    });

    it.each(Object.entries(THREATS))("%s: %s", (threat) => {
      const attacks = corpus.filter((attack) => attack.threat === threat);
      expect(attacks.length).toBeGreaterThan(5);
      const offences = attacks
        .map(({ name }) => ({ name, status: outcomes.get(`${threat} ${name}`)?.status }))
        .filter(({ status }) => status !== "rejected");
      expect(offences).toEqual([]);
    });

    it("R-02: opens no socket and resolves no name", () => {
      expect(connect).not.toHaveBeenCalled();
      expect(lookup).not.toHaveBeenCalled();
    });

    it("R-10: says of a rejected token nothing but a reason", () => {
      const shapes = new Set(
        Array.from(outcomes.values(), (outcome) => Object.keys(outcome).toSorted().join()),
      );
      expect(Array.from(shapes).toSorted()).toEqual([
        "defect,reason,status",
        "expiresAt,reason,status",
        "reason,status",
      ]);
    });
  });

  afterAll(() => {
    connect.mockRestore();
    lookup.mockRestore();
  });
});

describe("the corpus", () => {
  it("has distinct names, so that none hides another", () => {
    const names = attackCorpus(createVictim("ES256")).map(({ threat, name }) => `${threat} ${name}`);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
    expect(names.length).toBeGreaterThan(400);
  });

  it("has all fifteen other spellings of a signature with four bits to spare", () => {
    const names = attackCorpus(createVictim("RS256")).map(({ name }) => name);
    expect(names.filter((name) => name.startsWith("part 2 ends in"))).toHaveLength(15);
  });
});

function createVerifier(
  victim: Victim,
  jwk: Readonly<Record<string, unknown>>,
  headerParameters: readonly string[],
): TokenVerifier {
  const source = staticKeys(publicJwks([victim.key], jwk));
  const keys = createKeySet(source, { clock: systemClock, events: createEventSink() });
  return createTokenVerifier(
    {
      keys: source,
      issuers: [GOOD_CLAIMS.iss],
      audience: [GOOD_CLAIMS.aud],
      algorithms: [victim.key.algorithm],
      types: ["JWT"],
      headerParameters,
      sessionClaim: "sid",
    },
    keys,
  );
}
