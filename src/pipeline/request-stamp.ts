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
