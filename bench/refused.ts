/** Ways to break a token so that it is refused before its signature is checked. */
export const REFUSED: Readonly<Record<string, (token: string) => string>> = {
  garbage: (token) => token.replaceAll(/[^.]/g, "~"),
  "alg none": (token) => changed(token, 0, { alg: "none" }),
  "unknown key": (token) => changed(token, 0, { kid: "another" }),
  "wrong issuer": (token) => changed(token, 1, { iss: "https://elsewhere.example.com" }),
};

function changed(token: string, part: 0 | 1, change: object): string {
  const parts = token.split(".");
  const members = JSON.parse(Buffer.from(parts[part] ?? "", "base64url").toString()) as object;
  parts[part] = Buffer.from(JSON.stringify({ ...members, ...change })).toString("base64url");
  return parts.join(".");
}
