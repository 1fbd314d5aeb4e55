import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { createApp } from "./app.ts";
import { folderStorage, memoryStorage, serverStorage, type Storage } from "./storage.ts";

const port = Number(process.env.PORT ?? 3000);
const baseUrl = `http://localhost:${port}`;

const WELCOME = `
  orgate's demo is running:  ${baseUrl}

  Try this:
    1. Sign in as Ada, who works for two companies, and choose one.
    2. Watch the bar: every 15 seconds her token is renewed. Everything in between is answered without the store.
    3. Delete a document: it is denied, and the page says why. Make yourself an admin, wait for the renewal, try again.
    4. Switch to the other company in the head of the page.
    5. Sign in as Sam, who impersonates Grace, and open Billing.
    6. Open API keys a minute after you signed in: you are asked to sign in again.
    7. Sign in in a second browser too, and sign out everywhere.
    8. Sign in as Margaret, whose company demands a second factor.
    9. Sign in as Dorothy, choose Globex Labs, and switch to her bank, which demands single sign-on.
   10. Sign in as Grace, lock Ada on the page of the members, and see in a second browser what becomes of Ada.
   11. Let Grace invite Nora. Sign in as Nora, and accept the invitation.

  It forgets everything when it stops. Keep it in a folder: npm run demo -- --data ./data

  Stop it with Ctrl+C.
`;

if (!Number.isInteger(port) || port < 1 || port > 65_535) {
  fail(`PORT must be a number from 1 to 65535, and is "${process.env.PORT}".`);
}

const storage = await openStorage();
const server = createServer(createApp({ baseUrl, storage }));
server.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EADDRINUSE") fail(`Port ${port} is taken. Choose another: PORT=3001 npm run demo`);
  if (error.code === "EACCES")
    fail(`Port ${port} may not be used by you. Choose another: PORT=3001 npm run demo`);
  throw error;
});
server.listen(port, "localhost", () => console.log(WELCOME));

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => {
    server.close();
    server.closeAllConnections();
    void storage.close().finally(() => process.exit(0));
  });
}

/** In DATABASE_URL, in the folder of `--data`, else in memory. */
async function openStorage(): Promise<Storage> {
  const { data } = parseArgs({ options: { data: { type: "string" } } }).values;
  const { DATABASE_URL, COOKIE_PASSWORD = "", KEY_ENCRYPTION = "" } = process.env;
  if (data !== undefined) return folderStorage(data);
  if (DATABASE_URL === undefined || DATABASE_URL === "") return memoryStorage();
  if (COOKIE_PASSWORD === "" || KEY_ENCRYPTION === "") {
    fail(
      "With DATABASE_URL, set COOKIE_PASSWORD and KEY_ENCRYPTION too, each to a secret of its own that you keep: " +
        "openssl rand -base64 32",
    );
  }
  return serverStorage(DATABASE_URL, { cookiePassword: COOKIE_PASSWORD, keyEncryption: KEY_ENCRYPTION });
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
