// npx tsx examples/postgres.ts, with DATABASE_URL, COOKIE_PASSWORD and KEY_ENCRYPTION in the environment: users, organizations and
// sessions in PostgreSQL. Run as many processes as you like; a restart keeps everybody signed in.
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import express, { type Express, type Request, type Response } from "express";
import { Pool } from "pg";
import { definePolicy, orgate } from "orgate";
import { createAuthority } from "orgate/authority";
import { migrate, postgresCoordinator, postgresRepository } from "orgate/postgres";
import { createPostgresDirectory, createTables, listenOnServer } from "./postgres-directory.ts";

const policy = definePolicy({
  resources: { members: ["read", "manage"] },
  roles: { member: { members: ["read"] }, admin: { members: "*" } },
});
const ROLES = ["member", "admin"] as const;

const derive = promisify(scrypt) as (password: string, salt: string, length: number) => Promise<Buffer>;

async function hashPassword(password: string, salt = randomBytes(16).toString("base64url")): Promise<string> {
  return `${salt}.${(await derive(password, salt, 32)).toString("base64url")}`;
}

/** An unknown address takes as long as a wrong password. */
async function isPassword(password: string, hash: string | undefined): Promise<boolean> {
  const [salt = "", digest = ""] = (hash ?? "nobody.").split(".");
  const expected = Buffer.from(digest, "base64url");
  const given = await derive(password, salt, 32);
  return expected.length === given.length && timingSafeEqual(given, expected);
}

/** Where the application listens, and its database. */
export interface ApplicationOptions {
  readonly baseUrl: string;
  readonly databaseUrl: string;
  /** The schema of orgate's tables. @defaultValue `orgate` */
  readonly schema?: string;
}

/** Makes the application. `close` lets the process end. */
export async function createApp({ baseUrl, databaseUrl, schema = "orgate" }: ApplicationOptions): Promise<{
  readonly app: Express;
  close(): Promise<void>;
}> {
  // Without a time limit of its own, a pool waits for minutes for a host that is gone.
  const pool = new Pool({ connectionString: databaseUrl, connectionTimeoutMillis: 2_000 });
  await migrate(pool, { schema });
  await createTables(pool);
  const directory = createPostgresDirectory(pool, listenOnServer(databaseUrl));
  const authority = createAuthority({
    issuer: baseUrl,
    directory,
    policy,
    repository: postgresRepository(pool, { schema }),
    keyEncryption: process.env.KEY_ENCRYPTION,
  });
  const coordinator = postgresCoordinator(pool, { schema });
  const auth = orgate({
    baseUrl,
    store: authority,
    policy,
    coordinator,
    cookie: { password: process.env.COOKIE_PASSWORD },
    signIn: { path: "/sign-in" },
  });

  const app = express();
  app.use(auth);
  app.use(express.json());

  const signIn = (req: Request, res: Response, userId: string, invitationToken?: string): Promise<unknown> =>
    auth.establish(
      req,
      res,
      authority.authenticate({
        userId,
        authenticationMethod: "Password",
        ipAddress: req.ip,
        ...(invitationToken !== undefined && { invitationToken }),
      }),
    );

  app.post("/sign-up", async (req, res) => {
    const { email, name, password, organization, slug } = req.body as Record<string, string>;
    const passwordHash = await hashPassword(String(password));
    const user = await directory.signUp({
      emailAddress: String(email),
      name: String(name),
      passwordHash,
    });
    const created =
      user && (await directory.createOrganization(user.id, { name: String(organization), slug }, ["admin"]));
    if (user === undefined || created === undefined) res.status(409).json({ error: "taken" });
    else await signIn(req, res, user.id);
  });

  app.post("/sign-in", async (req, res) => {
    const { email, password } = req.body as Record<string, string>;
    const found = await directory.passwordHashOf(String(email));
    const isRight = await isPassword(String(password), found?.hash);
    if (found === undefined || !isRight) res.status(400).json({ error: "wrong address or password" });
    else await signIn(req, res, found.userId);
  });

  app.get("/me", auth.requireAuth(), (req, res) => {
    const { member, organization, memberSession } = auth.session(req);
    res.json({ name: member.name, organization: organization?.name, roles: memberSession.roles });
  });

  app.get("/members", auth.requirePermission("members", "read"), async (req, res) => {
    res.json(await directory.members(auth.session(req).organization?.id ?? ""));
  });

  const manage = auth.requirePermission("members", "manage");
  const roleIn = (body: unknown) => ROLES.find((role) => role === (body as { readonly role?: unknown }).role);

  app.post("/invitations", manage, async (req, res) => {
    const role = roleIn(req.body);
    const emailAddress = String((req.body as { readonly email?: unknown }).email);
    const organizationId = auth.session(req).organization?.id ?? "";
    if (role === undefined) {
      res.status(400).json({ error: "unknown role" });
      return;
    }
    const { token } = await authority.invite({ emailAddress, organizationId, roles: [role] });
    // In production, send it to the address and answer without it.
    res.status(201).json({ token });
  });

  app.post("/join", async (req, res) => {
    const { email, name, password, token } = req.body as Record<string, string>;
    const known = await directory.passwordHashOf(String(email));
    const isTheirs = known === undefined || (await isPassword(String(password), known.hash));
    const userId = !isTheirs
      ? undefined
      : (known?.userId ??
        (
          await directory.signUp({
            emailAddress: String(email),
            name: String(name),
            passwordHash: await hashPassword(String(password)),
          })
        )?.id);
    if (userId === undefined) res.status(400).json({ error: "wrong address or password" });
    else await signIn(req, res, userId, String(token));
  });

  // From the next request on, in every process.
  app.put("/members/:userId/role", manage, async (req, res) => {
    const role = roleIn(req.body);
    const organizationId = auth.session(req).organization?.id ?? "";
    const isDone =
      role !== undefined && (await directory.setRoles(req.params["userId"], organizationId, [role]));
    res.sendStatus(isDone ? 204 : role === undefined ? 400 : 404);
  });

  app.delete("/members/:userId", manage, async (req, res) => {
    const organizationId = auth.session(req).organization?.id ?? "";
    const found = await directory.removeMembership(req.params["userId"], organizationId);
    res.sendStatus(found ? 204 : 404);
  });

  app.post("/sign-out", auth.signOut());
  app.use(auth.errorHandler());
  return {
    app,
    async close() {
      await authority.close();
      await coordinator.close();
      await pool.end();
    },
  };
}

if (process.argv[1] === import.meta.filename) {
  const baseUrl = process.env.BASE_URL ?? "http://localhost:3000";
  const { app } = await createApp({ baseUrl, databaseUrl: process.env.DATABASE_URL ?? "" });
  app.listen(new URL(baseUrl).port, () => console.log(`Listening: ${baseUrl}`));
}
