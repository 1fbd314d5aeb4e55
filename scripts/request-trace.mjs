/**
 * Finds the files of `src` that one request of each kind runs through, by V8's precise coverage. Needs a loader for
 * TypeScript: run it under tsx.
 */
import { once } from "node:events";
import { Session } from "node:inspector/promises";
import { relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import express from "express";
import { createAuthority, memoryDirectory } from "../src/authority/index.ts";
import { definePolicy, orgate } from "../src/index.ts";
import { compareText, ROOT } from "./syntax-tree.mjs";

const HTML = { accept: "text/html" };
const ACCESS_TOKEN_LIFETIME = 300;

/**
 * Sends one request of each kind through an application with the embedded authority.
 *
 * @returns for each kind its name, the response's status, and the functions that ran, by file
 */
export async function traceRequests() {
  const application = await startApplication();
  const coverage = await startCoverage();
  try {
    return await sendEveryKind(application, coverage);
  } finally {
    await coverage.stop();
    await application.stop();
  }
}

async function sendEveryKind({ send, signIn, letTokensExpire }, coverage) {
  const traces = [];
  const trace = async (name, act) => {
    await coverage.reset();
    const { status } = await act();
    // What runs after the answer belongs to the request too.
    await sleep(20);
    traces.push({ name, status, functionsByFile: await coverage.take() });
  };
  const bearer = async () => ({ authorization: `Bearer ${(await signIn("bob")).accessToken}` });

  const known = await bearer();
  await send("GET", "/documents", known);
  await trace("bearer seen before", () => send("GET", "/documents", known));
  const fresh = await bearer();
  await trace("bearer never seen", () => send("GET", "/documents", fresh));

  const { cookie } = await send("POST", "/sign-in?user=bob", HTML);
  await send("GET", "/documents", { cookie });
  await trace("cookie seen before", () => send("GET", "/documents", { cookie }));
  letTokensExpire();
  await trace("cookie renewed", () => send("GET", "/documents", { cookie }));

  const { cookie: pending } = await send("POST", "/sign-in?user=ada", HTML);
  const page = { ...HTML, cookie: pending };
  await trace("selection page", () => send("GET", "/select-organization", page));
  const form = { ...page, "content-type": "application/x-www-form-urlencoded" };
  await trace("selection posted", () =>
    send("POST", "/select-organization", form, "organization_id=org_acme"),
  );
  await trace("nobody denied", () => send("GET", "/documents", {}));
  return traces;
}

/** An application with one guarded route. Bob is in one organization, Ada in two. */
async function startApplication() {
  let now = Date.now() / 1000;
  const clock = () => now;
  const policy = definePolicy({
    resources: { documents: ["read"] },
    roles: { viewer: { documents: ["read"] } },
  });
  const server = express().listen(0, "127.0.0.1");
  await once(server, "listening");
  const baseUrl = `http://localhost:${server.address().port}`;
  const authority = createAuthority({ issuer: baseUrl, directory: makeDirectory(), policy, clock });
  const cookie = { password: "only for measuring, on this machine" };
  const signIn = (userId) => authority.authenticate({ userId, authenticationMethod: "Password" });
  const auth = orgate({ baseUrl, store: authority, cookie, policy, clock, signIn: { path: "/sign-in" } });
  const app = express();
  app.use(auth);
  app.get("/documents", auth.requirePermission("documents", "read"), (request, response) =>
    response.json({ member: request.member.id }),
  );
  app.post("/sign-in", (request, response) => auth.establish(request, response, signIn(request.query.user)));
  app.use("/select-organization", auth.organizationSelection());
  server.removeAllListeners("request");
  server.on("request", app);
  return {
    signIn,
    letTokensExpire: () => {
      now += ACCESS_TOKEN_LIFETIME + 60;
    },
    async send(method, path, headers, body) {
      const address = `http://127.0.0.1:${server.address().port}${path}`;
      const response = await fetch(address, { method, headers, body, redirect: "manual" });
      await response.arrayBuffer();
      const pairs = response.headers.getSetCookie().map((line) => line.split(";")[0]);
      return { status: response.status, cookie: pairs.join("; ") };
    },
    async stop() {
      server.closeAllConnections();
      server.close();
      await auth.close();
      await authority.close();
    },
  };
}

function makeDirectory() {
  const membership = (userId, organizationId) => ({ userId, organizationId, roles: ["viewer"] });
  return memoryDirectory({
    users: ["ada", "bob"].map((id) => ({ id, emailAddress: `${id}@example.com` })),
    organizations: [
      { id: "org_acme", name: "Acme" },
      { id: "org_globex", name: "Globex" },
    ],
    memberships: [
      membership("bob", "org_acme"),
      membership("ada", "org_acme"),
      membership("ada", "org_globex"),
    ],
  });
}

async function startCoverage() {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
  const take = async () => {
    const { result } = await session.post("Profiler.takePreciseCoverage");
    const files = result.flatMap(({ url, functions }) => {
      const path = pathInSources(url);
      const names = path === undefined ? [] : listCalled(functions);
      return names.length === 0 ? [] : [[path, names]];
    });
    return new Map(files.toSorted(([left], [right]) => compareText(left, right)));
  };
  return {
    take,
    reset: take,
    async stop() {
      await session.post("Profiler.stopPreciseCoverage");
      session.disconnect();
    },
  };
}

/** The functions that ran. The module itself, a function over the whole file, runs when the file is loaded. */
function listCalled(functions) {
  const length = Math.max(...functions.map(({ ranges: [whole] }) => whole.endOffset));
  return functions
    .filter(({ ranges: [whole] }) => whole.count > 0)
    .filter(({ ranges: [whole] }) => whole.startOffset > 0 || whole.endOffset < length)
    .map(({ functionName }) => (functionName === "" ? "(anonymous)" : functionName));
}

function pathInSources(url) {
  if (!url.startsWith("file:")) return undefined;
  const path = relative(`${ROOT}/src`, fileURLToPath(new URL(url.split("?")[0]))).replaceAll("\\", "/");
  return path.startsWith("..") ? undefined : path;
}
