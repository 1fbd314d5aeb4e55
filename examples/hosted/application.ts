import express, { type Express } from "express";
import { orgate, type Orgate, type SessionStore } from "orgate";

/** The session store and its sign-in: all that differs between the stores. */
export interface Backend {
  readonly store: SessionStore;
  /** Serves `/sign-in` and the further routes of the sign-in. */
  readonly mountSignIn: (app: Express, auth: Orgate) => void;
}

/** The settings of the application. */
export interface Site {
  readonly baseUrl: string;
  readonly cookiePassword: string | undefined;
}

/** Makes the application. It does not depend on the store. */
export function createApplication(
  { baseUrl, cookiePassword }: Site,
  { store, mountSignIn }: Backend,
): Express {
  const auth = orgate({
    baseUrl,
    store,
    cookie: { password: cookiePassword },
    maxTokenAge: 60,
    signIn: { path: "/sign-in" },
  });

  const app = express();
  app.use(auth);
  app.get("/", (_req, res) => res.redirect("/documents"));
  app.get("/documents", auth.requirePermission("documents", "read"), (req, res) => {
    res.json({ member: req.member, organization: req.organization, verdict: req.verdict });
  });
  app.delete("/documents/:id", auth.requirePermission("documents", "delete"), (_req, res) => {
    res.status(204).end();
  });
  app.use("/select-organization", auth.organizationSelection());
  app.post("/switch-organization", auth.switchOrganization({ returnTo: "/documents" }));
  app.post("/sign-out", auth.signOut());
  mountSignIn(app, auth);
  return app;
}
