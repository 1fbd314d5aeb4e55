import process from "node:process";
import { type StoreUnavailableError, isOrgateError } from "../errors.ts";
import type { OrgateEvent } from "../events.ts";

/** Whether the process runs in production, as `NODE_ENV` says. */
export function isProduction(): boolean {
  // oxlint-disable-next-line no-restricted-globals -- the one place that looks at the process
  return process.env["NODE_ENV"] === "production";
}

/** More reasons are not remembered: a store may make them up. */
const MAX_REASONS = 200;

/**
 * Makes what warns the developer, once per reason, through `process.emitWarning`: of what is misconfigured, and of errors that the
 * application's own code or an unreachable service threw. What a store refuses one member is no such trouble. Tells the error's
 * name and never its message, which may hold anything.
 */
export function createWarner(): (event: OrgateEvent) => void {
  const warned = new Set<string>();
  return (event) => {
    if (event.type !== "misconfigured" && event.type !== "unavailable") return;
    const { type, reason, error } = event;
    if (type === "unavailable" && (error === undefined || isPassing(error))) return;
    if (warned.has(reason) || warned.size >= MAX_REASONS) return;
    warned.add(reason);
    const name = nameOf(error);
    const suffix = name === undefined ? "" : `, ${name}`;
    const message = `orgate: ${type} (${reason}${suffix}). See the event, and docs/troubleshooting.md.`;
    // oxlint-disable-next-line no-restricted-globals -- the one place that warns the developer
    process.emitWarning(message, { type: "OrgateWarning", code: `ORGATE_${reason.toUpperCase()}` });
  };
}

/** Whether an error says only that a store refused one credential, or was busy with it: no developer can help. */
function isPassing(error: unknown): boolean {
  if (!isOrgateError(error)) return false;
  const { concerns, contended }: Partial<StoreUnavailableError> = error;
  return concerns === "credential" || contended === true;
}

function nameOf(error: unknown): string | undefined {
  try {
    return error instanceof Error && /^[\w.$]{1,64}$/.test(error.name) ? error.name : undefined;
  } catch (unreadable) {
    return typeof unreadable;
  }
}
