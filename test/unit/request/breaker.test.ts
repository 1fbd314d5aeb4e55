import { beforeEach, describe, expect, it } from "@jest/globals";
import { createBreaker, type Admission, type Breaker } from "../../../src/request/store-limits.ts";

let now: number;
let breaker: Breaker;

beforeEach(() => {
  now = 1_800_000_000;
  breaker = createBreaker(() => now);
});

function admitted(): Extract<Admission, { status: "go" }> {
  const admission = breaker.admit();
  if (admission.status === "stop")
    throw new Error(`expected to be let through, not to wait ${admission.retryAfter} s`);
  return admission;
}

function fail(times: number, retryAfter?: number): void {
  for (let time = 0; time < times; time++) admitted().failed(retryAfter);
}

describe("createBreaker", () => {
  it("R-35: lets calls through until three failed within ten seconds", () => {
    fail(2);
    expect(breaker.admit().status).toBe("go");
    fail(1);
    expect(breaker.admit()).toEqual({ status: "stop", retryAfter: 5 });
  });

  it("R-35: forgets failures that are ten seconds old", () => {
    fail(1);
    now += 4;
    fail(1);
    now += 6;
    fail(1);
    expect(breaker.admit().status).toBe("go");
    now += 3.999;
    fail(1);
    expect(breaker.admit().status).toBe("stop");
  });

  it("starts counting anew after a success", () => {
    fail(2);
    admitted().succeeded();
    fail(2);
    expect(breaker.admit().status).toBe("go");
  });

  it("counts calls that were let through together, as they fail", () => {
    const calls = [admitted(), admitted(), admitted()];
    for (const call of calls) call.failed();
    expect(breaker.admit().status).toBe("stop");
  });

  it.each([
    ["nothing", undefined, 5],
    ["7", 7, 7],
    ["a fraction", 6.2, 7],
    ["0", 0, 1],
    ["a time in the past", -100, 1],
    ["a second more than the longest", 31, 30],
    ["an hour", 3_600, 30],
    ["for ever", Infinity, 30],
  ])("R-35: stays open for as long as the store asked, within 1 to 30 s: %s", (_, asked, expected) => {
    fail(3, asked);
    expect(breaker.admit()).toEqual({ status: "stop", retryAfter: expected });
    now += expected - 0.001;
    expect(breaker.admit()).toEqual({ status: "stop", retryAfter: 1 });
    now += 0.001;
    expect(breaker.admit().status).toBe("go");
  });

  it("tells how long is left, in whole seconds", () => {
    fail(3, 10);
    now += 3.5;
    expect(breaker.admit()).toEqual({ status: "stop", retryAfter: 7 });
  });

  it("R-35: probes one at a time, and a second caller waits", () => {
    fail(3);
    now += 5;
    const probe = admitted();
    for (let caller = 0; caller < 100; caller++)
      expect(breaker.admit()).toEqual({ status: "stop", retryAfter: 1 });
    probe.failed();
    expect(breaker.admit()).toEqual({ status: "stop", retryAfter: 5 });
    now += 5;
    expect(breaker.admit().status).toBe("go");
    expect(breaker.admit().status).toBe("stop");
  });

  it("R-35: opens again after one failed probe, however long ago the others were, for as long as that one asks", () => {
    fail(3);
    now += 60;
    fail(1, 20);
    expect(breaker.admit()).toEqual({ status: "stop", retryAfter: 20 });
  });

  it("closes after a probe that succeeded, and needs three new failures to open", () => {
    fail(3);
    now += 5;
    admitted().succeeded();
    fail(2);
    expect(breaker.admit().status).toBe("go");
    fail(1);
    expect(breaker.admit().status).toBe("stop");
  });

  it("is closed by any call that succeeds, one from before it opened included: the store answers again", () => {
    const early = admitted();
    fail(3);
    early.succeeded();
    expect(breaker.admit().status).toBe("go");
  });

  it("does not stay open when the clock is set back", () => {
    fail(3, 30);
    now -= 3_600;
    expect(breaker.admit().status).toBe("go");
  });
});
