import { StoreUnavailableError } from "../../../errors.ts";
import { toStytchPolicy } from "./bodies.ts";
import { organizationNotFound, stytchError } from "./errors.ts";
import type { StytchHandler } from "./project.ts";

/** `GET /v1/b2b/sessions/jwks/:project_id`: the public keys that sign the session JWTs. */
export const answerProjectKeys: StytchHandler = async ({ context, options }, { segments: [projectId] }) => {
  if (projectId !== options.projectId) {
    throw stytchError(404, "project_not_found", "Project could not be found.");
  }
  const { keys } = await context.issuer.jwks();
  return {
    keys: keys.filter(({ alg }) => alg === "RS256").map((key) => ({ ...key, key_ops: ["verify"] })),
  };
};

/** `GET /v1/b2b/rbac/policy` */
export const answerPolicy: StytchHandler = async ({ context }) => {
  const body = toStytchPolicy(context.policy);
  // Without a policy the answer is unknown; an empty one would deny everything.
  if (body === undefined) throw new StoreUnavailableError({ reason: "policy_missing" });
  return { policy: body };
};

/** `GET /v1/b2b/rbac/organizations/:id`: no organization has roles of its own. */
export const answerOrganizationPolicy: StytchHandler = async (
  { context },
  { segments: [organizationId = ""] },
) => {
  const organization = await context.directory.organization(organizationId);
  if (organization === undefined) throw organizationNotFound();
  return { org_policy: { roles: [] } };
};
