import { describe, expect, it } from "@jest/globals";
import { type ErrorWording, WireRefusal, wordError } from "../../../../src/authority/wire/router.ts";
import { OrgateError, StoreUnavailableError } from "../../../../src/errors.ts";

const WORDING: ErrorWording = {
  refusals: { invalid_token: () => new WireRefusal({ status: 404, body: "no such session" }) },
  refuse: ({ status, code }) => new WireRefusal({ status, body: code }),
  contention: { status: 429, body: "too many" },
  fail: (status) => ({ status, body: "trouble" }),
};

describe("wordError", () => {
  it("answers with a refusal as it is", () => {
    const answer = { status: 418, body: "teapot" };
    expect(wordError(new WireRefusal(answer), WORDING)).toBe(answer);
  });

  it("words an error by its code, and any other client error by its status and headers", () => {
    expect(wordError(new OrgateError("invalid_token"), WORDING)).toEqual({
      status: 404,
      body: "no such session",
    });
    const headers = { Allow: "POST" };
    expect(wordError(new OrgateError("method_not_allowed", { headers }), WORDING)).toEqual({
      status: 405,
      body: "method_not_allowed",
      headers,
    });
  });

  it.each([
    [undefined, "1"],
    [0, "1"],
    [2.1, "3"],
  ])(
    "answers 503 when the store is unavailable for %p seconds, with Retry-After %s",
    (retryAfter, header) => {
      const error = new StoreUnavailableError(retryAfter === undefined ? {} : { retryAfter });
      const answer = wordError(error, WORDING);
      expect(answer).toMatchObject({ status: 503, body: "trouble", headers: { "Retry-After": header } });
      expect(answer.cause).toBe(error);
    },
  );

  it("words contention apart if the protocol does", () => {
    const error = new StoreUnavailableError({ reason: "contention" });
    expect(wordError(error, WORDING)).toMatchObject({ status: 429, headers: { "Retry-After": "1" } });
    const { contention: _contention, ...others } = WORDING;
    expect(wordError(error, others).status).toBe(503);
  });

  it.each([new Error("boom"), new OrgateError("configuration_invalid"), undefined, "boom"])(
    "answers 500 for the defect %p and keeps it as the cause",
    (thrown) => {
      expect(wordError(thrown, WORDING)).toEqual({ status: 500, body: "trouble", cause: thrown });
    },
  );
});
