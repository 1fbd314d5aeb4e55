import type { Observation } from "./difference.ts";

/** One side at work: what it answers to a credential, as often as it is presented. */
export interface Side {
  readonly present: (credential: string | undefined) => Promise<string>;
  readonly close: () => Promise<void>;
}

/** Runs a scenario on one side, and counts what reached the server meanwhile. */
export async function observe<Opened extends Side>(
  received: readonly string[],
  open: () => Opened,
  run: (side: Opened) => Promise<string>,
): Promise<Observation> {
  const before = received.length;
  const decision = await decide(open, run);
  const made = received.slice(before);
  const count = (path: string): number => made.filter((call) => call.includes(path)).length;
  const [keys, policies] = [count("/jwks/"), count("/rbac/")];
  const calls = made.length - keys - policies;
  return { decision, keys, ...(policies > 0 && { policies: policies > 2 ? "many" : policies }), calls };
}

async function decide<Opened extends Side>(
  open: () => Opened,
  run: (side: Opened) => Promise<string>,
): Promise<string> {
  let side: Opened;
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
