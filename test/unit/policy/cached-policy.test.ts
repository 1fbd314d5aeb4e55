import { beforeEach, describe, expect, it } from "@jest/globals";
import { StoreUnavailableError } from "../../../src/errors.ts";
import type { OrgateEvent } from "../../../src/events.ts";
import { definePolicy } from "../../../src/policy/policy.ts";
import { createPolicySource } from "../../../src/policy/policy-source.ts";
import type { Policy } from "../../../src/policy/policy.ts";

const first = definePolicy({ resources: { documents: ["read"] }, roles: {} });
const second = definePolicy({ resources: { documents: ["write"] }, roles: {} });

let now: number;
let calls: number;
let heard: OrgateEvent[];
let answer: () => Promise<Policy>;

/** A load that is answered by hand. */
function holdBack() {
  let arrive: ((policy: Policy) => void) | undefined;
  answer = () =>
    new Promise((resolve) => {
      arrive = resolve;
    });
  return (policy: Policy) => arrive?.(policy);
}

const down = () => Promise.reject(new Error("down"));
const up = (policy: Policy) => () => Promise.resolve(policy);

function createGet() {
  const source = createPolicySource({
    policy: () => {
      calls += 1;
      return answer();
    },
    clock: () => now,
    events: { wants: () => true, emit: (event) => heard.push(event) },
  });
  return () => source.get(undefined);
}

beforeEach(() => {
  now = 1_000;
  calls = 0;
  heard = [];
  answer = up(first);
});

describe("a policy that is loaded", () => {
  it("loads nothing until it is asked, then answers at once for five minutes", async () => {
    const get = createGet();
    expect(calls).toBe(0);

    await expect(get()).resolves.toEqual({ status: "found", policy: first });
    now += 299.999;
    expect(get()).toEqual({ status: "found", policy: first });
    expect(calls).toBe(1);
    expect(heard).toEqual([]);
  });

  it("loads it again after five minutes, and waits for it", async () => {
    const get = createGet();
    await get();
    answer = up(second);
    now += 300;

    await expect(get()).resolves.toEqual({ status: "found", policy: second });
    expect(get()).toEqual({ status: "found", policy: second });
    expect(calls).toBe(2);
  });

  it("counts the five minutes from when it asked", async () => {
    const arrive = holdBack();
    const get = createGet();
    const loading = get();
    now += 4;
    arrive(first);
    await loading;
    now += 296;
    answer = up(second);

    await expect(get()).resolves.toEqual({ status: "found", policy: second });
    expect(calls).toBe(2);
  });

  it("makes one call for everybody who asks at once", async () => {
    const get = createGet();
    const answers = await Promise.all(Array.from({ length: 200 }, async () => get()));

    expect(calls).toBe(1);
    expect(new Set(answers).size).toBe(1);
  });

  it("says unavailable when there is none at all, and asks again after 1, 2, 4 ... 60 seconds", async () => {
    answer = down;
    const get = createGet();
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 9; attempt += 1) {
      const lookup = await get();
      expect(calls).toBe(attempt);
      if (lookup.status !== "unavailable") throw new Error(`expected unavailable, not ${lookup.status}`);
      const { retryAfter = 0 } = lookup;
      waits.push(retryAfter);
      now += retryAfter - 0.5;
      expect(get()).toMatchObject({ status: "unavailable", retryAfter: 1 });
      expect(calls).toBe(attempt);
      now += 0.5;
    }

    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    expect(heard).toHaveLength(9);
    expect(heard[2]).toEqual({
      type: "unavailable",
      code: "store_unavailable",
      reason: "policy_failed",
      retryAfter: 4,
      error: new Error("down"),
    });
  });

  it("answers again once it can be loaded, and starts the waits anew", async () => {
    answer = down;
    const get = createGet();
    await get();
    now += 1;
    await get();
    answer = up(first);
    now += 2;
    await expect(get()).resolves.toEqual({ status: "found", policy: first });

    answer = down;
    now += 300;
    await expect(get()).resolves.toEqual({ status: "found", policy: first });
    expect(heard.at(-1)).toMatchObject({ type: "unavailable", retryAfter: 1 });
  });

  it("serves the old one while it cannot be loaded, and does not ask at every request", async () => {
    const get = createGet();
    await get();
    answer = down;
    now += 300;
    await expect(get()).resolves.toEqual({ status: "found", policy: first });
    for (let request = 0; request < 100; request += 1) {
      expect(get()).toEqual({ status: "found", policy: first });
    }
    expect(calls).toBe(2);
  });

  it("retries behind the requests while it is known to be failing, then serves the new one", async () => {
    const get = createGet();
    await get();
    answer = down;
    now += 300;
    await get();
    now += 1;
    const arrive = holdBack();

    expect(get()).toEqual({ status: "found", policy: first });
    expect(get()).toEqual({ status: "found", policy: first });
    expect(calls).toBe(3);
    arrive(second);
    await new Promise(setImmediate);
    expect(get()).toEqual({ status: "found", policy: second });
  });

  it("waits for an answer again when the last failure is long ago", async () => {
    const get = createGet();
    await get();
    answer = down;
    now += 300;
    await get();
    answer = up(second);
    now += 3 * 3600;

    await expect(get()).resolves.toEqual({ status: "found", policy: second });
  });

  it.each([
    ["longer than ours", 42, 42],
    ["in fractions", 6.2, 7],
    ["beyond reason", Infinity, 300],
    ["shorter than ours", 0, 1],
    ["nonsense", NaN, 1],
    ["in the past", -5, 1],
  ])("obeys a wait that the store asks for: %s", async (_, retryAfter, expected) => {
    answer = () => Promise.reject(new StoreUnavailableError({ retryAfter }));

    await expect(createGet()()).resolves.toMatchObject({ status: "unavailable", retryAfter: expected });
  });

  it("tells nobody to wait for a store that refuses the application, and tells the operator", async () => {
    const refusal = new StoreUnavailableError({ misconfigured: true, reason: "unauthorized_credentials" });
    answer = () => Promise.reject(refusal);
    const get = createGet();

    const refused = { status: "unavailable", retryAfter: undefined, cause: refusal };
    await expect(get()).resolves.toEqual(refused);
    expect(get()).toEqual(refused);
    expect(calls).toBe(1);
    expect(heard).toEqual([
      { type: "misconfigured", reason: "unauthorized_credentials", error: refusal },
      {
        type: "unavailable",
        code: "store_unavailable",
        reason: "policy_failed",
        retryAfter: 1,
        error: refusal,
      },
    ]);
    answer = up(first);
    now += 1;
    await expect(get()).resolves.toEqual({ status: "found", policy: first });
  });

  it("makes a clock that was set back neither trust the old one for longer nor wait for longer", async () => {
    const get = createGet();
    await get();
    answer = up(second);
    now -= 3600;
    await expect(get()).resolves.toEqual({ status: "found", policy: second });

    answer = down;
    const failing = createGet();
    await failing();
    answer = up(first);
    now -= 3600;
    await expect(failing()).resolves.toEqual({ status: "found", policy: first });
  });
});
