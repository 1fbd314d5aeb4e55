import { sanitizeReturnTo } from "../http/return-to.ts";
import { isOptionObject, type Problems } from "../options/problems.ts";

/** Notes options that a handler does not know, and a `returnTo` that leads nowhere on this origin. */
export function checkHandlerOptions(
  problems: Problems,
  handler: string,
  given: unknown,
  known: readonly string[],
): void {
  if (!isOptionObject(given)) {
    problems.invalid(handler, "has options that are not an object.", "Leave them out.");
    problems.throwIfAny();
    return;
  }
  problems.unknown(given, known, `${handler}.`);
  const { returnTo } = given;
  if (known.includes("returnTo") && returnTo !== undefined && sanitizeReturnTo(returnTo) !== returnTo) {
    problems.invalid(`${handler}.returnTo`, "is not a path on this origin.", 'Pass "/start".');
  }
}
