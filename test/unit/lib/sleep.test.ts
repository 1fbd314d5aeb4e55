import { getEventListeners } from "node:events";
import process from "node:process";
import { afterEach, beforeEach, describe, expect, it } from "@jest/globals";
import { sleep } from "../../../src/lib/concurrency.ts";
import { type ControlledTimers, controlTimers, settle } from "../../support/timers.ts";

describe("sleep", () => {
  it("keeps no process alive", () => {
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
    const before = timers();
    void sleep(0.001);
    expect(timers()).toBe(before);
  });

  describe("with timers that the test advances", () => {
    let timers: ControlledTimers;
    beforeEach(() => {
      timers = controlTimers();
    });
    afterEach(() => timers.restore());

    it("ends after its time, and leaves no listener on the signal", async () => {
      const { signal } = new AbortController();
      let isOver = false;
      void sleep(2, signal).then(() => (isOver = true));
      await timers.pass(1.9);
      expect(isOver).toBe(false);
      await timers.pass(0.1);
      expect(isOver).toBe(true);
      expect(getEventListeners(signal, "abort")).toEqual([]);
    });

    it("ends when the signal aborts, and at once when it has aborted", async () => {
      const aborting = new AbortController();
      let isOver = false;
      void sleep(2, aborting.signal).then(() => (isOver = true));
      await settle();
      expect(isOver).toBe(false);
      aborting.abort();
      await expect(sleep(2, aborting.signal)).resolves.toBeUndefined();
      expect(isOver).toBe(true);
      expect(getEventListeners(aborting.signal, "abort")).toEqual([]);
    });
  });
});
