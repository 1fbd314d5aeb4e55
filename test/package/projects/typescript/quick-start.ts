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

type Known<T> = 0 extends 1 & T ? "any" : "known";

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

export const known: readonly "known"[] = [
  "known" satisfies Known<typeof auth>,
  "known" satisfies Known<typeof auth.requirePermission>,
  "known" satisfies Known<typeof authority>,
  "known" satisfies Known<ReturnType<typeof auth.state>>,
  "known" satisfies Known<Awaited<ReturnType<typeof authority.authenticate>>>,
  "known" satisfies Known<Request["member"]>,
  "known" satisfies Known<Request["organization"]>,
  "known" satisfies Known<Request["memberSession"]>,
  "known" satisfies Known<Request["verdict"]>,
];

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
app.use("/select-organization", auth.organizationSelection());

// @ts-expect-error -- no such action
auth.requirePermission("documents", "raed");
// @ts-expect-error -- no such resource
auth.requirePermission("document", "read");
// @ts-expect-error -- no such option
orgate({ baseUrl: "https://app.example.com", store: authority, maxTokenage: 60 });

const state = auth.state({} as Request);
if (state.status === "authenticated") {
  const via: "bearer" | "cookie" = state.via;
  console.log(via, state.member.id);
}
