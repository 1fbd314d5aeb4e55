// npx tsx examples/node-http.ts, with COOKIE_PASSWORD in the environment: orgate with plain node:http.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
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

export function createApp(): Server {
  const authority = createAuthority({ issuer: BASE_URL, directory, policy });
  const auth = orgate({
    baseUrl: BASE_URL,
    store: authority,
    cookie: { password: process.env.COOKIE_PASSWORD },
    policy,
  });
  const mayRead = auth.requirePermission("documents", "read");
  const mayDelete = auth.requirePermission("documents", "delete");
  const signOut = auth.signOut();

  async function route(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const fail = (): void => sendJson(res, 500, { error: "internal" });
    switch (`${req.method} ${req.url}`) {
      case "POST /sign-in": {
        const bob = { userId: "user_bob", authenticationMethod: "Password" };
        await auth.establish(req, res, authority.authenticate(bob), { returnTo: "/documents" });
        return;
      }
      case "POST /sign-out":
        signOut(req, res, fail);
        return;
      case "GET /documents":
        // A guard is middleware: it calls `next()` without an argument when it lets the request through.
        mayRead(req, res, (error) => {
          if (error !== undefined) fail();
          else sendJson(res, 200, { documents: ["Plan"], member: auth.session(req).member.name });
        });
        return;
      case "DELETE /documents":
        mayDelete(req, res, (error) =>
          error === undefined ? sendJson(res, 200, { deleted: true }) : fail(),
        );
        return;
      default:
        sendJson(res, 404, { error: "not found" });
    }
  }

  return createServer((req, res) => {
    auth(req, res, () => {
      route(req, res).catch(() => sendJson(res, 500, { error: "internal" }));
    });
  });
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent) return;
  response.statusCode = status;
  response.setHeader("Content-Type", "application/json; charset=utf-8");
  response.end(JSON.stringify(body));
}

if (process.argv[1] === import.meta.filename) {
  const hint = `curl -c jar -b jar -L -d "" ${BASE_URL}/sign-in`;
  createApp().listen(new URL(BASE_URL).port, () => console.log(hint));
}
