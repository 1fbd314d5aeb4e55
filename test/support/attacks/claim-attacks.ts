import { signCompact, signToken } from "../tokens.ts";
import type { Attack, Victim } from "./victim.ts";

const NO_NAMES: readonly unknown[] = [undefined, null, "", 0, 1, true, false, [], ["user_ada"], "\ud800"];
const NO_TIMES: readonly unknown[] = [
  undefined,
  null,
  "",
  "1800000300",
  true,
  [],
  {},
  [1_800_000_300],
  "now",
];

const WRONG: Readonly<Record<string, readonly unknown[]>> = {
  sub: [...NO_NAMES, {}, { id: "user_ada" }],
  exp: NO_TIMES,
  iat: NO_TIMES,
  nbf: NO_TIMES.slice(1),
  sid: NO_NAMES,
  iss: [
    undefined,
    null,
    "",
    1,
    true,
    {},
    [],
    ["https://app.example.com"],
    "https://app.example.com/",
    "http://app.example.com",
    "https://APP.example.com",
    " https://app.example.com",
    "https://app.example.com\u0000",
    "https://app.example.com.attacker.example",
    "https://attacker.example",
    "app.example.com",
  ],
  aud: [
    undefined,
    null,
    "",
    1,
    true,
    {},
    [],
    [""],
    [["orgate-tests"]],
    [1, "orgate-tests"],
    "ORGATE-TESTS",
    "orgate-tests ",
    "other",
    ["other"],
    ["orgate-tests,other"],
    { includes: true },
    "*",
    "orgate",
  ],
};

/** claims that are missing, of the wrong type, or meant for others; signed by the trusted key. */
export function claimAttacks({ key, claims }: Victim): Attack[] {
  const wrong = Object.entries(WRONG).flatMap(([claim, values]) =>
    values.map((value) => ({
      name: `${claim}: ${JSON.stringify(value)}`,
      token: signToken(key, { ...claims, [claim]: value }),
    })),
  );
  const infinite = ["exp", "iat", "nbf"].map((claim) => {
    const payload = JSON.stringify({ ...claims, [claim]: "%" }).replace('"%"', "1e999");
    const header = JSON.stringify({ alg: key.algorithm, kid: key.kid, typ: "JWT" });
    return { name: `${claim}: 1e999`, token: signCompact(key, header, payload) };
  });
  const types = [
    "at+jwt",
    "JWE",
    "JOSE+JSON",
    "logout+jwt",
    "secevent+jwt",
    "",
    " JWT",
    "application/",
    "JW\u0422",
  ]
    .concat(["application/application/jwt", "text/jwt"])
    .map<unknown>((typ) => typ)
    .concat([null, 1, true, [], ["JWT"], {}, undefined])
    .map((typ) => ({ name: `typ: ${JSON.stringify(typ)}`, token: signToken(key, claims, { typ }) }));
  return [...wrong, ...types, ...infinite, { name: "no claims", token: signToken(key, {}) }].map(
    (attack) => ({ threat: "R-09", ...attack }),
  );
}
