import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import type { OrgateEvent } from "../../../src/events.ts";
import { createEventSink } from "../../../src/events.ts";
import { inProcessCoordinator, type Coordinator, type Lease } from "../../../src/fleet/coordinator.ts";
import { createCoordination, type Coordination } from "../../../src/request/coordination.ts";
import { withoutOptionalMethods } from "../../support/fleet.ts";
import { controlTimers, type ControlledTimers } from "../../support/timers.ts";
import { sharedCoordinator } from "../../../src/testing/shared-coordinator.ts";

let timers: ControlledTimers;
beforeEach(() => {
  timers = controlTimers();
});
afterEach(() => timers.restore());

interface Guarded {
  readonly coordination: Coordination;
  readonly clock: { now: number };
  readonly failures: () => number;
}

function guard(coordinator: Coordinator): Guarded {
  const clock = { now: 1_800_000_000 };
  const events: OrgateEvent[] = [];
  const coordination = createCoordination(coordinator, {
    clock: () => clock.now,
    events: createEventSink((event) => void events.push(event)),
  });
  const failures = (): number =>
    events.filter((event) => event.type === "misconfigured" && event.reason === "coordinator_failed").length;
  return { coordination, clock, failures };
}

const forever = <Value>(): Promise<Value> => new Promise<Value>(() => undefined);
const down = (): Promise<never> => Promise.reject(new Error("down"));

describe("a coordinator that hangs", () => {
  it("is given up after 800 ms", async () => {
    const { coordination, failures } = guard({ ...inProcessCoordinator(), acquire: forever });
    let lease: unknown = "nothing yet";
    const asked = coordination.acquire("key").then((taken) => (lease = taken));
    await timers.pass(0.79);
    expect([lease, failures()]).toEqual(["nothing yet", 0]);
    await timers.pass(0.01);
    await asked;
    expect([lease, failures()]).toEqual([undefined, 1]);
  });

  it("keeps a sign-out waiting for 800 ms once, and not at all after that", async () => {
    const published: string[] = [];
    const publish: Coordinator["publish"] = ({ effect }) => {
      published.push(effect);
      return forever();
    };
    const { coordination } = guard({ ...inProcessCoordinator(), publish });
    const first = coordination.publish({ target: { userId: "one" }, at: 1, effect: "ask" });
    await timers.pass(0.8);
    await first;
    await coordination.publish({ target: { sessionId: "two" }, at: 2, effect: "refuse" });
    expect(published).toEqual(["ask", "refuse"]);
  });

  it("gets a lease back that it grants too late", async () => {
    let grant: (lease: Lease) => void = () => undefined;
    const released: string[] = [];
    const acquire = (): Promise<Lease> =>
      new Promise((resolve) => {
        grant = resolve;
      });
    const { coordination } = guard({ ...inProcessCoordinator(), acquire });
    const asked = coordination.acquire("key");
    await timers.pass(0.8);
    expect(await asked).toBeUndefined();
    grant({ release: async () => void released.push("released") });
    await timers.pass(0);
    expect(released).toEqual(["released"]);
  });
});

describe("a coordinator that fails", () => {
  it("is asked again after one second, two, four, and at most thirty", async () => {
    let calls = 0;
    const recall = (): Promise<never> => {
      calls++;
      return down();
    };
    const { coordination, clock, failures } = guard({ ...inProcessCoordinator(), recall });
    const seconds: number[] = [];
    for (let second = 0; second < 130; second++) {
      const before = calls;
      // oxlint-disable-next-line no-await-in-loop -- one second after the other
      await coordination.recall("key");
      if (calls > before) seconds.push(second);
      clock.now += 1;
    }
    expect(seconds).toEqual([0, 1, 3, 7, 15, 31, 61, 91, 121]);
    expect(failures()).toBe(seconds.length);
  });

  it("counts once for calls that fail together", async () => {
    const { coordination, failures } = guard({ ...inProcessCoordinator(), recall: down, acquire: down });
    await Promise.all([coordination.recall("a"), coordination.recall("b"), coordination.acquire("c")]);
    expect(failures()).toBe(1);
  });

  it("is not left alone for longer when the clock is set back", async () => {
    let calls = 0;
    const recall = async (): Promise<string | undefined> => {
      calls++;
      return calls === 1 ? down() : "the result";
    };
    const { coordination, clock } = guard({ ...inProcessCoordinator(), recall });
    expect(await coordination.recall("key")).toBeUndefined();
    clock.now -= 3_600;
    expect(await coordination.recall("key")).toBe("the result");
  });

  it("gets each unsent message once it works again, the latest about a target alone", async () => {
    const sent: unknown[] = [];
    let isDown = true;
    const publish: Coordinator["publish"] = async ({ target, at }) => {
      if (isDown) return down();
      sent.push([target, at]);
      return undefined;
    };
    const { coordination, clock } = guard({ ...inProcessCoordinator(), publish });
    await coordination.publish({ target: { userId: "one" }, at: 1, effect: "ask" });
    await coordination.publish({ target: { userId: "two" }, at: 2, effect: "ask" });
    await coordination.publish({ target: { userId: "one" }, at: 3, effect: "ask" });
    clock.now += 1;
    await timers.pass(1);
    expect(sent).toEqual([]);
    isDown = false;
    clock.now += 2;
    await timers.pass(2);
    expect(sent).toEqual([
      [{ userId: "two" }, 2],
      [{ userId: "one" }, 3],
    ]);
  });

  it("gets the latest 10,000 of its unsent messages", async () => {
    const sent: string[] = [];
    let isDown = true;
    const publish: Coordinator["publish"] = async ({ target }) => {
      if (isDown) return down();
      sent.push("userId" in target ? target.userId : "");
      return undefined;
    };
    const { coordination, clock } = guard({ ...inProcessCoordinator(), publish });
    const users = Array.from({ length: 10_001 }, (_, index) => `user ${index}`);
    await Promise.all(
      users.map((userId) => coordination.publish({ target: { userId }, at: 1, effect: "ask" })),
    );
    isDown = false;
    clock.now += 1;
    await timers.pass(1);
    expect([sent.length, sent[0], sent.at(-1)]).toEqual([10_000, "user 1", "user 10000"]);
  });

  it("gets its unsent messages one after the other, and no more of them after the first failure", async () => {
    const tried: unknown[] = [];
    const publish: Coordinator["publish"] = ({ at }) => {
      tried.push(at);
      return forever();
    };
    const { coordination, clock } = guard({ ...inProcessCoordinator(), publish });
    for (const at of [1, 2, 3]) {
      void coordination.publish({ target: { userId: `user ${at}` }, at, effect: "ask" });
    }
    await timers.pass(0.8);
    tried.length = 0;
    clock.now += 1.8;
    await timers.pass(1.8);
    expect(tried).toEqual([1]);
  });

  it("gets its unsent messages when it is closed, and nothing later", async () => {
    const sent: unknown[] = [];
    let isDown = true;
    const publish: Coordinator["publish"] = async ({ at }) => {
      if (isDown) return down();
      sent.push(at);
      return undefined;
    };
    const { coordination, clock, failures } = guard({ ...inProcessCoordinator(), publish });
    await coordination.publish({ target: { userId: "one" }, at: 1, effect: "ask" });
    await coordination.publish({ target: { userId: "two" }, at: 2, effect: "ask" });
    await timers.pass(0);
    isDown = false;
    await coordination.close();
    expect([sent, failures()]).toEqual([[1, 2], 1]);
    isDown = true;
    await coordination.publish({ target: { userId: "three" }, at: 3, effect: "ask" });
    isDown = false;
    clock.now += 60;
    await timers.pass(60);
    expect(sent).toEqual([1, 2]);
  });

  it("is closed within 800 ms, and what it never got is reported", async () => {
    const closed: string[] = [];
    const close = async (): Promise<void> => void closed.push("closed");
    const { coordination, failures } = guard({ ...inProcessCoordinator(), publish: forever, close });
    void coordination.publish({ target: { userId: "one" }, at: 1, effect: "ask" });
    await timers.pass(0.8);
    expect(failures()).toBe(1);
    void coordination.close();
    await timers.pass(0.79);
    expect(closed).toEqual([]);
    await timers.pass(0.01);
    expect([closed, failures()]).toEqual([["closed"], 2]);
  });
});

describe("a coordinator without fencing", () => {
  it.each([
    ["keeps the result of a holder that was awake", 1, "kept", "mine"],
    ["keeps no result over another's once the holder slept past its lease", 6, "late", "another's"],
    ["trusts no clock that was set back", -3_600, "late", "another's"],
  ])("%s", async (_name, slept, outcome, kept) => {
    const hub = sharedCoordinator();
    const { coordination, clock } = guard(withoutOptionalMethods(hub.join()));
    const lease = await coordination.acquire("key");
    if (lease === undefined || lease === "taken") throw new Error("the lease must be free");
    await hub.join().remember("key", "another's", 60);
    clock.now += slept;
    expect(await lease.remember("mine", 60)).toBe(outcome);
    expect(await coordination.recall("key")).toBe(kept);
  });
});

describe("the coordinator of one process", () => {
  it("is not shared, and one that was changed is", () => {
    const alone = inProcessCoordinator();
    expect(guard(alone).coordination.isShared).toBe(false);
    expect(guard({ ...alone }).coordination.isShared).toBe(true);
  });
});
