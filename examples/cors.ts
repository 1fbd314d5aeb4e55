// npx tsx examples/cors.ts: an API that a front end of another origin calls, with a bearer token or with the session cookie.
import express, { type RequestHandler } from "express";
import { orgate, type Clock, type OrgateEvent } from "orgate";
import { createAuthority, memoryDirectory } from "orgate/authority";

const BASE_URL = process.env.BASE_URL ?? "http://localhost:3000";
const FRONT_ENDS = ["http://localhost:5173"];

const directory = memoryDirectory({
  users: [{ id: "user_ada", emailAddress: "ada@example.com", name: "Ada" }],
  organizations: [{ id: "org_acme", name: "Acme" }],
  memberships: [{ userId: "user_ada", organizationId: "org_acme", roles: [] }],
});

/** Lets pages of these origins read the answers. The package `cors` does the same. */
export function allowOrigins(origins: readonly string[]): RequestHandler {
  return (req, res, next) => {
    res.vary("Origin");
    const origin = req.get("origin");
    if (origin === undefined || !origins.includes(origin)) return next();
    res.set("Access-Control-Allow-Origin", origin);
    res.set("Access-Control-Allow-Credentials", "true");
    const isPreflight = req.method === "OPTIONS" && req.get("access-control-request-method") !== undefined;
    if (!isPreflight) return next();
    res.set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE");
    res.set("Access-Control-Allow-Headers", "Authorization, Content-Type");
    res.set("Access-Control-Max-Age", "600");
    res.status(204).end();
  };
}

interface Settings {
  readonly clock?: Clock;
  readonly events?: (event: OrgateEvent) => void;
}

export function createApp(
  authority = createAuthority({ issuer: BASE_URL, directory }),
  settings: Settings = {},
) {
  const auth = orgate({
    baseUrl: BASE_URL,
    store: authority,
    cookie: { password: process.env.COOKIE_PASSWORD ?? "only-for-this-example-32-characters" },
    // Writes with the cookie are accepted from these origins, and they may read a renewed `Session-Jwt`.
    csrf: { trustedOrigins: FRONT_ENDS },
    ...settings,
  });

  const app = express();
  // Above everything that can refuse: a preflight carries no credential, and a page can read a refusal only with these headers.
  app.use(allowOrigins(FRONT_ENDS));
  app.use(auth);
  app.use(express.json());

  // Authenticate the user in your own way; here, nobody asks for a password.
  app.post("/token", async (_req, res) => {
    const { accessToken } = await authority.authenticate({
      userId: "user_ada",
      organizationId: "org_acme",
      authenticationMethod: "ExternalAuth",
    });
    res.set("Cache-Control", "no-store").json({ access_token: accessToken });
  });
  app.post("/sign-in", (req, res) =>
    auth.establish(
      req,
      res,
      authority.authenticate({
        userId: "user_ada",
        organizationId: "org_acme",
        authenticationMethod: "ExternalAuth",
      }),
    ),
  );

  // From here on everything needs a member.
  app.use(auth.requireAuth());
  app.get("/me", (req, res) => {
    res.json({ name: auth.session(req).member.name });
  });
  app.post("/notes", (req, res) => {
    res.status(201).json({ by: auth.session(req).member.name });
  });
  return app;
}

if (process.argv[1] === import.meta.filename) {
  createApp().listen(new URL(BASE_URL).port, () =>
    console.log(`Call ${BASE_URL}/me from ${FRONT_ENDS.join()}`),
  );
}
