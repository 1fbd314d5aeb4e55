import { randomBytes } from "node:crypto";
import { OrganizationSelectionRequiredError, OrgateError } from "../errors.ts";
import type { AuthenticationFactor, Impersonator, OrganizationChoice } from "../model.ts";
import { factorOf } from "./authority.ts";
import {
  checkCustomClaims,
  checkId,
  checkImpersonator,
  checkOptionalFactors,
  checkOptionalId,
  checkOptionalToken,
  checkToken,
} from "./check-input.ts";
import type { DirectoryUser } from "./directory.ts";
import { acceptInvitation } from "./invitations.ts";
import type {
  AuthenticateInput,
  AuthenticateWithOrganizationSelectionInput,
  AuthenticationResult,
  SealRequest,
} from "./operations.ts";
import type { AuthorityContext } from "./context.ts";
import { hashToken } from "./refresh-token.ts";
import { findSealPassword, presentAuthentication } from "./results.ts";
import { type SessionOrigin, openSession, recordOrigin, removeSession } from "./sessions.ts";
import { type Subject, loadSubject } from "./subject.ts";
import { type WireClient, isWireClient, mayUse } from "./wire-client.ts";

/** Signs in a user whom the application has authenticated. */
export async function authenticate(
  context: AuthorityContext,
  input: AuthenticateInput,
): Promise<AuthenticationResult> {
  const userId = checkId("userId", input.userId);
  const organizationId = checkOptionalId("organizationId", input.organizationId);
  const evidence = checkEvidence(context, input);
  findSealPassword(input);
  return signIn(context, { userId, organizationId, invitationToken: input.invitationToken, evidence }, input);
}

/** Who signs in, and to what. */
export interface SignIn {
  readonly userId: string;
  readonly organizationId?: string | undefined;
  readonly invitationToken?: string | undefined;
  readonly evidence: Evidence;
}

/** Signs in a user by evidence that was checked before. */
export async function signIn(
  context: AuthorityContext,
  { userId, organizationId, invitationToken, evidence }: SignIn,
  request: SealRequest,
): Promise<AuthenticationResult> {
  const user = await readUser(context, userId);
  const wanted = await joinByInvitation(context, invitationToken, { user, organizationId });
  const subject =
    wanted === undefined
      ? await chooseOnly(context, user, evidence)
      : await requireMember(context, userId, wanted);
  const opened = await openSession(context, subject, toOrigin(context, evidence));
  return presentAuthentication(
    context,
    { record: opened.record, subject, refreshToken: opened.refreshToken.token },
    request,
  );
}

/** Completes a pending authentication with the organization chosen. */
export async function authenticateWithOrganizationSelection(
  context: AuthorityContext,
  input: AuthenticateWithOrganizationSelectionInput,
): Promise<AuthenticationResult> {
  const token = checkToken("pendingAuthenticationToken", input.pendingAuthenticationToken);
  const organizationId = checkId("organizationId", input.organizationId);
  findSealPassword(input);
  const pending = await readPending(context, token);
  const user = await readUser(context, pending.userId);
  await joinByInvitation(context, input.invitationToken, { user, organizationId });
  const subject = await requireMember(context, pending.userId, organizationId);
  const origin = toOrigin(context, { ...pending, ...recordOrigin(input) });
  const opened = await openSession(context, subject, origin);
  // The token is spent last, so that trouble before this line leaves it whole; whoever loses takes the session back.
  if (!(await spendOrUndo(context, token, opened.record.id))) throw pendingIsSpent();
  return presentAuthentication(
    context,
    { record: opened.record, subject, refreshToken: opened.refreshToken.token },
    input,
  );
}

/** The organizations that the user is a member of now. */
export async function listOrganizations(
  { directory }: AuthorityContext,
  userId: string,
): Promise<OrganizationChoice[]> {
  const memberships = await directory.memberships(userId);
  const organizations = await Promise.all(
    memberships.map((membership) => directory.organization(membership.organizationId)),
  );
  const choices = organizations.flatMap((one) => (one === undefined ? [] : [{ id: one.id, name: one.name }]));
  return [...new Map(choices.map((choice) => [choice.id, choice])).values()];
}

async function spendOrUndo(context: AuthorityContext, token: string, sessionId: string): Promise<boolean> {
  let isSpent = false;
  try {
    isSpent = await spendPending(context, token);
    return isSpent;
  } finally {
    if (!isSpent) await removeSession(context, sessionId);
  }
}

/** How somebody authenticated. */
export type Evidence = Omit<PendingRecord, "version" | "expiresAt" | "userId">;

/** Reads how somebody authenticated, now, out of what the application says. */
export function checkEvidence({ clock }: AuthorityContext, input: AuthenticateInput): Evidence {
  const method = checkId("authenticationMethod", input.authenticationMethod);
  const now = Math.floor(clock());
  const impersonator = checkImpersonator(input.impersonator);
  return {
    authenticationMethod: method,
    authenticationFactors: checkOptionalFactors(input.authenticationFactors) ?? [factorOf(method, now)],
    ...(impersonator !== undefined && { impersonator }),
    customClaims: checkCustomClaims(input.customClaims),
    ...recordOrigin(input),
    authenticatedAt: now,
  };
}

function toOrigin({ clock, settings }: AuthorityContext, evidence: Evidence): SessionOrigin {
  const now = Math.floor(clock());
  return {
    authenticationMethod: evidence.authenticationMethod,
    authenticationFactors: evidence.authenticationFactors,
    ...(evidence.impersonator !== undefined && { impersonator: evidence.impersonator }),
    customClaims: evidence.customClaims,
    ...(evidence.client !== undefined && { client: evidence.client }),
    ...(evidence.ipAddress !== undefined && { ipAddress: evidence.ipAddress }),
    ...(evidence.userAgent !== undefined && { userAgent: evidence.userAgent }),
    authenticatedAt: evidence.authenticatedAt,
    startedAt: now,
    expiresAt: now + Math.floor(settings.sessionLifetime),
  };
}

async function readUser({ directory }: AuthorityContext, userId: string): Promise<DirectoryUser> {
  const user = await directory.user(userId);
  if (user === undefined) throw new OrgateError("sign_in_failed", { reason: "user_not_found" });
  return user;
}

async function joinByInvitation(
  context: AuthorityContext,
  invitationToken: string | undefined,
  wanted: { user: DirectoryUser; organizationId: string | undefined },
): Promise<string | undefined> {
  const token = checkOptionalToken("invitationToken", invitationToken);
  return token === undefined ? wanted.organizationId : acceptInvitation(context, token, wanted);
}

async function requireMember(
  { directory }: AuthorityContext,
  userId: string,
  organizationId: string,
): Promise<Subject> {
  const subject = await loadSubject(directory, userId, organizationId);
  if (subject === "user_removed") throw new OrgateError("sign_in_failed", { reason: "user_not_found" });
  if (subject === "membership_removed") throw new OrgateError("organization_not_available");
  return subject;
}

/** The one organization of the user, or none; throws for the user to choose where there are several. */
async function chooseOnly(
  context: AuthorityContext,
  user: DirectoryUser,
  evidence: Evidence,
): Promise<Subject> {
  const organizations = await listOrganizations(context, user.id);
  const [only] = organizations;
  if (only === undefined) return { user };
  if (organizations.length === 1) return requireMember(context, user.id, only.id);
  const token = await openPending(context, { userId: user.id, ...evidence });
  throw new OrganizationSelectionRequiredError(token, organizations);
}

/** Somebody who authenticated and must still choose an organization, as it is stored. */
export interface PendingRecord {
  readonly version: 1;
  readonly userId: string;
  readonly authenticationMethod: string;
  readonly authenticationFactors: readonly AuthenticationFactor[];
  readonly impersonator?: Impersonator;
  readonly customClaims: Readonly<Record<string, unknown>> | null;
  /** The wire's client that it was begun for; absent for the application's own. */
  readonly client?: WireClient;
  readonly ipAddress?: string;
  readonly userAgent?: string;
  readonly authenticatedAt: number;
  readonly expiresAt: number;
}

const TOKEN_BYTES = 32;
const TOKEN_SHAPE = /^[\w-]{43}$/;

/** Makes a random token of 256 bits that is stored by its hash alone. */
export function makeSingleUseToken(): string {
  return randomBytes(TOKEN_BYTES).toString("base64url");
}

/** The name that a token is stored under; `undefined`: it is none of ours. */
export function nameOfToken(token: string): string | undefined {
  return TOKEN_SHAPE.test(token) ? hashToken(token) : undefined;
}

/** Stores a pending authentication; answers with the token that completes it, once. */
export async function openPending(
  { repository, clock, settings, wire }: AuthorityContext,
  pending: Omit<PendingRecord, "version" | "expiresAt">,
): Promise<string> {
  const token = makeSingleUseToken();
  const expiresAt = clock() + settings.pendingLifetime;
  const client = wire?.client;
  const record: PendingRecord = {
    ...pending,
    ...(client !== undefined && { client }),
    version: 1,
    expiresAt,
  };
  await repository.insert("pending", hashToken(token), record, { expiresAt });
  return token;
}

/** Reads a pending authentication without spending it; throws `invalid_pending_authentication` where there is none. */
export async function readPending(context: AuthorityContext, token: string): Promise<PendingRecord> {
  const name = nameOfToken(token);
  const found = name === undefined ? undefined : await context.repository.read("pending", name);
  const record = found?.value;
  // Not every repository keeps time as exactly as the record does.
  const isGood = isPending(record) && context.clock() < record.expiresAt;
  if (isGood && mayUse(record.client, context.wire?.client)) return record;
  throw pendingIsSpent();
}

/** Spends a pending authentication: of several at once, exactly one is told `true`. */
export async function spendPending(context: AuthorityContext, token: string): Promise<boolean> {
  return (await context.repository.consume("pending", hashToken(token))) !== undefined;
}

/** The pending authentication is expired, spent, or was never made. */
export function pendingIsSpent(): OrgateError {
  return new OrgateError("invalid_pending_authentication");
}

function isPending(value: unknown): value is PendingRecord {
  return (
    typeof value === "object" &&
    value !== null &&
    Reflect.get(value, "version") === 1 &&
    typeof Reflect.get(value, "userId") === "string" &&
    typeof Reflect.get(value, "authenticationMethod") === "string" &&
    Array.isArray(Reflect.get(value, "authenticationFactors")) &&
    typeof Reflect.get(value, "customClaims") === "object" &&
    (Reflect.get(value, "client") === undefined || isWireClient(Reflect.get(value, "client"))) &&
    typeof Reflect.get(value, "authenticatedAt") === "number" &&
    typeof Reflect.get(value, "expiresAt") === "number"
  );
}
