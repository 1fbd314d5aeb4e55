// npm run demo:stytch: an application on Stytch B2B, with sign-in by e-mail links.
//
// Without STYTCH_SECRET, orgate's own authority stands in for Stytch on another port, and the link is printed here. With
// STYTCH_PROJECT_ID, STYTCH_SECRET and COOKIE_PASSWORD it runs on the live service: allow
// http://localhost:3000/authenticate as a discovery redirect URL in the dashboard, and give the resource "documents" the
// actions read and delete.
import { randomBytes } from "node:crypto";
import express, { type Express } from "express";
import { isOrgateError, type OrganizationSelectionRequiredError, type Outcome } from "orgate";
import { stytchRouter, type StytchRouter } from "orgate/authority/stytch";
import { stytch } from "orgate/stytch";
import { B2BClient } from "stytch";
import { createApplication, type Backend, type Site } from "./hosted/application.ts";
import { createLocalAuthority, directory, page } from "./hosted/company.ts";
import { makePassword, portsOf, reserve, type Environment, type Running } from "./hosted/serve.ts";

/** A project at Stytch, or at the local server in its place. */
export interface Project {
  readonly projectId: string | undefined;
  readonly secret: string | undefined;
  /** @defaultValue the live service's */
  readonly baseUrl?: string;
}

/** Stytch keeps the sessions. The application has the sign-in page, and uses Stytch's SDK. */
export function stytchBackend(project: Project, siteUrl: string): Backend {
  const store = stytch(project);
  const { projectId: project_id = "", secret = "", baseUrl: env } = project;
  const client = new B2BClient({ project_id, secret, ...(env !== undefined && { env }) });
  return {
    store,
    mountSignIn(app, auth) {
      app.get("/sign-in", (_req, res) => {
        res.send(
          page("Sign in", `<label>E-mail <input name="email" type="email"></label> <button>Go</button>`),
        );
      });
      app.post("/sign-in", express.urlencoded({ extended: false }), async (req, res) => {
        const { email: email_address } = req.body as { email: string };
        const discovery_redirect_url = `${siteUrl}/authenticate`;
        await client.magicLinks.email.discovery.send({ email_address, discovery_redirect_url });
        res.send("Look into your mail.");
      });
      app.get("/authenticate", async (req, res) => {
        const { token: discovery_magic_links_token } = req.query as { token: string };
        const found = client.magicLinks.discovery.authenticate({ discovery_magic_links_token });
        const outcome = found.then((response) => store.continueDiscovery(response)).catch(refuseSpentLink);
        await auth.establish(req, res, outcome);
      });
    },
  };
}

/** Tells an error of the user (a used or invented link) from a failure. */
function refuseSpentLink(error: unknown): Outcome {
  const { status_code: status, error_type: reason } = error as { status_code?: number; error_type?: string };
  if (reason === undefined || (status !== 404 && status !== 400)) throw error;
  return { status: "refused", code: "sign_in_failed", reason };
}

export function createApp(site: Site, project: Project): Express {
  return createApplication(site, stytchBackend(project, site.baseUrl));
}

/** Serves in place of Stytch: the authority's router, and two calls for e-mail links. `deliver` receives the mails. */
export function createLocalStytch(
  url: string,
  project: { projectId: string; secret: string },
  deliver: (link: string) => void,
): Express {
  const router = stytchRouter(createLocalAuthority(url), project);
  const links = new Map<string, string>();
  const app = express();
  app.use(router);
  app.use(express.json());
  app.post("/v1/b2b/magic_links/email/discovery/send", async (req, res) => {
    const { email_address: address, discovery_redirect_url: redirectUrl } = req.body as Record<
      string,
      string
    >;
    const user = await directory.userByEmailAddress(address ?? "");
    if (user !== undefined) {
      const token = randomBytes(24).toString("base64url");
      links.set(token, user.id);
      deliver(`${redirectUrl}?stytch_token_type=discovery&token=${token}`);
    }
    res.json({ status_code: 200, request_id: "request-id-local" });
  });
  app.post("/v1/b2b/magic_links/discovery/authenticate", async (req, res) => {
    const { discovery_magic_links_token: token = "" } = req.body as Record<string, string>;
    const userId = links.get(token);
    links.delete(token);
    if (userId === undefined) res.status(404).json(refusal(404, "magic_link_not_found"));
    else
      res.json({ status_code: 200, request_id: "request-id-local", ...(await authenticate(router, userId)) });
  });
  return app;
}

/** Signs in a member of one organization; lists the organizations of any other user. */
async function authenticate(router: StytchRouter, userId: string): Promise<object> {
  try {
    const signedIn = await router.authenticate({ userId, authenticationMethod: "MagicAuth" });
    const { sessionJwt: session_jwt, sessionToken: session_token, member } = signedIn;
    return { session_jwt, session_token, member_id: member.id };
  } catch (error) {
    if (!isSelection(error)) throw error;
    return {
      intermediate_session_token: error.pendingAuthenticationToken,
      discovered_organizations: error.organizations.map(({ id, name }) => ({
        organization: { organization_id: id, organization_name: name },
      })),
    };
  }
}

function isSelection(error: unknown): error is OrganizationSelectionRequiredError {
  return isOrgateError(error) && error.code === "organization_selection_required";
}

function refusal(status_code: number, error_type: string): object {
  return {
    status_code,
    request_id: "request-id-local",
    error_type,
    error_message: error_type,
    error_url: "",
  };
}

/** Starts the application, and the server in place of Stytch unless the environment has a secret. */
export async function start(
  environment: Environment,
  deliver: (link: string) => void = (link) => console.log(`A mail: ${link}`),
): Promise<Running> {
  const { STYTCH_PROJECT_ID, STYTCH_SECRET, COOKIE_PASSWORD } = environment;
  const [port, authorityPort] = portsOf(environment);
  const app = await reserve(port);
  if (STYTCH_SECRET !== undefined) {
    const site = { baseUrl: app.url, cookiePassword: COOKIE_PASSWORD };
    app.handle(createApp(site, { projectId: STYTCH_PROJECT_ID, secret: STYTCH_SECRET }));
    console.log(`Open ${app.url}, on the live Stytch.`);
    return app;
  }
  const service = await reserve(authorityPort);
  const project = { projectId: "project-test-local", secret: "secret-test-only-for-this-demo" };
  service.handle(createLocalStytch(service.url, project, deliver));
  const site = { baseUrl: app.url, cookiePassword: COOKIE_PASSWORD ?? makePassword() };
  app.handle(createApp(site, { ...project, baseUrl: service.url }));
  console.log(`No STYTCH_SECRET: orgate's own authority stands in for Stytch at ${service.url}.`);
  console.log(`Open ${app.url} and sign in as ada@example.com or bob@example.com; the mail is printed here.`);
  return {
    url: app.url,
    close() {
      app.close();
      service.close();
    },
  };
}

if (process.argv[1] === import.meta.filename) await start(process.env);
