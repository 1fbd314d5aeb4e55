import { clientFields, type Origin } from "./origin.ts";
import { refuse, toOutcome, type GrantSort, type WorkosOutcome } from "./outcome.ts";
import type { WorkosContext } from "./workos-context.ts";

/** A grant's name on the wire, and its fields: those that must be there and those that may. */
export interface GrantCall {
  readonly type: string;
  readonly sort: Exclude<GrantSort, "refresh" | "switch">;
  readonly required: Readonly<Record<string, unknown>>;
  readonly optional?: Readonly<Record<string, unknown>>;
  readonly origin: Origin;
  readonly linger?: number;
}

const LONGEST_FIELD = 4096;

/** Presents a grant. Input that is no text is refused without asking. */
export async function presentGrant(
  { client, lists }: WorkosContext,
  { type, sort, required, optional = {}, origin, linger = 0 }: GrantCall,
): Promise<WorkosOutcome> {
  const given = Object.entries(optional).filter(([, value]) => value !== undefined);
  const fields = Object.fromEntries([...Object.entries(required), ...given]);
  // Forms send what they like: nothing but text is passed on, and nothing is coerced.
  if (!isFields(fields)) {
    return refuse(
      sort === "credential" ? "sign_in_failed" : "invalid_pending_authentication",
      "invalid_request",
    );
  }
  const { signal } = origin;
  const grant = { grant_type: type, ...fields, ...clientFields(origin) };
  const reply = await client.authenticate(grant, { ...(signal !== undefined && { signal }), linger });
  const outcome = toOutcome(reply, sort);
  lists.remember(outcome);
  return outcome;
}

function isFields(fields: Record<string, unknown>): fields is Record<string, string> {
  return Object.values(fields).every(isField);
}

/** Whether a value can be a field of a grant. */
export function isField(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= LONGEST_FIELD;
}
