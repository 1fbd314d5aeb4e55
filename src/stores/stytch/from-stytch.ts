import { ConfigurationError } from "../../errors.ts";
import type { JsonObject } from "../json-reply.ts";
import { readOutcome, type StytchOutcome } from "./outcome.ts";

/** What Stytch's own SDKs resolve to when somebody authenticates, as far as it is read here. */
export interface StytchResponse {
  readonly session_jwt?: string;
  readonly session_token?: string;
  readonly member_id?: string;
  readonly member?: {
    readonly member_id: string;
    readonly organization_id: string;
    readonly email_address?: string;
    readonly name?: string;
  };
  readonly organization?: { readonly organization_id: string };
  /** `false`: a further step is due. */
  readonly member_authenticated?: boolean;
  readonly intermediate_session_token?: string;
  readonly mfa_required?: object;
  readonly primary_required?: object;
  /** Of the `discovery.authenticate` calls: the organizations to choose between. */
  readonly discovered_organizations?: readonly {
    readonly organization?: { readonly organization_id: string; readonly organization_name: string };
  }[];
}

/**
 * Takes what an `authenticate` call of Stytch's own SDK resolved to, for `auth.establish()`.
 *
 * A session signs in; `member_authenticated: false` is a step-up with what the next step needs; a discovery leads to
 * organization selection.
 *
 * @example
 * ```ts
 * await auth.establish(req, res, client.magicLinks.authenticate({ magic_links_token }).then(fromStytch));
 * ```
 * @throws ConfigurationError for whatever is no such response.
 */
export function fromStytch(response: StytchResponse): StytchOutcome {
  const outcome =
    typeof response === "object" && response !== null
      ? readOutcome(response as StytchResponse & JsonObject)
      : undefined;
  if (outcome !== undefined) return outcome;
  throw new ConfigurationError([
    {
      code: "authentication_invalid",
      option: "fromStytch",
      message: "was not given an authentication.",
      suggestion: "Pass what an authenticate() call of Stytch's SDK resolves to.",
    },
  ]);
}
