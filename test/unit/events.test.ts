import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { createEventSink, type OrgateEvent } from "../../src/events.ts";

const EVENTS: readonly OrgateEvent[] = [
  { type: "authenticated", via: "bearer", source: "local" },
  { type: "renewed", reason: "expired", milliseconds: 12 },
  { type: "coalesced", with: "in_flight" },
  { type: "rejected", code: "invalid_token", reason: "signature" },
  { type: "denied", code: "permission_denied", resource: "documents", action: "read" },
  { type: "unavailable", code: "store_unavailable", reason: "timeout", retryAfter: 5 },
  { type: "revoked", by: "session" },
  { type: "reuse_detected", sessionId: "session_1" },
  { type: "misconfigured", reason: "sealed_token_issuer" },
];

const unhandled: unknown[] = [];
const collect = (reason: unknown): void => void unhandled.push(reason);

beforeEach(() => {
  unhandled.length = 0;
  process.on("unhandledRejection", collect);
});

afterEach(() => {
  process.off("unhandledRejection", collect);
});

describe("createEventSink", () => {
  it.each(EVENTS)("sends $type to the listener and to its channel", (event) => {
    const heard: OrgateEvent[] = [];
    const published: unknown[] = [];
    const listen = (message: unknown): void => void published.push(message);
    subscribe(`orgate:${event.type}`, listen);
    createEventSink((told) => heard.push(told)).emit(event);
    createEventSink().emit(event);
    unsubscribe(`orgate:${event.type}`, listen);
    createEventSink().emit(event);
    expect(heard).toEqual([event]);
    expect(published).toEqual([event, event]);
  });

  it("wants an event only while somebody listens, so that a hot path need not make it", () => {
    const listen = (): void => undefined;
    const quiet = createEventSink();
    expect(quiet.wants("authenticated")).toBe(false);
    expect(createEventSink(listen).wants("authenticated")).toBe(true);
    subscribe("orgate:authenticated", listen);
    expect([quiet.wants("authenticated"), quiet.wants("renewed")]).toEqual([true, false]);
    unsubscribe("orgate:authenticated", listen);
    expect(quiet.wants("authenticated")).toBe(false);
  });

  it("R-45: is not disturbed by a listener that throws, rejects, or returns a trap, and tells the developer", async () => {
    const failures: unknown[] = [];
    const warn = (event: OrgateEvent): void => {
      if (event.type === "misconfigured" && event.reason !== "test") failures.push(event.error);
    };
    const trap = {
      // oxlint-disable-next-line unicorn/no-thenable -- the trap itself
      get then() {
        throw new Error("sprung");
      },
    };
    const listeners: readonly ((event: OrgateEvent) => unknown)[] = [
      () => {
        throw new Error("down");
      },
      () => {
        // oxlint-disable-next-line typescript/only-throw-error
        throw undefined;
      },
      () => Promise.reject(new Error("down")),
      async () => {
        throw new Error("down");
      },
      () => trap,
    ];
    for (const listener of listeners) {
      const event = { type: "misconfigured", reason: "test" } as const;
      expect(() => createEventSink(listener, warn).emit(event)).not.toThrow();
    }
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(unhandled).toEqual([]);
    expect(failures.map(String).toSorted()).toEqual(
      ["Error: down", "Error: down", "Error: down", "Error: sprung", "undefined"].toSorted(),
    );
  });
});
