import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { callStore, callStoreWithin } from "../../../src/request/call-store.ts";
import { OrgateError, StoreUnavailableError } from "../../../src/errors.ts";
import { makeBench } from "../../support/engine-bench.ts";
import { makeRequest } from "../../support/exchange.ts";
import { type ControlledTimers, controlTimers, settle } from "../../support/timers.ts";

const trap = new Proxy(new Error("trap"), {
  get() {
    throw new TypeError("sprung");
  },
});

describe("callStore", () => {
  it("answers with what the store says, told who the client is and when to stop", async () => {
    const { engine } = makeBench({ ipAddress: () => "192.0.2.7" });
    const request = makeRequest({ headers: { "User-Agent": "Test/1" } });
    const reply = await callStore(engine, request, async (context) => context);
    expect(reply).toMatchObject({
      status: "answered",
      value: { ipAddress: "192.0.2.7", userAgent: "Test/1" },
    });
    expect(reply.status === "answered" && reply.value.signal).toBeInstanceOf(AbortSignal);
  });

  it("tells a refusal from trouble", async () => {
    const { engine, events } = makeBench();
    const refusal = new OrgateError("organization_not_available", { reason: "left" });
    expect(await callStore(engine, makeRequest(), () => Promise.reject(refusal))).toEqual({
      status: "refused",
      code: "organization_not_available",
      reason: "left",
    });
    expect(events).toEqual([]);
  });

  it.each([
    ["an error", new Error("down"), 5],
    ["undefined", undefined, 5],
    ["a string", "down", 5],
    ["a trap", trap, 5],
    ["trouble with a wait", new StoreUnavailableError({ retryAfter: 6.2 }), 7],
    ["trouble with no wait", new StoreUnavailableError({ retryAfter: 0 }), 1],
    ["an error of ours that is no refusal", new OrgateError("session_too_large"), 5],
  ])("R-45: cannot know where the store throws %s, now or later", async (_, thrown, retryAfter) => {
    for (const how of ["sync", "async"] as const) {
      const { engine, events } = makeBench();
      const reply = await callStore(engine, makeRequest(), () => {
        // oxlint-disable-next-line typescript/only-throw-error
        if (how === "sync") throw thrown;
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors
        return Promise.reject(thrown);
      });
      expect(reply).toMatchObject({ status: "unavailable", reason: "store_failed", retryAfter });
      expect(reply.status === "unavailable" && reply.cause === thrown).toBe(true);
      expect(events).toEqual([expect.objectContaining({ type: "unavailable", retryAfter })]);
    }
  });

  it("R-35: counts for the breaker, and stops at it", async () => {
    const { engine } = makeBench();
    let calls = 0;
    const fail = (): Promise<never> => {
      calls += 1;
      return Promise.reject(new StoreUnavailableError({ retryAfter: 9 }));
    };
    for (let time = 0; time < 9; time++) await callStore(engine, makeRequest(), fail, { member: `m${time}` });
    expect(calls).toBe(5);
    expect(await callStore(engine, makeRequest(), fail)).toMatchObject({
      reason: "breaker_open",
      retryAfter: 9,
    });
    const refused = makeBench();
    for (let time = 0; time < 5; time++) {
      await callStore(
        refused.engine,
        makeRequest(),
        () => Promise.reject(new OrgateError("sign_in_failed")),
        {
          member: `m${time}`,
        },
      );
    }
    expect((await refused.engine.breaker.admit("one more")).status).toBe("go");
    const busy = makeBench();
    for (let time = 0; time < 5; time++) {
      const contended = new StoreUnavailableError({ retryAfter: 2, contended: true });
      const reply = await callStore(busy.engine, makeRequest(), () => Promise.reject(contended), {
        member: `m${time}`,
      });
      expect(reply).toMatchObject({ status: "unavailable", retryAfter: 2 });
    }
    expect((await busy.engine.breaker.admit("one more")).status).toBe("go");
  });
});

describe("a call whose time is over", () => {
  let timers: ControlledTimers;
  beforeEach(() => {
    timers = controlTimers();
  });
  afterEach(() => timers.restore());

  const MEMBERS = ["one", "two", "three", "four", "five"];
  const never = (): Promise<never> => new Promise<never>(() => undefined);

  it("is not made where others were waited for until the end", async () => {
    const { engine } = makeBench();
    let calls = 0;
    const call = (): Promise<never> => {
      calls += 1;
      return never();
    };
    const signal = AbortSignal.abort();
    const replies = await Promise.all(
      MEMBERS.map((member) => callStoreWithin(engine, { signal }, call, { member })),
    );
    expect(replies).toEqual(MEMBERS.map(() => expect.objectContaining({ reason: "timeout" })));
    expect([calls, (await engine.breaker.admit("one more")).status]).toEqual([0, "go"]);
  });

  it.each([
    ["opens the breaker where the store had most of it", 3, "stop"],
    ["says nothing about a store that was asked at the last moment", 0.05, "go"],
  ])("%s", async (_name, secondsLeft, admission) => {
    const { engine } = makeBench();
    const aborting = new AbortController();
    for (const member of MEMBERS) {
      void callStoreWithin(engine, { signal: aborting.signal }, never, { member });
    }
    await timers.pass(secondsLeft);
    aborting.abort();
    await settle();
    expect((await engine.breaker.admit("one more")).status).toBe(admission);
  });

  it("does not close the breaker when its answer comes after all", async () => {
    const { engine } = makeBench();
    const answers: ((answer: string) => void)[] = [];
    const late = (): Promise<string> => new Promise((resolve) => void answers.push(resolve));
    const calls = MEMBERS.map((member) => callStore(engine, makeRequest(), late, { member }));
    await timers.pass(5);
    await Promise.all(calls);
    expect((await engine.breaker.admit("one more")).status).toBe("stop");
    for (const answer of answers) answer("late");
    await settle();
    expect((await engine.breaker.admit("one more")).status).toBe("stop");
  });
});
