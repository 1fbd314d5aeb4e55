import type { AuthenticationResult } from "../authority/authentication-result.ts";
import type { AuthenticateInput } from "../authority/sign-in.ts";
import { isOrgateError } from "../errors.ts";
import type { AuthenticationFactor, Impersonator, MemberSession } from "../model.ts";
import type { Orgate } from "../orgate.ts";
import { type CookieJar, createCookieJar } from "./cookie-jar.ts";
import {
  Agent,
  type AgentInit,
  type RequestFunction,
  type TestAgent,
  type TestRequest,
  type TestTarget,
} from "./test-agent.ts";
import type { TestAuthority } from "./test-authority.ts";

/** Options of `signedInAgents()`. */
export interface SignedInAgentsOptions<Request> {
  /** supertest: `import request from "supertest"`. */
  readonly request: RequestFunction<Request>;
  /** The application under test. */
  readonly app: TestTarget;
  /** The middleware that the application uses. */
  readonly auth: Pick<Orgate, "establish"> & Middleware;
  /** The store of the middleware. */
  readonly authority: TestAuthority;
}

type Middleware = (...parameters: Parameters<Orgate>) => void;

/** An agent of a member who has signed in. */
export interface SignedInAgent<Request> extends TestAgent<Request> {
  /** The session it signed in with: `authority.revoke({ sessionId: agent.memberSession.id })`. */
  readonly memberSession: MemberSession;
  copy(): SignedInAgent<Request>;
}

/** A sign-in that is being described. Each step returns a new one, so that two sign-ins can share their first steps. */
export interface SigningIn<Request> {
  /** Signs in to this organization. Rejects like `authority.authenticate`: `organization_not_available`, ... */
  in(organizationId: string): Promise<SignedInAgent<Request>>;
  /**
   * Signs in without naming an organization, as your sign-in page does.
   *
   * A user of several organizations is not signed in yet: the agent has the pending authentication, and chooses by a POST to
   * your organization selection.
   */
  anywhere(): Promise<TestAgent<Request>>;
  /** Makes the agent an API client with a bearer token instead of a browser with a cookie. */
  withBearer(): SigningIn<Request>;
  /** Sets the authentication method. @defaultValue `Password` */
  by(authenticationMethod: AuthenticateInput["authenticationMethod"]): SigningIn<Request>;
  /** Sets the authentication factors. @defaultValue one, by the method */
  withFactors(...factors: readonly AuthenticationFactor[]): SigningIn<Request>;
  /** Sets the custom claims of the token. */
  withClaims(customClaims: Readonly<Record<string, unknown>>): SigningIn<Request>;
  /** Makes the session one in which an impersonator acts as the user. */
  impersonatedBy(impersonator: Impersonator): SigningIn<Request>;
}

/** Makes agents: `as("user_ada").in("org_acme")`. */
export interface SignedInAgents<Request> {
  (userId: string): SigningIn<Request>;
  /** Makes a browser in which nobody is signed in. */
  nobody(): TestAgent<Request>;
}

/**
 * Makes agents that are signed in by the real code path.
 *
 * `authority.authenticate` opens the session, `auth.establish` seals it into the cookie, and the agent sends that cookie as
 * a browser on `baseUrl` would, `Secure` and `__Host-` cookies included.
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
 *   await ada.get("/documents").expect(200); // renews the session; the agent keeps the new cookie
 * });
 *
 * it("denies billing to impersonators", async () => {
 *   const support = await as("user_ada").impersonatedBy({ email: "help@example.com" }).in("org_acme");
 *   await support.get("/billing").expect(403);
 * });
 * ```
 */
export function signedInAgents<Request extends Sender>(
  options: SignedInAgentsOptions<Request>,
): SignedInAgents<Request> {
  const { request, app: target, authority } = options;
  const nobody = (): TestAgent<Request> =>
    new Agent({ request, target, cookies: createCookieJar(authority.clock) });
  const as = (userId: string): SigningIn<Request> =>
    planSignIn(options, { input: { userId, authenticationMethod: "Password" }, isBearer: false });
  return Object.assign(as, { nobody });
}

type Sender = TestRequest & PromiseLike<{ readonly status: number }>;

/** Who signs in, how, and with which kind of client. */
interface Plan {
  readonly input: AuthenticateInput;
  readonly isBearer: boolean;
}

function planSignIn<Request extends Sender>(
  options: SignedInAgentsOptions<Request>,
  plan: Plan,
): SigningIn<Request> {
  const { authority } = options;
  const withInput = (more: Partial<AuthenticateInput>): SigningIn<Request> =>
    planSignIn(options, { ...plan, input: { ...plan.input, ...more } });
  return {
    async in(organizationId) {
      return signIn(options, plan, await authority.authenticate({ ...plan.input, organizationId }));
    },
    async anywhere() {
      try {
        return await signIn(options, plan, await authority.authenticate(plan.input));
      } catch (error) {
        const mustChoose = isOrgateError(error) && error.code === "organization_selection_required";
        // A bearer has no browser in which to choose.
        if (!mustChoose || plan.isBearer) throw error;
        const { request, app } = options;
        const cookies = await establish(options, () => Promise.reject(error));
        return new Agent({ request, target: app, cookies });
      }
    },
    withBearer: () => planSignIn(options, { ...plan, isBearer: true }),
    by: (authenticationMethod) => withInput({ authenticationMethod }),
    withFactors: (...authenticationFactors) => withInput({ authenticationFactors }),
    withClaims: (customClaims) => withInput({ customClaims }),
    impersonatedBy: (impersonator) => withInput({ impersonator }),
  };
}

async function signIn<Request extends Sender>(
  options: SignedInAgentsOptions<Request>,
  { isBearer }: Plan,
  result: AuthenticationResult,
): Promise<SignedInAgent<Request>> {
  const { request, app: target, authority } = options;
  const credential = isBearer
    ? { cookies: createCookieJar(authority.clock), accessToken: result.accessToken }
    : { cookies: await establish(options, async () => result) };
  return new MemberAgent({ request, target, ...credential }, result.memberSession);
}

class MemberAgent<Request extends TestRequest> extends Agent<Request> implements SignedInAgent<Request> {
  readonly memberSession: MemberSession;

  constructor(init: AgentInit<Request>, memberSession: MemberSession) {
    super(init);
    this.memberSession = memberSession;
  }

  override copy(): MemberAgent<Request> {
    return new MemberAgent(this.copyInit(), this.memberSession);
  }
}

/** Runs `auth.establish` in a request of its own, as a sign-in handler does. Returns the cookies that it sets. */
async function establish<Request extends Sender>(
  { request, auth, authority }: SignedInAgentsOptions<Request>,
  authenticate: () => Promise<AuthenticationResult>,
): Promise<CookieJar> {
  const cookies = createCookieJar(authority.clock);
  const agent = new Agent({
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
  return cookies;
}
