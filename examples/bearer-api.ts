// npx tsx examples/bearer-api.ts, with API_KEY in the environment: an API for programs, without cookies.
import { timingSafeEqual, createHash } from "node:crypto";
import express from "express";
import { definePolicy, orgate, type Clock } from "orgate";
import { createAuthority, memoryDirectory } from "orgate/authority";

const BASE_URL = process.env.BASE_URL ?? "http://localhost:3000";

const policy = definePolicy({
  resources: { documents: ["read", "write"] },
  roles: { reader: { documents: ["read"] }, writer: { documents: "*" } },
});

const directory = memoryDirectory({
  users: [{ id: "user_robot", emailAddress: "robot@example.com" }],
  organizations: [{ id: "org_acme", name: "Acme" }],
  memberships: [{ userId: "user_robot", organizationId: "org_acme", roles: ["reader"] }],
});

export function createApp(authority = createAuthority({ issuer: BASE_URL, directory }), clock?: Clock) {
  const apiKey = process.env.API_KEY;
  if (apiKey === undefined || apiKey === "")
    throw new Error("Set API_KEY: the key that is exchanged for tokens.");
  const auth = orgate({
    baseUrl: BASE_URL,
    store: authority,
    policy,
    credentials: ["bearer"],
    maxTokenAge: 60,
    ...(clock !== undefined && { clock }),
  });

  const app = express();
  app.use(auth);
  app.use(express.json());

  // Authenticate the client in your own way; here, by one key. Any response can carry a renewed token in `Session-Jwt`.
  app.post("/token", async (req, res) => {
    if (!isSame(req.get("x-api-key") ?? "", apiKey)) {
      res.status(401).json({ code: "unknown_key" });
      return;
    }
    const { accessToken, refreshToken } = await authority.authenticate({
      userId: "user_robot",
      organizationId: "org_acme",
      authenticationMethod: "ExternalAuth",
    });
    res.set("Cache-Control", "no-store").json({ access_token: accessToken, refresh_token: refreshToken });
  });

  app.get("/documents", auth.requirePermission("documents", "read"), (req, res) => {
    res.json({ organization: req.organization?.id, documents: ["Plan"] });
  });
  app.post("/documents", auth.requirePermission("documents", "write"), (_req, res) => {
    res.status(201).json({ created: true });
  });
  return app;
}

const digest = (text: string) => createHash("sha256").update(text).digest();

/** Compares digests, so that the duration reveals nothing about the key. */
function isSame(given: string, expected: string): boolean {
  return timingSafeEqual(digest(given), digest(expected));
}

if (process.argv[1] === import.meta.filename) {
  const command = `curl -X POST -H "X-Api-Key: $API_KEY" ${BASE_URL}/token`;
  createApp().listen(new URL(BASE_URL).port, () => console.log(`Get a token: ${command}`));
}
