import assert from "node:assert/strict";
import { once } from "node:events";
import express from "express";
import { definePolicy, orgate } from "orgate";
import { createAuthority, memoryDirectory } from "orgate/authority";

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

const server = app.listen(0);
await once(server, "listening");
const url = `http://127.0.0.1:${server.address().port}/documents`;
const { accessToken } = await authority.authenticate({
  userId: "user_ada",
  authenticationMethod: "Password",
});
const headers = { authorization: `Bearer ${accessToken}` };

const read = await fetch(url, { headers });
assert.equal(read.status, 200);
const { member, organization, verdict } = await read.json();
assert.equal(member.emailAddress, "ada@example.com");
assert.equal(organization.id, "org_acme");
assert.deepEqual(verdict.grantingRoles, ["viewer"]);
assert.equal((await fetch(url, { method: "POST", headers })).status, 403);
assert.equal((await fetch(url)).status, 401);

server.close();
await auth.close();
console.log("quick start: ok");
