import { describe, expect, it } from "@jest/globals";
import type { Coordinator } from "../../../src/fleet/coordinator.ts";
import type { CoordinatorHarness } from "../../../src/testing/contract/coordinator-harness.ts";
import { coordinatorContract } from "../../../src/testing/coordinator-contract.ts";
import { sharedCoordinator } from "../../../src/testing/shared-coordinator.ts";
import { withoutOptionalMethods } from "../../support/fleet.ts";

type Change = (end: Coordinator) => Coordinator;

function makeHarness(change: Change = (end) => end): CoordinatorHarness {
  let now = 1_800_000_000;
  const hub = sharedCoordinator({ clock: () => now });
  return {
    join: () => change(hub.join()),
    advance(seconds) {
      now += seconds;
    },
    breakCoordinator: () => hub.takeDown(),
    mendCoordinator: () => hub.bringBack(),
    cutChannel() {
      hub.loseChannel();
      hub.restoreChannel();
    },
    close: () => undefined,
  };
}

describe("sharedCoordinator keeps the contract of coordinators", () => {
  const tests = coordinatorContract(() => makeHarness());
  it.each(tests.map(({ name, run }) => [name, run] as const))("%s", async (_name, run) => {
    expect(await run()).toBe("passed");
  });
});

describe("a coordinator without the optional methods keeps the rest of the contract", () => {
  const skipped: string[] = [];
  const onSkipped = (_name: string, lacks: string): void => void skipped.push(lacks);
  const make = (): CoordinatorHarness => {
    const harness = makeHarness(withoutOptionalMethods);
    Reflect.deleteProperty(harness, "cutChannel");
    return harness;
  };
  const tests = coordinatorContract(make, { onSkipped });
  it.each(tests.map(({ name, run }) => [name, run] as const))("%s", async (_name, run) => {
    expect(await run()).toMatch(/^(?:passed|skipped)$/);
  });

  it("and says what it lacks", () => {
    const optional = ["Lease.kept", "Lease.remember", "Coordinator.settled", "Coordinator.ping"];
    expect(new Set(skipped)).toEqual(new Set([...optional, "CoordinatorHarness.cutChannel"]));
  });
});

describe("the contract finds a coordinator that", () => {
  it.each<[string, Change, RegExp]>([
    [
      "grants every lease",
      (end) => ({ ...end, acquire: () => Promise.resolve({ release: () => Promise.resolve() }) }),
      /^grants the lease on a key to one process at a time$/,
    ],
    [
      "rounds the time of leases up to seconds",
      (end) => ({ ...end, acquire: (key, seconds) => end.acquire(key, Math.ceil(seconds)) }),
      /^grants the lease again once it has expired/,
    ],
    [
      "rounds the time of results up to seconds",
      (end) => ({
        ...end,
        remember: (key, sealed, seconds) => end.remember(key, sealed, Math.ceil(seconds)),
      }),
      /^forgets a result when its time is over/,
    ],
    [
      "forgets nothing",
      (end) => ({ ...end, remember: (key, sealed) => end.remember(key, sealed, 1e9) }),
      /^shortens the time of a result/,
    ],
    [
      "has no fencing",
      (end) => ({
        ...end,
        async acquire(key, seconds) {
          const lease = await end.acquire(key, seconds);
          return (
            lease && {
              ...lease,
              async remember(sealed: string, keptFor: number) {
                await end.remember(key, sealed, keptFor);
                return true;
              },
            }
          );
        },
      }),
      /^refuses the result of a holder that slept/,
    ],
    [
      "takes keys for names in any case",
      (end) => ({
        ...end,
        recall: (key) => end.recall(key.toLowerCase()),
        remember: (key, sealed, seconds) => end.remember(key.toLowerCase(), sealed, seconds),
      }),
      /^confuses no two keys$/,
    ],
    [
      "says that there is nothing while its engine is down",
      (end) => ({
        ...end,
        async recall(key) {
          try {
            return await end.recall(key);
          } catch (error) {
            return error === undefined ? "" : undefined;
          }
        },
      }),
      /^fails loudly while its engine is down/,
    ],
    [
      "rounds the times in messages",
      (end) => ({ ...end, publish: (message) => end.publish({ ...message, at: Math.round(message.at) }) }),
      /^delivers messages whole/,
    ],
    [
      "goes on delivering",
      (end) => ({
        ...end,
        subscribe(listener, channel) {
          end.subscribe(listener, channel);
          return () => undefined;
        },
      }),
      /^stops delivering to a listener/,
    ],
  ])("%s", async (_name, change, title) => {
    const tests = coordinatorContract(() => makeHarness(change), { onSkipped: () => undefined });
    const test = tests.find(({ name }) => title.test(name));
    await expect(test?.run()).rejects.toMatchObject({ code: "ERR_ASSERTION" });
  });
});
