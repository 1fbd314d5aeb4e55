// npx tsx examples/quick-start.ts, with COOKIE_PASSWORD="$(openssl rand -base64 32)" in the environment.
import express from "express";
import { definePolicy, orgate } from "orgate";
import { createAuthority, memoryDirectory } from "orgate/authority";

const BASE_URL = process.env.BASE_URL ?? "http://localhost:3000";

const policy = definePolicy({
  resources: { documents: ["read", "write", "delete"], billing: ["manage"] },
  roles: {
    viewer: { documents: ["read"] },
    editor: { documents: ["read", "write"] },
    admin: { documents: "*", billing: ["manage"] },
  },
});

const directory = memoryDirectory({
  users: [
    { id: "user_ada", emailAddress: "ada@example.com", name: "Ada Lovelace" },
    { id: "user_bob", emailAddress: "bob@example.com", name: "Bob Babbage" },
  ],
  organizations: [
    { id: "org_acme", slug: "acme", name: "Acme" },
    { id: "org_globex", slug: "globex", name: "Globex" },
  ],
  memberships: [
    { userId: "user_ada", organizationId: "org_acme", roles: ["admin"] },
    { userId: "user_ada", organizationId: "org_globex", roles: ["viewer"] },
    { userId: "user_bob", organizationId: "org_acme", roles: ["viewer"] },
  ],
});

export function createApp() {
  const authority = createAuthority({ issuer: BASE_URL, directory, policy });
  const auth = orgate({
    baseUrl: BASE_URL,
    store: authority,
    cookie: { password: process.env.COOKIE_PASSWORD },
    policy,
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

  // Sample users without passwords: own-login.ts shows the check that belongs here.
  app.get("/sign-in", (_req, res) => {
    const buttons = ["user_ada", "user_bob"].map((id) => `<button name="user" value="${id}">${id}</button>`);
    res.send(`<!doctype html><title>Sign in</title><form method="post">${buttons.join(" ")}</form>`);
  });
  app.post("/sign-in", express.urlencoded({ extended: false }), async (req, res) => {
    const { user: userId } = req.body as { user: string };
    await auth.establish(req, res, authority.authenticate({ userId, authenticationMethod: "Password" }));
  });
  app.use("/select-organization", auth.organizationSelection());
  app.post("/switch-organization", auth.switchOrganization({ returnTo: "/documents" }));
  app.post("/sign-out", auth.signOut({ redirectTo: "/sign-in" }));
  return app;
}

if (process.argv[1] === import.meta.filename) {
  createApp().listen(new URL(BASE_URL).port, () => console.log(`Open ${BASE_URL}/documents`));
}
