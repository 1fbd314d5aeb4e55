import { ConfigurationError } from "../errors.ts";
import type { AuthState, Verdict } from "../model.ts";
import type { VerifiedSession } from "./cache.ts";
import type { Credential, Reading } from "./read-credential.ts";

/** The names under which a request gets its properties. */
export interface AttachNames {
  readonly member: string;
  readonly organization: string;
  readonly memberSession: string;
  readonly verdict: string;
}

/** The part of an instance that a {@link RequestAuth} needs. */
export interface RequestOwner {
  readonly options: { readonly names: AttachNames | undefined };
  readonly nextInSequence: () => number;
}

/** How a request arrived. */
export interface RequestArrival {
  readonly reading: Reading;
  /** What an instance that was mounted earlier knows of the same request. */
  readonly previous: RequestAuth | undefined;
  /** Whether there is a response that a renewed credential can go out with. */
  readonly hasResponse: boolean;
}

/**
 * What one instance of orgate knows of one request. Other code cannot reach it.
 *
 * `authenticate.ts` and the sign-in handlers decide who is asking; guards call {@link passGuard} and {@link noteVerdict}; whatever
 * must go out with the answer is queued here, and `respond.ts` writes it.
 */
export class RequestAuth {
  /** The instance it belongs to. */
  readonly owner: object;
  readonly names: AttachNames | undefined;
  readonly previous: RequestAuth | undefined;
  /** The request's place among the arrivals and store calls of its instance. */
  readonly arrivedAt: number;
  readonly credential: Credential | undefined;

  #session: VerifiedSession | undefined;
  #state: AuthState | undefined;
  #source: Verdict["source"] = "local";
  #isConfirmed = false;
  #settling: Promise<RequestAuth> | undefined;
  #hasResponse: boolean;
  #isClosed = false;
  #passedGuard = false;
  #readVerdict: (() => Verdict) | undefined;
  #isUsed = false;
  #isPrivate: boolean;
  #cookies: Map<string, string> | undefined;
  #headers: Map<string, string> | undefined;

  constructor(owner: RequestOwner, { reading, previous, hasResponse }: RequestArrival) {
    this.owner = owner;
    this.names = owner.options.names;
    this.previous = previous;
    this.arrivedAt = owner.nextInSequence();
    this.credential = reading.status === "found" ? reading.credential : undefined;
    this.#hasResponse = hasResponse;
    this.#isPrivate = reading.status !== "none";
  }

  /** The verified session; absent while nobody is signed in. */
  get session(): VerifiedSession | undefined {
    return this.#session;
  }

  /** Who is asking. Made from the session when it is first read. */
  get state(): AuthState {
    this.#state ??= stateOfSession(this.#session);
    return this.#state;
  }

  /** `store` when the store answered for this very request. */
  get source(): Verdict["source"] {
    return this.#source;
  }

  /** Whether the store was asked after this request arrived. */
  get isConfirmed(): boolean {
    return this.#isConfirmed;
  }

  /** The authentication under way, if any: other callers for the same request wait for it. */
  get settling(): Promise<RequestAuth> | undefined {
    return this.#settling;
  }

  get hasResponse(): boolean {
    return this.#hasResponse;
  }

  /** Whether a sign-in, switch or sign-out decided this response: a renewal's cookie must not follow it. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Whether a guard of this instance let the request pass. */
  get passedGuard(): boolean {
    return this.#passedGuard;
  }

  /** The verdict of the permission guard that ran last. */
  get verdict(): Verdict | undefined {
    return this.#readVerdict?.();
  }

  /** Whether anything read what is known here: then the response varies. */
  get isUsed(): boolean {
    return this.#isUsed;
  }

  /** Whether the request carried a credential, good or bad: then the response is private. */
  get isPrivate(): boolean {
    return this.#isPrivate;
  }

  /** `Set-Cookie` lines that go out with the response, by cookie. */
  get cookies(): ReadonlyMap<string, string> | undefined {
    return this.#cookies;
  }

  /** Other headers that go out with the response. */
  get headers(): ReadonlyMap<string, string> | undefined {
    return this.#headers;
  }

  /** Notes who is asking. */
  authenticated(session: VerifiedSession, source: Verdict["source"]): void {
    this.#session = session;
    this.#state = undefined;
    this.#source = source;
  }

  /** Notes that nobody is signed in, or that it cannot be known. */
  refused(state: Exclude<AuthState, { status: "authenticated" }>): void {
    this.#session = undefined;
    this.#state = Object.freeze(state);
  }

  /** Notes that the store answered after the request arrived. */
  confirm(): void {
    this.#isConfirmed = true;
  }

  /** Notes the authentication under way. */
  settleWith(settling: Promise<RequestAuth>): Promise<RequestAuth> {
    this.#settling = settling;
    return settling;
  }

  /** Notes that there is a response now. */
  gainResponse(): void {
    this.#hasResponse = true;
  }

  /** Keeps every later renewal from setting a cookie on this response. */
  close(): void {
    this.#isClosed = true;
  }

  passGuard(): void {
    this.#passedGuard = true;
  }

  /** Notes a permission guard's verdict, which is made when it is first read. */
  noteVerdict(read: (() => Verdict) | undefined): void {
    this.#readVerdict = read;
  }

  markUsed(): void {
    this.#isUsed = true;
  }

  markPrivate(): void {
    this.#isPrivate = true;
  }

  /** Queues a `Set-Cookie` line; a later one for the same cookie replaces it. */
  queueCookie(name: string, line: string): void {
    this.#cookies ??= new Map();
    this.#cookies.set(name, line);
  }

  /** Takes back the line for a cookie. */
  dropCookie(name: string): void {
    this.#cookies?.delete(name);
  }

  queueHeader(name: string, value: string): void {
    this.#headers ??= new Map();
    this.#headers.set(name, value);
  }

  /** Takes back everything that was queued. */
  dropQueued(): void {
    this.#cookies = undefined;
    this.#headers = undefined;
  }
}

function stateOfSession(session: VerifiedSession | undefined): AuthState {
  if (session === undefined) throw new TypeError("the request is not authenticated yet");
  const { via, member, organization, memberSession } = session;
  return Object.freeze({
    status: "authenticated",
    via,
    member,
    memberSession,
    ...(organization !== undefined && { organization }),
  });
}

/** By request, what the instance that was mounted last knows of it. */
const latestByRequest = new WeakMap<object, RequestAuth>();

/** What the instance that was mounted last knows of a request. */
export function latestRequestAuthOf(request: object): RequestAuth | undefined {
  return latestByRequest.get(request);
}

/** What an instance knows of a request. */
export function requestAuthOf(request: object, owner: object): RequestAuth | undefined {
  return requestAuthAmong(latestByRequest.get(request), owner);
}

/** What one instance knows of a request, given what the latest instance knows. */
export function requestAuthAmong(latest: RequestAuth | undefined, owner: object): RequestAuth | undefined {
  let auth = latest;
  while (auth !== undefined && auth.owner !== owner) auth = auth.previous;
  return auth;
}

/**
 * What an instance knows of a request that a guard or method reads, which makes its response vary.
 *
 * @throws ConfigurationError where the middleware has not run.
 */
export function requireRequestAuth(owner: object, request: object, name: string): RequestAuth {
  const auth = requestAuthOf(request, owner);
  if (auth === undefined) throw notMounted(name);
  auth.markUsed();
  return auth;
}

/** The error of a guard or method that runs where orgate has not. */
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

/** Attaches what is known to a request and, unless there are no names, the getters `req.member`, `req.organization`, ... */
export function attach(request: object, auth: RequestAuth): void {
  latestByRequest.set(request, auth);
  if (auth.names !== undefined) installRequestGetters(request, auth.names);
}

type Property = keyof AttachNames;

const READERS: { readonly [P in Property]: (auth: RequestAuth) => unknown } = {
  member: ({ session }) => session?.member,
  organization: ({ session }) => session?.organization,
  memberSession: ({ session }) => session?.memberSession,
  verdict: ({ verdict }) => verdict,
};

const PROPERTIES = ["member", "organization", "memberSession", "verdict"] as const;

const namesByPrototype = new WeakMap<object, WeakSet<AttachNames>>();
const derivedPrototypes = new WeakMap<object, object>();
/** The getters installed last, which nearly always serve the next request too. */
let latestInstalled: { readonly prototype: object; readonly names: AttachNames } | undefined;

/**
 * Puts the getters on the request's prototype, so that a request costs nothing until one is read.
 *
 * An Express application has a request prototype of its own. Node's class prototypes belong to the whole process and stay as
 * they are: such a request gets a prototype in between.
 */
export function installRequestGetters(request: object, names: AttachNames): void {
  let prototype: object = Object.getPrototypeOf(request) as object;
  if (prototype === latestInstalled?.prototype && names === latestInstalled.names) return;
  if (Object.hasOwn(prototype, "constructor")) {
    prototype = derive(prototype);
    Object.setPrototypeOf(request, prototype);
  }
  latestInstalled = { prototype, names };
  const known = namesByPrototype.get(prototype);
  if (known?.has(names)) return;
  namesByPrototype.set(prototype, (known ?? new WeakSet()).add(names));
  for (const property of PROPERTIES) defineGetter(prototype, names[property]);
}

function derive(prototype: object): object {
  const known = derivedPrototypes.get(prototype);
  if (known !== undefined) return known;
  const between = Object.create(prototype) as object;
  derivedPrototypes.set(prototype, between);
  return between;
}

function defineGetter(prototype: object, name: string): void {
  Object.defineProperty(prototype, name, {
    configurable: true,
    enumerable: true,
    // Instances that share the prototype may use one name for different properties: the request's own entries decide.
    get(this: object) {
      for (let auth = latestByRequest.get(this); auth !== undefined; auth = auth.previous) {
        const { names } = auth;
        const property = names && PROPERTIES.find((candidate) => names[candidate] === name);
        if (property === undefined) continue;
        auth.markUsed();
        return READERS[property](auth);
      }
      return undefined;
    },
    // Assigning shadows it for this request; guards never read it.
    set(this: object, value: unknown) {
      Object.defineProperty(this, name, { value, configurable: true, enumerable: true, writable: true });
    },
  });
}
