import type { AuthenticationResult } from "../authority/authentication-result.ts";
import type { AuthenticateInput } from "../authority/sign-in.ts";
import { isOrgateError } from "../errors.ts";
import type { AuthenticationFactor, Impersonator, MemberSession } from "../model.ts";
import type { Orgate } from "../orgate.ts";
import {
  type RequestFunction,
  type TestAgent,
  type TestRequest,
  type TestTarget,
  createAgent,
  createVisitor,
} from "./cookie-jar.ts";
import type { TestAuthority } from "./test-authority.ts";

/** What signed-in agents are made of. */
export interface SignedInAgentsOptions<Request> {
  /** supertest: `import request from "supertest"`. */
  readonly request: RequestFunction<Request>;
  /** The application under test. */
  readonly app: TestTarget;
  /** The middleware that the application uses. */
  readonly auth: Pick<Orgate, "establish"> & Middleware;
  /** The store that the middleware was given. */
  readonly authority: TestAuthority;
}

type Middleware = (...parameters: Parameters<Orgate>) => void;

/** An agent that has signed in. */
export interface SignedInAgent<Request> extends TestAgent<Request> {
  /** The session it signed in with: `authority.revoke({ sessionId: agent.memberSession.id })`. */
  readonly memberSession: MemberSession;
  copy(): SignedInAgent<Request>;
}

/** A user who is about to sign in. Each step gives a new one, so that a half-told story can be told on in two ways. */
export interface SigningIn<Request> {
  /** Signs in to this organization. Rejects as `authority.authenticate` does: `organization_not_available`, ... */
  in(organizationId: string): Promise<SignedInAgent<Request>>;
  /**
   * Signs in without naming an organization, as your sign-in page does. A user of several is not signed in yet: the agent
   * holds the pending authentication and must choose, by a POST to your organization selection.
   */
  anywhere(): Promise<TestAgent<Request>>;
  /** As an API client with a bearer token, in place of a browser with a cookie. */
  withBearer(): SigningIn<Request>;
  /** By this method. @defaultValue `Password` */
  by(authenticationMethod: AuthenticateInput["authenticationMethod"]): SigningIn<Request>;
  /** With these authentication factors. @defaultValue one, by the method */
  withFactors(...factors: readonly AuthenticationFactor[]): SigningIn<Request>;
  /** With these claims in the token. */
  withClaims(customClaims: Readonly<Record<string, unknown>>): SigningIn<Request>;
  /** While somebody else is acting in the user's name. */
  impersonatedBy(impersonator: Impersonator): SigningIn<Request>;
}

/** Makes agents: `as("user_ada").in("org_acme")`. */
export interface SignedInAgents<Request> {
  (userId: string): SigningIn<Request>;
  /** A browser that nobody has signed in with. */
  nobody(): TestAgent<Request>;
}

/**
 * Makes agents that are signed in over the real code path: `authority.authenticate` opens the session, `auth.establish`
 * seals it into the cookie, and the agent sends that cookie, `Secure` and `__Host-` included, as a browser on
 * `baseUrl` would.
 *
 * @example
 * ```ts
 * import request from "supertest";
 *
 * const as = signedInAgents({ request, app, auth, authority });
 *
 * it("lets editors write", async () => {
 *   const ada = await as("user_ada").in("org_acme");
 *   await ada.post("/documents").send({ title: "Plan" }).expect(201);
 *   authority.advance(306);
 *   await ada.get("/documents").expect(200); // renewed on the way; the agent has taken up the new cookie
 * });
 *
 * it("keeps billing from whoever impersonates", async () => {
 *   const support = await as("user_ada").impersonatedBy({ email: "help@example.com" }).in("org_acme");
 *   await support.get("/billing").expect(403);
 * });
 * ```
 */
export function signedInAgents<Request extends TestRequest & PromiseLike<{ readonly status: number }>>(
  options: SignedInAgentsOptions<Request>,
): SignedInAgents<Request> {
  const { request, app, authority } = options;
  const nobody = (): TestAgent<Request> => createVisitor(request, app, authority.clock);
  const as = (userId: string): SigningIn<Request> =>
    describeSigningIn(options, { input: { userId, authenticationMethod: "Password" }, isBearer: false });
  return Object.assign(as, { nobody });
}

interface Story {
  readonly input: AuthenticateInput;
  readonly isBearer: boolean;
}

type Sender = TestRequest & PromiseLike<{ readonly status: number }>;

function describeSigningIn<Request extends Sender>(
  options: SignedInAgentsOptions<Request>,
  story: Story,
): SigningIn<Request> {
  const tell = (more: Partial<AuthenticateInput>): SigningIn<Request> =>
    describeSigningIn(options, { ...story, input: { ...story.input, ...more } });
  return {
    async in(organizationId) {
      const result = await options.authority.authenticate({ ...story.input, organizationId });
      return signIn(options, story, result);
    },
    anywhere: () => signInAnywhere(options, story),
    withBearer: () => describeSigningIn(options, { ...story, isBearer: true }),
    by: (authenticationMethod) => tell({ authenticationMethod }),
    withFactors: (...authenticationFactors) => tell({ authenticationFactors }),
    withClaims: (customClaims) => tell({ customClaims }),
    impersonatedBy: (impersonator) => tell({ impersonator }),
  };
}

async function signInAnywhere<Request extends Sender>(
  options: SignedInAgentsOptions<Request>,
  story: Story,
): Promise<TestAgent<Request>> {
  try {
    return await signIn(options, story, await options.authority.authenticate(story.input));
  } catch (error) {
    const mustChoose = isOrgateError(error) && error.code === "organization_selection_required";
    // A bearer has no browser in which to choose: it is told what the authority said.
    if (!mustChoose || story.isBearer) throw error;
    return establish(options, () => Promise.reject(error));
  }
}

async function signIn<Request extends Sender>(
  options: SignedInAgentsOptions<Request>,
  { isBearer }: Story,
  result: AuthenticationResult,
): Promise<SignedInAgent<Request>> {
  const { request, app: target } = options;
  const visitor = createVisitor(request, target, options.authority.clock);
  const agent = isBearer
    ? createAgent({ request, target, cookies: visitor.cookies, accessToken: result.accessToken })
    : await establish(options, async () => result);
  return withSession(agent, result.memberSession);
}

function withSession<Request>(
  agent: TestAgent<Request>,
  memberSession: MemberSession,
): SignedInAgent<Request> {
  // The token's getter must stay one: it changes with each renewal.
  return Object.freeze(
    Object.create(agent, {
      memberSession: { value: memberSession, enumerable: true },
      copy: { value: () => withSession(agent.copy(), memberSession), enumerable: true },
    }) as SignedInAgent<Request>,
  );
}

/** Runs `auth.establish` in a request of its own, the way a sign-in handler does, and keeps the cookies it answers with. */
async function establish<Request extends Sender>(
  { request, app, auth, authority }: SignedInAgentsOptions<Request>,
  authenticate: () => Promise<AuthenticationResult>,
): Promise<TestAgent<Request>> {
  const { cookies } = createVisitor(request, app, authority.clock);
  const agent = createAgent({
    request,
    cookies,
    target(incoming, response) {
      auth(incoming, response, () => {
        void auth.establish(incoming, response, authenticate(), { returnTo: "/" });
      });
    },
  });
  const sent = agent.post("/");
  sent.set("Accept", "text/html");
  const { status } = await sent;
  if (status !== 303) throw new Error(`signing in failed: auth.establish answered ${status}`);
  return createAgent({ request, target: app, cookies });
}
