import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { describe, expect, it } from "@jest/globals";
import type { AuthState } from "../../src/model.ts";
import { closeAfterEach, start, withBearer, withCookie, type Harness } from "../support/apps.ts";
import type { SignIn } from "../support/world.ts";

closeAfterEach();

const METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"] as const;
const ORIGINS = {
  none: undefined,
  own: "https://app.example.com",
  null: "null",
  another: "https://evil.example",
  "own, without TLS": "http://app.example.com",
  "own as a prefix": "https://app.example.com.evil.example",
  trusted: "https://admin.example.org",
  "trusted by a pattern": "https://eu.partner.example",
  "a pattern's second label": "https://a.b.partner.example",
} as const;
const SITES = [undefined, "same-origin", "same-site", "cross-site", "none"] as const;
const CONTENT_TYPES = [
  undefined,
  "application/x-www-form-urlencoded",
  "text/plain",
  "application/json",
] as const;
const CREDENTIALS = ["cookie", "bearer", "both"] as const;

interface Cell {
  readonly method: (typeof METHODS)[number];
  readonly origin: keyof typeof ORIGINS;
  readonly site: (typeof SITES)[number];
  readonly contentType: (typeof CONTENT_TYPES)[number];
  readonly credential: (typeof CREDENTIALS)[number];
}

const CELLS: readonly Cell[] = METHODS.flatMap((method) =>
  (Object.keys(ORIGINS) as Cell["origin"][]).flatMap((origin) =>
    SITES.flatMap((site) =>
      CONTENT_TYPES.flatMap((contentType) =>
        CREDENTIALS.map((credential) => ({ method, origin, site, contentType, credential })),
      ),
    ),
  ),
);

/** The published table, written down a second time: what another site may make a browser do with the cookie. */
function isRefused({ method, origin, site, credential }: Cell): boolean {
  if (credential !== "cookie") return false;
  if (method === "GET" || method === "HEAD" || method === "OPTIONS") return false;
  if (site === "same-origin" || site === "none") return false;
  if (origin === "trusted" || origin === "trusted by a pattern") return false;
  if (site === "same-site" || site === "cross-site") return true;
  return !(origin === "none" || origin === "own");
}

const TRUSTED = {
  csrf: { trustedOrigins: ["https://admin.example.org", "https://*.partner.example"] },
} as const;

function headersOf(
  { origin, site, contentType, credential }: Cell,
  { seal, accessToken }: SignIn,
): Record<string, string> {
  const from = ORIGINS[origin];
  return {
    ...(credential !== "bearer" && withCookie(seal)),
    ...(credential !== "cookie" && withBearer(accessToken)),
    ...(from !== undefined && { Origin: from }),
    ...(site !== undefined && { "Sec-Fetch-Site": site }),
    ...(contentType !== undefined && { "Content-Type": contentType }),
  };
}

describe("R-17: requests that another site makes a browser send", () => {
  it(`match the published table in all ${CELLS.length} cases`, async () => {
    const { world, send, reached } = await start({ options: TRUSTED });
    const signIn = await world.signIn();
    const answers: { readonly cell: Cell; readonly status: number; readonly code: string }[] = [];
    const queue = CELLS.values();
    const work = async (): Promise<void> => {
      for (const cell of queue) {
        const { status, body } = await send({ method: cell.method, headers: headersOf(cell, signIn) });
        answers.push({ cell, status, code: /"code":"(\w+)"/.exec(body)?.[1] ?? "" });
      }
    };
    await Promise.all(Array.from({ length: 16 }, work));
    const deviations = answers.filter(({ cell, status, code }) =>
      isRefused(cell) ? status !== 403 || code !== "cross_site_request" : status !== 200,
    );
    expect(deviations).toEqual([]);
    expect(answers).toHaveLength(CELLS.length);
    expect(reached).toHaveLength(CELLS.filter((cell) => !isRefused(cell)).length);
    expect(world.store.questions.length).toBe(0);
  }, 60_000);

  it.each([
    ["an invalid bearer beside a good cookie", 401, { Authorization: "Bearer garbage" }],
    ["a Basic header beside the cookie", 403, { Authorization: "Basic YWRhOnNlY3JldA==" }],
  ])("cannot avoid the check by %s", async (_what, status, headers) => {
    const { world, send, reached } = await start();
    const { seal } = await world.signIn();
    const answer = await send({
      method: "POST",
      headers: { ...withCookie(seal), ...headers, Origin: "https://evil.example" },
    });
    expect([answer.status, reached]).toEqual([status, []]);
  });

  it("are rejected before the store is asked about a stale session", async () => {
    const { world, send } = await start();
    const { seal } = await world.signIn();
    world.clock.now += 306;
    const headers = { ...withCookie(seal), "Sec-Fetch-Site": "cross-site" };
    const { status, setCookies } = await send({ method: "POST", headers });
    expect([status, setCookies, world.store.questions]).toEqual([403, [], []]);
  });

  it("pass unguarded routes, without a member attached", async () => {
    const { world, send, reached } = await start({ routes: () => [{ path: "/documents" }] });
    const { seal } = await world.signIn();
    const headers = { ...withCookie(seal), Origin: "https://evil.example" };
    const { status, body } = await send({ method: "POST", headers });
    expect([status, reached.length]).toEqual([200, 1]);
    expect(JSON.parse(body)).toMatchObject({ member: null });
  });

  it.each([
    ["twice the same", "same-origin, same-origin"],
    ["in capitals", "SAME-ORIGIN"],
    ["empty", ""],
    ["unknown", "somewhere"],
  ])("with Sec-Fetch-Site %s do not count as the application's own", async (_what, site) => {
    const { world, send } = await start();
    const { seal } = await world.signIn();
    const headers = { ...withCookie(seal), "Sec-Fetch-Site": site, Origin: "https://app.example.com" };
    expect((await send({ method: "POST", headers })).status).toBe(403);
  });

  it("pass when the application switches the check off", async () => {
    const { world, send } = await start({ options: { csrf: false } });
    const { seal } = await world.signIn();
    const headers = { ...withCookie(seal), "Sec-Fetch-Site": "cross-site", Origin: "https://evil.example" };
    expect((await send({ method: "POST", headers })).status).toBe(200);
  });

  it("are not trusted because of the Host header", async () => {
    const { world, send } = await start();
    const { seal } = await world.signIn();
    const headers = { ...withCookie(seal), Host: "evil.example", Origin: "https://evil.example" };
    expect((await send({ method: "POST", headers })).status).toBe(403);
  });
});

/** What auth.authenticate says of an upgrade; the connection is then closed. */
async function upgrade({ auth, server, port }: Harness, headers: Record<string, string>): Promise<AuthState> {
  const seen = once(server, "upgrade");
  const outgoing = httpRequest({ host: "127.0.0.1", port, path: "/socket", headers });
  outgoing.on("error", () => undefined);
  outgoing.end();
  const [request, socket] = await seen;
  const state = await auth.authenticate(request);
  socket.destroy();
  return state;
}

describe("R-17: upgrade requests", () => {
  const UPGRADE = { Connection: "Upgrade", Upgrade: "websocket" } as const;

  it.each([
    ["the application's own page", { Origin: "https://app.example.com" }, "authenticated"],
    ["a trusted origin", { Origin: "https://admin.example.org" }, "authenticated"],
    ["no browser", {}, "authenticated"],
    ["another site", { Origin: "https://evil.example" }, "rejected"],
    ["a sandboxed page", { Origin: "null" }, "rejected"],
    ["another site, by its metadata", { "Sec-Fetch-Site": "cross-site" }, "rejected"],
    ["a sibling site", { "Sec-Fetch-Site": "same-site", Origin: "https://blog.example.com" }, "rejected"],
  ])("are decided by where they come from: %s", async (_what, headers, status) => {
    const harness = await start({ options: TRUSTED });
    const { seal } = await harness.world.signIn();
    const state = await upgrade(harness, { ...withCookie(seal), ...UPGRADE, ...headers });
    expect(state.status).toBe(status);
    expect(state.status === "rejected" ? state.code : undefined).toBe(
      status === "rejected" ? "cross_site_request" : undefined,
    );
  });

  it("with a bearer token from another site are decided by the token", async () => {
    const harness = await start();
    const { accessToken } = await harness.world.signIn();
    const headers = { ...withBearer(accessToken), ...UPGRADE, Origin: "https://evil.example" };
    expect((await upgrade(harness, headers)).status).toBe("authenticated");
  });

  it("are checked as well when they reach the application as plain requests", async () => {
    const { world, send, reached } = await start();
    const { seal } = await world.signIn();
    const headers = { ...withCookie(seal), ...UPGRADE, Origin: "https://evil.example" };
    const { status } = await send({ headers });
    expect([status, reached]).toEqual([403, []]);
  });
});
