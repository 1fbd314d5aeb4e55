import { createEventSink, tellListener } from "../events.ts";
import type { EventSink, OrgateEvent } from "../events.ts";

type Listener = (event: OrgateEvent) => void;

/** What an authority notices: told to its own listener; where it has none, to those of the middleware it is the store of. */
export interface AuthorityEvents extends EventSink {
  /** For what the middleware asked for: it tells its listener of that itself. */
  readonly own: EventSink;
  /** Returns the way to stop. */
  listen(listener: Listener): () => void;
}

/** Makes them. An application that listens to the authority and to the middleware hears of nothing twice. */
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
