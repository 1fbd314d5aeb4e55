import type { IncomingMessage, ServerResponse } from "node:http";
import { systemClock, type Clock } from "../../src/lib/clock.ts";
import {
  API_KEY,
  CLIENT_ID,
  FakeWorkosWorld,
  name,
  oauth,
  plain,
  type Answer,
  type Fields,
} from "./fake-workos-world.ts";
import { publicJwks } from "./tokens.ts";
import { serve } from "./servers.ts";

/** A request as the fake has read it, for a fault to spoil. */
export interface FakeExchange {
  readonly method: string;
  readonly url: URL;
  readonly fields: Fields;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Does what was asked, and says what the answer would be: a reply can be lost after that. */
  readonly perform: () => Answer;
  readonly answer: (answer: Answer) => void;
}

type Fault = (exchange: FakeExchange) => void;

/** A server that speaks WorkOS's wire, on a port of its own. */
export interface FakeWorkos {
  readonly url: string;
  readonly port: number;
  readonly world: FakeWorkosWorld;
  /** What was asked, in order; `POST /user_management/authenticate refresh_token`. */
  readonly calls: string[];
  /** The fields of the calls, in the same order. */
  readonly sent: Fields[];
  /** Lets a fault answer the next requests whose call contains the text, in place of the fake. */
  readonly fail: (text: string, fault: Fault, times?: number) => void;
  readonly clearFaults: () => void;
  /** Cuts every connection: whatever is still waited for will not come. */
  readonly dropConnections: () => void;
  isDown: boolean;
  readonly close: () => void;
}

const AUTHENTICATE = "/user_management/authenticate";
const GRANT = "urn:workos:oauth:grant-type:";

/** Starts a fake. */
export async function startFakeWorkos(clock: Clock = systemClock): Promise<FakeWorkos> {
  const world = new FakeWorkosWorld(clock);
  const faults: { text: string; fault: Fault; left: number }[] = [];
  const calls: string[] = [];
  const sent: Fields[] = [];
  const server = await serve((request, response) => {
    if (fake.isDown) request.socket.destroy();
    else void handle(request, response);
  });
  const fake: FakeWorkos = {
    url: server.url,
    port: server.port,
    world,
    calls,
    sent,
    fail: (text, fault, times = 1) => void faults.push({ text, fault, left: times }),
    clearFaults: () => void faults.splice(0),
    dropConnections: () => server.dropConnections(),
    isDown: false,
    close: () => void server.close(),
  };

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = "", url: path = "" } = request;
    const url = new URL(path, server.url);
    const fields = await readFields(request);
    const call = `${method} ${url.pathname} ${textOf(fields["grant_type"])}`.trimEnd();
    calls.push(call);
    sent.push({ ...Object.fromEntries(url.searchParams), ...fields });
    const answer = ({ status, body, headers }: Answer): void => {
      response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
      response.end(JSON.stringify(body));
    };
    const perform = (): Answer => route(world, { method, url, fields, request });
    const spoiling = faults.find(({ text, left }) => left > 0 && call.includes(text));
    if (spoiling === undefined) {
      answer(perform());
      return;
    }
    spoiling.left -= 1;
    spoiling.fault({ method, url, fields, request, response, perform, answer });
  }
  return fake;
}

async function readFields(request: IncomingMessage): Promise<Fields> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === "" ? {} : (JSON.parse(text) as Fields);
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}

type Asked = Pick<FakeExchange, "method" | "url" | "fields" | "request">;

function route(world: FakeWorkosWorld, asked: Asked): Answer {
  const { method, url } = asked;
  const { pathname } = url;
  if (pathname === `/sso/jwks/${CLIENT_ID}`) return { status: 200, body: { ...publicJwks([world.key]) } };
  if (pathname === "/user_management/authorize") return authorize(world, url.searchParams);
  if (method === "POST" && pathname === AUTHENTICATE) return authenticate(world, asked.fields);
  if (asked.request.headers.authorization !== `Bearer ${API_KEY}`) return plain(401, "unauthorized");
  return manage(world, asked) ?? { status: 404, body: { message: `Cannot ${method} ${pathname}` } };
}

function manage(world: FakeWorkosWorld, { method, url, fields }: Asked): Answer | undefined {
  const { pathname, searchParams } = url;
  if (method === "POST" && pathname === "/user_management/sessions/revoke") {
    const session = world.sessions.get(textOf(fields["session_id"]));
    if (session?.status !== "active") return plain(400, "session_not_found");
    session.status = "revoked";
    return { status: 200, body: {} };
  }
  if (pathname === "/user_management/organization_memberships") {
    const userId = searchParams.get("user_id") ?? "";
    const memberships = [...(world.memberships.get(userId) ?? [])];
    const describe = ([id, role]: readonly [string, string]): Fields => ({
      object: "organization_membership",
      id: `om_${userId}_${id}`,
      user_id: userId,
      organization_id: id,
      organization_name: world.organizations.get(id),
      status: "active",
      role: { slug: role },
    });
    return page(memberships.map(describe), searchParams);
  }
  const [, collection, id = "", rest] =
    /^\/(user_management\/users|organizations)\/([^/]+)(\/sessions)?$/.exec(pathname) ?? [];
  if (collection === "organizations") {
    const title = world.organizations.get(id);
    return title === undefined
      ? undefined
      : { status: 200, body: { object: "organization", id, name: title } };
  }
  if (collection === undefined || !world.users.has(id)) return undefined;
  if (rest === undefined) return { status: 200, body: world.describeUser(id) };
  const own = [...world.sessions.values()].filter(({ userId }) => userId === id);
  return page(
    own.map((session) => ({ object: "session", id: session.id, status: session.status })),
    searchParams,
  );
}

/** A page of a list, by the id after which it begins. */
function page(entries: readonly Fields[], query: URLSearchParams): Answer {
  const start = entries.findIndex(({ id }) => id === query.get("after")) + 1;
  const data = entries.slice(start, start + Number(query.get("limit") ?? 10));
  const isLast = start + data.length >= entries.length;
  const after = isLast ? null : data.at(-1)?.["id"];
  return { status: 200, body: { object: "list", data, list_metadata: { before: null, after } } };
}

/** Sends the browser straight back, as whoever `login_hint` names. */
function authorize(world: FakeWorkosWorld, query: URLSearchParams): Answer {
  const [redirectUri, state] = [query.get("redirect_uri"), query.get("state")];
  const user = [...world.users.values()].find(({ email }) => email === query.get("login_hint"));
  const hasAll = query.get("response_type") === "code" && query.get("client_id") === CLIENT_ID;
  if (!hasAll || redirectUri === null || query.get("provider") !== "authkit")
    return plain(400, "invalid_request");
  const back = new URL(redirectUri);
  if (user === undefined) back.searchParams.set("error", "access_denied");
  else {
    const code = name("code");
    world.codes.set(code, {
      userId: user.id,
      challenge: query.get("code_challenge") ?? undefined,
      organizationId: query.get("organization_id") ?? undefined,
    });
    back.searchParams.set("code", code);
  }
  if (state !== null) back.searchParams.set("state", state);
  return { status: 302, body: {}, headers: { location: back.href } };
}

function authenticate(world: FakeWorkosWorld, fields: Fields): Answer {
  if (fields["client_id"] !== CLIENT_ID || fields["client_secret"] !== API_KEY)
    return oauth(401, "invalid_client");
  const text = (field: string): string => textOf(fields[field]);
  const organizationId =
    typeof fields["organization_id"] === "string" ? fields["organization_id"] : undefined;
  const byEmail = [...world.users.values()].find(({ email }) => email === fields["email"]);
  switch (fields["grant_type"]) {
    case "authorization_code":
      return world.exchangeCode(text("code"), fields["code_verifier"]);
    case "password":
      if (byEmail === undefined || byEmail.password !== fields["password"])
        return plain(400, "invalid_credentials");
      return world.finish(byEmail.id, "Password");
    case `${GRANT}magic-auth:code`:
      if (byEmail === undefined || fields["code"] !== "123456") return plain(400, "invalid_one_time_code");
      return world.finish(byEmail.id, "MagicAuth");
    case "refresh_token":
      return world.refresh(text("refresh_token"), organizationId);
    case `${GRANT}organization-selection`:
      return world.select(text("pending_authentication_token"), text("organization_id"));
    case `${GRANT}email-verification:code`:
    case `${GRANT}mfa-totp`:
      return completeStep(world, text("pending_authentication_token"), fields["code"]);
    default:
      return oauth(400, "unsupported_grant_type");
  }
}

function completeStep(world: FakeWorkosWorld, token: string, code: unknown): Answer {
  const pending = world.pendings.get(token);
  if (pending === undefined) return plain(400, "invalid_pending_authentication_token");
  if (code !== "123456") return plain(400, "invalid_one_time_code");
  world.pendings.delete(token);
  world.stepUps.delete(pending.userId);
  return world.finish(pending.userId, pending.method, pending.organizationId);
}
