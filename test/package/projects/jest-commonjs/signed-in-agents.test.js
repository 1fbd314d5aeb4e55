const express = require("express");
const request = require("supertest");
const { definePolicy, orgate } = require("orgate");
const { createTestAuthority, signedInAgents } = require("orgate/testing");

const policy = definePolicy({
  resources: { documents: ["read", "write"] },
  roles: { viewer: { documents: ["read"] } },
});
const authority = createTestAuthority({
  policy,
  users: [{ id: "user_ada", emailAddress: "ada@example.com" }],
  organizations: [{ id: "org_acme", name: "Acme" }],
  memberships: [{ userId: "user_ada", organizationId: "org_acme", roles: ["viewer"] }],
});
const auth = orgate({
  baseUrl: "https://app.example.com",
  store: authority,
  cookie: { password: "a password of at least thirty-two characters" },
  policy,
  clock: authority.clock,
});
const app = express();
app.use(auth);
app.get("/documents", auth.requirePermission("documents", "read"), (_req, res) => res.sendStatus(200));
app.post("/documents", auth.requirePermission("documents", "write"), (_req, res) => res.sendStatus(201));

afterAll(() => auth.close());

test("a sealed session is opened, and renewed when it has expired", async () => {
  const ada = await signedInAgents({ request, app, auth, authority })("user_ada").in("org_acme");
  await ada.get("/documents").expect(200);
  authority.advance(306);
  await ada
    .get("/documents")
    .expect(200)
    .expect("set-cookie", /^__Host-orgate=Fe26\.2\*/);
  await ada.post("/documents").expect(403);
});
