import { channel } from "node:diagnostics_channel";
import { type ErrorCode, type UpstreamAnswer, isOrgateError } from "./errors.ts";
import { isFiniteNumber, isObject, isString } from "./lib/values.ts";

/** What the service behind the store answered. */
export interface UpstreamReport extends UpstreamAnswer {
  /** What the service says of it to people, cut to 500 characters. No metric label. */
  readonly message?: string | undefined;
  /** The service's id of the request, which its support asks for. No metric label: it differs each time. */
  readonly requestId?: string | undefined;
}

/** What is known of the cause of trouble. */
export interface TroubleCause {
  readonly upstream?: UpstreamReport;
  /** What the application's own function threw, unchanged; else an error with name, code and message. No metric label. */
  readonly error?: unknown;
}

/** Every event of orgate. Beside `error`, fields are short labels and numbers; none holds a credential of orgate's. */
export type OrgateEvent =
  | { readonly type: "authenticated"; readonly via: "bearer" | "cookie"; readonly source: "local" | "store" }
  | {
      readonly type: "renewed";
      readonly reason: "expired" | "too_old" | "asked";
      readonly milliseconds: number;
    }
  | { readonly type: "coalesced"; readonly with: "in_flight" | "settled" | "other_process" }
  | ({ readonly type: "rejected"; readonly code: ErrorCode; readonly reason: string } & TroubleCause)
  | {
      readonly type: "denied";
      readonly code: ErrorCode;
      /**
       * What the code alone does not say. Absent where the code says everything, or the code with the members below; and where an
       * event `rejected` or `unavailable` of the same code came before for the request: that has the reason.
       */
      readonly reason?: string;
      /** What the permission that was required is about. */
      readonly resource?: string;
      /** What the permission that was required allows. */
      readonly action?: string;
      /** The role that was required; of several, any would do: `admin,owner`. */
      readonly role?: string;
      /** The authentication factor that was required. */
      readonly factor?: string;
    }
  | ({
      readonly type: "unavailable";
      readonly code: ErrorCode;
      readonly reason: string;
      /** Absent where waiting does not help. */
      readonly retryAfter?: number;
    } & TroubleCause)
  | {
      readonly type: "revoked";
      readonly by: "session" | "member" | "user" | "organization";
      readonly reason?: string;
    }
  | { readonly type: "reuse_detected"; readonly sessionId: string }
  | ({ readonly type: "misconfigured"; readonly reason: string } & TroubleCause)
  /** A spent credential was presented long after its renewal, whose reply was lost: its successor was sent again. */
  | { readonly type: "late_replay" }
  /** A user became a member at sign-in, by a rule of the organization. The ids are no metric labels. */
  | {
      readonly type: "member_provisioned";
      readonly by: "email_domain" | "sso_connection" | "oauth_tenant";
      readonly organizationId: string;
      readonly userId: string;
      readonly memberId: string;
    };

/** The names of the events. */
export type OrgateEventType = OrgateEvent["type"];

/** Emits events; costs a property read when nobody listens. */
export interface EventSink {
  /** Whether anybody listens for events of this type: ask before making one on a hot path. */
  wants(type: OrgateEventType): boolean;
  emit(event: OrgateEvent): void;
}

const CHANNELS = {
  authenticated: channel("orgate:authenticated"),
  renewed: channel("orgate:renewed"),
  coalesced: channel("orgate:coalesced"),
  rejected: channel("orgate:rejected"),
  denied: channel("orgate:denied"),
  unavailable: channel("orgate:unavailable"),
  revoked: channel("orgate:revoked"),
  reuse_detected: channel("orgate:reuse_detected"),
  misconfigured: channel("orgate:misconfigured"),
  late_replay: channel("orgate:late_replay"),
  member_provisioned: channel("orgate:member_provisioned"),
} as const;

/**
 * Makes a sink that sends events to the application's listener and to `node:diagnostics_channel` (`orgate:<type>`).
 *
 * @param listener - the `events` option. What it throws, or rejects with, changes no answer. It is reported as `misconfigured`
 * with reason `event_listener_failed`, to everybody but the listener.
 * @param warn - hears of every event too, for those that a developer must see.
 */
export function createEventSink(
  listener?: (event: OrgateEvent) => void,
  warn?: (event: OrgateEvent) => void,
): EventSink {
  const tellOthers = (event: OrgateEvent): void => {
    warn?.(event);
    if (CHANNELS[event.type].hasSubscribers) CHANNELS[event.type].publish(event);
  };
  const reportFailure = (error: unknown): void =>
    tellOthers({ type: "misconfigured", reason: "event_listener_failed", error });
  return {
    wants: (type) => listener !== undefined || CHANNELS[type].hasSubscribers,
    emit(event) {
      tellOthers(event);
      try {
        const told: unknown = listener?.(event);
        if (told !== undefined) Promise.resolve(told).catch(reportFailure);
      } catch (error) {
        reportFailure(error);
      }
    },
  };
}

/** Reads what a service answered from the error that a store made of it. */
export function upstreamOf(cause: unknown): { readonly upstream?: UpstreamReport } {
  if (!isOrgateError(cause)) return {};
  const { requestId } = cause;
  const answer: unknown = Reflect.get(cause, "upstream");
  const { status, code } = isObject(answer) ? answer : {};
  const upstream = {
    ...(isFiniteNumber(status) && { status }),
    ...(isErrorWord(code) && { code }),
    ...(isString(requestId) && { requestId }),
  };
  return Object.keys(upstream).length === 0 ? {} : { upstream };
}

function isErrorWord(value: unknown): value is string {
  return isString(value) && /^[a-z][a-z\d_]{0,95}$/.test(value);
}

/** What events say of the cause of trouble: the service's answer, and the original error. */
export function describeCause(cause: unknown): TroubleCause {
  if (cause === undefined) return {};
  if (!isOrgateError(cause)) return { error: cause };
  // What the application's own function threw is told as it was thrown.
  const isOwn = cause.reason === "dependency_failed" && cause.cause !== undefined;
  return { ...upstreamOf(cause), error: isOwn ? cause.cause : cause };
}
