import express, { type Express } from "express";
import { orgate, type Orgate, type SessionStore } from "orgate";

/** Where sessions live, and how people sign in there. All that differs between the stores. */
export interface Backend {
  readonly store: SessionStore;
  /** Serves `/sign-in`, and whatever it leads to. */
  readonly mountSignIn: (app: Express, auth: Orgate) => void;
}

/** What an application is told. */
export interface Site {
  readonly baseUrl: string;
  readonly cookiePassword: string | undefined;
}

/** The application. It knows no store. */
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
