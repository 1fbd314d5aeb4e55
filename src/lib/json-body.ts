import { isObject } from "./predicates.ts";

/** An object as it was received. Look up its members by constant names only. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** What the body of a response holds: a JSON object, nothing at all, or something that cannot be used. */
export type JsonBody =
  | { readonly status: "object"; readonly object: JsonObject }
  | { readonly status: "empty" }
  | { readonly status: "unusable"; readonly reason: UnusableBody; readonly cause?: unknown };

/** `malformed`: not one JSON object in UTF-8. */
export type UnusableBody = "too_large" | "broken_off" | "malformed";

/** Reads the body of a response as a JSON object of at most `maxBytes` bytes. Never rejects. */
export async function readJsonBody(response: Response, maxBytes: number): Promise<JsonBody> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of response.body ?? []) {
      length += chunk.byteLength;
      // Leaving the loop cancels the stream.
      if (length > maxBytes) return { status: "unusable", reason: "too_large" };
      chunks.push(chunk);
    }
  } catch (cause) {
    return { status: "unusable", reason: "broken_off", cause };
  }
  return length === 0 ? { status: "empty" } : parseObject(Buffer.concat(chunks));
}

function parseObject(bytes: Uint8Array): JsonBody {
  try {
    const object: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return isObject(object) ? { status: "object", object } : { status: "unusable", reason: "malformed" };
  } catch (error) {
    // The parser's message quotes the text, which may hold a token.
    const name = error instanceof Error ? error.name : "error";
    return { status: "unusable", reason: "malformed", cause: new Error(`The body is not JSON (${name}).`) };
  }
}

/** Discards the rest of a body, so that its connection can be used again. */
export function discardBody(response: Response): void {
  // The body was not wanted: how its transfer ends does not matter.
  response.body?.cancel().then(undefined, () => undefined);
}
