import type { OrgateEvent } from "orgate";

const REMEMBERED = 6;

/** What orgate did since the server started, from its events. */
export function createActivity() {
  let local = 0;
  let store = 0;
  let recent: readonly string[] = [];
  return {
    note(event: OrgateEvent): void {
      if (event.type === "authenticated" && event.source === "local") local += 1;
      if (event.type === "renewed") store += 1;
      const line = describe(event);
      if (line !== undefined) recent = [line, ...recent].slice(0, REMEMBERED);
    },
    read: () => ({ local, store, recent }),
  };
}

/** The activity of the demo. */
export type Activity = ReturnType<typeof createActivity>;

const REASONS = { expired: "token expired", too_old: "token too old", asked: "a route asked" };

function describe(event: OrgateEvent): string | undefined {
  switch (event.type) {
    case "renewed":
      return `renewed: ${REASONS[event.reason]}`;
    case "denied":
      return event.resource === undefined
        ? `denied: ${event.code}`
        : `denied: ${event.resource}:${event.action ?? ""}`;
    case "rejected":
      return `rejected: ${event.code}`;
    case "revoked":
      return `ended: ${event.by === "session" ? "this session" : "every session"}`;
    case "coalesced":
      return "shared a renewal that was under way";
    case "unavailable":
    case "misconfigured":
      return `${event.type}: ${event.reason}`;
    default:
      return undefined;
  }
}
