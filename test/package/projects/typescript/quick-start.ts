import type { IncomingMessage, ServerResponse } from "node:http";
import express, { type Request, type RequestHandler } from "express";
import {
  definePolicy,
  orgate,
  type Member,
  type MemberSession,
  type Organization,
  type Verdict,
} from "orgate";
import { createAuthority, memoryDirectory } from "orgate/authority";
import { handler } from "orgate/express";

/** Nothing but `any` (and what a lost type turns into) can be passed: each call must be an error. */
declare function acceptOnlyAny(value: { readonly any: unique symbol }): void;

const policy = definePolicy({
  resources: { documents: ["read", "write"], billing: ["manage"] },
  roles: { viewer: { documents: ["read"] }, admin: { documents: "*", billing: ["manage"] } },
});
const directory = memoryDirectory({ users: [], organizations: [], memberships: [] });
const authority = createAuthority({ issuer: "https://app.example.com", directory, policy });
const auth = orgate({
  baseUrl: "https://app.example.com",
  store: authority,
  cookie: { password: process.env["COOKIE_PASSWORD"] },
  policy,
});

declare const expressRequest: Request;

// @ts-expect-error
acceptOnlyAny(auth);
// @ts-expect-error
acceptOnlyAny(auth.requirePermission("documents", "read"));
// @ts-expect-error
acceptOnlyAny(auth.state(expressRequest));
// @ts-expect-error
acceptOnlyAny(authority);
// @ts-expect-error
acceptOnlyAny(directory);
// @ts-expect-error
acceptOnlyAny(policy);
// @ts-expect-error
acceptOnlyAny(expressRequest.member);
// @ts-expect-error
acceptOnlyAny(expressRequest.organization);
// @ts-expect-error
acceptOnlyAny(expressRequest.memberSession);
// @ts-expect-error
acceptOnlyAny(expressRequest.verdict);
authority.authenticate({ userId: "user_ada", authenticationMethod: "Password" }).then((authentication) => {
  // @ts-expect-error
  acceptOnlyAny(authentication);
  const token: string = authentication.accessToken;
  return token;
}, console.error);

export const asExpressSeesIt: RequestHandler[] = [
  auth,
  auth.requireAuth(),
  auth.requirePermission("documents", "read"),
  auth.organizationSelection(),
];
export const asNodeSeesIt: (
  req: IncomingMessage,
  res: ServerResponse,
  next: (error?: unknown) => void,
) => void = auth;

const app = express();
app.use(auth);
app.get("/documents/:id", auth.requirePermission("documents", "write"), (req, res) => {
  const id: string | string[] = req.params.id;
  const member: Member | undefined = req.member;
  const organization: Organization | undefined = req.organization;
  const memberSession: MemberSession | undefined = req.memberSession;
  const verdict: Verdict | undefined = req.verdict;
  res.json({ id, member, organization, memberSession, verdict });
});
app.get(
  "/tenants/:tenant",
  auth.requireOrganization({ organization: "param:tenant" }),
  handler<{ tenant: string }>((req, res) => {
    const tenant: string = req.params.tenant;
    const member: Member = req.member;
    const organization: Organization = req.organization;
    res.json({ tenant, member, organization });
  }),
);
app.use("/select-organization", auth.organizationSelection());

// @ts-expect-error -- no such action
auth.requirePermission("documents", "raed");
// @ts-expect-error -- no such resource
auth.requirePermission("document", "read");
// @ts-expect-error -- no such option
orgate({ baseUrl: "https://app.example.com", store: authority, maxTokenage: 60 });

const state = auth.state(expressRequest);
if (state.status === "authenticated") {
  const via: "bearer" | "cookie" = state.via;
  console.log(via, state.member.id);
}
