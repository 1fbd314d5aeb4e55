import { afterEach, beforeEach, describe, expect, it, jest } from "@jest/globals";
import { ConfigurationError, OrgateError, StoreUnavailableError } from "../../../src/errors.ts";
import { type Policy, definePolicy } from "../../../src/policy/policy.ts";
import type { OrgateEvent } from "../../../src/events.ts";
import { createPolicySource } from "../../../src/policy/policy-source.ts";

const policy = definePolicy({ resources: { documents: ["read"] }, roles: {} });

/** Loads a store's policy once: what was found, or the events that tell of the failure. */
async function loadPolicy(load: (signal: AbortSignal) => Promise<unknown>) {
  const heard: OrgateEvent[] = [];
  const source = createPolicySource({
    storePolicy: (_, { signal }) => load(signal) as Promise<Policy>,
    clock: () => 1_000,
    events: { wants: () => true, emit: (event) => heard.push(event) },
  });
  const lookup = await source.get(undefined);
  return lookup.status === "unavailable" ? heard.map(withoutError) : lookup;
}

function withoutError({ error: _error, ...event }: OrgateEvent & { readonly error?: unknown }): object {
  return event;
}

function failed(reason: string, retryAfter = 1) {
  return { type: "unavailable", code: "store_unavailable", reason, retryAfter };
}

/** What another copy of the package might throw, if it were hostile. */
function makeBranded(): Error {
  return Object.defineProperties(new Error("hostile"), {
    [Symbol.for("orgate.error")]: { value: true },
    code: {
      get() {
        throw new Error("sprung");
      },
    },
  });
}

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ["setImmediate", "clearImmediate"] });
});

afterEach(() => {
  jest.useRealTimers();
});

describe("loading a policy", () => {
  it("answers with the policy and leaves no timer behind", async () => {
    await expect(loadPolicy(() => Promise.resolve(policy))).resolves.toEqual({ status: "found", policy });
    expect(jest.getTimerCount()).toBe(0);
  });

  it.each<[string, unknown]>([
    ["nothing", undefined],
    ["null", null],
    ["true", true],
    ["a string", "policy"],
    ["a definition that was not compiled", { resources: {}, roles: {} }],
    ["half a policy", { grantingRoles: () => new Set(), declares: () => true }],
    ["roles in a list", { grantingRoles: () => new Set(), declares: () => true, roles: [] }],
    ["a policy that does not declare", { grantingRoles: () => new Set(), roles: new Set() }],
    ["a policy that does not grant", { declares: () => true, roles: new Set() }],
  ])("calls %s invalid", async (_, answer) => {
    await expect(loadPolicy(() => Promise.resolve(answer))).resolves.toEqual([failed("policy_invalid")]);
  });

  it.each<[string, Error, object[]]>([
    ["an error", new Error("down"), [failed("policy_failed")]],
    ["nothing", undefined as unknown as Error, [failed("policy_failed")]],
    ["a string", "down" as unknown as Error, [failed("policy_failed")]],
    ["another of our errors", new OrgateError("invalid_token"), [failed("policy_failed")]],
    ["an unavailable store", new StoreUnavailableError(), [failed("policy_failed")]],
    [
      "an unavailable store that says when",
      new StoreUnavailableError({ retryAfter: 7 }),
      [failed("policy_failed", 7)],
    ],
    ["a malformed policy", new ConfigurationError([]), [failed("policy_invalid")]],
    [
      "a store that refuses the application",
      new StoreUnavailableError({ misconfigured: true, reason: "unauthorized_credentials" }),
      [{ type: "misconfigured", reason: "unauthorized_credentials" }, failed("policy_failed")],
    ],
    [
      "a store that refuses the application without a word",
      new StoreUnavailableError({ misconfigured: true }),
      [{ type: "misconfigured", reason: "policy_failed" }, failed("policy_failed")],
    ],
    ["an error of ours that throws when it is looked at", makeBranded(), [failed("policy_failed")]],
  ])("survives a loader that rejects with %s", async (_, thrown, expected) => {
    const reject = () => Promise.reject(thrown);

    await expect(loadPolicy(reject)).resolves.toEqual(expected);
  });

  it("survives a loader that throws before it returns a promise", async () => {
    const loading = loadPolicy(() => {
      throw new Error("down");
    });

    await expect(loading).resolves.toEqual([failed("policy_failed")]);
  });

  it("R-45: survives answers and errors that throw when they are looked at", async () => {
    const hostile: object = new Proxy(
      {},
      {
        get(_, name) {
          if (name === "then") return undefined;
          throw new Error("hostile");
        },
      },
    );

    const events = [failed("policy_failed")];
    await expect(loadPolicy(() => Promise.resolve(hostile))).resolves.toEqual(events);
    await expect(loadPolicy(() => Promise.reject(hostile as Error))).resolves.toEqual(events);
  });

  it("gives up after five seconds and aborts the call", async () => {
    let given: AbortSignal | undefined;
    const loading = loadPolicy((signal) => {
      given = signal;
      return new Promise<never>(() => undefined);
    });

    await jest.advanceTimersByTimeAsync(4_999);
    expect(given?.aborted).toBe(false);
    await jest.advanceTimersByTimeAsync(1);
    await expect(loading).resolves.toEqual([failed("policy_timeout")]);
    expect(given?.aborted).toBe(true);
  });

  it("does not hear of a loader that rejects when it is too late", async () => {
    const loading = loadPolicy(
      (signal) =>
        new Promise<never>((_, reject) => {
          signal.addEventListener("abort", () => {
            reject(new Error("aborted"));
          });
        }),
    );

    await jest.advanceTimersByTimeAsync(5_000);
    await expect(loading).resolves.toEqual([failed("policy_timeout")]);
  });
});
