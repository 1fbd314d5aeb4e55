import type { IncomingMessage } from "node:http";
import { inspect } from "node:util";
import { StoreUnavailableError } from "../../src/errors.ts";
import type { Orgate } from "../../src/orgate.ts";
import type { Outcome, PendingAuthentication } from "../../src/store.ts";
import { makeTenancy, type Handler, type Route, type Tenancy, type TenancyOptions } from "./apps.ts";
import type { World } from "./world.ts";

/** What a handler of the application sees of a pending authentication. */
export interface SeenPending {
  readonly token: string;
  readonly returnTo: string;
  readonly stepUp?: { readonly reason: string; readonly details: Record<string, unknown> };
  /** Whether `inspect` or JSON showed the token. */
  readonly shows: boolean;
}

/** An application whose organizations require a second factor, which `/mfa` accepts. */
export interface StepUpTenancy extends Tenancy {
  /** The tokens that were issued with a step, in order. */
  readonly handedOut: string[];
  /** The choices that reached the store, with their tokens. */
  readonly asked: string[];
  /** Whether a step's token may choose another organization, as at Stytch. */
  letsChooseAgain: boolean;
  isDown: boolean;
  /** Whether the step has no token of its own, so that the previous one stays usable. */
  spendsNothing: boolean;
}

const CHOICES = ["org_acme", "org_globex"];

/** Makes an application that requires step-ups. */
export function makeStepUpTenancy(options: Omit<TenancyOptions, "overrides"> = {}): StepUpTenancy {
  const spent = new Set<string>();
  const steps: string[] = [];
  const asked: string[] = [];

  const select = async (
    { pendingAuthenticationToken: token }: PendingAuthentication,
    organizationId: string,
  ): Promise<Outcome> => {
    asked.push(`${token} ${organizationId}`);
    if (app.isDown) throw new StoreUnavailableError({ retryAfter: 3 });
    const isStep = steps.includes(token);
    if (spent.has(token) || (isStep && !app.letsChooseAgain)) {
      return { status: "refused", code: "invalid_pending_authentication" };
    }
    if (!CHOICES.includes(organizationId)) return { status: "refused", code: "organization_not_available" };
    const step = { status: "step_up_required", reason: "mfa_required", details: { organizationId } } as const;
    if (app.spendsNothing) return step;
    spent.add(token);
    const next = `the-token-of-step-${steps.length + 1}`;
    steps.push(next);
    return { ...step, pending: { pendingAuthenticationToken: next, userId: "user_ada" } };
  };

  const base = makeTenancy({
    ...options,
    routes: (auth, world) => [...routesOf(auth, world), ...(options.routes?.(auth, world) ?? [])],
    overrides: (real) => ({
      selectOrganization: select,
      organizations: (of, context) =>
        "pendingAuthenticationToken" in of && steps.includes(of.pendingAuthenticationToken)
          ? Promise.resolve(CHOICES.map((id) => ({ id, name: id })))
          : real.organizations!(of, context),
    }),
  });
  const app: StepUpTenancy = {
    ...base,
    handedOut: steps,
    asked,
    letsChooseAgain: false,
    isDown: false,
    spendsNothing: false,
  };
  return app;
}

function routesOf(auth: Orgate, world: World): Route[] {
  return [
    { path: "/pending", handler: tellPending(auth) },
    {
      path: "/mfa",
      async handler(request, response) {
        const pending = await auth.pendingAuthentication(request);
        const organizationId = pending?.stepUp?.details["organizationId"];
        const authentication =
          request.headers["x-code"] === "123456" && typeof organizationId === "string"
            ? world.authority.authenticate({
                userId: "user_ada",
                organizationId,
                authenticationMethod: "MFA",
              })
            : ({ status: "refused", code: codeOf(request) } as const);
        await auth.establish(request, response, authentication);
      },
    },
  ];
}

function codeOf({ headers }: IncomingMessage): "sign_in_failed" | "invalid_pending_authentication" {
  return headers["x-code"] === "too-late" ? "invalid_pending_authentication" : "sign_in_failed";
}

/** Answers with the pending authentication that the application reads. */
export function tellPending(auth: Orgate): Handler {
  return async (request, response) => {
    const pending = await auth.pendingAuthentication(request);
    const seen = pending && {
      token: pending.pendingAuthenticationToken,
      returnTo: pending.returnTo,
      ...(pending.stepUp !== undefined && { stepUp: pending.stepUp }),
      shows: `${inspect(pending, { depth: null })}${JSON.stringify(pending)}`.includes(
        pending.pendingAuthenticationToken,
      ),
    };
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(seen ?? null));
  };
}
