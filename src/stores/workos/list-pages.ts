import type { JsonObject } from "../json-reply.ts";
import { isObject, isText } from "../shape.ts";
import { trouble } from "./trouble.ts";
import type { WorkosClient } from "./workos-client.ts";

const PAGE_SIZE = 100;
const MAX_PAGES = 10;

/**
 * Fetches a whole list, at most a thousand entries.
 *
 * @returns `undefined` where WorkOS does not know what is listed.
 */
export async function listPages(
  client: WorkosClient,
  path: string,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<readonly JsonObject[] | undefined> {
  const entries: JsonObject[] = [];
  let after: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const parameters = { ...query, limit: String(PAGE_SIZE), ...(after !== undefined && { after }) };
    const address = `${path}?${new URLSearchParams(parameters).toString()}`;
    // oxlint-disable-next-line no-await-in-loop -- each page names the next
    const { httpStatus, body } = await client.call("GET", address, { signal });
    if (httpStatus === 404) return undefined;
    const { data, list_metadata: metadata } = body;
    if (httpStatus >= 300 || !Array.isArray(data))
      throw trouble(httpStatus >= 300 ? "request_rejected" : "nonsense");
    entries.push(...data.filter(isObject));
    const next = isObject(metadata) ? metadata["after"] : undefined;
    if (!isText(next) || data.length === 0) break;
    after = next;
  }
  return entries;
}
