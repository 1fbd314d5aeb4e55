import { urlencoded, type Express, type Request } from "express";
import type { Authority, AuthenticateInput } from "orgate/authority";
import type { Authenticator } from "./authenticator.ts";
import { originOf } from "./session-routes.ts";
import type { Auth } from "./show.ts";
import { renderStep, type DueStep } from "./step-page.ts";
import type { DemoDirectory } from "./storage.ts";

/** What the routes need. */
export interface StepParts {
  readonly auth: Auth;
  readonly authority: Authority;
  readonly directory: DemoDirectory;
  readonly authenticator: Authenticator;
}

type Step = DueStep & Pick<AuthenticateInput, "userId" | "organizationId" | "pendingAuthenticationToken">;

/** Routes for what an organization demands beside the first sign-in: single sign-on, or a code. */
export function addStepRoutes(app: Express, { auth, authority, directory, authenticator }: StepParts): void {
  const form = urlencoded({ extended: false, limit: "8kb" });

  /** Reads the step that is due in this browser. */
  async function findStep(req: Request): Promise<Step | undefined> {
    const pending = await auth.pendingAuthentication(req);
    const { reason, details = {} } = pending?.stepUp ?? {};
    if (reason !== "primary_required" && reason !== "mfa_required") return undefined;
    const user = await directory.userByEmailAddress(String(details["emailAddress"]));
    const organization = await directory.organization(String(details["organizationId"]));
    if (user === undefined || organization === undefined) return undefined;
    return {
      reason,
      userId: user.id,
      emailAddress: user.emailAddress,
      organization: organization.name,
      organizationId: organization.id,
      code: authenticator.codeOf(user.id),
      pendingAuthenticationToken: pending?.pendingAuthenticationToken,
    };
  }

  app.get("/sign-in/step", async (req, res) => {
    const step = await findStep(req);
    if (step === undefined) res.redirect(303, "/sign-in");
    else res.send(renderStep(step));
  });

  app.post("/sign-in/code", form, async (req, res) => {
    const step = await findStep(req);
    const { code } = req.body as { code?: unknown };
    if (step === undefined) {
      res.redirect(303, "/sign-in");
    } else if (authenticator.accepts(step.userId, code)) {
      const { userId, pendingAuthenticationToken } = step;
      const authentication = authority.authenticate({
        userId,
        pendingAuthenticationToken,
        authenticationMethod: "totp",
        ...originOf(req),
      });
      await auth.establish(req, res, authentication);
    } else {
      res.status(400).send(renderStep(step, "This is not the code. Look again: it may have changed."));
    }
  });

  // A real application sends the browser to the identity provider, and checks what it answers with.
  app.post("/sign-in/sso", async (req, res) => {
    const step = await findStep(req);
    if (step === undefined) {
      res.redirect(303, "/sign-in");
      return;
    }
    const { userId, pendingAuthenticationToken } = step;
    const authentication = authority.authenticate({
      userId,
      pendingAuthenticationToken,
      authenticationMethod: "SSO",
      authenticationFactors: [
        { type: "sso", deliveryMethod: "sso_saml", samlSsoFactor: { providerId: "meridian-saml" } },
      ],
      ...originOf(req),
    });
    await auth.establish(req, res, authentication);
  });
}
