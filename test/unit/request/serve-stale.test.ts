import { describe, expect, it } from "@jest/globals";
import { requireAuth } from "../../../src/guards/requirements.ts";
import type { OrgateOptions } from "../../../src/options/options.ts";
import { makeBench, send, type EngineBench } from "../../support/engine-bench.ts";
import { issueToken, NOW } from "../../support/fake-store.ts";

/** Its token is 100 seconds old, and good for 290 more. */
const STALE = { headers: { Authorization: `Bearer ${issueToken({ iat: NOW - 100 })}` } };

function makeDown(options: Partial<OrgateOptions>): EngineBench {
  const bench = makeBench(options);
  bench.store.answer = () => Promise.reject(new Error("down"));
  return bench;
}

async function statusOf(bench: EngineBench, method = "GET"): Promise<number> {
  return (await send(bench, { method, ...STALE }, [requireAuth(bench.engine)])).status;
}

describe("R-35: a token that is too old while the store is down", () => {
  it.each([
    ["nothing said", { maxTokenAge: 60 }, 0, "GET", 503],
    ["a minute", { maxTokenAge: 60, staleIfUnavailable: 60 }, 0, "GET", 204],
    ["a minute", { maxTokenAge: 60, staleIfUnavailable: 60 }, 0, "HEAD", 204],
    ["a minute, its last moment", { maxTokenAge: 60, staleIfUnavailable: 60 }, 19.999, "GET", 204],
    ["a minute, and over", { maxTokenAge: 60, staleIfUnavailable: 60 }, 20, "GET", 503],
    ["a minute, to an unsafe method", { maxTokenAge: 60, staleIfUnavailable: 60 }, 0, "POST", 503],
    ["a minute, where the store is always asked", { maxTokenAge: 0, staleIfUnavailable: 60 }, 0, "GET", 503],
    ["an hour, but expired", { maxTokenAge: 60, staleIfUnavailable: 3_600 }, 295, "GET", 503],
  ])("is served for %s (%j, %d s later, %s): %i", async (_, options, later, method, status) => {
    const bench = makeDown(options);
    bench.clock.now += later;
    expect(await statusOf(bench, method)).toBe(status);
    expect(bench.events).toContainEqual(
      expect.objectContaining({ type: "unavailable", code: "store_unavailable" }),
    );
  });

  it("is never served once it was invalidated", async () => {
    const bench = makeDown({ maxTokenAge: 60, staleIfUnavailable: 3_600 });
    await bench.engine.invalidations.invalidate({ memberId: "user_1" });
    expect(await statusOf(bench)).toBe(503);
  });
});
