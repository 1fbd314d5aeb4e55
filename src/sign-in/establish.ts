import type { IncomingMessage, ServerResponse } from "node:http";
import { ConfigurationError, type OrgateError, StoreUnavailableError, isOrgateError } from "../errors.ts";
import type { Next } from "../guards/guard.ts";
import { memberOfBody } from "../lib/read-body.ts";
import type { Impersonator, OrganizationChoice } from "../model.ts";
import { isCrossSiteWrite } from "../request/authenticate.ts";
import { type StoreReply, isMisconfigured, refusalOf, retryAfterOf } from "../request/call-store.ts";
import { type Instance, STORE_BUDGET } from "../request/instance.ts";
import type { Outcome, SealedSession } from "../store.ts";
import { conclude } from "./conclude.ts";
import {
  type Arrival,
  chooseReturnTo,
  keepPrivate,
  observe,
  refuse,
  returnToOfQuery,
  returnToOfStep,
} from "./handler-context.ts";
import { presentPending } from "./pending.ts";

/** Options of `auth.establish()`. */
export interface EstablishOptions {
  /**
   * Where the browser goes on, on this origin. @defaultValue `return_to` of the query, then of a parsed body, then what a
   * step-up was begun with, then `/`
   */
  readonly returnTo?: string | undefined;
}

/**
 * Ends a sign-in handler: sets the session cookie and goes on, or begins organization selection. Refusals and trouble of
 * the store are answered; a session that was there before in the same browser ends.
 *
 * A step-up is answered with `reauthentication_required`. What it goes on from is left with the browser: the handler of the
 * next step reads it by `auth.pendingAuthentication(req)`, and ends here again.
 *
 * Resolves when the answer has been given. Rejects, with nothing sent, for mistakes of the application's own: with what the
 * authentication threw, with `session_too_large`, or with a `ConfigurationError` where nothing can be sealed.
 */
// oxlint-disable-next-line max-params -- the method's own four, and the instance it is bound to
export function establish(
  instance: Instance,
  request: IncomingMessage,
  response: ServerResponse,
  authentication: Authentication | Promise<Authentication>,
  options: EstablishOptions = {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the application's own, unchanged
    const next: Next = (error) => (error === undefined ? resolve() : reject(error));
    const answered = (): void => {
      // An `onDenied` of the application's may take its time.
      if (response.writableEnded) resolve();
      else response.once("close", resolve);
    };
    signIn(instance, { request, response, next }, authentication, options).then(answered, reject);
  });
}

async function signIn(
  instance: Instance,
  arrival: Arrival,
  authentication: Authentication | Promise<Authentication>,
  { returnTo }: EstablishOptions,
): Promise<void> {
  const { request, response } = arrival;
  const reading = readAuthentication(authentication);
  keepPrivate(response);
  if (isCrossSiteWrite(instance, request)) {
    // Nobody waits for it any more, whatever it comes to.
    reading.catch(() => undefined);
    refuse(instance, observe(instance, arrival), { code: "cross_site_request" });
    return;
  }
  const reply = await reading;
  const visit = observe(instance, arrival);
  const before = await presentPending(instance, request);
  const candidates = [
    returnTo,
    returnToOfQuery(request),
    memberOfBody(request, "return_to"),
    returnToOfStep(before),
  ];
  const target = chooseReturnTo(instance, request, candidates);
  await conclude(instance, visit, { reply, returnTo: target, before, by: "sign_in" });
}

/** What an authority answers a sign-in with: the members that a session cookie carries. */
export interface AuthenticationResultLike {
  readonly accessToken: string;
  readonly refreshToken?: string | undefined;
  readonly user?: { readonly id: string } | undefined;
  readonly organizationId?: string | undefined;
  readonly authenticationMethod?: string | undefined;
  readonly impersonator?: Impersonator | undefined;
}

/** A completed authentication, or what must be done first. */
export type Authentication = Outcome | AuthenticationResultLike;

/**
 * Waits for an authentication. What orgate's own errors say becomes a value.
 *
 * @throws whatever else the application threw, unchanged.
 */
export async function readAuthentication(
  authentication: Authentication | Promise<Authentication>,
): Promise<StoreReply<Outcome>> {
  try {
    return { status: "answered", value: toOutcome(await authentication) };
  } catch (error) {
    return toReply(error);
  }
}

function toOutcome(given: Authentication): Outcome {
  if (isOutcome(given)) return given;
  if (isResult(given)) return { status: "authenticated", credential: toCredential(given) };
  throw new ConfigurationError([
    {
      code: "authentication_invalid",
      option: "establish",
      message: "was not given an authentication.",
      suggestion: "Pass what authority.authenticate({ ... }) returns, or an Outcome of your store.",
    },
  ]);
}

function isResult(value: unknown): value is AuthenticationResultLike {
  return typeof value === "object" && value !== null && typeof Reflect.get(value, "accessToken") === "string";
}

function toCredential(result: AuthenticationResultLike): SealedSession {
  const { accessToken, refreshToken, user, organizationId, authenticationMethod, impersonator } = result;
  return {
    accessToken,
    ...(refreshToken !== undefined && { refreshToken }),
    ...(user !== undefined && { user: { ...user } }),
    ...(organizationId !== undefined && { organizationId }),
    ...(authenticationMethod !== undefined && { authenticationMethod }),
    ...(impersonator !== undefined && { impersonator }),
  };
}

function toReply(error: unknown): StoreReply<Outcome> {
  const selection = selectionOf(error);
  if (selection !== undefined) return { status: "answered", value: selection };
  const refusal = refusalOf(error);
  if (refusal !== undefined) return refusal;
  if (isOrgateError(error) && error.code === "store_unavailable") {
    const retryAfter = Math.max(1, Math.ceil(retryAfterOf(error) ?? STORE_BUDGET));
    return { status: "unavailable", retryAfter: isMisconfigured(error) ? undefined : retryAfter };
  }
  throw error;
}

/** The organizations to choose between, as the error carries them. */
function selectionOf(error: unknown): Outcome | undefined {
  if (!isOrgateError(error) || error.code !== "organization_selection_required") return undefined;
  const { pendingAuthenticationToken, organizations } = error as OrgateError & {
    readonly pendingAuthenticationToken?: unknown;
    readonly organizations?: readonly OrganizationChoice[];
  };
  if (typeof pendingAuthenticationToken !== "string" || !Array.isArray(organizations)) return undefined;
  return { status: "selection_required", pending: { pendingAuthenticationToken }, organizations };
}

const REFUSALS: ReadonlySet<unknown> = new Set<Extract<Outcome, { status: "refused" }>["code"]>([
  "organization_not_available",
  "invalid_pending_authentication",
  "sign_in_failed",
  "session_revoked",
]);

/**
 * A store's outcome as it is declared.
 *
 * @throws StoreUnavailableError for anything else: nonsense is trouble of the store's, not an answer.
 */
export function checkOutcome(given: Outcome): Outcome {
  if (isOutcome(given)) return given;
  throw new StoreUnavailableError({ reason: "nonsense" });
}

/** A store's list of organizations as it is declared. Throws like {@link checkOutcome}. */
export function checkChoices(given: readonly OrganizationChoice[]): readonly OrganizationChoice[] {
  const value: unknown = given;
  if (!Array.isArray(value) || !value.every(isChoice))
    throw new StoreUnavailableError({ reason: "nonsense" });
  return given.map(({ id, name }) => ({ id, name }));
}

/** Whether a value is an outcome, complete enough to be acted upon. */
export function isOutcome(value: unknown): value is Outcome {
  if (!isRecord(value)) return false;
  const { credential, pending, organizations, reason, details, code } = value;
  switch (value["status"]) {
    case "authenticated":
      return isRecord(credential) && typeof credential["accessToken"] === "string";
    case "selection_required":
      return isPendingAuthentication(pending) && Array.isArray(organizations);
    case "step_up_required":
      return (
        typeof reason === "string" &&
        (pending === undefined || isPendingAuthentication(pending)) &&
        (details === undefined || isRecord(details))
      );
    case "refused":
      return REFUSALS.has(code);
    default:
      return false;
  }
}

function isPendingAuthentication(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { pendingAuthenticationToken: token, userId } = value;
  return typeof token === "string" && (userId === undefined || typeof userId === "string");
}

function isChoice(value: unknown): boolean {
  return isRecord(value) && typeof value["id"] === "string" && typeof value["name"] === "string";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
