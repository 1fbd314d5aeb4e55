import type { Engine } from "../engine/engine.ts";
import { readBody } from "../http/read-body.ts";
import { refuse, type Visit } from "./visit.ts";
import type { DenialInit } from "../engine/deny.ts";

/** What was posted to us: an organization, and perhaps where to go on. */
export interface Choice {
  readonly organizationId: string;
  /** As it was sent: make it safe. */
  readonly returnTo: unknown;
}

const MAX_ID_LENGTH = 255;
// A lone surrogate is no character, and control characters are in no id.
const UNFIT = /[\p{Cc}\p{Cs}]/u;

/** Reads the choice; `undefined` where there is none, and the request has been answered or is gone. */
export async function readChoice(
  engine: Engine,
  visit: Visit,
  denial: Omit<DenialInit, "code"> = {},
): Promise<Choice | undefined> {
  const reading = await readBody(visit.request);
  if (reading.status === "aborted") return undefined;
  if (reading.status === "too_large") {
    // What is left of the body is not read, so the connection cannot be used again.
    visit.response.setHeader("Connection", "close");
    refuse(engine, visit, { ...denial, code: "payload_too_large" });
    return undefined;
  }
  const organizationId = reading.status === "read" ? reading.fields.get("organization_id") : undefined;
  if (reading.status === "invalid" || !isOrganizationId(organizationId)) {
    refuse(engine, visit, { ...denial, code: "invalid_request" });
    return undefined;
  }
  return { organizationId, returnTo: reading.fields.get("return_to") };
}

function isOrganizationId(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= MAX_ID_LENGTH && !UNFIT.test(value);
}
