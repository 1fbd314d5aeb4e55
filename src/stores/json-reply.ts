/** An object as it was received. Look up its members by names of your own alone. */
export type JsonObject = Readonly<Record<string, unknown>>;

/** What came of a request: the service's word, good or bad; or trouble, which says nothing about anybody. */
export type JsonReply =
  | {
      readonly status: "answered";
      /** 2xx, or a 4xx that is about the request: never 408 or 429. */
      readonly httpStatus: number;
      readonly body: JsonObject;
    }
  | {
      readonly status: "unavailable";
      /** `unreachable`, `timeout`, `rate_limited`, `server_error`, `redirected`, `not_json`, `too_large`, ... */
      readonly reason: string;
      /** Absent where no response came. */
      readonly httpStatus?: number;
      /** Where there was one: a refusal for overload may say more. */
      readonly body?: JsonObject;
      /** Seconds to wait, where the service said so. */
      readonly retryAfter?: number;
    };

const JSON_TYPE = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i;
const REQUEST_TIMEOUT = 408;
const TOO_MANY_REQUESTS = 429;

/**
 * Reads a response as the service's word, or as trouble.
 *
 * Only JSON objects are anybody's word: HTML with status 200, 401 or 404 comes from something on the way, and says nothing.
 */
export async function readJsonReply(response: Response, maxBytes: number): Promise<JsonReply> {
  const { status: httpStatus } = response;
  const body = await readBody(response, maxBytes);
  const trouble = troubleOf(httpStatus);
  if (typeof body === "string") return { status: "unavailable", reason: trouble ?? body, httpStatus };
  if (trouble !== undefined) return { status: "unavailable", reason: trouble, httpStatus, body };
  return { status: "answered", httpStatus, body };
}

/** Why a status alone is no answer. */
function troubleOf(status: number): string | undefined {
  if (status === REQUEST_TIMEOUT) return "upstream_timeout";
  if (status === TOO_MANY_REQUESTS) return "rate_limited";
  if (status >= 500) return "server_error";
  if (status >= 300 && status < 400) return "redirected";
  return status >= 200 ? undefined : "unexpected_status";
}

/** The object in the body, or why there is none. */
async function readBody(response: Response, maxBytes: number): Promise<JsonObject | string> {
  const type = response.headers.get("content-type");
  const isJson = type !== null && JSON_TYPE.test(type);
  if (type !== null && !isJson && response.headers.get("content-length") !== "0") {
    void response.body?.cancel().catch(() => undefined);
    return "not_json";
  }
  const bytes = await readBytes(response, maxBytes);
  if (typeof bytes === "string") return bytes;
  // An operation that has nothing to say may say nothing.
  if (bytes.length === 0) return response.ok ? {} : "malformed";
  return isJson ? (parseObject(bytes) ?? "malformed") : "not_json";
}

async function readBytes(response: Response, maxBytes: number): Promise<Uint8Array | string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of response.body ?? []) {
      length += chunk.byteLength;
      // Leaving the loop cancels the stream.
      if (length > maxBytes) return "too_large";
      chunks.push(chunk);
    }
  } catch {
    return "broken_off";
  }
  return Buffer.concat(chunks);
}

function parseObject(bytes: Uint8Array): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined;
  } catch {
    // The parser's own message repeats the text.
    return undefined;
  }
}
