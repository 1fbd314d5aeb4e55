import { expect, it } from "@jest/globals";
import { createEventSink } from "../../src/events.ts";
import { createKeySet } from "../../src/tokens/key-set.ts";
import { parseHeader } from "../../src/tokens/verify-token.ts";
import { isSignedBy } from "../../src/tokens/verify-token.ts";
import type { Algorithm, JsonWebKey, TokenProfile } from "../../src/store.ts";
import { describeWith, vectors } from "../support/requirements.ts";
import { staticKeys } from "../support/tokens.ts";
import { readVector } from "./read-vectors.ts";

interface Example {
  readonly input: { readonly key: JsonWebKey | readonly JsonWebKey[] };
  readonly output: { readonly compact?: string; readonly json?: unknown; readonly json_flat?: unknown };
}

const ALGORITHMS: readonly Algorithm[] = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"];

describeWith(vectors("rfc7520-cookbook"), "RFC 7520 and its sequels", () => {
  it.each(["jws/4_1.rsa_v15_signature", "curve25519/jws"])("verifies %s", async (name) => {
    const { output, input } = readExample(name);
    expect(await accepts(output.compact ?? "", input.key)).toBe(true);
  });

  it.each([
    ["jws/4_2.rsa-pss_signature", "PS384"],
    ["jws/4_3.ecdsa_signature", "ES512"],
    ["jws/4_4.hmac-sha2_integrity_protection", "HS256"],
    ["jws/4_5.signature_with_detached_content", "HS256, its payload elsewhere"],
    ["jws/4_6.protecting_specific_header_fields", "no compact form"],
    ["jws/4_7.protecting_content_only", "no compact form"],
    ["jws/4_8.multiple_signatures", "no compact form"],
    ["rfc7797/4.2.hmac-sha2_b64_false", "an unencoded payload"],
    ["rfc7797/hmac-sha2_b64_false", "an unencoded payload"],
  ])("rejects %s in every serialisation: %s", async (name) => {
    const { output, input } = readExample(name);
    const forms = [output.compact, ...[output.json, output.json_flat].map((form) => JSON.stringify(form))];
    const present = forms.filter((form) => form !== undefined);
    expect(present.length).toBeGreaterThan(0);
    const accepted = await Promise.all(present.map((form) => accepts(form, input.key)));
    expect(accepted).toEqual(present.map(() => false));
  });

  it("rejects what it verifies in every other serialisation", async () => {
    const { output, input } = readExample("jws/4_1.rsa_v15_signature");
    expect(await accepts(JSON.stringify(output.json), input.key)).toBe(false);
    expect(await accepts(JSON.stringify(output.json_flat), input.key)).toBe(false);
  });
});

function readExample(name: string): Example {
  return JSON.parse(readVector(`rfc7520-cookbook/${name}.json`).toString()) as Example;
}

/** The payloads are prose: the layers below the claims are asked. The examples' keys are private; the public half is used. */
async function accepts(token: string, key: Example["input"]["key"]): Promise<boolean> {
  const keys = staticKeys({ keys: [key].flat() });
  const profile: TokenProfile = {
    keys,
    issuers: [],
    algorithms: ALGORITHMS,
    types: [""],
    sessionClaim: "sid",
  };
  const parsed = parseHeader(token, profile);
  if (parsed.status === "malformed") return false;
  const { kid, alg } = parsed.header;
  const lookup = await createKeySet(keys, { clock: () => 0, events: createEventSink() }).find(kid, alg);
  return lookup.status === "found" && isSignedBy(token, lookup.key, alg);
}
