import type { IncomingMessage } from "node:http";
import { ConfigurationError } from "../errors.ts";
import type { AuthState, Verdict } from "../model.ts";
import type { VerifiedSession } from "./cache.ts";
import type { Instance } from "./instance.ts";
import type { Credential } from "./read-credential.ts";

/** Values kept with requests, where no other code can reach them. */
export interface RequestStamp<Value> {
  /** The value of this very request: what was made from it, or looks like it, has none. */
  get(request: object): Value | undefined;
  set(request: object, value: Value): void;
}

/** Gives back the object it is handed, so that the private fields of a derived class are added to that one. */
const Carrier = function (carrier: object) {
  return carrier;
} as unknown as new (carrier: object) => object;

/**
 * Makes a stamp: private fields on an object of each request, which no other code can read, forge or copy.
 *
 * A `WeakMap` keeps a secret as well, but every request that is a key of it costs the garbage collector more than all the
 * rest of the way takes.
 */
export function createRequestStamp<Value>(): RequestStamp<Value> {
  /** Requests whose carrier another request has. */
  const others = new WeakMap<object, Value>();

  class Stamp extends Carrier {
    readonly #request: object;
    #value: Value | undefined;

    constructor(carrier: object, request: object) {
      super(carrier);
      this.#request = request;
    }

    static get(carrier: object, request: object): Value | undefined {
      if (!(#request in carrier)) return undefined;
      return carrier.#request === request ? carrier.#value : others.get(request);
    }

    static set(carrier: object, request: object, value: Value): void {
      const stamp = #request in carrier ? carrier : new Stamp(carrier, request);
      if (stamp.#request === request) stamp.#value = value;
      else others.set(request, value);
    }
  }

  return {
    get: (request) => Stamp.get(carrierOf(request), request),
    set: (request, value) => Stamp.set(carrierOf(request), request, value),
  };
}

/**
 * The state of a request's stream, which nobody replaces; the request itself where it is no stream. Express gives every
 * request a hidden class of its own, which makes the request dear to write to.
 */
function carrierOf(request: object): object {
  const { _readableState: state } = request as { readonly _readableState?: unknown };
  return typeof state === "object" && state !== null ? state : request;
}

/** Properties that are attached, and the names they go by. */
export interface AttachNames {
  readonly member: string;
  readonly organization: string;
  readonly memberSession: string;
  readonly verdict: string;
}

/** What one instance of orgate knows of one request. Kept where other code cannot reach it. */
export interface RequestAuth {
  /** The instance it belongs to. */
  readonly owner: object;
  readonly names: AttachNames | undefined;
  /** What an instance mounted earlier knows of the same request. */
  readonly previous: RequestAuth | undefined;
  /** The request's place among the arrivals and calls of its instance. */
  readonly arrivedAt: number;
  readonly credential: Credential | undefined;
  /** Whether there was a response to put a renewed credential on. */
  hasResponse: boolean;
  /** Whether any credential came, good or bad: then the answer is private. */
  hasCredential: boolean;
  /** While the answer is still being found out: whoever asks about the same request meanwhile waits for it. */
  settling?: Promise<RequestAuth> | undefined;
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

const records = createRequestStamp<RequestAuth>();

/** The record an instance keeps of a request. */
export function requestAuthOf(request: object, owner: object): RequestAuth | undefined {
  return requestAuthAmong(records.get(request), owner);
}

/** The record of one instance among those of a request, the latest of which is given. */
export function requestAuthAmong(latest: RequestAuth | undefined, owner: object): RequestAuth | undefined {
  let record = latest;
  while (record !== undefined && record.owner !== owner) record = record.previous;
  return record;
}

/** The record of the instance mounted last. */
export function latestRequestAuthOf(request: object): RequestAuth | undefined {
  return records.get(request);
}

/** Attaches a record and, unless it has no names, the getters `req.member`, `req.organization`, ... */
export function attach(request: object, record: RequestAuth): void {
  records.set(request, record);
  if (record.names !== undefined) installRequestGetters(request, record.names);
}

/** The signed-in state of a record, made once. */
export function stateOf(record: RequestAuth): AuthState {
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

const READERS: { readonly [P in Property]: (record: RequestAuth) => unknown } = {
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
export function installRequestGetters(request: object, names: AttachNames): void {
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

/** The error of a guard or method that runs where orgate has not: never an open door. */
export function notMounted(name: string): ConfigurationError {
  return new ConfigurationError([
    {
      code: "not_mounted",
      option: name,
      message: "ran before orgate saw the request.",
      suggestion: "Put app.use(auth) above the routes it guards.",
    },
  ]);
}

/**
 * The record of a request that somebody looks at, which makes its answer vary.
 *
 * @throws ConfigurationError where the middleware has not run.
 */
export function requireRequestAuth(instance: Instance, request: IncomingMessage, name: string): RequestAuth {
  const record = requestAuthOf(request, instance);
  if (record === undefined) throw notMounted(name);
  record.used = true;
  return record;
}
