import type { Observation } from "./difference.ts";

/** One side at work: it answers to a credential, as often as it is presented. */
export interface Side {
  readonly present: (credential: string | undefined) => Promise<string>;
  readonly signOut: (credential: string) => Promise<string>;
  readonly close: () => Promise<void>;
}

/** Runs a scenario on one side, and counts what reached the server meanwhile. */
export async function observe(
  calls: readonly string[],
  open: () => Side,
  run: (side: Side) => Promise<string>,
): Promise<Observation> {
  const before = calls.length;
  const decision = await decide(open, run);
  const made = calls.slice(before);
  const keys = made.filter((call) => call.includes("/jwks/")).length;
  return { decision, keys, calls: made.length - keys };
}

async function decide(open: () => Side, run: (side: Side) => Promise<string>): Promise<string> {
  let side: Side;
  try {
    side = open();
  } catch (error) {
    return `does not start: ${nameError(error)}`;
  }
  try {
    return await run(side);
  } catch (error) {
    return `throws ${nameError(error)}`;
  } finally {
    await side.close();
  }
}

/** What was thrown, in a word: a code where there is one. */
function nameError(error: unknown): string {
  const { code, name, message, error: oauth } = error as Record<string, unknown>;
  const said = [code, oauth, message].find((one) => typeof one === "string" && one !== "");
  return `${String(name)} ${String(said)}`.replace(/http:\S+/g, "...").slice(0, 90);
}
