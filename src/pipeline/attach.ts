import type { AuthState } from "../auth-state.ts";
import type { Verdict } from "../model.ts";
import type { Credential } from "./read-credential.ts";
import { createRequestStamp } from "./request-stamp.ts";
import type { VerifiedSession } from "./verified-cache.ts";

/** Properties that are attached, and the names they go by. */
export interface AttachNames {
  readonly member: string;
  readonly organization: string;
  readonly memberSession: string;
  readonly verdict: string;
}

/** What one instance of orgate knows of one request. Kept where other code cannot reach it. */
export interface RequestRecord {
  /** The instance it belongs to. */
  readonly owner: object;
  readonly names: AttachNames | undefined;
  /** What an instance mounted earlier knows of the same request. */
  readonly previous: RequestRecord | undefined;
  /** The request's place among the arrivals and calls of its instance. */
  readonly arrivedAt: number;
  readonly credential: Credential | undefined;
  /** Whether there was a response to put a renewed credential on. */
  hasResponse: boolean;
  /** Whether any credential came, good or bad: then the answer is private. */
  hasCredential: boolean;
  /** While the answer is still being found out: whoever asks about the same request meanwhile waits for it. */
  settling?: Promise<RequestRecord> | undefined;
  /** Absent while a verified session says it all: the state is then made when somebody asks. */
  state: AuthState | undefined;
  session: VerifiedSession | undefined;
  /** `store` when the store answered for this very request. */
  source: Verdict["source"];
  /** Whether the store was asked after this request arrived. */
  confirmed: boolean;
  /** Of the permission guard that ran last; made when somebody reads it. */
  verdict: (() => Verdict) | undefined;
  /** Whether a guard of this instance let the request pass. */
  passedGuard: boolean;
  /** Whether anybody looked: then the answer varies. */
  used: boolean;
  /** `Set-Cookie` lines by cookie, and other headers, that go out with the response. */
  cookies: Map<string, string> | undefined;
  headers: Map<string, string> | undefined;
  /** A sign-in, switch or sign-out on this response: a renewal's cookie must not follow it. */
  closed: boolean;
}

const records = createRequestStamp<RequestRecord>();

/** The record an instance keeps of a request. */
export function recordOf(request: object, owner: object): RequestRecord | undefined {
  return recordAmong(records.get(request), owner);
}

/** The record of one instance among those of a request, the latest of which is given. */
export function recordAmong(latest: RequestRecord | undefined, owner: object): RequestRecord | undefined {
  let record = latest;
  while (record !== undefined && record.owner !== owner) record = record.previous;
  return record;
}

/** The record of the instance mounted last. */
export function latestRecordOf(request: object): RequestRecord | undefined {
  return records.get(request);
}

/** Attaches a record and, unless it has no names, the getters `req.member`, `req.organization`, ... */
export function attach(request: object, record: RequestRecord): void {
  records.set(request, record);
  if (record.names !== undefined) equip(request, record.names);
}

/** The signed-in state of a record, made once. */
export function stateOf(record: RequestRecord): AuthState {
  if (record.state !== undefined) return record.state;
  const { session } = record;
  if (session === undefined) throw new TypeError("a record has a state or a session");
  const { via, member, organization, memberSession } = session;
  record.state = Object.freeze({
    status: "authenticated",
    via,
    member,
    memberSession,
    ...(organization !== undefined && { organization }),
  });
  return record.state;
}

type Property = keyof AttachNames;

const READERS: { readonly [P in Property]: (record: RequestRecord) => unknown } = {
  member: (record) => record.session?.member,
  organization: (record) => record.session?.organization,
  memberSession: (record) => record.session?.memberSession,
  verdict: (record) => record.verdict?.(),
};

const PROPERTIES = Object.keys(READERS) as Property[];

const equipped = new WeakMap<object, WeakSet<AttachNames>>();
const derived = new WeakMap<object, object>();
/** What was equipped last, which is nearly always what comes next. */
let latest: { readonly prototype: object; readonly names: AttachNames } | undefined;

/**
 * Getters stand on the request's prototype, so that a request costs nothing until somebody reads them.
 *
 * An Express application has a request prototype of its own. Node's class prototypes belong to the whole process and are left
 * alone: such a request gets a prototype in between.
 */
export function equip(request: object, names: AttachNames): void {
  let prototype: object = Object.getPrototypeOf(request) as object;
  if (prototype === latest?.prototype && names === latest.names) return;
  if (Object.hasOwn(prototype, "constructor")) {
    prototype = derive(prototype);
    Object.setPrototypeOf(request, prototype);
  }
  latest = { prototype, names };
  const known = equipped.get(prototype);
  if (known?.has(names)) return;
  equipped.set(prototype, (known ?? new WeakSet()).add(names));
  for (const property of PROPERTIES) defineGetter(prototype, names[property]);
}

function derive(prototype: object): object {
  const known = derived.get(prototype);
  if (known !== undefined) return known;
  const between = Object.create(prototype) as object;
  derived.set(prototype, between);
  return between;
}

function defineGetter(prototype: object, name: string): void {
  Object.defineProperty(prototype, name, {
    configurable: true,
    enumerable: true,
    // Instances that share the prototype may mean different things by one name: each request's own record decides.
    get(this: object) {
      for (let record = records.get(this); record !== undefined; record = record.previous) {
        const { names } = record;
        const property = names && PROPERTIES.find((candidate) => names[candidate] === name);
        if (property === undefined) continue;
        record.used = true;
        return READERS[property](record);
      }
      return undefined;
    },
    // Assigning shadows it for this request; guards never read it.
    set(this: object, value: unknown) {
      Object.defineProperty(this, name, { value, configurable: true, enumerable: true, writable: true });
    },
  });
}
