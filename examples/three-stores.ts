// STORE=authority npx tsx examples/three-stores.ts: one application on all three stores. STORE=workos and STORE=stytch
// run on a local server in place of the service, or on the live service: see workos.ts and stytch.ts.
import express, { type Express } from "express";
import type { Authority } from "orgate/authority";
import { createApplication, type Backend, type Site } from "./hosted/application.ts";
import { createLocalAuthority, SIGN_IN_PAGE } from "./hosted/company.ts";
import { makePassword, portsOf, reserve, type Environment, type Running } from "./hosted/serve.ts";
import { start as startOnStytch } from "./stytch.ts";
import { start as startOnWorkos } from "./workos.ts";

/** The authority keeps the sessions in this process. The application has the sign-in page. */
export function authorityBackend(authority: Authority): Backend {
  return {
    store: authority,
    mountSignIn(app, auth) {
      app.get("/sign-in", (_req, res) => void res.send(SIGN_IN_PAGE));
      app.post("/sign-in", express.urlencoded({ extended: false }), async (req, res) => {
        const { user: userId } = req.body as { user: string };
        await auth.establish(req, res, authority.authenticate({ userId, authenticationMethod: "Password" }));
      });
    },
  };
}

export function createApp(site: Site): Express {
  return createApplication(site, authorityBackend(createLocalAuthority(site.baseUrl)));
}

async function startOnAuthority(environment: Environment): Promise<Running> {
  const app = await reserve(portsOf(environment)[0]);
  app.handle(
    createApp({ baseUrl: app.url, cookiePassword: environment["COOKIE_PASSWORD"] ?? makePassword() }),
  );
  console.log(`Open ${app.url}, on its own authority.`);
  return app;
}

const STARTS = { authority: startOnAuthority, workos: startOnWorkos, stytch: startOnStytch };

/** Starts the application on the store that `STORE` names. */
export async function start(environment: Environment): Promise<Running> {
  const { STORE = "authority" } = environment;
  if (!Object.hasOwn(STARTS, STORE))
    throw new Error(`STORE must be one of ${Object.keys(STARTS).join(", ")}.`);
  return STARTS[STORE as keyof typeof STARTS](environment);
}

if (process.argv[1] === import.meta.filename) await start(process.env);
