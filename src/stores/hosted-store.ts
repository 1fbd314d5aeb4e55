import { StoreUnavailableError } from "../errors.ts";
import { toSnakeCase } from "../lib/case.ts";
import type { JsonObject, UnavailableReply } from "../lib/json-client.ts";
import { parseStrictJson } from "../lib/strict-json.ts";
import { isObject, isString, isText, isTextList } from "../lib/values.ts";
import type { OrganizationChoice } from "../model.ts";
import type { Outcome, PendingAuthentication, Profile, SessionStore } from "../store.ts";

/** A session store that has these optional operations. */
export type StoreWith<
  Operation extends keyof SessionStore,
  FullProfile extends Profile = Profile,
> = SessionStore<FullProfile> & Required<Pick<SessionStore<FullProfile>, Operation>>;

/**
 * Turns a reply without an answer into the error that a store throws for it. It repeats nothing that was received but the
 * service's own error code and request id.
 */
export function serviceUnavailable(
  { reason, httpStatus, retryAfter, cause }: UnavailableReply,
  { code, requestId }: { readonly code?: string | undefined; readonly requestId?: string | undefined } = {},
): StoreUnavailableError {
  const status = httpStatus === undefined ? "" : `, status ${httpStatus}`;
  const message = `The service could not answer (${reason}${status}).`;
  // Services limit the rate of one user as well as that of a whole project.
  const concerns = httpStatus === 429 ? "unknown" : undefined;
  const upstream = httpStatus === undefined ? undefined : { status: httpStatus, code };
  return new StoreUnavailableError({ reason, message, retryAfter, requestId, cause, concerns, upstream });
}

/** Seconds that a selection goes on after the request was aborted: submitted again, it would find the pending token spent. */
export const SELECTION_ABORT_GRACE = 20;

/** An outcome whose step-up tells the application what the next step needs. */
export type OutcomeWithDetails<Details extends object> =
  | Exclude<Outcome, { status: "step_up_required" }>
  | (Extract<Outcome, { status: "step_up_required" }> & { readonly details: Details });

type Refusal = Extract<Outcome, { status: "refused" }>;

/** Makes a refusal of orgate's code and, for the log, the service's own. */
export function refusedOutcome(code: Refusal["code"], reason: string): Refusal {
  return { status: "refused", code, reason };
}

/** Makes a pending authentication whose token is not enumerable, so that no log and no `inspect` shows it. */
export function hidePendingToken(token: string, userId?: string): PendingAuthentication {
  const pending = { pendingAuthenticationToken: token, ...(userId !== undefined && { userId }) };
  return Object.defineProperty(pending, "pendingAuthenticationToken", { enumerable: false });
}

/** Makes a choice of an organization; one without a name is offered by its id. */
export function toChoice(id: string, name: unknown): OrganizationChoice {
  return { id, name: isText(name) ? name : id };
}

/** Picks the claims that neither the token format nor the service defines, in a frozen object; `null` if there are none. */
export function readCustomClaims(claims: JsonObject, known: ReadonlySet<string>): JsonObject | null {
  const custom = Object.entries(claims).filter(([name]) => !known.has(name));
  return custom.length === 0 ? null : Object.freeze(Object.fromEntries(custom));
}

/** Splits a list of names at its spaces and line breaks. */
export function nameSet(names: string): ReadonlySet<string> {
  return new Set(names.trim().split(/\s+/));
}

/** Reads one value; `undefined` for a value of another type. */
export type Reader<Value> = (value: unknown) => Value | undefined;

/** How a field is read: from its own name in snake_case, or from the name on the wire that is given. */
type Field = Reader<unknown> | readonly [wireName: string, read: Reader<unknown>];

/** The fields of an object, by their names in camelCase. */
export type FieldTable = Readonly<Record<string, Field>>;

/** The type that a table of fields reads. A field that is absent or of another type is left out. */
export type KnownFields<Table extends FieldTable> = {
  readonly [Name in keyof Table]?: ReadValue<Table[Name]>;
};

type ReadValue<Of extends Field> =
  Of extends Reader<infer Value> ? Value : Of extends readonly [string, Reader<infer Value>] ? Value : never;

/** Reads the fields of an object that came from a service. */
export function readKnownFields<const Table extends FieldTable>(
  source: JsonObject,
  table: Table,
): KnownFields<Table> {
  const fields: Record<string, unknown> = {};
  for (const { name, wireName, read } of listFields(table)) {
    const value = read(source[wireName]);
    if (value !== undefined) fields[name] = value;
  }
  // Each reader has checked its own value: the table is what the type is made of.
  return fields as KnownFields<Table>;
}

interface TableField {
  readonly name: string;
  readonly wireName: string;
  readonly read: Reader<unknown>;
}

/** Tables are constant, and tokens are read often: each is listed once. */
const listed = new WeakMap<FieldTable, readonly TableField[]>();

function listFields(table: FieldTable): readonly TableField[] {
  const known = listed.get(table);
  if (known !== undefined) return known;
  const fields = Object.entries(table).map(([name, field]) => {
    const [wireName, read] = typeof field === "function" ? [toSnakeCase(name), field] : field;
    return { name, wireName, read };
  });
  listed.set(table, fields);
  return fields;
}

/** Reads a string, possibly empty. */
export const asString: Reader<string> = (value) => (isString(value) ? value : undefined);

/** Reads a string that is not empty. */
export const asText: Reader<string> = (value) => (isText(value) ? value : undefined);

/** Reads a boolean. */
export const asBoolean: Reader<boolean> = (value) => (typeof value === "boolean" ? value : undefined);

/** Reads an object as it is. */
export const asObject: Reader<JsonObject> = (value) => (isObject(value) ? value : undefined);

/** Reads a list of texts that are not empty; `undefined` where one item is not. */
export const asTextList: Reader<readonly string[]> = (value) => (isTextList(value) ? value : undefined);

/** Reads a list; items of another type are left out. */
export function asListOf<Value>(read: Reader<Value>): Reader<readonly Value[]> {
  return (value) =>
    Array.isArray(value)
      ? value.map((item: unknown) => read(item)).filter((item) => item !== undefined)
      : undefined;
}

/** Reads an object with fields of its own. */
export function asObjectOf<const Table extends FieldTable>(table: Table): Reader<KnownFields<Table>> {
  return (value) => (isObject(value) ? readKnownFields(value, table) : undefined);
}

/**
 * Reads the claims of a token without verifying it: only to compare them, or for a token from an authentic seal. Never sign
 * anybody in by them.
 *
 * @returns an empty object for anything but a token.
 */
export function readUnverifiedClaims(token: string | undefined): JsonObject {
  const payload = Buffer.from(token?.split(".")[1] ?? "", "base64url").toString("utf8");
  const json = parseStrictJson(payload);
  return json.status === "parsed" && isObject(json.value) ? json.value : {};
}
