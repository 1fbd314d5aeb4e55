/** What became of one input on one side. */
export interface Observation {
  /** What was decided: `signed in as user_bob`, `refused`, `throws`, ... and how it was said. */
  readonly decision: string;
  /** Requests that reached the upstream: key sets are fetched once a process, the others are paid for. */
  readonly keys: number;
  /** Fetches of the RBAC policy, which is kept for a while too; absent: none. Above two it is chance how many. */
  readonly policies?: number | "many";
  readonly calls: number;
}

/** One input, both answers, and the reason wherever they differ. */
export interface DifferenceRow<Scenario extends string> {
  readonly scenario: Scenario;
  /** The input in words. */
  readonly input: string;
  readonly sdk: Observation;
  readonly orgate: Observation;
  /** Absent: they agree. */
  readonly why?: string;
}

/** The same, with the store's own operation of that name beside the middleware. */
export interface JwtRow<Scenario extends string> extends DifferenceRow<Scenario> {
  readonly operation: Observation;
}

/** What a decision comes to, whoever says it. */
type Kind = "signed in" | "refused" | "unavailable" | "throws" | "other";

/** Whether two decisions come to the same for the member, at the same price. */
export function agree(sdk: Observation, orgate: Observation): boolean {
  const isSameKind = kindOf(sdk.decision) === kindOf(orgate.decision);
  return isSameKind && sdk.calls === orgate.calls && sdk.policies === orgate.policies;
}

function kindOf(decision: string): Kind {
  const kinds: readonly Kind[] = ["signed in", "refused", "unavailable", "throws"];
  return kinds.find((kind) => decision.startsWith(kind)) ?? "other";
}
