// npx tsx examples/tenant-routes.ts, with COOKIE_PASSWORD in the environment: tenants in the path and in the host name.
import express from "express";
import { definePolicy, orgate } from "orgate";
import { createAuthority, memoryDirectory } from "orgate/authority";

const BASE_URL = process.env.BASE_URL ?? "http://localhost:3000";
const { hostname, protocol, port } = new URL(BASE_URL);

const policy = definePolicy({
  resources: { documents: ["read"] },
  roles: { viewer: { documents: ["read"] } },
});

const directory = memoryDirectory({
  users: [{ id: "user_ada", emailAddress: "ada@example.com", name: "Ada Lovelace" }],
  organizations: [
    { id: "org_acme", slug: "acme", name: "Acme" },
    { id: "org_globex", slug: "globex", name: "Globex" },
  ],
  memberships: [
    { userId: "user_ada", organizationId: "org_acme", roles: ["viewer"] },
    { userId: "user_ada", organizationId: "org_globex", roles: ["viewer"] },
  ],
});

export function createApp() {
  const authority = createAuthority({ issuer: BASE_URL, directory, policy });
  const auth = orgate({
    baseUrl: BASE_URL,
    store: authority,
    // All tenants' host names share the cookie, and their pages may send requests to each other.
    cookie: { password: process.env.COOKIE_PASSWORD, domain: hostname },
    csrf: { trustedOrigins: [`${protocol}//*.${hostname}${port === "" ? "" : `:${port}`}`] },
    policy,
    signIn: { path: "/sign-in" },
  });

  const app = express();
  app.use(auth);

  // In the path, by id: /o/org_acme/documents. A session of another organization receives 403 organization_mismatch.
  const tenant = express.Router();
  tenant.use("/o/:orgId", auth.requireOrganization({ organization: "param:orgId" }));
  tenant.get("/o/:orgId/documents", auth.requirePermission("documents", "read"), (req, res) => {
    res.json({ organization: req.organization, by: "path" });
  });
  app.use(tenant);

  // In the host name, by slug: acme.localhost:3000/documents. The guard compares the host name with the session's
  // organization, so a forged host name gains nothing.
  const ofHost = auth.requirePermission("documents", "read", {
    organization: (req) => req.headers.host?.split(".", 1)[0],
    by: "slug",
  });
  app.get("/documents", ofHost, (req, res) => void res.json({ organization: req.organization, by: "host" }));

  app.get("/sign-in", (_req, res) => {
    res.send(`<!doctype html><title>Sign in</title><form method="post"><button>Ada Lovelace</button></form>`);
  });
  app.post("/sign-in", async (req, res) => {
    const user = { userId: "user_ada", authenticationMethod: "Password" };
    await auth.establish(req, res, authority.authenticate(user));
  });
  app.use("/select-organization", auth.organizationSelection());
  return app;
}

if (process.argv[1] === import.meta.filename) {
  createApp().listen(port, () => console.log(`Open ${BASE_URL}/o/org_acme/documents`));
}
