/** Ways to break a token so that it is refused before its signature is checked. */
export const REFUSED: Readonly<Record<string, (token: string) => string>> = {
  garbage: (token) => token.replaceAll(/[^.]/g, "~"),
  "alg none": (token) => changePart(token, 0, { alg: "none" }),
  "unknown key": (token) => changePart(token, 0, { kid: "another" }),
  "wrong issuer": (token) => changePart(token, 1, { iss: "https://elsewhere.example.com" }),
};

/** Gives a token a signature of the right length and encoding that no key has made. */
export function forgeSignature(token: string): string {
  const start = token.lastIndexOf(".") + 1;
  const signature = Buffer.from(token.slice(start), "base64url");
  const middle = signature.length >> 1;
  signature.writeUInt8(signature.readUInt8(middle) ^ 1, middle);
  return token.slice(0, start) + signature.toString("base64url");
}

function changePart(token: string, part: 0 | 1, change: object): string {
  const parts = token.split(".");
  const members = JSON.parse(Buffer.from(parts[part] ?? "", "base64url").toString()) as object;
  parts[part] = Buffer.from(JSON.stringify({ ...members, ...change })).toString("base64url");
  return parts.join(".");
}
