import { fileURLToPath } from "node:url";
import express, { type Express } from "express";
import helmet from "helmet";
import { orgate, type Clock } from "orgate";
import { createAuthority, type Authority } from "orgate/authority";
import { createActivity } from "./activity.ts";
import { createAuthenticator } from "./authenticator.ts";
import { policy } from "./company.ts";
import { createLibrary } from "./documents.ts";
import { addCompanyRoutes } from "./company-routes.ts";
import { addInvitationRoutes } from "./invitation-routes.ts";
import { createMailbox } from "./mailbox.ts";
import { addMemberRoutes } from "./member-routes.ts";
import { addSessionRoutes } from "./session-routes.ts";
import { createShow } from "./show.ts";
import { addStepRoutes } from "./step-routes.ts";
import { memoryStorage, type Storage } from "./storage.ts";

/** Seconds that an access token lives: short, so that you can watch a renewal. In production it is minutes. */
const TOKEN_LIFETIME = 15;

/** Options of the demo. */
export interface DemoOptions {
  /** The origin that the browser sees. */
  readonly baseUrl: string;
  /** For tests. */
  readonly clock?: Clock;
  /** Where sessions and companies are kept. @defaultValue in memory */
  readonly storage?: Storage;
}

/** Makes the demo: a small application for four companies that needs no other process. */
export function createApp(options: DemoOptions): Express {
  return createDemo(options).app;
}

/** The demo and its authority, for tests that inspect it. */
export function createDemo({
  baseUrl,
  clock = () => Date.now() / 1000,
  storage = memoryStorage(),
}: DemoOptions): {
  readonly app: Express;
  readonly authority: Authority;
} {
  const { directory, repository, keyEncryption, coordinator, cookiePassword } = storage;
  const activity = createActivity();
  const authority = createAuthority({
    issuer: baseUrl,
    directory,
    policy,
    accessTokenLifetime: TOKEN_LIFETIME,
    clock,
    ...(repository !== undefined && { repository, keyEncryption }),
  });
  const auth = orgate({
    baseUrl,
    store: authority,
    // In memory it is new at each start, so every user signs in again. In production, take it from the environment.
    cookie: { password: cookiePassword },
    coordinator,
    policy,
    clock,
    clockTolerance: 0,
    signIn: { path: "/sign-in" },
    events: (event) => activity.note(event),
    onDenied: (denial, request, response) => show.denial(denial, request, response),
  });
  const show = createShow({ auth, directory, activity, now: clock, tokenLifetime: TOKEN_LIFETIME });

  const app = express();
  app.disable("x-powered-by");
  app.use(helmet(overPlainHttp(baseUrl)));
  app.use(express.static(fileURLToPath(new URL("public", import.meta.url))));
  app.get("/favicon.ico", (_req, res) => res.redirect(301, "/icon.svg"));
  app.use(auth);
  addSessionRoutes(app, { auth, authority, directory, show });
  addStepRoutes(app, {
    auth,
    authority,
    directory,
    authenticator: createAuthenticator(cookiePassword, clock),
  });
  const mailbox = createMailbox();
  addInvitationRoutes(app, { auth, authority, directory, mailbox, show });
  addMemberRoutes(app, { auth, authority, directory, mailbox, show });
  addCompanyRoutes(app, { auth, directory, library: createLibrary(clock), show });
  return { app, authority };
}

/** helmet's defaults without `upgrade-insecure-requests`: Safari obeys it on localhost too, where there is no https. */
function overPlainHttp(baseUrl: string): Parameters<typeof helmet>[0] {
  if (baseUrl.startsWith("https:")) return {};
  return { contentSecurityPolicy: { directives: { upgradeInsecureRequests: null } } };
}
