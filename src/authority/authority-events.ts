import { type EventSink, type OrgateEvent, createEventSink, tellListener } from "../events.ts";

type Listener = (event: OrgateEvent) => void;

/** The authority's events: they go to its own listener or, without one, to the middleware that it is the store of. */
export interface AuthorityEvents extends EventSink {
  /** For what the middleware asked for: the middleware tells its own listener about that. */
  readonly own: EventSink;
  /** Adds a middleware's listener; returns the way to stop. */
  listen(listener: Listener): () => void;
}

/** Makes the authority's events. An application that listens to both the authority and the middleware gets each event once. */
export function createAuthorityEvents(listener: Listener | undefined): AuthorityEvents {
  const own = createEventSink(listener);
  if (listener !== undefined) return { ...own, own, listen: () => () => undefined };
  const listeners = new Set<Listener>();
  const relay = createEventSink((event) => {
    for (const one of listeners) tellListener(one, event);
  });
  return {
    ...relay,
    own,
    listen(one) {
      listeners.add(one);
      return () => listeners.delete(one);
    },
  };
}
