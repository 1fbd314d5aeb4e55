import { OrgateError, StoreUnavailableError } from "../errors.ts";
import { isString } from "../lib/values.ts";
import { toLabel } from "../request/call-store.ts";
import {
  type DenialInit,
  type HandlerContext,
  type RequestContext,
  answerDenial,
  denialHeaders,
  denialOf,
  deny,
} from "./denial.ts";

/** What is known of denials that were thrown, so that they are answered as a guard would answer them. */
const thrownDenials = new WeakMap<OrgateError, DenialInit>();

/** Makes the error of a denial, for code that throws in place of answering. */
export function toDenialError(context: RequestContext, init: DenialInit): OrgateError {
  const { code, retryAfter, extensions } = init;
  const reason = extensions?.["reason"];
  const parts = { headers: denialHeaders(context, init), ...(isString(reason) && { reason }) };
  const error =
    code === "store_unavailable"
      ? new StoreUnavailableError({ ...parts, retryAfter })
      : new OrgateError(code, parts);
  thrownDenials.set(error, init);
  return error;
}

/** Answers an error as a guard would answer a denial of its code. */
export function denyError(context: HandlerContext, error: OrgateError): void {
  const thrown = thrownDenials.get(error);
  if (thrown !== undefined) {
    answerDenial(context, thrown);
    return;
  }
  const { state } = context.auth;
  const { code, reason, headers } = error;
  const { "Retry-After": wait } = headers;
  if (state.status !== "authenticated" && denialOf(state).code === code) deny(context, denialOf(state));
  else {
    deny(context, {
      code,
      reason: toLabel(reason, "thrown"),
      ...(wait !== undefined && { retryAfter: Number(wait) }),
      ...(reason !== undefined && { extensions: { reason } }),
    });
  }
}
