import { isUtf8 } from "node:buffer";
import { expect, it } from "@jest/globals";
import { systemClock } from "../../src/lib/clock.ts";
import { createEventSink } from "../../src/events.ts";
import { createKeySet } from "../../src/tokens/key-set.ts";
import { parseStrictJson } from "../../src/lib/strict-json.ts";
import { createTokenVerifier } from "../../src/tokens/verify-token.ts";
import { describeWith, vectors } from "../support/requirements.ts";
import { generateSigningKey, publicJwks, signCompact, staticKeys } from "../support/tokens.ts";
import { listVectors, readVector } from "./read-vectors.ts";

const FOLDER = "jsontestsuite/test_parsing";

/** Valid by RFC 8259, which leaves duplicates to the reader; refused, because readers differ. */
const DUPLICATES = ["y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"];

const KEY = generateSigningKey("ES256");
const HEADER = JSON.stringify({ alg: "ES256", kid: KEY.kid, typ: "JWT" });
const SOURCE = staticKeys(publicJwks([KEY]));
const VERIFIER = createTokenVerifier(
  { keys: SOURCE, issuers: [], algorithms: ["ES256"], types: ["JWT", ""], sessionClaim: "sid" },
  createKeySet(SOURCE, { clock: systemClock, events: createEventSink() }),
);

describeWith(vectors(FOLDER), "R-08: JSONTestSuite", () => {
  it("is complete", () => {
    expect(listVectors(FOLDER)).toHaveLength(318);
  });

  it("as text: accepts and rejects what the suite says", () => {
    const texts = listVectors(FOLDER)
      .map((name) => ({ name, bytes: readVector(`${FOLDER}/${name}`) }))
      .filter(({ bytes }) => isUtf8(bytes));
    const read = texts.filter(({ bytes }) => parseStrictJson(bytes.toString()).status === "parsed");
    const mustRead = texts.filter(({ name }) => name.startsWith("y_") && !DUPLICATES.includes(name));
    const names = read.map(({ name }) => name);
    expect(names.filter((name) => name.startsWith("n_"))).toEqual([]);
    expect(names.filter((name) => DUPLICATES.includes(name))).toEqual([]);
    expect(names.filter((name) => name.startsWith("y_"))).toEqual(mustRead.map(({ name }) => name));
  });

  it("as the payload of a token signed by the trusted key: never accepts it, never throws", async () => {
    const outcomes = await Promise.all(
      listVectors(FOLDER).map(async (name) => {
        const bytes = readVector(`${FOLDER}/${name}`);
        const outcome = await VERIFIER.verify(signCompact(KEY, HEADER, bytes));
        return { name, outcome, expected: expectedReason(name, bytes) };
      }),
    );
    const offences = outcomes.filter(({ outcome, expected }) => {
      return outcome.status !== "rejected" || (expected !== undefined && outcome.reason !== expected);
    });
    expect(offences).toEqual([]);
  });

  it("as the header of a token signed by the trusted key: never accepts it, never throws", async () => {
    const payload = JSON.stringify({ sub: "user_ada", sid: "session_1", iat: 1, exp: 2 });
    expect(await VERIFIER.verify(signCompact(KEY, HEADER, payload))).toMatchObject({ status: "verified" });
    const outcomes = await Promise.all(
      listVectors(FOLDER).map(async (name) => ({
        name,
        outcome: await VERIFIER.verify(signCompact(KEY, readVector(`${FOLDER}/${name}`), payload)),
      })),
    );
    const malformed = { status: "rejected", reason: "malformed" };
    const isMalformed = (outcome: object): boolean =>
      isDeepEqual({ ...outcome, defect: undefined }, malformed);
    expect(outcomes.filter(({ outcome }) => !isMalformed(outcome))).toEqual([]);
  });
});

/** Objects that are JSON come as far as their missing session claim; the rest is malformed; `i_` may be either. */
function expectedReason(name: string, bytes: Buffer): string | undefined {
  if (name.startsWith("i_")) return undefined;
  const isObject = name.startsWith("y_") && bytes.toString().trimStart().startsWith("{");
  return isObject && !DUPLICATES.includes(name) ? "class" : "malformed";
}

function isDeepEqual(left: unknown, right: unknown): boolean {
  return JSON.stringify(left) === JSON.stringify(right);
}
