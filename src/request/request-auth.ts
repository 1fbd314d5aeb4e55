import { ConfigurationError } from "../errors.ts";
import { type EventSink, describeCause } from "../events.ts";
import type { AuthState, RejectedState, UnavailableState, Verdict } from "../model.ts";
import type { Renewal, SealedSession, StoreContext, VerifiedClaims } from "../store.ts";
import { type VerifiedSession, credentialKey } from "./cache.ts";
import type { Candidates, Credential, Reading } from "./read-credential.ts";

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

/**
 * What one instance of orgate knows of one request. Other code cannot reach it, and only the methods change it.
 *
 * `authenticate.ts` and the sign-in handlers decide who is asking. Guards call `passGuard` and `noteVerdict`. What must go out
 * with the response is queued here, and `respond.ts` writes it.
 */
export type RequestAuth = Readonly<RequestAuthRecord>;

class RequestAuthRecord {
  /** The instance it belongs to. */
  owner: RequestOwner;
  names: AttachNames | undefined;
  /** What an instance that was mounted earlier knows of the same request. */
  previous: RequestAuth | undefined;
  /** The request's place among the arrivals and store calls of its instance. */
  arrivedAt: number;
  credential: Credential | undefined;
  /** Cookies of one name that differ, until it is known which of them counts. `credential` is then the first. */
  candidates: Candidates | undefined;
  /** Whether every cookie of the credential's name is known to be ours, once it was verified. */
  areAllOurs = true;
  /** The verified session; absent while nobody is signed in. */
  session: VerifiedSession | undefined = undefined;
  /** `store` when the store answered for this very request. */
  source: Verdict["source"] = "local";
  /** Whether the store was asked after this request arrived. */
  isConfirmed = false;
  /** What callers for the same request get: a promise while the authentication is under way. */
  settled: RequestAuth | Promise<RequestAuth> = this;
  /** Whether there is a response that a renewed credential can go out with. */
  hasResponse: boolean;
  /** Whether a sign-in, switch or sign-out decided this response: a renewal's cookie must not follow it. */
  isClosed = false;
  /** Whether a guard of this instance let the request pass. */
  passedGuard = false;
  /** Whether anything read what is known here: then the response varies. */
  isUsed = false;
  /** Whether the request carried a credential, good or bad: then the response is private. */
  isPrivate: boolean;
  /** `Set-Cookie` lines that go out with the response, by cookie. */
  cookies: ReadonlyMap<string, string> | undefined = undefined;
  /** Other headers that go out with the response. */
  headers: ReadonlyMap<string, string> | undefined = undefined;
  /** Queued cookies and headers that are dropped if the check says so when the head is written, by name. */
  provisional: ReadonlyMap<string, () => boolean> | undefined = undefined;
  #state: AuthState | undefined = undefined;
  #readVerdict: (() => Verdict) | undefined = undefined;

  constructor(owner: RequestOwner, request: object, reading: Reading, hasResponse: boolean) {
    this.owner = owner;
    this.names = owner.options.names;
    this.previous = latest.get(request);
    this.arrivedAt = owner.nextInSequence();
    this.credential = reading.status === "found" ? reading.credential : undefined;
    this.candidates = reading.status === "found" ? reading.candidates : undefined;
    this.hasResponse = hasResponse;
    this.isPrivate = reading.status !== "none";
  }

  /** Who is asking. Made from the session when it is first read. */
  get state(): AuthState {
    this.#state ??= stateOfSession(this.session);
    return this.#state;
  }

  /** The verdict of the permission guard that ran last. */
  get verdict(): Verdict | undefined {
    return this.#readVerdict?.();
  }

  /** Notes who is asking. */
  authenticated(session: VerifiedSession, source: Verdict["source"]): void {
    this.session = session;
    this.source = source;
    this.#state = undefined;
  }

  /** Notes that nobody is signed in, or that it cannot be known. */
  refused(state: Exclude<AuthState, { status: "authenticated" }>): void {
    this.session = undefined;
    this.#state = Object.freeze(state);
  }

  /** Notes which credential counts; `undefined` where two that differ came. */
  choose(credential: Credential | undefined, areAllOurs: boolean): void {
    this.credential = credential;
    this.candidates = undefined;
    this.areAllOurs = areAllOurs;
  }

  /** Notes that the store answered after the request arrived. */
  confirm(): void {
    this.isConfirmed = true;
  }

  /** Begins anew: what the store says from now on counts, and what was known stays until then. */
  restart(): void {
    this.arrivedAt = this.owner.nextInSequence();
    this.isConfirmed = false;
    this.settled = this;
    this.dropQueued();
  }

  /** Notes the authentication under way. */
  settleWith(settled: Promise<RequestAuth>): Promise<RequestAuth> {
    this.settled = settled;
    return settled;
  }

  gainResponse(): void {
    this.hasResponse = true;
  }

  /** Keeps every later renewal from setting a cookie on this response. */
  close(): void {
    this.isClosed = true;
  }

  passGuard(): void {
    this.passedGuard = true;
  }

  /** Notes a permission guard's verdict, which is made when it is read. */
  noteVerdict(read: (() => Verdict) | undefined): void {
    this.#readVerdict = read;
  }

  markUsed(): void {
    this.isUsed = true;
  }

  markPrivate(): void {
    this.isPrivate = true;
  }

  /** Queues a `Set-Cookie` line; a later one for the same cookie replaces it. */
  queueCookie(name: string, line: string, isOvertaken?: () => boolean): void {
    this.cookies = new Map(this.cookies).set(name, line);
    this.#setProvisional(name, isOvertaken);
  }

  /** Takes back the line for a cookie. */
  dropCookie(name: string): void {
    if (this.cookies?.has(name) !== true) return;
    this.cookies = new Map([...this.cookies].filter(([queued]) => queued !== name));
  }

  queueHeader(name: string, value: string, isOvertaken?: () => boolean): void {
    this.headers = new Map(this.headers).set(name, value);
    this.#setProvisional(name, isOvertaken);
  }

  #setProvisional(name: string, isOvertaken: (() => boolean) | undefined): void {
    if (isOvertaken === undefined && this.provisional === undefined) return;
    const provisional = new Map(this.provisional);
    if (isOvertaken === undefined) provisional.delete(name);
    else provisional.set(name, isOvertaken);
    this.provisional = provisional;
  }

  /** Takes back what another answer to the same browser has overtaken. */
  dropOvertaken(): void {
    if (this.provisional === undefined) return;
    const { provisional } = this;
    const known = new Map<() => boolean, boolean>();
    const isKept = (name: string): boolean => {
      const check = provisional.get(name);
      if (check === undefined) return true;
      const isOvertaken = known.get(check) ?? check();
      known.set(check, isOvertaken);
      return !isOvertaken;
    };
    const keep = (
      queued: ReadonlyMap<string, string> | undefined,
    ): ReadonlyMap<string, string> | undefined => {
      const kept = new Map([...(queued ?? [])].filter(([name]) => isKept(name)));
      return kept.size === 0 ? undefined : kept;
    };
    this.cookies = keep(this.cookies);
    this.headers = keep(this.headers);
  }

  /** Takes back everything that was queued. */
  dropQueued(): void {
    this.cookies = undefined;
    this.headers = undefined;
    this.provisional = undefined;
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

/** What the instance that was mounted last knows of each request. Other code can neither read nor copy it. */
const latest = new WeakMap<object, RequestAuth>();

/** Attaches what is known to a request and, unless there are no names, the getters `req.member`, `req.organization`, ... */
export function attach(
  request: object,
  owner: RequestOwner,
  reading: Reading,
  hasResponse: boolean,
): RequestAuth {
  const auth: RequestAuth = new RequestAuthRecord(owner, request, reading, hasResponse);
  latest.set(request, auth);
  if (auth.names !== undefined) installRequestGetters(request, auth.names);
  return auth;
}

/** What the instance that was mounted last knows of a request. */
export function latestRequestAuthOf(request: object): RequestAuth | undefined {
  return latest.get(request);
}

/** What an instance knows of a request. */
export function requestAuthOf(request: object, owner: object): RequestAuth | undefined {
  let auth = latest.get(request);
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
      for (let auth = latest.get(this); auth !== undefined; auth = auth.previous) {
        const { names } = auth;
        const property = names && PROPERTIES.find((candidate) => names[candidate] === name);
        if (property === undefined) continue;
        auth.markUsed();
        return property === "verdict" ? auth.verdict : auth.session?.[property];
      }
      return undefined;
    },
    // Assigning shadows it for this request; guards never read it.
    set(this: object, value: unknown) {
      Object.defineProperty(this, name, { value, configurable: true, enumerable: true, writable: true });
    },
  });
}

/** Seconds after which to try again, where nothing else is known. */
export const DEFAULT_RETRY_AFTER = 5;
/** How fresh an answer one request, or one of its guards, requires. */
export interface FreshnessRequirement {
  /** The request's place among the arrivals and store calls of the instance. */
  readonly arrivedAt: number;
  /** The strictest age that applies, in seconds; `0` asks the store. */
  readonly maxAge: number | undefined;
  /** Whether a token that is too old may be served while the store is down. */
  readonly mayServeStale: () => boolean;
  /** `false` without a response: there is nowhere to put a rotated refresh token, so none is spent. */
  readonly spendsRefreshToken: boolean;
  /** Who the client is; called only when the store is asked. */
  readonly client: () => Omit<StoreContext, "signal">;
}

/** What a client uses from now on in place of the credential it sent. */
export interface Successor {
  /** The kind of credential that it is. */
  readonly kind: Credential["kind"];
  readonly accessToken: string;
  readonly sealed?: SealedSession;
  /** The sealed session as the value of a cookie. */
  readonly cookieValue?: string;
  /** The opaque token in the cookie beside an unsealed JWT. */
  readonly opaqueToken?: string;
  /** Absent while the access token is not verified. */
  readonly claims?: VerifiedClaims;
}

/** The cache key under which a successor is found when a client sends it. */
export function keyOfSuccessor({ kind, cookieValue, accessToken }: Successor): string {
  return credentialKey(kind, cookieValue ?? accessToken);
}

/** The kind of credential that a client sends once this one was renewed: an opaque token is replaced by a JWT beside it. */
export function kindAfterRenewal(kind: Credential["kind"]): Credential["kind"] {
  return kind === "opaque" ? "jwt_cookie" : kind;
}

/** What a renewal came to. All requests with the credential share it, and late requests get it for the grace window. */
export type RenewalResult =
  | {
      readonly status: "active";
      readonly session: VerifiedSession;
      readonly successor: Successor;
      /** Whether the store replaced the credential; else it confirmed the one it was asked about. */
      readonly isNew: boolean;
    }
  | Exclude<Renewal, { status: "active" }>
  | (Unavailable & {
      /** A pair that was rotated already: the client must get it. */
      readonly successor?: Successor;
    });

/** A renewal's result, and the place of the call among the requests and store calls of the instance. */
export type SharedRenewal = RenewalResult & {
  /** 0: another process called, earlier than any request here. */
  readonly calledAt: number;
  /** When the store was asked, in seconds since the epoch; absent if nobody asked it here. */
  readonly askedAt?: number;
  /** `recalled`: another process renewed. `put_off`: it was not due, and answers no request. */
  readonly manner?: "recalled" | "put_off";
};

/** Why an answer cannot be known right now. */
export interface Unavailable {
  readonly status: "unavailable";
  /** A short label, safe in events. */
  readonly reason: string;
  /** Seconds after which to try again; `undefined` where waiting does not help. */
  readonly retryAfter: number | undefined;
  /** The error behind it. */
  readonly cause?: unknown;
  /** Set where the store refuses this credential; `lasting`: for ten minutes now. */
  readonly refusal?: "recent" | "lasting";
}

/** What a credential came to for one request. */
export type Resolution =
  | {
      readonly status: "authenticated";
      readonly session: VerifiedSession;
      /** `store` when the store answered for this very request. */
      readonly source: "local" | "store";
      readonly successor?: Successor;
    }
  | {
      readonly status: "refused";
      readonly state: RejectedState | UnavailableState;
      /** Whether the cookie can never become good again. */
      readonly clearsCookie: boolean;
      readonly successor?: Successor;
    };

/** Refuses a credential, and reports it. */
export function refuse(
  events: EventSink,
  state: RejectedState,
  {
    reason,
    clearsCookie = false,
    cause,
  }: { readonly reason: string; readonly clearsCookie?: boolean; readonly cause?: unknown },
): Extract<Resolution, { status: "refused" }> {
  events.emit({ type: "rejected", code: state.code, reason, ...describeCause(cause) });
  return { status: "refused", state, clearsCookie };
}

/** What is reported of an answer that cannot be known. */
export type TroubleReport = Omit<Unavailable, "status"> & { readonly code?: UnavailableState["code"] };

/** Reports that an answer cannot be known. */
export function reportUnavailable(
  events: EventSink,
  { reason, retryAfter, code = "store_unavailable", cause }: TroubleReport,
): void {
  const wait = retryAfter === undefined ? {} : { retryAfter };
  events.emit({ type: "unavailable", code, reason, ...wait, ...describeCause(cause) });
}

/** Reports what only a developer can repair. */
export function reportMisconfigured(
  events: EventSink,
  { reason, cause }: { readonly reason: string; readonly cause?: unknown },
): void {
  events.emit({ type: "misconfigured", reason, ...describeCause(cause) });
}
