// npm run demo:workos: an application on WorkOS AuthKit.
//
// Without WORKOS_API_KEY, orgate's own authority stands in for WorkOS on another port. With WORKOS_API_KEY,
// WORKOS_CLIENT_ID and WORKOS_COOKIE_PASSWORD it runs on the live service: allow http://localhost:3000/callback as a
// redirect URI in the dashboard, and give your roles the permissions documents:read and documents:delete.
import express, { type Express } from "express";
import { workosRouter } from "orgate/authority/workos";
import { workos, type WorkosOptions } from "orgate/workos";
import { createApplication, type Backend, type Site } from "./hosted/application.ts";
import { createLocalAuthority, SIGN_IN_PAGE } from "./hosted/company.ts";
import { makePassword, portsOf, reserve, type Environment, type Running } from "./hosted/serve.ts";

/** WorkOS keeps the sessions, and AuthKit has the sign-in page. */
export function workosBackend(options: WorkosOptions): Backend {
  return {
    store: workos({ logout: {}, ...options }),
    mountSignIn(app, auth) {
      app.get("/sign-in", auth.signIn());
      app.get("/callback", auth.callback());
    },
  };
}

export function createApp(site: Site, options: WorkosOptions): Express {
  return createApplication(site, workosBackend({ redirectUri: `${site.baseUrl}/callback`, ...options }));
}

/** Serves in place of WorkOS and its hosted page. */
export function createLocalWorkos(url: string, appUrl: string, client: { clientId: string; apiKey: string }) {
  const router = workosRouter(createLocalAuthority(url), {
    ...client,
    signIn: { path: "/sign-in" },
    redirectUris: [`${appUrl}/callback`],
    signOutRedirects: [appUrl],
  });
  const app = express();
  app.use(router);
  app.get("/sign-in", (_req, res) => void res.send(SIGN_IN_PAGE));
  app.post("/sign-in", express.urlencoded({ extended: false }), async (req, res) => {
    const { user: userId } = req.body as { user: string };
    const { authorization_request: token } = req.query as { authorization_request: string };
    const { redirectTo } = await router.completeAuthorization(token, {
      userId,
      authenticationMethod: "Password",
    });
    res.redirect(303, redirectTo);
  });
  return app;
}

/** Starts the application, and the server in place of WorkOS unless the environment has a key. */
export async function start(environment: Environment): Promise<Running> {
  const { WORKOS_API_KEY, WORKOS_CLIENT_ID, WORKOS_COOKIE_PASSWORD } = environment;
  const [port, authorityPort] = portsOf(environment);
  const app = await reserve(port);
  if (WORKOS_API_KEY !== undefined) {
    const site = { baseUrl: app.url, cookiePassword: WORKOS_COOKIE_PASSWORD };
    app.handle(createApp(site, { clientId: WORKOS_CLIENT_ID, apiKey: WORKOS_API_KEY }));
    console.log(`Open ${app.url}, on the live WorkOS.`);
    return app;
  }
  const service = await reserve(authorityPort);
  const client = { clientId: "client_local", apiKey: "sk_local_only_for_this_demo" };
  service.handle(createLocalWorkos(service.url, app.url, client));
  const site = { baseUrl: app.url, cookiePassword: WORKOS_COOKIE_PASSWORD ?? makePassword() };
  app.handle(createApp(site, { ...client, baseUrl: service.url }));
  console.log(`No WORKOS_API_KEY: orgate's own authority stands in for WorkOS at ${service.url}.`);
  console.log(`Open ${app.url}`);
  return {
    url: app.url,
    close() {
      app.close();
      service.close();
    },
  };
}

if (process.argv[1] === import.meta.filename) await start(process.env);
