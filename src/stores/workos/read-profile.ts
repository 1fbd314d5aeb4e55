import type { JsonObject } from "../json-reply.ts";
import type { Profile, StaleCredential, StoreContext } from "../session-store.ts";
import { interpretClaims } from "./interpret-claims.ts";
import { isText } from "../shape.ts";
import { trouble } from "./trouble.ts";
import type { WorkosClient } from "./workos-client.ts";

/**
 * Fetches the user and the organization as they are now; the roles are the session's.
 *
 * @returns `undefined` for a credential whose claims are not known, and for a user who is gone.
 */
export async function readProfile(
  client: WorkosClient,
  { claims, sealed }: StaleCredential,
  { signal }: StoreContext,
): Promise<Profile | undefined> {
  const known = claims === undefined ? undefined : interpretClaims(claims, sealed);
  if (known === undefined) return undefined;
  const { member, organization } = known;
  const [user, place] = await Promise.all([
    fetchOne(client, `/user_management/users/${encodeURIComponent(member.id)}`, signal),
    organization === undefined
      ? undefined
      : fetchOne(client, `/organizations/${encodeURIComponent(organization.id)}`, signal),
  ]);
  if (user === undefined) return undefined;
  if (user["id"] !== member.id) throw trouble("identity");
  const { email, name, first_name: first, last_name: last } = user;
  const fullName = isText(name) ? name : [first, last].filter(isText).join(" ");
  return {
    member: {
      ...member,
      ...(isText(email) && { emailAddress: email }),
      ...(fullName !== "" && { name: fullName }),
    },
    ...(organization !== undefined && {
      organization: { ...organization, ...(isText(place?.["name"]) && { name: place["name"] }) },
    }),
  };
}

async function fetchOne(
  client: WorkosClient,
  path: string,
  signal: AbortSignal,
): Promise<JsonObject | undefined> {
  const { httpStatus, body } = await client.call("GET", path, { signal });
  if (httpStatus === 404) return undefined;
  if (httpStatus >= 300) throw trouble("request_rejected");
  return body;
}
