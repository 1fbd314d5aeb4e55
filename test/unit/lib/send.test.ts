import { describe, expect, it } from "@jest/globals";
import { redirect, sendJson, sendProblem } from "../../../src/lib/http.ts";
import { makeExchange } from "../../support/exchange.ts";

describe("sendProblem", () => {
  it("sends a body whose type browsers do not guess", async () => {
    const { response, answered } = makeExchange();
    sendProblem(response, 403, '{"code":"permission_denied"}');
    const answer = await answered();
    expect(answer.status).toBe(403);
    expect(answer.headers).toMatchObject({
      "content-type": "application/problem+json",
      "x-content-type-options": "nosniff",
    });
    expect(JSON.parse(answer.body)).toEqual({ code: "permission_denied" });
  });
});

describe("sendJson", () => {
  it("sends plain JSON, characters beyond ASCII whole", async () => {
    const { response, answered } = makeExchange();
    sendJson(response, 200, { name: "Zo\u00eb \u{1f600}" });
    const answer = await answered();
    expect(answer.headers["content-type"]).toBe("application/json");
    expect(JSON.parse(answer.body)).toEqual({ name: "Zo\u00eb \u{1f600}" });
  });

  it("sends no body in answer to HEAD", async () => {
    const { response, answered } = makeExchange({ method: "HEAD" });
    sendJson(response, 401, { code: "unauthenticated" });
    const answer = await answered();
    expect([answer.status, answer.body]).toEqual([401, ""]);
  });
});

describe("redirect", () => {
  it("answers 303 without a body (RFC 9110 section 15.4.4)", async () => {
    const { response, answered } = makeExchange({ method: "POST" });
    redirect(response, "/sign-in?return_to=%2F");
    const answer = await answered();
    expect([answer.status, answer.headers["location"], answer.body]).toEqual([
      303,
      "/sign-in?return_to=%2F",
      "",
    ]);
  });
});
