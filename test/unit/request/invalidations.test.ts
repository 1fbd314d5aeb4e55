import { describe, expect, it } from "@jest/globals";
import { createEventSink } from "../../../src/events.ts";
import type { Invalidation, InvalidationMessage } from "../../../src/fleet/coordinator.ts";
import {
  createInvalidations,
  type InvalidationSources,
  type Invalidations,
} from "../../../src/request/invalidations.ts";
import type { VerifiedSession } from "../../../src/request/cache.ts";

const AT = 1_800_000_000;

function sessionOf(more: Partial<VerifiedSession> = {}): VerifiedSession {
  return {
    via: "bearer",
    subject: "user_1",
    iat: AT - 10,
    exp: AT + 300,
    checkedEpoch: -1,
    isUnseen: false,
    roles: [],
    member: { id: "member_1", userId: "user_1", organizationId: "org_1", roles: [] },
    memberSession: {
      id: "session_1",
      memberId: "member_1",
      organizationId: "org_1",
      authenticationFactors: [],
      roles: [],
      customClaims: null,
    },
    ...more,
  };
}

const OWN: readonly Invalidation[] = [
  { sessionId: "session_1" },
  { memberId: "member_1" },
  { userId: "user_1" },
  { organizationId: "org_1" },
];
const OTHERS: readonly Invalidation[] = [
  { sessionId: "session_2" },
  { memberId: "member_2" },
  { userId: "user_2" },
  { organizationId: "org_2" },
];
/** Names of one kind in place of another's. */
const CROSSED: readonly Invalidation[] = [
  { sessionId: "member_1" },
  { memberId: "user_1" },
  { userId: "org_1" },
  { organizationId: "session_1" },
];

interface Setup {
  readonly invalidations: Invalidations;
  /** Delivers what another process published. */
  readonly hear: (message: InvalidationMessage) => void;
  /** Delivers that another process invalidated a target. */
  readonly ask: (target: Invalidation, at: number) => void;
}

function setUp(clock: () => number = () => AT, more: Partial<InvalidationSources> = {}): Setup {
  let hear: Setup["hear"] = () => undefined;
  const invalidations = createInvalidations({
    clock,
    events: createEventSink(),
    store: {},
    clockTolerance: 5,
    channel: {
      isShared: true,
      publish: () => Promise.resolve(),
      subscribe(listener) {
        hear = listener;
        return () => undefined;
      },
    },
    ...more,
  });
  invalidations.start();
  return {
    invalidations,
    hear: (message) => hear(message),
    ask: (target, at) => hear({ target, at, effect: "ask" }),
  };
}

describe("createInvalidations", () => {
  it("asks about nobody until told to", () => {
    const { invalidations } = setUp();
    expect(invalidations.mustAsk(sessionOf())).toBe(false);
    expect(invalidations.endingOf("session_1")).toBeUndefined();
  });

  it.each(OWN)("asks about the session of %j", (target) => {
    const { invalidations, ask } = setUp();
    ask(target, AT);
    expect(invalidations.mustAsk(sessionOf())).toBe(true);
  });

  it.each([...OTHERS, ...CROSSED])("leaves the session alone that has nothing to do with %j", (target) => {
    const { invalidations, ask } = setUp();
    ask(target, AT);
    expect(invalidations.mustAsk(sessionOf())).toBe(false);
  });

  it.each([
    ["issued before", { iat: AT - 1 }, true],
    ["issued in the same second, because `iat` has no fractions", { iat: AT }, true],
    ["issued after, by a clock that may be ahead", { iat: AT + 5 }, true],
    ["issued after, by any clock", { iat: AT + 6 }, false],
    ["confirmed by the store before", { iat: AT - 60, verifiedAt: AT - 0.001 }, true],
    ["confirmed by the store after", { iat: AT - 60, verifiedAt: AT + 0.001 }, false],
    ["issued after, by a call that began before", { iat: AT + 60, verifiedAt: AT - 0.001 }, true],
  ] satisfies [string, Partial<VerifiedSession>, boolean][])(
    "asks about a token %s: %j %s",
    (_, times, expected) => {
      const { invalidations, ask } = setUp();
      ask({ memberId: "member_1" }, AT);
      expect(invalidations.mustAsk(sessionOf(times))).toBe(expected);
    },
  );

  it("does not ask about a member without an organization or a person's id by the names it lacks", () => {
    const { invalidations, ask } = setUp();
    ask({ userId: "undefined" }, AT);
    ask({ organizationId: "undefined" }, AT);
    const { organizationId: _none, ...memberSession } = sessionOf().memberSession;
    const bare = sessionOf({ member: { id: "member_1", roles: [] }, memberSession });
    expect(invalidations.mustAsk(bare)).toBe(false);
  });

  it("keeps why a session is over", () => {
    const { invalidations, hear } = setUp();
    hear({ target: { sessionId: "session_1" }, at: AT, effect: "refuse" });
    void invalidations.end("session_2", "supersede");
    expect(invalidations.endingOf("session_1")).toBe("refuse");
    expect(invalidations.endingOf("session_2")).toBe("supersede");
    expect(invalidations.endingOf("session_3")).toBeUndefined();
  });

  it("does not go back: an older message that comes late takes nothing away", () => {
    const { invalidations, ask } = setUp();
    ask({ memberId: "member_1" }, AT);
    ask({ memberId: "member_1" }, AT - 60);
    expect(invalidations.mustAsk(sessionOf({ iat: AT - 1 }))).toBe(true);
  });

  it("moves its epoch whenever something is added", () => {
    const { invalidations, ask } = setUp();
    const epochs = [invalidations.epoch];
    ask({ memberId: "member_9" }, AT);
    epochs.push(invalidations.epoch);
    void invalidations.end("session_9", "refuse");
    epochs.push(invalidations.epoch);
    expect(new Set(epochs).size).toBe(3);
  });

  it("R-39: takes names of Object.prototype like any other", () => {
    const { invalidations, ask } = setUp();
    expect(invalidations.endingOf("__proto__")).toBeUndefined();
    expect(invalidations.endingOf("constructor")).toBeUndefined();
    ask({ organizationId: "__proto__" }, AT);
    expect(invalidations.mustAsk(sessionOf())).toBe(false);
    const { memberSession } = sessionOf();
    const named = sessionOf({ memberSession: { ...memberSession, organizationId: "__proto__" } });
    expect(invalidations.mustAsk(named)).toBe(true);
  });
});

describe("how long an invalidation lasts", () => {
  it("takes back none of 50,001: the oldest become everything issued before", () => {
    const { invalidations, ask } = setUp();
    ask({ memberId: "member_1" }, AT);
    for (let index = 0; index < 50_000; index++) ask({ userId: `other_${index}` }, AT);
    expect(invalidations.mustAsk(sessionOf())).toBe(true);
    expect(invalidations.mustAsk(sessionOf({ verifiedAt: AT + 1 }))).toBe(false);
  });

  it("has a session that ended here asked about when 50,000 others ended after it", () => {
    const { invalidations } = setUp();
    for (let index = 1; index <= 50_001; index++) void invalidations.end(`session_${index}`, "refuse");
    expect(invalidations.endingOf("session_1")).toBeUndefined();
    expect(invalidations.mustAsk(sessionOf())).toBe(true);
  });

  it("goes when no token from before it can be served any more, and no earlier", () => {
    const clock = { now: AT };
    const limits = { maxTokenLifetime: 300, staleIfUnavailable: 60 };
    const { invalidations, ask } = setUp(() => clock.now, limits);
    const known = sessionOf({ iat: AT + 5 });
    ask({ memberId: "member_1" }, AT);
    clock.now = AT + 370;
    ask({ memberId: "member_2" }, AT);
    expect(invalidations.mustAsk(known)).toBe(true);
    clock.now = AT + 371;
    ask({ memberId: "member_3" }, AT);
    expect(invalidations.mustAsk(known)).toBe(false);
  });

  it("is for ever where tokens may be good for ever", () => {
    const clock = { now: AT };
    const { invalidations, ask } = setUp(() => clock.now);
    ask({ memberId: "member_1" }, AT);
    clock.now = AT + 10 * 365 * 86_400;
    ask({ memberId: "member_2" }, AT);
    expect(invalidations.mustAsk(sessionOf())).toBe(true);
  });

  it("of an ended session makes room when it is over, and nothing else is asked about then", () => {
    const clock = { now: AT };
    const { invalidations } = setUp(() => clock.now);
    const times = { iat: AT - 290, exp: AT + 10 };
    for (let index = 1; index <= 50_000; index++) void invalidations.end(`s_${index}`, "refuse", times);
    clock.now = AT + 305;
    void invalidations.end("session_2", "refuse", times);
    expect(invalidations.mustAsk(sessionOf())).toBe(false);
  });

  it("refuses a session that ended here until no token of it can be good, and not for ever", () => {
    const clock = { now: AT };
    const { invalidations } = setUp(() => clock.now);
    void invalidations.end("session_1", "refuse", { iat: AT - 290, exp: AT + 10 });
    void invalidations.end("session_2", "refuse");
    clock.now = AT + 304;
    expect(invalidations.endingOf("session_1")).toBe("refuse");
    clock.now = AT + 305;
    expect(invalidations.endingOf("session_1")).toBeUndefined();
    expect(invalidations.endingOf("session_2")).toBe("refuse");
    clock.now = AT + 86_405;
    expect(invalidations.endingOf("session_2")).toBeUndefined();
  });
});

describe("an invalidation that lands while the store is asked", () => {
  it("counts as made when the answer came, because the answer's token may be issued after it", () => {
    const clock = { now: AT };
    const { invalidations } = setUp(() => clock.now);
    void invalidations.invalidate({ memberId: "member_1" });
    clock.now = AT + 30;
    const answer = sessionOf({ iat: AT + 29, verifiedAt: AT - 1 });
    expect(invalidations.mustAsk(sessionOf({ iat: AT + 29 }))).toBe(false);
    invalidations.overtake(answer);
    expect(invalidations.mustAsk(sessionOf({ iat: AT + 29 }))).toBe(true);
  });
});
