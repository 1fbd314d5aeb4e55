import { once } from "node:events";
import type { Authority } from "../../src/authority/index.ts";
import { StoreUnavailableError } from "../../src/errors.ts";
import type { Renewal, RenewContext, SessionStore, StaleCredential } from "../../src/store.ts";

/** What a store does for a renewal; `ask` passes it on to the real authority. */
export type Behaviour = (
  stale: StaleCredential,
  context: RenewContext,
  ask: SessionStore["renew"],
) => Promise<Renewal>;

/** The arguments of one renewal. */
export interface Question {
  readonly stale: StaleCredential;
  readonly context: RenewContext;
}

/** A real authority as a session store, which records its calls and can be told to misbehave. */
export interface ControlledStore extends SessionStore {
  /** Every renewal, in order. */
  readonly questions: Question[];
  /** How many calls of other methods reached the store. */
  otherCalls: number;
  /** What the next renewals do. @defaultValue the authority's own answer */
  behaviour: Behaviour;
  /** Whether fetching the keys fails. */
  keysAreDown: boolean;
  /**
   * Makes the next calls wait until they are released, on the way to the authority or on the way back. They are carried
   * out whether or not anybody still waits.
   */
  hold(where?: "question" | "answer"): HeldCall;
}

/** A call that waits. */
export interface HeldCall {
  /** Resolves once the store was asked. */
  readonly asked: Promise<unknown>;
  release(): void;
}

/** Answers as the authority does. */
export const honest: Behaviour = (stale, context, ask) => ask(stale, context);

/** Wraps an authority. `overrides` take the place of its own members. */
export function controlStore(authority: Authority, overrides: Partial<SessionStore> = {}): ControlledStore {
  const real: SessionStore = { ...authority, ...overrides };
  const counted = <Parameters extends unknown[], Result>(
    method: ((...parameters: Parameters) => Result) | undefined,
  ): ((...parameters: Parameters) => Result) => {
    return (...parameters) => {
      store.otherCalls += 1;
      if (method === undefined) throw new TypeError("the store has no such method");
      return method(...parameters);
    };
  };
  const store: ControlledStore = {
    ...real,
    tokens: {
      ...real.tokens,
      keys: {
        ...real.tokens.keys,
        load: async (signal) => {
          if (store.keysAreDown) throw new Error("connection refused");
          return real.tokens.keys.load(signal);
        },
      },
    },
    questions: [],
    otherCalls: 0,
    behaviour: honest,
    keysAreDown: false,
    renew(stale, context) {
      store.questions.push({ stale, context });
      return store.behaviour(stale, context, real.renew.bind(real));
    },
    organizations: counted(real.organizations?.bind(real)),
    profile: counted(real.profile?.bind(real)),
    endSession: counted(real.endSession?.bind(real)),
    hold(where = "question") {
      const gate = new EventTarget();
      const asked = once(gate, "asked");
      const released = once(gate, "released");
      store.behaviour = async (stale, context, ask) => {
        const carryOut = (): Promise<Renewal> =>
          ask(stale, { ...context, signal: new AbortController().signal });
        const answer = where === "answer" ? await carryOut() : undefined;
        gate.dispatchEvent(new Event("asked"));
        await released;
        return answer ?? carryOut();
      };
      return { asked, release: () => void gate.dispatchEvent(new Event("released")) };
    },
  };
  return store;
}

/** Ways in which a store fails. None of them signs a user out. */
export const TROUBLE = {
  down: () => Promise.reject(new Error("connect ECONNREFUSED 127.0.0.1:9")),
  "throws at once": () => {
    throw new Error("not even a promise");
  },
  overloaded: () => Promise.reject(new StoreUnavailableError({ retryAfter: 7, reason: "rate_limited" })),
  "answers 500": () => Promise.reject(new StoreUnavailableError({ reason: "upstream_500" })),
  "throws undefined": () => {
    // oxlint-disable-next-line prefer-promise-reject-errors, typescript/prefer-promise-reject-errors
    return Promise.reject(undefined);
  },
  "throws a trap": () => Promise.reject(trap()),
  "answers nothing": () => Promise.resolve(undefined as unknown as Renewal),
  "answers null": () => Promise.resolve(null as unknown as Renewal),
  "answers a string": () => Promise.resolve("active" as unknown as Renewal),
  "answers an unknown status": () => Promise.resolve({ status: "perhaps" } as unknown as Renewal),
  "answers a token that is none": () => active({ accessToken: "not-a-token" }),
  "answers without a token": () => active({} as { accessToken: string }),
  "answers a token of another type": () => active({ accessToken: 7 } as unknown as { accessToken: string }),
} as const satisfies Record<string, Behaviour>;

/** Makes a renewal that keeps the session active, with this credential. */
export async function active(
  credential: { readonly accessToken: string; readonly refreshToken?: string },
  verifiedAt = 0,
): Promise<Renewal> {
  return { status: "active", credential, verifiedAt };
}

/** Makes an error whose every property throws. */
function trap(): Error {
  return new Proxy(new Error("trap"), {
    get() {
      throw new TypeError("sprung");
    },
  });
}
