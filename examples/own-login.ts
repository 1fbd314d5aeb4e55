// npx tsx examples/own-login.ts, with COOKIE_PASSWORD in the environment: your users and passwords, orgate's sessions.
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";
import express from "express";
import { orgate } from "orgate";
import { createAuthority, memoryDirectory, type Directory } from "orgate/authority";

const BASE_URL = process.env.BASE_URL ?? "http://localhost:3000";
const hash = promisify(scrypt) as (password: string, salt: Buffer, length: number) => Promise<Buffer>;

/** In place of your own table of users: each has an address, a salt and a hash. */
async function createUsers() {
  const directory: Directory = memoryDirectory({
    users: [{ id: "user_ada", emailAddress: "ada@example.com", name: "Ada Lovelace" }],
    organizations: [{ id: "org_acme", name: "Acme" }],
    memberships: [{ userId: "user_ada", organizationId: "org_acme", roles: [] }],
  });
  const salt = randomBytes(16);
  const secrets = new Map([["user_ada", { salt, hash: await hash("correct horse", salt, 32) }]]);
  const nobody = { salt, hash: randomBytes(32) };

  return {
    directory,
    /** The user's id, or `undefined`. An unknown address takes as long as a wrong password. */
    async check(emailAddress: string, password: string): Promise<string | undefined> {
      const user = await directory.userByEmailAddress(emailAddress);
      const secret = secrets.get(user?.id ?? "") ?? nobody;
      const isRight = timingSafeEqual(await hash(password, secret.salt, 32), secret.hash);
      return isRight ? user?.id : undefined;
    },
  };
}

export async function createApp() {
  const users = await createUsers();
  const authority = createAuthority({ issuer: BASE_URL, directory: users.directory });
  const auth = orgate({
    baseUrl: BASE_URL,
    store: authority,
    cookie: { password: process.env.COOKIE_PASSWORD },
    signIn: { path: "/sign-in" },
  });

  const app = express();
  app.use(auth);
  app.get("/sign-in", (_req, res) => void res.send(signInPage("")));
  app.post("/sign-in", express.urlencoded({ extended: false }), async (req, res) => {
    const { email, password } = req.body as Record<string, unknown>;
    const userId = await users.check(String(email), String(password));
    if (userId === undefined) {
      res.status(400).send(signInPage("This address and password do not go together."));
      return;
    }
    // `establish` redirects to the `return_to` of the URL, and only within this site.
    const { ip: ipAddress } = req;
    const authentication = authority.authenticate({ userId, authenticationMethod: "Password", ipAddress });
    await auth.establish(req, res, authentication);
  });
  app.post("/sign-out", auth.signOut({ redirectTo: "/sign-in" }));
  app.get("/", auth.requireAuth(), (req, res) => void res.json({ hello: req.member?.name }));
  app.post(
    "/password",
    auth.requireRecentAuth({ maxAge: 300 }),
    (_req, res) => void res.json({ changed: true }),
  );
  return app;
}

const signInPage = (problem: string) => `<!doctype html><title>Sign in</title><p role="alert">${problem}</p>
<form method="post"><label>E-mail <input name="email" type="email" required></label>
<label>Password <input name="password" type="password" required></label><button>Sign in</button></form>`;

if (process.argv[1] === import.meta.filename) {
  const app = await createApp();
  app.listen(new URL(BASE_URL).port, () => console.log(`Open ${BASE_URL}: ada@example.com, "correct horse"`));
}
