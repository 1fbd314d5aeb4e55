import { settle } from "../../support/timers.ts";
import { beforeEach, describe, expect, it } from "@jest/globals";
import {
  createBreaker,
  type Admission,
  type AdmittedCall,
  type Breaker,
} from "../../../src/request/store-limits.ts";

let now: number;
let breaker: Breaker;
let members: number;

beforeEach(() => {
  now = 1_800_000_000;
  members = 0;
  breaker = createBreaker(() => now);
});

/** Asks to call; what must wait for others is an error. */
function admit(member: string): Admission {
  const admission = breaker.admit(member);
  if (admission instanceof Promise) throw new Error("expected not to wait for others");
  return admission;
}

function admitted(member = `member-${(members += 1)}`): AdmittedCall {
  const admission = admit(member);
  if (admission.status === "stop")
    throw new Error(`expected to be let through, not to wait ${admission.retryAfter} s`);
  return admission;
}

/** Lets calls about as many members fail. */
function fail(times: number, retryAfter?: number): void {
  for (let time = 0; time < times; time++) admitted().failed(retryAfter);
}

function answer(times: number): void {
  for (let time = 0; time < times; time++) admitted().succeeded();
}

describe("createBreaker", () => {
  it("R-35: lets calls through until they failed for five members within ten seconds", () => {
    fail(4);
    expect(admit("one more").status).toBe("go");
    fail(1);
    expect(admit("one more")).toEqual({ status: "stop", retryAfter: 5 });
  });

  it("stays closed however often the calls about four members fail", () => {
    for (let time = 0; time < 100; time++) {
      for (const member of ["a", "b", "c", "d"]) admitted(member).failed();
      now += 0.1;
    }
    expect(admit("one more").status).toBe("go");
  });

  it("stays closed while more members are answered than fail, and opens at half of them", () => {
    answer(6);
    fail(5);
    expect(admit("one more").status).toBe("go");
    fail(1);
    expect(admit("one more").status).toBe("stop");
  });

  it("counts a member's latest outcome alone", () => {
    fail(4);
    admitted("member-1").succeeded();
    fail(1);
    expect(admit("one more").status).toBe("go");
    fail(1);
    expect(admit("one more").status).toBe("stop");
  });

  it("R-35: forgets outcomes that are ten seconds old", () => {
    answer(50);
    fail(2);
    now += 4;
    fail(2);
    now += 6;
    fail(2);
    expect(admit("one more").status).toBe("go");
    now += 3.999;
    fail(1);
    expect(admit("one more").status).toBe("stop");
  });

  it("counts calls that were let through together, as they fail", () => {
    const calls = Array.from({ length: 5 }, () => admitted());
    for (const call of calls) call.failed();
    expect(admit("one more").status).toBe("stop");
  });

  it("lets no member probe again for 30 s whose own probe failed", () => {
    fail(5);
    now += 5;
    admitted("in trouble").failed();
    now += 5;
    expect(admit("in trouble").status).toBe("stop");
    admitted("somebody else").succeeded();
    expect(admit("in trouble").status).toBe("go");
  });

  it("lets a member probe again after 30 s, if nobody else asks", () => {
    fail(5);
    now += 5;
    admitted("alone").failed();
    now += 29.999;
    expect(admit("alone").status).toBe("stop");
    now += 0.001;
    expect(admit("alone").status).toBe("go");
  });

  it("tells whether the store answered about another member in the last ten minutes", () => {
    expect(breaker.hasAnsweredOthers("a")).toBe(false);
    admitted("a").succeeded();
    expect(breaker.hasAnsweredOthers("a")).toBe(false);
    admitted("b").succeeded();
    admitted("a").succeeded();
    expect([breaker.hasAnsweredOthers("a"), breaker.hasAnsweredOthers("b")]).toEqual([true, true]);
    now += 600;
    expect(breaker.hasAnsweredOthers("a")).toBe(false);
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
    fail(5, asked);
    expect(admit("one more")).toEqual({ status: "stop", retryAfter: expected });
    now += expected - 0.001;
    expect(admit("one more")).toEqual({ status: "stop", retryAfter: 1 });
    now += 0.001;
    expect(admit("one more").status).toBe("go");
  });

  it("tells how long is left, in whole seconds", () => {
    fail(5, 10);
    now += 3.5;
    expect(admit("one more")).toEqual({ status: "stop", retryAfter: 7 });
  });

  it("R-35: probes one at a time, and a second caller waits", () => {
    fail(5);
    now += 5;
    const probe = admitted();
    for (let caller = 0; caller < 100; caller++)
      expect(admit("one more")).toEqual({ status: "stop", retryAfter: 1 });
    probe.failed();
    expect(admit("one more")).toEqual({ status: "stop", retryAfter: 5 });
    now += 5;
    expect(admit("one more").status).toBe("go");
    expect(admit("one more").status).toBe("stop");
  });

  it("R-35: opens again after one failed probe, however long ago the others were, for as long as that one asks", () => {
    fail(5);
    now += 60;
    fail(1, 20);
    expect(admit("one more")).toEqual({ status: "stop", retryAfter: 20 });
  });

  it("closes after a probe that succeeded, and needs failures of five members to open again", () => {
    fail(5);
    now += 5;
    admitted().succeeded();
    fail(4);
    expect(admit("one more").status).toBe("go");
    fail(1);
    expect(admit("one more").status).toBe("stop");
  });

  it("is closed by any call that succeeds, one from before it opened included: the store answers again", () => {
    const early = admitted();
    fail(5);
    early.succeeded();
    expect(admit("one more").status).toBe("go");
  });

  it("does not stay open when the clock is set back", () => {
    fail(5, 30);
    now -= 3_600;
    expect(admit("one more").status).toBe("go");
  });
});

describe("createBreaker, for a crowd", () => {
  /** Asks for as many members at once. */
  function crowd(size: number): { readonly going: AdmittedCall[]; readonly stopped: number[] } {
    const seen = { going: [] as AdmittedCall[], stopped: [] as number[] };
    const note = (admission: Admission): void => {
      if (admission.status === "go") seen.going.push(admission);
      else seen.stopped.push(admission.retryAfter);
    };
    for (let member = 0; member < size; member++) {
      const admission = breaker.admit(`crowd-${member}`);
      if (admission instanceof Promise) void admission.then(note);
      else note(admission);
    }
    return seen;
  }

  it("lets calls about eight members through, and the others wait", async () => {
    const { going, stopped } = crowd(200);
    await settle();
    expect([going.length, stopped.length]).toEqual([8, 0]);
  });

  it("stops those that wait when it opens: 200 at once cost eight calls", async () => {
    const { going, stopped } = crowd(200);
    for (const call of going) call.failed();
    await settle();
    expect([going.length, stopped.length, new Set(stopped)]).toEqual([8, 192, new Set([5])]);
  });

  it("lets two more through for each that is answered, the first ones first", async () => {
    const { going } = crowd(200);
    const counts = [];
    for (let round = 0, done = 0; done < 200; round++) {
      for (const call of going.slice(done, (done = going.length))) call.succeeded();
      // oxlint-disable-next-line no-await-in-loop -- one round after the other
      await settle();
      counts.push(going.length);
    }
    expect(counts).toEqual([24, 56, 120, 200, 200]);
  });

  it("does not let one member's calls take the places of others", async () => {
    for (let call = 0; call < 100; call++) admitted("in trouble");
    const { going } = crowd(20);
    await settle();
    expect(going.length).toBe(7);
  });

  it("lets one call at a time through where too many failed in the last ten seconds to be sure", async () => {
    answer(12);
    now += 5;
    fail(11);
    now += 5;
    const { going } = crowd(3);
    await settle();
    expect(going.length).toBe(1);
    going[0]?.succeeded();
    await settle();
    expect(going.length).toBe(2);
  });

  it("makes room for another where a call is abandoned, and counts it for nothing", async () => {
    const { going } = crowd(30);
    for (let round = 0; round < 22; round++) {
      going[round]?.abandoned();
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await settle();
    }
    expect(going.length).toBe(30);
    for (const call of going) call.abandoned();
    expect(admit("one more").status).toBe("go");
  });
});
