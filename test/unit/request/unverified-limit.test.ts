import { describe, expect, it } from "@jest/globals";
import {
  addressGroup,
  createUnverifiedCredentialLimiter,
  type LimitVerdict,
  type LimitedCall,
  type StoreRefusal,
  type UnverifiedCredentialLimiter,
} from "../../../src/request/store-limits.ts";

type Answer =
  | StoreRefusal
  | { readonly status: "trouble" | "accepted" | "unlisted"; readonly reason?: never };

const REJECTED: Answer = { status: "rejected", reason: "invalid_session_token" };
const ENDED: Answer = { status: "ended", reason: "session_not_found" };
const TROUBLE: Answer = { status: "trouble" };
const ACCEPTED: Answer = { status: "accepted" };
const UNLISTED: Answer = { status: "unlisted" };

interface Setup {
  readonly limiter: UnverifiedCredentialLimiter;
  readonly asked: string[];
  now: number;
  readonly ask: (
    key: string,
    answer?: Answer | Promise<Answer>,
    ipAddress?: string,
  ) => Promise<LimitedCall<Answer>>;
}

function verdictOf(answer: Answer): LimitVerdict {
  if (answer.status === "accepted") return "accepted";
  if (answer.status === "unlisted") return "refused";
  return answer.reason === undefined ? undefined : answer;
}

function setUp(): Setup {
  const asked: string[] = [];
  const setup: Setup = {
    limiter: createUnverifiedCredentialLimiter(() => setup.now),
    asked,
    now: 1_800_000_000,
    ask(key, answer = REJECTED, ipAddress = "192.0.2.1") {
      const call = async (): Promise<Answer> => {
        asked.push(key);
        return answer;
      };
      return setup.limiter.run({ key, ipAddress }, call, verdictOf);
    },
  };
  return setup;
}

function called(answer: Answer): LimitedCall<Answer> {
  return { status: "called", answer };
}

async function refuseMany(setup: Setup, times: number): Promise<void> {
  for (let index = 0; index < times; index += 1) {
    // oxlint-disable-next-line no-await-in-loop -- one after the other, as refusals are counted
    await setup.ask(`made-up-${index}-${setup.now}`);
  }
}

describe("createUnverifiedCredentialLimiter", () => {
  it.each([REJECTED, ENDED])(
    "R-29: lets a credential that was refused cause one call: %j",
    async (answer) => {
      const setup = setUp();
      expect(await setup.ask("a", answer)).toEqual(called(answer));
      setup.now += 86_400;
      expect(await setup.ask("a", TROUBLE)).toEqual({ status: "refused_before", refusal: answer });
      expect(setup.asked).toEqual(["a"]);
    },
  );

  it("lets the store be asked again after trouble", async () => {
    const setup = setUp();
    await setup.ask("a", TROUBLE);
    await setup.ask("a", ENDED);
    expect(setup.asked).toEqual(["a", "a"]);
  });

  it("R-29: stops calls of a client address after thirty refusals within a minute, for the rest of that minute", async () => {
    const setup = setUp();
    await refuseMany(setup, 15);
    setup.now += 20;
    await refuseMany(setup, 15);
    setup.now += 10.5;
    expect(await setup.ask("one more")).toEqual({ status: "limited", retryAfter: 30 });
    expect(setup.asked).toHaveLength(30);
    setup.now += 30;
    expect(await setup.ask("one more")).toEqual(called(REJECTED));
  });

  it("stops the calls of no other client address", async () => {
    const setup = setUp();
    await refuseMany(setup, 30);
    expect((await setup.ask("one more")).status).toBe("limited");
    expect(await setup.ask("one more", REJECTED, "192.0.2.2")).toEqual(called(REJECTED));
  });

  it("takes the addresses of one IPv6 /64 for one client", async () => {
    const setup = setUp();
    for (let index = 0; index < 30; index += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other, as refusals are counted
      await setup.ask(`made-up-${index}`, REJECTED, `2001:db8:0:1::${index.toString(16)}`);
    }
    expect((await setup.ask("a", REJECTED, "2001:DB8:0:1:ffff::1")).status).toBe("limited");
    expect((await setup.ask("a", REJECTED, "2001:db8:0:2::1")).status).toBe("called");
  });

  it("never limits a credential that was accepted in the last hour", async () => {
    const setup = setUp();
    await setup.ask("member", ACCEPTED);
    setup.now += 3590;
    await refuseMany(setup, 30);
    expect(await setup.ask("member", ACCEPTED)).toEqual(called(ACCEPTED));
    setup.now += 3600;
    await refuseMany(setup, 30);
    expect((await setup.ask("member", ACCEPTED)).status).toBe("limited");
  });

  it("counts refused values alone: no accepted one and no trouble", async () => {
    const setup = setUp();
    for (let index = 0; index < 60; index += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other, as refusals are counted
      await setup.ask(`value-${index}`, index % 2 === 0 ? ACCEPTED : TROUBLE);
    }
    expect((await setup.ask("one more")).status).toBe("called");
  });

  it("counts a refusal with an unknown code, and asks about that value again", async () => {
    const setup = setUp();
    for (let index = 0; index < 30; index += 1) {
      // oxlint-disable-next-line no-await-in-loop -- one after the other, as refusals are counted
      expect(await setup.ask("the same", UNLISTED)).toEqual(called(UNLISTED));
    }
    expect((await setup.ask("the same")).status).toBe("limited");
  });

  it("R-29: repeats what it knows while calls are stopped", async () => {
    const setup = setUp();
    await setup.ask("known", ENDED);
    await refuseMany(setup, 29);
    expect(await setup.ask("known")).toEqual({ status: "refused_before", refusal: ENDED });
  });

  it("does not stop calls for longer when the clock is set back", async () => {
    const setup = setUp();
    await refuseMany(setup, 30);
    setup.now -= 3_600;
    expect(await setup.ask("one more")).toEqual(called(REJECTED));
  });

  it("R-29: has at most fifty calls of a client address under way, whatever becomes of them", async () => {
    const setup = setUp();
    let fail: (error: Error) => void = () => undefined;
    const held = new Promise<Answer>((_resolve, reject) => {
      fail = reject;
    });
    const calls = Array.from({ length: 50 }, (_, index) =>
      setup.ask(`held-${index}`, held).catch(() => undefined),
    );
    expect(await setup.ask("one more")).toEqual({ status: "limited", retryAfter: 1 });
    fail(new Error("the store failed"));
    await Promise.all(calls);
    expect(await setup.ask("one more")).toEqual(called(REJECTED));
  });

  it("refuses a credential from the moment it is told to", async () => {
    const setup = setUp();
    setup.limiter.refuse("a", ENDED);
    expect(await setup.ask("a")).toEqual({ status: "refused_before", refusal: ENDED });
    expect(setup.asked).toEqual([]);
  });

  it("keeps the reason for which the store refused a credential", async () => {
    const setup = setUp();
    await setup.ask("a", REJECTED);
    setup.limiter.refuse("a", ENDED);
    expect(await setup.ask("a")).toEqual({ status: "refused_before", refusal: REJECTED });
  });

  it("R-29: does not count what it was told to refuse", async () => {
    const setup = setUp();
    for (let index = 0; index < 150; index += 1) setup.limiter.refuse(`signed-out-${index}`, ENDED);
    expect(await setup.ask("one more")).toEqual(called(REJECTED));
  });
});

describe("addressGroup", () => {
  it.each([
    ["192.0.2.1", "192.0.2.1"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:0DB8:0001:0002::", "2001:db8:1:2"],
    ["2001:db8::1", "2001:db8:0:0"],
    ["::1", "0:0:0:0"],
    [undefined, ""],
  ])("is the /64 of an IPv6 address, in one spelling: %s", (address, expected) => {
    expect(addressGroup(address)).toBe(expected);
  });
});
