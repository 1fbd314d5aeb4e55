import { describe, expect, it } from "@jest/globals";
import type { RenewalResult } from "../../../src/request/renew.ts";
import {
  createUnverifiedCredentialLimiter,
  type UnverifiedCredentialLimiter,
} from "../../../src/request/unverified-limit.ts";

const REJECTED: RenewalResult = { status: "rejected", reason: "invalid_session_token" };
const ENDED: RenewalResult = { status: "ended", reason: "session_not_found" };
const TROUBLE: RenewalResult = { status: "unavailable", reason: "timeout", retryAfter: 5 };

interface Setup {
  readonly desk: UnverifiedCredentialLimiter;
  readonly asked: string[];
  now: number;
  readonly ask: (key: string, answer?: RenewalResult) => Promise<RenewalResult>;
}

function setUp(): Setup {
  const asked: string[] = [];
  const setup: Setup = {
    desk: createUnverifiedCredentialLimiter(() => setup.now),
    asked,
    now: 1_800_000_000,
    ask: (key, answer = REJECTED) =>
      setup.desk.ask(key, async () => {
        asked.push(key);
        return answer;
      }),
  };
  return setup;
}

async function refuseMany(setup: Setup, times: number): Promise<void> {
  for (let index = 0; index < times; index += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other, as refusals are counted
    await setup.ask(`made-up-${index}-${setup.now}`);
  }
}

describe("what nothing vouches for", () => {
  it.each([REJECTED, ENDED])("R-29: is asked about once when it is refused: %j", async (answer) => {
    const setup = setUp();
    expect(await setup.ask("a", answer)).toEqual(answer);
    setup.now += 86_400;
    expect(await setup.ask("a", TROUBLE)).toEqual(answer);
    expect(setup.asked).toEqual(["a"]);
  });

  it("is asked about again after trouble, for trouble says nothing of it", async () => {
    const setup = setUp();
    await setup.ask("a", TROUBLE);
    await setup.ask("a", ENDED);
    expect(setup.asked).toEqual(["a", "a"]);
  });

  it("R-29: is let through no more after a hundred refusals within a minute, for what is left of it", async () => {
    const setup = setUp();
    await refuseMany(setup, 50);
    setup.now += 20;
    await refuseMany(setup, 50);
    setup.now += 10.5;
    const closed = await setup.ask("one more");
    expect(closed).toEqual({ status: "unavailable", reason: "unvouched_flood", retryAfter: 30 });
    expect(setup.asked).toHaveLength(100);
    setup.now += 30;
    expect(await setup.ask("one more")).toEqual(REJECTED);
  });

  it("R-29: keeps repeating what it knows while it is closed", async () => {
    const setup = setUp();
    await setup.ask("known", ENDED);
    await refuseMany(setup, 99);
    expect(await setup.ask("known")).toEqual(ENDED);
  });

  it("is not closed for longer by a clock that was set back", async () => {
    const setup = setUp();
    await refuseMany(setup, 100);
    setup.now -= 3_600;
    expect(await setup.ask("one more")).toEqual(REJECTED);
  });

  it("R-29: has at most fifty calls under way, whatever becomes of them", async () => {
    const setup = setUp();
    const { promise, resolve, reject } = withResolvers();
    const held = Array.from({ length: 50 }, (_, index) =>
      setup.desk.ask(`held-${index}`, () => promise).catch(() => undefined),
    );
    expect(await setup.ask("one more")).toMatchObject({ status: "unavailable", retryAfter: 1 });
    reject(new Error("the store failed"));
    await Promise.all(held);
    expect(await setup.ask("one more")).toEqual(REJECTED);
    resolve(REJECTED);
  });
});

describe("the end of what nothing vouches for", () => {
  const isNobodys = (answer: string): boolean => answer === "nobody's";

  function end(setup: Setup, key: string, answer = "ended"): ReturnType<UnverifiedCredentialLimiter["end"]> {
    const call = async (): Promise<string> => {
      setup.asked.push(`end ${key}`);
      return answer;
    };
    return setup.desk.end(key, call, isNobodys);
  }

  it.each(["ended", "trouble", "nobody's"])(
    "is asked for once, and refuses it from then on: %s",
    async (answer) => {
      const setup = setUp();
      expect(await end(setup, "a", answer)).toEqual({ status: "called", answer });
      const reason = answer === "nobody's" ? "session_not_found" : "signed_out";
      const refusal = { status: "ended", reason };
      expect(await end(setup, "a")).toEqual({ status: "known", refusal });
      expect(await setup.ask("a")).toEqual(refusal);
      expect(setup.asked).toEqual(["end a"]);
    },
  );

  it("is not asked for where the store refused it before", async () => {
    const setup = setUp();
    await setup.ask("a");
    expect(await end(setup, "a")).toEqual({ status: "known", refusal: REJECTED });
    expect(await setup.ask("a")).toEqual(REJECTED);
  });

  it("R-29: counts as a refusal where it is nobody's alone, and is closed with the rest", async () => {
    const setup = setUp();
    for (let index = 0; index < 150; index += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other, as refusals are counted
      await end(setup, `signed-out-${index}`);
    }
    expect(await setup.ask("one more")).toEqual(REJECTED);
    for (let index = 0; index < 99; index += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other, as refusals are counted
      await end(setup, `made-up-${index}`, "nobody's");
    }
    expect(await end(setup, "another")).toEqual({ status: "closed", retryAfter: 60 });
    expect(await setup.ask("another")).toEqual({ status: "ended", reason: "signed_out" });
  });
});

function withResolvers(): {
  readonly promise: Promise<RenewalResult>;
  readonly resolve: (answer: RenewalResult) => void;
  readonly reject: (error: Error) => void;
} {
  let resolve: (answer: RenewalResult) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<RenewalResult>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
