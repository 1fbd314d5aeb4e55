import { channel } from "node:diagnostics_channel";
import { inspect } from "node:util";
import { expect, it } from "@jest/globals";
import type { VerifiedClaims } from "../../../src/store.ts";
import { claimsOf, context, makeWorld, refusal, signInAda } from "./set-up.ts";

const COOKIE_PASSWORD = "canary-password-of-more-than-thirty-two-characters";

/** Every part of a secret that is long enough to be of use. */
function fragmentsOf(secret: string): readonly string[] {
  return Array.from({ length: Math.max(secret.length - 11, 0) }, (_, index) =>
    secret.slice(index, index + 12),
  );
}

it("R-44: no error, event or inspection shows a token", async () => {
  const world = makeWorld();
  const { authority, clock } = world;
  const heard: unknown[] = [];
  const reuse = channel("orgate:reuse_detected");
  const listen = (message: unknown): unknown => heard.push(message);
  reuse.subscribe(listen);

  const selection = await refusal(
    authority.authenticate({ userId: "user_ada", authenticationMethod: "SSO" }),
  );
  const pending = String(Reflect.get(selection, "pendingAuthenticationToken"));
  const first = await signInAda(world);
  const second = await authority.authenticateWithRefreshToken({ refreshToken: first.refreshToken });
  await authority.authenticateWithRefreshToken({ refreshToken: second.refreshToken });
  clock.now += 100_000;
  const claims = claimsOf(first.accessToken) as unknown as VerifiedClaims;
  const invitation = await authority.invite({
    emailAddress: "x@example.com",
    organizationId: "org_acme",
    roles: [],
  });
  const session = { sealSession: true, cookiePassword: COOKIE_PASSWORD.slice(0, 31) };
  const answers: unknown[] = [
    selection,
    await refusal(authority.authenticateWithRefreshToken({ refreshToken: first.refreshToken })),
    await refusal(authority.authenticateWithRefreshToken({ refreshToken: second.refreshToken })),
    await refusal(authority.authenticateWithRefreshToken({ refreshToken: `${first.refreshToken}x` })),
    await refusal(authority.authenticateWithRefreshToken({ refreshToken: first.refreshToken, session })),
    await refusal(authority.authenticateJwt({ sessionJwt: first.accessToken })),
    await refusal(authority.authenticateJwt({ sessionJwt: `${first.accessToken}x` })),
    await refusal(authority.exchange({ sessionJwt: first.accessToken, organizationId: "org_acme" })),
    await refusal(authority.exchange({ sessionToken: first.accessToken, organizationId: "org_acme" })),
    await refusal(
      authority.authenticateWithOrganizationSelection({
        pendingAuthenticationToken: pending,
        organizationId: "org_acme",
      }),
    ),
    await refusal(
      authority.authenticate({
        userId: "user_bob",
        authenticationMethod: "SSO",
        invitationToken: invitation.token,
      }),
    ),
    await authority.renew({ reason: "expired", accessToken: first.accessToken, claims }, context()),
    authority,
    world.events,
    heard,
  ];
  reuse.unsubscribe(listen);

  const shown = answers
    .flatMap((answer) => [
      inspect(answer, { depth: 10, showHidden: false }),
      JSON.stringify(answer),
      answer instanceof Error ? `${String(answer.stack)} ${String(answer.cause)}` : "",
    ])
    .join("\n");
  const secrets = [
    first.refreshToken.slice(24),
    second.refreshToken.slice(24),
    first.accessToken.split(".")[2] ?? "",
    pending,
    invitation.token,
    COOKIE_PASSWORD,
  ];
  expect(heard).toHaveLength(1);
  expect(secrets.flatMap(fragmentsOf).filter((fragment) => shown.includes(fragment))).toEqual([]);
  expect(secrets.every((secret) => fragmentsOf(secret).length > 10)).toBe(true);
});
