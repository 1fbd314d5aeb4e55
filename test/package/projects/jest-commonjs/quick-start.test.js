const { once } = require("node:events");
const express = require("express");
const { definePolicy, orgate } = require("orgate");
const { createAuthority, memoryDirectory } = require("orgate/authority");

const policy = definePolicy({
  resources: { documents: ["read", "write"] },
  roles: { viewer: { documents: ["read"] } },
});
const directory = memoryDirectory({
  users: [{ id: "user_ada", emailAddress: "ada@example.com", name: "Ada Lovelace" }],
  organizations: [{ id: "org_acme", slug: "acme", name: "Acme" }],
  memberships: [{ userId: "user_ada", organizationId: "org_acme", roles: ["viewer"] }],
});
const authority = createAuthority({ issuer: "https://app.example.com", directory, policy });
const auth = orgate({
  baseUrl: "https://app.example.com",
  store: authority,
  cookie: { password: "a password of at least thirty-two characters" },
  policy,
});

const app = express();
app.use(auth);
app.get("/documents", auth.requirePermission("documents", "read"), (req, res) => {
  res.json({ member: req.member, organization: req.organization, verdict: req.verdict });
});
app.post("/documents", auth.requirePermission("documents", "write"), (_req, res) => void res.sendStatus(201));

let server;
beforeAll(async () => {
  server = app.listen(0);
  await once(server, "listening");
});
afterAll(async () => {
  server.close();
  await auth.close();
});

test("the quick start runs in jest, as CommonJS", async () => {
  const url = `http://127.0.0.1:${server.address().port}/documents`;
  const { accessToken } = await authority.authenticate({
    userId: "user_ada",
    authenticationMethod: "Password",
  });
  const headers = { authorization: `Bearer ${accessToken}` };

  const read = await fetch(url, { headers });
  expect(read.status).toBe(200);
  const { member, organization, verdict } = await read.json();
  expect(member.emailAddress).toBe("ada@example.com");
  expect(organization.id).toBe("org_acme");
  expect(verdict.grantingRoles).toEqual(["viewer"]);
  expect((await fetch(url, { method: "POST", headers })).status).toBe(403);
  expect((await fetch(url)).status).toBe(401);
});
