import type { IncomingMessage, ServerResponse } from "node:http";
import express, { type NextFunction, type Request, type Response } from "express";
import connectServer from "connect";
import {
  definePolicy,
  isOrgateError,
  orgate,
  StoreUnavailableError,
  type AuthState,
  type ConfigurationProblem,
  type ErrorCode,
  type Member,
  type MemberSession,
  type Middleware,
  type Organization,
  type Orgate,
  type OrgateEvent,
  type Policy,
  type PolicyShape,
  type Profile,
  type SessionStore,
  type Verdict,
} from "orgate";
import { createAuthority, memoryDirectory, type AuthorityProfile } from "orgate/authority";
import { orgate as coreOrgate } from "orgate/core";
import { handler } from "orgate/express";
import { stytch, type StytchProfile } from "orgate/stytch";
import { workos, type WorkosProfile } from "orgate/workos";

// Nothing here runs: the assertion is that it compiles.

type Same<One, Other> = [One] extends [Other] ? ([Other] extends [One] ? true : false) : false;
type Holds<Truth extends true> = Truth;
/** `any` is whatever one wants it to be, and nothing else is. */
type IsAny<Type> = 0 extends 1 & Type ? true : false;

const directory = memoryDirectory({ users: [], organizations: [], memberships: [] });
const policy = definePolicy({
  resources: { documents: ["read", "write"], billing: ["manage"] },
  roles: { viewer: { documents: ["read"] }, admin: { documents: "*", billing: ["manage"] } },
});
const store = createAuthority({ issuer: "https://app.example.com", directory, policy });

// The quick start, as it stands in the documentation: a variable of the environment may be missing as far as types go.
const auth = orgate({
  baseUrl: "https://app.example.com",
  store,
  cookie: { password: process.env["COOKIE_PASSWORD"] },
  policy,
  maxTokenAge: 60,
});
export type NothingIsAny = [
  Holds<Same<IsAny<typeof auth>, false>>,
  Holds<Same<IsAny<ReturnType<typeof auth.session>>, false>>,
  Holds<Same<IsAny<Awaited<ReturnType<typeof auth.pendingAuthentication>>>, false>>,
];

// Guards know the policy.
auth.requirePermission("documents", "read");
auth.requirePermission("billing", "manage", { organization: "param:orgId", by: "slug", maxTokenAge: 0 });
auth.requireAnyPermission([
  ["documents", "write"],
  ["billing", "manage"],
]);
// @ts-expect-error a typing mistake in the action
auth.requirePermission("documents", "raed");
// @ts-expect-error a typing mistake in the resource
auth.requirePermission("documnets", "read");
// @ts-expect-error an action of another resource
auth.requirePermission("billing", "read");
// @ts-expect-error an action of another resource, in a list
auth.requireAnyPermission([["billing", "read"]]);
// @ts-expect-error no action
auth.requirePermission("documents");

// An application without a policy of its own asks for what it likes.
const open = orgate({ baseUrl: "https://app.example.com", store, cookie: { password: ["new", "old"] } });
open.requirePermission("any", "thing");
const loaded = orgate({ baseUrl: "https://app.example.com", store, policy: () => Promise.resolve(policy) });
// @ts-expect-error a policy that is loaded has a shape too
loaded.requirePermission("documents", "raed");
export type AnyInstance = Holds<Same<typeof open, Orgate<PolicyShape, string, AuthorityProfile>>>;
export const plain: Orgate = open;

// Options.
orgate({
  baseUrl: "https://a.example",
  store,
  cookie: { password: { 2: "newest", 1: "older" } },
  attach: false,
  cache: false,
  csrf: false,
});
orgate({
  baseUrl: "https://a.example",
  store,
  credentials: ["bearer", { jwtCookie: "session_jwt" }],
  attach: { organization: "tenant" },
});
orgate({
  baseUrl: "https://a.example",
  store,
  ipAddress: (request) => request.socket.remoteAddress,
  events: (event: OrgateEvent) => void event,
});
orgate({ baseUrl: "https://a.example", store, onDenied: async (denial) => denial.respond() });
declare const variable: string | undefined;
orgate({
  baseUrl: "https://a.example",
  store,
  cookie: { password: [variable, variable], domain: variable },
  signIn: variable === undefined ? undefined : { path: variable },
});
orgate({ baseUrl: "https://a.example", store, cookie: { password: { 2: variable, 1: variable } } });
// A callback may be written for Express's own request and response: they are what it gets there.
orgate({
  baseUrl: "https://a.example",
  store,
  ipAddress: (req: Request) => req.ip,
  onDenied: (denial, req: Request, res: Response, next: NextFunction) =>
    req.path === "/" ? next() : void res.status(denial.status).end(),
});
auth.requireAuth({
  organization: (req: Request) => req.get("x-org"),
  by: variable === "slug" ? variable : undefined,
});
auth.organizationSelection({ render: (view, _req: Request, res: Response) => res.render("choose", view) });
// @ts-expect-error no request at all
auth.requireAuth({ organization: (name: string) => name });
// @ts-expect-error not a name
auth.requireAuth({ organization: () => 7 });
// @ts-expect-error no baseUrl
orgate({ store });
// @ts-expect-error no store
orgate({ baseUrl: "https://a.example" });
// @ts-expect-error a typing mistake
orgate({ baseUrl: "https://a.example", store, maxTokenage: 60 });
// @ts-expect-error a duration as a string
orgate({ baseUrl: "https://a.example", store, maxTokenAge: "60" });
// @ts-expect-error a number for a password
orgate({ baseUrl: "https://a.example", store, cookie: { password: 7 } });
// @ts-expect-error a scheme that is not read
orgate({ baseUrl: "https://a.example", store, credentials: ["basic"] });
// @ts-expect-error something that is no store
orgate({ baseUrl: "https://a.example", store: {} });
// @ts-expect-error the cookie is always secure where it can be
orgate({ baseUrl: "https://a.example", store, cookie: { password: "x", secure: false } });

// Options of guards.
auth.requireAuth({ organization: (request) => request.headers.host });
auth.requireRole("admin");
auth.requireRole(["admin", "viewer"], { maxTokenAge: 0 });
// @ts-expect-error not a role of the policy
auth.requireRole("amdin");
// @ts-expect-error not a role of the policy
auth.requireRole(["admin", "owner"]);
auth.requireRecentAuth({ maxAge: 300 });
auth.requireFactor("totp");
auth.denyImpersonation();
// @ts-expect-error neither a parameter, a header nor a function
auth.requireAuth({ organization: "orgId" });
// @ts-expect-error compared with something else
auth.requireAuth({ organization: "param:orgId", by: "name" });
// @ts-expect-error how recent?
auth.requireRecentAuth({});
// @ts-expect-error how recent?
auth.requireRecentAuth();
// @ts-expect-error which role?
auth.requireRole();
// @ts-expect-error a typing mistake
auth.requireAuth({ maxTokenage: 0 });

// It is middleware of Express, of Connect and of node:http, and so are its guards.
const app = express();
app.use(auth);
app.use("/select-organization", auth.organizationSelection());
app.post("/sign-out", auth.signOut());
connectServer().use(auth).use("/documents", auth.requireAuth());
const asMiddleware: Middleware[] = [auth, auth.requireAuth(), auth.switchOrganization()];
export const run = (request: IncomingMessage, response: ServerResponse): void =>
  asMiddleware[0]?.(request, response, () => undefined);
// @ts-expect-error a guard that was not called is no middleware
app.get("/", auth["requireRole"]);

// On the request of Express: optional, because anybody may ask.
app.get("/:id", auth.requireAuth(), (request, response) => {
  const id: string = request.params.id;
  // @ts-expect-error nobody may be signed in
  request.member.id.trim();
  const name: string | undefined = request.member?.name ?? request.organization?.slug;
  // @ts-expect-error read-only
  request.member = undefined;
  response.json({ id, name, granting: request.verdict?.grantingRoles });
});
type Attached = Pick<Request, "member" | "organization" | "memberSession" | "verdict">;
export type Augmented = [
  Holds<Same<Attached["member"], Member | undefined>>,
  Holds<Same<Attached["organization"], Organization | undefined>>,
  Holds<Same<Attached["memberSession"], MemberSession | undefined>>,
  Holds<Same<Attached["verdict"], Verdict | undefined>>,
];

// In a handler of orgate/express: there, with Express's own types of parameters, bodies and queries.
app.get(
  "/documents/:id",
  auth.requirePermission("documents", "read"),
  handler<{ id: string }, { id: string }>((request, response) => {
    const { member, organization, memberSession, verdict } = request;
    const there: [string, string, string, string] = [
      member.id,
      organization.id,
      memberSession.id,
      request.params.id,
    ];
    // @ts-expect-error a parameter that the route does not have
    String(request.params.other);
    // @ts-expect-error only after a permission guard
    verdict.authorized.valueOf();
    response.json({ id: there.join() });
    // @ts-expect-error not what the response is made of
    response.json({ name: "x" });
  }),
);
app.post(
  "/documents",
  handler<object, unknown, { title: string }>(async (request) => request.body.title.length),
);
app.post(
  "/tenants/:tenant/documents/:id",
  handler<"/tenants/:tenant/documents/:id">((request, response) => {
    const { tenant, id }: { tenant: string; id: string } = request.params;
    // @ts-expect-error not in the path
    const { other } = request.params;
    const title: string = request.body.title;
    response.send([tenant, id, other, title]);
  }),
);
app.get(
  "/plain",
  handler((request, response) => response.send(request.member.id)),
);

// The session behind a guard: only the organization is optional.
declare const request: IncomingMessage;
declare const response: ServerResponse;
const { member, organization, memberSession } = auth.session(request);
export const certain: [string, string, string, readonly string[]] = [
  member.id,
  organization?.id ?? "none",
  memberSession.id,
  memberSession.roles,
];
// @ts-expect-error there may be none
export const unsure: string = organization.id;

// Questions that imply an organization say so in their answer.
export const inOrganization: Promise<string>[] = [
  auth.authorize(request, { permission: ["documents", "read"] }).then((who) => who.organization.id),
  auth.authorize(request, { role: "admin" }).then((who) => who.organization.id),
  auth.authorize(request, { organization: true }).then((who) => who.organization.id),
  auth.authorize(request, { organization: "org_acme" }).then((who) => who.organization.id),
];
// @ts-expect-error there may be none
void auth.authorize(request, { maxTokenAge: 0 }).then((who) => who.organization.id);
// @ts-expect-error not in the policy
void auth.authorize(request, { permission: ["documents", "raed"] });
// @ts-expect-error not a role of the policy
void auth.authorize(request, { role: "amdin" });
// @ts-expect-error a typing mistake
void auth.authorize(request, { maxTokenage: 0 });
// @ts-expect-error frozen
member.roles.push("admin");
// @ts-expect-error frozen
organization.id = "org_2";
// @ts-expect-error the member's details are there or not
memberSession.startedAt.length.toFixed();

// The state is a union, told apart by its status.
export function tell(state: AuthState): string {
  switch (state.status) {
    case "authenticated":
      return `${state.member.id} ${state.organization?.id ?? "-"} ${state.via}`;
    case "rejected":
      return state.code;
    case "unavailable":
      return `${state.code} ${state.retryAfter}`;
    default:
      return state.status satisfies "anonymous";
  }
}
// @ts-expect-error nobody may be signed in
String(auth.state(request).member);
export const told: string = tell(auth.state(request));

export async function inspect(): Promise<void> {
  const state = await auth.authenticate(request);
  const cookies: string | readonly string[] | undefined = state.headers["Set-Cookie"];
  const verdict = await auth.check(request, "documents", "write");
  const held: readonly string[] = verdict.explanation.held;
  // @ts-expect-error a typing mistake in the action
  await auth.check(request, "documents", "wirte");
  const profile = await auth.profile(request);
  await auth.invalidate({ sessionId: profile.member.id });
  // @ts-expect-error whose?
  await auth.invalidate({});
  await auth.establish(
    request,
    response,
    store.authenticate({ userId: held[0] ?? "", authenticationMethod: "Password" }),
  );
  await auth.close();
  void cookies;
}

// Errors are told by their brand.
export function codeOf(error: unknown): ErrorCode | undefined {
  if (!isOrgateError(error)) return undefined;
  const status: number = error.status;
  return status === 503 ? "store_unavailable" : error.code;
}
export const busy: number | undefined = new StoreUnavailableError({ retryAfter: 7 }).retryAfter;
declare const problem: ConfigurationProblem;
export const said: string = `${problem.code} ${problem.option} ${problem.message} ${problem.suggestion}`;

// A store of one's own needs no more than this.
export const own: SessionStore = {
  tokens: {
    keys: { load: () => Promise.resolve({ keys: [] }) },
    issuers: ["https://issuer.example"],
    algorithms: ["ES256"],
    types: ["JWT"],
    sessionClaim: "sid",
  },
  capabilities: { factors: false, authenticationTime: false, impersonation: false, renewsBareToken: false },
  interpret: (claims) => ({
    member: { id: claims.sub, roles: [] },
    memberSession: {
      id: String(claims["sid"]),
      memberId: claims.sub,
      authenticationFactors: [],
      roles: [],
      customClaims: null,
    },
  }),
  renew: async () => ({ status: "unrenewable" }),
};
// @ts-expect-error no symmetric algorithm is ever verified
own.tokens.algorithms.includes("HS256");

// Without Express: the same.
const core = coreOrgate({ baseUrl: "https://app.example.com", store, policy });
export type CoreIsTheSame = Holds<Same<typeof core, typeof auth>>;
export type PolicyOfShape = Holds<typeof policy extends Policy ? true : false>;

// The profile has the type of the store.
const onAuthority = orgate({
  baseUrl: "https://app.example.com",
  store: createAuthority({ issuer: "https://app.example.com", directory: memoryDirectory() }),
});
const onWorkos = orgate({ baseUrl: "https://app.example.com", store: workos({ clientId: "", apiKey: "" }) });
const onStytch = orgate({ baseUrl: "https://app.example.com", store: stytch({ projectId: "", secret: "" }) });
declare const ownStore: SessionStore;
const onOwn = orgate({ baseUrl: "https://app.example.com", store: ownStore });
export const profiles: [
  Promise<AuthorityProfile>,
  Promise<WorkosProfile>,
  Promise<StytchProfile>,
  Promise<Profile>,
] = [
  onAuthority.profile(request),
  onWorkos.profile(request),
  onStytch.profile(request),
  onOwn.profile(request),
];
export const fields = async (): Promise<(string | boolean | undefined)[]> => {
  const [{ member: ours, organization: tenant }, { member: theirs }, { member: user }] = await Promise.all([
    onAuthority.profile(request),
    onStytch.profile(request),
    onWorkos.profile(request),
  ]);
  return [ours.mfaPhoneNumber, tenant?.mfaPolicy, theirs.isBreakglass, user.profilePictureUrl];
};
// @ts-expect-error a store of one's own has the least
void onOwn.profile(request).then((profile) => profile.member.mfaEnrolled);
// @ts-expect-error not a value of the field
memoryDirectory().updateOrganization("org_acme", { mfaPolicy: "REQUIRED" });
// @ts-expect-error a time is no number
memoryDirectory().updateUser("user_ada", { createdAt: 0 });
