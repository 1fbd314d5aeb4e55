import { urlencoded, type Express, type Request } from "express";
import type { Authority } from "orgate/authority";
import { PERSONAS } from "./people.ts";
import { renderSignIn } from "./sign-in-page.ts";
import type { Auth, Show } from "./show.ts";
import type { DemoDirectory } from "./storage.ts";

/** What the routes need. */
export interface SessionParts {
  readonly auth: Auth;
  readonly authority: Authority;
  readonly directory: DemoDirectory;
  readonly show: Show;
}

/** Routes for signing in and out, selection and switching. */
export function addSessionRoutes(app: Express, { auth, authority, directory, show }: SessionParts): void {
  const form = urlencoded({ extended: false, limit: "8kb" });

  app.get("/sign-in", (req, res) => {
    const { max_age: maxAge } = req.query;
    const problem =
      typeof maxAge === "string" ? "This page asks for a fresh sign-in. Who are you?" : undefined;
    res.send(renderSignIn(req.originalUrl, problem));
  });

  app.post("/sign-in", form, async (req, res) => {
    const { as } = req.body as { as?: unknown };
    const { organization_id: organizationId } = req.query;
    const persona = PERSONAS.get(String(as));
    if (persona === undefined) {
      res.status(400).send(renderSignIn(req.originalUrl, "Nobody here goes by that name."));
      return;
    }
    const { userId, impersonator } = persona;
    const authentication = authority.authenticate({
      userId,
      // The organization that demands a new sign-in, if one does.
      ...(typeof organizationId === "string" && { organizationId }),
      authenticationMethod: impersonator === undefined ? "Password" : "Impersonation",
      impersonator,
      ...originOf(req),
    });
    await auth.establish(req, res, authentication);
  });

  app.get("/", auth.requireAuth(), (req, res) => {
    const { organization } = req;
    // In no organization, the mail is the one page there is: an invitation arrives there.
    res.redirect(303, organization === undefined ? "/mail" : `/o/${organization.slug ?? ""}/documents`);
  });

  app.use("/select-organization", async (req, res, next) => {
    const { userId } = req.member ?? {};
    const isNowhere = userId !== undefined && (await directory.memberships(userId)).length === 0;
    if (isNowhere) res.redirect(303, "/");
    else next();
  });
  app.use("/select-organization", auth.organizationSelection());
  app.post("/switch-organization", auth.switchOrganization());
  app.post("/sign-out", auth.signOut({ redirectTo: "/sign-in" }));
  app.post("/sign-out-everywhere", auth.signOut({ redirectTo: "/sign-in", everywhere: "member" }));

  app.get("/live.json", auth.requireOrganization(), (req, res) => void res.json(show.live(req)));
}

/** Where a sign-in comes from, for the list of sessions. */
export function originOf(req: Request) {
  return { ipAddress: req.ip, userAgent: req.get("user-agent") };
}
