// npx tsx examples/connect.ts, with COOKIE_PASSWORD in the environment: orgate under Connect.
import { createServer, type ServerResponse } from "node:http";
import connect from "connect";
import { definePolicy, orgate } from "orgate";
import { createAuthority, memoryDirectory } from "orgate/authority";

const BASE_URL = process.env.BASE_URL ?? "http://localhost:3000";

const policy = definePolicy({
  resources: { documents: ["read", "delete"] },
  roles: { viewer: { documents: ["read"] } },
});

const directory = memoryDirectory({
  users: [{ id: "user_bob", emailAddress: "bob@example.com", name: "Bob Babbage" }],
  organizations: [{ id: "org_acme", name: "Acme" }],
  memberships: [{ userId: "user_bob", organizationId: "org_acme", roles: ["viewer"] }],
});

export function createApp() {
  const authority = createAuthority({ issuer: BASE_URL, directory, policy });
  const auth = orgate({
    baseUrl: BASE_URL,
    store: authority,
    cookie: { password: process.env.COOKIE_PASSWORD },
    policy,
  });

  const app = connect();
  app.use(auth);
  app.use("/sign-in", (req, res, next) => {
    const bob = { userId: "user_bob", authenticationMethod: "Password" };
    auth.establish(req, res, authority.authenticate(bob), { returnTo: "/documents" }).catch(next);
  });
  app.use("/sign-out", auth.signOut());

  // Connect mounts paths, not methods: mount the guard before the handler.
  app.use("/documents", auth.requirePermission("documents", "read"));
  app.use("/documents", (req, res) => {
    const { member, organization } = auth.session(req);
    sendJson(res, { documents: ["Plan"], member: member.name, organization: organization?.name });
  });
  app.use("/trash", auth.requirePermission("documents", "delete"));
  app.use("/trash", (_req, res) => sendJson(res, { emptied: true }));
  return app;
}

function sendJson(response: ServerResponse, body: unknown): void {
  response.setHeader("Content-Type", "application/json; charset=utf-8");
  response.end(JSON.stringify(body));
}

if (process.argv[1] === import.meta.filename) {
  const server = createServer(createApp());
  server.listen(new URL(BASE_URL).port, () => console.log(`curl -c jar -b jar -L -d "" ${BASE_URL}/sign-in`));
}
